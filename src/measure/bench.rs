//! From an adapter to its profile: the ladder of every kernel, each rung by its fastest candidate, and the roofs.

use super::adapters::{Selector, one, select};
use super::choices::{Choices, LIBRARIES, adapter};
use super::code::Codes;
use super::options::BenchOptions;
use super::problems::{Depth, problems, weight};
use super::protocol::{Job, Target};
use super::rule::Rule;
use super::session::{Searches, Session};
use super::store::Store;
use super::supervisor::{Outcome, Supervisor};
use super::tuner::{History, Task};
use super::{MeasureError, Several, anomalies, cpu, curves, ladder};
use crate::device::Profile;
use crate::device::profile::{Beat, Case, Record, Roofs, SCHEMA};
use crate::gpu::Found;
use crate::kernels::{Dtype, Problem};
use crate::progress::Progress;
use crate::units::Seconds;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// Measures the selected adapters and stores a profile of each. Of several adapters one that fails is told among the
/// failures.
pub fn bench(exe: &Path, options: &BenchOptions, progress: &dyn Progress) -> Result<Several<Profile>, MeasureError> {
    let rows = select(exe, &options.adapter)?;
    let mut all = Several::default();
    for target in rows.iter().filter_map(|row| row.target.as_ref()) {
        match measure(exe, target, options, Depth::Ladder, progress) {
            Ok(profile) => all.results.push(stored(profile, options.stop.load(Relaxed))?),
            Err(why) => all.failures.push(why),
        }
        if options.stop.load(Relaxed) {
            break;
        }
    }
    all.any()
}

/// Stores a profile. One that was cut short does not replace a whole one, and says so.
fn stored(mut profile: Profile, interrupted: bool) -> Result<Profile, MeasureError> {
    let store = Store::open();
    let cut_short = interrupted || !profile.roofs.complete();
    if cut_short && store.load(&profile.adapter).is_some() {
        profile.anomalies.push("Cut short, so the profile that was stored before stays.".to_owned());
    } else {
        store.save(&profile)?;
    }
    Ok(profile)
}

/// The profile of one adapter from the store, or measured within `budget` (what estimates rest on, no ladder) and stored.
pub fn local(
    exe: &Path,
    selector: &Selector,
    budget: Seconds,
    progress: &dyn Progress,
) -> Result<Profile, MeasureError> {
    let (row, target) = one(exe, selector)?;
    if let Some(found) = &row.found
        && let Some(profile) = Store::open().load(&adapter(found))
    {
        return Ok(profile);
    }
    let options = BenchOptions { budget, ..BenchOptions::default() };
    stored(measure(exe, &target, &options, Depth::Step, progress)?, false)
}

/// A session on one adapter.
pub(super) fn session<'a>(
    exe: &Path,
    options: &'a BenchOptions,
    progress: &'a dyn Progress,
) -> Result<Session<'a>, MeasureError> {
    open(exe, &one(exe, &options.adapter)?.1, options, progress)
}

fn open<'a>(
    exe: &Path,
    target: &Target,
    options: &'a BenchOptions,
    progress: &'a dyn Progress,
) -> Result<Session<'a>, MeasureError> {
    let supervisor = Supervisor::open(exe, target, Duration::from_secs_f64(options.silence.get()))?;
    Ok(Session {
        codes: Codes::of(exe, target, supervisor.found()),
        supervisor,
        options,
        progress,
        cases: Vec::new(),
        history: History::default(),
        choices: Choices::load(Store::open().folder()),
        end: Instant::now() + Duration::from_secs_f64(options.budget.get()),
        first_failure: None,
        left_out: Vec::new(),
        searches: Searches::default(),
    })
}

fn measure(
    exe: &Path,
    target: &Target,
    options: &BenchOptions,
    depth: Depth,
    progress: &dyn Progress,
) -> Result<Profile, MeasureError> {
    profile(&mut open(exe, target, options, progress)?, depth)
}

/// Measures the profile of a session's adapter.
pub(super) fn profile(session: &mut Session<'_>, depth: Depth) -> Result<Profile, MeasureError> {
    let (started, wall) = (Instant::now(), jiff::Timestamp::now());
    let found = session.supervisor.found().clone();
    let mut anchor = Vec::new();
    match cases(session, &found, depth, started, &mut anchor) {
        // What was measured before the adapter was given up is kept.
        Err(why @ MeasureError::GaveUp { .. }) if !session.cases.is_empty() => {
            session.supervisor.anomalies.push(why.to_string());
        }
        other => other?,
    }
    let Session { supervisor, cases, first_failure, left_out, searches, options, .. } = session;
    if cases.is_empty() {
        let adapter = found.identity.name.clone();
        return Err(match first_failure {
            Some(why) => MeasureError::Nothing { adapter, why: why.clone() },
            None => MeasureError::Interrupted,
        });
    }
    let mut anomalies = supervisor.anomalies.clone();
    anomalies.extend(anomalies::of_cases(cases));
    anomalies.extend(anomalies::throttling(&anchor));
    anomalies.extend(anomalies::left_out(left_out, options.budget));
    let record = Record {
        version: env!("CARGO_PKG_VERSION").into(),
        libraries: LIBRARIES.map(str::to_owned).to_vec(),
        started: wall.to_string(),
        ended: jiff::Timestamp::now().to_string(),
        commit: option_env!("UNDERDOG_COMMIT").map(str::to_owned),
        duration_s: started.elapsed().as_secs_f64(),
        budget_s: options.budget.get(),
        choices_searched: searches.searched,
        choices_stored: searches.stored,
        search_s: searches.time_s,
        candidates_spared: searches.spared,
        spared_s: searches.spared_s,
        seed: options.seed,
        runtime_checks: options.runtime_checks,
        host: cpu::host_name(),
        host_memory_bytes: cpu::host_memory(),
    };
    let roofs = roofs(cases);
    Ok(Profile {
        schema: SCHEMA.into(),
        adapter: adapter(&found),
        curves: curves::of(cases),
        ladder: ladder::climb(cases, &roofs),
        verification: supervisor.verification.clone(),
        anchor,
        roofs,
        cases: cases.clone(),
        record,
        anomalies,
    })
}

/// Times the products of a profile once more and keeps the shorter time: other work on the machine only ever adds to it,
/// and what is compared with the profile was measured later.
pub(super) fn again(session: &mut Session<'_>, profile: &mut Profile) -> Result<(), MeasureError> {
    let mut products: Vec<&mut Case> =
        profile.cases.iter_mut().filter(|c| matches!(c.kernel.as_str(), "gemm" | "gemv") && c.dtype == "f32").collect();
    session.progress.stage("profile: the products once more", products.len() as u64);
    for case in &mut products {
        let Case { m, n, k, .. } = **case;
        let problem = if case.kernel == "gemv" { Problem::Gemv { n, k } } else { Problem::Gemm { m, n, k } };
        session.progress.step(&problem.to_string());
        let Ok(variant) = case.variant.parse() else { continue };
        let BenchOptions { seed, runtime_checks: checks, .. } = *session.options;
        let job = Job { variant, problem, seed, checks, rule: Rule::standard(AGAIN_S), rung: case.rung.clone() };
        if let Outcome::Case(second) = session.supervisor.time(job)?
            && second.time_s_median < case.time_s_median
        {
            **case = Case { code: case.code.take(), ..*second };
        }
    }
    profile.roofs = roofs(&profile.cases);
    profile.curves = curves::of(&profile.cases);
    profile.ladder = ladder::climb(&profile.cases, &profile.roofs);
    Ok(())
}

/// Time for a second look at a product, s.
const AGAIN_S: f64 = 1.0;

/// Problems between two looks at the anchor.
const ANCHOR_EVERY: usize = 4;

/// Measures the problems of a profile, then the further points of its curves, and the anchor in between.
fn cases(
    session: &mut Session<'_>,
    found: &Found,
    depth: Depth,
    started: Instant,
    anchor: &mut Vec<Beat>,
) -> Result<(), MeasureError> {
    let point = |p| (p, true);
    let mut problems: Vec<_> = problems(found, depth).into_iter().map(|p| (p, false)).collect();
    // The batches come before the largest GEMM: by then candidates are known, and time is left.
    let largest =
        problems.iter().rposition(|((p, d), _)| *d == Dtype::F32 && matches!(p, Problem::Gemm { m: 65.., .. }));
    let at = largest.unwrap_or(problems.len());
    problems.splice(at..at, curves::batches(found).into_iter().map(point));
    problems.extend(curves::problems(found, depth).into_iter().map(point));
    session.progress.stage(&format!("{} ({})", found.identity.name, found.identity.backend), problems.len() as u64);
    // Cases there were at the last look at the anchor.
    let mut looked = None;
    for (at, &((problem, dtype), point)) in problems.iter().enumerate() {
        if session.stopped() {
            break;
        }
        // Between problems that the budget leaves out there is nothing to look at.
        if at % ANCHOR_EVERY == 0 && looked != Some(session.cases.len()) {
            anchor.extend(anomalies::beat(session, started)?);
            looked = Some(session.cases.len());
        }
        let left = session.options.budget.get() - started.elapsed().as_secs_f64();
        let cost = |at: usize| {
            let ((problem, _), point) = problems[at];
            if point { curves::weight(problem) } else { weight(problem) }
        };
        let share = left * cost(at) / (at..problems.len()).map(cost).sum::<f64>();
        let task = Task { problem, dtype };
        if !point {
            session.task(task, depth, share)?;
        } else if left > 0.0 || session.options.thorough {
            curves::point(session, task, share)?;
        } else {
            session.left_out.push((task, None));
        }
        session.progress.step(&problem.to_string());
    }
    if looked != Some(session.cases.len()) {
        anchor.extend(anomalies::beat(session, started)?);
    }
    Ok(())
}

/// The best verified rates; of what moves bytes on the largest shape, because small ones stay in a cache.
fn roofs(cases: &[Case]) -> Roofs {
    let own = |kernel: &'static str, dtype: &'static str| {
        cases.iter().filter(move |c| c.kernel == kernel && c.dtype == dtype && c.verified)
    };
    let of = |kernel, dtype, rate: fn(&Case) -> f64| own(kernel, dtype).map(rate).max_by(f64::total_cmp);
    let streamed = |kernel, dtype| {
        let largest = own(kernel, dtype).map(|c| c.bytes).max_by(f64::total_cmp)?;
        own(kernel, dtype).filter(|c| c.bytes == largest).map(|c| c.bytes / c.time_s_median).max_by(f64::total_cmp)
    };
    Roofs {
        gemm_f32_flop_s: of("gemm", "f32", |c| c.flop / c.time_s_median),
        fma_f32_flop_s: of("fma", "f32", |c| c.flop / c.time_s_median),
        read_byte_s: streamed("read", "u32"),
        gemv_f32_byte_s: streamed("gemv", "f32"),
        launch_s: of("launch", "u32", |c| -c.time_s_median).map(|t| -t),
        submit_s: of("submit", "u32", |c| -c.time_s_median).map(|t| -t),
    }
}
