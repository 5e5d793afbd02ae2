//! Weaker against stronger, for real: this adapter against itself handicapped.
//!
//! The handicapped one gets fewer host threads (software adapters) and its best kernel; the full one gets kernels from
//! lower rungs. From the two roofs and the ladder the duel predicts how much faster each pairing is and the debt, full
//! best over full kernel, at which the handicapped but tuned one draws level; then it executes every pairing.

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
    /// The rung the full adapter fights with.
    pub rung: String,
    /// Its variant.
    pub variant: String,
    /// Debt of that rung on the full adapter: its time over the best one's.
    pub debt: f64,
    /// Time of the full adapter, s.
    pub full_s: f64,
    /// Time of the handicapped adapter with its best kernel, s.
    pub handicapped_s: f64,
    /// Full time over handicapped time as predicted from the roofs of the training shape; above 1 the weaker wins.
    pub predicted_ratio: f64,
    /// The same as executed on the other shape.
    pub executed_ratio: f64,
    /// `weaker` or `stronger`, as executed.
    pub winner: String,
}

/// The variable by which Mesa's software drivers take a number of threads.
const THREADS: &str = "LP_NUM_THREADS";

/// Fights on a 512 GEMM with roofs and debts measured on a 384 one. Needs an adapter that takes a handicap.
pub fn duel(exe: &Path, options: &BenchOptions, progress: &dyn Progress) -> Result<Vec<DuelRow>, MeasureError> {
    let rows = select(exe, &options.adapter)?;
    let row = &rows[0];
    let target = row.target.clone().filter(|_| row.name.contains("llvmpipe"));
    let target = target.ok_or_else(|| MeasureError::Unsupported {
        what: row.name.clone(),
        why: "only Mesa's software drivers take a handicap (fewer threads)".into(),
    })?;
    let task = |side| Task { problem: Problem::Gemm { m: side, n: side, k: side }, dtype: Dtype::F32 };
    let (training, fight) = (task(384), task(512));
    let mut full = Supervisor::open(exe, &target, DEADLINE)?;
    let found = full.found().clone();
    let able = |r: crate::kernels::space::Rung| {
        let all = r.variants.into_iter().map(|variant| Candidate { rung: r.name, variant }).collect();
        legal(all, training, &found.caps).into_iter().next()
    };
    let candidates: Vec<Candidate> = rungs(fight.problem, fight.dtype, &found).into_iter().filter_map(able).collect();
    progress.stage("duel", 2 * candidates.len() as u64 + 2);
    let time = |worker: &mut Supervisor, candidate: &Candidate, task: Task| -> Result<Option<f64>, MeasureError> {
        progress.step(&candidate.variant.id());
        timed(worker, candidate, task, options)
    };
    let mut entries = Vec::new();
    for candidate in candidates {
        let trained = time(&mut full, &candidate, training)?;
        let fought = time(&mut full, &candidate, fight)?;
        entries.extend(trained.zip(fought).map(|(trained, fought)| (candidate, trained, fought)));
    }
    let best = entries.iter().min_by(|a, b| a.1.total_cmp(&b.1)).cloned();
    drop(full);
    let nothing = || MeasureError::Nothing { adapter: row.name.clone(), why: "no rung could be timed".into() };
    let (champion, best_s, _) = best.ok_or_else(nothing)?;
    let mut weak = Supervisor::open_with(exe, &target, DEADLINE, vec![(THREADS.into(), "1".into())])?;
    let weak_training = time(&mut weak, &champion, training)?.ok_or_else(nothing)?;
    let weak_fight = time(&mut weak, &champion, fight)?.ok_or_else(nothing)?;
    let row = |(candidate, trained_s, full_s): (Candidate, f64, f64)| {
        let debt = trained_s / best_s;
        let (predicted_ratio, executed_ratio) = (debt * best_s / weak_training, full_s / weak_fight);
        DuelRow {
            rung: candidate.rung.into(),
            variant: candidate.variant.id(),
            debt,
            full_s,
            handicapped_s: weak_fight,
            predicted_ratio,
            executed_ratio,
            winner: if executed_ratio > 1.0 { "weaker" } else { "stronger" }.into(),
        }
    };
    Ok(entries.into_iter().map(row).collect())
}

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
        rule: Rule::standard(0.7),
        rung: Some(candidate.rung.into()),
    };
    Ok(match worker.time(job)? {
        Outcome::Case(case) => Some(case.time_s_median),
        _ => None,
    })
}
