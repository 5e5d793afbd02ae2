//! The variants worth trying: for each kernel the rungs of the ladder, and on each rung what the tuner chooses from.

use super::Dtype::{F32, U32};
use super::problem::GROUP;
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
        Problem::Experts { .. } => experts(dtype),
        Problem::Attention { queries, heads, kv_heads, head_dim, .. } => {
            attention(dtype, head_dim as u32, [queries, heads, kv_heads], caps)
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
                let deep = [("v4", 1), ("ta", 1), ("ku", 32)];
                packed.push(tiled(dtype, [256, 128, 32, 16, 8], &[("v4", 1), ("ta", 1), ("pf", 1), ("ku", 32)]));
                packed.push(tiled(dtype, [256, 128, 32, 16, 8], &deep));
                // A texture's loads need no checks.
                let textured = [&deep[..], &[("tex", SAMPLED)]].concat();
                packed.extend([[256, 128, 32, 16, 8], [256, 256, 32, 16, 8]].map(|b| tiled(dtype, b, &textured)));
                packed.push(tiled(dtype, [256, 128, 16, 16, 8], &[("v4", 1), ("ta", 1), ("pf", 1), ("ku", 16)]));
            }
            let mut rungs = vec![
                naive(dtype, 0),
                rung("tiled", vec![tiled(dtype, [16, 16, 16, 1, 1], &[])]),
                rung("streamed", streamed(dtype, caps)),
                rung("packed dot", packed),
            ];
            rungs.extend(on_matrix_units(dtype, caps, u32::MAX));
            return rungs;
        }
        Dtype::Q4 => {
            let mut rungs = vec![
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
            rungs.extend(on_matrix_units(dtype, caps, u32::MAX));
            return rungs;
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
            // Deep tiles keep their loop busy without a tile fetched ahead, for which there are no registers left.
            let deep = |block| tiled(dtype, block, &[("v4", 1), ("ta", 1), ("ku", 32), ("tex", SAMPLED)]);
            let deep = [[256, 128, 32, 16, 8], [256, 256, 32, 16, 8]].map(deep);
            rungs.push(rung("tall blocks, textures", blocks.map(textured).into_iter().chain(deep).collect()));
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
        rungs.extend(on_matrix_units(dtype, caps, u32::MAX));
    }
    rungs
}

/// The rung of matrix units where there are subgroups, with tiles of at most so many rows.
fn on_matrix_units(dtype: Dtype, caps: &Caps, rows: u32) -> Option<Rung> {
    let mut variants = cooperative(dtype, caps.widest);
    variants.retain(|v| v.knob("bm") <= rows);
    if rows < u32::MAX {
        // A few tiles do not fill a GPU; parts of their sums do.
        let split = variants.iter().filter(|_| !caps.software).map(|v| v.clone().with("sk", 8)).collect::<Vec<_>>();
        variants.splice(0..0, split);
    }
    (caps.widest > 0).then(|| rung("cooperative matrix", variants))
}

/// For matrix units of 8 and 16; which an adapter has decides which are legal.
fn cooperative(dtype: Dtype, lanes: u32) -> Vec<Variant> {
    let one = |cs, [bm, bn, bk, sm, sn]: [u32; 5], pf| {
        let knobs = [("cs", cs), ("l", lanes), ("bm", bm), ("bn", bn), ("bk", bk), ("sm", sm), ("sn", sn), ("pf", pf)];
        Variant::new(Family::GemmCooperative, dtype, &knobs)
    };
    // Four by two fragments a subgroup leave registers for more of them; four by four read less for each product.
    let mut all = vec![
        one(16, [128, 128, 32, 2, 4], 1),
        one(16, [256, 128, 32, 4, 4], 1),
        one(16, [256, 128, 32, 4, 2], 1),
        one(16, [128, 128, 32, 4, 2], 0),
        one(16, [64, 64, 32, 2, 2], 0),
        one(8, [64, 64, 32, 2, 2], 1),
        one(8, [128, 64, 32, 4, 2], 1),
        one(8, [64, 64, 16, 2, 2], 0),
        one(8, [64, 32, 64, 2, 1], 0),
    ];
    // Tiles of 4-bit weights are as deep as the values that share a scale.
    all.retain(|v| dtype != Dtype::Q4 || v.knob("bk").is_multiple_of(GROUP as u32));
    all
}

/// Lanes that kernels which ask for the number of subgroups are laid out for: as long as they all are, else those that
/// most drivers choose.
fn pinned(caps: &Caps) -> u32 {
    if caps.lanes == caps.widest { caps.lanes } else { caps.lanes.max(caps.widest.min(32)) }
}

fn units(dtype: Dtype, [wx, l, r, mb]: [u32; 4]) -> Variant {
    Variant::new(Family::GemvUnits, dtype, &[("wx", wx), ("l", l), ("r", r), ("mb", mb)])
}

/// Weights streamed once for `mb` rows, no workgroup memory where there are subgroups.
fn streamed(dtype: Dtype, caps: &Caps) -> Vec<Variant> {
    let (l, several) = (caps.lanes, pinned(caps));
    // Eight unpacked weights a word for eight rows do not fit the registers of a GPU.
    let most = if dtype == Dtype::Q4 { 4 } else { 8 };
    let lanes =
        [units(dtype, [l, l, 4, most]), units(dtype, [l, l, 2, 4]), units(dtype, [4 * several, several, 2, most])];
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
    if dtype != F32 {
        rungs.extend(on_matrix_units(dtype, caps, 64));
    }
    if matches!(dtype, F32 | Dtype::F16) {
        let split = [("v4", 1), ("ta", 1), ("sk", 8)];
        rungs.push(rung("split sum", [[32, 64, 16, 4, 4], [64, 64, 16, 4, 4]].map(|b| block(b, &split)).to_vec()));
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
    let lanes =
        [units(dtype, [l, l, 8, 1]), units(dtype, [l, l, 4, 1]), units(dtype, [4 * pinned(caps), pinned(caps), 2, 1])];
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
        // Where conversions are slow, integers become floats by their bits; host cores convert whole vectors.
        let bits = lanes.iter().filter(|_| dtype == Dtype::Q4 && !caps.software).map(|v| v.clone().with("mt", 1));
        rungs.push(rung("units by subgroup", bits.chain(lanes.iter().cloned()).collect()));
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

fn experts(dtype: Dtype) -> Vec<Rung> {
    let of = |block, v4, pf| tiled(dtype, block, &[("v4", v4), ("pf", pf), ("ex", 1)]);
    // Tiles of 4-bit weights are as deep as the values that share a scale.
    let (small, blocks) = match dtype {
        Dtype::Q4 => ([32, 32, 32, 4, 4], [[64, 64, 32, 8, 8], [32, 64, 32, 4, 4], [64, 64, 32, 4, 4]]),
        _ => ([16, 16, 16, 1, 1], [[64, 64, 8, 8, 8], [32, 64, 16, 4, 4], [16, 64, 16, 4, 4]]),
    };
    vec![
        naive(dtype, 1),
        rung("tiled", vec![of(small, 0, 0)]),
        rung("register-blocked", blocks.map(|block| of(block, 0, 0)).to_vec()),
        rung("vectorised", blocks[..2].iter().map(|&block| of(block, 1, 0)).collect()),
        rung("prefetched", blocks[..2].iter().map(|&block| of(block, 1, 1)).collect()),
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

/// Workgroups that keep a large GPU busy: a few for each of its compute units, of which none known has more than 304.
const BUSY: u64 = 1024;

fn attention(dtype: Dtype, head_dim: u32, [queries, heads, kv_heads]: [u64; 3], caps: &Caps) -> Vec<Rung> {
    // Rows that share the keys and values of a head.
    let rows = queries * heads / kv_heads;
    let mut rungs =
        vec![rung("naive", vec![Variant::new(Family::AttentionNaive, dtype, &[("wx", 64), ("hd", head_dim)])])];
    if dtype == F32 {
        let online = [64, 128, 256].into_iter().filter(|wx| head_dim / 4 <= *wx);
        let online = online.map(|wx| Variant::new(Family::Attention, F32, &[("wx", wx), ("hd", head_dim)]));
        rungs.push(rung("online softmax", online.collect()));
    }
    // Short heads leave some lanes of a long subgroup without work.
    let lanes = [caps.lanes, caps.lanes / 2].into_iter().find(|l| *l >= 4 && head_dim.is_multiple_of(4 * l));
    let Some(lanes) = lanes else { return rungs };
    // Every lane fetches one quad of four rows at a time, so rows are at most four a lane; sixteen rows of a long
    // subgroup do not fit the registers of a GPU.
    let most = if lanes >= 16 { 8 } else { 4 * lanes };
    let order = if rows <= 4 { [4, 8, 16] } else { [8, 16, 4] };
    let held = if dtype == Dtype::I8 { 4 } else { 2 };
    let fits = move |mr: &u32| *mr <= most && head_dim.is_multiple_of(4 * lanes / mr) && 4 * lanes / mr >= held;
    let of = |tex, split: u32| -> Vec<Variant> {
        let one = |mr: u32| {
            // A host's cores have no use for many loads in flight.
            let fetched = if caps.software || 4 * lanes / mr <= 8 { 0 } else { 8.min(4 * lanes / mr / held) };
            let knobs = [("l", lanes), ("mr", mr), ("hd", head_dim), ("tex", tex), ("fl", fetched), ("sp", split)];
            Variant::new(Family::AttentionLanes, dtype, &knobs)
        };
        order.into_iter().filter(fits).map(one).collect()
    };
    // Few rows fill a GPU by parts of the context.
    let groups = kv_heads * rows.div_ceil(4);
    if groups <= BUSY / 2 {
        let parts = (BUSY / groups).next_power_of_two() as u32;
        let mut parts = if caps.software { vec![4] } else { vec![parts, (parts / 4).max(2)] };
        parts.dedup();
        rungs.push(rung("split context", parts.into_iter().flat_map(|parts| of(0, parts)).collect()));
    }
    rungs.push(rung("shuffles", of(0, 0)));
    if dtype == F32 {
        rungs.push(rung("shuffles, storage textures", of(STORAGE, 0)));
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
