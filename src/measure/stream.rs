//! The worker's side of a step: many ops as one stream of work on the device.

use super::device::Refusal;
use super::protocol::{Op, StepTimes};
use crate::gpu::{Checks, Gpu, Plan, Runner};
use crate::kernels::{Data, Fill, finish, gate, plan, twin};
use crate::stats;
use std::collections::BTreeMap;
use std::time::Instant;

/// Rounds at most; the medians count.
const ROUNDS: usize = 7;
/// Rounds taken however long they last.
const FEWEST: usize = 3;
/// Time for rounds beyond the fewest, s.
const BUDGET_S: f64 = 60.0;
/// Work of one submission, s, far from any watchdog; and its dispatches.
const SUBMISSION_S: f64 = 0.1;
const SUBMISSION_STEPS: usize = 24;

/// A part of the step that is timed by itself: its ops, their dispatches, and what they took.
#[derive(Default)]
struct Part {
    ops: usize,
    steps: Vec<usize>,
    samples: Vec<f64>,
}

/// Runs each kind of op alone, each class alone and all ops in order, in turns, so that a machine whose speed drifts
/// does not decide the comparison. Every op's output of the last whole run is verified.
pub fn run(gpu: &Gpu, ops: &[Op], say: &dyn Fn(&str)) -> Result<StepTimes, Refusal> {
    let mut whole = Plan { label: "step".into(), programs: vec![], memory: vec![], steps: vec![], output: 0 };
    let (mut outputs, mut truths, mut expected) = (Vec::new(), Vec::new(), Vec::new());
    let mut kinds: BTreeMap<String, Part> = BTreeMap::new();
    let mut classes: BTreeMap<&str, Part> = BTreeMap::new();
    let kind = |op: &Op| format!("{} {}", op.class, op.job.problem);
    for op in ops {
        say(&format!("{}: preparing {}", op.job.variant, op.job.problem));
        let data = Data::new(op.job.problem, op.job.variant.dtype, Fill::Real, op.job.seed);
        let part = plan(&op.job.variant, op.job.problem, &data, 1).map_err(Refusal::Unavailable)?;
        truths.push(twin::truth(op.job.problem, op.job.variant.dtype, &data));
        outputs.push(whole.memory.len() + part.output);
        let steps = whole.steps.len()..whole.steps.len() + part.steps.len();
        let alike = kinds.entry(kind(op)).or_default();
        alike.ops += 1;
        alike.steps.extend(steps.clone());
        let class = classes.entry(&op.class).or_default();
        class.ops += 1;
        class.steps.extend(steps);
        expected.extend(part.steps.iter().map(|_| op.expected_s / part.steps.len() as f64));
        append(&mut whole, part);
    }
    let checks = if ops.iter().any(|o| o.job.checks) { Checks::On } else { Checks::Off };
    say("compiling the step");
    let mut all = Part { ops: ops.len(), steps: (0..whole.steps.len()).collect(), samples: Vec::new() };
    let mut runner = Runner::new(gpu, whole, 1, checks)?;
    let mut time = |steps: &[usize]| -> Result<f64, Refusal> {
        let mut wall_s = 0.0;
        for submission in submissions(steps, &expected) {
            say("running the step");
            wall_s += runner.run_steps(submission, usize::MAX)?.wall_s;
        }
        Ok(wall_s)
    };
    time(&all.steps)?;
    let started = Instant::now();
    while all.samples.len() < ROUNDS && (all.samples.len() < FEWEST || started.elapsed().as_secs_f64() < BUDGET_S) {
        for part in kinds.values_mut().chain(classes.values_mut()).chain([&mut all]) {
            let wall_s = time(&part.steps)?;
            part.samples.push(wall_s);
        }
    }
    let median = |part: &Part| stats::median(&part.samples).unwrap_or(f64::INFINITY);
    let alone = |part: &Part| median(part) / part.ops as f64;
    let times = StepTimes {
        alone_s: ops.iter().map(|op| alone(&kinds[&kind(op)])).collect(),
        classes: classes.iter().map(|(class, part)| (class.to_string(), median(part))).collect(),
        total_s: median(&all),
    };
    runner.poison()?;
    for submission in submissions(&all.steps, &expected) {
        say("running the step on poison");
        runner.run_steps(submission, usize::MAX)?;
    }
    for ((op, truth), output) in ops.iter().zip(&truths).zip(outputs) {
        say(&format!("{}: verifying {}", op.job.variant, op.job.problem));
        let bytes = finish(&op.job.variant, op.job.problem, runner.memory(output)?);
        gate::judge(&bytes, truth, Fill::Real, op.job.variant.halves())
            .map_err(|why| Refusal::Wrong(format!("{}: {why}", op.job.problem)))?;
    }
    match runner.damage()? {
        Some(damage) => Err(Refusal::Wrong(damage)),
        None => Ok(times),
    }
}

/// Consecutive dispatches that are expected to keep the device busy for a tenth of a second at most, or one dispatch.
fn submissions<'a>(steps: &'a [usize], expected_s: &'a [f64]) -> Vec<&'a [usize]> {
    let (mut cuts, mut first, mut busy_s) = (Vec::new(), 0, 0.0);
    for (at, &step) in steps.iter().enumerate() {
        if at > first && (busy_s + expected_s[step] > SUBMISSION_S || at - first == SUBMISSION_STEPS) {
            cuts.push(&steps[first..at]);
            (first, busy_s) = (at, 0.0);
        }
        busy_s += expected_s[step];
    }
    cuts.push(&steps[first..]);
    cuts
}

/// Adds a plan's programs, memory and steps behind another's.
fn append(whole: &mut Plan, part: Plan) {
    let (programs, memory) = (whole.programs.len(), whole.memory.len());
    whole.programs.extend(part.programs);
    whole.memory.extend(part.memory);
    whole.steps.extend(part.steps.into_iter().map(|mut step| {
        step.program += programs;
        step.bindings.iter_mut().for_each(|b| *b += memory);
        step
    }));
}
