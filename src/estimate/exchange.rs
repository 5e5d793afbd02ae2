//! Tokens on their way to their experts and back, where data-parallel ranks share the experts.
//!
//! Decode steps send a copy to every expert at once, over the link inside a node and over the network beyond it
//! (DeepEP's low-latency kernels). Prompt steps send one copy to every node and spread it there over the link, one to
//! every rank (its normal kernels). Routing that is limited to some groups of experts reaches fewer nodes and ranks.
//! Link and network work at the same time; the slower one decides. Three constants, read off the twenty figures that
//! DeepEP prints for H800 at 8 to 256 ranks (docs/legacy.md @0297fc8): see the test below.

use super::bound::Bound;
use super::machine::Machine;
use crate::units::{Bytes, Seconds};

/// The latency of an exchange does not grow beyond so many ranks: DeepEP's is the same at 16 and at 256.
const GROWING_RANKS: f64 = 8.0;

/// A token's way to its experts, or back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Exchange {
    /// Bytes of one copy of a token.
    pub bytes: f64,
    /// Experts of a token.
    pub topk: f64,
    /// Share of the experts that routing lets one token choose from: groups chosen over groups.
    pub reach: f64,
}

/// Copies of a token that one rank sends, on average.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Copies {
    link: f64,
    network: f64,
}

impl Exchange {
    fn copies(&self, machine: &Machine, prompt: bool) -> Copies {
        let (ranks, nodes, inside) = (machine.ranks, machine.nodes, machine.domain);
        let away = (ranks - inside) / ranks;
        if !prompt {
            return Copies { link: self.topk * (inside - 1.0) / ranks, network: self.topk * away };
        }
        // A group of experts stands on neighbouring ranks.
        let met = |places: f64| distinct((places * self.reach).max(1.0), self.topk);
        Copies { link: met(ranks) * (inside - 1.0) / inside, network: met(nodes) * away }
    }
}

/// Different places among `places` that `chosen` even choices meet on average.
fn distinct(places: f64, chosen: f64) -> f64 {
    places * (1.0 - (1.0 - 1.0 / places).powf(chosen))
}

impl Machine {
    /// Time to dispatch or to combine `tokens` of one rank.
    pub fn exchange(&self, tokens: f64, exchange: &Exchange, prompt: bool) -> (Seconds, Bound) {
        let share = (self.shared.exchange_link, self.shared.exchange_network);
        let (seconds, bound) = self.travel(Bytes::new(tokens * exchange.bytes), exchange.copies(self, prompt), share);
        let network = if self.nodes > 1.0 { self.shared.network_s } else { 0.0 };
        let fixed = Seconds::new(self.shared.exchange_s + network);
        (self.latency_of(self.domain.min(GROWING_RANKS)) * 2.0 + fixed + seconds, bound)
    }

    /// The least time of the same: link and network at their peak, no latency.
    pub fn exchange_roof(&self, tokens: f64, exchange: &Exchange) -> Seconds {
        let bytes = Bytes::new(tokens * exchange.bytes);
        let least = |prompt| self.travel(bytes, exchange.copies(self, prompt), (1.0, 1.0)).0;
        least(true).min(least(false))
    }

    fn travel(&self, bytes: Bytes, copies: Copies, (link, network): (f64, f64)) -> (Seconds, Bound) {
        let inside = bytes * copies.link / (self.link_rate() * link);
        let far = self.nodes > 1.0;
        let between = if far { bytes * copies.network / (self.network * network) } else { Seconds::ZERO };
        (inside.max(between), if between > inside { Bound::Network } else { Bound::Link })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;
    use crate::device::Device;
    use crate::estimate::Calibration;
    use crate::setup::{Engine, Hardware, Layout};
    use std::path::Path;

    fn machine(device: &str, ranks: u64) -> Machine {
        let catalog = Catalog::embedded();
        let calibration = Calibration::load(&catalog).expect("constants");
        let sheet = Device::load(&catalog, device, Path::new("")).expect("a device");
        let layout = Layout { dp: ranks, ep: ranks, ..Layout::SINGLE };
        let engine = calibration.engine(Engine::Sglang);
        Machine::new(&Hardware::from_sheet(sheet), &layout, calibration.shared(), &engine).expect("a machine")
    }

    /// `bytes` a copy: FP8 with a scale per 128 values, or BF16, of 7,168 values and 8 experts.
    fn one_way(bytes: f64, reach: f64) -> Exchange {
        Exchange { bytes, topk: 8.0, reach }
    }

    const WIDTH: f64 = 7168.0;
    const DISPATCH: f64 = WIDTH * (1.0 + 4.0 / 128.0);
    const COMBINE: f64 = WIDTH * 2.0;

    fn within(found: f64, published: f64, what: &str) {
        assert!((found / published - 1.0).abs() < 0.14, "{what}: {found:.1} against {published} published");
    }

    /// DeepEP docs/legacy.md @0297fc8 (MIT), H800: 128 tokens a rank, latency of one way, us.
    #[test]
    fn low_latency_kernels_take_what_was_published() {
        for (ranks, dispatch, combine) in [
            (8, 77.0, 114.0),
            (16, 118.0, 195.0),
            (32, 155.0, 273.0),
            (64, 173.0, 314.0),
            (128, 192.0, 369.0),
            (256, 194.0, 360.0),
        ] {
            let machine = machine("h800", ranks);
            for (bytes, published) in [(DISPATCH, dispatch), (COMBINE, combine)] {
                let (seconds, _) = machine.exchange(128.0, &one_way(bytes, 1.0), false);
                within(seconds.get() * 1e6, published, &format!("EP{ranks}"));
            }
        }
    }

    /// The same source: 4,096 tokens a rank, top-4 groups (a group is a node), GB/s at the bottleneck as logical bytes:
    /// copies to the own node, or the own rank, are counted.
    #[test]
    fn normal_kernels_reach_what_was_published() {
        for (ranks, dispatch, combine) in [(8u64, 153.0, 158.0), (16, 43.0, 43.0), (32, 58.0, 57.0), (64, 51.0, 50.0)] {
            let machine = machine("h800", ranks);
            let nodes = ranks as f64 / 8.0;
            let reach = nodes.min(4.0) / nodes;
            for (bytes, published) in [(DISPATCH, dispatch), (COMBINE, combine)] {
                let (seconds, _) = machine.exchange(4096.0, &one_way(bytes, reach), true);
                let places = if nodes > 1.0 { nodes } else { ranks as f64 };
                let counted = distinct(places * reach, 8.0) * 4096.0 * bytes;
                within(counted / seconds.get() / 1e9, published, &format!("EP{ranks}"));
            }
        }
    }

    /// NCCL's all-gathers (aiconfigurator-core 0.12.0), us: the constants are read off all of its rows.
    #[test]
    fn gathers_take_what_was_measured() {
        for (device, ranks, bytes, published) in [
            ("h100-sxm-80gb", 8, 8_388_608.0, 44.9),
            ("b200", 8, 8_388_608.0, 44.2),
            ("b200", 4, 524_288.0, 13.0),
            ("rtx-pro-6000", 8, 8_388_608.0, 338.6),
            ("rtx-pro-6000", 2, 131_072.0, 10.3),
        ] {
            let machine = machine(device, ranks);
            let found = machine.gather(Bytes::new(bytes), ranks as f64).0.get() * 1e6;
            assert!((found / published - 1.0).abs() < 0.4, "{device} x {ranks}: {found:.1} against {published}");
        }
    }

    /// Over PCI Express, and up to eight ranks anywhere, nothing is sent by copies.
    #[test]
    fn copies_need_a_switch_or_a_network_and_many_ranks() {
        let sends = |device, ranks| machine(device, ranks).sends_copies();
        assert_eq!(
            [sends("h800", 8), sends("h800", 16), sends("gb200", 16), sends("rtx-pro-6000", 16)],
            [false, true, true, false]
        );
    }

    /// DeepEP README @0297fc8, V2 on Blackwell: 726 and 740 GB/s logical over NVLink at EP8 (64 units), 643 and 675
    /// (24 units); 8,192 tokens. Nothing was read off these.
    #[test]
    fn the_same_constants_hold_on_another_generation() {
        let machine = machine("b200", 8);
        let (seconds, _) = machine.exchange(8192.0, &one_way(DISPATCH, 1.0), true);
        let logical = distinct(8.0, 8.0) * 8192.0 * DISPATCH / seconds.get() / 1e9;
        assert!((580.0..740.0).contains(&logical), "{logical:.0} GB/s");
    }
}
