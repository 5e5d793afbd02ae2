//! Whether an adapter can run a variant at all. "Unavailable here" is not "wrong".

use super::{Dtype, Family, Problem, Variant, gemm, gemv, stream, token, units};
use crate::gpu::Caps;

/// Refuses a variant that needs what the adapter lacks, or a problem outside the adapter's limits. The text says which.
pub fn legal(variant: &Variant, problem: Problem, caps: &Caps) -> Result<(), String> {
    let (workgroup_bytes, invocations) = footprint(variant);
    let lanes = variant.knob("l");
    let [m, n, k] = problem.mnk();
    let texture = u64::from(caps.texture);
    let sides = match (variant.family, problem) {
        (Family::GemmTiled | Family::GemmRegisters | Family::GemmLanes, _) => [k + 64, m.max(n) / 4 + 256],
        (Family::AttentionLanes, Problem::Attention { queries, context, heads, kv_heads, head_dim }) => {
            let planes = (queries * heads / 4 + 4 * kv_heads).max(head_dim * kv_heads);
            [planes, context + 4 * u64::from(lanes)]
        }
        (Family::GemvColumns, _) => [k + 64, n / 4 + 256],
        _ => [n + 256, k / 4 + 64],
    };
    let refuse = |condition: bool, why: String| if condition { Err(why) } else { Ok(()) };
    refuse(lanes > 0 && !caps.subgroup, "no subgroup operations".into())?;
    let whole = invocations > 0 && invocations.is_multiple_of(caps.widest.max(1));
    let cooperative = variant.family == Family::GemmCooperative;
    refuse(cooperative && !whole, format!("{invocations} invocations are no whole subgroups of {}", caps.widest))?;
    // One subgroup of a workgroup may be longer than it is laid out for; several must be as long as they are thought, but
    // for kernels that ask how many they are.
    let fits = match variant.family {
        Family::GemmCooperative => true,
        Family::GemvUnits if invocations > lanes => whole,
        _ if invocations == lanes => lanes <= caps.lanes,
        _ => lanes == caps.lanes && lanes == caps.widest,
    };
    let range =
        if caps.lanes == caps.widest { caps.lanes.to_string() } else { format!("{} to {}", caps.lanes, caps.widest) };
    refuse(lanes > 0 && !fits, format!("subgroups of {range} lanes, not {lanes}"))?;
    // Kernels that unpack halves themselves need no f16 in shaders.
    let unpacked = match variant.family {
        Family::GemvUnits | Family::AttentionNaive | Family::AttentionLanes => true,
        _ => variant.knob("wd") > 0,
    };
    let halves = cooperative || variant.dtype == Dtype::F16 && !unpacked;
    refuse(halves && !caps.f16, "no f16 in shaders".into())?;
    let side = variant.knob("cs");
    refuse(side > 0 && !caps.cooperative.contains(&side), format!("no cooperative matrices of {side} x {side}"))?;
    refuse(workgroup_bytes > caps.workgroup_bytes, format!("{workgroup_bytes} bytes of workgroup memory"))?;
    refuse(invocations > caps.invocations, format!("{invocations} invocations in a workgroup"))?;
    refuse(variant.knob("tex") > 0 && sides.iter().any(|&s| s > texture), format!("a texture side over {texture}"))?;
    let width = |bytes: f64, values: u64| (bytes * values as f64) as u64;
    let (inputs, weights) = (variant.dtype.input_bytes(), variant.dtype.weight_bytes());
    let scores = match (variant.family, problem) {
        (Family::AttentionNaive, Problem::Attention { queries, context, heads, .. }) => 4 * queries * context * heads,
        _ => 0,
    };
    let largest = width(inputs, m * k).max(width(weights, k * n)).max(4 * m * n).max(scores);
    refuse(variant.knob("tex") == 0 && largest > caps.binding, format!("a binding over {} bytes", caps.binding))
}

/// Bytes of workgroup memory and invocations of a workgroup.
pub fn footprint(variant: &Variant) -> (u32, u32) {
    match variant.family {
        Family::GemmNaive | Family::GemmTiled | Family::GemmRegisters | Family::GemmLanes => gemm::footprint(variant),
        Family::GemvRow | Family::GemvLanes | Family::GemvShared | Family::GemvColumns => gemv::footprint(variant),
        Family::GemmCooperative => gemm::footprint(variant),
        Family::GemvUnits => units::footprint(variant),
        Family::Attention | Family::AttentionNaive | Family::AttentionLanes | Family::Norm | Family::Activation => {
            token::footprint(variant)
        }
        Family::StreamRead | Family::StreamCopy | Family::FmaChain | Family::Empty => stream::footprint(variant),
        Family::CpuGemm | Family::CpuGemv | Family::CpuRead | Family::CpuLaunch => (0, 0),
    }
}
