//! Choosing a variant, one type a step: a task has candidates, the legal ones get predictions, the promising ones
//! measurements, and the fastest measurement is the choice.

use crate::device::profile::{Case, Code};
use crate::gpu::Caps;
use crate::kernels::{Dtype, Problem, Variant, legal};

/// What is to be computed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Task {
    /// Operation and shape.
    pub problem: Problem,
    /// Type of the inputs.
    pub dtype: Dtype,
}

/// A variant that may stand for a rung.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The rung.
    pub rung: &'static str,
    /// The variant.
    pub variant: Variant,
}

/// A candidate and what it should take.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// The candidate.
    pub candidate: Candidate,
    /// Expected time of a run, s. Absent where nothing like it has run yet.
    pub time_s: Option<f64>,
}

/// A candidate and what it took.
#[derive(Debug, Clone, PartialEq)]
pub struct Measurement {
    /// The candidate.
    pub candidate: Candidate,
    /// On what.
    pub task: Task,
    /// Median time of a run, s.
    pub time_s: f64,
}

/// Everything measured so far on one adapter, from which predictions come.
#[derive(Debug, Default)]
pub struct History(Vec<Measurement>);

/// A candidate predicted to take this many times as long as the best one is not tried.
const HOPELESS: f64 = 2.0;
/// A candidate that took this many times as long as the best one in a first look gets no second.
const IN_REACH: f64 = 1.5;

/// The candidates the adapter can run.
pub fn legal(candidates: Vec<Candidate>, task: Task, caps: &Caps) -> Vec<Candidate> {
    candidates.into_iter().filter(|c| legal::legal(&c.variant, task.problem, caps).is_ok()).collect()
}

/// The predictions worth a measurement, the most promising first; those without a prediction keep their order.
pub fn promising(mut predictions: Vec<Prediction>) -> Vec<Prediction> {
    predictions.sort_by(|a, b| a.time_s.unwrap_or(0.0).total_cmp(&b.time_s.unwrap_or(0.0)));
    let best = predictions.iter().filter_map(|p| p.time_s).fold(f64::INFINITY, f64::min);
    predictions.retain(|p| p.time_s.is_none_or(|t| t <= HOPELESS * best));
    predictions
}

/// Candidates whose machine code leaves them a chance, the highest ceiling first; those nobody judged keep their order
/// behind them. One that spills goes where another does not. Where arithmetic is what counts, one that allows less than
/// half of the best goes too; what waits for memory is not judged by it.
pub fn by_code(candidates: Vec<(Candidate, Option<Code>)>, task: Task) -> Vec<Candidate> {
    let spills = |code: &Option<Code>| code.as_ref().and_then(|c| c.spills).is_some_and(|s| s > 0);
    let ceiling = |code: &Option<Code>| code.as_ref().and_then(|c| c.ceiling);
    let whole = candidates.iter().any(|(_, code)| !spills(code));
    let best = candidates.iter().filter(|(_, code)| !spills(code)).filter_map(|(_, c)| ceiling(c)).fold(0.0, f64::max);
    let computes = task.problem.flop() > COMPUTES * task.problem.bytes(task.dtype);
    let chance = |(_, code): &(Candidate, Option<Code>)| {
        let low = computes && ceiling(code).is_some_and(|c| c < best / 2.0);
        !(low || whole && spills(code))
    };
    let mut left: Vec<_> = candidates.into_iter().filter(chance).collect();
    if computes {
        let height = |code: &Option<Code>| ceiling(code).unwrap_or(0.0);
        left.sort_by(|a, b| height(&b.1).total_cmp(&height(&a.1)));
    }
    left.into_iter().map(|(candidate, _)| candidate).collect()
}

/// Operations for each byte from which on arithmetic counts: a GPU does 10 to 100 in f32 while a byte comes.
const COMPUTES: f64 = 16.0;

/// What a first look leaves, the fastest first. It is short, and other work may have slowed it: only the hopeless go.
pub fn in_reach(mut measured: Vec<Measurement>) -> Vec<Measurement> {
    measured.sort_by(|a, b| a.time_s.total_cmp(&b.time_s));
    let best = measured.first().map_or(f64::INFINITY, |m| m.time_s);
    measured.retain(|m| m.time_s <= IN_REACH * best);
    measured
}

/// The better half by a longer look; halving again until one is left is what successive halving means.
pub fn better_half(mut measured: Vec<Measurement>) -> Vec<Measurement> {
    measured.sort_by(|a, b| a.time_s.total_cmp(&b.time_s));
    measured.truncate(measured.len().div_ceil(2));
    measured
}

impl History {
    /// Remembers a timed case.
    pub fn add(&mut self, candidate: Candidate, task: Task, case: &Case) {
        self.0.push(Measurement { candidate, task, time_s: case.time_s_median });
    }

    /// What a candidate should take: its own rate on the nearest shape of the same kernel, scaled by operations, or by
    /// bytes where it computes nothing.
    pub fn predict(&self, candidate: Candidate, task: Task) -> Prediction {
        let work = |task: Task| match task.problem.flop() {
            0.0 => task.problem.bytes(task.dtype),
            flop => flop,
        };
        let same = |m: &&Measurement| {
            m.candidate.variant == candidate.variant && m.task.problem.kernel() == task.problem.kernel()
        };
        let distance = |m: &&Measurement| (work(m.task) / work(task)).ln().abs();
        let seen = self.0.iter().filter(same).min_by(|a, b| distance(a).total_cmp(&distance(b)));
        let time_s = seen.map(|m| m.time_s * work(task) / work(m.task).max(1.0));
        Prediction { candidate, time_s }
    }

    /// Everything measured for a kernel and type, the fastest per operation first. One row and many are problems of a
    /// different kind: the one waits for memory, the other for arithmetic.
    pub fn of(&self, task: Task) -> Vec<&Measurement> {
        let kind = |task: Task| (task.problem.kernel(), task.dtype, task.problem.mnk()[0] > 1);
        let same = |m: &&Measurement| kind(m.task) == kind(task);
        let mut all: Vec<_> = self.0.iter().filter(same).collect();
        let rate = |m: &Measurement| m.time_s / m.task.problem.flop().max(1.0);
        all.sort_by(|a, b| rate(a).total_cmp(&rate(b)));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Family;

    fn task(side: u64) -> Task {
        Task { problem: Problem::Gemm { m: side, n: side, k: side }, dtype: Dtype::F32 }
    }

    fn candidate(wx: u32) -> Candidate {
        Candidate { rung: "naive", variant: Variant::new(Family::GemmNaive, Dtype::F32, &[("wx", wx), ("wy", 8)]) }
    }

    #[test]
    fn predictions_scale_with_the_work_and_prune_the_hopeless() {
        let history = History(vec![
            Measurement { candidate: candidate(8), task: task(64), time_s: 1.0 },
            Measurement { candidate: candidate(16), task: task(64), time_s: 5.0 },
        ]);
        assert_eq!(history.predict(candidate(8), task(128)).time_s, Some(8.0));
        assert_eq!(history.predict(candidate(32), task(128)).time_s, None);
        let predictions = [8, 16, 32].map(|wx| history.predict(candidate(wx), task(128))).to_vec();
        let kept: Vec<_> = promising(predictions).into_iter().map(|p| p.candidate).collect();
        assert_eq!(kept, [candidate(32), candidate(8)]);
    }

    #[test]
    fn machine_code_decides_who_is_timed() {
        let code = |spills, ceiling| Some(Code { spills: Some(spills), ceiling: Some(ceiling), ..Code::default() });
        let asked = || {
            let codes = [code(0, 0.5), code(9, 0.9), code(0, 0.8), code(0, 0.39), None];
            (1..).map(candidate).zip(codes).collect::<Vec<_>>()
        };
        let of = |left: Vec<Candidate>| left.iter().map(|c| c.variant.knob("wx")).collect::<Vec<_>>();
        assert_eq!(of(by_code(asked(), task(1024))), [3, 1, 5]);
        // A matrix times a vector waits for memory: only spills count, and the order stays.
        let vector = Task { problem: Problem::Gemv { n: 4096, k: 4096 }, dtype: Dtype::F32 };
        assert_eq!(of(by_code(asked(), vector)), [1, 3, 4, 5]);
        // Where everybody spills, everybody is tried.
        let all = vec![(candidate(1), code(1, 0.5)), (candidate(2), code(2, 0.5))];
        assert_eq!(of(by_code(all, vector)), [1, 2]);
    }

    fn measured<const N: usize>(times_s: [f64; N]) -> Vec<Measurement> {
        let times = times_s.into_iter().zip(1..);
        times.map(|(time_s, wx)| Measurement { candidate: candidate(wx), task: task(64), time_s }).collect()
    }

    #[test]
    fn a_first_look_drops_only_the_hopeless() {
        let left = in_reach(measured([1.6, 1.4, 1.0, 1.5]));
        assert_eq!(left.iter().map(|m| m.time_s).collect::<Vec<_>>(), [1.0, 1.4, 1.5]);
        assert!(in_reach(Vec::new()).is_empty());
    }

    #[test]
    fn halving_keeps_the_fastest() {
        let measured = measured([3.0, 1.0, 2.0]);
        let half = better_half(measured);
        assert_eq!(half.iter().map(|m| m.time_s).collect::<Vec<_>>(), [1.0, 2.0]);
        assert_eq!(better_half(half).len(), 1);
    }
}
