//! Whether an adapter can run a variant at all. "Unavailable here" is not "wrong".

use super::{Dtype, Family, Problem, Variant, gemm, gemv, stream};
use crate::gpu::Caps;

/// Refuses a variant that needs what the adapter lacks, or a problem outside the adapter's limits. The text says which.
pub fn legal(variant: &Variant, problem: Problem, caps: &Caps) -> Result<(), String> {
    let (workgroup_bytes, invocations) = footprint(variant);
    let lanes = variant.knob("l");
    let [m, n, k] = problem.mnk();
    let texture = u64::from(caps.texture);
    let sides = match (variant.family, problem) {
        (Family::GemmRegisters | Family::GemmLanes, _) => [k + 64, m.max(n) / 4 + 256],
        (Family::GemvColumns, _) => [k + 64, n / 4 + 256],
        _ => [n + 256, k / 4 + 64],
    };
    let refuse = |condition: bool, why: String| if condition { Err(why) } else { Ok(()) };
    refuse(lanes > 0 && !caps.subgroup, "no subgroup operations".into())?;
    refuse(lanes > 0 && caps.lanes != lanes, format!("subgroups of {} lanes, not {lanes}", caps.lanes))?;
    refuse(variant.dtype == Dtype::F16 && !caps.f16, "no f16 in shaders".into())?;
    refuse(workgroup_bytes > caps.workgroup_bytes, format!("{workgroup_bytes} bytes of workgroup memory"))?;
    refuse(invocations > caps.invocations, format!("{invocations} invocations in a workgroup"))?;
    refuse(variant.knob("tex") > 0 && sides.iter().any(|&s| s > texture), format!("a texture side over {texture}"))?;
    let largest = (4 * (m * k).max(k * n).max(m * n)).div_ceil(2);
    refuse(variant.knob("tex") == 0 && largest > caps.binding, format!("a binding over {} bytes", caps.binding))
}

/// Bytes of workgroup memory and invocations of a workgroup.
pub fn footprint(variant: &Variant) -> (u32, u32) {
    match variant.family {
        Family::GemmNaive | Family::GemmTiled | Family::GemmRegisters | Family::GemmLanes => gemm::footprint(variant),
        Family::GemvRow | Family::GemvLanes | Family::GemvShared | Family::GemvColumns => gemv::footprint(variant),
        Family::StreamRead | Family::Empty => stream::footprint(variant),
        Family::CpuGemm | Family::CpuGemv | Family::CpuRead | Family::CpuLaunch => (0, 0),
    }
}
