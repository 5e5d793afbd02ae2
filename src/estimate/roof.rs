//! The least time an operation can take: peak arithmetic, peak memory and peak links, nothing lost.
//!
//! A tuning debt can be paid back down to this and no further: every efficiency stays at most 1.

use super::machine::Machine;
use super::op::{Op, Timed, Work};

impl Op {
    /// Seconds of a timed operation at the peak rates; launches and latencies are not counted.
    pub fn roof(&self, timed: &Timed, machine: &Machine) -> f64 {
        let rate = match &self.work {
            Work::Gemm { path, .. } => path.rate,
            Work::Experts(shape) => shape.path.rate,
            Work::Decode(shape) | Work::Prefill(shape) => shape.rate,
            Work::Recurrent { .. } | Work::Elementwise { .. } => machine.wide_rate,
            Work::Reduce { .. } => return machine.reduce_roof(timed.wire),
            Work::Exchange { bytes_per_token, exchange } => {
                let tokens = timed.wire / bytes_per_token / machine.ranks;
                return (machine.reduce_roof(timed.wire) / 2.0).min(machine.exchange_roof(tokens, exchange));
            }
            Work::Tiny => return 0.0,
        };
        (timed.flop / rate).max(timed.bytes / machine.bandwidth)
    }
}
