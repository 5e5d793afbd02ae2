//! A board held under a lower power limit than its own: what it still reaches.
//!
//! Read off a sweep of six RTX 3090 of 350 W (llmgarage.ai/power-limit-tokens-per-second-benchmark, February 2026,
//! llama.cpp): prompts lose a seventh at 250 W and three quarters at 150, tokens of the answer 3 and 14 %. On an H200
//! decode draws 137 to 300 of 700 W, so that no such limit is felt (arXiv 2605.11999). Other boards are taken to behave
//! alike at the same share of their power, which nobody measured; below the lowest share nothing is assumed.

use super::sheet::{Device, Rates};
use crate::units::{Bandwidth, FlopRate, Watts};

/// Limit over the board's power; rate of prompts and of answers over those without a limit, in this order of watts:
/// 350, 300, 250, 200, 150, 100.
const MEASURED: [(f64, f64, f64); 6] = [
    (1.0, 1.0, 1.0),
    (300.0 / 350.0, 9326.0 / 9893.0, 72.1 / 72.6),
    (250.0 / 350.0, 8436.0 / 9893.0, 70.7 / 72.6),
    (200.0 / 350.0, 5941.0 / 9893.0, 68.3 / 72.6),
    (150.0 / 350.0, 2549.0 / 9893.0, 62.6 / 72.6),
    (100.0 / 350.0, 1390.0 / 9893.0, 12.1 / 72.6),
];

impl Device {
    /// The same board held under a limit: arithmetic slows as prompts do, memory as answers do.
    ///
    /// # Errors
    /// Where the board's power is not known, and below the lowest measured share of it.
    pub fn capped(&self, limit: Watts) -> Result<Self, String> {
        let power = self.power().map_err(|missing| missing.to_string())?;
        let share = limit.get() / power.get();
        let (compute, memory) = reached(share).ok_or_else(|| {
            format!(
                "{:.0} W is {:.0} % of the {:.0} W of {}; what a board does below 29 % was never measured",
                limit.get(),
                share * 100.0,
                power.get(),
                self.id
            )
        })?;
        let slower = |rate: Option<FlopRate>| rate.map(|r| r * compute);
        let r = self.rates;
        let rates = Rates {
            fp32: slower(r.fp32),
            tf32: slower(r.tf32),
            bf16: slower(r.bf16),
            fp16: slower(r.fp16),
            fp8: slower(r.fp8),
            int8: slower(r.int8),
            fp4: slower(r.fp4),
        };
        Ok(Self { rates, bandwidth: Bandwidth::new(self.bandwidth.get() * memory), ..self.clone() })
    }
}

/// Shares of the rates at a share of the power, linear between what was measured.
fn reached(share: f64) -> Option<(f64, f64)> {
    if share >= 1.0 {
        return Some((1.0, 1.0));
    }
    MEASURED.windows(2).find(|pair| share >= pair[1].0).map(|pair| {
        let ((top, compute, memory), (low, slow, narrow)) = (pair[0], pair[1]);
        let way = (share - low) / (top - low);
        (slow + way * (compute - slow), narrow + way * (memory - narrow))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_reach_what_was_measured_and_never_more() {
        let prompts = |share| reached(share).map(|r| (r.0 * 1000.0).round());
        assert_eq!(
            (prompts(2.0), prompts(250.0 / 350.0), prompts(150.0 / 350.0)),
            (Some(1000.0), Some(853.0), Some(258.0))
        );
        assert_eq!(reached(0.28), None);
        let steps: Vec<_> = (29..=100).filter_map(|percent| reached(f64::from(percent) / 100.0)).collect();
        assert!(steps.len() == 72 && steps.windows(2).all(|s| s[0].0 <= s[1].0 && s[0].1 <= s[1].1));
    }
}
