//! Requests in time, and how engines schedule them: the parts of a scenario that only `simulate` reads.

use super::Source;
use super::draft::{ArrivalKind, ContenderDraft, Draft, LengthDraft, LengthKind, Routing, Tokens, WorkloadDraft};
use crate::diagnostic::Diagnostic;
use crate::setup::{Engine, Layout};
use std::path::PathBuf;

/// Requests of a random process that says no number.
const DEFAULT_REQUESTS: u64 = 10_000;

/// What arrives, and who schedules it how.
#[derive(Debug, Clone, PartialEq)]
pub struct Traffic {
    /// Where requests come from.
    pub arrivals: Arrivals,
    /// Prompt tokens where the requests are drawn.
    pub input: LengthSpec,
    /// Answer tokens where the requests are drawn.
    pub output: LengthSpec,
    /// Scheduling of each contender, in the order of the plan.
    pub schedulers: Vec<Scheduler>,
    /// 99th percentile of the time to the first token, at most, s.
    pub ttft_p99: Option<f64>,
    /// 99th percentile of the mean time per further token of a request, at most, s.
    pub tpot_p99: Option<f64>,
}

/// Where requests come from.
#[derive(Debug, Clone, PartialEq)]
pub enum Arrivals {
    /// A file.
    Trace(PathBuf),
    /// A random process of so many requests.
    Open(Shape, u64),
    /// Users who wait for their answers, at each of these numbers of users, so many requests in all.
    Closed(Vec<u64>, u64),
}

/// A process of one run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Process {
    /// Arrivals that depend on nothing.
    Open(Shape),
    /// Users who ask again when they have their answer.
    Closed {
        /// Users.
        concurrency: u64,
    },
}

/// How arrivals are spread in time. Rates are in requests/s.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    /// Independent arrivals.
    Poisson {
        /// Mean rate.
        rate: f64,
    },
    /// Gamma-distributed gaps.
    Gamma {
        /// Mean rate.
        rate: f64,
        /// Shape of the gaps: 1 is Poisson, less is burstier.
        burstiness: f64,
    },
    /// Independent arrivals at a rate that changes linearly.
    Ramp {
        /// Rate at the start.
        from: f64,
        /// Rate at the end.
        to: f64,
        /// Length, s.
        seconds: f64,
    },
}

impl Shape {
    /// The same shape at another mean rate.
    #[must_use]
    pub fn at_rate(self, mean: f64) -> Self {
        match self {
            Self::Poisson { .. } => Self::Poisson { rate: mean },
            Self::Gamma { burstiness, .. } => Self::Gamma { rate: mean, burstiness },
            Self::Ramp { from, to, seconds } => {
                let factor = 2.0 * mean / (from + to);
                Self::Ramp { from: from * factor, to: to * factor, seconds }
            }
        }
    }

    /// Mean rate, requests/s.
    pub fn rate(self) -> f64 {
        match self {
            Self::Poisson { rate } | Self::Gamma { rate, .. } => rate,
            Self::Ramp { from, to, .. } => 0.5 * (from + to),
        }
    }
}

/// Lengths of prompts or answers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LengthSpec {
    /// Mean, tokens.
    pub mean: f64,
    /// How they are spread around it.
    pub shape: LengthShape,
}

/// How lengths are spread around their mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LengthShape {
    /// All equal.
    Fixed,
    /// Evenly, from mean x (1 - spread) to mean x (1 + spread).
    Uniform {
        /// Share of the mean.
        spread: f64,
    },
    /// Exponentially.
    Exponential,
    /// Log-normally.
    Lognormal {
        /// Standard deviation over mean.
        cv: f64,
    },
}

/// How engines schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scheduler {
    /// Prompts are computed before anything decodes; else chunks ride on decode steps.
    pub prefill_first: bool,
    /// Which replica gets a request.
    pub routing: Routing,
    /// Prompts with the same leading blocks share them.
    pub prefix_cache: bool,
    /// Tokens of a block that a trace's `hash_ids` name.
    pub hash_tokens: u64,
    /// Tokens of KV cache of one instance, where its server says so; else what the memory leaves.
    pub kv_tokens: Option<u64>,
    /// Layout of the prefill pool, where pools are separate; the contender's own layout is the decode pool's.
    pub prefill: Option<Layout>,
}

/// The traffic of a scenario.
///
/// # Errors
/// When arrivals lack a number, or give one that their kind does not have.
pub fn of(source: &Source, draft: &Draft, concurrency: &[u64]) -> Result<Traffic, Diagnostic> {
    let typed = &draft.workload;
    if typed.trace.is_some() && typed.arrivals.is_some() {
        return Err(source
            .error_at("workload.arrivals", "there is a trace and an arrival process")
            .hint("requests come from one of them; --rate and --speed scale a trace"));
    }
    if typed.rate.is_some() && (typed.trace.is_some() || typed.arrivals.is_some()) {
        return Err(source
            .error_at("workload.rate", "requests come as the trace or the arrivals say")
            .hint("leave out one of the two"));
    }
    let spec = |tokens: Option<Tokens>, shape: Option<LengthDraft>, key: &str| {
        let shape = length_shape(shape).map_err(|why| source.error_at(&format!("workload.{key}"), why))?;
        Ok(LengthSpec { mean: tokens.map_or(1.0, |t| t.0 as f64), shape })
    };
    Ok(Traffic {
        arrivals: arrivals(source, typed, concurrency)?,
        input: spec(typed.input_tokens, typed.input_lengths, "input_lengths")?,
        output: spec(typed.output_tokens, typed.output_lengths, "output_lengths")?,
        schedulers: draft.contender.iter().map(scheduler).collect(),
        ttft_p99: draft.objective.ttft_p99.map(|s| s.get()),
        tpot_p99: draft.objective.tpot_p99.map(|s| s.get()),
    })
}

fn arrivals(source: &Source, typed: &WorkloadDraft, concurrency: &[u64]) -> Result<Arrivals, Diagnostic> {
    if let Some(trace) = &typed.trace {
        return Ok(Arrivals::Trace(source.folder.join(trace)));
    }
    let Some(a) = &typed.arrivals else {
        return Ok(match typed.rate {
            Some(rate) => Arrivals::Open(Shape::Poisson { rate: rate.get() }, DEFAULT_REQUESTS),
            None => Arrivals::Closed(concurrency.to_vec(), DEFAULT_REQUESTS),
        });
    };
    let requests = a.requests.map_or(DEFAULT_REQUESTS, |c| c.0);
    let wrong = |key: &str, message: String| source.error_at(&format!("workload.arrivals.{key}"), message);
    let foreign = |key: &str, given: bool| {
        if given { Err(wrong(key, format!("arrivals of this kind have no {key}"))) } else { Ok(()) }
    };
    foreign("burstiness", a.burstiness.is_some() && a.kind != ArrivalKind::Gamma)?;
    foreign("rate_end", a.rate_end.is_some() && a.kind != ArrivalKind::Ramp)?;
    foreign("duration", a.duration.is_some() && a.kind != ArrivalKind::Ramp)?;
    foreign("requests", a.requests.is_some() && a.kind == ArrivalKind::Ramp)?;
    foreign("rate", a.rate.is_some() && a.kind == ArrivalKind::Closed)?;
    if a.kind == ArrivalKind::Closed {
        return Ok(Arrivals::Closed(concurrency.to_vec(), requests));
    }
    let positive = |key: &str, value: Option<f64>, example: &str| match value {
        Some(v) if v > 0.0 => Ok(v),
        Some(_) => Err(wrong(key, format!("{key} must be above 0"))),
        None => Err(source
            .error_at("workload.arrivals", format!("the arrivals have no {key}"))
            .hint(format!("write {key} = {example}"))),
    };
    let rate = positive("rate", a.rate.map(|r| r.get()), "\"4 /s\"")?;
    let shape = match a.kind {
        ArrivalKind::Gamma => {
            let burstiness = positive("burstiness", Some(a.burstiness.map_or(1.0, |f| f.get())), "0.5")?;
            Shape::Gamma { rate, burstiness }
        }
        ArrivalKind::Ramp => Shape::Ramp {
            from: rate,
            to: positive("rate_end", a.rate_end.map(|r| r.get()), "\"8 /s\"")?,
            seconds: positive("duration", a.duration.map(|s| s.get()), "\"10 min\"")?,
        },
        ArrivalKind::Poisson | ArrivalKind::Closed => Shape::Poisson { rate },
    };
    let requests = if a.kind == ArrivalKind::Ramp { u64::MAX } else { requests };
    Ok(Arrivals::Open(shape, requests))
}

fn length_shape(typed: Option<LengthDraft>) -> Result<LengthShape, String> {
    let Some(typed) = typed else { return Ok(LengthShape::Fixed) };
    match (typed.kind, typed.spread, typed.cv) {
        (LengthKind::Fixed, None, None) => Ok(LengthShape::Fixed),
        (LengthKind::Exponential, None, None) => Ok(LengthShape::Exponential),
        (LengthKind::Uniform, Some(spread), None) => Ok(LengthShape::Uniform { spread: spread.get() }),
        (LengthKind::Lognormal, None, Some(cv)) => Ok(LengthShape::Lognormal { cv: cv.get() }),
        (LengthKind::Uniform, ..) => Err("uniform lengths have a spread and nothing else: spread = 0.2".to_owned()),
        (LengthKind::Lognormal, ..) => Err("lognormal lengths have a cv and nothing else: cv = 1.5".to_owned()),
        (LengthKind::Fixed | LengthKind::Exponential, ..) => {
            Err("lengths of this kind have neither spread nor cv".to_owned())
        }
    }
}

fn scheduler(contender: &ContenderDraft) -> Scheduler {
    let typed = contender.scheduler.unwrap_or_default();
    Scheduler {
        prefill_first: typed.prefill_first.unwrap_or(contender.engine == Some(Engine::Sglang)),
        routing: typed.routing.unwrap_or_default(),
        prefix_cache: typed.prefix_cache.unwrap_or(true),
        hash_tokens: typed.hash_tokens.map_or(512, |c| c.0),
        kv_tokens: typed.kv_tokens.map(|t| t.0),
        prefill: None,
    }
}
