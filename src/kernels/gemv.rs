//! Planning a matrix-vector product: how W is laid out for a variant, and which dispatches cover y.

use super::data::{Data, pad, stored, transpose};
use super::limits::SLICE;
use super::problem::GROUP;
use super::{Dtype, Family, Variant, template, units};
use crate::gpu::{Memory, Plan, Program, Step, Texels};

const KNOBS: &[&str] = &["wx", "v4", "tex", "l", "sg", "r", "u", "nv"];

pub(super) fn sources(variant: &Variant) -> Result<Vec<(&'static str, String)>, String> {
    let name = variant.family.name();
    Ok(vec![(name, template::render(name, variant, KNOBS, &[])?)])
}

/// Rows one workgroup covers, and values of k one step of a workgroup's loop covers.
fn tile(variant: &Variant) -> (usize, usize) {
    let knob = |name| variant.knob(name) as usize;
    match variant.family {
        Family::GemvLanes => (knob("sg") * knob("r"), 4 * knob("l") * knob("u")),
        Family::GemvShared => (knob("r"), 4 * knob("wx")),
        Family::GemvColumns => (4 * knob("wx") * knob("nv"), 4 * knob("u")),
        _ => (knob("wx"), if variant.dtype == Dtype::Q4 { GROUP } else { element(variant) }),
    }
}

/// Values of k in one element of the buffers.
fn element(variant: &Variant) -> usize {
    match variant.dtype {
        Dtype::I8 => 4,
        Dtype::Q4 => 8,
        _ if variant.family == Family::GemvRow && variant.knob("v4") == 0 => 1,
        _ => 4,
    }
}

pub(super) fn plan(variant: &Variant, [n, k]: [usize; 2], data: &Data) -> Result<Plan, String> {
    let programs = sources(variant)?
        .into_iter()
        .map(|(name, source)| Program { label: format!("{variant} {name}"), source })
        .collect();
    let (rows, depth) = tile(variant);
    let (np, kp) = (n.next_multiple_of(rows), k.next_multiple_of(depth));
    let integers = matches!(variant.dtype, Dtype::I8 | Dtype::Q4);
    if integers && (variant.family != Family::GemvRow || variant.knob("v4") > 0) {
        return Err(format!("{variant} cannot read integers"));
    }
    let by_column = variant.family == Family::GemvColumns;
    let element = element(variant);
    let (width, height) = if by_column { (np / 4, kp) } else { (kp / element, np) };
    let (w, x, scales) = if variant.knob("tex") == 0 && !by_column {
        units::packed(variant.dtype, data, [1, n, k], [1, np, kp], true)
    } else {
        let weights = pad(&data.b, [n, k], [np, kp]);
        let weights = if by_column { transpose(&weights, [np, kp]) } else { weights };
        let x = pad(&data.a, [1, k], [1, kp]);
        let memory = |width: usize, height: usize, texels: Vec<f32>| match variant.knob("tex") {
            0 => Memory::Input(stored(&texels, variant.dtype)),
            _ => Memory::Texture { width: width as u32, height: height as u32, texels: Texels::Floats(texels) },
        };
        (memory(width, height, weights), memory(kp / 4, 1, x), None)
    };
    let bindings = if scales.is_some() { vec![0, 1, 2, 3] } else { vec![0, 1, 2] };
    let memory = [w, x, Memory::Output(4 * n as u64)].into_iter().chain(scales).collect();
    let slice = SLICE / depth * depth;
    let steps = (0..kp)
        .step_by(slice)
        .map(|k0| Step {
            program: 0,
            params: [n, width, k0 / element, kp.min(k0 + slice) / element].map(|v| v as u32).to_vec(),
            grid: [(np / rows) as u32, 1, 1],
            bindings: bindings.clone(),
        })
        .collect();
    Ok(Plan { label: variant.id(), programs, memory, steps, output: 2 })
}

/// Bytes of workgroup memory and invocations of a workgroup.
pub(super) fn footprint(variant: &Variant) -> (u32, u32) {
    let knob = |name| variant.knob(name);
    match variant.family {
        Family::GemvLanes => (0, knob("l") * knob("sg")),
        Family::GemvShared => (4 * knob("wx") * knob("r"), knob("wx")),
        _ => (0, knob("wx")),
    }
}
