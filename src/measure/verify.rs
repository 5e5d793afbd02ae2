//! `underdog verify`: every variant of the space against its CPU twin, without timing.

use super::adapters::{Selector, select};
use super::protocol::{Job, Target};
use super::rule::Rule;
use super::supervisor::{DEADLINE, Outcome, Supervisor};
use super::{MeasureError, Several, problems};
use crate::progress::Progress;
use crate::units::Seconds;
use schemars::JsonSchema;
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What to verify.
#[derive(Debug, Clone)]
pub struct VerifyOptions {
    /// On which adapters.
    pub adapter: Selector,
    /// Seconds to spend on one adapter.
    pub budget: Seconds,
    /// Seed of the inputs.
    pub seed: u64,
    /// Compile bounds checks and loop bounds in.
    pub runtime_checks: bool,
    /// Raised to stop after the variant under way.
    pub stop: Arc<AtomicBool>,
}

/// One variant on one adapter.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct VerifyRow {
    /// The adapter's name.
    pub adapter: String,
    /// The adapter's backend.
    pub backend: String,
    /// Kernel family.
    pub kernel: String,
    /// Variant id.
    pub variant: String,
    /// The shape that was run.
    pub m: u64,
    /// See `m`.
    pub n: u64,
    /// See `m`.
    pub k: u64,
    /// `verified`, `unavailable`, `wrong`, `failed`, or `left out` where the budget was spent.
    pub result: String,
    /// Why, where it is not verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Verifies every variant with exact and real inputs on a shape with odd tails. An adapter that is given up leaves the
/// rows it got; of several adapters the others go on.
pub fn verify(
    exe: &Path,
    options: &VerifyOptions,
    progress: &dyn Progress,
) -> Result<Several<VerifyRow>, MeasureError> {
    let selected = select(exe, &options.adapter)?;
    let mut all = Several::default();
    for row in &selected {
        let Some(target) = &row.target else { continue };
        if let Err(why) = on(exe, target, options, progress, &mut all.results) {
            all.failures.push(why);
        }
        if options.stop.load(Ordering::Relaxed) {
            break;
        }
    }
    all.any()
}

fn on(
    exe: &Path,
    target: &Target,
    options: &VerifyOptions,
    progress: &dyn Progress,
    rows: &mut Vec<VerifyRow>,
) -> Result<(), MeasureError> {
    let mut supervisor = Supervisor::open(exe, target, DEADLINE)?;
    let found = supervisor.found().clone();
    let all: Vec<_> = problems::problems(&found, problems::Depth::Ladder)
        .into_iter()
        .flat_map(|(p, dtype)| {
            problems::rungs(p, dtype, &found)
                .into_iter()
                .flat_map(move |r| r.variants.into_iter().map(move |v| (p.odd(), v)))
        })
        .collect();
    progress.stage(&found.identity.name, all.len() as u64);
    let end = Instant::now() + Duration::from_secs_f64(options.budget.get());
    for (problem, variant) in all {
        if options.stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        let job = Job {
            variant: variant.clone(),
            problem,
            seed: options.seed,
            checks: options.runtime_checks,
            rule: Rule::quick(),
            rung: None,
        };
        let spent = Instant::now() > end;
        let outcome = if spent { None } else { Some(supervisor.verify(job)?) };
        let (result, reason) = match outcome.unwrap_or(Outcome::Unavailable("the budget was spent".into())) {
            Outcome::Unavailable(why) if spent => ("left out", Some(why)),
            Outcome::Verified | Outcome::Step(_) | Outcome::Case(_) => ("verified", None),
            Outcome::Unavailable(why) => ("unavailable", Some(why)),
            Outcome::Wrong(why) => ("wrong", Some(why)),
            Outcome::Failed(why) => ("failed", Some(why)),
        };
        let [m, n, k] = problem.mnk();
        progress.step(&variant.id());
        rows.push(VerifyRow {
            adapter: found.identity.name.clone(),
            backend: found.identity.backend.clone(),
            kernel: problem.kernel().into(),
            variant: variant.id(),
            m,
            n,
            k,
            result: result.into(),
            reason,
        });
    }
    Ok(())
}
