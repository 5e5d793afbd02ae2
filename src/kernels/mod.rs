//! Kernel variants: what can be computed ([`Problem`]), the ways to compute it ([`Variant`]), their WGSL, what the
//! result must be ([`twin`]), and the judgement ([`gate`]).
//!
//! A variant's source is a template in `shaders/` filled with its knobs ([`template`]); shapes are uniforms, so one
//! pipeline serves every shape. [`plan`] turns a variant, a problem and its inputs into GPU work.

pub mod data;
pub mod freivalds;
pub mod gate;
mod gemm;
mod gemv;
pub mod host_gemm;
pub mod legal;
mod limits;
mod problem;
pub mod space;
mod stream;
pub mod template;
mod token;
pub mod twin;
mod units;
mod variant;

pub use data::{Data, Fill};
pub use problem::{Dtype, Problem};
pub use variant::{Family, NoVariant, Variant};

use crate::gpu::{Plan, Step};

/// The GPU work that computes `problem` by `variant`, in at most `bands` pieces that may be submitted apart.
///
/// Fails where the variant does not compute such a problem at all; whether an adapter can run it is
/// [`legal::legal`]'s question.
pub fn plan(variant: &Variant, problem: Problem, data: &Data, bands: usize) -> Result<Plan, String> {
    match (variant.family, problem) {
        (
            Family::GemmNaive | Family::GemmTiled | Family::GemmRegisters | Family::GemmLanes,
            Problem::Gemm { m, n, k },
        ) => gemm::plan(variant, [m as usize, n as usize, k as usize], data, bands),
        (Family::GemvRow | Family::GemvLanes | Family::GemvShared | Family::GemvColumns, Problem::Gemv { n, k }) => {
            gemv::plan(variant, [n as usize, k as usize], data)
        }
        (Family::GemmCooperative, Problem::Gemm { m, n, k }) => {
            gemm::plan(variant, [m as usize, n as usize, k as usize], data, bands)
        }
        (Family::GemvUnits, Problem::Gemv { n, k }) => units::plan(variant, [1, n as usize, k as usize], data, true),
        (Family::GemvUnits, Problem::Gemm { m, n, k }) => {
            units::plan(variant, [m as usize, n as usize, k as usize], data, false)
        }
        (Family::GemmNaive | Family::GemmTiled, Problem::Experts { m, experts, n, k }) => {
            gemm::experts(variant, [m, experts, n, k].map(|x| x as usize), data)
        }
        (Family::Attention, Problem::Attention { queries, context, heads, kv_heads, head_dim }) => {
            token::attention(variant, [queries, context, heads, kv_heads, head_dim], data)
        }
        (Family::AttentionNaive, Problem::Attention { queries, context, heads, kv_heads, head_dim }) => {
            token::attention_naive(variant, [queries, context, heads, kv_heads, head_dim], data)
        }
        (Family::AttentionLanes, Problem::Attention { queries, context, heads, kv_heads, head_dim }) => {
            token::attention_lanes(variant, [queries, context, heads, kv_heads, head_dim].map(|x| x as usize), data)
        }
        (Family::Norm, Problem::Norm { rows, width }) => token::norm(variant, [rows, width].map(|x| x as usize), data),
        (Family::Activation, Problem::Activation { rows, width }) => {
            token::activation(variant, [rows, width].map(|x| x as usize), data)
        }
        (Family::StreamCopy, Problem::Copy { .. }) => stream::copy(variant, data),
        (Family::FmaChain, Problem::Fma { chains, steps }) => stream::fma(variant, [chains, steps], data),
        (Family::StreamRead, Problem::Read { .. }) => stream::read(variant, data),
        (Family::Empty, Problem::Launch | Problem::Submit) => stream::launch(variant),
        _ => Err(format!("{variant} does not compute a {}", problem.kernel())),
    }
}

/// The dispatches of [`plan`] again, cut into at most `bands` bands of rows. Only a GEMM can be cut.
pub fn steps(variant: &Variant, problem: Problem, bands: usize) -> Option<Vec<Step>> {
    match problem {
        _ if variant.family == Family::GemvUnits => None,
        Problem::Gemm { m, n, k } => Some(gemm::steps(variant, [m as usize, n as usize, k as usize], bands)),
        _ => None,
    }
}

/// Turns a kernel's raw output into what the twin is compared with: streams leave one partial sum per invocation,
/// cooperative kernels whole tiles, wide ones whole quads.
pub fn finish(variant: &Variant, problem: Problem, output: Vec<u8>) -> Vec<u8> {
    let [m, n, _] = problem.mnk().map(|x| x as usize);
    let stored = match variant.family {
        Family::StreamRead => {
            let words = output.chunks_exact(4).map(|w| u32::from_le_bytes([w[0], w[1], w[2], w[3]]));
            return twin::fold(words).to_le_bytes().to_vec();
        }
        Family::GemmCooperative => gemm::stored_shape(variant, [m, n]),
        Family::Norm | Family::Activation => token::stored_shape(variant, [m, n]),
        _ => [m, n],
    };
    if stored == [m, n] {
        return output;
    }
    output.chunks_exact(4 * stored[1]).take(m).flat_map(|row| row[..4 * n].to_vec()).collect()
}

/// The finished WGSL of every program a variant needs, by template name.
pub fn sources(variant: &Variant) -> Result<Vec<(&'static str, String)>, String> {
    match variant.family {
        Family::GemmNaive | Family::GemmTiled | Family::GemmRegisters | Family::GemmLanes => gemm::sources(variant),
        Family::GemvRow | Family::GemvLanes | Family::GemvShared | Family::GemvColumns => gemv::sources(variant),
        Family::GemmCooperative => gemm::sources(variant),
        Family::GemvUnits => units::sources(variant),
        Family::Attention | Family::AttentionNaive | Family::AttentionLanes | Family::Norm | Family::Activation => {
            token::sources(variant)
        }
        Family::StreamRead | Family::StreamCopy | Family::FmaChain | Family::Empty => stream::sources(variant),
        Family::CpuGemm | Family::CpuGemv | Family::CpuRead | Family::CpuLaunch => Ok(Vec::new()),
    }
}
