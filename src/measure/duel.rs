//! Weaker against stronger, for real: this adapter against itself handicapped.
//!
//! The handicapped one gets fewer host threads or narrower vectors (software adapters) and its best kernel; the full one
//! gets kernels from lower rungs. From their rates on a training shape the duel predicts how much faster each pairing is
//! on another shape and executes it there. The two take turns, because a shared machine's speed drifts by more than
//! their ratios may.

use super::MeasureError;
use super::adapters::select;
use super::bench::BenchOptions;
use super::problems::rungs;
use super::protocol::Job;
use super::rule::Rule;
use super::supervisor::{DEADLINE, Outcome, Supervisor};
use super::tuner::{Candidate, Task, legal};
use crate::kernels::{Dtype, Problem};
use crate::progress::Progress;
use schemars::JsonSchema;
use serde::Serialize;
use std::path::Path;

/// One pairing: the handicapped adapter with its best kernel against the full one with the kernel of a rung.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct DuelRow {
    /// What the weaker one has to do with: fewer `threads`, or a narrower `vector width`.
    pub handicap: String,
    /// Its best kernel's variant.
    pub handicapped_variant: String,
    /// The rung the full adapter fights with.
    pub rung: String,
    /// Its variant.
    pub variant: String,
    /// Debt of that rung on the full adapter: its time over the best one's.
    pub debt: f64,
    /// Time of the full adapter, s: the least of its turns.
    pub full_s: f64,
    /// Time of the handicapped adapter with its best kernel, s: the least of its turns.
    pub handicapped_s: f64,
    /// Full time over handicapped time as measured on the training shape; above 1 the weaker wins.
    pub predicted_ratio: f64,
    /// The same as executed on the other shape.
    pub executed_ratio: f64,
    /// `weaker` or `stronger`, as executed.
    pub winner: String,
}

/// What can be taken from Mesa's software drivers: threads, and lanes of a vector (128 bits have 4).
const HANDICAPS: [(&str, &str, &str); 2] =
    [("threads", "LP_NUM_THREADS", "1"), ("vector width", "LP_NATIVE_VECTOR_WIDTH", "128")];

/// Turns of a pairing, all pairings once a round. The least disturbed turn counts, of each side and shape: others who use
/// the machine only add time.
const ROUNDS: usize = 5;

/// Where rates and debts are learnt, and where they are put to the test.
const TRAINING: Task = square(384);
const FIGHT: Task = square(512);

const fn square(side: u64) -> Task {
    Task { problem: Problem::Gemm { m: side, n: side, k: side }, dtype: Dtype::F32 }
}

/// One side of a duel: an adapter as handicapped, and what its kernels took on the training shape, s.
struct Fighter {
    worker: Supervisor,
    trained: Vec<(Candidate, f64)>,
}

impl Fighter {
    /// Times the first legal candidate of every rung.
    fn train(mut worker: Supervisor, options: &BenchOptions, progress: &dyn Progress) -> Result<Self, MeasureError> {
        let found = worker.found().clone();
        let mut trained = Vec::new();
        for rung in rungs(TRAINING.problem, TRAINING.dtype, &found) {
            let all = rung.variants.into_iter().map(|variant| Candidate { rung: rung.name, variant }).collect();
            let Some(candidate) = legal(all, TRAINING, &found.caps).into_iter().next() else { continue };
            progress.step(&candidate.variant.id());
            trained.extend(timed(&mut worker, &candidate, TRAINING, options)?.map(|time_s| (candidate, time_s)));
        }
        Ok(Self { worker, trained })
    }

    fn champion(&self) -> Result<Candidate, MeasureError> {
        let best = self.trained.iter().min_by(|a, b| a.1.total_cmp(&b.1));
        best.map(|b| b.0.clone()).ok_or_else(|| self.nothing())
    }

    fn nothing(&self) -> MeasureError {
        let adapter = self.worker.found().identity.name.clone();
        MeasureError::Nothing { adapter, why: "no rung could be timed".into() }
    }

    fn fight(&mut self, candidate: &Candidate, task: Task, options: &BenchOptions) -> Result<f64, MeasureError> {
        timed(&mut self.worker, candidate, task, options)?.ok_or_else(|| self.nothing())
    }
}

/// Fights on a 512 GEMM with rates and debts measured on a 384 one. Needs an adapter that takes a handicap.
pub fn duel(exe: &Path, options: &BenchOptions, progress: &dyn Progress) -> Result<Vec<DuelRow>, MeasureError> {
    let rows = select(exe, &options.adapter)?;
    let row = &rows[0];
    let target = row.target.clone().filter(|_| row.name.contains("llvmpipe"));
    let target = target.ok_or_else(|| MeasureError::Unsupported {
        what: row.name.clone(),
        why: "only Mesa's software drivers take a handicap (fewer threads, narrower vectors)".into(),
    })?;
    progress.stage("duel: every side trains", 1);
    let mut full = Fighter::train(Supervisor::open(exe, &target, DEADLINE)?, options, progress)?;
    let mut duels = Vec::new();
    for (handicap, variable, value) in HANDICAPS {
        let environment = vec![(variable.into(), value.into())];
        let worker = Supervisor::open_with(exe, &target, DEADLINE, environment)?;
        let mut weak = Fighter::train(worker, options, progress)?;
        let champion = weak.champion()?;
        progress.stage(&format!("duel: {handicap}"), (ROUNDS * full.trained.len()) as u64);
        let candidates = full.trained.clone();
        let mut turns: Vec<Vec<Turn>> = candidates.iter().map(|_| Vec::new()).collect();
        for _ in 0..ROUNDS {
            for ((candidate, _), turns) in candidates.iter().zip(&mut turns) {
                progress.step(&candidate.variant.id());
                turns.push(turn([&mut full, &mut weak], [candidate, &champion], options)?);
            }
        }
        let least = |turns: &[Turn], of: fn(&Turn) -> f64| turns.iter().map(of).fold(f64::INFINITY, f64::min);
        let best_s = turns.iter().map(|t| least(t, |t| t.full_training_s)).fold(f64::INFINITY, f64::min);
        for ((candidate, _), turns) in candidates.into_iter().zip(turns) {
            let least = |of| least(&turns, of);
            let full_training_s = least(|t| t.full_training_s);
            let (full_s, handicapped_s) = (least(|t| t.full_fight_s), least(|t| t.weak_fight_s));
            let predicted_ratio = full_training_s / least(|t| t.weak_training_s);
            let executed_ratio = full_s / handicapped_s;
            duels.push(DuelRow {
                handicap: handicap.into(),
                handicapped_variant: champion.variant.id(),
                rung: candidate.rung.into(),
                variant: candidate.variant.id(),
                debt: full_training_s / best_s,
                full_s,
                handicapped_s,
                predicted_ratio,
                executed_ratio,
                winner: if executed_ratio > 1.0 { "weaker" } else { "stronger" }.into(),
            });
        }
    }
    Ok(duels)
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
    options: &BenchOptions,
) -> Result<Turn, MeasureError> {
    Ok(Turn {
        full_training_s: full.fight(candidate, TRAINING, options)?,
        weak_training_s: weak.fight(champion, TRAINING, options)?,
        full_fight_s: full.fight(candidate, FIGHT, options)?,
        weak_fight_s: weak.fight(champion, FIGHT, options)?,
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
