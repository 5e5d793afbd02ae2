//! AMD Quark: a specification for the model, others for names with wildcards, and a list of what is left alone.
//!
//! Fields are those of `quark/torch/quantization/config/config.py` as exported; scales are 32 bit, those of the
//! microscaling formats 8. Every `nn.Linear` is packed, the head too, unless it is excluded.

use super::fields::all_read;
use super::groups::{self, Integers};
use super::plan::Plan;
use crate::diagnostic::Diagnostic;
use crate::model::config::Config;
use crate::model::stored::Stored;
use crate::precision::Precision;

/// Reads the block.
pub fn read<'t>(block: &Config<'t>, _: &mut Vec<String>) -> Result<Plan<'t>, Diagnostic> {
    // The cache, attention's softmax, the algorithms that found the scales, and how files are written and named.
    block.unused(&[
        "algo_config",
        "kv_cache_post_rope",
        "kv_cache_quant_config",
        "log_severity_level",
        "min_kv_scale",
        "quant_mode",
        "softmax_quant_spec",
        "version",
    ]);
    if let Some(export) = block.object("export")? {
        export.unused(&["kv_cache_group", "min_kv_scale", "pack_method", "weight_merge_groups"]);
        match export.word("weight_format")?.as_deref() {
            None | Some("real_quantized") => {}
            Some(_) => {
                return Err(export.wrong("weight_format", "must be real_quantized: otherwise weights are 16 bit"));
            }
        }
        all_read(&export)?;
    }
    let mut plan = Plan::default();
    plan.except(block, "exclude")?;
    for key in ["layer_quant_config", "layer_type_quant_config"] {
        let Some(own) = block.object(key)? else { continue };
        let names: Vec<String> = own.keys().map(str::to_owned).collect();
        if key == "layer_type_quant_config" && !names.is_empty() {
            return Err(block.wrong(key, "must be empty: settings by the type of a layer are not understood"));
        }
        let one = |name: &String| match own.object(name)? {
            Some(settings) => specified(&settings),
            None => Ok(None),
        };
        let stored = names.iter().map(one).collect::<Result<Vec<_>, Diagnostic>>()?;
        plan.rule(block, key, names, stored)?;
    }
    let whole = block.object("global_quant_config")?.ok_or_else(|| block.missing("global_quant_config"))?;
    let stored = specified(&whole)?;
    (plan.matrices, plan.experts, plan.head) = (stored, stored, stored);
    Ok(plan)
}

fn specified(settings: &Config<'_>) -> Result<Option<Stored>, Diagnostic> {
    settings.unused(&["bias", "output_tensors", "target_device"]);
    let inputs = settings.object("input_tensors")?.map_or(Ok(None), |inputs| inputs.word("dtype"))?;
    let Some(weight) = settings.object("weight")? else { return Ok(None) };
    weight.unused(&[
        "ch_axis",
        "is_dynamic",
        "is_scale_quant",
        "mx_element_dtype",
        "observer_cls",
        "qat_spec",
        "round_method",
        "scale_calculation_mode",
        "scale_type",
        "zero_point_type",
        "qscheme",
    ]);
    let group = groups::size(&weight, "group_size")?;
    let symmetric = weight.flag("symmetric")?.unwrap_or(true);
    let exponents = weight.word("scale_format")?.as_deref() == Some("e8m0");
    let area = weight.numbers("block_size")?;
    let kind = weight.word("dtype")?.ok_or_else(|| weight.missing("dtype"))?;
    let integers = |bits: u64| {
        let shared = 32.0 + if symmetric { 0.0 } else { bits as f64 };
        Integers { bits, packed: bits as f64, group, shared }.stored()
    };
    let stored = match (kind.as_str(), group) {
        ("fp8_e4m3" | "fp8_e5m2", Some(group)) if exponents => {
            Some(Stored::with_bits(Precision::Fp8, 8.0 + 8.0 / group as f64))
        }
        ("fp8_e4m3" | "fp8_e5m2", _) => Some(match area.as_deref() {
            Some([rows @ 1..=65_536, columns @ 1..=65_536]) => groups::in_blocks(rows * columns),
            _ => Stored::plain(Precision::Fp8),
        }),
        ("fp4" | "mx", Some(32)) if exponents || kind == "mx" => Some(Stored::plain(Precision::Mxfp4)),
        ("fp4", Some(16)) => Some(Stored::plain(Precision::Fp4)),
        ("int8" | "uint8", _) => integers(8),
        ("int4" | "uint4", _) => integers(4),
        ("int3" | "uint3", _) => integers(3),
        ("int2" | "uint2", _) => integers(2),
        ("bfloat16" | "float16" | "float32", _) => return Ok(None),
        _ => None,
    };
    let accepted = "must be fp8_e4m3, fp4 with groups of 32 and e8m0 scales, or int2 to int8";
    let stored = stored.ok_or_else(|| weight.wrong("dtype", accepted))?;
    all_read(&weight)?;
    all_read(settings)?;
    let activations = match inputs.as_deref() {
        Some("fp8_e4m3" | "fp8_e5m2") => Some(Precision::Fp8),
        Some("int8" | "uint8") => Some(Precision::Int8),
        Some("fp4" | "mx") => None,
        _ => stored.activations,
    };
    Ok(Some(Stored { activations: activations.filter(|own| *own != stored.format), ..stored }))
}
