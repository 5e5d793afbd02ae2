//! The small kernels of a layer: norms, residuals, activations, of a serving engine and of this program.

use super::bound::Class;
use super::choice::Choice;
use super::constants::{Kernel, Kind};
use super::op::{Op, Work};
use super::path::Family;
use crate::device::reach::Reached;
use crate::model::Class as WeightClass;
use crate::model::spec::{Core, Layer, Part};
use crate::setup::MeasuredRates;

/// Bytes of a 32-bit activation.
const SINGLE: f64 = 4.0;

/// The small kernels of a layer: this program's own on a device that it measured, else those of the engine.
pub fn of_layer(choice: &Choice<'_>, layer: &Layer, calls: f64) -> Vec<Op> {
    match &choice.setup.hardware.measured {
        Some(measured) => own(choice.setup.model.hidden as f64, layer, calls, measured),
        None => vec![fitted(choice, layer, calls)],
    }
}

/// Norms, residuals, activations of an engine: passes over the hidden vectors, as fitted.
fn fitted(choice: &Choice<'_>, layer: &Layer, calls: f64) -> Op {
    let shared = &choice.machine.shared;
    let plain = Kernel { memory: shared.elementwise_memory, ..choice.kernel(Kind::Gemm, Family::Bf16) };
    let llama = choice.llama(WeightClass::Rest);
    let (kernels, kernel) = match llama {
        Some((llama, situation)) => (1.0, Kernel { launch: llama.layer(&situation), ..plain }),
        None => (many(layer), plain),
    };
    let sorts = llama.filter(|_| layer.experts.is_some());
    let token_s = sorts.map_or(0.0, |(llama, situation)| llama.sorting(&situation));
    let bytes_per_token = choice.setup.model.hidden as f64 * shared.elementwise_bytes;
    Op::new("norms, residuals", Class::Gemm, calls, Work::Elementwise { bytes_per_token, token_s, kernels, kernel })
}

/// The small kernels this program has and measures, in 32 bit: two norms a layer, each of which reads and writes
/// the hidden vectors, and an activation that makes one vector of two.
fn own(hidden: f64, layer: &Layer, calls: f64, measured: &MeasuredRates) -> Vec<Op> {
    let op = |name, reached: Reached, bytes_per_token: f64, calls: f64| {
        let kernel = Kernel { memory: reached.share, launch: reached.call_s, ..Kernel::IDEAL };
        Op::new(name, Class::Gemm, calls, Work::Elementwise { bytes_per_token, token_s: 0.0, kernels: 1.0, kernel })
    };
    let mut ops = vec![op("norms", measured.reach.norm, 2.0 * SINGLE * hidden, 2.0 * calls)];
    for linear in layer.linears.iter().filter(|l| l.name == "gate_up") {
        let width = linear.outputs as f64 / 2.0;
        ops.push(op("activation", measured.reach.activation, 3.0 * SINGLE * width, calls));
    }
    ops
}

/// Small kernels of a layer beside those that are operations of their own: norms, rotary positions, cache writes,
/// activations, routing. Counted in traces of open engines; how long one takes is fitted per engine.
fn many(layer: &Layer) -> f64 {
    let mixer = match &layer.core {
        Core::Softmax { joint_norm: true, .. } => 7.0,
        Core::Softmax { .. } => 3.0,
        Core::Latent { indexer, .. } => 6.0 + if indexer.is_some() { 4.0 } else { 0.0 },
        Core::Compressed { .. } => 10.0,
        Core::Recurrent { .. } => 8.0,
        Core::None => 0.0,
    };
    let shared = layer.linears.iter().any(|l| l.part == Part::Shared);
    let feeds = layer.experts.is_some() || layer.linears.iter().any(|l| l.part == Part::Dense);
    mixer + if feeds { 2.0 } else { 0.0 } + if shared { 1.0 } else { 0.0 }
}
