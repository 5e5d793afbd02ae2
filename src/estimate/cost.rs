//! From device time to money: who pays for which tokens.
//!
//! cost/h = price x devices; the input tokens carry the share T_prefill / (T_prefill + T_decode) of a request's
//! device times at its batch, the output tokens the rest.

use super::Loop;
use crate::setup::{Layout, Load};

/// Tokens per second of a whole setup, and how device time divides between them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Flow {
    /// Prompt tokens per second, cached ones included, all replicas together.
    pub input_tok_s: f64,
    /// Answer tokens per second, all replicas together.
    pub output_tok_s: f64,
    /// Share of the device time that prompts take.
    pub input_share: f64,
    /// Devices of the setup.
    pub devices: f64,
}

impl Flow {
    /// The flow of a setup whose every replica is in the same steady state.
    pub fn of(state: &Loop, load: &Load, layout: &Layout) -> Self {
        let requests = state.requests_per_s * state.active;
        Self {
            input_tok_s: requests * load.input_tokens,
            output_tok_s: requests * load.output_tokens,
            input_share: state.prompt / (state.prompt + state.answer),
            devices: layout.devices() as f64,
        }
    }

    /// The flow of separate pools, `prefill` and `decode`, each of which pays its own tokens.
    pub fn of_pools(state: &Loop, load: &Load, prefill: &Layout, decode: &Layout) -> Self {
        let (readers, writers) = (prefill.devices() as f64, decode.devices() as f64);
        Self {
            input_tok_s: state.requests_per_s * load.input_tokens,
            output_tok_s: state.requests_per_s * load.output_tokens,
            input_share: readers / (readers + writers),
            devices: readers + writers,
        }
    }

    /// Device-hours per million tokens, input and output together.
    pub fn device_hours_per_mtok(&self) -> f64 {
        self.devices / 3600.0 * 1e6 / (self.input_tok_s + self.output_tok_s)
    }

    /// Money per million tokens at a price per device-hour.
    pub fn cost(&self, usd_per_device_hour: f64) -> Cost {
        let per_second = usd_per_device_hour * self.devices / 3600.0;
        let mtok = |tok_s: f64| tok_s / 1e6;
        Cost {
            input: per_second * self.input_share / mtok(self.input_tok_s),
            output: per_second * (1.0 - self.input_share) / mtok(self.output_tok_s),
            total: per_second / mtok(self.input_tok_s + self.output_tok_s),
            output_all: per_second / mtok(self.output_tok_s),
        }
    }

    /// Joules of an output token at a power per device, with the output's share of the time.
    pub fn joule_per_output_token(&self, watts_per_device: f64) -> f64 {
        watts_per_device * self.devices * (1.0 - self.input_share) / self.output_tok_s
    }
}

/// US dollars per million tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cost {
    /// Prompt tokens.
    pub input: f64,
    /// Answer tokens.
    pub output: f64,
    /// All tokens over their number.
    pub total: f64,
    /// Everything charged to the answer.
    pub output_all: f64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The parts sum to the cost, whatever the split.
        #[test]
        fn parts_sum_to_the_cost(input in 1.0..1e6f64, output in 1.0..1e6f64, share in 0.0..1.0f64, price in 0.01..100.0f64, devices in 1.0..512.0f64) {
            let flow = Flow { input_tok_s: input, output_tok_s: output, input_share: share, devices };
            let cost = flow.cost(price);
            let per_hour = 3600.0 / 1e6 * (cost.input * input + cost.output * output);
            prop_assert!((per_hour / (price * devices) - 1.0).abs() < 1e-9);
            prop_assert!((cost.total / (price * flow.device_hours_per_mtok()) - 1.0).abs() < 1e-9);
        }
    }
}
