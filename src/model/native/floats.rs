//! 8-bit floats as DeepSeek, transformers and FBGEMM store them, and gpt-oss's MXFP4.
//!
//! Scales are 32-bit floats: one a tensor or a channel, or one a block of both dimensions (`weight_scale_inv`).

use super::groups::in_blocks;
use super::modelopt;
use super::plan::Plan;
use crate::diagnostic::Diagnostic;
use crate::model::config::Config;
use crate::model::stored::Stored;
use crate::precision::Precision;

/// DeepSeek's and transformers' FP8. NVIDIA's conversions of such checkpoints list the layers they changed.
pub fn fp8<'t>(block: &Config<'t>, _: &mut Vec<String>) -> Result<Plan<'t>, Diagnostic> {
    match block.word("fmt")?.as_deref() {
        None | Some("e4m3" | "e5m2" | "float8_e4m3fn" | "float8_e5m2" | "float8_e4m3") => {}
        Some(_) => return Err(block.wrong("fmt", "must be e4m3 or e5m2")),
    }
    // How activations are scaled and in which format the few scales are kept says nothing about the weights' bytes.
    block.unused(&["activation_scheme", "scale_fmt", "use_fp8_kv_cache", "kv_cache_scheme", "dequantize"]);
    let stored = match block.numbers("weight_block_size")?.as_deref() {
        None => Stored::plain(Precision::Fp8),
        Some([rows @ 1..=65_536, columns @ 1..=65_536]) => in_blocks(rows * columns),
        Some(_) => return Err(block.wrong("weight_block_size", "must be two sizes, such as [128, 128]")),
    };
    let mut plan = Plan::matrices(stored);
    if block.has("quantized_layers") {
        // What the conversion ignored keeps the format of the block.
        block.unused(&[
            "ignore",
            "config_groups",
            "moe_quant_algo",
            "group_size",
            "kv_cache_quant_algo",
            "producer",
            "quant_algo",
        ]);
        modelopt::listed(block, &mut plan)?;
    }
    for key in ["modules_to_not_convert", "ignored_layers", "ignore"] {
        if !(key == "ignore" && block.has("quantized_layers")) {
            plan.except(block, key)?;
        }
    }
    Ok(plan)
}

/// FBGEMM: a scale a row.
pub fn fbgemm<'t>(block: &Config<'t>, _: &mut Vec<String>) -> Result<Plan<'t>, Diagnostic> {
    block.unused(&["activation_scale_ub"]);
    let mut plan = Plan::matrices(Stored::plain(Precision::Fp8));
    plan.except(block, "modules_to_not_convert")?;
    Ok(plan)
}

/// MXFP4 as transformers has it packs experts only.
pub fn mxfp4<'t>(block: &Config<'t>, _: &mut Vec<String>) -> Result<Plan<'t>, Diagnostic> {
    block.unused(&["dequantize"]);
    let mut plan = Plan::default();
    plan.experts = Some(Stored::plain(Precision::Mxfp4));
    plan.except(block, "modules_to_not_convert")?;
    Ok(plan)
}
