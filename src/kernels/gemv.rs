//! Planning a matrix-vector product: how W is laid out for a variant, and which dispatches cover y.

use super::data::{Data, pad, stored, transpose};
use super::{Family, SLICE, Variant, template};
use crate::gpu::{Memory, Plan, Program, Step};

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
        _ => (knob("wx"), if knob("v4") > 0 { 4 } else { 1 }),
    }
}

pub(super) fn plan(variant: &Variant, [n, k]: [usize; 2], data: &Data) -> Result<Plan, String> {
    let programs = sources(variant)?
        .into_iter()
        .map(|(name, source)| Program { label: format!("{variant} {name}"), source })
        .collect();
    let (rows, depth) = tile(variant);
    let (np, kp) = (n.next_multiple_of(rows), k.next_multiple_of(depth));
    let by_column = variant.family == Family::GemvColumns;
    let scalar = variant.family == Family::GemvRow && variant.knob("v4") == 0;
    let mut weights = pad(&data.b, [n, k], [np, kp]);
    if by_column {
        weights = transpose(&weights, [np, kp]);
    }
    let x = pad(&data.a, [1, k], [1, kp]);
    let (width, height) = if by_column { (np / 4, kp) } else { (kp / 4, np) };
    let (w, x) = if variant.knob("tex") > 0 {
        let texture = |width: usize, height: usize, texels| Memory::Texture {
            width: width as u32,
            height: height as u32,
            texels,
        };
        (texture(width, height, weights), texture(kp / 4, 1, x))
    } else {
        (Memory::Input(stored(&weights, variant.dtype)), Memory::Input(stored(&x, variant.dtype)))
    };
    let unit = if scalar { 1 } else { 4 };
    let slice = SLICE / depth * depth;
    let steps = (0..kp)
        .step_by(slice)
        .map(|k0| Step {
            program: 0,
            params: [n, if scalar { kp } else { width }, k0 / unit, kp.min(k0 + slice) / unit]
                .map(|v| v as u32)
                .to_vec(),
            grid: [(np / rows) as u32, 1, 1],
            bindings: vec![0, 1, 2],
        })
        .collect();
    Ok(Plan { label: variant.id(), programs, memory: vec![w, x, Memory::Output(4 * n as u64)], steps, output: 2 })
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
