//! Planning a matrix product: how A and B are laid out for a variant, and which dispatches cover C.

use super::data::{Data, bytes_by_row, nibbles_by_row, pad, stored, transpose};
use super::limits::SLICE;
use super::problem::GROUP;
use super::{Dtype, Family, Variant, template};
use crate::gpu::{Memory, Plan, Program, Step, Texels};

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
        Family::GemmLanes => Tile {
            rows: knob("sg") * knob("mr"),
            columns: 4 * knob("l") * knob("nv"),
            depth: if knob("ks") > 0 { knob("ks") } else { knob("l") },
        },
        Family::GemmCooperative => Tile { rows: knob("bm"), columns: knob("bn"), depth: knob("bk") },
        _ => Tile { rows: knob("wy"), columns: knob("wx"), depth: if variant.dtype == Dtype::Q4 { GROUP } else { 1 } },
    }
}

const KNOBS: &[&str] = &[
    "bm", "bn", "bk", "tm", "tn", "v4", "ta", "pf", "pad", "sw", "sk", "wx", "wy", "mr", "nv", "ku", "tex", "l", "sg",
    "ex", "sm", "sn", "cs", "ks", "bc", "gs", "wd",
];

pub(super) fn sources(variant: &Variant) -> Result<Vec<(&'static str, String)>, String> {
    let name = variant.family.name();
    let mut all = vec![(name, template::render(name, variant, KNOBS, &[])?)];
    if variant.knob("sk") > 1 {
        all.push(("gemm_sum", template::render("gemm_sum", variant, &[], &[])?));
    }
    Ok(all)
}

/// Values of k in one element of A's and B's buffers: the integer kernels count in words of four.
fn packing(variant: &Variant) -> usize {
    if variant.dtype == Dtype::I8 && variant.family != Family::GemmCooperative { 4 } else { 1 }
}

/// The output's size: fragments are stored whole, so cooperative kernels write padded rows and columns too.
pub(super) fn stored_shape(variant: &Variant, [m, n]: [usize; 2]) -> [usize; 2] {
    let tile = tile(variant);
    if variant.family == Family::GemmCooperative {
        [m.next_multiple_of(tile.rows), n.next_multiple_of(tile.columns)]
    } else {
        [m, n]
    }
}

pub(super) fn plan(variant: &Variant, [m, n, k]: [usize; 3], data: &Data, bands: usize) -> Result<Plan, String> {
    let tile = tile(variant);
    let cooperative = variant.family == Family::GemmCooperative;
    let takes_integers = cooperative || matches!(variant.family, Family::GemmNaive | Family::GemmTiled);
    if variant.dtype == Dtype::Q4 && !(takes_integers && tile.depth.is_multiple_of(GROUP)) {
        return Err(format!("{variant} cannot read 4-bit weights"));
    }
    if variant.dtype == Dtype::I8 && !takes_integers {
        return Err(format!("{variant} cannot read 8-bit integers"));
    }
    if variant.family == Family::GemmTiled {
        whole_loads(variant)?;
    }
    if cooperative {
        whole_fragments(variant)?;
    }
    if variant.knob("wd") > 0 && variant.family != Family::GemmTiled {
        return Err(format!("{variant} does not widen halves"));
    }
    let (logical_k, k) = (k, k.div_ceil(packing(variant)));
    let programs = sources(variant)?
        .into_iter()
        .map(|(name, source)| Program { label: format!("{variant} {name}"), source })
        .collect();
    let (mp, np, kp) =
        (m.next_multiple_of(tile.rows), n.next_multiple_of(tile.columns), k.next_multiple_of(tile.depth));
    let a = left(variant, data, [m, logical_k], [mp, kp]);
    let (b, scales) = right(variant, data, [logical_k, n], [kp, np]);
    let splits = variant.knob("sk").max(1) as usize;
    let [stored_m, stored_n] = stored_shape(variant, [m, n]);
    let bytes = 4 * (stored_m * stored_n) as u64;
    let mut memory = vec![a, b, Memory::Output(bytes)];
    memory.extend(scales);
    // Scales that are applied to a whole sum at its end do not go with parts of it.
    if splits > 1 && memory.len() > 3 && !cooperative {
        return Err(format!("{variant}: a split sum has no scales"));
    }
    if splits > 1 {
        memory.push(Memory::Scratch(bytes * splits as u64));
    }
    let steps = steps(variant, [m, n, logical_k], bands);
    Ok(Plan { label: variant.id(), programs, memory, steps, output: 2 })
}

/// Tiles are whole fragments of every part, and every invocation fetches the same whole number of eights of both.
fn whole_fragments(variant: &Variant) -> Result<(), String> {
    let (threads, knob) = (footprint(variant).1, |name| variant.knob(name));
    let (across, side) = (knob("bk") / 8, knob("cs").max(1));
    let of = |all: u32, parts: u32| all > 0 && parts > 0 && all.is_multiple_of(parts);
    let fragments = of(knob("bm"), knob("sm") * side) && of(knob("bn"), knob("sn") * side) && of(knob("bk"), side);
    let loads = [knob("bm") * across, knob("bn") * across].iter().all(|loads| of(*loads, threads));
    if fragments && knob("bk").is_multiple_of(8) && loads && of(threads, across) {
        Ok(())
    } else {
        Err(format!("{variant}: a tile does not divide among {threads} invocations in whole fragments"))
    }
}

/// Every invocation must fetch the same whole number of elements of both tiles.
fn whole_loads(variant: &Variant) -> Result<(), String> {
    let knob = |name| variant.knob(name);
    let threads = footprint(variant).1;
    let wide = if knob("v4") > 0 { 4 } else { 1 };
    let columns_wide = if variant.dtype == Dtype::Q4 { 8 } else { wide };
    let wide_rows = if knob("ta") > 0 { knob("bm") } else { knob("bk") } / wide;
    let lines = [wide_rows, if variant.dtype == Dtype::Q4 { knob("bk") } else { knob("bn") } / columns_wide];
    if knob("ku") > 0 && !knob("bk").is_multiple_of(knob("ku")) {
        return Err(format!("{variant}: a tile of {} does not divide into steps of {}", knob("bk"), knob("ku")));
    }
    if lines.iter().any(|line| !threads.is_multiple_of((*line).max(1))) {
        return Err(format!("{variant}: {threads} invocations do not fetch whole lines of a tile"));
    }
    if knob("wd") > 0 && !(variant.dtype == Dtype::F16 && knob("v4") > 0 && knob("ta") > 0) {
        return Err(format!("{variant}: four halves of A's columns are widened at once"));
    }
    if knob("tex") > 0
        && !(matches!(variant.dtype, Dtype::F32 | Dtype::I8) && knob("v4") > 0 && knob("ta") > 0 && knob("tex") < 2)
    {
        return Err(format!("{variant}: textures hold four f32 or words of A's columns"));
    }
    let whole = |values: u32, wide: u32| values > 0 && values.is_multiple_of(threads * wide);
    if whole(knob("bm") * knob("bk"), wide) && whole(knob("bn") * knob("bk"), columns_wide) {
        Ok(())
    } else {
        Err(format!("{variant}: a tile does not divide among {threads} invocations"))
    }
}

/// The dispatches that cover C in at most `bands` bands of rows.
pub(super) fn steps(variant: &Variant, [m, n, k]: [usize; 3], bands: usize) -> Vec<Step> {
    let k = k.div_ceil(packing(variant));
    let tile = tile(variant);
    let (mp, np, kp) =
        (m.next_multiple_of(tile.rows), n.next_multiple_of(tile.columns), k.next_multiple_of(tile.depth));
    let splits = variant.knob("sk").max(1) as usize;
    let scaled = matches!(variant.dtype, Dtype::I8 | Dtype::Q4);
    // Parts of a sum lie behind the scales, where there are any.
    let parts = if scaled { 4 } else { 3 };
    let mut bindings = vec![0, 1, if splits > 1 { parts } else { 2 }];
    if scaled {
        bindings.push(3);
    }
    // The strides of B: columns of a row, or values of a column where weights lie along k.
    let by_column = variant.dtype == Dtype::Q4 || variant.family == Family::GemmCooperative;
    let ldb = if by_column { kp } else { np };
    let quads = matches!(variant.family, Family::GemmRegisters | Family::GemmLanes);
    let lda = if variant.knob("ta") > 0 && !quads { mp } else { kp };
    let tile_rows = mp / tile.rows;
    let band = tile_rows.div_ceil(bands.max(1)).max(1);
    // A split sum and a cooperative one are never continued, so their slices must be whole.
    let whole = splits > 1 || variant.family == Family::GemmCooperative;
    // Few workgroups walk over many tiles: what one of them loops over in a dispatch is bounded over all of its tiles.
    let walk = match variant.knob("gs") as usize {
        0 => 1,
        workgroups => (np / tile.columns).div_ceil(workgroups),
    };
    let slice = if whole { kp } else { (SLICE / walk / tile.depth * tile.depth).max(tile.depth) };
    let band = if variant.knob("gs") > 0 { band.min((SLICE / (walk * slice.min(kp))).max(1)) } else { band };
    let mut steps = Vec::new();
    for first in (0..tile_rows).step_by(band) {
        for k0 in (0..kp).step_by(slice) {
            let k1 = kp.min(k0 + slice);
            let kz = (k1 - k0).div_ceil(splits).next_multiple_of(tile.depth);
            let [tx, ty] = [np / tile.columns, band.min(tile_rows - first)];
            let params = if variant.family == Family::GemmCooperative {
                [lda, ldb, np, first * tile.rows, k1, tx, ty, kz, mp * np].map(|x| x as u32).to_vec()
            } else {
                [m, n, k, lda, ldb, first * tile.rows, k0, k1, kz, tx, ty].map(|x| x as u32).to_vec()
            };
            let grid = match variant.knob("gs") as usize {
                0 => [tx, ty, splits],
                workgroups => [workgroups.min(tx * ty), 1, splits],
            };
            let grid = grid.map(|x| x as u32);
            steps.push(Step { program: 0, params, grid, bindings: bindings.clone() });
        }
    }
    if splits > 1 {
        let [rows, columns] = stored_shape(variant, [m, n]);
        let values = rows * columns;
        let groups = values.div_ceil(64);
        let grid = [groups.min(32_768), groups.div_ceil(32_768), 1].map(|x| x as u32);
        steps.push(Step { program: 1, params: vec![values as u32, splits as u32], grid, bindings: vec![parts, 2] });
    }
    steps
}

/// A as the variant reads it.
fn left(variant: &Variant, data: &Data, shape: [usize; 2], [mp, kp]: [usize; 2]) -> Memory {
    if variant.family == Family::GemmCooperative {
        return Memory::Input(stored(&pad(&data.a, shape, [mp, kp]), Dtype::F16));
    }
    if variant.dtype == Dtype::I8 {
        let by_row = bytes_by_row(&data.a_int, shape, [mp, 4 * kp]);
        let laid = if variant.knob("ta") > 0 { transpose(&by_row, [mp, kp]) } else { by_row };
        return words_or_texels(variant, laid, mp);
    }
    let padded = pad(&data.a, shape, [mp, kp]);
    let quads = matches!(variant.family, Family::GemmRegisters | Family::GemmLanes);
    if quads {
        let packed = row_quads(&padded, [mp, kp]);
        if variant.knob("tex") > 0 {
            return Memory::Texture { width: kp as u32, height: (mp / 4) as u32, texels: Texels::Floats(packed) };
        }
        return Memory::Input(stored(&packed, variant.dtype));
    }
    if variant.knob("tex") > 0 {
        let texels = Texels::Floats(transpose(&padded, [mp, kp]));
        return Memory::Texture { width: (mp / 4) as u32, height: kp as u32, texels };
    }
    if variant.knob("ta") > 0 {
        return Memory::Input(stored(&transpose(&padded, [mp, kp]), variant.dtype));
    }
    Memory::Input(stored(&padded, variant.dtype))
}

/// B as the variant reads it, and the scales that go with integers.
fn right(variant: &Variant, data: &Data, shape: [usize; 2], [kp, np]: [usize; 2]) -> (Memory, Option<Memory>) {
    let [k, n] = shape;
    match variant.dtype {
        // The other operand comes in halves, its scales applied.
        Dtype::I8 if variant.family == Family::GemmCooperative => {
            let by_column = bytes_by_row(&transpose(&data.b_int, shape), [n, k], [np, kp]);
            return (words(&by_column), Some(floats(&pad(&data.b_scale, [1, n], [1, np]))));
        }
        Dtype::I8 => {
            let by_column = bytes_by_row(&transpose(&data.b_int, shape), [n, k], [np, 4 * kp]);
            let scales = [&data.a_scale[..], &data.b_scale].concat();
            return (words_or_texels(variant, transpose(&by_column, [np, kp]), np), Some(floats(&scales)));
        }
        Dtype::Q4 => {
            let (weights, scales) = four_bit(&data.b_int, &data.b_scale, shape, [kp, np]);
            return (words(&weights), Some(floats(&scales)));
        }
        _ => {}
    }
    let padded = pad(&data.b, shape, [kp, np]);
    let b = if variant.family == Family::GemmCooperative {
        Memory::Input(stored(&transpose(&padded, [kp, np]), variant.dtype))
    } else if variant.knob("tex") > 0 {
        Memory::Texture { width: (np / 4) as u32, height: kp as u32, texels: Texels::Floats(padded) }
    } else {
        Memory::Input(stored(&padded, variant.dtype))
    };
    (b, None)
}

/// 4-bit weights of one B[k, n] by column, eight along k to a word, and their scales.
fn four_bit(weights: &[i8], scales: &[f32], [k, n]: [usize; 2], [kp, np]: [usize; 2]) -> (Vec<u32>, Vec<f32>) {
    let words = nibbles_by_row(&transpose(weights, [k, n]), [n, k], [np, kp]);
    (words, pad(scales, [n, k.div_ceil(GROUP)], [np, kp / GROUP]))
}

/// Words in rows of so many, as the variant reads them.
fn words_or_texels(variant: &Variant, values: Vec<u32>, row: usize) -> Memory {
    if variant.knob("tex") == 0 {
        return words(&values);
    }
    let [width, height] = [row / 4, values.len() / row].map(|x| x as u32);
    Memory::Texture { width, height, texels: Texels::Words(values) }
}

fn floats(values: &[f32]) -> Memory {
    Memory::Input(bytemuck::cast_slice(values).to_vec())
}

fn words(values: &[u32]) -> Memory {
    Memory::Input(bytemuck::cast_slice(values).to_vec())
}

/// Rows of A sorted by expert, each times its expert's B.
pub(super) fn experts(variant: &Variant, [m, experts, n, k]: [usize; 4], data: &Data) -> Result<Plan, String> {
    if variant.family == Family::GemmTiled {
        whole_loads(variant)?;
    }
    let tile = tile(variant);
    if variant.knob("ta") > 0 || variant.knob("sk") > 1 {
        return Err(format!("{variant}: experts take A by row and sum whole"));
    }
    if variant.dtype == Dtype::Q4 && !tile.depth.is_multiple_of(GROUP) {
        return Err(format!("{variant} cannot read 4-bit weights"));
    }
    let programs = sources(variant)?.into_iter().map(|(_, source)| Program { label: variant.id(), source }).collect();
    let (np, kp) = (n.next_multiple_of(tile.columns), k.next_multiple_of(tile.depth));
    // The last tile of an expert may read rows behind it, and one that has nothing to do reads those behind all: they must
    // exist.
    let a = pad(&data.a, [m, k], [m + tile.rows, kp]);
    let int4 = variant.dtype == Dtype::Q4;
    let a = Memory::Input(stored(&a, variant.dtype));
    let (b, scales) = if int4 {
        let each = data.b_int.chunks_exact(k * n).zip(data.b_scale.chunks_exact(n * k.div_ceil(GROUP)));
        let all: Vec<_> = each.map(|(weights, scales)| four_bit(weights, scales, [k, n], [kp, np])).collect();
        let (weights, scales): (Vec<_>, Vec<_>) = all.into_iter().unzip();
        (words(&weights.concat()), Some(floats(&scales.concat())))
    } else {
        let values: Vec<f32> = data.b.chunks_exact(k * n).flat_map(|b| pad(b, [k, n], [kp, np])).collect();
        (Memory::Input(stored(&values, variant.dtype)), None)
    };
    let tallest = data.first_row.windows(2).map(|w| w[1] - w[0]).max().unwrap_or(0) as usize;
    let [tx, ty] = [np / tile.columns, tallest.div_ceil(tile.rows).max(1)];
    let ldb = if int4 { kp } else { np };
    let rows = words(&data.first_row);
    let mut memory = vec![a, b, Memory::Output(4 * (m * n) as u64)];
    memory.extend(scales);
    memory.push(rows);
    let bindings = (0..memory.len()).collect();
    let params = [m, n, kp, kp, ldb, 0, 0, kp, kp, tx, ty].map(|x| x as u32).to_vec();
    let step = Step { program: 0, params, grid: [tx, ty, experts].map(|x| x as u32), bindings };
    Ok(Plan { label: variant.id(), programs, memory, steps: vec![step], output: 2 })
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
    let value = if variant.dtype == Dtype::F16 && knob("wd") == 0 { 2 } else { 4 };
    match variant.family {
        Family::GemmCooperative => {
            let bytes = 2 * (knob("bm") + knob("bn")) * (knob("bk") + 8);
            (bytes, knob("l") * knob("sm") * knob("sn"))
        }
        Family::GemmTiled => {
            let bytes = value * knob("bk") * (knob("bm") + knob("pad") + knob("bn"));
            (bytes, (knob("bm") / knob("tm").max(1)) * (knob("bn") / knob("tn").max(1)))
        }
        Family::GemmLanes => (0, knob("l") * knob("sg")),
        _ => (0, knob("wx") * knob("wy")),
    }
}
