//! `forward(setup) -> op list`: every operation of a step on the busiest rank, layers of one shape folded.
//!
//! Shapes come from the model description; here is what stands around the layers, and the draft.

use super::bound::Class;
use super::calibration::Calibration;
use super::choice::Choice;
use super::collectives::hand_over;
use super::constants::{Kernel, Kind};
use super::layer;
use super::machine::Machine;
use super::op::{Op, Rows, Work};
use super::path::Family;
use crate::model::Class as WeightClass;
use crate::model::spec::Layer;
use crate::setup::Setup;

/// Name of the LM head.
pub const HEAD: &str = "LM head";
/// Name of what stands around the layers.
pub const ENDS: &str = "embedding, sampling";
/// Name of what stages pass on.
pub const HAND_OVER: &str = "hand over";

/// Kernels of a step outside the layers.
const STEP_KERNELS: f64 = 6.0;

/// Every operation of a step, those of guessing one token last.
///
/// `prompt` says whether the step carries prompt tokens: some engines have other kernels for them.
pub fn ops(setup: &Setup, calibration: &Calibration, machine: &Machine, prompt: bool) -> Vec<Op> {
    let choice = Choice { setup, calibration, machine, prompt };
    let mut ops = Vec::new();
    for one in &setup.model.layers {
        ops.extend(layer::ops(&choice, one, one.count as f64));
    }
    ops.push(head(&choice));
    ops.extend(ends(&choice));
    if let Some(one) = setup.draft_layer() {
        ops.extend(draft(&choice, one));
    }
    ops
}

/// One guessed token: a layer over the hidden vector and the embedding of the last token, and the LM head.
fn draft(choice: &Choice<'_>, one: &Layer) -> Vec<Op> {
    let hidden = choice.setup.model.hidden as f64;
    let (by, or) = choice.arithmetic(Kind::Gemm, WeightClass::Rest);
    let n = (hidden / choice.setup.layout.tp as f64).ceil();
    let join = Work::Gemm { n, k: 2.0 * hidden, rows: Rows::Rank, by, or };
    let mut ops = vec![Op::new("draft input", Class::Gemm, 1.0, join)];
    ops.extend(layer::ops(choice, one, 1.0));
    ops.push(head(choice));
    ops.into_iter().map(|op| Op { draft: true, ..op }).collect()
}

fn head(choice: &Choice<'_>) -> Op {
    let model = &choice.setup.model;
    let (by, or) = choice.arithmetic(Kind::Gemm, WeightClass::Head);
    let n = (model.vocab as f64 / choice.setup.layout.tp as f64).ceil();
    let k = model.hidden as f64;
    Op::new(HEAD, Class::Gemm, 1.0, Work::Gemm { n, k, rows: Rows::Logits, by, or })
}

/// Embedding, final norm, sampling: kernels of a step, whatever the layers; and what stages hand over.
fn ends(choice: &Choice<'_>) -> Vec<Op> {
    let kernel = choice.kernel(Kind::Gemm, Family::Bf16);
    let llama = choice.llama(WeightClass::Rest).map(|(llama, _)| llama.hop_s);
    let kernels = if llama.is_some() { 0.0 } else { STEP_KERNELS };
    let work = Work::Elementwise { bytes_per_token: 0.0, token_s: 0.0, kernels, kernel };
    let mut ops = vec![Op::new(ENDS, Class::Gemm, 1.0, work)];
    let stages = choice.setup.layout.pp;
    match llama {
        _ if stages == 1 => {}
        Some(launch) => {
            let (kernels, kernel) = (stages as f64 - 1.0, Kernel { launch, ..kernel });
            let work = Work::Elementwise { bytes_per_token: 0.0, token_s: 0.0, kernels, kernel };
            ops.push(Op::new(HAND_OVER, Class::Host, 1.0, work));
        }
        None => ops.push(hand_over(choice)),
    }
    ops
}
