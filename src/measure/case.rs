//! One case: calibrate, sample until the rule is met, and judge the output of the very runs that were timed.

use super::device::{Refusal, Session};
use super::protocol::Job;
use super::rule::relative_spread;
use crate::device::profile::Case;
use crate::gpu::Elapsed;
use crate::kernels::twin::Truth;
use crate::kernels::{Fill, Problem, gate};
use crate::stats;
use std::time::Instant;

/// One submission stays under this, well below the shortest watchdog (i915: 0.64 s).
const SUBMISSION_S: f64 = 0.2;
/// A run that takes longer, s, is not run only to learn more about it.
const LONG_S: f64 = 4.0 * SUBMISSION_S;
/// A sample lasts at least this long where runs are short, so that the clock's own cost does not count.
const SAMPLE_S: f64 = 0.02;
/// A batch this long decides whether the device's timestamps agree with the wall clock.
const AGREEMENT_S: f64 = 0.1;
/// gpu / wall outside this range on a long batch: the timestamps are not used.
const AGREEMENT: std::ops::RangeInclusive<f64> = 0.80..=1.02;

/// Runs per sample, and how a run is cut.
struct Pace {
    runs: u32,
    pieces: usize,
    run_s: f64,
}

/// Times `session` by the job's rule and verifies the output of the last timed run against `truth`.
///
/// `first_s` is what the first dispatch took, compilation included; `stage` is told what is under way.
pub fn time(
    job: &Job,
    session: &mut dyn Session,
    truth: &Truth,
    first_s: f64,
    stage: &mut dyn FnMut(&str),
) -> Result<Case, Refusal> {
    stage("calibrating");
    let pace = pace(job.problem, session)?;
    let by_wall = pace.pieces > 1 || pace.run_s >= LONG_S || job.rule.ranks();
    let rejected = if by_wall { Some(None) } else { timestamps_disagree(session, &pace)? };
    let gpu_clock = rejected.is_none();
    stage("sampling");
    let (mut samples, started) = (Vec::new(), Instant::now());
    session.poison()?;
    let mut first_output = None;
    while !job.rule.done(&samples, started.elapsed().as_secs_f64()) {
        if samples.len() == 1 {
            first_output = Some(session.output()?);
            session.poison()?;
        }
        let elapsed = session.run(pace.runs)?;
        samples.push(sample(elapsed, gpu_clock)? / f64::from(pace.runs));
        if pace.pieces > 1 {
            stage("sampling");
        }
    }
    let spent_s = started.elapsed().as_secs_f64();
    stage("verifying");
    let output = session.output()?;
    gate::judge(&output, truth, Fill::Real, job.variant.halves()).map_err(Refusal::Wrong)?;
    if first_output.is_some_and(|first| first != output) {
        return Err(Refusal::Wrong("two runs on the same inputs differ".into()));
    }
    if let Some(damage) = session.damage()? {
        return Err(Refusal::Wrong(damage));
    }
    let [m, n, k] = job.problem.mnk();
    let median = stats::median(&samples).unwrap_or(f64::INFINITY);
    let cut = (pace.pieces > 1)
        .then(|| format!("cut into {} submissions of {:.2} s", pace.pieces, pace.run_s / pace.pieces as f64));
    Ok(Case {
        kernel: job.problem.kernel().into(),
        variant: job.variant.id(),
        dtype: job.variant.dtype.to_string(),
        m,
        n,
        k,
        flop: job.problem.flop(),
        bytes: job.problem.bytes(job.variant.dtype),
        time_s_median: median,
        spread: relative_spread(&samples),
        clock: if gpu_clock { "gpu" } else { "wall" }.into(),
        first_s,
        verified: true,
        check: if matches!(truth, Truth::Product(_)) { "residual" } else { "every element" }.into(),
        timestamps: rejected.flatten(),
        rung: job.rung.clone(),
        unmet: [cut, job.rule.unmet(&samples, spent_s)].into_iter().flatten().reduce(|a, b| format!("{a}; {b}")),
        code: None,
        samples_s: samples,
    })
}

/// Finds out how long a run takes without ever submitting more than one band of unknown length.
fn pace(problem: Problem, session: &mut dyn Session) -> Result<Pace, Refusal> {
    let (piece_s, pieces) = session.probe()?;
    let mut run_s = piece_s * pieces as f64;
    let cut = |run_s: f64| (run_s / SUBMISSION_S).ceil().max(1.0) as usize;
    let mut pieces = session.cut(cut(run_s))?;
    if matches!(problem, Problem::Submit) {
        return Ok(Pace { runs: 1, pieces, run_s });
    }
    // Narrow bands leave units idle, so the probe says too much; a whole run corrects it where it costs little.
    if run_s < LONG_S {
        run_s = session.run(1)?.wall_s;
        if cut(run_s) < pieces {
            pieces = session.cut(cut(run_s))?;
        }
    }
    if pieces > 1 || run_s >= LONG_S {
        return Ok(Pace { runs: 1, pieces, run_s });
    }
    // A handful of runs warms clocks and caches and gives the pace its second look.
    let runs = |run_s: f64| (SAMPLE_S / run_s.max(1e-9)).ceil().clamp(1.0, 4000.0) as u32;
    let warm = runs(run_s);
    run_s = session.run(warm)?.wall_s / f64::from(warm);
    Ok(Pace { runs: runs(run_s), pieces, run_s })
}

/// The second clock is used where it agrees with the first on a batch long enough for both: `None`. Otherwise what it
/// said, where it said anything.
fn timestamps_disagree(session: &mut dyn Session, pace: &Pace) -> Result<Option<Option<String>>, Refusal> {
    let runs = (AGREEMENT_S / pace.run_s.max(1e-9)).ceil().clamp(1.0, 20_000.0) as u32;
    let batch = session.run(runs)?;
    let Some(share) = batch.gpu_s.map(|gpu_s| gpu_s / batch.wall_s) else { return Ok(Some(None)) };
    match (AGREEMENT.contains(&share), batch.wall_s >= AGREEMENT_S / 2.0) {
        (true, true) => return Ok(None),
        // Too short a batch proves nothing, and accuses nothing.
        (true, false) => return Ok(Some(None)),
        _ => {}
    }
    Ok(Some(Some(format!("{share:.2} of the wall clock over {:.0} ms", 1e3 * batch.wall_s))))
}

fn sample(elapsed: Elapsed, gpu_clock: bool) -> Result<f64, Refusal> {
    let plausible = |s: f64| s.is_finite() && s > 1e-9;
    if !plausible(elapsed.wall_s) {
        return Err(Refusal::Wrong(format!("the wall clock says {} s", elapsed.wall_s)));
    }
    match elapsed.gpu_s.filter(|_| gpu_clock) {
        // A stamp pair that is missing or longer than the wall clock in a single sample falls back to it.
        Some(gpu_s) if plausible(gpu_s) && gpu_s <= elapsed.wall_s * AGREEMENT.end() => Ok(gpu_s),
        _ => Ok(elapsed.wall_s),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::{Checks, Gpu};
    use crate::kernels::{Data, Dtype, Family, Variant, twin};
    use crate::measure::device::GpuSession;
    use crate::measure::rule::Rule;

    const PROBLEM: Problem = Problem::Gemm { m: 2, n: 2, k: 2 };

    fn job() -> Job {
        let variant = Variant::new(Family::GemmNaive, Dtype::F32, &[("wx", 8), ("wy", 8)]);
        Job { variant, problem: PROBLEM, seed: 3, checks: true, rule: Rule::standard(0.0), rung: None }
    }

    fn truth() -> Truth {
        twin::truth(PROBLEM, Dtype::F32, &Data::new(PROBLEM, Dtype::F32, Fill::Real, 3))
    }

    /// Computes the right thing, and says about time and memory what the test wants.
    struct Liar {
        wall_s: f64,
        gpu_per_wall: Option<f64>,
        output: Vec<u8>,
        drift: bool,
        damage: Option<String>,
    }

    fn honest() -> Liar {
        let Truth::Reals { values, .. } = truth() else { unreachable!() };
        let output = values.iter().flat_map(|&v| (v as f32).to_le_bytes()).collect();
        Liar { wall_s: 1e-3, gpu_per_wall: None, output, drift: false, damage: None }
    }

    impl Session for Liar {
        fn run(&mut self, runs: u32) -> Result<Elapsed, Refusal> {
            let wall_s = self.wall_s * f64::from(runs);
            Ok(Elapsed { wall_s, gpu_s: self.gpu_per_wall.map(|g| g * wall_s) })
        }
        fn probe(&mut self) -> Result<(f64, usize), Refusal> {
            Ok((self.wall_s, 1))
        }
        fn poison(&mut self) -> Result<(), Refusal> {
            Ok(())
        }
        fn output(&mut self) -> Result<Vec<u8>, Refusal> {
            if self.drift {
                // The last bit changes from run to run, as with a race.
                self.output[0] ^= 1;
            }
            Ok(self.output.clone())
        }
        fn damage(&mut self) -> Result<Option<String>, Refusal> {
            Ok(self.damage.clone())
        }
    }

    fn outcome(mut liar: Liar) -> Result<Case, Refusal> {
        time(&job(), &mut liar, &truth(), 0.1, &mut |_| ())
    }

    #[test]
    fn an_honest_device_yields_a_number() {
        let case = outcome(honest()).expect("a case");
        assert_eq!((case.time_s_median, case.clock.as_str(), case.verified), (1e-3, "wall", true));
    }

    #[test]
    fn the_second_clock_is_used_only_where_it_agrees() {
        for (factor, clock) in [(0.95, "gpu"), (0.5, "wall"), (0.0, "wall"), (2.0, "wall"), (f64::NAN, "wall")] {
            let case = outcome(Liar { gpu_per_wall: Some(factor), ..honest() }).expect("a case");
            assert_eq!(case.clock, clock, "factor {factor}");
            assert_eq!(case.timestamps.is_some(), clock == "wall", "factor {factor}");
            assert!(case.time_s_median >= 0.9e-3, "factor {factor} gave {}", case.time_s_median);
        }
    }

    #[test]
    fn a_clock_that_stands_still_yields_no_number() {
        for wall_s in [0.0, -1.0, f64::NAN, 1e-30] {
            let result = outcome(Liar { wall_s, ..honest() });
            assert!(matches!(result, Err(Refusal::Wrong(_))), "{wall_s} gave {result:?}");
        }
    }

    #[test]
    fn a_wrong_output_a_race_and_a_broken_guard_yield_no_number() {
        let mut wrong = honest();
        wrong.output[3] ^= 0x40;
        let untouched = Liar { output: [0xFF, 0xFF, 0xFF, 0x7F].repeat(4), ..honest() };
        let guard = Liar { damage: Some("wrote outside".into()), ..honest() };
        for liar in [wrong, untouched, Liar { drift: true, ..honest() }, guard] {
            assert!(matches!(outcome(liar), Err(Refusal::Wrong(_))));
        }
    }

    /// wgpu's noop backend accepts everything, does nothing and reports no error.
    #[test]
    fn a_backend_that_does_nothing_yields_no_number() {
        let gpu = Gpu::open("noop", 0).expect("the noop backend opens");
        let (job, data) = (job(), Data::new(PROBLEM, Dtype::F32, Fill::Real, 3));
        let mut session = GpuSession::new(&gpu, &job.variant, PROBLEM, &data, Checks::On, 0).expect("a session");
        let result = time(&job, &mut session, &truth(), 0.1, &mut |_| ());
        assert!(matches!(result, Err(Refusal::Wrong(_))), "{result:?}");
    }
}
