//! How the published checkpoint stores its weights: the quantisation block of a `config.json`.

use crate::diagnostic::Diagnostic;
use crate::model::config::Config;
use crate::model::spec::NativePrecision;
use crate::precision::Precision;

/// Quantisation methods that are understood.
const METHODS: &str = "must have a `quant_method` of fp8, mxfp4, compressed-tensors, modelopt, awq or gptq";

/// Reads the stored formats; `text` is the language model's part of `outer` and may be the same.
///
/// # Errors
/// When the quantisation block is not understood.
pub fn read(outer: &Config<'_>, text: &Config<'_>, notes: &mut Vec<String>) -> Result<NativePrecision, Diagnostic> {
    let full = full_precision(outer, text, notes)?;
    let plain = uniform(full, full);
    let mut native = match (text.object("quantization_config")?, outer.object("quantization_config")?) {
        (Some(block), _) => quantised(text, &block, plain, notes)?,
        (None, Some(block)) => quantised(outer, &block, plain, notes)?,
        (None, None) => plain,
    };
    match text.word("expert_dtype")?.as_deref() {
        // DeepSeek-V4 stores its experts in 4 bit with one power of two per 32 values, which is MXFP4.
        Some("fp4") => native.experts = Precision::Mxfp4,
        Some(_) => return Err(text.wrong("expert_dtype", "must be fp4")),
        None => {}
    }
    Ok(native)
}

fn uniform(all: Precision, rest: Precision) -> NativePrecision {
    NativePrecision { attention: all, dense: all, shared: all, experts: all, rest, block_scaled: false }
}

fn full_precision(outer: &Config<'_>, text: &Config<'_>, notes: &mut Vec<String>) -> Result<Precision, Diagnostic> {
    for c in [text, outer] {
        for key in ["dtype", "torch_dtype"] {
            match c.word(key)?.as_deref() {
                Some("bfloat16") => return Ok(Precision::Bf16),
                Some("float16") => return Ok(Precision::F16),
                Some("float32") => return Ok(Precision::F32),
                Some(_) => return Err(c.wrong(key, "must be bfloat16, float16 or float32")),
                None => {}
            }
        }
    }
    notes.push("The file names no data type; 16-bit weights are assumed.".into());
    Ok(Precision::Bf16)
}

fn quantised(
    owner: &Config<'_>,
    block: &Config<'_>,
    plain: NativePrecision,
    notes: &mut Vec<String>,
) -> Result<NativePrecision, Diagnostic> {
    let method = block.word("quant_method")?.unwrap_or_default();
    let format = match method.as_str() {
        "fp8" => Precision::Fp8,
        "mxfp4" => Precision::Mxfp4,
        "compressed-tensors" => compressed(block, notes)?,
        "awq" | "gptq" => integer(block)?,
        "modelopt" => match block.word("quant_algo")?.as_deref() {
            Some("FP8") => Precision::Fp8,
            Some("NVFP4") => Precision::Fp4,
            _ => return Err(block.wrong("quant_algo", "must be FP8 or NVFP4")),
        },
        _ => return Err(owner.wrong("quantization_config", METHODS)),
    };
    let mut native = uniform(format, plain.rest);
    native.block_scaled = format == Precision::Fp8 && block.has("weight_block_size");
    for key in ["modules_to_not_convert", "ignore", "exclude_modules"] {
        for pattern in block.words(key)?.unwrap_or_default() {
            exclude(&mut native, &pattern, plain.rest);
        }
    }
    Ok(native)
}

/// Takes a class of weights out of the quantisation. A pattern names modules, sometimes as a regular expression;
/// the names it must contain are the same either way.
fn exclude(native: &mut NativePrecision, pattern: &str, full: Precision) {
    if pattern.contains("self_attn") {
        native.attention = full;
    } else if pattern.contains("shared_expert") {
        native.shared = full;
    } else if pattern.contains("experts") {
        native.experts = full;
    } else if pattern.contains("mlp") && pattern.contains("down") {
        native.dense = full;
    }
}

fn integer(block: &Config<'_>) -> Result<Precision, Diagnostic> {
    match block.count("bits")? {
        4 => Ok(Precision::Int4),
        8 => Ok(Precision::Int8),
        _ => Err(block.wrong("bits", "must be 4 or 8")),
    }
}

/// `compressed-tensors`: groups of modules with a number format each; the weights of all groups must agree.
fn compressed(block: &Config<'_>, notes: &mut Vec<String>) -> Result<Precision, Diagnostic> {
    const ACCEPTED: &str = "must have groups whose weights are 4- or 8-bit int or float, the same in each";
    let groups = block.object("config_groups")?.ok_or_else(|| block.missing("config_groups"))?;
    let mut formats = Vec::new();
    for name in groups.keys() {
        let group = groups.object(name)?.ok_or_else(|| groups.missing(name))?;
        let weights = group.object("weights")?.ok_or_else(|| group.missing("weights"))?;
        let size = weights.count_if("group_size")?;
        formats.push(match (weights.count("num_bits")?, weights.word("type")?.as_deref(), size) {
            (4, Some("int"), size) => {
                notes.extend(size.filter(|n| *n != 128).map(|n| {
                    format!("Its 4-bit weights have one scale per {n} values; bytes are counted with one per 128.")
                }));
                Precision::Int4
            }
            (8, Some("int"), _) => Precision::Int8,
            (8, Some("float"), _) => Precision::Fp8,
            (4, Some("float"), Some(32)) => Precision::Mxfp4,
            (4, Some("float"), _) => Precision::Fp4,
            _ => return Err(block.wrong("config_groups", ACCEPTED)),
        });
    }
    formats.dedup();
    match formats.as_slice() {
        [one] => Ok(*one),
        _ => Err(block.wrong("config_groups", ACCEPTED)),
    }
}
