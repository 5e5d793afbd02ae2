//! From a measured point to a prediction: the setup it describes, and the quantity it measured.

use super::Point;
use crate::catalog::Catalog;
use crate::device::Device;
use crate::estimate::{Calibration, Compiled};
use crate::model::{ModelSpec, Weights};
use crate::precision::Precision;
use crate::setup::{Engine, Formats, Hardware, Layout, Limits, Load, Setup, Speed};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// What is predicted of a point; what its phase does not have is absent.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Prediction {
    /// Mean time to the first token, ms.
    pub ttft_ms: Option<f64>,
    /// Mean time per further token, ms.
    pub tpot_ms: Option<f64>,
    /// Prompt tokens per second and device.
    pub input_tok_s_per_device: Option<f64>,
    /// Answer tokens per second and device.
    pub output_tok_s_per_device: Option<f64>,
    /// Tokens per second and device.
    pub total_tok_s_per_device: Option<f64>,
    /// More requests were offered than fit.
    pub saturated: bool,
}

/// Looks names up once for many points.
pub struct Answerer<'a> {
    catalog: &'a Catalog,
    calibration: &'a Calibration,
    models: HashMap<String, Result<Arc<ModelSpec>, String>>,
    devices: HashMap<String, Result<Hardware, String>>,
}

/// Predicts every point; a point that cannot be answered says why.
pub fn answer(points: &[Point], catalog: &Catalog, calibration: &Calibration) -> Vec<Result<Prediction, String>> {
    let mut answerer = Answerer { catalog, calibration, models: HashMap::new(), devices: HashMap::new() };
    points.iter().map(|point| answerer.point(point)).collect()
}

/// Benchmarks that draw lengths uniformly from 0.8 to 1.0 of what they are called: the mean is 0.9 of it.
fn mean_length(family: &str) -> f64 {
    if matches!(family, "silicon" | "inferencex" | "inferencex-blog") { 0.9 } else { 1.0 }
}

impl Answerer<'_> {
    fn point(&mut self, point: &Point) -> Result<Prediction, String> {
        let setup = self.setup(point)?;
        let compiled = Compiled::new(setup, self.calibration).map_err(|why| why.to_string())?;
        match point.phase.as_str() {
            "prefill" => prefill(point, &compiled),
            "decode" => decode(point, &compiled),
            "both" => both(point, &compiled),
            "serve" | "offline" => serve(point, &compiled),
            other => Err(format!("the phase \"{other}\" is not known")),
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

    fn setup(&mut self, point: &Point) -> Result<Setup, String> {
        if point.disagg.is_some() {
            return Err("separate prefill and decode pools".to_owned());
        }
        if point.spec_decode.is_some() {
            return Err("speculative decoding".to_owned());
        }
        let model = self.model(&point.model)?;
        let hardware = self.hardware(&point.device)?;
        let formats = formats(point, &model)?;
        let engine = engine(&point.engine_kind);
        let layout = layout(point, &model, &hardware, &formats);
        let limits = Limits { batch_tokens: batch_tokens(engine), ..Limits::default() };
        Ok(Setup { model, formats, hardware, layout, engine, limits, speed: Speed::ONE })
    }
}

/// Tokens of a step that the engines' own defaults allow (vLLM `max_num_batched_tokens`, TensorRT-LLM
/// `max_num_tokens`, SGLang `chunked_prefill_size`, llama.cpp `n_ubatch`).
fn batch_tokens(engine: Engine) -> u64 {
    match engine {
        Engine::Sglang => 16384,
        Engine::LlamaCpp => 512,
        _ => 8192,
    }
}

fn engine(kind: &str) -> Engine {
    match kind {
        "vllm" => Engine::Vllm,
        "trtllm" | "mlperf" => Engine::Trtllm,
        "llama.cpp" => Engine::LlamaCpp,
        _ => Engine::Sglang,
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

fn layout(point: &Point, model: &ModelSpec, hardware: &Hardware, formats: &Formats) -> Layout {
    let whole = |cell: Option<f64>| cell.map_or(1, |v| (v as u64).max(1));
    let (dp, pp, ep) = (whole(point.dp), whole(point.pp), whole(point.ep));
    let devices = whole(point.devices);
    let tp = match point.tp {
        Some(tp) => (tp as u64).max(1),
        // A submission that does not say how it is spread uses as few devices an instance as the weights allow.
        None if point.engine_kind == "mlperf" => smallest_instance(model, hardware, formats, devices),
        None => (devices / (pp * dp)).max(1),
    };
    let ep = if (tp * dp) % ep == 0 { ep } else { 1 };
    Layout { tp, pp, dp, ep, replicas: (devices / (tp * pp * dp)).max(1) }
}

/// The smallest power of two of devices that leaves nearly half of the memory to the cache.
fn smallest_instance(model: &ModelSpec, hardware: &Hardware, formats: &Formats, devices: u64) -> u64 {
    let weights = model.weight_bytes(formats.weights).get();
    let mut tp = 1;
    while weights / tp as f64 > 0.55 * hardware.sheet.memory.get() && tp * 2 <= devices {
        tp *= 2;
    }
    tp
}

fn need(cell: Option<f64>, name: &str) -> Result<f64, String> {
    cell.filter(|v| v.is_finite() && *v >= 0.0).ok_or_else(|| format!("the row has no {name}"))
}

fn prefill(point: &Point, compiled: &Compiled) -> Result<Prediction, String> {
    let tokens = need(point.input_tokens, "input_tokens")?;
    let prompts = point.batch.or(point.concurrency).unwrap_or(1.0).max(1.0);
    let seconds = compiled.prompt_alone(tokens, prompts);
    let devices = compiled.setup.layout.instance() as f64;
    Ok(Prediction {
        ttft_ms: Some(seconds * 1e3),
        input_tok_s_per_device: Some(tokens * prompts / seconds / devices),
        ..Prediction::default()
    })
}

fn decode(point: &Point, compiled: &Compiled) -> Result<Prediction, String> {
    let devices = compiled.setup.layout.instance() as f64;
    let batch = match (point.batch, point.concurrency) {
        // Static batches of large expert-parallel runs are counted per device.
        (Some(batch), _) if point.ep.is_some() && devices > 1.0 => batch * devices,
        (Some(batch), _) => batch,
        (None, concurrency) => concurrency.unwrap_or(1.0),
    }
    .max(1.0);
    let context = match point.context_tokens {
        Some(context) => context,
        None => point.input_tokens.unwrap_or(0.0) + point.output_tokens.unwrap_or(0.0) / 2.0,
    };
    let seconds = compiled.decode_step(batch, context.max(1.0));
    Ok(Prediction {
        tpot_ms: Some(seconds * 1e3),
        output_tok_s_per_device: Some(batch / seconds / devices),
        ..Prediction::default()
    })
}

/// A static batch: all prompts at once, then all answers in step.
fn both(point: &Point, compiled: &Compiled) -> Result<Prediction, String> {
    let (input, output) = (need(point.input_tokens, "input_tokens")?, need(point.output_tokens, "output_tokens")?);
    let batch = point.concurrency.unwrap_or(1.0).max(1.0);
    let first = compiled.prompt_alone(input, batch);
    let step = compiled.decode_step(batch, input + output / 2.0);
    let total = first + (output - 1.0).max(0.0) * step;
    let per_device = |tokens: f64| Some(tokens * batch / total / compiled.setup.layout.instance() as f64);
    Ok(Prediction {
        ttft_ms: Some(first * 1e3),
        tpot_ms: Some(step * 1e3),
        input_tok_s_per_device: per_device(input),
        output_tok_s_per_device: per_device(output),
        total_tok_s_per_device: per_device(input + output),
        saturated: false,
    })
}

fn serve(point: &Point, compiled: &Compiled) -> Result<Prediction, String> {
    let scale = mean_length(&point.family);
    let load = |concurrency: f64| -> Result<Load, String> {
        Ok(Load {
            input_tokens: (need(point.input_tokens, "input_tokens")? * scale).max(1.0),
            output_tokens: (need(point.output_tokens, "output_tokens")? * scale).max(1.0),
            concurrency: concurrency.round().max(1.0) as u64,
            prefix_hit: point.prefix_hit.unwrap_or(0.0).clamp(0.0, 1.0),
        })
    };
    let one = load(1.0)?;
    if !compiled.memory.fits(one.input_tokens, one.output_tokens) {
        return Err("does not fit in memory".to_owned());
    }
    let concurrency = point.concurrency.unwrap_or_else(|| offline_concurrency(compiled, &one));
    let load = load(concurrency)?;
    let state = compiled.closed_loop(&load);
    let flow = crate::estimate::cost::Flow::of(&state, &load, &compiled.setup.layout);
    Ok(Prediction {
        ttft_ms: state.ttft.map(|t| t * 1e3),
        tpot_ms: Some(state.tpot * 1e3),
        input_tok_s_per_device: Some(flow.input_tok_s / flow.devices),
        output_tok_s_per_device: Some(flow.output_tok_s / flow.devices),
        total_tok_s_per_device: Some((flow.input_tok_s + flow.output_tok_s) / flow.devices),
        saturated: state.saturated,
    })
}

/// All requests at once: as many run as fit, at most 2,048 an instance (TensorRT-LLM's default).
fn offline_concurrency(compiled: &Compiled, load: &Load) -> f64 {
    let layout = &compiled.setup.layout;
    let fit = compiled.memory.admits(load.input_tokens, load.output_tokens);
    fit.min(2048.0 * layout.dp as f64) * layout.replicas as f64
}
