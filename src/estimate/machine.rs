//! The devices of one instance as numbers: bandwidth, units and links, and what a collective costs on them.

use super::calibration::{EngineConstants, Shared};
use super::op::Bound;
use crate::device::Device;
use crate::device::measured_paths::MeasuredPaths;
use crate::device::operand::Operand;
use crate::device::products::Products;
use crate::setup::{Hardware, Layout};
use std::sync::Arc;

/// PCI Express 5.0 and 4.0 x16, one direction, byte/s: 32 and 16 GT/s, 128b/130b (PCI-SIG base specification).
const PCIE_5: f64 = 63.0e9;
const PCIE_4: f64 = 31.5e9;
/// Devices of one host that PCI Express joins.
const PCIE_DOMAIN: u64 = 16;
/// A link slower than this is a bridge that collectives gain nothing from, byte/s.
const SLOW_LINK: f64 = 100e9;

/// Bandwidth per compute unit, byte/s, of a device whose data sheet names no units; those of the catalogue have 10 to
/// 25 GB/s.
const BANDWIDTH_PER_UNIT: f64 = 15e9;

/// FLOP per byte of bandwidth of a device whose data sheet names no rate; those of the catalogue have 15 to 30 in
/// 32 bit.
const FLOP_PER_BYTE: f64 = 20.0;

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
    /// Last-level cache that a kernel timed over and over finds its data in, bytes; 0 in a real step, where every
    /// other layer passes through it in between.
    pub cache: f64,
    /// What weight matrices cost by type, shape and rows, on a device measured here.
    measured: Option<Arc<MeasuredPaths>>,
    /// Unevenness of routing.
    pub expert_skew: f64,
    /// Tokens of the busiest rank over the mean.
    pub expert_imbalance: f64,
    /// Nodes the instance spans.
    pub nodes: f64,
    /// Devices of the instance that one link joins.
    pub domain: f64,
    wire: Wire,
    /// Scale-out network of one device, byte/s; 0 where the instance stays inside one domain.
    pub network: f64,
    /// Efficiency of a two-shot all-reduce relative to the library's.
    pub two_shot: f64,
    /// Constants that belong to no engine and no kernel family.
    pub shared: Shared,
}

#[derive(Debug, Clone, Copy)]
enum Wire {
    Switch(f64),
    Pcie(f64),
}

/// Why a layout cannot be estimated on a device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unanswerable {
    /// The layout leaves the scale-up domain and the network is not known.
    #[error(
        "{0} devices reach beyond the {1} that one link of {2} joins, and its data sheet has no `network` bandwidth; add it to a copy of the file and name that file"
    )]
    Network(u64, u64, String),
}

/// Peak 16-bit rate of a device, FLOP/s; of what its data sheet has where that is missing.
pub fn wide_rate(sheet: &Device) -> f64 {
    let rates = &sheet.rates;
    let known = rates.bf16.or(rates.fp16).or(rates.fp8.map(|r| r / 2.0)).or(rates.fp32);
    known.map_or(FLOP_PER_BYTE * sheet.bandwidth.get(), |r| r.get())
}

impl Machine {
    /// The devices of one instance of a layout.
    ///
    /// # Errors
    /// When a number the layout needs is missing from the data sheet.
    pub fn new(
        hardware: &Hardware,
        layout: &Layout,
        shared: &Shared,
        engine: &EngineConstants,
    ) -> Result<Self, Unanswerable> {
        let sheet = &hardware.sheet;
        let ranks = layout.tp * layout.dp;
        let (wire, domain) = wire(sheet, ranks);
        let nodes = ranks.div_ceil(domain);
        let network = match sheet.network {
            Some(network) => network.get(),
            None if nodes == 1 => 0.0,
            None => return Err(Unanswerable::Network(ranks, domain, sheet.id.clone())),
        };
        let bandwidth = sheet.bandwidth.get();
        let imbalance = if layout.ep > 8 { shared.expert_imbalance_redundant } else { shared.expert_imbalance };
        Ok(Self {
            dp: layout.dp as f64,
            ranks: ranks as f64,
            bandwidth,
            wide_rate: wide_rate(sheet),
            units: sheet.compute_units.map_or((bandwidth / BANDWIDTH_PER_UNIT).round().max(20.0), f64::from),
            cache: 0.0,
            expert_skew: shared.expert_skew,
            measured: hardware.measured.as_ref().map(|m| Arc::clone(&m.paths)),
            expert_imbalance: if layout.ep > 1 { imbalance } else { 1.0 },
            nodes: nodes as f64,
            domain: domain.min(ranks) as f64,
            wire,
            network,
            two_shot: engine.two_shot,
            shared: *shared,
        })
    }

    /// What a weight matrix costs by its shape and rows in kernels of a type, where enough of them were measured.
    pub fn products(&self, operand: Option<Operand>) -> Option<&Products> {
        self.measured.as_ref()?.of_type(operand?)?.products.as_ref()
    }

    /// Link of one device, byte/s in one direction.
    pub const fn link_rate(&self) -> f64 {
        let (Wire::Switch(rate) | Wire::Pcie(rate)) = self.wire;
        rate
    }

    /// Latency of the smallest collective over all ranks, s.
    pub fn latency(&self) -> f64 {
        self.latency_of(self.ranks)
    }

    /// Latency of the smallest collective over so many ranks, s.
    pub fn latency_of(&self, ranks: f64) -> f64 {
        match self.wire {
            _ if ranks <= 1.0 => 0.0,
            Wire::Switch(_) => self.shared.link_latency_s + self.shared.link_latency_rank_s * ranks,
            Wire::Pcie(_) => self.shared.pcie_latency_rank_s * ranks,
        }
    }

    /// Least time of an all-reduce of `size` bytes over all ranks: links and network at their peak, no latency.
    pub fn reduce_roof(&self, size: f64) -> f64 {
        let inside = 2.0 * size * (self.ranks - 1.0).max(0.0) / self.ranks / self.link_rate();
        let between = if self.nodes > 1.0 { 2.0 * size / self.domain / self.network } else { 0.0 };
        inside.max(between)
    }

    /// Time of an all-reduce of `size` bytes over all ranks: one shot (every rank reads all) or two shots
    /// (reduce-scatter, all-gather), whichever is faster; between nodes what a node's ranks share goes over the
    /// network on top.
    pub fn reduce(&self, size: f64) -> (f64, Bound) {
        let s = &self.shared;
        let n = self.ranks;
        if n <= 1.0 {
            return (0.0, Bound::Link);
        }
        let latency = self.latency();
        let (rate, one_share, two_share, extra) = match self.wire {
            Wire::Switch(rate) => (rate, s.link_one_shot, s.link_two_shot, s.link_two_shot_s),
            Wire::Pcie(rate) => (rate, s.pcie_one_shot, s.pcie_two_shot, 0.0),
        };
        let one = latency + size * (n - 1.0) / (rate * one_share);
        let two = 2.0 * latency + 2.0 * size * (n - 1.0) / n / (rate * two_share * self.two_shot) + extra;
        if self.nodes <= 1.0 {
            return (one.min(two), Bound::Link);
        }
        let between = 2.0 * latency + 2.0 * size / self.domain / (self.network * s.network_share);
        (two + between, if between > two { Bound::Network } else { Bound::Link })
    }

    /// The instance is so wide that two half batches overlap.
    pub fn overlaps(&self) -> bool {
        self.dp > self.shared.overlap_ranks
    }
}

/// The link of an instance and how many devices it joins: the scale-up link, or PCI Express in one host.
fn wire(sheet: &Device, ranks: u64) -> (Wire, u64) {
    match sheet.link {
        Some(link) if link.per_direction.get() >= SLOW_LINK && (link.domain > 2 || u64::from(link.domain) >= ranks) => {
            (Wire::Switch(link.per_direction.get()), u64::from(link.domain).max(1))
        }
        _ => {
            let rate = if sheet.pcie.as_deref().is_some_and(|p| p.starts_with('5')) { PCIE_5 } else { PCIE_4 };
            (Wire::Pcie(rate), PCIE_DOMAIN)
        }
    }
}
