//! Planning few rows against streamed weights: decode and small batches, for every data type.

use super::data::{Data, bytes_by_row, nibbles_by_row, pad, stored, transpose};
use super::limits::SLICE;
use super::problem::GROUP;
use super::{Dtype, Variant, template};
use crate::gpu::{Memory, Plan, Program, Step};

const KNOBS: &[&str] = &["wx", "l", "r", "mb", "mt"];

pub(super) fn sources(variant: &Variant) -> Result<Vec<(&'static str, String)>, String> {
    Ok(vec![("gemv_units", template::render("gemv_units", variant, KNOBS, &[])?)])
}

/// Values of k in a unit of 16 bytes.
pub(super) fn unit(dtype: Dtype) -> usize {
    match dtype {
        Dtype::F32 | Dtype::U32 => 4,
        Dtype::F16 => 8,
        Dtype::I8 => 16,
        Dtype::Q4 => GROUP,
    }
}

/// `by_row`: the weights of `data` are W[n, k]; otherwise B[k, n].
pub(super) fn plan(variant: &Variant, [m, n, k]: [usize; 3], data: &Data, by_row: bool) -> Result<Plan, String> {
    let knob = |name| variant.knob(name) as usize;
    let programs = sources(variant)?.into_iter().map(|(_, source)| Program { label: variant.id(), source }).collect();
    let (rows, reach) = match knob("l") {
        0 => (knob("r"), knob("wx")),
        lanes => (knob("wx") / lanes * knob("r"), lanes),
    };
    let unit = unit(variant.dtype);
    let (mp, np, kp) = (m.next_multiple_of(knob("mb")), n.next_multiple_of(rows), k.next_multiple_of(unit * reach));
    let (w, x, scales) = packed(variant.dtype, data, [m, n, k], [mp, np, kp], by_row);
    let bindings = if scales.is_some() { vec![0, 1, 2, 3] } else { vec![0, 1, 2] };
    let memory = [w, x, Memory::Output(4 * (m * n) as u64)].into_iter().chain(scales).collect();
    let slice = SLICE / reach * reach;
    let steps = (0..kp / unit)
        .step_by(slice)
        .map(|k0| Step {
            program: 0,
            params: [m, n, kp / unit, k0, (kp / unit).min(k0 + slice)].map(|v| v as u32).to_vec(),
            grid: [(np / rows) as u32, (mp / knob("mb")) as u32, 1],
            bindings: bindings.clone(),
        })
        .collect();
    Ok(Plan { label: variant.id(), programs, memory, steps, output: 2 })
}

/// Weights by row, inputs and scales, as every kernel reads them that takes weights along k; lengths padded to
/// `[mp, np, kp]`.
pub(super) fn packed(
    dtype: Dtype,
    data: &Data,
    [m, n, k]: [usize; 3],
    [mp, np, kp]: [usize; 3],
    by_row: bool,
) -> (Memory, Memory, Option<Memory>) {
    let bytes = |words: &[u32]| Memory::Input(bytemuck::cast_slice(words).to_vec());
    let floats = |values: &[f32]| Memory::Input(bytemuck::cast_slice(values).to_vec());
    let integers = || if by_row { data.b_int.clone() } else { transpose(&data.b_int, [k, n]) };
    let reals = || if by_row { data.b.clone() } else { transpose(&data.b, [k, n]) };
    match dtype {
        Dtype::I8 => (
            bytes(&bytes_by_row(&integers(), [n, k], [np, kp])),
            bytes(&bytes_by_row(&data.a_int, [m, k], [mp, kp])),
            Some(floats(&[&data.a_scale[..], &data.b_scale].concat())),
        ),
        Dtype::Q4 => (
            bytes(&nibbles_by_row(&integers(), [n, k], [np, kp])),
            floats(&pad(&data.a, [m, k], [mp, kp])),
            Some(floats(&pad(&data.b_scale, [n, k.div_ceil(GROUP)], [np, kp / GROUP]))),
        ),
        dtype => (
            Memory::Input(stored(&pad(&reals(), [n, k], [np, kp]), dtype)),
            Memory::Input(stored(&pad(&data.a, [m, k], [mp, kp]), dtype)),
            None,
        ),
    }
}

/// Bytes of workgroup memory and invocations of a workgroup.
pub(super) fn footprint(variant: &Variant) -> (u32, u32) {
    let knob = |name| variant.knob(name);
    (if knob("l") > 0 { 0 } else { 4 * knob("wx") * knob("r") * knob("mb") }, knob("wx"))
}
