//! torchao as transformers saves it: a name of a configuration with arguments, or the configuration itself.
//!
//! `torchao/quantization/quant_api.py`: groups of 128 where nothing is said; tiled 4-bit weights have a scale and a zero
//! point of 16 bit a group. What stores 4-bit values in bytes (integer activations on 4-bit weights) depends on the
//! version and is refused.

use super::fields::all_read;
use super::groups::{self, Integers};
use super::plan::Plan;
use crate::diagnostic::Diagnostic;
use crate::model::config::Config;
use crate::model::stored::Stored;
use crate::precision::Precision;

const KNOWN: &str = "must be one of int4_weight_only, int8_weight_only, int8_dynamic_activation_int8_weight, float8_weight_only, \
                     float8_dynamic_activation_float8_weight, or their configurations";

/// Reads the block.
pub fn read<'t>(block: &Config<'t>, _: &mut Vec<String>) -> Result<Plan<'t>, Diagnostic> {
    block.unused(&["autoquant_cache", "untie_embedding_weights"]);
    let mut plan = match block.word("quant_type") {
        Ok(name) => {
            let name = name.ok_or_else(|| block.missing("quant_type"))?;
            let arguments = block.object("quant_type_kwargs")?;
            Plan::matrices(of(block, "quant_type", &name, arguments)?)
        }
        Err(_) => configurations(block)?,
    };
    if block.flag("include_input_output_embeddings")?.unwrap_or(false) {
        (plan.head, plan.embedding) = (plan.matrices, plan.matrices);
    }
    plan.except(block, "modules_to_not_convert")?;
    Ok(plan)
}

/// `{"default": {"_type": ..., "_data": {...}}}`, or one configuration a name of a module.
fn configurations<'t>(block: &Config<'t>) -> Result<Plan<'t>, Diagnostic> {
    block.unused(&["quant_type_kwargs"]);
    let all = block.object("quant_type")?.ok_or_else(|| block.missing("quant_type"))?;
    let configuration = |own: &Config<'t>| -> Result<Stored, Diagnostic> {
        own.unused(&["_version"]);
        let name = own.word("_type")?.ok_or_else(|| own.missing("_type"))?;
        let stored = of(own, "_type", &name, own.object("_data")?)?;
        all_read(own)?;
        Ok(stored)
    };
    let (mut names, mut stored, mut default) = (Vec::new(), Vec::new(), None);
    for key in all.keys() {
        let own = all.object(key)?.ok_or_else(|| all.wrong(key, "must be an object"))?;
        if own.word("_type")?.as_deref() == Some("ModuleFqnToConfig") {
            let data = own.object("_data")?.ok_or_else(|| own.missing("_data"))?;
            let modules = data.object("module_fqn_to_config")?.ok_or_else(|| data.missing("module_fqn_to_config"))?;
            own.unused(&["_version"]);
            for name in modules.keys() {
                let one = modules.object(name)?.map(|own| configuration(&own)).transpose()?;
                if name == "_default" {
                    default = one;
                } else {
                    names.push(name.to_owned());
                    stored.push(one);
                }
            }
        } else if key == "default" {
            default = Some(configuration(&own)?);
        } else {
            names.push(key.to_owned());
            stored.push(Some(configuration(&own)?));
        }
    }
    let mut plan = default.map_or_else(Plan::default, Plan::matrices);
    plan.rule(block, "quant_type", names, stored)?;
    Ok(plan)
}

fn of(owner: &Config<'_>, key: &str, name: &str, arguments: Option<Config<'_>>) -> Result<Stored, Diagnostic> {
    let group = match &arguments {
        None => None,
        Some(own) => {
            own.unused(&[
                "activation_dtype",
                "activation_value_lb",
                "activation_value_ub",
                "act_mapping_type",
                "inner_k_tiles",
                "int4_choose_qparams_algorithm",
                "int4_packing_format",
                "kernel_preference",
                "layout",
                "mm_config",
                "packing_bitwidth",
                "preserve_zero",
                "set_inductor_config",
                "use_hqq",
                "version",
                "weight_dtype",
                "weight_only_decode",
                "zero_point_domain",
                "granularity",
            ]);
            let group = groups::size(own, "group_size")?;
            all_read(own)?;
            group
        }
    };
    Ok(match name {
        "int4_weight_only" | "Int4WeightOnlyConfig" => {
            let group = Some(group.unwrap_or(128));
            let stored = Integers { bits: 4, packed: 4.0, group, shared: 32.0 }.stored();
            stored.ok_or_else(|| owner.wrong(key, KNOWN))?
        }
        "int8_weight_only" | "Int8WeightOnlyConfig" => {
            let stored = Integers { bits: 8, packed: 8.0, group, shared: 32.0 }.stored();
            stored.ok_or_else(|| owner.wrong(key, KNOWN))?
        }
        "int8_dynamic_activation_int8_weight" | "Int8DynamicActivationInt8WeightConfig" => {
            Stored::plain(Precision::Int8)
        }
        "float8_weight_only" | "Float8WeightOnlyConfig" => Stored::plain(Precision::Fp8).on(Precision::Bf16),
        "float8_dynamic_activation_float8_weight" | "Float8DynamicActivationFloat8WeightConfig" => {
            Stored::plain(Precision::Fp8)
        }
        _ => return Err(owner.wrong(key, KNOWN)),
    })
}
