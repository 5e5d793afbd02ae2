//! From a measured point to a prediction: the setup it describes, and the quantity it measured.

use super::Point;
use super::describe::{self, Described};
use crate::catalog::Catalog;
use crate::estimate::cost::Flow;
use crate::estimate::step::Step;
use crate::estimate::{Calibration, Compiled, Loop, Pools, Situation};
use crate::setup::{Layout, Load, Setup};
use crate::units::Seconds;
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
    /// Which band it has.
    pub situation: Option<Situation>,
}

/// Predicts every point; a point that cannot be answered says why.
pub fn answer(points: &[Point], catalog: &Catalog, calibration: &Calibration) -> Vec<Result<Prediction, String>> {
    let mut describer = describe::Describer::new(catalog);
    points.iter().map(|point| predict(point, &describer.point(point)?, calibration)).collect()
}

/// Predicts every point as if nothing were known of its device's generation: no constant of one is used.
pub fn as_strangers(points: &[Point], catalog: &Catalog, calibration: &Calibration) -> Vec<Result<Prediction, String>> {
    let mut describer = describe::Describer::new(catalog);
    let stranger = |mut setup: Box<Setup>| {
        Arc::make_mut(&mut setup.hardware.sheet).architecture = String::new();
        setup
    };
    let one = |point: &Point| match describer.point(point)? {
        Described::One(setup) => predict(point, &Described::One(stranger(setup)), calibration),
        Described::Pools { .. } => Err("separate pools".to_owned()),
    };
    points.iter().map(one).collect()
}

/// Predicts one described point.
pub fn predict(point: &Point, described: &Described, calibration: &Calibration) -> Result<Prediction, String> {
    match (described, point.phase.as_str()) {
        (Described::Pools { prefill, decode }, "serve" | "offline") => pools(point, prefill, decode, calibration),
        (Described::Pools { .. }, _) => Err("separate pools in a phase of their own".to_owned()),
        (Described::One(setup), phase) => match phase {
            "prefill" => prefill(point, &compile(setup, calibration)?),
            "decode" => decode(point, &compile(setup, calibration)?),
            "both" => both(point, &compile(setup, calibration)?),
            "serve" if point.engine_kind != "mlperf" => serve(point, &compile(setup, calibration)?),
            "serve" | "offline" => offline(point, setup, calibration),
            other => Err(format!("the phase \"{other}\" is not known")),
        },
    }
}

fn compile(setup: &Setup, calibration: &Calibration) -> Result<Compiled, String> {
    Compiled::new(setup.clone(), calibration).map_err(|why| why.to_string())
}

fn need(cell: Option<f64>, name: &str) -> Result<f64, String> {
    cell.filter(|v| v.is_finite() && *v >= 0.0).ok_or_else(|| format!("the row has no {name}"))
}

/// Prompts that a prefill measurement reads at once: one, or what fills a step of 16,384 tokens on every rank.
fn prefill(point: &Point, compiled: &Compiled) -> Result<Prediction, String> {
    let tokens = need(point.input_tokens, "input_tokens")?.max(1.0);
    let ranks = compiled.machine.dp;
    // TensorRT-LLM's context benchmark reads one prompt through a captured graph.
    let alone = point.engine_kind == "trtllm" || point.engine_kind == "llama.cpp";
    let prompts = if alone { 1.0 } else { (16_384.0 / tokens).max(1.0) * ranks };
    // A batched benchmark of llama.cpp fills its micro-batch with prompts.
    let batched = point.notes.starts_with("S_PP") && tokens < compiled.setup.limits.batch_tokens as f64;
    let prompts = if batched { compiled.setup.limits.batch_tokens as f64 / tokens } else { prompts };
    let seconds = match compiled.prompt_alone(tokens) {
        Some(_) if batched => compiled.step(&Step::of_prompts(prompts, tokens, 0.0)),
        Some(seconds) => seconds,
        None if alone => {
            compiled.prompt_step(tokens, prompts) - compiled.eager(&Step::of_prompts(prompts, tokens, 0.0))
        }
        None => compiled.prompt_step(tokens, prompts),
    }
    .get();
    // Steps full of prompts are profiles of the engine, without what a request costs its front end.
    let seconds = seconds + if alone { once(compiled, prompts, tokens) } else { 0.0 };
    let devices = compiled.setup.layout.devices() as f64;
    Ok(Prediction {
        ttft_ms: Some(seconds * 1e3),
        input_tok_s_per_device: Some(tokens * prompts / seconds / devices),
        situation: compiled.situation().map(offline_band),
        ..Prediction::default()
    })
}

/// What requests of so many tokens cost the engine once, s, also where nothing else runs.
fn once(compiled: &Compiled, requests: f64, tokens: f64) -> f64 {
    requests * (compiled.engine.request_s + compiled.engine.request_token_s * tokens)
}

/// A static batch; counted per device where experts are parallel.
fn decode(point: &Point, compiled: &Compiled) -> Result<Prediction, String> {
    let context = match point.context_tokens {
        Some(context) => context,
        None => point.input_tokens.unwrap_or(0.0) + point.output_tokens.unwrap_or(0.0) / 2.0,
    };
    let context = Some(context).filter(|c| *c >= 1.0);
    let pace = |batch: f64, context: f64| compiled.decode_step(batch, context).get() / compiled.accepted();
    let instance = (compiled.setup.layout.tp * compiled.setup.layout.dp) as f64;
    let devices = compiled.setup.layout.devices() as f64;
    let batch = match (point.batch, point.concurrency) {
        (Some(batch), _) if compiled.machine.dp > 1.0 => batch * instance,
        (Some(batch), _) => batch,
        (None, Some(concurrency)) => concurrency,
        (None, None) => {
            // How many tokens come at the pace that was measured.
            let seconds = need(point.tpot_ms, "batch")? / 1e3;
            let context = need(context, "context")?;
            let batch = largest(|batch| pace(batch, context) <= seconds).ok_or("one sequence alone is slower")?;
            return Ok(Prediction {
                output_tok_s_per_device: Some(batch / seconds / compiled.setup.layout.instance() as f64),
                situation: compiled.situation(),
                ..Prediction::default()
            });
        }
    }
    .max(1.0);
    let seconds = pace(batch, context.unwrap_or(1.0));
    Ok(Prediction {
        tpot_ms: Some(seconds * 1e3),
        output_tok_s_per_device: Some(batch / seconds / devices),
        situation: compiled.situation(),
        ..Prediction::default()
    })
}

/// The largest batch of which something holds that fails from some batch on; `None` where it does not hold of one.
fn largest(holds: impl Fn(f64) -> bool) -> Option<f64> {
    let (mut low, mut high) = (1.0, 1.0);
    if !holds(low) {
        return None;
    }
    while holds(high) && high < 1e7 {
        (low, high) = (high, high * 2.0);
    }
    while high - low > 1.0 {
        let middle = f64::midpoint(low, high).floor();
        if holds(middle) { low = middle } else { high = middle }
    }
    Some(low)
}

/// A static batch: all prompts at once, then all answers in step.
fn both(point: &Point, compiled: &Compiled) -> Result<Prediction, String> {
    let (input, output) = (need(point.input_tokens, "input_tokens")?, need(point.output_tokens, "output_tokens")?);
    let batch = point.concurrency.unwrap_or(1.0).max(1.0);
    let first = compiled.prompt_step(input, batch).get() + once(compiled, batch, input);
    let step = compiled.decode_step(batch, input + output / 2.0).get();
    let total = first + (output - 1.0).max(0.0) * step;
    let per_device = |tokens: f64| Some(tokens * batch / total / compiled.setup.layout.devices() as f64);
    Ok(Prediction {
        ttft_ms: Some(first * 1e3),
        tpot_ms: Some(step * 1e3),
        input_tok_s_per_device: per_device(input),
        output_tok_s_per_device: per_device(output),
        total_tok_s_per_device: per_device(input + output),
        saturated: false,
        situation: compiled.situation(),
    })
}

pub(super) fn load(point: &Point, concurrency: f64) -> Result<Load, String> {
    let scale = describe::mean_length(&point.family);
    Ok(Load {
        input_tokens: (need(point.input_tokens, "input_tokens")? * scale).max(1.0),
        output_tokens: (need(point.output_tokens, "output_tokens")? * scale).max(1.0),
        concurrency: concurrency.round().max(1.0) as u64,
        prefix_hit: point.prefix_hit.unwrap_or(0.0).clamp(0.0, 1.0),
    })
}

fn serve(point: &Point, compiled: &Compiled) -> Result<Prediction, String> {
    let given = need(point.concurrency, "concurrency")?;
    let load = load(point, given)?;
    if compiled.shortage(&load).is_some() {
        return Err("does not fit in memory".to_owned());
    }
    let answered = in_loop(point, compiled, &load, compiled.situation());
    // A mean of requests in flight need not be whole; throughput goes with it.
    let share = if answered.saturated { 1.0 } else { given.max(1.0) / load.concurrency as f64 };
    let scaled = |tokens: Option<f64>| tokens.map(|t| t * share);
    Ok(Prediction {
        ttft_ms: answered.ttft_ms.filter(|_| !point.queued()),
        input_tok_s_per_device: scaled(answered.input_tok_s_per_device),
        output_tok_s_per_device: scaled(answered.output_tok_s_per_device),
        total_tok_s_per_device: scaled(answered.total_tok_s_per_device),
        ..answered
    })
}

/// Mean time to the first token of a run, which may have begun with all prompts at once.
fn first(point: &Point, state: &Loop) -> Option<Seconds> {
    let own = point.requests.zip(point.concurrency).map(|(all, slots)| (all / slots).max(1.0));
    match own.or_else(|| describe::rounds(&point.family)) {
        Some(rounds) => state.ttft_in_run(rounds),
        None => state.ttft,
    }
}

/// The steady state of a closed loop, per device.
fn in_loop(point: &Point, compiled: &Compiled, load: &Load, situation: Option<Situation>) -> Prediction {
    let state = compiled.closed_loop(load);
    let flow = Flow::of(&state, load, &compiled.setup.layout);
    Prediction {
        ttft_ms: first(point, &state).map(|t| t.get() * 1e3),
        tpot_ms: Some(state.tpot.get() * 1e3),
        input_tok_s_per_device: Some(flow.input_tok_s / flow.devices),
        output_tok_s_per_device: Some(flow.output_tok_s / flow.devices),
        total_tok_s_per_device: Some((flow.input_tok_s + flow.output_tok_s) / flow.devices),
        saturated: state.saturated,
        situation,
    }
}

/// Without a front end the spread is another one.
fn offline_band(situation: Situation) -> Situation {
    if situation == Situation::Served { Situation::Offline } else { situation }
}

/// Sequences an instance runs at most (TensorRT-LLM's default).
const MOST_SEQUENCES: f64 = 2048.0;

/// All requests at once: as many run as fit. A submission that does not say how it is spread is tuned: the best layout.
fn offline(point: &Point, setup: &Setup, calibration: &Calibration) -> Result<Prediction, String> {
    let devices = setup.layout.devices();
    let layouts: Vec<Layout> = if point.engine_kind == "mlperf" {
        let sizes = [1, 2, 4, 8];
        let pairs = sizes.into_iter().flat_map(|tp| sizes.into_iter().map(move |pp| (tp, pp)));
        pairs
            .filter(|(tp, pp)| devices.is_multiple_of(tp * pp))
            .map(|(tp, pp)| Layout { tp, pp, dp: 1, ep: 1, replicas: devices / (tp * pp) })
            .collect()
    } else {
        vec![setup.layout]
    };
    let throughput = |p: &Prediction| p.output_tok_s_per_device.unwrap_or(0.0);
    let best = layouts
        .into_iter()
        .filter_map(|layout| offline_in(point, &Setup { layout, ..setup.clone() }, calibration).ok())
        .max_by(|a, b| throughput(a).total_cmp(&throughput(b)));
    match best {
        Some(best) => Ok(best),
        None => offline_in(point, setup, calibration),
    }
}

fn offline_in(point: &Point, setup: &Setup, calibration: &Calibration) -> Result<Prediction, String> {
    let compiled = compile(setup, calibration)?;
    // gpustack sends all requests at once to a server (`vllm bench serve`).
    let compiled = if point.family == "gpustack" { compiled } else { compiled.offline() };
    let layout = &setup.layout;
    let one = load(point, 1.0)?;
    let fit = compiled.memory.admits(one.input_tokens, one.output_tokens);
    let least = if point.engine_kind == "mlperf" { 4.0 } else { 1.0 };
    if fit < least {
        return Err("does not fit in memory".to_owned());
    }
    let most = fit.min(MOST_SEQUENCES * layout.dp as f64) * layout.replicas as f64;
    let load = load(point, point.concurrency.unwrap_or(most))?;
    Ok(in_loop(point, &compiled, &load, compiled.situation().map(offline_band)))
}

fn pools(point: &Point, prefill: &Setup, decode: &Setup, calibration: &Calibration) -> Result<Prediction, String> {
    let compiled = (compile(prefill, calibration)?, compile(decode, calibration)?);
    let pools = Pools::of(compiled.0, compiled.1, calibration).map_err(|why| why.to_string())?;
    let load = load(point, need(point.concurrency, "concurrency")?)?;
    if pools.shortage(&load).is_some() {
        return Err("does not fit in memory".to_owned());
    }
    let state = pools.closed_loop(&load);
    let (readers, writers) = (prefill.layout.devices() as f64, decode.layout.devices() as f64);
    let (input, output) = (state.requests_per_s * load.input_tokens, state.requests_per_s * load.output_tokens);
    Ok(Prediction {
        ttft_ms: first(point, &state).map(|t| t.get() * 1e3),
        tpot_ms: Some(state.tpot.get() * 1e3),
        input_tok_s_per_device: Some(input / readers),
        output_tok_s_per_device: Some(output / writers),
        total_tok_s_per_device: Some((input + output) / (readers + writers)),
        saturated: state.saturated,
        situation: Some(Situation::Pools),
    })
}
