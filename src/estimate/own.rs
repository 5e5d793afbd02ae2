//! The arithmetic of a device that this program measured: rates of its own verified kernels, sustained ones.
//!
//! Nothing is lost on top of what was timed. What was timed is one kernel at a time, so that compute and memory are
//! added rather than overlapped. Device memory is the f32 stream; a type that streams another rate has that share of it.

use super::constants::{Kernel, Kind};
use super::op::Arithmetic;
use super::path::{Family, Path};
use crate::device::measured_paths::MeasuredPath;
use crate::device::reach::Reached;
use crate::precision::Precision;
use crate::setup::MeasuredRates;
use crate::units::FlopRate;

/// Arithmetic and constants of weights stored so: of the fastest verified kernels that hold them, grouped experts too;
/// where those were not measured, each expert is taken to be a product like any other.
pub fn arithmetic(
    measured: &MeasuredRates,
    kind: Kind,
    stored: Precision,
    activations: Option<Precision>,
) -> Arithmetic {
    let paths = &measured.paths;
    if let (Kind::Experts, Some((operand, reached))) = (kind, measured.reach.experts.holding(stored, activations)) {
        // The share is one of the f32 roofs, whatever the type of the weights.
        let (weight_bytes, activation_bytes) = (operand.weight_bytes(), operand.activation_bytes());
        let path = Path { weight_bytes, activation_bytes, operand: Some(operand), ..of(paths.single()) };
        return Arithmetic { path, kernel: at(reached) };
    }
    let path = paths.best(stored, activations);
    let memory = path.stream_byte_s / paths.single().stream_byte_s;
    let launch = path.products.as_ref().map_or(measured.launch.get(), |products| products.call_s);
    Arithmetic { path: of(path), kernel: Kernel { memory, launch, ..Kernel::IDEAL } }
}

fn of(path: &MeasuredPath) -> Path {
    Path {
        // No constants hang on it: the kernels' own are beside it.
        family: Family::Bf16,
        rate: FlopRate::new(path.gemm_flop_s),
        weight_bytes: path.operand.weight_bytes(),
        activation_bytes: path.operand.activation_bytes(),
        operand: Some(path.operand),
    }
}

/// Constants of a kernel that is no product of weights.
pub fn kernel(measured: &MeasuredRates, kind: Kind) -> Kernel {
    match kind {
        Kind::Gemm | Kind::Experts => Kernel { launch: measured.launch.get(), ..Kernel::IDEAL },
        Kind::AttentionPrefill | Kind::AttentionDecode | Kind::LatentDecode => {
            attention(measured, kind, Precision::F32)
        }
    }
}

/// Constants of attention over a cache that is stored so, by the measured kernels that stream it soonest. They move their
/// own type, also where it is wider.
pub fn attention(measured: &MeasuredRates, kind: Kind, cache: Precision) -> Kernel {
    let reach = if kind == Kind::AttentionPrefill { measured.reach.prefill } else { measured.reach.decode };
    match reach.holding(cache, Some(cache).filter(|c| c.bits() > 9.0)) {
        Some((operand, reached)) => {
            let kernel = at(reached);
            Kernel { memory: kernel.memory * (cache.bytes() / operand.weight_bytes()).min(1.0), ..kernel }
        }
        None => Kernel { launch: measured.launch.get(), ..Kernel::IDEAL },
    }
}

fn at(reached: Reached) -> Kernel {
    Kernel { compute: reached.share, memory: reached.share, launch: reached.call_s, ..Kernel::IDEAL }
}
