//! One adapter under measurement: candidates are chosen, cases collected, the budget kept.

use super::MeasureError;
use super::choices::{self, Choice, Choices, adapter};
use super::code::Codes;
use super::options::BenchOptions;
use super::problems::{Depth, rungs};
use super::protocol::Job;
use super::rule::Rule;
use super::supervisor::{Outcome, Supervisor};
use super::tuner::{
    Candidate, History, Measurement, Prediction, Task, better_half, by_code, in_reach, legal, promising,
};
use crate::device::profile::Case;
use crate::kernels::Variant;
use crate::kernels::space::Rung;
use crate::progress::Progress;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Runs a case costs at least: calibration, samples and the run that is compared with them.
const RUNS: f64 = 6.0;
/// What a look at a compiled candidate costs besides its runs, about, s.
const LOOK_S: f64 = 0.2;
/// Candidates nearer to each other than this are looked at again.
const CLOSE: f64 = 1.25;

/// The supervisor of an adapter, everything learnt about it so far, and the time left.
pub struct Session<'a> {
    pub supervisor: Supervisor,
    pub options: &'a BenchOptions,
    pub progress: &'a dyn Progress,
    pub cases: Vec<Case>,
    pub history: History,
    pub choices: Choices,
    /// When the whole budget is spent.
    pub end: Instant,
    /// Why the first case that failed did.
    pub first_failure: Option<String>,
    /// What the budget did not allow: rungs of a task, or the whole of it.
    pub left_out: Vec<(Task, Option<&'static str>)>,
    /// How candidates were chosen.
    pub searches: Searches,
    /// What the driver's compiler makes of them.
    pub codes: Codes,
}

/// How many choices were searched for and how many the store knew, and the time the searches took, s.
#[derive(Debug, Default)]
pub struct Searches {
    pub searched: u64,
    pub stored: u64,
    pub time_s: f64,
    /// Candidates that their machine code spared a look, and what the looks would have taken, s.
    pub spared: u64,
    pub spared_s: f64,
}

impl Session<'_> {
    /// The user asked to stop.
    pub fn stopped(&self) -> bool {
        self.options.stop.load(Ordering::Relaxed)
    }

    /// Chooses a candidate for each rung of a task and times the chosen ones by the full rule, in about `share`
    /// seconds. When those are spent, the remaining rungs after the second are left out; when the whole budget is, all
    /// but the first of a kernel that gives a roof.
    pub fn task(&mut self, task: Task, depth: Depth, share: f64) -> Result<(), MeasureError> {
        let share = if self.options.thorough { THOROUGH_S } else { share.max(0.0) };
        let end = Instant::now() + Duration::from_secs_f64(share);
        let left = || end.saturating_duration_since(Instant::now()).as_secs_f64();
        let mut chosen: Vec<(Vec<Candidate>, Prediction)> = Vec::new();
        for (at, rung) in self.ordered(task, depth).into_iter().enumerate() {
            let name = rung[0].rung;
            if self.stopped() {
                return Ok(());
            }
            let spared = at == 0 && self.roof_is_missing(task);
            if at > 1 && left() == 0.0 || !spared && !self.options.thorough && Instant::now() > self.end {
                self.left_out.push((task, Some(name)));
                continue;
            }
            let choice = self.choose(task, depth, rung.clone(), &left)?;
            chosen.extend(choice.map(|choice| (rung, choice)));
        }
        if depth != Depth::Ladder {
            let time_s = |(_, p): &(_, Prediction)| p.time_s.unwrap_or(f64::INFINITY);
            chosen.sort_by(|a, b| time_s(a).total_cmp(&time_s(b)));
            chosen.truncate(2);
        }
        let many = chosen.len();
        for (at, (mut rung, Prediction { mut candidate, time_s })) in chosen.into_iter().enumerate() {
            if self.stopped() {
                return Ok(());
            }
            if at > 1 && time_s.is_some_and(|t| RUNS * t > left() + 0.5) {
                self.left_out.push((task, Some(candidate.rung)));
                continue;
            }
            let case_s = if self.options.thorough { 15.0 } else { (left() / (many - at) as f64).clamp(0.1, 5.0) };
            let rule = Rule::standard(case_s);
            loop {
                if let Some(case) = self.time(task, &candidate.variant, rule, Some(candidate.rung.into()))? {
                    self.history.add(candidate, task, &case);
                    self.cases.push(case);
                    break;
                }
                // A choice that fails, as after a driver's change, leaves its place to the rung's others.
                rung.retain(|other| *other != candidate);
                match self.choose(task, depth, rung.clone(), &left)? {
                    Some(next) => candidate = next.candidate,
                    None => break,
                }
            }
        }
        Ok(())
    }

    /// Nothing of this kernel was timed yet, and estimates need it: such a task runs whatever the budget.
    fn roof_is_missing(&self, task: Task) -> bool {
        let kernel = task.problem.kernel();
        let single = |m: u64| m == 1;
        let alike = |c: &Case| c.kernel == kernel && single(c.m) == single(task.problem.mnk()[0]);
        NEEDED.contains(&kernel) && !self.cases.iter().any(alike)
    }

    /// The legal candidates by rung: the most promising one, then the first, because gains are told against it, then the
    /// others. The budget may end the search at any of them.
    fn ordered(&self, task: Task, depth: Depth) -> Vec<Vec<Candidate>> {
        let found = self.supervisor.found();
        let candidates = |rung: Rung| -> Vec<Candidate> {
            rung.variants.into_iter().map(|variant| Candidate { rung: rung.name, variant }).collect()
        };
        let on_cpu = found.identity.backend == "cpu";
        let able = |all| if on_cpu { all } else { legal(all, task, &found.caps) };
        let mut all: Vec<_> = rungs(task.problem, task.dtype, found)
            .into_iter()
            .map(|r| able(candidates(r)))
            .filter(|r| !r.is_empty())
            .collect();
        if all.len() > 2 {
            // On host cores the families without scattered loads are fast and stand last; on a GPU the elaborate tilings.
            all[1..].reverse();
            if !found.caps.software {
                let elaborate = [
                    "cooperative matrix",
                    "tall blocks",
                    "swizzled",
                    "prefetched",
                    "vectorised",
                    "units",
                    "subgroup",
                    "split context",
                    "shuffles",
                ];
                let place = |r: &Vec<Candidate>| elaborate.iter().position(|e| r[0].rung.starts_with(e));
                all[1..].sort_by_key(|r| place(r).unwrap_or(elaborate.len()));
            }
            if depth != Depth::Ladder {
                all.remove(0);
                let seen = self.history.of(task);
                if let [best, second, ..] = seen.as_slice() {
                    return vec![vec![best.candidate.clone()], vec![second.candidate.clone()]];
                }
            }
        }
        if depth == Depth::Ladder && all.len() > 1 {
            all.swap(0, 1);
        }
        all
    }

    /// One candidate of a rung: the stored choice, the winner on an earlier shape, or the one a search finds.
    fn choose(
        &mut self,
        task: Task,
        depth: Depth,
        rung: Vec<Candidate>,
        left: &dyn Fn() -> f64,
    ) -> Result<Option<Prediction>, MeasureError> {
        let Some(name) = rung.first().map(|r| r.rung) else { return Ok(None) };
        let key = choices::key(
            &adapter(self.supervisor.found()),
            task.problem,
            task.dtype,
            name,
            self.options.runtime_checks,
        );
        let stored = self.choices.get(&key).filter(|c| rung.iter().any(|r| r.variant == c.variant));
        if let Some(Choice { variant, time_s, .. }) = stored {
            self.searches.stored += u64::from(rung.len() > 1);
            let predicted = self.history.predict(Candidate { rung: name, variant: variant.clone() }, task);
            return Ok(Some(Prediction { time_s: predicted.time_s.or(Some(*time_s)), ..predicted }));
        }
        let before = self.history.of(task).into_iter().map(|m| &m.candidate).find(|c| c.rung == name).cloned();
        let before = before.filter(|b| rung.contains(b));
        // Of a ladder all rungs are timed; elsewhere a rung of one candidate must still show what it is worth beside others.
        let only = depth == Depth::Ladder || self.supervisor.found().identity.backend == "cpu";
        let single = (rung.len() == 1 && only).then(|| rung[0].clone());
        if let Some(candidate) = before.or(single) {
            return Ok(Some(self.history.predict(candidate, task)));
        }
        if left() == 0.0 {
            // No time to choose: the most promising one is timed, once.
            return Ok(rung.into_iter().next().map(|candidate| self.history.predict(candidate, task)));
        }
        let started = Instant::now();
        let best = self.search(task, rung, left)?;
        self.searches.searched += 1;
        self.searches.time_s += started.elapsed().as_secs_f64();
        let Some(best) = best else { return Ok(None) };
        self.choices.put(Choice { key, variant: best.candidate.variant.clone(), time_s: best.time_s });
        Ok(Some(Prediction { candidate: best.candidate, time_s: Some(best.time_s) }))
    }

    /// The fastest of a rung by successive halving.
    fn search(
        &mut self,
        task: Task,
        rung: Vec<Candidate>,
        left: &dyn Fn() -> f64,
    ) -> Result<Option<Measurement>, MeasureError> {
        let predictions = rung.into_iter().map(|c| self.history.predict(c, task)).collect();
        let hopeful: Vec<Candidate> = promising(predictions).into_iter().map(|p| p.candidate).collect();
        let (many, asked) = (hopeful.len(), Instant::now());
        let codes = self.codes.ask(&hopeful.iter().map(|c| &c.variant).collect::<Vec<_>>());
        let mut round = by_code(hopeful.into_iter().zip(codes).collect(), task);
        let (spared, asked_s, mut looks_s) = (many - round.len(), asked.elapsed().as_secs_f64(), 0.0);
        let (mut rule, mut seen) = (Rule::quick(), Vec::<Measurement>::new());
        loop {
            for candidate in round {
                if !seen.is_empty() && left() == 0.0 || self.stopped() {
                    break;
                }
                let look = Instant::now();
                let Some(case) = self.time(task, &candidate.variant, rule, None)? else { continue };
                looks_s += look.elapsed().as_secs_f64();
                self.history.add(candidate.clone(), task, &case);
                let time_s = case.time_s_median;
                // Other work on the machine only ever adds time: the better of two looks counts.
                match seen.iter_mut().find(|m| m.candidate == candidate) {
                    Some(before) => before.time_s = before.time_s.min(time_s),
                    None => seen.push(Measurement { candidate, task, time_s }),
                }
            }
            if rule.samples == Rule::quick().samples && spared > 0 {
                let look_s = looks_s / seen.len().max(1) as f64;
                self.searches.spared += spared as u64;
                self.searches.spared_s += (spared as f64 * look_s - asked_s).max(0.0);
            }
            seen = if rule.samples == Rule::quick().samples { in_reach(seen) } else { better_half(seen) };
            let Some(best) = seen.first() else { return Ok(None) };
            // A further round is for candidates too close to call.
            let close = seen.len() > 1 && seen[1].time_s < CLOSE * best.time_s;
            let round_s: f64 = seen.iter().map(|m| LOOK_S + RUNS * m.time_s).sum();
            if !close || left() < round_s || rule.samples > FINAL {
                return Ok(Some(best.clone()));
            }
            round = seen.iter().map(|m| m.candidate.clone()).collect();
            rule = Rule { samples: 2 * rule.samples, budget_s: 0.2, ..rule };
        }
    }

    fn time(
        &mut self,
        task: Task,
        variant: &Variant,
        rule: Rule,
        rung: Option<String>,
    ) -> Result<Option<Case>, MeasureError> {
        let (seed, checks) = (self.options.seed, self.options.runtime_checks);
        let job = Job { variant: variant.clone(), problem: task.problem, seed, checks, rule, rung };
        let final_look = job.rung.is_some();
        match self.supervisor.time(job)? {
            Outcome::Case(case) => {
                let code = if final_look { self.codes.ask(&[variant]).swap_remove(0) } else { None };
                Ok(Some(Case { code, ..*case }))
            }
            Outcome::Verified | Outcome::Step(_) | Outcome::Unavailable(_) => Ok(None),
            Outcome::Wrong(why) | Outcome::Failed(why) => {
                self.progress.warn(&format!("{variant}: {why}"));
                self.first_failure.get_or_insert(format!("{variant}: {why}"));
                Ok(None)
            }
        }
    }
}

/// Kernels without whose rates there is no estimate.
const NEEDED: [&str; 4] = ["launch", "submit", "gemv", "gemm"];
/// What a task may take where the budget does not count, s.
const THOROUGH_S: f64 = 3600.0;
/// Samples of the last round of a search.
const FINAL: usize = 6;
