//! What a reader should know before trusting a profile: throttling, clocks that were refused, rules that were not met.

use super::MeasureError;
use super::protocol::Job;
use super::rule::Rule;
use super::session::Session;
use super::supervisor::Outcome;
use super::tuner::Task;
use crate::device::profile::{Beat, Case};
use crate::kernels::{Dtype, Family, Problem, Variant};
use crate::units::Seconds;
use std::time::Instant;

/// The anchor counts as throttled when it ends so many times slower than at its best. Boost clocks settle within some
/// per cent; a device that hits its power or heat limit loses more.
const THROTTLED: f64 = 1.1;

/// Times the anchor kernel: dependent multiply-adds, whose speed is that of the clock and nothing else. The CPU executor,
/// which has none, multiplies two small matrices.
pub fn beat(session: &mut Session<'_>, started: Instant) -> Result<Option<Beat>, MeasureError> {
    let found = session.supervisor.found();
    let (variant, problem) = if found.identity.backend == "cpu" {
        (Variant::new(Family::CpuGemm, Dtype::F32, &[]), Problem::Gemm { m: 256, n: 256, k: 256 })
    } else {
        let chains = if found.caps.software { 1 << 14 } else { 1 << 20 };
        (Variant::new(Family::FmaChain, Dtype::F32, &[("wx", 64)]), Problem::Fma { chains, steps: 1024 })
    };
    let (seed, checks) = (session.options.seed, session.options.runtime_checks);
    let job = Job { variant, problem, seed, checks, rule: Rule::quick(), rung: None };
    let at_s = started.elapsed().as_secs_f64();
    Ok(match session.supervisor.time(job)? {
        Outcome::Case(case) => Some(Beat { at_s, time_s: case.time_s_median }),
        _ => None,
    })
}

/// What the anchor says.
pub fn throttling(anchor: &[Beat]) -> Option<String> {
    let best = anchor.iter().map(|b| b.time_s).fold(f64::INFINITY, f64::min);
    let worst = anchor.iter().max_by(|a, b| a.time_s.total_cmp(&b.time_s))?;
    let times = worst.time_s / best;
    (times > THROTTLED).then(|| {
        format!(
            "The speed was not steady: the anchor kernel, timed {} times in between, took {times:.2} times its best \
             after {:.0} s. The device throttled, or other work ran beside the measurement.",
            anchor.len(),
            worst.at_s
        )
    })
}

/// Cases that missed the stopping rule, and timestamps that were refused, in a sentence each.
pub fn of_cases(cases: &[Case]) -> Vec<String> {
    let named = |all: &[&Case], why: fn(&Case) -> Option<&String>| {
        let first = all.first().and_then(|c| why(c).map(|w| format!("{} {} x {} x {}: {w}", c.variant, c.m, c.n, c.k)));
        first.unwrap_or_default()
    };
    let unmet: Vec<&Case> = cases.iter().filter(|c| c.unmet.is_some()).collect();
    let refused: Vec<&Case> = cases.iter().filter(|c| c.timestamps.is_some()).collect();
    let mut all = Vec::new();
    if !unmet.is_empty() {
        let first = named(&unmet, |c| c.unmet.as_ref());
        all.push(format!("{} of {} cases ended before the stopping rule was met ({first}).", unmet.len(), cases.len()));
    }
    if !refused.is_empty() {
        let first = named(&refused, |c| c.timestamps.as_ref());
        all.push(format!(
            "The device's timestamps disagreed with the wall clock in {} of {} cases and were not used there ({first}).",
            refused.len(),
            cases.len()
        ));
    }
    all
}

/// What the budget did not allow, a problem each: some of its rungs, or the whole of it.
pub fn left_out(all: &[(Task, Option<&str>)], budget: Seconds) -> Option<String> {
    let problems = all.chunk_by(|a, b| a.0 == b.0).map(|rungs| {
        let Task { problem, dtype } = rungs[0].0;
        match rungs.iter().filter(|r| r.1.is_some()).count() {
            0 => format!("{problem}, {dtype}"),
            1 => format!("{problem}, {dtype} (1 rung)"),
            many => format!("{problem}, {dtype} ({many} rungs)"),
        }
    });
    let said = problems.collect::<Vec<_>>().join("; ");
    (!all.is_empty()).then(|| format!("Left out in {} s; a larger --budget takes it in: {said}.", budget.get()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slower_anchor_is_said_and_a_steady_one_is_not() {
        let beats = |times: &[f64]| -> Vec<Beat> {
            times.iter().enumerate().map(|(at, &time_s)| Beat { at_s: 10.0 * at as f64, time_s }).collect()
        };
        assert_eq!(throttling(&beats(&[1.0, 1.02, 0.99, 1.05])), None);
        assert_eq!(throttling(&[]), None);
        let said = throttling(&beats(&[1.0, 1.0, 1.3, 1.2])).expect("throttled");
        assert!(said.contains("1.30 times its best after 20 s"), "{said}");
    }

    #[test]
    fn what_was_left_out_is_told_by_problem() {
        let norm = Task { problem: Problem::Norm { rows: 2, width: 8 }, dtype: Dtype::F32 };
        let gemv = Task { problem: Problem::Gemv { n: 4, k: 4 }, dtype: Dtype::F16 };
        let all = [(gemv, Some("units")), (gemv, Some("naive")), (norm, None)];
        let said = left_out(&all, Seconds::new(60.0)).expect("something was");
        assert_eq!(
            said,
            "Left out in 60 s; a larger --budget takes it in: gemv 4 x 4, f16 (2 rungs); norm 2 x 8, f32."
        );
        assert_eq!(left_out(&[], Seconds::new(60.0)), None);
    }
}
