//! Planning what stands between the matrices of a layer: attention, norm, activation.

use super::data::{Data, pad};
use super::limits::SLICE;
use super::{Family, Variant, template};
use crate::gpu::{Memory, Plan, Program, Step};

pub(super) fn sources(variant: &Variant) -> Result<Vec<(&'static str, String)>, String> {
    let name = variant.family.name();
    let stages = if variant.family == Family::AttentionNaive { 3 } else { 1 };
    let knobs = ["wx", "hd", "l", "mr", "tex", "v4"];
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
    let steps = vec![
        step(0, [context.div_ceil(wx), heads, queries], &[0, 1, 4]),
        step(1, [(queries * heads).div_ceil(wx), 1, 1], &[4]),
        step(2, [dim.div_ceil(wx), heads, queries], &[4, 2, 3]),
    ];
    let (keys, values) = data.b.split_at(data.b.len() / 2);
    let scores = 4 * shape[0] * shape[1] * shape[2];
    let memory = vec![
        floats(&data.a),
        floats(keys),
        floats(values),
        Memory::Output(4 * data.a.len() as u64),
        Memory::Scratch(scores),
    ];
    Ok(Plan { label: variant.id(), programs: programs(variant)?, memory, steps, output: 3 })
}

/// The same with keys by dimension and rows in quads; `shape` as above.
pub(super) fn attention_lanes(variant: &Variant, shape: [usize; 5], data: &Data) -> Result<Plan, String> {
    let [queries, context, heads, kv_heads, dim] = shape;
    let [lanes, mr] = ["l", "mr"].map(|name| variant.knob(name) as usize);
    let at_once = 4 * lanes / mr.max(1); // values of a row that the lanes fetch together
    if variant.knob("hd") as usize != dim || !dim.is_multiple_of(4 * lanes) || !dim.is_multiple_of(at_once.max(1)) {
        return Err(format!("{variant} does not take heads of {dim}"));
    }
    let chunks = context.div_ceil(4 * lanes);
    if chunks * (1 + dim / at_once + lanes) > 2 * SLICE - 1 {
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
    let (keys, values) = data.b.split_at(data.b.len() / 2);
    let mut by_dimension = vec![0.0; kv_heads * dim * tokens];
    let mut by_token = vec![0.0; tokens * kv_heads * dim];
    for (at, (keys, values)) in keys.chunks_exact(dim).zip(values.chunks_exact(dim)).enumerate() {
        let (plane, token) = (at / context, at % context);
        for (d, &key) in keys.iter().enumerate() {
            by_dimension[(plane * dim + d) * tokens + token] = key;
        }
        by_token[(token * kv_heads + plane) * dim..][..dim].copy_from_slice(values);
    }
    let input = |texels: Vec<f32>, width: usize| match variant.knob("tex") {
        0 => floats(&texels),
        _ => Memory::Texture { width: width as u32, height: (texels.len() / 4 / width) as u32, texels },
    };
    let memory = vec![
        input(q, dim),
        input(by_dimension, tokens / 4),
        input(by_token, kv_heads * dim / 4),
        Memory::Output(4 * data.a.len() as u64),
    ];
    let scale = (1.0 / (dim as f32).sqrt()).to_bits();
    let params = [queries, context, heads, group].into_iter().map(|x| x as u32).chain([scale]);
    let params = params.chain([rows / 4, tokens / 4, kv_heads].map(|x| x as u32)).collect();
    let grid = [(rows / mr) as u32, kv_heads as u32, 1];
    let step = Step { program: 0, params, grid, bindings: vec![0, 1, 2, 3] };
    Ok(Plan { label: variant.id(), programs: programs(variant)?, memory, steps: vec![step], output: 3 })
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
