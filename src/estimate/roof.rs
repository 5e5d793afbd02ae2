//! The least time an operation can take: peak arithmetic, peak memory and peak links, nothing lost.
//!
//! A tuning debt can be paid back down to this and no further: every efficiency stays at most 1.

use super::machine::Machine;
use super::op::{Op, Work};
use super::timing::Timed;
use crate::units::{FlopRate, Seconds};

impl Op {
    /// Time of a timed operation at the peak rates; launches and latencies are not counted.
    pub fn roof(&self, timed: &Timed, machine: &Machine) -> Seconds {
        let rate = match &self.work {
            Work::Gemm { by, or, .. } => fastest(by.path.rate, or.map(|a| a.path.rate)),
            Work::Experts(shape) => fastest(shape.by.path.rate, shape.or.map(|a| a.path.rate)),
            Work::Decode(shape) | Work::Prefill(shape) => shape.rate,
            Work::Recurrent { .. } | Work::Elementwise { .. } => machine.wide_rate,
            Work::Reduce { .. } => return machine.reduce_roof(timed.wire, machine.tp),
            Work::Exchange { bytes_per_token, exchange } => {
                let tokens = timed.wire.get() / bytes_per_token / machine.ranks;
                let reduced = machine.reduce_roof(timed.wire, machine.ranks) / 2.0;
                return reduced.min(machine.exchange_roof(tokens, exchange));
            }
            Work::Copy { .. } => return timed.wire / machine.pcie(),
            Work::Send { .. } => return machine.send_roof(timed.wire),
            Work::Tiny => return Seconds::ZERO,
        };
        (timed.flop / rate).max(timed.bytes / machine.bandwidth)
    }
}

fn fastest(one: FlopRate, other: Option<FlopRate>) -> FlopRate {
    other.map_or(one, |other| one.max(other))
}
