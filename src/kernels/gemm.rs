//! Planning a matrix product: how A and B are laid out for a variant, and which dispatches cover C.

use super::data::{Data, pad, stored, transpose};
use super::{Dtype, Family, SLICE, Variant, template};
use crate::gpu::{Memory, Plan, Program, Step};

/// What one workgroup covers: rows and columns of C, and the multiple of k its loop advances by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tile {
    pub rows: usize,
    pub columns: usize,
    pub depth: usize,
}

pub(super) fn tile(variant: &Variant) -> Tile {
    let knob = |name| variant.knob(name) as usize;
    match variant.family {
        Family::GemmTiled => Tile { rows: knob("bm"), columns: knob("bn"), depth: knob("bk") },
        Family::GemmRegisters => {
            Tile { rows: knob("wy") * knob("mr"), columns: 4 * knob("wx") * knob("nv"), depth: knob("ku") }
        }
        Family::GemmLanes => {
            Tile { rows: knob("sg") * knob("mr"), columns: 4 * knob("l") * knob("nv"), depth: knob("l") }
        }
        _ => Tile { rows: knob("wy"), columns: knob("wx"), depth: 1 },
    }
}

const KNOBS: &[&str] = &[
    "bm", "bn", "bk", "tm", "tn", "v4", "ta", "pf", "pad", "sw", "sk", "wx", "wy", "mr", "nv", "ku", "tex", "l", "sg",
];

pub(super) fn sources(variant: &Variant) -> Result<Vec<(&'static str, String)>, String> {
    let name = variant.family.name();
    let mut all = vec![(name, template::render(name, variant, KNOBS, &[])?)];
    if variant.knob("sk") > 1 {
        all.push(("gemm_sum", template::render("gemm_sum", variant, &[], &[])?));
    }
    Ok(all)
}

pub(super) fn plan(variant: &Variant, [m, n, k]: [usize; 3], data: &Data, bands: usize) -> Result<Plan, String> {
    let tile = tile(variant);
    let programs = sources(variant)?
        .into_iter()
        .map(|(name, source)| Program { label: format!("{variant} {name}"), source })
        .collect();
    let (mp, np, kp) =
        (m.next_multiple_of(tile.rows), n.next_multiple_of(tile.columns), k.next_multiple_of(tile.depth));
    let (a, b) = (left(variant, data, [m, k], [mp, kp]), right(variant, data, [k, n], [kp, np]));
    let splits = variant.knob("sk").max(1) as usize;
    let bytes = 4 * (m * n) as u64;
    let mut memory = vec![a, b, Memory::Output(bytes)];
    if splits > 1 {
        memory.push(Memory::Scratch(bytes * splits as u64));
    }
    let steps = steps(variant, [m, n, k], bands);
    Ok(Plan { label: variant.id(), programs, memory, steps, output: 2 })
}

/// The dispatches that cover C in at most `bands` bands of rows.
pub(super) fn steps(variant: &Variant, [m, n, k]: [usize; 3], bands: usize) -> Vec<Step> {
    let tile = tile(variant);
    let (mp, np, kp) =
        (m.next_multiple_of(tile.rows), n.next_multiple_of(tile.columns), k.next_multiple_of(tile.depth));
    let splits = variant.knob("sk").max(1) as usize;
    let into = if splits > 1 { 3 } else { 2 };
    let quads = matches!(variant.family, Family::GemmRegisters | Family::GemmLanes);
    let lda = if variant.knob("ta") > 0 && !quads { mp } else { kp };
    let tile_rows = mp / tile.rows;
    let band = tile_rows.div_ceil(bands.max(1)).max(1);
    // A split sum is never continued, so its slices must be whole.
    let slice = if splits > 1 { kp } else { SLICE / tile.depth * tile.depth };
    let mut steps = Vec::new();
    for first in (0..tile_rows).step_by(band) {
        for k0 in (0..kp).step_by(slice) {
            let k1 = kp.min(k0 + slice);
            let kz = (k1 - k0).div_ceil(splits).next_multiple_of(tile.depth);
            let params = [m, n, k, lda, np, first * tile.rows, k0, k1, kz].map(|x| x as u32).to_vec();
            let rows = band.min(tile_rows - first);
            let grid = [np / tile.columns, rows, splits].map(|x| x as u32);
            steps.push(Step { program: 0, params, grid, bindings: vec![0, 1, into] });
        }
    }
    if splits > 1 {
        let groups = (m * n).div_ceil(64);
        let grid = [groups.min(32_768), groups.div_ceil(32_768), 1].map(|x| x as u32);
        steps.push(Step { program: 1, params: vec![(m * n) as u32, splits as u32], grid, bindings: vec![3, 2] });
    }
    steps
}

/// A as the variant reads it.
fn left(variant: &Variant, data: &Data, shape: [usize; 2], [mp, kp]: [usize; 2]) -> Memory {
    let padded = pad(&data.a, shape, [mp, kp]);
    let quads = matches!(variant.family, Family::GemmRegisters | Family::GemmLanes);
    if quads {
        let packed = row_quads(&padded, [mp, kp]);
        if variant.knob("tex") > 0 {
            return Memory::Texture { width: kp as u32, height: (mp / 4) as u32, texels: packed };
        }
        return Memory::Input(stored(&packed, variant.dtype));
    }
    if variant.knob("ta") > 0 {
        return Memory::Input(stored(&transpose(&padded, [mp, kp]), variant.dtype));
    }
    Memory::Input(stored(&padded, variant.dtype))
}

fn right(variant: &Variant, data: &Data, shape: [usize; 2], [kp, np]: [usize; 2]) -> Memory {
    let padded = pad(&data.b, shape, [kp, np]);
    if variant.knob("tex") > 0 {
        return Memory::Texture { width: (np / 4) as u32, height: kp as u32, texels: padded };
    }
    Memory::Input(stored(&padded, variant.dtype))
}

/// Four rows of one column side by side: index `(row / 4 * columns + column) * 4 + row % 4`.
fn row_quads(matrix: &[f32], [rows, columns]: [usize; 2]) -> Vec<f32> {
    let mut out = vec![0.0; rows * columns];
    for row in 0..rows {
        for column in 0..columns {
            out[(row / 4 * columns + column) * 4 + row % 4] = matrix[row * columns + column];
        }
    }
    out
}

/// Bytes of workgroup memory and invocations of a workgroup.
pub(super) fn footprint(variant: &Variant) -> (u32, u32) {
    let knob = |name| variant.knob(name);
    let value = if variant.dtype == Dtype::F16 { 2 } else { 4 };
    match variant.family {
        Family::GemmTiled => {
            let bytes = value * knob("bk") * (knob("bm") + knob("pad") + knob("bn"));
            (bytes, (knob("bm") / knob("tm").max(1)) * (knob("bn") / knob("tn").max(1)))
        }
        Family::GemmLanes => (0, knob("l") * knob("sg")),
        _ => (0, knob("wx") * knob("wy")),
    }
}
