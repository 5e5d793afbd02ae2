//! The devices of one instance as numbers: bandwidth, units and links, and what a collective costs on them.

use super::calibration::Shared;
use super::op::Bound;
use crate::device::Device;
use crate::setup::{Hardware, Layout};

/// PCI Express 5.0 and 4.0 x16, one direction, byte/s: 32 and 16 GT/s, 128b/130b (PCI-SIG base specification).
const PCIE_5: f64 = 63.0e9;
const PCIE_4: f64 = 31.5e9;

/// Compute units of a device whose data sheet names none, per byte/s of bandwidth. Devices of the catalogue have one
/// streaming multiprocessor or compute unit per 10 to 25 GB/s.
const BANDWIDTH_PER_UNIT: f64 = 15e9;

/// One instance's devices.
#[derive(Debug, Clone)]
pub struct Machine {
    /// Data-parallel ranks.
    pub dp: f64,
    /// Devices that take part in a collective.
    pub ranks: f64,
    /// Device memory, byte/s.
    pub bandwidth: f64,
    /// Peak 16-bit rate, FLOP/s.
    pub wide_rate: f64,
    /// Compute units.
    pub units: f64,
    /// Unevenness of routing.
    pub expert_skew: f64,
    /// Tokens of the busiest rank over the mean.
    pub expert_imbalance: f64,
    nodes: f64,
    wire: Wire,
    network: f64,
    shared: Shared,
}

#[derive(Debug, Clone, Copy)]
enum Wire {
    Switch(f64),
    Pcie(f64),
}

/// Why a layout cannot be estimated on a device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unanswerable {
    /// No matrix rate at all.
    #[error("{0} has no compute rate in its data sheet; add `rates` to a copy of its file and name that file")]
    Rate(String),
    /// The layout leaves the scale-up domain and the network is not known.
    #[error(
        "{0} devices reach beyond the {1} that one link of {2} joins, and its data sheet has no `network` bandwidth"
    )]
    Network(u64, u64, String),
}

impl Machine {
    /// The devices of one instance of a layout.
    ///
    /// # Errors
    /// When a number the layout needs is missing from the data sheet.
    pub fn new(hardware: &Hardware, layout: &Layout, shared: &Shared) -> Result<Self, Unanswerable> {
        let sheet = &hardware.sheet;
        let ranks = layout.tp * layout.dp;
        let (wire, domain) = wire(sheet, ranks);
        let nodes = ranks.div_ceil(domain);
        let network = match sheet.network {
            Some(network) => network.get(),
            None if nodes == 1 => 0.0,
            None => return Err(Unanswerable::Network(ranks, domain, sheet.id.clone())),
        };
        let wide = sheet.rates.bf16.or(sheet.rates.fp16).or(sheet.rates.fp32);
        let wide = wide.ok_or_else(|| Unanswerable::Rate(sheet.id.clone()))?;
        let bandwidth = sheet.bandwidth.get();
        Ok(Self {
            dp: layout.dp as f64,
            ranks: ranks as f64,
            bandwidth,
            wide_rate: wide.get(),
            units: sheet.compute_units.map_or((bandwidth / BANDWIDTH_PER_UNIT).max(20.0), f64::from),
            expert_skew: shared.expert_skew,
            expert_imbalance: shared.expert_imbalance,
            nodes: nodes as f64,
            wire,
            network,
            shared: *shared,
        })
    }

    /// Whether the instance spans more than one scale-up domain.
    pub fn many_nodes(&self) -> bool {
        self.nodes > 1.0
    }

    /// Nodes the instance spans.
    pub const fn nodes(&self) -> f64 {
        self.nodes
    }

    /// Time of an all-reduce of `size` bytes over all ranks: one shot (every rank reads all) or two shots
    /// (reduce-scatter, all-gather), whichever is faster; between nodes a ring over the network on top.
    pub fn reduce(&self, size: f64) -> (f64, Bound) {
        let s = &self.shared;
        let n = self.ranks / self.nodes;
        let inside = match self.wire {
            _ if n <= 1.0 => 0.0,
            Wire::Switch(rate) => {
                let latency = s.link_latency_s + s.link_latency_rank_s * n;
                let one = latency + size * (n - 1.0) / (rate * s.link_one_shot);
                let two = 2.0 * latency + 2.0 * size * (n - 1.0) / n / (rate * s.link_two_shot) + s.link_two_shot_s;
                one.min(two)
            }
            Wire::Pcie(rate) => {
                let latency = s.pcie_latency_rank_s * n;
                let one = latency + size * (n - 1.0) / (rate * s.pcie_share);
                let two = 2.0 * latency + 2.0 * size * (n - 1.0) / n / (rate * s.pcie_share);
                one.min(two)
            }
        };
        if self.nodes <= 1.0 {
            return (inside, Bound::Link);
        }
        let share = size / n;
        let between = 2.0 * s.network_latency_s
            + 2.0 * share * (self.nodes - 1.0) / self.nodes / (self.network * s.network_share);
        (inside + between, if between > inside { Bound::Network } else { Bound::Link })
    }

    /// Time of a dispatch and a combine: the larger of what the link and what the network carries per rank.
    pub fn exchange(&self, link_bytes: f64, network_bytes: f64) -> (f64, Bound) {
        let s = &self.shared;
        let (Wire::Switch(rate) | Wire::Pcie(rate)) = self.wire;
        let link = link_bytes / (rate * s.link_two_shot);
        let network = if self.nodes > 1.0 { network_bytes / (self.network * s.network_share) } else { 0.0 };
        (2.0 * s.network_latency_s + link.max(network), if network > link { Bound::Network } else { Bound::Link })
    }
}

/// The link of an instance and how many devices it joins: the scale-up link, or PCI Express in one host.
fn wire(sheet: &Device, ranks: u64) -> (Wire, u64) {
    match sheet.link {
        Some(link) if link.domain > 2 || u64::from(link.domain) >= ranks => {
            (Wire::Switch(link.per_direction.get()), u64::from(link.domain).max(1))
        }
        _ => {
            let rate = if sheet.pcie.as_deref().is_some_and(|p| p.starts_with('5')) { PCIE_5 } else { PCIE_4 };
            (Wire::Pcie(rate), 8)
        }
    }
}
