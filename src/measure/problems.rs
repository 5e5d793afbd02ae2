//! What a profile is made of: which problems, on which rungs, with which share of the budget.

use crate::gpu::Found;
use crate::kernels::space::{self, Rung};
use crate::kernels::{Dtype, Family, Problem, Variant};

/// How much to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// The best candidate of each kernel that a step of a model runs: what estimates rest on.
    Step,
    /// Every rung.
    Ladder,
}

/// The problems a profile is made of, small enough for the adapter's kind and large enough to leave its caches.
pub fn problems(found: &Found, depth: Depth) -> Vec<(Problem, Dtype)> {
    let software = found.caps.software;
    let (side, rows): (u64, u64) = if software { (1024, 4096) } else { (4096, 16_384) };
    let stream = (found.caps.binding / 4).min(if software { 16 << 20 } else { 256 << 20 }) & !1023;
    let gemm = |m: u64, n: u64, k: u64| Problem::Gemm { m, n, k };
    let gemv = |bytes: u64| Problem::Gemv { n: rows, k: rows.min(found.caps.binding / bytes / rows) };
    let mut all = vec![
        (Problem::Launch, Dtype::U32),
        (Problem::Submit, Dtype::U32),
        (Problem::Read { words: stream }, Dtype::U32),
    ];
    let (heads, kv_heads, head_dim) = (32, 8, 128);
    let attention = |queries, context| Problem::Attention { queries, context, heads, kv_heads, head_dim };
    let on_cpu = found.identity.backend == "cpu";
    if !on_cpu {
        all.extend([
            (Problem::Norm { rows: side / 8, width: side }, Dtype::F32),
            (Problem::Activation { rows: side / 8, width: rows }, Dtype::F32),
            (attention(1, side), Dtype::F32),
            (attention(side / 16, side / 2), Dtype::F32),
        ]);
    }
    all.extend([
        (gemv(4), Dtype::F32),
        (gemm(side / 2, side / 2, side / 2), Dtype::F32),
        (gemm(side, side, side), Dtype::F32),
    ]);
    if !on_cpu && depth == Depth::Ladder {
        let chains = if software { 1 << 14 } else { 1 << 21 };
        all.extend([
            (Problem::Copy { words: stream / 2 }, Dtype::U32),
            (Problem::Fma { chains, steps: 4096 }, Dtype::F32),
            (gemv(4), Dtype::F16),
            (gemv(4), Dtype::I8),
            (gemv(4), Dtype::Q4),
            (gemm(8, rows / 2, rows / 2), Dtype::F32),
            (gemm(side / 2, side / 2, side / 2), Dtype::F16),
            (gemm(side / 2, side / 2, side / 2), Dtype::I8),
            (gemm(side / 2, side / 2, side / 2), Dtype::Q4),
            (Problem::Experts { m: side / 4, experts: 8, n: side / 2, k: side / 2 }, Dtype::F32),
        ]);
    }
    if !software && !on_cpu && depth == Depth::Ladder {
        // A batch of sequences that decode together is more heads, each with a cache of its own.
        let batch =
            Problem::Attention { queries: 1, context: side, heads: 16 * heads, kv_heads: 16 * kv_heads, head_dim };
        for dtype in [Dtype::F32, Dtype::F16, Dtype::I8] {
            all.push((batch, dtype));
        }
        all.extend([(attention(1, side), Dtype::F16), (attention(1, side), Dtype::I8)]);
        let grouped = Problem::Experts { m: side / 4, experts: 8, n: side / 2, k: side / 2 };
        all.extend([(grouped, Dtype::F16), (grouped, Dtype::Q4)]);
        // Matrix units need larger products than anything else before their overheads no longer show.
        all.push((gemm(2 * side, 2 * side, 2 * side), Dtype::F16));
    }
    all
}

/// The rungs of a problem on an adapter; the CPU executor has one.
pub fn rungs(problem: Problem, dtype: Dtype, found: &Found) -> Vec<Rung> {
    if found.identity.backend != "cpu" {
        return space::ladder(problem, dtype, &found.caps);
    }
    let family = match problem {
        Problem::Gemm { .. } if dtype == Dtype::F32 => Family::CpuGemm,
        Problem::Gemv { .. } if dtype == Dtype::F32 => Family::CpuGemv,
        Problem::Read { .. } => Family::CpuRead,
        Problem::Launch | Problem::Submit => Family::CpuLaunch,
        _ => return Vec::new(),
    };
    vec![Rung { name: "host", variants: vec![Variant::new(family, dtype, &[])] }]
}

/// Shares of the budget, by what a problem costs.
pub fn weight(problem: Problem) -> f64 {
    match problem {
        Problem::Launch | Problem::Submit | Problem::Norm { .. } | Problem::Activation { .. } => 0.3,
        Problem::Read { .. } | Problem::Copy { .. } | Problem::Fma { .. } | Problem::Attention { .. } => 1.0,
        Problem::Gemm { m: 65.., .. } => 4.0,
        _ => 2.0,
    }
}
