//! Calibration in two stages: kernel constants from kernel rows alone, then frozen; serving constants per engine from
//! closed-loop runs; llama.cpp's from its own benchmarks. Cross-validation says what the fit is worth on the unseen.
//!
//! Points of DeepSeek's production, CloudMatrix384 and SGLang's large expert parallelism are never fitted.

use super::answer::predict;
use super::describe::{Described, Describer, ROUNDS};
use super::fit::{Parameter, fit};
use super::kernels::{Timing, fit_family};
use super::{Point, Prediction};
use crate::catalog::Catalog;
use crate::estimate::Compiled;
use crate::estimate::calibration::Calibration;
use crate::estimate::constants::{EngineConstants, KernelEntry};
use crate::estimate::llama::Llama;
use crate::progress::Progress;
use crate::setup::{Engine, Load};
use crate::units::Seconds;
use rayon::prelude::*;
use std::collections::HashMap;

/// Families whose closed-loop runs serving constants are fitted on.
pub(super) const SERVED: &str = "silicon";
/// Families of llama.cpp's own benchmarks.
pub(super) const SINGLE_STREAM: [&str; 5] =
    ["llamacpp-apple", "llamacpp-gpu", "llamacpp-gptoss", "dgx-spark", "xiongjiedai"];
/// Engines with serving constants.
const ENGINES: [Engine; 3] = [Engine::Trtllm, Engine::Vllm, Engine::Sglang];
/// Pull of a serving constant towards where it started, per unit of log-distance.
const PRIOR: f64 = 0.25;
/// Weight of the time to the first token, which depends on each benchmark's client, against the time per token.
const FIRST_WEIGHT: f64 = 0.3;

/// A fitted constant, for the report.
#[derive(Debug, Clone)]
pub struct Fitted {
    /// Where it stands in the file, such as `engine.vllm.step_s`.
    pub name: String,
    /// Where it ended, and its bounds.
    pub parameter: Parameter,
}

/// A serving constant: its name, where it is kept, its bounds and where the fit starts.
struct Serving {
    name: &'static str,
    place: fn(&mut EngineConstants) -> &mut f64,
    low: f64,
    high: f64,
    start: fn(Engine) -> f64,
    only: Option<Engine>,
    /// Only the time to the first token depends on it.
    first_only: bool,
}

/// The serving constants: at most twelve per engine. Bounds are what is physically possible; starts are what the
/// engines' own benchmarks of 2025 report.
fn serving() -> Vec<Serving> {
    let all = |name, place, low, high, start: fn(Engine) -> f64| Serving {
        name,
        place,
        low,
        high,
        start,
        only: None,
        first_only: false,
    };
    let first = |serving| Serving { first_only: true, ..serving };
    vec![
        all("launch_share", |c| &mut c.launch_share, 0.02, 1.0, |_| 0.35),
        all("expert_launch_share", |c| &mut c.expert_launch_share, 0.02, 1.0, |_| 0.6),
        all("small_kernel", |c| &mut c.small_kernel, 0.1, 12.0, |_| 6.0),
        all("eager_s", |c| &mut c.eager_s, 5e-7, 2e-5, |_| 5e-6),
        all("step_s", |c| &mut c.step_s, 1e-6, 1e-2, |_| 1e-3),
        all("sequence_s", |c| &mut c.sequence_s, 1e-8, 3e-4, |_| 1.5e-5),
        all("request_s", |c| &mut c.request_s, 1e-6, 3e-2, |_| 1e-3),
        all("request_token_s", |c| &mut c.request_token_s, 1e-9, 2e-5, |_| 5e-7),
        first(all("first_s", |c| &mut c.first_s, 1e-4, 0.4, |e| if e == Engine::Sglang { 0.12 } else { 0.04 })),
        first(all("waves", |c| &mut c.waves, 0.001, 1.0, |_| 0.1)),
        Serving { only: Some(Engine::Vllm), ..all("two_shot", |c| &mut c.two_shot, 0.2, 1.0, |_| 0.9) },
        Serving { only: Some(Engine::Vllm), ..all("gather_s", |c| &mut c.gather_s, 1e-7, 1e-4, |_| 1e-5) },
        first(all("waves_older", |c| &mut c.waves_older, 0.001, 1.0, |_| 0.5)),
        first(all(
            "first_older_s",
            |c| &mut c.first_older_s,
            1e-4,
            0.4,
            |e| if e == Engine::Sglang { 0.12 } else { 0.1 },
        )),
    ]
}

/// Stage 1: the constants of every kernel family, on the rows of its generation; with the bounds that were hit.
pub fn kernel_constants(
    timings: &[Result<Timing, String>],
    calibration: &Calibration,
) -> (Vec<KernelEntry>, Vec<Fitted>) {
    let known: Vec<&Timing> = timings.iter().filter_map(|t| t.as_ref().ok()).collect();
    let one = |entry: &KernelEntry| {
        let mine = |t: &&&Timing| {
            t.kind == Some(entry.kind)
                && t.family == entry.family
                && t.cache == entry.cache
                && calibration.generation(&t.architecture) == Some(entry.generation.as_str())
        };
        let rows: Vec<&Timing> = known.iter().filter(mine).copied().collect();
        if rows.len() < 10 {
            return (entry.clone(), Vec::new());
        }
        let (fitted, parameters) = fit_family(entry, &rows);
        let names = ["compute", "memory", "launch_s", "blend", "wave_s/cached", "skew", "imbalance"];
        let named = parameters.into_iter().zip(names).map(|(parameter, name)| Fitted {
            name: format!("kernel.{:?}.{}.{:?}.{name}", entry.kind, entry.generation, entry.family),
            parameter,
        });
        (fitted, named.collect())
    };
    let all: Vec<(KernelEntry, Vec<Fitted>)> = calibration.kernels().par_iter().map(one).collect();
    let (entries, fitted): (Vec<_>, Vec<_>) = all.into_iter().unzip();
    (entries, fitted.into_iter().flatten().collect())
}

/// A served point, compiled once; only engine constants change while fitting.
struct Served<'a> {
    point: &'a Point,
    compiled: Compiled,
    load: Load,
    weight: f64,
}

/// Points of the served family that are not suspect, compiled, by engine.
fn served<'a>(points: &'a [Point], catalog: &Catalog, calibration: &Calibration) -> Vec<Served<'a>> {
    let mut describer = Describer::new(catalog);
    let usable = points.iter().filter(|p| p.family == SERVED && p.suspect.is_none());
    let key = |p: &Point| (p.engine_kind.clone(), p.device.clone(), p.model.clone(), p.precision.clone());
    let mut sizes: HashMap<_, f64> = HashMap::new();
    for point in usable.clone() {
        *sizes.entry(key(point)).or_default() += 1.0;
    }
    usable
        .filter_map(|point| {
            let Ok(Described::One(setup)) = describer.point(point) else { return None };
            let compiled = Compiled::new(*setup, calibration).ok()?;
            let load = super::answer::load(point, point.concurrency?).ok()?;
            // Large groups of like rows count less than their number, so that no benchmark decides alone.
            Some(Served { point, compiled, load, weight: sizes[&key(point)].powf(-0.25) })
        })
        .collect()
}

fn residuals(rows: &[&Served<'_>], constants: &EngineConstants) -> Vec<f64> {
    let mean = rows.iter().map(|r| r.weight).sum::<f64>() / rows.len().max(1) as f64;
    let one = |row: &&Served<'_>| {
        let state = row.compiled.clone().with_engine(*constants).closed_loop(&row.load);
        let log =
            |predicted: Seconds, measured: Option<f64>| measured.map_or(0.0, |m| (predicted.get() * 1e3 / m).ln());
        let weight = row.weight / mean;
        let first = state.ttft_in_run(ROUNDS).map_or(0.0, |t| log(t, row.point.ttft_ms));
        [weight * log(state.tpot, row.point.tpot_ms), weight * FIRST_WEIGHT * first]
    };
    rows.par_iter().map(one).collect::<Vec<_>>().into_iter().flatten().collect()
}

fn fit_engine(
    engine: Engine,
    rows: &[&Served<'_>],
    base: EngineConstants,
    iterations: usize,
) -> (EngineConstants, Vec<Fitted>) {
    let list: Vec<Serving> = serving().into_iter().filter(|s| s.only.is_none_or(|only| only == engine)).collect();
    let start: Vec<Parameter> = list.iter().map(|s| Parameter::new((s.start)(engine), s.low, s.high)).collect();
    let with = |values: &[f64]| {
        let mut constants = base;
        for (serving, value) in list.iter().zip(values) {
            *(serving.place)(&mut constants) = *value;
        }
        if engine == Engine::Vllm {
            (constants.waves_older, constants.first_older_s) = (constants.waves, constants.first_s);
        }
        constants
    };
    let mut found = fit(&start, iterations, PRIOR, |values| residuals(rows, &with(values)));
    // What only the first token depends on is fitted again on it alone.
    let own: Vec<usize> = (0..list.len()).filter(|i| list[*i].first_only).collect();
    let all = found.clone();
    let put = |values: &[f64]| {
        let mut whole: Vec<f64> = all.iter().map(|p| p.value).collect();
        own.iter().zip(values).for_each(|(at, value)| whole[*at] = *value);
        with(&whole)
    };
    let start: Vec<Parameter> = own.iter().map(|at| found[*at]).collect();
    let again = fit(&start, iterations, 0.0, |values| {
        residuals(rows, &put(values)).into_iter().skip(1).step_by(2).map(|r| r / FIRST_WEIGHT).collect()
    });
    own.iter().zip(again).for_each(|(at, parameter)| found[*at] = parameter);
    let values: Vec<f64> = found.iter().map(|p| p.value).collect();
    let named = list
        .iter()
        .zip(found)
        .map(|(s, parameter)| Fitted { name: format!("engine.{}.{}", engine.name(), s.name), parameter })
        .collect();
    (with(&values), named)
}

/// Stage 2: serving constants of every engine. The calibration is changed in place.
pub fn serving_constants(
    points: &[Point],
    catalog: &Catalog,
    calibration: &mut Calibration,
    progress: &dyn Progress,
) -> Vec<Fitted> {
    let all = served(points, catalog, calibration);
    progress.stage("serving constants", ENGINES.len() as u64);
    let mut fitted = Vec::new();
    for engine in ENGINES {
        let rows: Vec<&Served<'_>> = all.iter().filter(|r| r.compiled.setup.engine == engine).collect();
        if rows.len() < 30 {
            continue;
        }
        let (constants, named) = fit_engine(engine, &rows, calibration.engine(engine), 100);
        calibration.set_engine(engine, constants);
        fitted.extend(named);
        progress.step(engine.name());
    }
    fitted
}

/// A point predicted by constants that never saw its fold.
#[derive(Debug, Clone)]
pub struct Unseen<'a> {
    /// The measurement.
    pub point: &'a Point,
    /// What the constants of the other folds say.
    pub prediction: Prediction,
}

/// What a fold leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fold {
    /// A device with a model.
    Pair,
    /// A model on every device.
    Model,
    /// A device with every model.
    Device,
}

impl Fold {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Pair, Self::Model, Self::Device];

    /// The spelling used in rows.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pair => "unseen pair",
            Self::Model => "unseen model",
            Self::Device => "unseen device",
        }
    }

    fn key(self, point: &Point) -> String {
        match self {
            Self::Pair => format!("{} {}", point.device, point.model),
            Self::Model => point.model.clone(),
            Self::Device => point.device.clone(),
        }
    }
}

/// Cross-validation of the serving constants: every fold is predicted by constants fitted without it.
pub fn cross_validate<'a>(
    points: &'a [Point],
    catalog: &Catalog,
    calibration: &Calibration,
    fold: Fold,
    progress: &dyn Progress,
) -> Vec<Unseen<'a>> {
    let all = served(points, catalog, calibration);
    let mut keys: Vec<(Engine, String)> = all.iter().map(|r| (r.compiled.setup.engine, fold.key(r.point))).collect();
    keys.sort_by_key(|(engine, key)| (engine.name(), key.clone()));
    keys.dedup();
    progress.stage(fold.name(), keys.len() as u64);
    let mut unseen = Vec::new();
    for (engine, key) in keys {
        let of_engine = || all.iter().filter(|r| r.compiled.setup.engine == engine);
        let others: Vec<&Served<'_>> = of_engine().filter(|r| fold.key(r.point) != key).collect();
        let (constants, _) = fit_engine(engine, &others, calibration.engine(engine), 10);
        let mut own = calibration.clone();
        own.set_engine(engine, constants);
        let mine = of_engine().filter(|r| fold.key(r.point) == key);
        unseen.extend(mine.filter_map(|r| {
            let setup = Described::One(Box::new(r.compiled.setup.clone()));
            Some(Unseen { point: r.point, prediction: predict(r.point, &setup, &own).ok()? })
        }));
        progress.step(&key);
    }
    unseen
}

/// A constant of llama.cpp: its name, where it is kept and its bounds.
type LlamaConstant = (&'static str, fn(&mut Llama) -> &mut f64, f64, f64);

/// The constants of llama.cpp with their bounds; a share is at most 1.
const LLAMA: [LlamaConstant; 41] = [
    ("memory_f16", |c| &mut c.memory_f16, 0.4, 1.0),
    ("memory_q8_0", |c| &mut c.memory_q8_0, 0.4, 1.0),
    ("memory_q4_0", |c| &mut c.memory_q4_0, 0.4, 1.0),
    ("memory_q4_k_m", |c| &mut c.memory_q4_k_m, 0.4, 1.0),
    ("memory_mxfp4", |c| &mut c.memory_mxfp4, 0.4, 1.0),
    ("memory_rocm", |c| &mut c.memory_rocm, 0.4, 1.0),
    ("memory_vulkan", |c| &mut c.memory_vulkan, 0.4, 1.0),
    ("memory_old", |c| &mut c.memory_old, 0.1, 1.0),
    ("layer_metal_s", |c| &mut c.layer_metal_s, 1e-6, 1e-3),
    ("layer_cuda_s", |c| &mut c.layer_cuda_s, 1e-6, 1e-3),
    ("layer_rocm_s", |c| &mut c.layer_rocm_s, 1e-6, 1e-3),
    ("layer_vulkan_s", |c| &mut c.layer_vulkan_s, 1e-6, 1e-3),
    ("layer_hbm", |c| &mut c.layer_hbm, 0.5, 5.0),
    ("layer_experts", |c| &mut c.layer_experts, 1.0, 5.0),
    ("layer_older", |c| &mut c.layer_older, 0.5, 5.0),
    ("batch_compute", |c| &mut c.batch_compute, 0.01, 1.0),
    ("hop_s", |c| &mut c.hop_s, 1e-6, 5e-3),
    ("prompt_metal", |c| &mut c.prompt_metal, 0.1, 1.0),
    ("prompt_rocm", |c| &mut c.prompt_rocm, 0.02, 1.0),
    ("prompt_rocm_hbm", |c| &mut c.prompt_rocm_hbm, 0.02, 1.0),
    ("prompt_vulkan", |c| &mut c.prompt_vulkan, 0.02, 1.0),
    ("prompt_vulkan_cuda", |c| &mut c.prompt_vulkan_cuda, 0.2, 1.0),
    ("prompt_data_centre", |c| &mut c.prompt_data_centre, 0.02, 1.0),
    ("prompt_ampere", |c| &mut c.prompt_ampere, 0.02, 1.0),
    ("prompt_ada", |c| &mut c.prompt_ada, 0.02, 1.0),
    ("prompt_blackwell", |c| &mut c.prompt_blackwell, 0.02, 1.0),
    ("prompt_turing", |c| &mut c.prompt_turing, 0.02, 1.0),
    ("prompt_old", |c| &mut c.prompt_old, 0.002, 1.0),
    ("prompt_power", |c| &mut c.prompt_power, 0.001, 1.0),
    ("prompt_f16_cuda", |c| &mut c.prompt_f16_cuda, 0.3, 3.0),
    ("prompt_f16_metal", |c| &mut c.prompt_f16_metal, 0.5, 1.5),
    ("prompt_q4_k_m_metal", |c| &mut c.prompt_q4_k_m_metal, 0.5, 1.5),
    ("prompt_mxfp4", |c| &mut c.prompt_mxfp4, 0.1, 2.0),
    ("prompt_experts", |c| &mut c.prompt_experts, 0.1, 1.0),
    ("expert_tile", |c| &mut c.expert_tile, 8.0, 128.0),
    ("prompt_older", |c| &mut c.prompt_older, 0.2, 1.5),
    ("prompt_older_metal", |c| &mut c.prompt_older_metal, 0.2, 1.5),
    ("prompt_attention", |c| &mut c.prompt_attention, 0.02, 1.0),
    ("prompt_attention_metal", |c| &mut c.prompt_attention_metal, 0.02, 1.0),
    ("prompt_layer_s", |c| &mut c.prompt_layer_s, 1e-7, 1e-3),
    ("prompt_sort_s", |c| &mut c.prompt_sort_s, 1e-10, 1e-5),
];

/// The constants of llama.cpp from its own benchmarks. The calibration is changed in place.
pub fn llama_constants(points: &[Point], catalog: &Catalog, calibration: &mut Calibration) -> Vec<Fitted> {
    let mut describer = Describer::new(catalog);
    let usable = |p: &&Point| SINGLE_STREAM.contains(&p.family.as_str()) && p.suspect.is_none();
    let rows: Vec<(&Point, Described)> =
        points.iter().filter(usable).filter_map(|p| Some((p, describer.point(p).ok()?))).collect();
    let mut sizes: HashMap<(&str, &str, &str), f64> = HashMap::new();
    for (point, _) in &rows {
        *sizes.entry((&point.device, &point.precision, &point.phase)).or_default() += 1.0;
    }
    let base = *calibration.llama();
    let mut place = base;
    let start: Vec<Parameter> =
        LLAMA.iter().map(|(_, at, low, high)| Parameter::new(*at(&mut place), *low, *high)).collect();
    let with = |values: &[f64]| {
        let mut constants = base;
        for ((_, at, ..), value) in LLAMA.iter().zip(values) {
            *at(&mut constants) = *value;
        }
        constants
    };
    let shared = calibration.clone();
    let residuals = |values: &[f64]| -> Vec<f64> {
        let mut own = shared.clone();
        own.set_llama(with(values));
        rows.par_iter()
            .map(|(point, setup)| {
                let weight =
                    sizes[&(point.device.as_str(), point.precision.as_str(), point.phase.as_str())].powf(-0.25);
                let Ok(p) = predict(point, setup, &own) else { return 0.0 };
                let pair = match point.phase.as_str() {
                    "prefill" => (point.input_tok_s_per_device, p.input_tok_s_per_device),
                    _ => (p.tpot_ms, point.tpot_ms),
                };
                match pair {
                    (Some(a), Some(b)) if a > 0.0 && b > 0.0 => weight * (a / b).ln(),
                    _ => 0.0,
                }
            })
            .collect()
    };
    let found = fit(&start, 25, 0.01, residuals);
    let values: Vec<f64> = found.iter().map(|p| p.value).collect();
    calibration.set_llama(with(&values));
    let named = LLAMA.iter().zip(found);
    named.map(|((name, ..), parameter)| Fitted { name: format!("llama.{name}"), parameter }).collect()
}
