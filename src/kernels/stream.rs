//! Planning the streams and the empty dispatch, from which the roofs of memory and launch come.

use super::data::Data;
use super::{Family, Variant, template, twin};
use crate::gpu::{Memory, Plan, Program, Step};

pub(super) fn sources(variant: &Variant) -> Result<Vec<(&'static str, String)>, String> {
    let name = variant.family.name();
    Ok(vec![(name, template::render(name, variant, &["wx", "u"], &[])?)])
}

fn programs(variant: &Variant) -> Result<Vec<Program>, String> {
    Ok(sources(variant)?.into_iter().map(|(_, source)| Program { label: variant.id(), source }).collect())
}

pub(super) fn read(variant: &Variant, data: &Data) -> Result<Plan, String> {
    let invocations = variant.knob("wx") * variant.knob("wg");
    let bytes: Vec<u8> = data.a.iter().flat_map(|w| w.to_bits().to_le_bytes()).collect();
    if !bytes.len().is_multiple_of(16) {
        return Err("a stream is a whole number of quads".into());
    }
    let quads = (bytes.len() / 16) as u32;
    let step =
        Step { program: 0, params: vec![quads, invocations], grid: [variant.knob("wg"), 1, 1], bindings: vec![0, 1] };
    let memory = vec![Memory::Input(bytes), Memory::Output(4 * u64::from(invocations))];
    Ok(Plan { label: variant.id(), programs: programs(variant)?, memory, steps: vec![step], output: 1 })
}

pub(super) fn copy(variant: &Variant, data: &Data) -> Result<Plan, String> {
    let bytes: Vec<u8> = data.a.iter().flat_map(|w| w.to_bits().to_le_bytes()).collect();
    if !bytes.len().is_multiple_of(16) {
        return Err("a stream is a whole number of quads".into());
    }
    let invocations = variant.knob("wx") * variant.knob("wg");
    let params = vec![(bytes.len() / 16) as u32, invocations];
    let step = Step { program: 0, params, grid: [variant.knob("wg"), 1, 1], bindings: vec![0, 1] };
    let memory = vec![Memory::Output(bytes.len() as u64), Memory::Input(bytes)];
    let step = Step { bindings: vec![1, 0], ..step };
    Ok(Plan { label: variant.id(), programs: programs(variant)?, memory, steps: vec![step], output: 0 })
}

pub(super) fn fma(variant: &Variant, [chains, steps]: [u64; 2], data: &Data) -> Result<Plan, String> {
    if !steps.is_multiple_of(4) {
        return Err("a chain is a whole number of four steps".into());
    }
    let step = Step {
        program: 0,
        params: vec![chains as u32, steps as u32, 1.0_f32.to_bits(), 1.0_f32.to_bits()],
        grid: [(chains.div_ceil(8) as u32).div_ceil(variant.knob("wx")), 1, 1],
        bindings: vec![0, 1],
    };
    let memory = vec![Memory::Input(bytemuck::cast_slice(&data.a).to_vec()), Memory::Output(4 * chains)];
    Ok(Plan { label: variant.id(), programs: programs(variant)?, memory, steps: vec![step], output: 1 })
}

pub(super) fn launch(variant: &Variant) -> Result<Plan, String> {
    let step = Step { program: 0, params: vec![twin::LAUNCHED], grid: [1, 1, 1], bindings: vec![0] };
    Ok(Plan {
        label: variant.id(),
        programs: programs(variant)?,
        memory: vec![Memory::Output(4)],
        steps: vec![step],
        output: 0,
    })
}

/// Bytes of workgroup memory and invocations of a workgroup.
pub(super) fn footprint(variant: &Variant) -> (u32, u32) {
    (0, if variant.family == Family::Empty { 1 } else { variant.knob("wx") })
}
