//! NVIDIA's ModelOpt: one algorithm for the model and a list of what it left alone, or an algorithm a layer.
//!
//! The block stands in `config.json` or in `hf_quant_config.json` beside it, in slightly different words. Names of
//! algorithms are those of `modelopt/torch/export/model_config.py`. Heads and routers are left alone unless they are
//! listed: the tool's own settings switch them off (`modelopt/torch/quantization/config.py`).

use super::fields::all_read;
use super::groups::{self, in_blocks};
use super::plan::Plan;
use crate::diagnostic::Diagnostic;
use crate::model::config::Config;
use crate::model::stored::Stored;
use crate::precision::Precision;

const ALGORITHMS: &str = "must be FP8, FP8_PER_CHANNEL_PER_TOKEN, FP8_PB_WO, FP8_PB_REAL, NVFP4, NVFP4_AWQ, W4A16_NVFP4, W4A8_NVFP4_FP8, \
                          MXFP4, W4A8_MXFP4_FP8, MXFP8, INT8_SQ, W8A8_SQ_PER_CHANNEL, W8A16, W4A16, W4A16_AWQ, W4A8_AWQ or \
                          MIXED_PRECISION";

/// The block inside a `config.json`.
pub fn inside<'t>(block: &Config<'t>, notes: &mut Vec<String>) -> Result<Plan<'t>, Diagnostic> {
    // `config_groups` says the same again in the words of compressed-tensors.
    block.unused(&["config_groups", "producer", "kv_cache_scheme", "quant_method"]);
    read(block, notes)
}

/// The file beside a `config.json`.
pub fn beside<'t>(file: &Config<'t>, notes: &mut Vec<String>) -> Result<Plan<'t>, Diagnostic> {
    file.unused(&["producer"]);
    let block = file.object("quantization")?.ok_or_else(|| file.missing("quantization"))?;
    let plan = read(&block, notes)?;
    all_read(&block)?;
    all_read(file)?;
    Ok(plan)
}

fn read<'t>(block: &Config<'t>, notes: &mut Vec<String>) -> Result<Plan<'t>, Diagnostic> {
    // Scales of activations before a product are a value a column.
    block.unused(&["has_zero_point", "pre_quant_scale", "smoothquant_val"]);
    if let Some(kv) = block.word("kv_cache_quant_algo")? {
        notes.push(format!("The checkpoint brings scales for a cache in {kv}; say `kv_cache` where it is served so."));
    }
    let mut plan = match block.word("quant_algo")?.as_deref() {
        Some("MIXED_PRECISION") => {
            let mut plan = Plan::default();
            if !listed(block, &mut plan)? {
                return Err(block
                    .missing("quantized_layers")
                    .hint("MIXED_PRECISION says there which layer is stored how"));
            }
            block.unused(&["group_size", "moe_quant_algo"]);
            plan
        }
        Some(_) => Plan::matrices(algorithm(block)?),
        // Only the cache is quantised.
        None if block.has("kv_cache_quant_algo") => Plan::default(),
        None => return Err(block.missing("quant_algo").hint(format!("`quant_algo` {ALGORITHMS}"))),
    };
    for key in ["exclude_modules", "ignore"] {
        plan.except(block, key)?;
    }
    Ok(plan)
}

/// Adds `quantized_layers`, one algorithm a name; whether there are any.
///
/// # Errors
/// When an algorithm is not known.
pub fn listed<'t>(block: &Config<'t>, plan: &mut Plan<'t>) -> Result<bool, Diagnostic> {
    let Some(layers) = block.object("quantized_layers")? else { return Ok(false) };
    let (mut names, mut stored) = (Vec::new(), Vec::new());
    for name in layers.keys() {
        let own = layers.object(name)?.ok_or_else(|| layers.wrong(name, "must be an object"))?;
        own.unused(&["awq_block_size", "has_zero_point", "pre_quant_scale"]);
        stored.push(Some(algorithm(&own)?));
        all_read(&own)?;
        names.push(name.to_owned());
    }
    plan.rule(block, "quantized_layers", names, stored)?;
    Ok(true)
}

fn algorithm(block: &Config<'_>) -> Result<Stored, Diagnostic> {
    let name = block.word("quant_algo")?;
    let group = groups::size(block, "group_size")?;
    let own = |default: u64| group.unwrap_or(default) as f64;
    let nvfp4 = Stored::with_bits(Precision::Fp4, 4.0 + 8.0 / own(16));
    let integers = Stored::with_bits(Precision::Int4, 4.0 + 16.0 / own(128));
    Ok(match name.as_deref() {
        Some("FP8" | "FP8_PER_CHANNEL_PER_TOKEN") => Stored::plain(Precision::Fp8),
        Some("FP8_PB_REAL") => in_blocks(128 * 128),
        Some("FP8_PB_WO") => in_blocks(128 * 128).on(Precision::Bf16),
        Some("NVFP4" | "NVFP4_AWQ" | "NVFP4_SVDQUANT") => nvfp4,
        Some("W4A16_NVFP4") => nvfp4.on(Precision::Bf16),
        Some("W4A8_NVFP4_FP8") => nvfp4.on(Precision::Fp8),
        Some("MXFP4") => Stored::plain(Precision::Mxfp4),
        Some("W4A8_MXFP4_FP8") => Stored::plain(Precision::Mxfp4).on(Precision::Fp8),
        Some("MXFP8") => Stored::with_bits(Precision::Fp8, 8.0 + 8.0 / own(32)),
        Some("INT8_SQ" | "W8A8_SQ_PER_CHANNEL") => Stored::plain(Precision::Int8),
        Some("W8A16") => Stored::plain(Precision::Int8).on(Precision::Bf16),
        Some("INT4_AWQ" | "W4A16" | "W4A16_AWQ") => integers.on(Precision::Bf16),
        Some("W4A8_AWQ") => integers.on(Precision::Fp8),
        _ => return Err(block.wrong("quant_algo", ALGORITHMS)),
    })
}
