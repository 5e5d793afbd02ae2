//! One decode step and one prefill chunk of a real model, executed: the estimate meets the machine.
//!
//! The step is the model's op list with its real shapes, random weights and tuned, verified kernels, dispatch for
//! dispatch, with distinct weights for every layer. The adapter's profile is measured first, and its products once more
//! afterwards, so that a machine whose speed drifts does not decide the comparison. Each distinct op is timed alone; in the same rounds the whole list runs as one
//! stream of work, and every op's output is verified.
//!
//! Limits: ops do not feed each other, so a GPU may overlap neighbours that a real model could not; f32 throughout; dense
//! softmax models only; matrices beyond the adapter's largest binding are cut by rows.

use super::MeasureError;
use super::bench::{again, profile, session};
use super::options::BenchOptions;
use super::problems::Depth;
use super::protocol::{Job, Op, StepTimes};
use super::rule::Rule;
use super::tuner::Task;
use crate::device::Profile;
use crate::kernels::{Dtype, Problem};
use crate::model::spec::{Core, ModelSpec};
use crate::progress::Progress;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

/// What to execute.
#[derive(Debug, Clone)]
pub struct StepOptions {
    /// Adapter, budget, seed.
    pub bench: BenchOptions,
    /// Tokens in the cache.
    pub context: u64,
    /// Tokens of the prefill chunk.
    pub chunk: u64,
}

/// What was executed, all of it verified.
#[derive(Debug, Clone)]
pub struct Executed {
    /// What the adapter's kernels reach, measured around it.
    pub profile: Profile,
    /// Every op class of both phases, and the totals.
    pub classes: Vec<ExecutedClass>,
}

/// An op class of one phase, or the phase's total.
#[derive(Debug, Clone, PartialEq)]
pub struct ExecutedClass {
    /// `decode` or `prefill`.
    pub phase: &'static str,
    /// `projections`, `attention`, `elementwise`, `head` or `total`.
    pub class: String,
    /// Dispatched ops.
    pub ops: u64,
    /// The sum of what each kind of op takes alone, s.
    pub alone_s: f64,
    /// Of the ops run together, s.
    pub measured_s: f64,
}

/// Time for one distinct op's search at most, s.
const SEARCH_S: f64 = 3.0;
/// Longer than any step takes.
const NEVER: Duration = Duration::from_secs(86_400);

/// Why a model's step cannot be executed.
const UNSUPPORTED: &str = "only dense softmax attention can be executed yet";

/// Measures the profile of the adapter in half of the budget, then executes a decode step and a prefill chunk of `model`.
pub fn step(
    exe: &Path,
    model: &ModelSpec,
    options: &StepOptions,
    progress: &dyn Progress,
) -> Result<Executed, MeasureError> {
    let half = options.bench.budget / 2.0;
    let bench = BenchOptions { budget: half, ..options.bench.clone() };
    let mut session = session(exe, &bench, progress)?;
    let identity = &session.supervisor.found().identity;
    if identity.backend == "cpu" {
        let why = "a step runs on an adapter, not on the CPU executor".into();
        return Err(MeasureError::Unsupported { what: identity.name.clone(), why });
    }
    let binding = session.supervisor.found().caps.binding;
    let mut profile = profile(&mut session, Depth::Step)?;
    // A step needs every op: the budget shortens the searches, and leaves none out.
    session.end = Instant::now() + NEVER;
    let mut classes = Vec::new();
    for (phase, tokens) in [("decode", 1), ("prefill", options.chunk)] {
        let ops = ops(model, tokens, options, binding)?;
        let distinct = ops.iter().map(|op| op.1.to_string()).collect::<BTreeSet<_>>().len();
        let share = (half.get() / (2 * distinct) as f64).min(SEARCH_S);
        let mut alone: Vec<(Problem, crate::kernels::Variant, f64)> = Vec::new();
        progress.stage(&format!("{phase}: each op alone"), ops.len() as u64);
        for &(_, problem) in &ops {
            progress.step(&problem.to_string());
            if session.stopped() {
                return Err(MeasureError::Interrupted);
            }
            if alone.iter().any(|a| a.0 == problem) {
                continue;
            }
            let before = session.cases.len();
            session.task(Task { problem, dtype: Dtype::F32 }, Depth::Step, share)?;
            let best = session.cases[before..].iter().min_by(|a, b| a.time_s_median.total_cmp(&b.time_s_median));
            let best = best.and_then(|c| Some((problem, c.variant.parse().ok()?, c.time_s_median)));
            alone.push(best.ok_or_else(|| MeasureError::Nothing {
                adapter: session.supervisor.found().identity.name.clone(),
                why: session.first_failure.clone().unwrap_or_else(|| format!("nothing runs {problem}")),
            })?);
        }
        let of = |problem: Problem| alone.iter().find(|a| a.0 == problem);
        let list: Vec<Op> = ops
            .iter()
            .zip(0..)
            .filter_map(|(&(class, problem), at)| {
                let (seed, checks) = (options.bench.seed.wrapping_add(at), options.bench.runtime_checks);
                let (_, variant, expected_s) = of(problem)?.clone();
                Some(Op {
                    class: class.into(),
                    expected_s,
                    job: Job { variant, problem, seed, checks, rule: Rule::quick(), rung: None },
                })
            })
            .collect();
        let times = session.supervisor.step(list)?;
        classes.extend(summed(phase, &ops, &times));
    }
    again(&mut session, &mut profile)?;
    Ok(Executed { profile, classes })
}

fn summed(phase: &'static str, ops: &[(&'static str, Problem)], times: &StepTimes) -> Vec<ExecutedClass> {
    let mut classes: BTreeMap<&str, (u64, f64)> = BTreeMap::new();
    for (&(class, _), alone_s) in ops.iter().zip(&times.alone_s) {
        for class in [class, "total"] {
            let entry = classes.entry(class).or_default();
            entry.0 += 1;
            entry.1 += alone_s;
        }
    }
    let row = |(class, (ops, alone_s)): (&str, (u64, f64))| {
        let measured_s = times.classes.get(class).copied().unwrap_or(times.total_s);
        ExecutedClass { phase, class: class.to_string(), ops, alone_s, measured_s }
    };
    classes.into_iter().map(row).collect()
}

/// The op list of `tokens` tokens: every layer's norms, projections, attention and activation, then the head for one.
fn ops(
    model: &ModelSpec,
    tokens: u64,
    options: &StepOptions,
    binding: u64,
) -> Result<Vec<(&'static str, Problem)>, MeasureError> {
    let unsupported = || MeasureError::Unsupported { what: model.name.clone(), why: UNSUPPORTED.into() };
    let mut ops = Vec::new();
    for layer in &model.layers {
        for _ in 0..layer.count {
            ops.push(("elementwise", Problem::Norm { rows: tokens, width: model.hidden }));
            for linear in &layer.linears {
                matrix(&mut ops, "projections", tokens, linear.outputs, linear.inputs, binding);
                if linear.name == "gate_up" {
                    ops.push(("elementwise", Problem::Activation { rows: tokens, width: linear.outputs / 2 }));
                }
            }
            let Core::Softmax { q_heads, kv_heads, head_dim, v_head_dim, .. } = layer.core else {
                return Err(unsupported());
            };
            if layer.experts.is_some() || head_dim != v_head_dim {
                return Err(unsupported());
            }
            let context = options.context.max(tokens);
            ops.push((
                "attention",
                Problem::Attention { queries: tokens, context, heads: q_heads, kv_heads, head_dim },
            ));
            ops.push(("elementwise", Problem::Norm { rows: tokens, width: model.hidden }));
        }
    }
    matrix(&mut ops, "head", 1, model.vocab, model.hidden, binding);
    Ok(ops)
}

/// One weight matrix against `tokens` rows, cut by rows where it exceeds a binding.
fn matrix(ops: &mut Vec<(&'static str, Problem)>, class: &'static str, tokens: u64, n: u64, k: u64, binding: u64) {
    let most = (binding / 8 / k.max(1)).clamp(1, n);
    let pieces = n.div_ceil(most);
    for piece in 0..pieces {
        let n = n * (piece + 1) / pieces - n * piece / pieces;
        ops.push((class, if tokens == 1 { Problem::Gemv { n, k } } else { Problem::Gemm { m: tokens, n, k } }));
    }
}
