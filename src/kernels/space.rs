//! The variants worth trying: for each kernel the rungs of the ladder, and on each rung what the tuner chooses from.

use super::Dtype::{F32, U32};
use super::{Dtype, Family, Problem, Variant};
use crate::gpu::Caps;

/// A step of the ladder and the variants that may stand for it; the fastest one does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rung {
    /// `naive`, `tiled`, `register-blocked`, ...
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
        Problem::Gemm { m, .. } if m <= 64 => [gemm(dtype, caps)[..1].to_vec(), few_rows(dtype, caps)].concat(),
        Problem::Gemm { .. } => gemm(dtype, caps),
        Problem::Gemv { .. } => gemv(dtype, caps),
        Problem::Experts { .. } => experts(),
        Problem::Attention { queries, heads, kv_heads, head_dim, .. } => {
            attention(head_dim as u32, queries * heads / kv_heads, caps.lanes)
        }
        Problem::Norm { .. } => norm(caps.lanes),
        Problem::Activation { .. } => {
            let of = |wx, v4| Variant::new(Family::Activation, F32, &[("wx", wx), ("v4", v4)]);
            vec![rung("naive", vec![of(128, 0)]), rung("vectorised", vec![of(64, 1), of(256, 1)])]
        }
        Problem::Read { .. } => streams(Family::StreamRead),
        Problem::Copy { .. } => streams(Family::StreamCopy),
        Problem::Fma { .. } => {
            let of = |wx| Variant::new(Family::FmaChain, F32, &[("wx", wx)]);
            vec![rung("chains", vec![of(64), of(256)])]
        }
        Problem::Launch | Problem::Submit => vec![rung(problem.kernel(), vec![Variant::new(Family::Empty, U32, &[])])],
    }
}

/// Values of the knob `tex`: inputs as sampled textures, or as storage textures.
const SAMPLED: u32 = 1;
const STORAGE: u32 = 2;

/// A tiled GEMM: block of C, depth, block per invocation, and switches.
fn tiled(dtype: Dtype, [bm, bn, bk, tm, tn]: [u32; 5], more: &[(&str, u32)]) -> Variant {
    let mut knobs = vec![("bm", bm), ("bn", bn), ("bk", bk), ("tm", tm), ("tn", tn)];
    knobs.extend_from_slice(more);
    Variant::new(Family::GemmTiled, dtype, &knobs)
}

fn registers(dtype: Dtype, [wx, wy, mr, nv, ku]: [u32; 5], tex: u32) -> Variant {
    let knobs = [("wx", wx), ("wy", wy), ("mr", mr), ("nv", nv), ("ku", ku), ("tex", tex)];
    Variant::new(Family::GemmRegisters, dtype, &knobs)
}

/// One element of C an invocation; `ex` for grouped experts.
fn naive(dtype: Dtype, ex: u32) -> Rung {
    rung("naive", vec![Variant::new(Family::GemmNaive, dtype, &[("wx", 8), ("wy", 8), ("ex", ex)])])
}

fn gemm(dtype: Dtype, caps: &Caps) -> Vec<Rung> {
    match dtype {
        Dtype::I8 => {
            let mut packed = vec![
                tiled(dtype, [128, 128, 8, 8, 8], &[("v4", 1), ("ta", 1), ("pf", 1)]),
                tiled(dtype, [64, 64, 16, 4, 4], &[("v4", 1), ("ta", 1)]),
            ];
            if !caps.software {
                packed.push(tiled(dtype, [256, 128, 16, 16, 8], &[("v4", 1), ("ta", 1), ("pf", 1), ("ku", 16)]));
            }
            return vec![
                naive(dtype, 0),
                rung("tiled", vec![tiled(dtype, [16, 16, 16, 1, 1], &[])]),
                rung("streamed", streamed(dtype, caps)),
                rung("packed dot", packed),
            ];
        }
        Dtype::Q4 => {
            return vec![
                naive(dtype, 0),
                rung("tiled", vec![tiled(dtype, [32, 32, 32, 4, 4], &[])]),
                rung(
                    "register-blocked",
                    vec![
                        tiled(dtype, [64, 64, 32, 8, 8], &[("v4", 1), ("ta", 1)]),
                        tiled(dtype, [64, 64, 32, 4, 4], &[("v4", 1), ("ta", 1), ("pf", 1)]),
                    ],
                ),
                rung("streamed", streamed(dtype, caps)),
            ];
        }
        _ => {}
    }
    let blocks = [[64, 64, 8, 8, 8], [64, 64, 16, 4, 4], [128, 128, 8, 8, 8], [128, 64, 16, 8, 8]];
    // A column of sixteen times eight: fewer loads from workgroup memory for each product, and half the subgroups.
    let tall = [256, 128, 16, 16, 8];
    let each = |more: &[(&str, u32)]| blocks.iter().map(|&b| tiled(dtype, b, more)).collect::<Vec<_>>();
    let (wide, fetched) = ([("v4", 1), ("ta", 1)], [("v4", 1), ("ta", 1), ("pf", 1)]);
    let fetched_whole = [("v4", 1), ("ta", 1), ("pf", 1), ("ku", 16)];
    let mut rungs = vec![
        naive(dtype, 0),
        rung("tiled", vec![tiled(dtype, [16, 16, 16, 1, 1], &[])]),
        rung("register-blocked", each(&[])),
        rung("vectorised", each(&wide)),
        rung("prefetched", each(&fetched)),
        rung("swizzled", vec![tiled(dtype, blocks[2], &[("v4", 1), ("ta", 1), ("pf", 1), ("pad", 4), ("sw", 8)])]),
        rung("split sum", vec![tiled(dtype, blocks[0], &[("v4", 1), ("ta", 1), ("sk", 4)])]),
        rung("registers only", vec![registers(dtype, [8, 1, 16, 1, 1], 0), registers(dtype, [16, 16, 4, 1, 1], 0)]),
    ];
    if dtype == F32 {
        let shapes = [[8, 1, 8, 2, 1], [8, 8, 8, 2, 1], [8, 1, 16, 1, 2]];
        rungs.push(rung("textures", shapes.iter().map(|&s| registers(dtype, s, SAMPLED)).collect()));
        let shapes = [[8, 1, 16, 2, 1], [8, 1, 8, 2, 1], [8, 8, 8, 2, 1]];
        rungs.push(rung("storage textures", shapes.iter().map(|&s| registers(dtype, s, STORAGE)).collect()));
    }
    // Software drivers compile such blocks for seconds, and no host has registers for them.
    if !caps.software {
        let blocks = [tall, [128, 128, 16, 16, 8]];
        rungs.push(rung("tall blocks", blocks.map(|b| tiled(dtype, b, &fetched_whole)).to_vec()));
        if dtype == F32 {
            let textured = |block| tiled(dtype, block, &[&fetched_whole[..], &[("tex", SAMPLED)]].concat());
            rungs.push(rung("tall blocks, textures", blocks.map(textured).to_vec()));
        }
    }
    if matches!(caps.lanes, 4 | 8 | 16) {
        let knobs = |mr, nv, tex, ks| [("l", caps.lanes), ("sg", 1), ("mr", mr), ("nv", nv), ("tex", tex), ("ks", ks)];
        let lanes = |mr, nv, tex, ks| Variant::new(Family::GemmLanes, dtype, &knobs(mr, nv, tex, ks));
        let broadcast = |mr| {
            let knobs = [&knobs(mr, 1, 0, 0)[..], &[("bc", 1)]].concat();
            Variant::new(Family::GemmLanes, dtype, &knobs)
        };
        rungs.push(rung("broadcasts", vec![broadcast(32), broadcast(16)]));
        rungs.push(rung("shuffles", vec![lanes(32, 1, 0, 0), lanes(16, 1, 0, 0)]));
        if dtype == F32 {
            let [all, half] = [0, caps.lanes / 2];
            let few = half.min(4);
            rungs.push(rung("shuffles, textures", vec![lanes(64, 1, SAMPLED, all), lanes(32, 1, SAMPLED, all)]));
            let stored = [(32, 1, few), (64, 1, few), (16, 2, half), (32, 1, half), (16, 2, all)];
            let stored = stored.map(|(mr, nv, ks)| lanes(mr, nv, STORAGE, ks));
            rungs.push(rung("shuffles, storage textures", stored.to_vec()));
        }
    }
    if dtype == Dtype::F16 {
        let widened = |block, more: &[(&str, u32)]| tiled(dtype, block, &[more, &[("wd", 1)]].concat());
        let large = [widened(tall, &fetched_whole), widened(blocks[2], &fetched)];
        let once = large.into_iter().filter(|_| !caps.software).chain([widened(blocks[1], &wide)]);
        rungs.push(rung("widened once", once.collect()));
        if caps.widest > 0 {
            rungs.push(rung("cooperative matrix", cooperative(caps.widest)));
        }
    }
    rungs
}

/// For matrix units of 8 and 16; which an adapter has decides which are legal.
fn cooperative(lanes: u32) -> Vec<Variant> {
    let one = |cs, [bm, bn, bk, sm, sn]: [u32; 5], pf| {
        let knobs = [("cs", cs), ("l", lanes), ("bm", bm), ("bn", bn), ("bk", bk), ("sm", sm), ("sn", sn), ("pf", pf)];
        Variant::new(Family::GemmCooperative, Dtype::F16, &knobs)
    };
    // Four by two fragments a subgroup leave registers for more of them; four by four read less for each product.
    vec![
        one(16, [128, 128, 32, 2, 4], 1),
        one(16, [256, 128, 32, 4, 4], 1),
        one(16, [256, 128, 32, 4, 2], 1),
        one(16, [128, 128, 32, 4, 2], 0),
        one(16, [64, 64, 32, 2, 2], 0),
        one(8, [64, 64, 32, 2, 2], 1),
        one(8, [128, 64, 32, 4, 2], 1),
        one(8, [64, 64, 16, 2, 2], 0),
        one(8, [64, 32, 64, 2, 1], 0),
    ]
}

fn units(dtype: Dtype, [wx, l, r, mb]: [u32; 4]) -> Variant {
    Variant::new(Family::GemvUnits, dtype, &[("wx", wx), ("l", l), ("r", r), ("mb", mb)])
}

/// Weights streamed once for `mb` rows, no workgroup memory where there are subgroups.
fn streamed(dtype: Dtype, caps: &Caps) -> Vec<Variant> {
    let l = caps.lanes;
    // Eight unpacked weights a word for eight rows do not fit the registers of a GPU.
    let most = if dtype == Dtype::Q4 { 4 } else { 8 };
    let lanes = [units(dtype, [l, l, 4, most]), units(dtype, [l, l, 2, 4]), units(dtype, [4 * l, l, 2, most])];
    let reduced = [units(dtype, [64, 0, 2, 4]), units(dtype, [64, 0, if most < 8 { 4 } else { 2 }, most])];
    lanes.into_iter().filter(|_| l > 0).chain(reduced).collect()
}

/// Two to sixty-four rows: weights are streamed once for `mb` of them.
fn few_rows(dtype: Dtype, caps: &Caps) -> Vec<Rung> {
    let l = caps.lanes;
    // Tiles no taller than the rows there are; from a dozen rows on they may win.
    let block = |block, more: &[(&str, u32)]| tiled(dtype, block, more);
    let wide = [("v4", 1), ("ta", 1)];
    let small = match dtype {
        Dtype::Q4 => [block([32, 32, 32, 4, 4], &[]), block([64, 64, 32, 4, 4], &wide)],
        _ => [block([32, 64, 16, 4, 4], &wide), block([64, 64, 16, 4, 4], &wide)],
    };
    let mut rungs = vec![rung("small tiles", small.to_vec())];
    if dtype == Dtype::F16 && caps.widest > 0 {
        let small = cooperative(caps.widest).into_iter().filter(|v| v.knob("bm") <= 64);
        rungs.push(rung("cooperative matrix", small.collect()));
    }
    rungs.push(rung("few rows", streamed(dtype, caps)));
    if dtype == F32 {
        // On host cores a load is dearer than a multiplication: the tile of rows is what reuses it.
        let mut stored = Vec::new();
        if matches!(l, 4 | 8 | 16) {
            let knobs = |nv, ks| [("l", l), ("sg", 1), ("mr", 8), ("nv", nv), ("tex", STORAGE), ("ks", ks)];
            stored.extend([(2, 0), (1, l / 2)].map(|(nv, ks)| Variant::new(Family::GemmLanes, dtype, &knobs(nv, ks))));
        }
        stored.extend([2, 1].map(|nv| registers(dtype, [8, 1, 8, nv, 1], STORAGE)));
        rungs.push(rung("storage textures", stored));
    }
    rungs
}

fn gemv(dtype: Dtype, caps: &Caps) -> Vec<Rung> {
    let l = caps.lanes;
    let lanes = [units(dtype, [l, l, 8, 1]), units(dtype, [l, l, 4, 1]), units(dtype, [4 * l, l, 2, 1])];
    let reduced = vec![units(dtype, [64, 0, 4, 1]), units(dtype, [256, 0, 1, 1])];
    let row = |v4, tex| Variant::new(Family::GemvRow, dtype, &[("wx", 64), ("v4", v4), ("tex", tex)]);
    let columns =
        |wx, nv, u, tex| Variant::new(Family::GemvColumns, dtype, &[("wx", wx), ("nv", nv), ("u", u), ("tex", tex)]);
    let shared = |wx, r| Variant::new(Family::GemvShared, dtype, &[("wx", wx), ("r", r)]);
    let integers = matches!(dtype, Dtype::I8 | Dtype::Q4);
    let mut rungs = vec![rung("naive", vec![row(0, 0)])];
    if !integers {
        rungs.push(rung("vectorised", vec![row(1, 0)]));
        rungs.push(rung("workgroup", vec![shared(256, 4), shared(128, 1), shared(64, 2)]));
        rungs.push(rung("columns", vec![columns(64, 1, 1, 0), columns(8, 1, 1, 0)]));
    }
    rungs.push(rung("units by workgroup", reduced));
    if l > 0 {
        rungs.push(rung("units by subgroup", lanes.to_vec()));
    }
    if integers {
        return rungs;
    }
    // Textures hold f32 only.
    if dtype == F32 {
        rungs.push(rung(
            "columns, textures",
            vec![columns(8, 4, 1, SAMPLED), columns(8, 1, 1, SAMPLED), columns(8, 2, 1, SAMPLED), row(1, SAMPLED)],
        ));
        let stored = vec![columns(8, 1, 1, STORAGE), columns(8, 2, 1, STORAGE), row(1, STORAGE)];
        rungs.push(rung("storage textures", stored));
    }
    if l > 0 {
        let lanes = |sg, r, u, tex| {
            Variant::new(Family::GemvLanes, dtype, &[("l", l), ("sg", sg), ("r", r), ("u", u), ("tex", tex)])
        };
        rungs.push(rung("subgroup", vec![lanes(1, 8, 1, 0), lanes(4, 4, 1, 0), lanes(4, 2, 4, 0)]));
        if dtype == F32 {
            let sampled = [(8, 2), (8, 1), (4, 4), (16, 1)].map(|(r, u)| lanes(1, r, u, SAMPLED));
            rungs.push(rung("subgroup, textures", sampled.to_vec()));
            let stored = [(8, 1), (8, 2), (4, 4), (16, 1)].map(|(r, u)| lanes(1, r, u, STORAGE));
            rungs.push(rung("subgroup, storage textures", stored.to_vec()));
        }
    }
    rungs
}

fn experts() -> Vec<Rung> {
    let of = |block, v4| tiled(F32, block, &[("v4", v4), ("ex", 1)]);
    let blocks = [[64, 64, 8, 8, 8], [32, 64, 16, 4, 4], [16, 64, 16, 4, 4]];
    vec![
        naive(F32, 1),
        rung("tiled", vec![of([16, 16, 16, 1, 1], 0)]),
        rung("register-blocked", blocks.map(|block| of(block, 0)).to_vec()),
        rung("vectorised", blocks[..2].iter().map(|&block| of(block, 1)).collect()),
    ]
}

fn norm(lanes: u32) -> Vec<Rung> {
    let of = |wx, v4| Variant::new(Family::Norm, F32, &[("wx", wx), ("v4", v4)]);
    let mut rungs = vec![
        rung("naive", vec![of(1, 0)]),
        rung("workgroup", vec![of(64, 0), of(256, 0)]),
        rung("vectorised", vec![of(64, 1), of(256, 1)]),
    ];
    if lanes > 0 {
        rungs.push(rung("subgroup", vec![Variant::new(Family::Norm, F32, &[("l", lanes), ("v4", 1)])]));
    }
    rungs
}

/// `rows` share the keys and values of a head.
fn attention(head_dim: u32, rows: u64, lanes: u32) -> Vec<Rung> {
    let online = [64, 128, 256]
        .into_iter()
        .filter(|wx| head_dim / 4 <= *wx)
        .map(|wx| Variant::new(Family::Attention, F32, &[("wx", wx), ("hd", head_dim)]));
    let unfused = Variant::new(Family::AttentionNaive, F32, &[("wx", 64), ("hd", head_dim)]);
    let mut rungs = vec![rung("naive", vec![unfused]), rung("online softmax", online.collect())];
    if lanes > 0 && head_dim.is_multiple_of(4 * lanes) {
        let of = |tex| {
            let order = if rows <= 4 { [4, 8, 16] } else { [8, 16, 4] };
            // Every lane fetches one quad of four rows at a time, so rows are at most four a lane.
            // Sixteen rows of a long subgroup do not fit the registers of a GPU.
            let most = if lanes >= 32 { 8 } else { 4 * lanes };
            let rows = order.into_iter().filter(move |mr| *mr <= most && head_dim.is_multiple_of(4 * lanes / mr));
            let knobs = move |mr| [("l", lanes), ("mr", mr), ("hd", head_dim), ("tex", tex)];
            rows.map(move |mr| Variant::new(Family::AttentionLanes, F32, &knobs(mr))).collect()
        };
        rungs.push(rung("shuffles", of(0)));
        rungs.push(rung("shuffles, storage textures", of(STORAGE)));
    }
    rungs
}

/// One quad at a time, then four.
fn streams(family: Family) -> Vec<Rung> {
    let of = |(wx, wg), u| Variant::new(family, U32, &[("wx", wx), ("wg", wg), ("u", u)]);
    let grids = [(256, 2048), (64, 64), (64, 1024)];
    vec![
        rung("naive", vec![of((256, 4096), 1), of(grids[1], 1)]),
        rung("unrolled", grids.map(|grid| of(grid, 4)).to_vec()),
    ]
}
