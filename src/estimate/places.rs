//! Where the layers of a model lie that llama.cpp spreads over unlike devices: cards of several kinds, or a card and its
//! host.
//!
//! Each device runs its share of every operation, one after the other: the time of a token is the sum. Of a host's part
//! it computes single tokens itself, at the bandwidth of its memory; prompts of 32 tokens and more are computed on the
//! device, for which the host's weights pass over its link once a micro-batch (ggml's `offload_op`). A copy out of
//! pageable memory passes through a pinned buffer and reaches what the way through the host leaves.

use super::bound::Class;
use super::calibration::Calibration;
use super::constants::Kernel;
use super::forward::{self, ENDS, HAND_OVER, HEAD};
use super::machine::Machine;
use super::memory;
use super::op::{Op, Work};
use crate::setup::{Holder, Setup};

/// Tokens of a step from which on weights are brought to the device (`GGML_OP_OFFLOAD_MIN_BATCH`, ggml-cuda.cu).
pub const OFFLOADED: f64 = 32.0;

/// Shares of a model that one device holds.
struct Share {
    layers: f64,
    experts: f64,
    head: bool,
    /// Embedding, sampling and what passes between devices.
    ends: bool,
}

/// Every operation of a step, on the device that runs it. `prompt` says whether it carries prompt tokens.
pub fn ops(setup: &Setup, calibration: &Calibration, machines: &[Machine], prompt: bool) -> Vec<Op> {
    let Some((own, beside)) = machines.split_first() else { return Vec::new() };
    let main = forward::ops(setup, calibration, own, prompt);
    let others = &setup.hardware.others;
    if others.is_empty() {
        return main;
    }
    // Prompts compute a host's part on the device too.
    let apart: Vec<(usize, &Holder)> = others.iter().enumerate().filter(|(_, h)| !(prompt && h.host)).collect();
    let left = Share {
        layers: 1.0 - apart.iter().map(|(_, h)| h.layers).sum::<f64>(),
        experts: 1.0 - apart.iter().map(|(_, h)| h.experts).sum::<f64>(),
        head: apart.iter().all(|(_, h)| !h.head),
        ends: true,
    };
    let mut all = of_share(main, &left, 0);
    for ((index, holder), machine) in apart.iter().filter_map(|(i, h)| Some(((*i, *h), beside.get(*i)?))) {
        let own = Setup { hardware: holder.hardware.clone(), ..setup.clone() };
        let share = Share { layers: holder.layers, experts: holder.experts, head: holder.head, ends: false };
        all.extend(of_share(forward::ops(&own, calibration, machine, prompt), &share, index + 1));
    }
    for holder in others.iter().filter(|h| h.host) {
        all.extend(to_the_host(setup, calibration, holder, prompt));
    }
    all
}

fn of_share(ops: Vec<Op>, share: &Share, place: usize) -> Vec<Op> {
    let part = |op: &Op| match op.name {
        HEAD => f64::from(u8::from(share.head)),
        ENDS | HAND_OVER => f64::from(u8::from(share.ends)),
        _ if op.draft => f64::from(u8::from(share.ends)),
        _ if op.class == Class::Experts => share.experts,
        _ => share.layers,
    };
    let scaled = ops.into_iter().map(|op| Op { calls: op.calls * part(&op), place, ..op });
    scaled.filter(|op| op.calls > 0.0).collect()
}

/// What passes between a host and its device: a token's vector there and back, once for layers that lie together, once a
/// layer for experts; for prompts the weights.
fn to_the_host(setup: &Setup, calibration: &Calibration, holder: &Holder, prompt: bool) -> Option<Op> {
    if prompt {
        let bytes = memory::held(setup, holder).get();
        let work = Work::Copy { bytes, share: calibration.shared().pcie_host };
        return (bytes > 0.0).then(|| Op::new("weights from the host", Class::Gemm, 1.0, work));
    }
    let layers = setup.model.layers.iter().filter(|l| l.experts.is_some()).map(|l| l.count as f64).sum::<f64>();
    let turns = ((holder.experts - holder.layers).max(0.0) * layers).max(if holder.layers < 1.0 { 1.0 } else { 0.0 });
    let kernel = Kernel { launch: calibration.llama().split_s, ..Kernel::IDEAL };
    let work = Work::Elementwise { bytes_per_token: 0.0, token_s: 0.0, kernels: 1.0, kernel };
    (turns > 0.0).then(|| Op::new("to the host and back", Class::Host, turns, work))
}
