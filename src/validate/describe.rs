//! What a measured point says about its setup, its words about pools, versions and guessed tokens included.

use super::Point;
use crate::catalog::Catalog;
use crate::device::Device;
use crate::model::{ModelSpec, Weights};
use crate::precision::Precision;
use crate::setup::{Backend, Engine, Formats, Hardware, Layout, Limits, Setup, Speculation, Speed};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// The setup of a point.
#[derive(Debug, Clone)]
pub enum Described {
    /// One kind of instance does everything.
    One(Box<Setup>),
    /// Separate pools.
    Pools {
        /// Reads prompts.
        prefill: Box<Setup>,
        /// Writes answers.
        decode: Box<Setup>,
    },
}

/// Looks names up once for many points.
pub struct Describer<'a> {
    catalog: &'a Catalog,
    models: HashMap<String, Result<Arc<ModelSpec>, String>>,
    devices: HashMap<String, Result<Hardware, String>>,
}

/// Requests per slot of the closed loops that were measured: the first of each slot meets the prompts of all others,
/// since they start at one moment. `None` for collections that do not say.
pub fn rounds(family: &str) -> Option<f64> {
    matches!(family, "silicon" | "inferencex" | "inferencex-blog").then_some(ROUNDS)
}

/// The number that `silicon` and `inferencex` have.
pub const ROUNDS: f64 = 10.0;

/// Benchmarks that draw lengths uniformly from 0.8 to 1.0 of what they are called: the mean is 0.9 of it.
pub fn mean_length(family: &str) -> f64 {
    if matches!(family, "silicon" | "inferencex" | "inferencex-blog") { 0.9 } else { 1.0 }
}

impl<'a> Describer<'a> {
    /// Over a catalogue.
    pub fn new(catalog: &'a Catalog) -> Self {
        Self { catalog, models: HashMap::new(), devices: HashMap::new() }
    }

    /// The setup of a point.
    ///
    /// # Errors
    /// Why the point says too little.
    pub fn point(&mut self, point: &Point) -> Result<Described, String> {
        let model = self.model(&point.model)?;
        let hardware = self.hardware(&point.device)?;
        let engine = engine(&point.engine_kind);
        let offline = point.phase == "offline" || point.engine_kind == "mlperf";
        let limits = Limits {
            // vLLM's default, where a point says that engine defaults were kept.
            max_sequences: (point.phase == "offline" && engine == Engine::Vllm).then_some(256),
            batch_tokens: batch_tokens(point, engine),
            memory_fraction: if offline { 0.92 } else { 0.9 },
            older: is_older(point, engine),
            eager: is_eager(point, engine),
            communication_units: None,
            backend: backend(point, engine),
            flash_attention: !point.notes.contains("flash-attention off"),
        };
        let setup = Setup {
            formats: formats(point, &model)?,
            model,
            hardware,
            layout: layout(point),
            engine,
            limits,
            speculation: point.spec_decode.as_deref().map(|words| speculation(words, &point.phase)),
            speed: Speed::ONE,
        };
        let Some(words) = point.disagg.as_deref() else { return Ok(Described::One(Box::new(setup))) };
        match pools(words) {
            // Both pools in fewer devices than they need apart are one instance.
            Some((readers, writers))
                if point.devices.is_some_and(|d| d < (readers.devices() + writers.devices()) as f64) =>
            {
                Ok(Described::One(Box::new(Setup { layout: readers, ..setup })))
            }
            Some(_) if point.devices.is_none() && !words.to_ascii_lowercase().contains("gpu") => {
                Err("the row does not say how many instances its pools have".to_owned())
            }
            Some((readers, writers)) => {
                let limits = Limits { memory_fraction: 0.85, ..limits };
                Ok(Described::Pools {
                    prefill: Box::new(Setup { layout: readers, speculation: None, ..setup.clone() }),
                    decode: Box::new(Setup { layout: writers, limits, ..setup }),
                })
            }
            None if point.phase == "decode" || point.phase == "prefill" => Ok(Described::One(Box::new(setup))),
            None => Err(format!("separate pools described as \"{words}\"")),
        }
    }

    fn model(&mut self, name: &str) -> Result<Arc<ModelSpec>, String> {
        let load = || ModelSpec::load(self.catalog, name, Path::new("")).map(Arc::new).map_err(|e| e.to_string());
        self.models.entry(name.to_owned()).or_insert_with(load).clone()
    }

    fn hardware(&mut self, name: &str) -> Result<Hardware, String> {
        let load =
            || Device::load(self.catalog, name, Path::new("")).map(Hardware::from_sheet).map_err(|e| e.to_string());
        self.devices.entry(name.to_owned()).or_insert_with(load).clone()
    }
}

/// Tokens of a step that the engines' own defaults allow (vLLM `max_num_batched_tokens`, TensorRT-LLM
/// `max_num_tokens`, SGLang `chunked_prefill_size`, llama.cpp `n_ubatch`). Two collections of llama.cpp's set it to 2,048
/// (ggml-org/llama.cpp benches/dgx-spark.md @4c7e989, and its discussion 15396).
fn batch_tokens(point: &Point, engine: Engine) -> u64 {
    match engine {
        Engine::LlamaCpp if matches!(point.family.as_str(), "dgx-spark" | "llamacpp-gptoss") => 2048,
        Engine::Sglang => 16384,
        Engine::LlamaCpp => 512,
        _ => 8192,
    }
}

fn engine(kind: &str) -> Engine {
    match kind {
        "trtllm" | "mlperf" => Engine::Trtllm,
        "llama.cpp" => Engine::LlamaCpp,
        "sglang" | "other" => Engine::Sglang,
        _ => Engine::Vllm,
    }
}

/// The interface that llama.cpp's rows name beside it, such as "llama.cpp Vulkan".
pub fn backend(point: &Point, engine: Engine) -> Option<Backend> {
    let named = point.engine.split(' ').nth(1).filter(|_| engine == Engine::LlamaCpp)?;
    [Backend::Cuda, Backend::Rocm, Backend::Vulkan, Backend::Metal, Backend::Sycl, Backend::Cpu]
        .into_iter()
        .find(|b| b.name().eq_ignore_ascii_case(named))
}

/// An older release of the engine; the one collection of llama.cpp results without build numbers is of May 2024.
fn is_older(point: &Point, engine: Engine) -> bool {
    match engine {
        Engine::LlamaCpp => point.date.get(..4).is_some_and(|year| year < "2025") && point.date.len() <= 10,
        _ => keeps_waves(&point.engine, engine),
    }
}

/// vLLM captures graphs since release 0.2.7 of January 2024.
fn is_eager(point: &Point, engine: Engine) -> bool {
    engine == Engine::Vllm && point.date.get(..4).is_some_and(|year| year < "2024")
}

/// TensorRT-LLM up to 1.0.0 and SGLang before 0.5.4 keep the prompts of a wave together; unknown versions are new.
fn keeps_waves(version: &str, engine: Engine) -> bool {
    let digits = version.split(|c: char| !(c.is_ascii_digit() || c == '.')).find(|part| part.contains('.'));
    let Some(digits) = digits else { return false };
    let number: Vec<u64> = digits.split('.').map(|n| n.parse().unwrap_or(0)).chain([0, 0, 0]).take(3).collect();
    match engine {
        Engine::Trtllm => number < vec![1, 0, 1],
        Engine::Sglang => number < vec![0, 5, 4],
        _ => false,
    }
}

/// What a point says of its guesses: "mtp1 accept 0.70", "mtp steps1 ... (accept len 1.8-1.9 / ...)" (tokens a step with
/// one guess), "nextn3" and "eagle3-4" (guesses).
///
/// Where it says no more than "mtp": static batches guess one token (DeepSeek-V3 accepts 85 to 90 %, SGLang less), served
/// random prompts three. Each guess after an accepted one is accepted with the same probability; 0.607 makes 1.2 of three,
/// which was chosen on the rows of inferencex.
fn speculation(words: &str, phase: &str) -> Speculation {
    const ACCEPTED: f64 = 0.607;
    let number =
        |text: &str| text.split(|c: char| !(c.is_ascii_digit() || c == '.')).find_map(|n| n.parse::<f64>().ok());
    let guesses =
        |text: &str| text.strip_prefix("nextn").or_else(|| text.split_once('-').map(|(_, n)| n))?.parse().ok();
    let guessed = |drafts: f64| (1..=drafts as i32).map(|n| ACCEPTED.powi(n)).sum::<f64>() + 1.0;
    match words.split_once("accept ") {
        Some((steps, lengths)) if steps.contains("steps1") => {
            let ends = lengths.split_once('-').and_then(|(low, high)| Some((number(low)?, number(high)?)));
            if let Some((low, high)) = ends {
                return Speculation { drafts: 1.0, accepted: f64::midpoint(low, high) };
            }
        }
        Some((_, rate)) if !rate.starts_with("len") => {
            if let Some(rate) = number(rate).filter(|rate| *rate <= 1.0) {
                return Speculation { drafts: 1.0, accepted: 1.0 + rate };
            }
        }
        _ => {}
    }
    match (guesses(words), phase) {
        (Some(drafts), _) => Speculation { drafts, accepted: guessed(drafts) },
        (_, "decode" | "both") => Speculation { drafts: 1.0, accepted: 1.75 },
        _ => Speculation { drafts: 3.0, accepted: guessed(3.0) },
    }
}

fn formats(point: &Point, model: &ModelSpec) -> Result<Formats, String> {
    let (weights, activations) = match point.precision.as_str() {
        "fp8w8a16" => (Precision::Fp8, Some(Precision::Bf16)),
        "w4a8" => (Precision::Int4, Some(Precision::Fp8)),
        name => {
            let known = Precision::ALL.into_iter().find(|p| p.name() == name);
            (known.ok_or_else(|| format!("the precision \"{name}\" is not known"))?, None)
        }
    };
    let weights = if weights == model.main_format() { Weights::Native } else { Weights::Uniform(weights) };
    // TensorRT-LLM's quantised checkpoints keep the cache in 8 bit.
    let small = matches!(point.precision.as_str(), "fp8" | "fp4") && point.engine_kind == "trtllm";
    let kv_cache = if small || point.engine_kind == "mlperf" { Precision::Fp8 } else { Precision::Bf16 };
    Ok(Formats { weights, activations, kv_cache })
}

fn whole(cell: Option<f64>) -> Option<u64> {
    cell.filter(|v| *v >= 1.0).map(|v| v as u64)
}

/// The layout in numbers. Rows that name only expert parallelism have data-parallel attention of the same degree.
fn layout(point: &Point) -> Layout {
    let (devices, pp) = (whole(point.devices), whole(point.pp).unwrap_or(1));
    let (tp, dp, ep) = match (whole(point.tp), whole(point.dp), whole(point.ep)) {
        // More ranks than devices are dies: an Ascend 910C is one device of two.
        (Some(tp), None, ep) => (devices.map_or(tp, |d| tp.min((d / pp).max(1))), 1, ep.unwrap_or(1)),
        (Some(tp), Some(dp), ep) => (tp, dp, ep.unwrap_or(1)),
        (None, None, Some(ep)) => (1, ep, ep),
        (None, dp, ep) => match point.disagg.as_deref().and_then(wide_experts) {
            Some(wide) => (1, wide, wide),
            None if point.pp.is_some() || point.engine_kind == "llama.cpp" => (1, dp.unwrap_or(1), ep.unwrap_or(1)),
            None => (devices.unwrap_or(8).min(8), dp.unwrap_or(1), ep.unwrap_or(1)),
        },
    };
    let ep = ep.min(tp * dp);
    let ep = if (tp * dp).is_multiple_of(ep) { ep } else { 1 };
    let replicas = devices.map_or(1, |d| (d / (tp * pp * dp)).max(1));
    Layout { tp, pp, dp, ep, replicas }
}

/// The degree in words such as "EP32, 4 nodes PD-disagg".
fn wide_experts(words: &str) -> Option<u64> {
    number_after(words, "EP").filter(|n| *n > 1)
}

fn number_after(text: &str, key: &str) -> Option<u64> {
    let rest = &text[text.find(key)? + key.len()..];
    let digits: String = rest.chars().skip_while(|c| matches!(c, '=' | ' ')).take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// Both pools from words in one of three spellings: `P8gpu(tp8,ep8,dpa)+D16gpu(tp8,ep1)`, `P[TP 4, EP 4] D[TP 16,
/// EP 16]`, `P[4 GPU, TP=4] D[32 GPU, EP=8]`.
fn pools(words: &str) -> Option<(Layout, Layout)> {
    let at = |key: char| {
        let start = words
            .char_indices()
            .find(|(i, c)| *c == key && words[i + 1..].starts_with(|n: char| n == '[' || n.is_ascii_digit()))?
            .0;
        let rest = &words[start + 1..];
        pool(&rest[..rest.find([')', ']']).unwrap_or(rest.len())])
    };
    Some((at('P')?, at('D')?))
}

fn pool(words: &str) -> Option<Layout> {
    let lower = words.to_lowercase();
    let (tp, ep) = (number_after(&lower, "tp"), number_after(&lower, "ep"));
    let leading: String = words.trim_start_matches('[').chars().take_while(char::is_ascii_digit).collect();
    let devices: Option<u64> = leading.parse().ok();
    let (tp, ep, own_tokens) = match (tp, ep) {
        (Some(tp), Some(ep)) => (tp, ep, lower.contains("dpa") || (devices.is_none() && ep > 8)),
        (Some(tp), None) => (tp, 1, false),
        (None, Some(1)) => (8, 1, false),
        (None, Some(ep)) => (ep, ep, ep > 8),
        (None, None) => return None,
    };
    let size = tp.max(ep);
    let replicas = devices.map_or(1, |d| (d / size).max(1));
    let (tp, dp) = if own_tokens { (1, size) } else { (size, 1) };
    Some(Layout { tp, pp: 1, dp, ep, replicas })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools_are_read_in_every_spelling() {
        let read = |words: &str| pools(words).map(|(p, d)| (p.devices(), p.dp, p.ep, d.devices(), d.dp, d.ep));
        assert_eq!(read("disagg P8gpu(tp8,ep8,dpa)+D16gpu(tp8,ep1)"), Some((8, 8, 8, 16, 1, 1)));
        assert_eq!(read("P[TP 4, EP 4] D[TP 16, EP 16]"), Some((4, 1, 4, 16, 16, 16)));
        assert_eq!(read("disagg P[4 GPU, TP=4] D[32 GPU, EP=8]"), Some((4, 1, 1, 32, 1, 8)));
        assert_eq!(read("226.75 nodes avg"), None);
    }

    /// As the collections print them: Ant's H20 report, CloudMatrix384, SGLang's recipes for Ascend, InferenceX.
    #[test]
    fn guesses_are_read_as_they_are_told() {
        let read = |words: &str, phase: &str| {
            let Speculation { drafts, accepted } = speculation(words, phase);
            (drafts, (accepted * 100.0).round() / 100.0)
        };
        assert_eq!(
            read("mtp steps1 draft2 (accept len 1.8-1.9 / 2.4-2.7 / 2.9-3.3 for 1/2/3 steps)", "decode"),
            (1.0, 1.85)
        );
        assert_eq!(
            read("mtp more drafts (accept len 1.8-1.9 / 2.4-2.7 / 2.9-3.3 for 1/2/3 steps)", "decode"),
            (1.0, 1.75)
        );
        assert_eq!(read("mtp1 accept 0.70", "decode"), (1.0, 1.7));
        assert_eq!(read("nextn2", "serve"), (2.0, 1.98));
        assert_eq!(read("eagle3-4", "serve"), (4.0, 2.33));
        assert_eq!(read("mtp", "serve"), (3.0, 2.2));
        assert_eq!(read("mtp", "decode"), (1.0, 1.75));
    }

    #[test]
    fn versions_tell_schedulers_apart() {
        assert!(keeps_waves("trtllm 1.0.0rc3", Engine::Trtllm));
        assert!(!keeps_waves("trtllm 1.2.0rc2", Engine::Trtllm));
        assert!(keeps_waves("sglang 0.5.1.post1", Engine::Sglang));
        assert!(!keeps_waves("sglang 0.5.9", Engine::Sglang) && !keeps_waves("sglang nan", Engine::Sglang));
    }
}
