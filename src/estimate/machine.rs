//! The devices of one instance as numbers: bandwidth, units and links, and what a collective costs on them.

use super::bound::Bound;
use super::constants::{EngineConstants, Shared};
use super::path;
use crate::device::measured_paths::MeasuredPaths;
use crate::device::operand::Operand;
use crate::device::products::Products;
use crate::device::sheet::Link;
use crate::setup::{Hardware, Layout, Way};
use crate::units::{Bandwidth, Bytes, FlopRate, Seconds};
use std::sync::Arc;

/// PCI Express 5.0 and 4.0 x16, one direction: 32 and 16 GT/s, 128b/130b (PCI-SIG base specification).
const PCIE_5: Bandwidth = Bandwidth::new(63.0e9);
const PCIE_4: Bandwidth = Bandwidth::new(31.5e9);
/// Devices of one host that PCI Express joins.
const PCIE_DOMAIN: u64 = 16;
/// A link slower than this is a bridge that collectives gain nothing from.
const SLOW_LINK: Bandwidth = Bandwidth::new(100e9);

/// Ranks up to which engines gather tokens instead of sending each expert its own.
const GATHERING: f64 = 8.0;

/// Bandwidth per compute unit of a device whose data sheet names no units; those of the catalogue have 10 to
/// 25 GB/s.
const BANDWIDTH_PER_UNIT: Bandwidth = Bandwidth::new(15e9);

/// One instance's devices.
#[derive(Debug, Clone)]
pub struct Machine {
    /// Data-parallel ranks.
    pub dp: f64,
    /// Tensor-parallel ranks of one of them.
    pub tp: f64,
    /// Ranks that share the experts: `tp * dp`.
    pub ranks: f64,
    /// Device memory.
    pub bandwidth: Bandwidth,
    /// Peak 16-bit rate.
    pub wide_rate: FlopRate,
    /// Compute units.
    pub units: f64,
    /// Last-level cache that a kernel timed over and over finds its data in; 0 in a real step, where every other layer
    /// passes through it in between.
    pub cache: Bytes,
    /// What weight matrices cost by type, shape and rows, on a device measured here.
    measured: Option<Arc<MeasuredPaths>>,
    /// Unevenness of routing.
    pub expert_skew: f64,
    /// Tokens of the busiest rank over the mean.
    pub expert_imbalance: f64,
    /// Nodes the ranks of one stage span.
    pub nodes: f64,
    /// Devices of a stage that one link joins.
    pub domain: f64,
    /// Devices that one link can join.
    reach: f64,
    /// Stages that hand over to the next one inside a node, and beyond it.
    hops: (f64, f64),
    wire: Wire,
    /// PCI Express of one device, in one direction.
    pcie: Bandwidth,
    /// Scale-out network of one device; 0 where the instance stays inside one domain.
    pub network: Bandwidth,
    /// Efficiency of a two-shot all-reduce relative to the library's.
    pub two_shot: f64,
    /// What the engine's gathers and scatters take beyond those of the library, s.
    pub gather_s: f64,
    /// Constants that belong to no engine and no kernel family.
    pub shared: Shared,
}

#[derive(Debug, Clone, Copy)]
enum Wire {
    Switch(Bandwidth),
    Ethernet(Bandwidth),
    Pcie(Bandwidth),
    /// PCI Express through the host's memory.
    Host(Bandwidth),
}

impl Wire {
    const fn rate(self) -> Bandwidth {
        let (Self::Switch(rate) | Self::Ethernet(rate) | Self::Pcie(rate) | Self::Host(rate)) = self;
        rate
    }
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
        let (wire, reach) = wire(hardware, layout.instance());
        let nodes = ranks.div_ceil(reach);
        let beyond = (layout.instance().div_ceil(reach) - 1).min(layout.pp - 1);
        let network = match sheet.network {
            Some(network) => network,
            None if nodes == 1 && beyond == 0 => Bandwidth::ZERO,
            None => return Err(Unanswerable::Network(layout.instance(), reach, sheet.id.clone())),
        };
        let bandwidth = sheet.bandwidth;
        let guessed_units = (bandwidth / BANDWIDTH_PER_UNIT).round().max(20.0);
        let imbalance = if layout.ep > 8 { shared.expert_imbalance_redundant } else { shared.expert_imbalance };
        Ok(Self {
            dp: layout.dp as f64,
            tp: layout.tp as f64,
            ranks: ranks as f64,
            bandwidth,
            wide_rate: path::wide_rate(sheet),
            units: sheet.compute_units.map_or(guessed_units, f64::from),
            cache: Bytes::ZERO,
            expert_skew: shared.expert_skew,
            measured: hardware.measured.as_ref().map(|m| Arc::clone(&m.paths)),
            expert_imbalance: if layout.ep > 1 { imbalance } else { 1.0 },
            nodes: nodes as f64,
            domain: reach.min(ranks) as f64,
            reach: reach as f64,
            hops: ((layout.pp - 1 - beyond) as f64, beyond as f64),
            wire,
            pcie: slot(hardware),
            network,
            two_shot: engine.two_shot,
            gather_s: engine.gather_s,
            shared: *shared,
        })
    }

    /// What a weight matrix costs by its shape and rows in kernels of a type, where enough of them were measured.
    pub fn products(&self, operand: Option<Operand>) -> Option<&Products> {
        self.measured.as_ref()?.of_type(operand?)?.products.as_ref()
    }

    /// Link of one device, in one direction.
    pub const fn link_rate(&self) -> Bandwidth {
        self.wire.rate()
    }

    /// PCI Express of one device, in one direction.
    pub const fn pcie(&self) -> Bandwidth {
        self.pcie
    }

    /// Share of PCI Express that the way through the host leaves.
    const fn through_host(&self) -> f64 {
        if matches!(self.wire, Wire::Host(_)) { self.shared.pcie_host } else { 1.0 }
    }

    /// Each expert is sent its own tokens by kernels that write into other devices' memory (DeepEP, TensorRT-LLM's
    /// MnnvlMoe), which need a switched link or a network. Up to eight ranks, and over PCI Express, engines gather all
    /// tokens everywhere and scatter the sums (vLLM's default `allgather_reducescatter`, SGLang's `none`).
    pub fn sends_copies(&self) -> bool {
        self.nodes > 1.0 || self.ranks > GATHERING && matches!(self.wire, Wire::Switch(_) | Wire::Ethernet(_))
    }

    /// How the devices of one instance reach each other; `None` for one device.
    pub fn link(&self) -> Option<&'static str> {
        let alone = self.ranks * (1.0 + self.hops.0 + self.hops.1) <= 1.0;
        (!alone).then_some(match self.wire {
            Wire::Switch(_) => "nvlink",
            Wire::Ethernet(_) => "ethernet",
            Wire::Pcie(_) => "pcie-p2p",
            Wire::Host(_) => "pcie-host",
        })
    }

    /// Latency of the smallest collective over so many ranks.
    pub fn latency_of(&self, ranks: f64) -> Seconds {
        let s = &self.shared;
        Seconds::new(match self.wire {
            _ if ranks <= 1.0 => 0.0,
            Wire::Switch(_) => s.link_latency_s + s.link_latency_rank_s * ranks,
            Wire::Ethernet(_) => s.network_s + s.link_latency_s + s.link_latency_rank_s * ranks,
            Wire::Pcie(_) => s.pcie_latency_rank_s * ranks,
            Wire::Host(_) => (s.pcie_latency_rank_s + s.pcie_host_rank_s) * ranks,
        })
    }

    /// Latency from node to node. A link that is a network already has that of one.
    fn far(&self) -> Seconds {
        let network = if matches!(self.wire, Wire::Ethernet(_)) { 0.0 } else { self.shared.network_s };
        self.latency_of(2.0) + Seconds::new(network)
    }

    /// Least time of an all-reduce of `size` over so many ranks: links and network at their peak, no latency.
    pub fn reduce_roof(&self, size: Bytes, ranks: f64) -> Seconds {
        let each = 2.0 * (ranks - 1.0).max(0.0) / ranks;
        let inside = size * if self.adds_in_switch() { each.min(1.0) } else { each } / self.link_rate();
        if ranks <= self.reach { inside } else { inside.max(size * (2.0 / self.reach) / self.network) }
    }

    /// The switch between the devices makes sums.
    fn adds_in_switch(&self) -> bool {
        matches!(self.wire, Wire::Switch(_)) && self.shared.switch_reduce > 0.0
    }

    /// Time of an all-reduce of `size` over so many neighbouring ranks: one shot (every rank reads all) or two shots
    /// (reduce-scatter, all-gather) or sums made in the switch, whichever is fastest; over PCI Express a ring, with flags or
    /// whole; between nodes what a node's ranks
    /// share goes over the network on top.
    pub fn reduce(&self, size: Bytes, ranks: f64) -> (Seconds, Bound) {
        let s = &self.shared;
        let n = ranks;
        if n <= 1.0 {
            return (Seconds::ZERO, Bound::Link);
        }
        let latency = self.latency_of(n);
        // What a rank sends in a ring, and so in two shots.
        let sent = size * (2.0 * (n - 1.0) / n);
        let rate = self.link_rate();
        let (one, two) = match self.wire {
            Wire::Switch(_) | Wire::Ethernet(_) => {
                let one = latency + size * (n - 1.0) / (rate * s.link_one_shot);
                let two = latency * 2.0 + sent / (rate * (s.link_two_shot * self.two_shot));
                (one, two + Seconds::new(s.link_two_shot_s))
            }
            Wire::Pcie(_) | Wire::Host(_) => {
                let share = if n <= 2.0 { s.pcie_pair } else { s.pcie_ring } * self.through_host();
                let whole = latency + Seconds::new((s.pcie_whole_rank_s - s.pcie_latency_rank_s) * n);
                (latency + sent / (rate * (share * s.pcie_flagged)), whole + sent / (rate * (share * self.two_shot)))
            }
        };
        let two = if self.adds_in_switch() && n >= s.switch_reduce_ranks {
            two.min(latency + size / (rate * s.switch_reduce) + Seconds::new(s.switch_reduce_s))
        } else {
            two
        };
        if n <= self.reach {
            return (one.min(two), Bound::Link);
        }
        let hop = self.far();
        let between = hop * 2.0 + size * (2.0 / self.reach) / (self.network * s.network_share);
        (two + between, if between > two { Bound::Network } else { Bound::Link })
    }

    /// Time in which every one of so many neighbouring ranks gets what all have, `size` together, or in which their sums
    /// are scattered (all-gather and reduce-scatter of NCCL): what an all-reduce sends in half of its way.
    pub fn gather(&self, size: Bytes, ranks: f64) -> (Seconds, Bound) {
        let s = &self.shared;
        let n = ranks;
        if n <= 1.0 {
            return (Seconds::ZERO, Bound::Link);
        }
        let own = Seconds::new(self.gather_s);
        match self.wire {
            Wire::Switch(_) | Wire::Ethernet(_) if n <= self.reach => {
                let network = if matches!(self.wire, Wire::Ethernet(_)) { s.network_s } else { 0.0 };
                let latency = Seconds::new(s.gather_s + s.gather_rank_s * n + network);
                (own + latency + size * ((n - 1.0) / n) / (self.link_rate() * s.gather_link), Bound::Link)
            }
            _ => {
                let (seconds, over) = self.reduce(size, n);
                (own + Seconds::new(s.pcie_gather_s) + seconds / 2.0, over)
            }
        }
    }

    /// Time in which hidden vectors, of which one rank sends `size`, pass from stage to stage through the pipeline:
    /// over the link inside a node, over the network to the next one, each at what a single copy reaches there.
    pub fn send(&self, size: Bytes) -> (Seconds, Bound) {
        let share = match self.wire {
            Wire::Switch(_) | Wire::Ethernet(_) => self.shared.link_one_shot,
            Wire::Pcie(_) | Wire::Host(_) => self.shared.pcie_pair * self.through_host(),
        };
        let (latency, far) = (self.latency_of(2.0), self.far());
        let inside = (latency + size / (self.link_rate() * share)) * self.hops.0;
        if self.hops.1 == 0.0 {
            return (inside, Bound::Link);
        }
        let beyond = (far + size / (self.network * self.shared.network_share)) * self.hops.1;
        (inside + beyond, if beyond > inside { Bound::Network } else { Bound::Link })
    }

    /// Least time of the same.
    pub fn send_roof(&self, size: Bytes) -> Seconds {
        let beyond = if self.hops.1 > 0.0 { size * self.hops.1 / self.network } else { Seconds::ZERO };
        size * self.hops.0 / self.link_rate() + beyond
    }

    /// The instance is so wide that two half batches overlap.
    pub fn overlaps(&self) -> bool {
        self.dp > self.shared.overlap_ranks
    }
}

/// The rate at which a device sends to another one of `devices` in all: over the link where it joins them, else over
/// the network.
///
/// # Errors
/// When the data sheet names neither.
pub fn way(hardware: &Hardware, devices: u64) -> Result<Bandwidth, Unanswerable> {
    let sheet = &hardware.sheet;
    let (wire, reach) = wire(hardware, devices);
    if devices <= reach {
        return Ok(wire.rate());
    }
    sheet.network.ok_or_else(|| Unanswerable::Network(devices, reach, sheet.id.clone()))
}

/// The ways a layout might go instead of the one it is taken to go, where nobody says which.
pub fn doubted(hardware: &Hardware, devices: u64) -> Vec<Way> {
    if hardware.way.is_some() || devices <= 1 {
        return Vec::new();
    }
    let other = match wire(hardware, devices).0 {
        Wire::Pcie(_) => Way::PcieHost,
        Wire::Host(_) => Way::PcieP2p,
        Wire::Switch(_) | Wire::Ethernet(_) => return Vec::new(),
    };
    let bridge = hardware.sheet.link.filter(|link| link.optional && u64::from(link.domain) >= devices);
    bridge.map(|_| Way::Nvlink).into_iter().chain([other]).collect()
}

/// What the data sheet prints of PCI Express, such as "4.0 x8", in one direction: 8 GT/s a lane in the third generation and
/// twice that in each further one.
fn slot(hardware: &Hardware) -> Bandwidth {
    let printed = hardware.sheet.pcie.as_deref().and_then(|text| {
        let (generation, lanes) = text.split_once(" x")?;
        Some((generation.parse::<f64>().ok()?, lanes.parse::<f64>().ok()?))
    });
    printed.map_or(PCIE_4, |(generation, lanes)| PCIE_4 * (2f64.powf(generation - 4.0) * lanes / 16.0))
}

/// PCI Express between devices, in one direction.
fn pcie(hardware: &Hardware) -> Bandwidth {
    if hardware.sheet.pcie.as_deref().is_some_and(|p| p.starts_with('5')) { PCIE_5 } else { PCIE_4 }
}

/// The link of an instance and how many devices it joins: the scale-up link, or PCI Express in one host.
fn wire(hardware: &Hardware, ranks: u64) -> (Wire, u64) {
    let way = hardware.way;
    let sheet = &hardware.sheet;
    let joins = |link: &Link| {
        let pair = link.domain <= 2 && u64::from(link.domain) < ranks;
        (way == Some(Way::Nvlink) || link.per_direction >= SLOW_LINK) && !pair
    };
    match hardware.link().filter(joins) {
        Some(link) => {
            let over = if link.ethernet { Wire::Ethernet } else { Wire::Switch };
            (over(link.per_direction), u64::from(link.domain).max(1))
        }
        None => {
            // A host has as many devices as its links join, however slow they are; a bridge of two says nothing of it.
            let host = sheet.link.map(|link| u64::from(link.domain)).filter(|domain| *domain > 2);
            let through_host = match way {
                Some(Way::PcieP2p) => false,
                Some(Way::PcieHost) => true,
                Some(Way::Nvlink) | None => !sheet.pcie_peers,
            };
            let over = if through_host { Wire::Host } else { Wire::Pcie };
            (over(pcie(hardware)), host.unwrap_or(PCIE_DOMAIN))
        }
    }
}
