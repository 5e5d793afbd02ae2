//! From an adapter to its profile: the ladder of every kernel, each rung by its fastest candidate, and the roofs.

use super::adapters::{Selector, select};
use super::protocol::{Job, Target};
use super::rule::Rule;
use super::store::Store;
use super::supervisor::{DEADLINE, Outcome, Supervisor};
use super::{MeasureError, cpu};
use crate::device::Profile;
use crate::device::profile::{Adapter, Case, Record, Roofs, SCHEMA};
use crate::gpu::Found;
use crate::kernels::space::{self, Rung};
use crate::kernels::{Dtype, Family, Problem, Variant};
use crate::progress::Progress;
use crate::units::Seconds;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How to measure.
#[derive(Debug, Clone)]
pub struct BenchOptions {
    /// On which adapters.
    pub adapter: Selector,
    /// Time for one adapter.
    pub budget: Seconds,
    /// Seed of the inputs.
    pub seed: u64,
    /// Compile bounds checks and loop bounds in.
    pub runtime_checks: bool,
    /// Up to 15 s a case, whatever the budget.
    pub thorough: bool,
    /// Silence after which a worker counts as hung and is killed.
    pub silence: Seconds,
    /// Raised to stop after the case under way; what was measured is kept.
    pub stop: Arc<AtomicBool>,
}

impl Default for BenchOptions {
    fn default() -> Self {
        Self {
            adapter: Selector::Default,
            budget: Seconds::new(120.0),
            seed: 1,
            runtime_checks: false,
            thorough: false,
            silence: Seconds::new(DEADLINE.as_secs_f64()),
            stop: Arc::default(),
        }
    }
}

/// Measures the selected adapters and stores a profile of each.
pub fn bench(exe: &Path, options: &BenchOptions, progress: &dyn Progress) -> Result<Vec<Profile>, MeasureError> {
    let rows = select(exe, &options.adapter)?;
    let mut profiles = Vec::new();
    for target in rows.iter().filter_map(|row| row.target.as_ref()) {
        let profile = measure(exe, target, options, Depth::Ladder, progress)?;
        Store::open().save(&profile)?;
        profiles.push(profile);
    }
    Ok(profiles)
}

/// The profile of one adapter from the store, or measured within `budget` (roofs only, no ladder) and stored.
pub fn local(
    exe: &Path,
    selector: &Selector,
    budget: Seconds,
    progress: &dyn Progress,
) -> Result<Profile, MeasureError> {
    let rows = select(exe, selector)?;
    let row = &rows[0];
    let Some(target) = &row.target else {
        return Err(MeasureError::NoAdapter { asked: format!("{selector:?}"), known: String::new() });
    };
    if let Some(found) = &row.found
        && let Some(profile) = Store::open().load(&adapter(found))
    {
        return Ok(profile);
    }
    let options = BenchOptions { budget, ..BenchOptions::default() };
    let profile = measure(exe, target, &options, Depth::Roofs, progress)?;
    Store::open().save(&profile)?;
    Ok(profile)
}

/// How much to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// The best candidate of each kernel.
    Roofs,
    /// Every rung.
    Ladder,
}

/// The problems a profile is made of, small enough for the adapter's kind and large enough to leave its caches.
pub(super) fn problems(found: &Found) -> Vec<(Problem, Dtype)> {
    let side: u64 = if found.caps.software { 1024 } else { 4096 };
    let rows: u64 = if found.caps.software { 4096 } else { 16_384 };
    let stream = (found.caps.binding / 4).min(if found.caps.software { 16 << 20 } else { 256 << 20 }) & !1023;
    vec![
        (Problem::Launch, Dtype::U32),
        (Problem::Submit, Dtype::U32),
        (Problem::Read { words: stream }, Dtype::U32),
        (Problem::Gemv { n: rows, k: rows.min(found.caps.binding / 4 / rows) }, Dtype::F32),
        (Problem::Gemm { m: side / 2, n: side / 2, k: side / 2 }, Dtype::F32),
        (Problem::Gemm { m: side, n: side, k: side }, Dtype::F32),
    ]
}

fn ladder(problem: Problem, dtype: Dtype, found: &Found) -> Vec<Rung> {
    if found.identity.backend != "cpu" {
        return space::ladder(problem, dtype, &found.caps);
    }
    let family = match problem {
        Problem::Gemm { .. } => Family::CpuGemm,
        Problem::Gemv { .. } => Family::CpuGemv,
        Problem::Read { .. } => Family::CpuRead,
        _ => Family::CpuLaunch,
    };
    vec![Rung { name: "host", variants: vec![Variant::new(family, dtype, &[])] }]
}

/// Runs a case costs at least: calibration, samples and the run that is compared with them.
const RUNS: f64 = 6.0;

/// One adapter, its cases so far, and the time left.
struct Session<'a> {
    supervisor: Supervisor,
    options: &'a BenchOptions,
    progress: &'a dyn Progress,
    cases: Vec<Case>,
    /// Rung, variant, problem and time of everything that was timed.
    tried: Vec<(&'static str, Variant, Problem, f64)>,
    first_failure: Option<String>,
}

fn measure(
    exe: &Path,
    target: &Target,
    options: &BenchOptions,
    depth: Depth,
    progress: &dyn Progress,
) -> Result<Profile, MeasureError> {
    let (started, wall) = (Instant::now(), jiff::Timestamp::now());
    let silence = Duration::from_secs_f64(options.silence.get());
    let supervisor = Supervisor::open(exe, target, silence)?;
    let found = supervisor.found().clone();
    let problems = problems(&found);
    progress.stage(&format!("{} ({})", found.identity.name, found.identity.backend), problems.len() as u64);
    let mut session =
        Session { supervisor, options, progress, cases: Vec::new(), tried: Vec::new(), first_failure: None };
    for (at, &(problem, dtype)) in problems.iter().enumerate() {
        if session.stopped() {
            break;
        }
        // Later problems are the larger ones, so shares grow: what is left over the problems left, doubled for the last.
        let left = options.budget.get() - started.elapsed().as_secs_f64();
        let weights: f64 = problems[at..].iter().map(|p| weight(p.0)).sum();
        session.problem(problem, dtype, depth, &found, left * weight(problem) / weights)?;
        progress.step(&problem.to_string());
    }
    let Session { supervisor, cases, first_failure, .. } = session;
    if cases.is_empty() {
        let adapter = found.identity.name.clone();
        return Err(match first_failure {
            Some(why) => MeasureError::Nothing { adapter, why },
            None => MeasureError::Interrupted,
        });
    }
    let record = Record {
        version: env!("CARGO_PKG_VERSION").into(),
        libraries: vec!["wgpu 30.0.1".into(), "naga 30.0.1".into()],
        started: wall.to_string(),
        duration_s: started.elapsed().as_secs_f64(),
        budget_s: options.budget.get(),
        seed: options.seed,
        runtime_checks: options.runtime_checks,
        host: cpu::host_name(),
        host_memory_bytes: cpu::host_memory(),
    };
    let roofs = roofs(&cases);
    Ok(Profile {
        schema: SCHEMA.into(),
        adapter: adapter(&found),
        roofs,
        cases,
        record,
        anomalies: supervisor.anomalies,
    })
}

/// Shares of the budget, by what a problem costs.
fn weight(problem: Problem) -> f64 {
    match problem {
        Problem::Launch | Problem::Submit => 0.3,
        Problem::Read { .. } | Problem::Gemv { .. } => 2.0,
        _ => 4.0,
    }
}

impl Session<'_> {
    fn stopped(&self) -> bool {
        self.options.stop.load(Ordering::Relaxed)
    }

    /// Times one problem within about `share` seconds: chooses a candidate for each rung by a quick look, then times
    /// the chosen ones by the full rule. A kernel seen on an earlier shape keeps the candidates chosen there.
    fn problem(
        &mut self,
        problem: Problem,
        dtype: Dtype,
        depth: Depth,
        found: &Found,
        share: f64,
    ) -> Result<(), MeasureError> {
        let deadline = Instant::now() + Duration::from_secs_f64(share.max(0.0));
        let left = || deadline.saturating_duration_since(Instant::now()).as_secs_f64();
        let mut chosen = Vec::new();
        for (rung, candidates) in self.candidates(problem, dtype, depth, found) {
            let mut best: Option<(Variant, f64)> = None;
            for variant in &candidates {
                let expected = self.expected(problem, variant);
                let enough = depth == Depth::Roofs && left() == 0.0 && !chosen.is_empty();
                // The ladder needs its first rung whatever it costs; the others must fit.
                if self.stopped() || enough || rung != "naive" && expected.is_some_and(|t| RUNS * t > left()) {
                    continue;
                }
                if candidates.len() == 1 {
                    best = Some((variant.clone(), expected.unwrap_or(0.0)));
                } else if let Some(case) = self.time(problem, variant, Rule::quick(), None)? {
                    if best.as_ref().is_none_or(|b| case.time_s_median < b.1) {
                        best = Some((variant.clone(), case.time_s_median));
                    }
                    self.tried.push((rung, variant.clone(), problem, case.time_s_median));
                }
            }
            chosen.extend(best.map(|(variant, time)| (rung, variant, time)));
        }
        if depth == Depth::Roofs {
            chosen.sort_by(|a, b| a.2.total_cmp(&b.2));
            chosen.truncate(if problem.kernel() == "gemm" { 2 } else { 1 });
        }
        for at in 0..chosen.len() {
            if self.stopped() {
                break;
            }
            let case_s =
                if self.options.thorough { 15.0 } else { (left() / (chosen.len() - at) as f64).clamp(0.1, 5.0) };
            let (rung, variant, _) = &chosen[at];
            if let Some(case) = self.time(problem, variant, Rule::standard(case_s), Some((*rung).to_string()))? {
                self.tried.push((rung, variant.clone(), problem, case.time_s_median));
                self.cases.push(case);
            }
        }
        Ok(())
    }

    /// Rungs with their candidates. Roofs need no slow rungs, and of a kernel seen before only its two best variants.
    fn candidates(
        &self,
        problem: Problem,
        dtype: Dtype,
        depth: Depth,
        found: &Found,
    ) -> Vec<(&'static str, Vec<Variant>)> {
        let mut rungs: Vec<_> = ladder(problem, dtype, found).into_iter().map(|r| (r.name, r.variants)).collect();
        let mut seen: Vec<_> = self
            .tried
            .iter()
            .filter(|t| t.1.dtype == dtype && t.2.kernel() == problem.kernel())
            .map(|t| (t.0, t.1.clone(), t.3 / t.2.flop().max(1.0)))
            .collect();
        seen.sort_by(|a, b| a.2.total_cmp(&b.2));
        if depth == Depth::Roofs && rungs.len() > 1 {
            rungs.retain(|r| !matches!(r.0, "naive" | "tiled"));
            if !seen.is_empty() {
                seen.dedup_by(|a, b| a.1 == b.1);
                return seen.into_iter().take(2).map(|s| (s.0, vec![s.1])).collect();
            }
        }
        for (name, candidates) in &mut rungs {
            if let Some(best) = seen.iter().find(|s| s.0 == *name) {
                *candidates = vec![best.1.clone()];
            }
        }
        rungs
    }

    /// What a run should take by the same variant's rate on another shape.
    fn expected(&self, problem: Problem, variant: &Variant) -> Option<f64> {
        let seen = self.tried.iter().rev().find(|t| t.1 == *variant && t.2.flop() > 0.0)?;
        Some(seen.3 * problem.flop() / seen.2.flop())
    }

    fn time(
        &mut self,
        problem: Problem,
        variant: &Variant,
        rule: Rule,
        rung: Option<String>,
    ) -> Result<Option<Case>, MeasureError> {
        let job = Job {
            variant: variant.clone(),
            problem,
            seed: self.options.seed,
            checks: self.options.runtime_checks,
            rule,
            rung,
        };
        match self.supervisor.time(job)? {
            Outcome::Case(case) => Ok(Some(*case)),
            Outcome::Verified | Outcome::Unavailable(_) => Ok(None),
            Outcome::Wrong(why) | Outcome::Failed(why) => {
                self.progress.warn(&format!("{variant}: {why}"));
                self.first_failure.get_or_insert(format!("{variant}: {why}"));
                Ok(None)
            }
        }
    }
}

/// The best verified rates.
fn roofs(cases: &[Case]) -> Roofs {
    let of = |kernel: &str, dtype: &str, rate: fn(&Case) -> f64| {
        let rates = cases.iter().filter(|c| c.kernel == kernel && c.dtype == dtype && c.verified).map(rate);
        rates.max_by(f64::total_cmp)
    };
    Roofs {
        gemm_f32_flop_s: of("gemm", "f32", |c| c.flop / c.time_s_median),
        read_byte_s: of("read", "u32", |c| c.bytes / c.time_s_median),
        gemv_f32_byte_s: of("gemv", "f32", |c| c.bytes / c.time_s_median),
        launch_s: of("launch", "u32", |c| -c.time_s_median).map(|t| -t),
        submit_s: of("submit", "u32", |c| -c.time_s_median).map(|t| -t),
    }
}

/// The profile's description of what was opened.
pub(super) fn adapter(found: &Found) -> Adapter {
    let identity = found.identity.clone();
    Adapter {
        name: identity.name,
        backend: identity.backend,
        driver: identity.driver,
        driver_info: identity.driver_info,
        kind: identity.kind,
        vendor_id: identity.pci[0],
        device_id: identity.pci[1],
        software: found.caps.software,
        subgroup: identity.subgroup,
        features: identity.features,
    }
}
