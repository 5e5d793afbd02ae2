//! Curves: how the best kernel's time grows with one length, the others fixed.
//!
//! The ladder needs few shapes and many kernels, a curve few kernels and more shapes. Its points are the ladder's own
//! cases and some more, each by the best two kernels known by then.

use super::MeasureError;
use super::problems::Depth;
use super::session::Session;
use super::tuner::Task;
use crate::device::profile::{Case, Curve};
use crate::gpu::Found;
use crate::kernels::{Dtype, Problem};

/// The share of the budget a point gets, where a GEMM of the ladder gets 4. Few rows are searched anew, the other points
/// take what is known.
pub fn weight(problem: Problem) -> f64 {
    if few(problem) { 1.5 } else { 0.5 }
}

fn few(problem: Problem) -> bool {
    matches!(problem, Problem::Gemm { m, .. } if m <= FEW)
}

/// Few rows are a kernel of their own up to here.
const FEW: u64 = 64;

/// What estimates of a batch rest on: one row with short sums and many outputs, and with few of both; then few, some
/// and many rows against one matrix.
pub fn batches(found: &Found) -> Vec<(Problem, Dtype)> {
    let side: u64 = if found.caps.software { 1024 } else { 4096 };
    let single = [8, 1].map(|many| Problem::Gemv { n: many * side, k: side });
    let several = [8, 64, side / 4].map(|m| Problem::Gemm { m, n: side, k: side });
    single.into_iter().chain(several).map(|problem| (problem, Dtype::F32)).collect()
}

/// The further points that the ladder's shapes lack.
pub fn problems(found: &Found, depth: Depth) -> Vec<(Problem, Dtype)> {
    let software = found.caps.software;
    let half: u64 = if software { 512 } else { 2048 };
    let gemm = |m: u64, n: u64, k: u64| Problem::Gemm { m, n, k };
    let mut all: Vec<(Problem, Dtype)> = Vec::new();
    if depth != Depth::Ladder || found.identity.backend == "cpu" {
        return all;
    }
    for dtype in [Dtype::F16, Dtype::I8, Dtype::Q4] {
        all.extend([8, 64].map(|m| (gemm(m, half, half), dtype)));
    }
    let lengths = [half / 4, 2 * half];
    all.extend(lengths.map(|n| (gemm(half, n, half), Dtype::F32)));
    all.extend(lengths.map(|k| (gemm(half, half, k), Dtype::F32)));
    all.extend([1 << 14, 1 << 18, 1 << 22].map(|words| (Problem::Read { words }, Dtype::U32)));
    // Shapes that every kind of adapter has, so that any two profiles can be compared.
    if !software {
        all.extend([512, 1024].map(|side| (gemm(side, side, side), Dtype::F32)));
        all.push((Problem::Gemv { n: 4096, k: 4096 }, Dtype::F32));
        all.push((Problem::Read { words: 16 << 20 }, Dtype::U32));
    }
    all
}

/// Times one point.
pub fn point(session: &mut Session<'_>, task: Task, share: f64) -> Result<(), MeasureError> {
    if !few(task.problem) {
        return session.task(task, Depth::Step, share);
    }
    // What is known of many rows says nothing about few: those are searched without it.
    let many = std::mem::take(&mut session.history);
    let done = session.task(task, Depth::Step, share);
    session.history = many;
    done
}

/// Every curve of at least three points that the cases hold.
pub fn of(cases: &[Case]) -> Vec<Curve> {
    let mut curves: Vec<Curve> = Vec::new();
    for case in cases.iter().filter(|c| c.verified && matches!(c.kernel.as_str(), "gemm" | "gemv" | "read")) {
        let shape = [case.m, case.n, case.k];
        let stream = case.kernel == "read";
        for (axis, name) in ["m", "n", "k"].into_iter().enumerate() {
            if case.kernel != "gemm" && axis != 1 {
                continue;
            }
            let mut fixed = shape;
            fixed[axis] = 0;
            let (name, at) = if stream { ("bytes", case.bytes) } else { (name, shape[axis] as f64) };
            let own = |c: &Curve| {
                (c.kernel.as_str(), c.dtype.as_str(), c.axis.as_str()) == (&*case.kernel, &*case.dtype, name)
                    && [c.m, c.n, c.k] == fixed
            };
            let index = curves.iter().position(own).unwrap_or_else(|| {
                curves.push(empty(case, name, fixed));
                curves.len() - 1
            });
            add(&mut curves[index], at, case.time_s_median);
        }
    }
    curves.retain(|c| c.at.len() >= 3);
    curves
}

fn empty(case: &Case, axis: &str, [m, n, k]: [u64; 3]) -> Curve {
    let (kernel, dtype) = (case.kernel.clone(), case.dtype.clone());
    Curve { kernel, dtype, axis: axis.into(), m, n, k, at: Vec::new(), time_s: Vec::new() }
}

/// Keeps the points in order, and of several times at one place the shortest.
fn add(curve: &mut Curve, at: f64, time_s: f64) {
    match curve.at.binary_search_by(|x| x.total_cmp(&at)) {
        Ok(known) => curve.time_s[known] = curve.time_s[known].min(time_s),
        Err(place) => {
            curve.at.insert(place, at);
            curve.time_s.insert(place, time_s);
        }
    }
}
