//! What a layout search tries: the ways to spread a model over whole nodes, and the loads.

use crate::setup::{Layout, Setup};

/// Most devices of a contender.
pub const MOST_DEVICES: u64 = 320;
/// Devices of a node that has no link of its own: what a host has slots for.
const HOST: u64 = 8;
/// Nodes of one wide instance that are tried; 18 is what DeepSeek decodes on.
const NODES: [u64; 13] = [1, 2, 3, 4, 6, 8, 12, 16, 18, 20, 24, 32, 40];
/// Requests in flight per device, coarse first.
pub const PER_DEVICE: [f64; 13] = [0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

/// Devices of a node.
fn node(setup: &Setup) -> u64 {
    setup.hardware.link().map_or(HOST, |l| u64::from(l.domain).clamp(1, HOST))
}

/// Ways to spread a model over exactly so many devices: tensor parallelism and pipelines within a node, experts over all
/// ranks of an instance, and copies of it.
pub fn of_count(setup: &Setup, count: u64) -> Vec<Layout> {
    // Unlike devices are one instance, as the scenario divides it, and copies of it.
    let instance = setup.layout.instance();
    if !setup.hardware.others.is_empty() {
        let copies = Layout { replicas: count / instance, ..setup.layout };
        return if count.is_multiple_of(instance) { vec![copies] } else { Vec::new() };
    }
    let (model, node) = (&setup.model, node(setup));
    let divisors = |n: u64, most: u64| (1..=most.min(n)).filter(move |d| n.is_multiple_of(*d));
    let mut all = Vec::new();
    for tp in divisors(count, node.min(model.most_tensor_parallel())) {
        for pp in divisors(count / tp, node.min(model.layer_count())) {
            let layout = Layout { tp, pp, dp: 1, ep: 1, replicas: count / (tp * pp) };
            all.push(layout);
            if tp > 1 {
                all.push(Layout { ep: tp, ..layout });
            }
        }
        let ranks = divisors(count / tp, count).filter(|dp| *dp > 1);
        all.extend(ranks.map(|dp| Layout { tp, pp: 1, dp, ep: tp * dp, replicas: count / (tp * dp) }));
    }
    all.retain(|l| model.spreads(l.tp, l.ep) && (l.ep == 1 || model.has_experts()));
    all
}

/// Ways to spread a model over whole nodes of its device.
pub fn layouts(setup: &Setup) -> Vec<Layout> {
    // Unlike devices are one instance, as the scenario divides it.
    if !setup.hardware.others.is_empty() {
        return vec![setup.layout];
    }
    let node = node(setup);
    let model = &setup.model;
    let powers = |most: u64| (0..=most.ilog2()).map(|p| 1u64 << p);
    let mut all = Vec::new();
    for tp in powers(node.min(model.most_tensor_parallel())) {
        for pp in powers(node.min(model.layer_count())) {
            let rank = tp * pp;
            if rank <= node {
                let repeated = |ep| Layout { tp, pp, dp: 1, ep, replicas: node / rank };
                all.push(repeated(1));
                if model.has_experts() && tp > 1 {
                    all.push(repeated(tp));
                }
            } else if rank <= MOST_DEVICES && rank % node == 0 {
                all.push(Layout { tp, pp, dp: 1, ep: 1, replicas: 1 });
            }
            if !model.has_experts() {
                continue;
            }
            let whole = NODES.iter().map(|n| n * node).filter(|devices| devices % rank == 0 && *devices > rank);
            all.extend(whole.filter(|d| *d <= MOST_DEVICES).map(|devices| {
                let dp = devices / rank;
                Layout { tp, pp, dp, ep: tp * dp, replicas: 1 }
            }));
        }
    }
    all.retain(|l| model.spreads(l.tp, l.ep));
    all
}
