//! Methods that pack integers, and the indices of bitsandbytes: AWQ, GPTQ, auto-round, HQQ, bitsandbytes, ExLlama, MLX,
//! EETQ, BitNet.
//!
//! Layouts are those of the code that writes them: AutoAWQ and GPTQModel (packed integers, a zero point and a half a
//! group), hqq (`hqq/core/bitpack.py`: 3 bits take ten values a word), bitsandbytes (`functional.py`: a 32-bit maximum a
//! block, itself in 8 bit with one 32-bit maximum per 256 where quantised twice), mlx (`quantize`: a scale and a bias of
//! 16 bit a group), exllamav2 (bits are a mean with everything in it).

use super::fields::all_read;
use super::groups::{self, Integers, integer};
use super::plan::Plan;
use crate::diagnostic::Diagnostic;
use crate::model::config::Config;
use crate::model::stored::Stored;
use crate::precision::Precision;

/// Says how weights were found, computed or tested, not how they are stored.
const HOW_IT_WAS_DONE: [&str; 52] = [
    "dynamic_max_gap",
    "nblocks",
    "not_use_best_mse",
    "quant_nontext_module",
    "sampler",
    "to_quant_block_names",
    "amp",
    "autoround_version",
    "backend",
    "batch_size",
    "block_name_to_quantize",
    "cache_block_outputs",
    "calibration",
    "damp_percent",
    "dataset",
    "do_fuse",
    "enable_minmax_tuning",
    "enable_norm_bias_tuning",
    "enable_quanted_input",
    "exllama_config",
    "fuse_max_seq_len",
    "gradient_accumulate_steps",
    "is_marlin_format",
    "iters",
    "low_cpu_mem_usage",
    "low_gpu_mem_usage",
    "lr",
    "lr_scheduler",
    "max_input_length",
    "meta",
    "minmax_lr",
    "model_file_base_name",
    "model_name_or_path",
    "model_seqlen",
    "module_name_preceding_first_block",
    "modules_to_fuse",
    "nsamples",
    "pad_token_id",
    "quantizer",
    "scale_dtype",
    "seqlen",
    "static_groups",
    "super_bits",
    "super_group_size",
    "tokenizer",
    "train_bs",
    "true_sequential",
    "use_cuda_fp16",
    "use_exllama",
    "version",
    "exllama_version",
    "disable_exllama",
];

fn bits(block: &Config<'_>, names: &[&str]) -> Result<u64, Diagnostic> {
    const ACCEPTED: &str = "must be from 2 to 8 bits a weight";
    let key = names.iter().find(|name| block.has(name)).copied().unwrap_or(names[0]);
    match block.count(key)? {
        bits @ 2..=8 => Ok(bits),
        _ => Err(block.wrong(key, ACCEPTED)),
    }
}

fn packed(block: &Config<'_>, key: &str, integers: Integers) -> Result<Stored, Diagnostic> {
    integers.stored().ok_or_else(|| block.wrong(key, "must be from 2 to 8 bits a weight"))
}

/// AutoAWQ.
pub fn awq<'t>(block: &Config<'t>, _: &mut Vec<String>) -> Result<Plan<'t>, Diagnostic> {
    let bits = bits(block, &["bits", "w_bit"])?;
    let key = if block.has("q_group_size") { "q_group_size" } else { "group_size" };
    block.flag("zero_point")?;
    block.unused(&HOW_IT_WAS_DONE);
    let mut plan = Plan::matrices(packed(block, "bits", Integers::with_zeros(bits, groups::size(block, key)?))?);
    plan.except(block, "modules_to_not_convert")?;
    Ok(plan)
}

/// GPTQ by AutoGPTQ, optimum or GPTQModel. The order of columns (`desc_act`) is an index a column, nothing a weight.
pub fn gptq<'t>(block: &Config<'t>, _: &mut Vec<String>) -> Result<Plan<'t>, Diagnostic> {
    let (own, group) = (bits(block, &["bits"])?, groups::size(block, "group_size")?);
    let stored = packed(block, "bits", Integers::with_zeros(own, group))?;
    for key in ["desc_act", "sym", "mse", "act_group_aware", "offload_to_disk"] {
        block.unused(&[key]);
    }
    match block.word(if block.has("checkpoint_format") { "checkpoint_format" } else { "format" })?.as_deref() {
        None | Some("gptq" | "gptq_v2" | "marlin" | "") => {}
        Some(_) => return Err(block.wrong("checkpoint_format", "must be gptq, gptq_v2 or marlin")),
    }
    match block.word("pack_dtype")?.as_deref() {
        None | Some("int32") => {}
        Some(_) => return Err(block.wrong("pack_dtype", "must be int32")),
    }
    block.unused(&HOW_IT_WAS_DONE);
    block.unused(&["checkpoint_format", "format", "quant_method_version", "lm_head"]);
    let mut plan = Plan::matrices(stored);
    if block.flag("lm_head")?.unwrap_or(false) {
        plan.head = Some(stored);
    }
    overrides(block, &mut plan, own, group)?;
    plan.except(block, "modules_to_not_convert")?;
    only_inside(block, &mut plan, stored)?;
    Ok(plan)
}

/// GPTQModel's `dynamic`: regular expressions with other bits (`+:`, the default) or none (`-:`).
fn overrides<'t>(block: &Config<'t>, plan: &mut Plan<'t>, bits: u64, group: Option<u64>) -> Result<(), Diagnostic> {
    let Some(dynamic) = block.object("dynamic")? else { return Ok(()) };
    let (mut names, mut stored) = (Vec::new(), Vec::new());
    for key in dynamic.keys() {
        let own = dynamic.object(key)?.ok_or_else(|| dynamic.wrong(key, "must be an object"))?;
        own.unused(&["desc_act", "sym", "mse", "damp_percent", "true_sequential", "static_groups"]);
        let (without, expression) = match key.split_once(':') {
            Some(("-", rest)) => (true, rest),
            Some(("+", rest)) => (false, rest),
            _ => (false, key),
        };
        let bits = own.count_if("bits")?.unwrap_or(bits);
        let group = if own.has("group_size") { groups::size(&own, "group_size")? } else { group };
        let changed = packed(&own, "bits", Integers::with_zeros(bits, group))?;
        all_read(&own)?;
        names.push(format!("re:{expression}"));
        stored.push(Some(changed).filter(|_| !without));
    }
    plan.rule(block, "dynamic", names, stored)
}

/// Where only some modules of a block are packed, the others are left alone.
fn only_inside<'t>(block: &Config<'t>, plan: &mut Plan<'t>, stored: Stored) -> Result<(), Diagnostic> {
    let Some(lists) = block.word_lists("modules_in_block_to_quantize")? else { return Ok(()) };
    let names: Vec<String> = lists.into_iter().flatten().collect();
    let all = vec![Some(stored); names.len()];
    (plan.matrices, plan.experts) = (None, None);
    plan.rule(block, "modules_in_block_to_quantize", names, all)
}

/// Intel's auto-round, packed as GPTQ or AWQ pack, or in a microscaling format.
pub fn auto_round<'t>(block: &Config<'t>, _: &mut Vec<String>) -> Result<Plan<'t>, Diagnostic> {
    block.unused(&HOW_IT_WAS_DONE);
    for key in
        ["packing_format", "sym", "act_dynamic", "act_sym", "act_group_size", "quant_lm_head", "autoround_version"]
    {
        block.unused(&[key]);
    }
    let stored = rounded(block, None)?;
    let mut plan = Plan::matrices(stored);
    if block.flag("quant_lm_head")?.unwrap_or(false) {
        plan.head = Some(stored);
    }
    if let Some(extra) = block.object("extra_config")? {
        let (mut names, mut all) = (Vec::new(), Vec::new());
        for key in extra.keys() {
            let own = extra.object(key)?.ok_or_else(|| extra.wrong(key, "must be an object"))?;
            let wide = own.count_if("bits")?.is_some_and(|bits| bits >= 16);
            for key in ["sym", "group_size", "data_type", "scale_dtype", "fixed_by_user", "in_blocks", "act_bits"] {
                own.unused(&[key]);
            }
            own.unused(&[
                "act_data_type",
                "act_dynamic",
                "act_group_size",
                "act_sym",
                "super_bits",
                "super_group_size",
            ]);
            all.push(if wide { None } else { Some(rounded(&own, Some(block))?) });
            all_read(&own)?;
            names.push(key.to_owned());
        }
        plan.rule(block, "extra_config", names, all)?;
    }
    plan.except(block, "modules_to_not_convert")?;
    Ok(plan)
}

/// The format of auto-round's fields; what an exception leaves out is that of the whole.
fn rounded(own: &Config<'_>, whole: Option<&Config<'_>>) -> Result<Stored, Diagnostic> {
    let owner = |key: &str| if own.has(key) { own } else { whole.unwrap_or(own) };
    let bits = owner("bits").count("bits")?;
    let group = groups::size(owner("group_size"), "group_size")?;
    let activations = owner("act_bits").count_if("act_bits")?.filter(|bits| *bits < 16);
    let kind = owner("data_type").word("data_type")?.unwrap_or_else(|| "int".to_owned());
    owner("act_data_type").word("act_data_type")?;
    match (kind.as_str(), bits) {
        ("int" | "int_sym" | "int_asym", 2..=8) if activations.is_none() => {
            packed(own, "bits", Integers::with_zeros(bits, group))
        }
        ("int" | "int_sym" | "int_asym", 8) => Ok(Stored::plain(Precision::Int8)),
        ("mx_fp" | "mx_fp4" | "mxfp4" | "mx_fp_rceil", 4) => Ok(Stored::plain(Precision::Mxfp4)),
        ("mx_fp" | "mx_fp8" | "mxfp8" | "mx_fp_rceil", 8) => Ok(Stored::with_bits(Precision::Fp8, 8.25)),
        ("nv_fp" | "nv_fp4" | "nvfp4" | "nv_fp4_with_static_gs", 4) => Ok(Stored::plain(Precision::Fp4)),
        ("fp" | "fp8" | "fp8_e4m3", 8) => Ok(Stored::plain(Precision::Fp8)),
        _ => Err(owner("data_type").wrong("bits", "must be 2 to 8 of int, 4 or 8 of mx_fp, 4 of nv_fp or 8 of fp")),
    }
}

/// bitsandbytes: 4-bit indices with a maximum per block of 64, or 8-bit integers with a scale a row.
pub fn bitsandbytes<'t>(block: &Config<'t>, _: &mut Vec<String>) -> Result<Plan<'t>, Diagnostic> {
    let flag = |names: [&str; 2]| -> Result<bool, Diagnostic> {
        let both = [block.flag(names[0])?, block.flag(names[1])?];
        Ok(both.into_iter().flatten().any(|on| on))
    };
    let (four, eight) = (flag(["load_in_4bit", "_load_in_4bit"])?, flag(["load_in_8bit", "_load_in_8bit"])?);
    let twice = block.flag("bnb_4bit_use_double_quant")?.unwrap_or(false);
    let kind = block.word("bnb_4bit_quant_type")?;
    let size = block.count_if("bnb_4bit_blocksize")?.unwrap_or(64) as f64;
    let wide = block.flag("llm_int8_has_fp16_weight")?.unwrap_or(false);
    block.unused(&[
        "bnb_4bit_compute_dtype",
        "bnb_4bit_quant_storage",
        "llm_int8_enable_fp32_cpu_offload",
        "llm_int8_threshold",
        "load_in_8bit_fp32_cpu_offload",
        "modules_to_not_convert",
    ]);
    let stored = match (four, eight, kind.as_deref()) {
        (true, false, Some("nf4" | "fp4") | None) => {
            let maxima = if twice { 8.0 / size + 32.0 / (256.0 * size) } else { 32.0 / size };
            Stored::with_bits(Precision::Nf4, 4.0 + maxima).on(Precision::Bf16)
        }
        (true, false, Some(_)) => return Err(block.wrong("bnb_4bit_quant_type", "must be nf4 or fp4")),
        (false, true, _) if wide => {
            return Err(block.wrong("llm_int8_has_fp16_weight", "must be false: 16-bit weights are kept beside"));
        }
        // The few columns of outliers are computed in 16 bit; the rest in 8.
        (false, true, _) => Stored::plain(Precision::Int8),
        _ => return Err(block.missing("load_in_4bit").hint("one of load_in_4bit and load_in_8bit must be true")),
    };
    let mut plan = Plan::matrices(stored);
    plan.except(block, "llm_int8_skip_modules")?;
    plan.except(block, "modules_to_not_convert")?;
    Ok(plan)
}

/// HQQ: a 16-bit scale and zero a group; one setting for all, or one a name of a matrix.
pub fn hqq<'t>(block: &Config<'t>, _: &mut Vec<String>) -> Result<Plan<'t>, Diagnostic> {
    let settings = block.object("quant_config")?.ok_or_else(|| block.missing("quant_config"))?;
    let mut plan = if settings.has("weight_quant_params") {
        Plan::matrices(half_quadratic(&settings)?)
    } else {
        let mut plan = Plan::default();
        let names: Vec<String> = settings.keys().map(str::to_owned).collect();
        let one = |key: &String| match settings.object(key)? {
            None => Ok(None),
            Some(own) => half_quadratic(&own).map(Some),
        };
        let stored = names.iter().map(one).collect::<Result<Vec<_>, Diagnostic>>()?;
        plan.rule(block, "quant_config", names, stored)?;
        plan
    };
    plan.except(block, "skip_modules")?;
    Ok(plan)
}

fn half_quadratic(settings: &Config<'_>) -> Result<Stored, Diagnostic> {
    let own = settings.object("weight_quant_params")?.ok_or_else(|| settings.missing("weight_quant_params"))?;
    own.unused(&["channel_wise", "optimize", "round_zero", "axis", "view_as_float"]);
    settings.unused(&["offload_meta"]);
    for key in ["scale_quant_params", "zero_quant_params"] {
        if settings.has(key) {
            return Err(settings.wrong(key, "must be null: scales that are quantised themselves are not understood"));
        }
    }
    let (bits, group) = (own.count("nbits")?, groups::size(&own, "group_size")?);
    // Scale and zero of 16 bit.
    let integers = match bits {
        1 | 2 | 4 | 8 => Integers { bits, packed: bits as f64, group, shared: 32.0 },
        3 => Integers::in_words(bits, group, 32.0),
        _ => return Err(own.wrong("nbits", "must be 1, 2, 3, 4 or 8")),
    };
    all_read(&own)?;
    all_read(settings)?;
    packed(&own, "nbits", integers)
}

/// ExLlamaV2 and V3: mean bits a weight, scales included; the head apart.
pub fn exllama<'t>(block: &Config<'t>, _: &mut Vec<String>) -> Result<Plan<'t>, Diagnostic> {
    let mean = |key: &str| -> Result<Option<Stored>, Diagnostic> {
        let Some(bits) = block.real(key)? else { return Ok(None) };
        match (1.0..=8.5).contains(&bits).then(|| integer(bits.ceil().min(8.0) as u64)).flatten() {
            Some(format) => Ok(Some(Stored::with_bits(format, bits).on(Precision::Bf16))),
            None => Err(block.wrong(key, "must be from 1 to 8 bits a weight")),
        }
    };
    block.unused(&HOW_IT_WAS_DONE);
    block.unused(&["out_scales", "codebook", "tensor_storage"]);
    let mut plan = Plan::matrices(mean("bits")?.ok_or_else(|| block.missing("bits"))?);
    plan.head = mean("head_bits")?;
    Ok(plan)
}

/// MLX: every matrix, the embedding, the head and the routers; a scale and a bias of 16 bit a group. A key with a dot
/// or slash is a module with settings of its own, or `false`.
pub fn mlx<'t>(block: &Config<'t>) -> Result<Plan<'t>, Diagnostic> {
    let stored = of_mlx(block)?;
    let mut plan = Plan::matrices(stored);
    (plan.head, plan.embedding, plan.router) = (Some(stored), Some(stored), Some(stored));
    let names: Vec<String> =
        block.keys().filter(|key| key.contains('.') || *key == "lm_head").map(str::to_owned).collect();
    let one = |key: &String| match block.flag(key) {
        Ok(Some(false)) => Ok(None),
        Ok(_) => Ok(Some(stored)),
        Err(_) => {
            let own = block.object(key)?.ok_or_else(|| block.wrong(key, "must be false or an object"))?;
            let stored = of_mlx(&own)?;
            all_read(&own)?;
            Ok(Some(stored))
        }
    };
    let all = names.iter().map(one).collect::<Result<Vec<_>, Diagnostic>>()?;
    // MLX stacks the experts of a layer under a name of its own.
    let names = names.into_iter().map(|name| name.replace("switch_mlp", "experts")).collect();
    plan.rule(block, "quantization", names, all)?;
    all_read(block)?;
    Ok(plan)
}

fn of_mlx(own: &Config<'_>) -> Result<Stored, Diagnostic> {
    let (bits, group) = (own.count("bits")?, own.count("group_size")?);
    let stored = match (own.word("mode")?.as_deref(), bits, group) {
        (None | Some("affine"), 2..=8, _) => {
            return packed(own, "bits", Integers { bits, packed: bits as f64, group: Some(group), shared: 32.0 });
        }
        (Some("mxfp4"), 4, 32) => Stored::plain(Precision::Mxfp4),
        (Some("nvfp4"), 4, 16) => Stored::plain(Precision::Fp4),
        (Some("mxfp8"), 8, 32) => Stored::with_bits(Precision::Fp8, 8.25),
        (None | Some("affine"), ..) => return Err(own.wrong("bits", "must be from 2 to 8 bits a weight")),
        _ => {
            return Err(
                own.wrong("mode", "must be affine, or mxfp4, nvfp4 or mxfp8 with the bits and group of its name")
            );
        }
    };
    Ok(stored.on(Precision::Bf16))
}

/// EETQ: 8-bit integers with a scale a column.
pub fn eetq<'t>(block: &Config<'t>, _: &mut Vec<String>) -> Result<Plan<'t>, Diagnostic> {
    match block.word("weights")?.as_deref() {
        None | Some("int8") => {}
        Some(_) => return Err(block.wrong("weights", "must be int8")),
    }
    let mut plan = Plan::matrices(Stored::plain(Precision::Int8).on(Precision::Bf16));
    plan.except(block, "modules_to_not_convert")?;
    Ok(plan)
}

/// BitNet: ternary weights, four a byte, and one scale a matrix (transformers, `integrations/bitnet.py`).
pub fn bitnet<'t>(block: &Config<'t>, _: &mut Vec<String>) -> Result<Plan<'t>, Diagnostic> {
    block.unused(&["linear_class", "rms_norm_eps", "use_rms_norm"]);
    match block.word("quantization_mode")?.as_deref() {
        None | Some("offline") => {}
        Some(_) => {
            return Err(block.wrong("quantization_mode", "must be offline: otherwise weights are stored in 16 bit"));
        }
    }
    let mut plan = Plan::matrices(Stored::with_bits(Precision::Int2, 2.0));
    plan.except(block, "modules_to_not_convert")?;
    Ok(plan)
}
