//! How the published checkpoint stores its weights: the quantisation block of a `config.json`, of the file beside it,
//! or a data type alone.
//!
//! Each method is read to a [`Plan`]: which module is stored how. The modules of the model are then asked one by one, so
//! that one layer that is left alone stays one layer. A method, an option or a name that is not understood is an error;
//! nothing falls back to 16 bit.

mod compressed;
mod fields;
mod floats;
mod groups;
mod integers;
mod modelopt;
mod modules;
mod names;
mod plan;
mod quark;
mod torchao;

pub use plan::Shape;

use crate::diagnostic::Diagnostic;
use crate::model::config::Config;
use crate::model::spec::NativePrecision;
use crate::model::stored::Stored;
use crate::precision::Precision;
use fields::all_read;
use plan::Plan;

/// Where the storage may be described.
#[derive(Debug, Clone, Copy)]
pub struct Sources<'a, 't> {
    /// The whole `config.json`.
    pub outer: &'a Config<'t>,
    /// The language model's part of it; may be the same.
    pub text: &'a Config<'t>,
    /// The file beside it, `hf_quant_config.json`, where there is one.
    pub beside: Option<&'a Config<'t>>,
}

/// A method's reader.
type Method = for<'a, 't> fn(&'a Config<'t>, &'a mut Vec<String>) -> Result<Plan<'t>, Diagnostic>;

/// Every method that is understood, as `quant_method` spells it.
const METHODS: [(&str, Method); 17] = [
    ("auto-round", integers::auto_round),
    ("awq", integers::awq),
    ("bitnet", integers::bitnet),
    ("bitsandbytes", integers::bitsandbytes),
    ("compressed-tensors", compressed::read),
    ("eetq", integers::eetq),
    ("exl2", integers::exllama),
    ("exl3", integers::exllama),
    ("fbgemm_fp8", floats::fbgemm),
    ("fp8", floats::fp8),
    ("gptq", integers::gptq),
    ("hqq", integers::hqq),
    ("intel/auto-round", integers::auto_round),
    ("modelopt", modelopt::inside),
    ("mxfp4", floats::mxfp4),
    ("quark", quark::read),
    ("torchao", torchao::read),
];

/// Reads how the weights are stored.
///
/// # Errors
/// Names the field, option or module that is not understood.
pub fn read(
    sources: Sources<'_, '_>,
    shape: Shape<'_>,
    notes: &mut Vec<String>,
) -> Result<NativePrecision, Diagnostic> {
    let Sources { outer, text, beside } = sources;
    let keys = ["quantization_config", "compression_config", "quantization"];
    let blocks = keys.into_iter().flat_map(|key| [(text, key), (outer, key)]);
    let mut found = None;
    for (owner, key) in blocks {
        if let Some(block) = owner.object(key)? {
            found = found.or(Some((key, block)));
        }
    }
    if found.is_some() && beside.is_some() {
        notes.push("The block in config.json was read, as engines do, not the file beside it.".into());
    }
    let packed = found.is_some() || beside.is_some();
    let full = full_precision(outer, text, packed, notes)?;
    let plan = match (found, beside) {
        (Some((key, block)), _) => quantised(key, &block, notes)?,
        (None, Some(file)) => modelopt::beside(file, notes)?,
        (None, None) => Plan::default(),
    };
    let mut native = match full.format {
        // Without a block, the data type is that of every tensor.
        Precision::Fp8 => NativePrecision::uniform(full),
        _ => plan.apply(full, shape)?,
    };
    match text.word("expert_dtype")?.as_deref() {
        // DeepSeek-V4 stores its experts in 4 bit with one power of two per 32 values, which is MXFP4.
        Some("fp4") if native.experts.format == Precision::Fp8 => native.experts = Stored::plain(Precision::Mxfp4),
        Some("fp4") | None => {}
        Some(_) => return Err(text.wrong("expert_dtype", "must be fp4")),
    }
    Ok(native)
}

fn quantised<'t>(key: &str, block: &Config<'t>, notes: &mut Vec<String>) -> Result<Plan<'t>, Diagnostic> {
    let method = match block.word("quant_method")? {
        Some(method) => method,
        None if block.has("quant_algo") => "modelopt".to_owned(),
        // MLX writes its block without a method, under both keys.
        None if block.has("bits") && block.has("group_size") => return integers::mlx(block),
        None => {
            return Err(block.missing("quant_method").hint("it says how to read the other fields of the block"));
        }
    };
    let Some((_, read)) = METHODS.iter().find(|(name, _)| *name == method) else {
        let mut error = block.wrong("quant_method", "");
        error.message = format!("the quantisation method `{method}` of `{key}` is not understood");
        let known: Vec<&str> = METHODS.iter().map(|(name, _)| *name).collect();
        return Err(error.hint(format!("known are {} and MLX's `quantization`", known.join(", "))));
    };
    let plan = read(block, notes)?;
    all_read(block)?;
    Ok(plan)
}

/// The data type of what is not quantised. `packed`: a quantisation block says how the matrices are stored.
fn full_precision(
    outer: &Config<'_>,
    text: &Config<'_>,
    packed: bool,
    notes: &mut Vec<String>,
) -> Result<Stored, Diagnostic> {
    const KNOWN: &str = "must be bfloat16, float16, float32 or float8_e4m3fn";
    let mut found = None;
    for c in [text, outer] {
        for key in ["dtype", "torch_dtype"] {
            let Some(word) = c.word(key)? else { continue };
            let format = match word.trim_start_matches("torch.") {
                "bfloat16" => Precision::Bf16,
                "float16" | "half" => Precision::F16,
                "float32" | "float" => Precision::F32,
                "float8_e4m3fn" | "float8_e4m3fnuz" | "float8_e5m2" => Precision::Fp8,
                "auto" if packed => continue,
                "auto" => {
                    let error = c.wrong(key, "");
                    return Err(error.hint(
                        "\"auto\" means as the weights are stored, which this file does not say; write bfloat16, float16, \
                         float32 or float8_e4m3fn",
                    ));
                }
                _ => return Err(c.wrong(key, KNOWN)),
            };
            found = found.or(Some(format));
        }
    }
    match found {
        Some(Precision::Fp8) if packed => {
            notes
                .push("What the quantisation leaves alone is counted in 16 bit, though the data type is 8-bit.".into());
            Ok(Stored::plain(Precision::Bf16))
        }
        Some(Precision::Fp8) => {
            notes.push(
                "The data type is that of every tensor: all weights are counted in 8 bit, without scales.".into(),
            );
            Ok(Stored::plain(Precision::Fp8))
        }
        Some(format) => Ok(Stored::plain(format)),
        None => {
            notes.push("The file names no data type; 16-bit weights are assumed where nothing else is said.".into());
            Ok(Stored::plain(Precision::Bf16))
        }
    }
}
