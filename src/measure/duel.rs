//! Weaker against stronger, for real: this adapter against itself handicapped.
//!
//! The handicapped one gets fewer workgroups that walk over all tiles (any adapter), fewer host threads or narrower
//! vectors (Mesa's software drivers), and its best kernel; the full one gets kernels from lower rungs. Both sides' roofs
//! are measured on a training shape: their ratio is the debt from which the weaker one wins, and each rung's own debt
//! against it predicts how much faster the pairing is on another shape, where it is executed. The two take turns, because
//! a shared machine's speed drifts by more than their ratios may.

use super::AdapterRow;
use super::MeasureError;
use super::adapters::one;
use super::options::BenchOptions;
use super::problems::rungs;
use super::protocol::Job;
use super::rule::Rule;
use super::supervisor::{DEADLINE, Outcome, Supervisor};
use super::tuner::{Candidate, Task, legal};
use crate::kernels::{Dtype, Problem, Variant, steps};
use crate::progress::Progress;
use schemars::JsonSchema;
use serde::Serialize;
use std::path::Path;
use std::time::{Duration, Instant};

/// One pairing: the handicapped adapter with its best kernel against the full one with the kernel of a rung.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct DuelRow {
    /// What the weaker one has to do with: fewer `threads`, a narrower `vector width`, or so many `workgroups`.
    pub handicap: String,
    /// Its best kernel's variant.
    pub handicapped_variant: String,
    /// The rung the full adapter fights with.
    pub rung: String,
    /// Its variant.
    pub variant: String,
    /// Debt of that rung on the full adapter: its time over the best one's.
    pub debt: f64,
    /// The debt from which the weaker one should win: the ratio of both sides' roofs, each with its best kernel, on the
    /// training shape.
    pub breakeven_debt: f64,
    /// Time of the full adapter, s: the least of its turns.
    pub full_s: f64,
    /// Time of the handicapped adapter with its best kernel, s: the least of its turns.
    pub handicapped_s: f64,
    /// Debt over break-even debt: how much faster the weaker one should be; above 1 it wins.
    pub predicted_ratio: f64,
    /// Full time over handicapped time as executed on the other shape.
    pub executed_ratio: f64,
    /// `weaker` or `stronger`, as executed.
    pub winner: String,
}

/// What is taken from an adapter.
#[derive(Debug, Clone)]
enum Handicap {
    /// From Mesa's software drivers, by an environment variable: what is told, its name and value.
    Environment(&'static str, &'static str, &'static str),
    /// From any adapter: only so many workgroups are launched and walk over the tiles.
    Workgroups(u32),
}

/// Threads, and lanes of a vector (128 bits have 4).
const MESA: [Handicap; 2] = [
    Handicap::Environment("threads", "LP_NUM_THREADS", "1"),
    Handicap::Environment("vector width", "LP_NATIVE_VECTOR_WIDTH", "128"),
];

impl Handicap {
    fn told(&self) -> String {
        match self {
            Self::Environment(told, ..) => (*told).to_owned(),
            Self::Workgroups(many) => format!("{many} workgroups"),
        }
    }

    fn environment(&self) -> Vec<(String, String)> {
        match self {
            Self::Environment(_, variable, value) => vec![((*variable).into(), (*value).into())],
            Self::Workgroups(_) => Vec::new(),
        }
    }

    /// A variant as the handicapped adapter runs it.
    fn on(&self, variant: Variant) -> Variant {
        match self {
            Self::Workgroups(many) => variant.with("gs", *many),
            Self::Environment(..) => variant,
        }
    }
}

/// Turns of a pairing, all pairings once a round. The least disturbed turn counts, of each side and shape: others who use
/// the machine only add time.
const ROUNDS: usize = 5;

/// Share of the time that each side trains.
const TRAINING: f64 = 0.2;

/// Where roofs and debts are learnt, and where they are put to the test.
#[derive(Debug, Clone, Copy)]
struct Arena {
    training: Task,
    fight: Task,
}

impl Arena {
    /// Large enough to fill the adapter.
    fn of(row: &AdapterRow) -> Self {
        let square = |side: u64| Task { problem: Problem::Gemm { m: side, n: side, k: side }, dtype: Dtype::F32 };
        let [training, fight] = if row.software { [384, 512] } else { [3072, 4096] };
        Self { training: square(training), fight: square(fight) }
    }
}

/// One side of a duel: an adapter as handicapped, and what its kernels took on the training shape, s.
struct Fighter {
    worker: Supervisor,
    trained: Vec<(Candidate, f64)>,
}

impl Fighter {
    /// Times the first legal candidate of every rung, the elaborate ones first, until a time; of two at least.
    fn train(
        mut worker: Supervisor,
        task: Task,
        handicap: Option<&Handicap>,
        (end, options): (Instant, &BenchOptions),
        progress: &dyn Progress,
    ) -> Result<Self, MeasureError> {
        let found = worker.found().clone();
        let mut trained = Vec::new();
        for rung in rungs(task.problem, task.dtype, &found).into_iter().rev() {
            if trained.len() >= 2 && Instant::now() > end {
                break;
            }
            let all = rung.variants.into_iter().map(|variant| Candidate { rung: rung.name, variant }).collect();
            let Some(mut candidate) = legal(all, task, &found.caps).into_iter().next() else { continue };
            if let Some(handicap) = handicap {
                candidate.variant = handicap.on(candidate.variant);
            }
            progress.step(&candidate.variant.id());
            trained.extend(timed(&mut worker, &candidate, task, options)?.map(|time_s| (candidate, time_s)));
        }
        Ok(Self { worker, trained })
    }

    /// The best kernel and its time, s.
    fn champion(&self) -> Result<(Candidate, f64), MeasureError> {
        self.trained.iter().min_by(|a, b| a.1.total_cmp(&b.1)).cloned().ok_or_else(|| self.nothing())
    }

    /// Fewer workgroups: the most of 1/2, 1/4, ... of the tiles with which the best kernel takes half as long again.
    fn fewer(
        &mut self,
        task: Task,
        (end, options): (Instant, &BenchOptions),
    ) -> Result<Option<Handicap>, MeasureError> {
        let (best, time_s) = self.champion()?;
        let all = steps(&best.variant, task.problem, 1).unwrap_or_default();
        let tiles: u32 = all.first().map_or(1, |s| s.grid.iter().product());
        let mut many = tiles / 2;
        while many > 0 && Instant::now() < end {
            let handicap = Handicap::Workgroups(many);
            let slowed = Candidate { variant: handicap.on(best.variant.clone()), ..best };
            if timed(&mut self.worker, &slowed, task, options)?.is_some_and(|t| t > 1.5 * time_s) {
                return Ok(Some(handicap));
            }
            many /= 2;
        }
        Ok(None)
    }

    fn nothing(&self) -> MeasureError {
        let adapter = self.worker.found().identity.name.clone();
        MeasureError::Nothing { adapter, why: "no rung could be timed".into() }
    }

    fn fight(&mut self, candidate: &Candidate, task: Task, options: &BenchOptions) -> Result<f64, MeasureError> {
        timed(&mut self.worker, candidate, task, options)?.ok_or_else(|| self.nothing())
    }
}

/// Fights on a shape with the roofs and debts measured on a smaller one. The CPU executor takes no handicap.
pub fn duel(exe: &Path, options: &BenchOptions, progress: &dyn Progress) -> Result<Vec<DuelRow>, MeasureError> {
    let (row, target) = one(exe, &options.adapter)?;
    let arena = Arena::of(&row);
    let start = Instant::now();
    let at = |share: f64| start + Duration::from_secs_f64(share * options.budget.get());
    progress.stage("duel: every side trains", 1);
    let worker = Supervisor::open(exe, &target, DEADLINE)?;
    let mut full = Fighter::train(worker, arena.training, None, (at(TRAINING), options), progress)?;
    let mesa = if row.name.contains("llvmpipe") { MESA.to_vec() } else { Vec::new() };
    let handicaps: Vec<Handicap> =
        mesa.into_iter().chain(full.fewer(arena.training, (at(2.0 * TRAINING), options))?).collect();
    let mut duels = Vec::new();
    for (place, handicap) in handicaps.iter().enumerate() {
        // What is left is for this handicap and those behind it.
        let now = Instant::now();
        let share = at(1.0).saturating_duration_since(now) / (handicaps.len() - place) as u32;
        let worker = Supervisor::open_with(exe, &target, DEADLINE, handicap.environment())?;
        let training = (now + share.mul_f64(TRAINING), options);
        let weak = Fighter::train(worker, arena.training, Some(handicap), training, progress)?;
        duels.extend(pairings(&mut full, weak, handicap, arena, (now + share, options), progress)?);
    }
    if duels.is_empty() {
        let why = "no handicap slows it: it has one kernel, or one workgroup is enough for it".to_owned();
        return Err(MeasureError::Unsupported { what: row.name, why });
    }
    Ok(duels)
}

/// The handicapped one with its best kernel against the full one with every kernel.
fn pairings(
    full: &mut Fighter,
    mut weak: Fighter,
    handicap: &Handicap,
    arena: Arena,
    (end, options): (Instant, &BenchOptions),
    progress: &dyn Progress,
) -> Result<Vec<DuelRow>, MeasureError> {
    let (champion, _) = weak.champion()?;
    progress.stage(&format!("duel: {}", handicap.told()), (ROUNDS * full.trained.len()) as u64);
    let candidates = full.trained.clone();
    let mut turns: Vec<Vec<Turn>> = candidates.iter().map(|_| Vec::new()).collect();
    let mut fought = false;
    for _ in 0..ROUNDS {
        for ((candidate, _), turns) in candidates.iter().zip(&mut turns) {
            // One pairing there is, whatever the budget.
            if Instant::now() > end && fought {
                continue;
            }
            fought = true;
            progress.step(&candidate.variant.id());
            turns.push(turn([full, &mut weak], [candidate, &champion], arena, options)?);
        }
    }
    let least = |turns: &[Turn], of: fn(&Turn) -> f64| turns.iter().map(of).fold(f64::INFINITY, f64::min);
    // Both roofs in the same turns: a shared machine drifts.
    let (_, trained_s) = full.champion()?;
    let best_s = turns.iter().map(|t| least(t, |t| t.full_training_s)).fold(trained_s, f64::min);
    let row = |((candidate, _), turns): ((Candidate, f64), Vec<Turn>)| {
        let least = |of| least(&turns, of);
        let debt = least(|t| t.full_training_s) / best_s;
        let breakeven_debt = least(|t| t.weak_training_s) / best_s;
        let (full_s, handicapped_s) = (least(|t| t.full_fight_s), least(|t| t.weak_fight_s));
        let executed_ratio = full_s / handicapped_s;
        DuelRow {
            handicap: handicap.told(),
            handicapped_variant: champion.variant.id(),
            rung: candidate.rung.into(),
            variant: candidate.variant.id(),
            debt,
            breakeven_debt,
            full_s,
            handicapped_s,
            predicted_ratio: debt / breakeven_debt,
            executed_ratio,
            winner: if executed_ratio > 1.0 { "weaker" } else { "stronger" }.into(),
        }
    };
    Ok(candidates.into_iter().zip(turns).filter(|(_, turns)| !turns.is_empty()).map(row).collect())
}

/// One turn of a pairing: times of both sides on both shapes, s.
struct Turn {
    full_training_s: f64,
    weak_training_s: f64,
    full_fight_s: f64,
    weak_fight_s: f64,
}

fn turn(
    [full, weak]: [&mut Fighter; 2],
    [candidate, champion]: [&Candidate; 2],
    arena: Arena,
    options: &BenchOptions,
) -> Result<Turn, MeasureError> {
    Ok(Turn {
        full_training_s: full.fight(candidate, arena.training, options)?,
        weak_training_s: weak.fight(champion, arena.training, options)?,
        full_fight_s: full.fight(candidate, arena.fight, options)?,
        weak_fight_s: weak.fight(champion, arena.fight, options)?,
    })
}

/// The least disturbed sample, s. Absent where the candidate cannot run.
fn timed(
    worker: &mut Supervisor,
    candidate: &Candidate,
    task: Task,
    options: &BenchOptions,
) -> Result<Option<f64>, MeasureError> {
    let job = Job {
        variant: candidate.variant.clone(),
        problem: task.problem,
        seed: options.seed,
        checks: options.runtime_checks,
        rule: Rule::standard(0.15),
        rung: Some(candidate.rung.into()),
    };
    Ok(match worker.time(job)? {
        Outcome::Case(case) => case.samples_s.iter().copied().reduce(f64::min),
        _ => None,
    })
}
