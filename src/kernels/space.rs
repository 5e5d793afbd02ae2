//! The variants worth trying: for each kernel the rungs of the ladder, and the space the tuner searches.

use super::Dtype::{F32, U32};
use super::{Dtype, Family, Problem, Variant};
use crate::gpu::Caps;

/// A step of the ladder and the variants that may stand for it; the fastest one does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rung {
    /// `naive`, `tiled`, `registers`, ...
    pub name: &'static str,
    /// Its candidates, the most promising first.
    pub variants: Vec<Variant>,
}

fn rung(name: &'static str, variants: Vec<Variant>) -> Rung {
    Rung { name, variants }
}

/// The ladder of one kernel on an adapter, from naive upwards, unavailable variants included.
pub fn ladder(problem: Problem, dtype: Dtype, caps: &Caps) -> Vec<Rung> {
    match problem {
        Problem::Gemm { .. } => gemm(dtype, caps),
        Problem::Gemv { .. } => gemv(dtype, caps),
        Problem::Read { .. } => vec![rung("stream", reads())],
        Problem::Launch | Problem::Submit => vec![rung(problem.kernel(), vec![Variant::new(Family::Empty, U32, &[])])],
        Problem::Copy { .. } | Problem::Fma { .. } => Vec::new(),
    }
}

/// A tiled GEMM: block of C, depth, block per invocation, and switches.
fn tiled(dtype: Dtype, [bm, bn, bk, tm, tn]: [u32; 5], more: &[(&str, u32)]) -> Variant {
    let mut knobs = vec![("bm", bm), ("bn", bn), ("bk", bk), ("tm", tm), ("tn", tn)];
    knobs.extend_from_slice(more);
    Variant::new(Family::GemmTiled, dtype, &knobs)
}

fn gemm(dtype: Dtype, caps: &Caps) -> Vec<Rung> {
    let naive = |wx, wy| Variant::new(Family::GemmNaive, dtype, &[("wx", wx), ("wy", wy)]);
    let registers = |wx, wy, mr, nv, ku, tex| {
        Variant::new(
            Family::GemmRegisters,
            dtype,
            &[("wx", wx), ("wy", wy), ("mr", mr), ("nv", nv), ("ku", ku), ("tex", tex)],
        )
    };
    let blocks = [[64, 64, 8, 8, 8], [64, 64, 16, 4, 4], [128, 128, 8, 8, 8], [128, 64, 16, 8, 8]];
    let each = |more: &[(&str, u32)]| blocks.iter().map(|&b| tiled(dtype, b, more)).collect::<Vec<_>>();
    let mut rungs = vec![
        rung("naive", vec![naive(8, 8)]),
        rung("tiled", vec![tiled(dtype, [16, 16, 16, 1, 1], &[])]),
        rung("register-blocked", each(&[])),
        rung("vectorised", each(&[("v4", 1), ("ta", 1)])),
        rung("prefetched", each(&[("v4", 1), ("ta", 1), ("pf", 1)])),
        rung("registers only", vec![registers(8, 1, 16, 1, 1, 0), registers(16, 16, 4, 1, 1, 0)]),
    ];
    if dtype == F32 {
        rungs.push(rung(
            "textures",
            vec![registers(8, 1, 8, 2, 1, 1), registers(8, 8, 8, 2, 1, 1), registers(8, 1, 16, 1, 2, 1)],
        ));
    }
    if caps.lanes == 4 || caps.lanes == 8 || caps.lanes == 16 {
        let lanes = |mr, nv, tex| {
            Variant::new(
                Family::GemmLanes,
                dtype,
                &[("l", caps.lanes), ("sg", 1), ("mr", mr), ("nv", nv), ("tex", tex)],
            )
        };
        rungs.push(rung("shuffles", vec![lanes(32, 1, 0), lanes(16, 1, 0)]));
        if dtype == F32 {
            rungs.push(rung("shuffles, textures", vec![lanes(32, 2, 1), lanes(32, 1, 1), lanes(64, 1, 1)]));
        }
    }
    rungs
}

fn gemv(dtype: Dtype, caps: &Caps) -> Vec<Rung> {
    let row = |v4, tex| Variant::new(Family::GemvRow, dtype, &[("wx", 64), ("v4", v4), ("tex", tex)]);
    let columns =
        |wx, nv, u, tex| Variant::new(Family::GemvColumns, dtype, &[("wx", wx), ("nv", nv), ("u", u), ("tex", tex)]);
    let shared = |wx, r| Variant::new(Family::GemvShared, dtype, &[("wx", wx), ("r", r)]);
    let mut rungs = vec![
        rung("naive", vec![row(0, 0)]),
        rung("vectorised", vec![row(1, 0)]),
        rung("workgroup", vec![shared(128, 1), shared(256, 4), shared(64, 2)]),
        rung("columns", vec![columns(8, 1, 1, 0), columns(64, 1, 1, 0)]),
    ];
    if caps.subgroup && caps.lanes > 0 {
        let lanes = |sg, r, u, tex| {
            Variant::new(Family::GemvLanes, dtype, &[("l", caps.lanes), ("sg", sg), ("r", r), ("u", u), ("tex", tex)])
        };
        rungs.push(rung("subgroup", vec![lanes(1, 8, 1, 0), lanes(4, 4, 1, 0), lanes(4, 2, 4, 0)]));
        if dtype == F32 {
            rungs.push(rung("subgroup, textures", vec![lanes(1, 8, 1, 1), lanes(1, 4, 2, 1), lanes(1, 16, 1, 1)]));
        }
    }
    if dtype == F32 {
        rungs.push(rung(
            "columns, textures",
            vec![columns(8, 1, 1, 1), columns(8, 2, 1, 1), columns(8, 4, 1, 1), row(1, 1)],
        ));
    }
    rungs
}

fn reads() -> Vec<Variant> {
    let read = |wx, wg, u| Variant::new(Family::StreamRead, U32, &[("wx", wx), ("wg", wg), ("u", u)]);
    vec![read(64, 64, 4), read(64, 1024, 4), read(256, 2048, 4), read(256, 4096, 1)]
}
