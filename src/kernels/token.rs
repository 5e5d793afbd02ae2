//! Planning what stands between the matrices of a layer: attention, norm, activation.

use super::data::{Data, pad, stored};
use super::limits::SLICE;
use super::{Dtype, Family, Variant, template, units};
use crate::gpu::{Memory, Plan, Program, Step, Texels};

pub(super) fn sources(variant: &Variant) -> Result<Vec<(&'static str, String)>, String> {
    let name = variant.family.name();
    let stages = match variant.family {
        Family::AttentionNaive => 3,
        Family::AttentionLanes if variant.knob("sp") > 0 => 2,
        _ => 1,
    };
    let knobs = ["wx", "hd", "l", "mr", "tex", "v4", "fl", "sp"];
    (0..stages).map(|stage| Ok((name, template::render(name, variant, &knobs, &[("stage", stage)])?))).collect()
}

fn programs(variant: &Variant) -> Result<Vec<Program>, String> {
    Ok(sources(variant)?.into_iter().map(|(_, source)| Program { label: variant.id(), source }).collect())
}

fn floats(values: &[f32]) -> Memory {
    Memory::Input(bytemuck::cast_slice(values).to_vec())
}

/// `shape` is queries, context, heads, key/value heads, head length.
pub(super) fn attention(variant: &Variant, shape: [u64; 5], data: &Data) -> Result<Plan, String> {
    let [queries, context, heads, kv_heads, dim] = shape.map(|x| x as u32);
    if variant.knob("hd") != dim || dim / 4 > variant.knob("wx") {
        return Err(format!("{variant} does not take heads of {dim}"));
    }
    let scale = 1.0 / (dim as f32).sqrt();
    let step = Step {
        program: 0,
        params: vec![queries, context, heads, heads / kv_heads, scale.to_bits()],
        grid: [heads, queries, 1],
        bindings: vec![0, 1, 2, 3],
    };
    let (keys, values) = data.b.split_at(data.b.len() / 2);
    let memory = vec![floats(&data.a), floats(keys), floats(values), Memory::Output(4 * data.a.len() as u64)];
    Ok(Plan { label: variant.id(), programs: programs(variant)?, memory, steps: vec![step], output: 3 })
}

/// Cached values as `dtype` stores them, four bytes or two halves or four integers to a word.
fn cached(variant: &Variant, reals: &[f32], integers: &[i8]) -> Memory {
    match variant.dtype {
        Dtype::I8 => Memory::Input(integers.iter().map(|&q| q as u8).collect()),
        dtype => Memory::Input(stored(reals, dtype)),
    }
}

/// The same unfused: scores, weights and sums by a program each, with the scores in memory between them; `shape` as above.
pub(super) fn attention_naive(variant: &Variant, shape: [u64; 5], data: &Data) -> Result<Plan, String> {
    let [queries, context, heads, kv_heads, dim] = shape.map(|x| x as u32);
    if variant.knob("hd") != dim {
        return Err(format!("{variant} does not take heads of {dim}"));
    }
    if 3 * context as usize > 2 * SLICE - 1 {
        return Err(format!("{variant}: {context} tokens are more than one invocation may loop over"));
    }
    let scale = 1.0 / (dim as f32).sqrt();
    let params = vec![queries, context, heads, heads / kv_heads, scale.to_bits()];
    let wx = variant.knob("wx");
    let step =
        |program, grid, bindings: &[usize]| Step { program, params: params.clone(), grid, bindings: bindings.to_vec() };
    let scaled = variant.dtype == Dtype::I8;
    let with = |bindings: [usize; 3], scales| bindings.into_iter().chain(scaled.then_some(scales)).collect::<Vec<_>>();
    let steps = vec![
        step(0, [context.div_ceil(wx), heads, queries], &with([0, 1, 4], 5)),
        step(1, [(queries * heads).div_ceil(wx), 1, 1], &[4]),
        step(2, [dim.div_ceil(wx), heads, queries], &with([4, 2, 3], 6)),
    ];
    let ([keys, values], integers) = (halves(&data.b), halves(&data.b_int));
    let mut memory = vec![
        floats(&data.a),
        cached(variant, keys, integers[0]),
        cached(variant, values, integers[1]),
        Memory::Output(4 * data.a.len() as u64),
        Memory::Scratch(4 * shape[0] * shape[1] * shape[2]),
    ];
    if scaled {
        memory.extend(halves(&data.b_scale).map(floats));
    }
    Ok(Plan { label: variant.id(), programs: programs(variant)?, memory, steps, output: 3 })
}

/// What belongs to the keys, and what to the values.
fn halves<T>(both: &[T]) -> [&[T]; 2] {
    let (keys, values) = both.split_at(both.len() / 2);
    [keys, values]
}

/// Cached keys and values in the order in which subgroups read them: quads of tokens by dimension, quads of dimensions by
/// token, `unit` quads side by side.
struct Cache {
    context: usize,
    planes: usize,
    dim: usize,
    /// Tokens as stored.
    tokens: usize,
    unit: usize,
}

impl Cache {
    /// From `[plane][token][d]`.
    fn ordered<T: Copy + Default>(&self, keys: &[T], values: &[T]) -> [Vec<T>; 2] {
        let &Self { context, planes, dim, tokens, unit } = self;
        let mut by_dimension = vec![T::default(); planes * dim * tokens];
        let mut by_token = by_dimension.clone();
        for (at, (&key, &value)) in keys.iter().zip(values).enumerate() {
            let (plane, token, d) = (at / dim / context, at / dim % context, at % dim);
            let quad = (plane * dim / unit + d / unit) * tokens / 4 + token / 4;
            by_dimension[(quad * unit + d % unit) * 4 + token % 4] = key;
            let quad = (token / unit * planes + plane) * dim / 4 + d / 4;
            by_token[(quad * unit + token % unit) * 4 + d % 4] = value;
        }
        [by_dimension, by_token]
    }
}

/// The same with keys by dimension and rows in quads; `shape` as above.
pub(super) fn attention_lanes(variant: &Variant, shape: [usize; 5], data: &Data) -> Result<Plan, String> {
    let [queries, context, heads, kv_heads, dim] = shape;
    let [lanes, mr, fetched, most] = ["l", "mr", "fl", "sp"].map(|name| variant.knob(name) as usize);
    // Quads in a unit of 16 bytes.
    let unit = units::unit(variant.dtype) / 4;
    let at_once = 4 * lanes / mr.max(1); // values of a row that the lanes fetch together
    let whole =
        at_once > 0 && dim.is_multiple_of(at_once) && at_once.is_multiple_of(unit * fetched.min(at_once / unit).max(1));
    // Donors of weights come in whole rounds of the lanes.
    let donors = (fetched * unit / 4).clamp(1, lanes.max(1));
    if !lanes.is_multiple_of(donors) || (variant.knob("tex") > 0 && variant.dtype != Dtype::F32) {
        return Err(format!(
            "{variant}: {lanes} lanes do not give in rounds of {donors}, or textures hold no such type"
        ));
    }
    if variant.knob("hd") as usize != dim || !dim.is_multiple_of(4 * lanes) || !whole {
        return Err(format!("{variant} does not take heads of {dim}"));
    }
    let chunks = context.div_ceil(4 * lanes);
    let per_part = chunks.div_ceil(most.max(1));
    let parts = chunks.div_ceil(per_part);
    if per_part * (1 + dim / at_once + lanes) > 2 * SLICE - 1 {
        return Err(format!("{variant}: {context} tokens are more than one invocation may loop over"));
    }
    let group = heads / kv_heads;
    let rows = (queries * group).next_multiple_of(mr);
    let tokens = chunks * 4 * lanes;
    // Rows of a key/value head are its heads, query by query; four rows of one value side by side.
    let mut q = vec![0.0; kv_heads * rows * dim];
    for (at, values) in data.a.chunks_exact(dim).enumerate() {
        let (query, head) = (at / heads, at % heads);
        let (plane, row) = (head / group, query * group + head % group);
        for (d, &value) in values.iter().enumerate() {
            q[((plane * rows / 4 + row / 4) * dim + d) * 4 + row % 4] = value;
        }
    }
    let cache = Cache { context, planes: kv_heads, dim, tokens, unit };
    let input = |texels: Vec<f32>, width: usize| match variant.knob("tex") {
        0 => Memory::Input(stored(&texels, variant.dtype)),
        _ => {
            let height = (texels.len() / 4 / width) as u32;
            Memory::Texture { width: width as u32, height, texels: Texels::Floats(texels) }
        }
    };
    let q = if variant.knob("tex") == 0 { floats(&q) } else { input(q, dim) };
    let mut memory = vec![q];
    if variant.dtype == Dtype::I8 {
        let [keys, values] = halves(&data.b_int);
        memory.extend(cache.ordered(keys, values).map(|ordered| cached(variant, &[], &ordered)));
        let wide = |scales| pad(scales, [kv_heads, context], [kv_heads, tokens]);
        memory.push(floats(&halves(&data.b_scale).map(wide).concat()));
    } else {
        let [keys, values] = halves(&data.b);
        let [keys, values] = cache.ordered(keys, values);
        memory.extend([input(keys, tokens / 4), input(values, kv_heads * dim / 4)]);
    }
    let scale = (1.0 / (dim as f32).sqrt()).to_bits();
    let numbers = |of: &[usize]| of.iter().map(|&x| x as u32).collect::<Vec<_>>();
    let last = numbers(&[rows / 4, tokens / 4, kv_heads, parts, per_part * 4 * lanes]);
    let params = [numbers(&[queries, context, heads, group]), vec![scale], last].concat();
    let inputs: Vec<usize> = (0..memory.len()).collect();
    let output = memory.len();
    memory.push(Memory::Output(4 * data.a.len() as u64));
    let grid = [(rows / mr) as u32, kv_heads as u32, parts as u32];
    let step = |program, grid, bindings| Step { program, params: params.clone(), grid, bindings };
    let steps = if most == 0 {
        vec![step(0, grid, [&inputs[..], &[output]].concat())]
    } else {
        let sums = queries * heads * parts;
        memory.extend([Memory::Scratch(4 * (sums * dim) as u64), Memory::Scratch(8 * sums as u64)]);
        let [partial, tops] = [output + 1, output + 2];
        vec![
            step(0, grid, [&inputs[..], &[partial, tops]].concat()),
            step(1, [heads as u32, queries as u32, 1], vec![partial, tops, output]),
        ]
    };
    Ok(Plan { label: variant.id(), programs: programs(variant)?, memory, steps, output })
}

/// Values of an element of the buffers.
fn wide(variant: &Variant) -> usize {
    if variant.knob("v4") > 0 { 4 } else { 1 }
}

/// The output's size: rows are stored in whole elements.
pub(super) fn stored_shape(variant: &Variant, [rows, width]: [usize; 2]) -> [usize; 2] {
    [rows, width.next_multiple_of(wide(variant))]
}

pub(super) fn norm(variant: &Variant, shape: [usize; 2], data: &Data) -> Result<Plan, String> {
    let [rows, width] = shape;
    let stored = stored_shape(variant, shape);
    let params = [width, stored[1] / wide(variant)].map(|x| x as u32).to_vec();
    let step = Step { program: 0, params, grid: [rows as u32, 1, 1], bindings: vec![0, 1, 2] };
    let (x, weight) = (pad(&data.a, shape, stored), pad(&data.b, [1, width], [1, stored[1]]));
    let memory = vec![floats(&x), floats(&weight), Memory::Output(4 * (stored[0] * stored[1]) as u64)];
    Ok(Plan { label: variant.id(), programs: programs(variant)?, memory, steps: vec![step], output: 2 })
}

pub(super) fn activation(variant: &Variant, shape: [usize; 2], data: &Data) -> Result<Plan, String> {
    let [rows, width] = shape;
    let stored = stored_shape(variant, shape);
    let elements = stored[1] / wide(variant);
    let groups = (rows * elements).div_ceil(variant.knob("wx") as usize).min(1024) as u32;
    let params = [rows, elements].map(|x| x as u32).to_vec();
    let step = Step { program: 0, params, grid: [groups, 1, 1], bindings: vec![0, 1] };
    let x = pad(&data.a, [2 * rows, width], [2 * rows, stored[1]]);
    let memory = vec![floats(&x), Memory::Output(4 * (stored[0] * stored[1]) as u64)];
    Ok(Plan { label: variant.id(), programs: programs(variant)?, memory, steps: vec![step], output: 1 })
}

/// Bytes of workgroup memory and invocations of a workgroup.
pub(super) fn footprint(variant: &Variant) -> (u32, u32) {
    let wx = variant.knob("wx");
    match variant.family {
        Family::Attention => (8 * wx + 4 * variant.knob("hd"), wx),
        Family::AttentionLanes => (0, variant.knob("l")),
        Family::Norm if variant.knob("l") > 0 => (0, variant.knob("l")),
        Family::Norm => (4 * wx, wx),
        _ => (0, wx),
    }
}
