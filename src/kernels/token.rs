//! Planning what stands between the matrices of a layer: attention, norm, activation.

use super::data::Data;
use super::{Family, Variant, template};
use crate::gpu::{Memory, Plan, Program, Step};

pub(super) fn sources(variant: &Variant) -> Result<Vec<(&'static str, String)>, String> {
    let name = variant.family.name();
    Ok(vec![(name, template::render(name, variant, &["wx", "hd"], &[])?)])
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

pub(super) fn norm(variant: &Variant, [rows, width]: [u64; 2], data: &Data) -> Result<Plan, String> {
    let step = Step { program: 0, params: vec![width as u32], grid: [rows as u32, 1, 1], bindings: vec![0, 1, 2] };
    let memory = vec![floats(&data.a), floats(&data.b), Memory::Output(4 * rows * width)];
    Ok(Plan { label: variant.id(), programs: programs(variant)?, memory, steps: vec![step], output: 2 })
}

pub(super) fn activation(variant: &Variant, [rows, width]: [u64; 2], data: &Data) -> Result<Plan, String> {
    let groups = (rows * width).div_ceil(u64::from(variant.knob("wx"))).min(1024) as u32;
    let step = Step { program: 0, params: vec![rows as u32, width as u32], grid: [groups, 1, 1], bindings: vec![0, 1] };
    let memory = vec![floats(&data.a), Memory::Output(4 * rows * width)];
    Ok(Plan { label: variant.id(), programs: programs(variant)?, memory, steps: vec![step], output: 1 })
}

/// Bytes of workgroup memory and invocations of a workgroup.
pub(super) fn footprint(variant: &Variant) -> (u32, u32) {
    let wx = variant.knob("wx");
    match variant.family {
        Family::Attention => (8 * wx + 4 * variant.knob("hd"), wx),
        Family::Norm => (4 * wx, wx),
        _ => (0, wx),
    }
}
