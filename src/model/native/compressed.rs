//! compressed-tensors (llm-compressor): groups of modules, each with a number format; names before classes.
//!
//! `compressed_tensors/quantization/quant_args.py` has the fields, `compressors/` the layouts: packed integers are as
//! many whole values as fit into a 32-bit word; a scale is 16 bit, an unsymmetric zero point as wide as a value.

use super::fields::all_read;
use super::groups::{self, Integers};
use super::plan::Plan;
use crate::diagnostic::Diagnostic;
use crate::model::config::Config;
use crate::model::stored::Stored;
use crate::precision::Precision;

/// Classes of modules that hold the matrices of a model.
const MATRICES: [&str; 4] = ["Linear", "FusedMoE", "MoEGMM", "QuantMoE"];

/// Layouts that store each weight once, in the bits of its format.
const LAYOUTS: [&str; 8] = [
    "pack-quantized",
    "int-quantized",
    "float-quantized",
    "naive-quantized",
    "nvfp4-pack-quantized",
    "mxfp4-pack-quantized",
    "mxfp8-quantized",
    "mixed-precision",
];

/// Reads the block.
pub fn read<'t>(block: &Config<'t>, _: &mut Vec<String>) -> Result<Plan<'t>, Diagnostic> {
    // What was reached by it, who wrote it, and the scales of the cache.
    block.unused(&[
        "global_compression_ratio",
        "kv_cache_scheme",
        "quantization_status",
        "version",
        "transform_config",
    ]);
    layout(block)?;
    if let Some(sparse) = block.object("sparsity_config")? {
        sparse.unused(&["ignore", "targets", "registry_requires_subclass", "sparsity_structure", "global_sparsity"]);
        match sparse.word("format")?.as_deref() {
            None | Some("dense") => {}
            Some(_) => return Err(sparse.wrong("format", "must be dense: sparse layouts are not understood")),
        }
    }
    let groups = block.object("config_groups")?.ok_or_else(|| block.missing("config_groups"))?;
    let mut plan = Plan::default();
    plan.except(block, "ignore")?;
    let (mut names, mut all, mut classes) = (Vec::new(), Vec::new(), Vec::new());
    for name in groups.keys() {
        let group = groups.object(name)?.ok_or_else(|| groups.wrong(name, "must be an object"))?;
        group.unused(&["output_activations"]);
        layout(&group)?;
        let Some(weights) = group.object("weights")? else {
            // A group without weights describes activations alone.
            group.unused(&["targets", "input_activations"]);
            continue;
        };
        let stored = of(&weights, group.object("input_activations")?)?;
        all_read(&weights)?;
        for target in group.words("targets")?.unwrap_or_else(|| vec!["Linear".into()]) {
            match target.as_str() {
                class if MATRICES.contains(&class) => classes.push(stored),
                class if class.starts_with(char::is_uppercase) => {
                    return Err(group.wrong("targets", "must be Linear or names of modules"));
                }
                _ => {
                    names.push(target);
                    all.push(Some(stored));
                }
            }
        }
        all_read(&group)?;
    }
    plan.rule(block, "config_groups", names, all)?;
    classes.dedup();
    match classes.as_slice() {
        [] => {}
        [one] => (plan.matrices, plan.experts, plan.head) = (Some(*one), Some(*one), Some(*one)),
        _ => return Err(block.wrong("config_groups", "must not give all Linear modules two formats")),
    }
    Ok(plan)
}

fn layout(owner: &Config<'_>) -> Result<(), Diagnostic> {
    match owner.word("format")?.as_deref() {
        None => Ok(()),
        Some(known) if LAYOUTS.contains(&known) => Ok(()),
        Some(_) => Err(owner.wrong("format", &format!("must be one of {}", LAYOUTS.join(", ")))),
    }
}

fn of(weights: &Config<'_>, inputs: Option<Config<'_>>) -> Result<Stored, Diagnostic> {
    // How the scales were found, and whether columns are reordered.
    weights.unused(&["actorder", "dynamic", "observer", "observer_kwargs", "scale_dtype", "zp_dtype"]);
    let symmetric = weights.flag("symmetric")?.unwrap_or(true);
    let group = groups::size(weights, "group_size")?;
    let area = weights.numbers("block_structure")?;
    match weights.word("strategy")?.as_deref() {
        None | Some("tensor" | "channel" | "group" | "tensor_group" | "block" | "token") => {}
        Some(_) => return Err(weights.wrong("strategy", "must be tensor, channel, group, tensor_group or block")),
    }
    let bits = weights.count("num_bits")?;
    let alone = inputs.is_none();
    let stored = match (bits, weights.word("type")?.as_deref()) {
        (8, Some("float")) => match (area.as_deref(), group) {
            (Some([rows @ 1..=65_536, columns @ 1..=65_536]), _) => groups::in_blocks(rows * columns),
            (_, Some(32)) => Stored::with_bits(Precision::Fp8, 8.25),
            _ => Stored::plain(Precision::Fp8),
        },
        (4, Some("float")) => match group {
            Some(32) => return Ok(Stored::plain(Precision::Mxfp4)),
            Some(group) => Stored::with_bits(Precision::Fp4, 4.0 + 8.0 / group as f64),
            None => return Err(weights.missing("group_size").hint("4-bit floats have a scale a group of 16 or 32")),
        },
        (2..=8, Some("int")) => {
            let shared = 16.0 + if symmetric { 0.0 } else { bits as f64 };
            let stored = Integers::in_words(bits, group, shared).stored();
            stored.ok_or_else(|| weights.wrong("num_bits", "must be from 2 to 8"))?
        }
        (_, Some("int" | "float")) => return Err(weights.wrong("num_bits", "must be 2 to 8 for int, 4 or 8 for float")),
        _ => return Err(weights.wrong("type", "must be int or float")),
    };
    let activations = match &inputs {
        _ if alone => Some(Precision::Bf16),
        Some(inputs) => match (inputs.count_if("num_bits")?, inputs.word("type")?.as_deref()) {
            (Some(8), Some("int")) => Some(Precision::Int8),
            (Some(8), Some("float")) => Some(Precision::Fp8),
            _ => None,
        },
        None => None,
    };
    // Weights and activations in one format are its usual partner.
    Ok(Stored { activations: activations.filter(|own| *own != stored.format), ..stored })
}
