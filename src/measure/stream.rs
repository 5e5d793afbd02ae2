//! The worker's side of a step: many ops as one stream of work on the device.

use super::device::Refusal;
use super::protocol::{Op, StepTimes};
use crate::gpu::{Checks, Gpu, Plan, Runner};
use crate::kernels::{Data, Fill, finish, gate, plan, twin};
use crate::stats;
use std::collections::BTreeMap;

/// How often the stream runs; the median counts.
const RUNS: usize = 5;
/// Work of one submission, bounded by the sum of what its ops take alone.
const STEPS_PER_SUBMISSION: usize = 24;

/// Runs all ops in order, then each class alone, and verifies every op's output of the last whole run.
pub fn run(gpu: &Gpu, ops: &[Op], say: &dyn Fn(&str)) -> Result<StepTimes, Refusal> {
    let mut whole = Plan { label: "step".into(), programs: vec![], memory: vec![], steps: vec![], output: 0 };
    let (mut outputs, mut truths, mut classes) = (Vec::new(), Vec::new(), BTreeMap::<&str, Vec<usize>>::new());
    for op in ops {
        say(&format!("{}: preparing {}", op.job.variant, op.job.problem));
        let data = Data::new(op.job.problem, op.job.variant.dtype, Fill::Real, op.job.seed);
        let part = plan(&op.job.variant, op.job.problem, &data, 1).map_err(Refusal::Unavailable)?;
        truths.push(twin::truth(op.job.problem, op.job.variant.dtype, &data));
        outputs.push(whole.memory.len() + part.output);
        let steps = classes.entry(&op.class).or_default();
        steps.extend(whole.steps.len()..whole.steps.len() + part.steps.len());
        append(&mut whole, part);
    }
    let checks = if ops.iter().any(|o| o.job.checks) { Checks::On } else { Checks::Off };
    say("compiling the step");
    let all: Vec<usize> = (0..whole.steps.len()).collect();
    let mut runner = Runner::new(gpu, whole, 1, checks)?;
    runner.run_steps(&all, STEPS_PER_SUBMISSION)?;
    let mut time = |steps: &[usize]| -> Result<f64, Refusal> {
        let mut samples = Vec::new();
        for _ in 0..RUNS {
            say("running the step");
            samples.push(runner.run_steps(steps, STEPS_PER_SUBMISSION)?.wall_s);
        }
        Ok(stats::median(&samples).unwrap_or(f64::INFINITY))
    };
    let mut times = StepTimes { classes: BTreeMap::new(), total_s: 0.0 };
    for (class, steps) in &classes {
        times.classes.insert((*class).into(), time(steps)?);
    }
    runner.poison()?;
    let mut samples = Vec::new();
    for _ in 0..RUNS {
        samples.push(runner.run_steps(&all, STEPS_PER_SUBMISSION)?.wall_s);
    }
    times.total_s = stats::median(&samples).unwrap_or(f64::INFINITY);
    for ((op, truth), output) in ops.iter().zip(&truths).zip(outputs) {
        say(&format!("{}: verifying {}", op.job.variant, op.job.problem));
        let bytes = finish(&op.job.variant, op.job.problem, runner.memory(output)?);
        gate::judge(&bytes, truth, Fill::Real).map_err(|why| Refusal::Wrong(format!("{}: {why}", op.job.problem)))?;
    }
    match runner.damage()? {
        Some(damage) => Err(Refusal::Wrong(damage)),
        None => Ok(times),
    }
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
