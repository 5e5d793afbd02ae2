//! When to stop sampling, as an object that knows which of its criteria was not met.

use crate::stats;
use serde::{Deserialize, Serialize};

/// The stopping rule of one case.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// Samples needed.
    pub samples: usize,
    /// Time under measurement needed, s.
    pub time_s: f64,
    /// Relative spread (median absolute deviation over median) to reach.
    pub spread: f64,
    /// Time that may be spent, s. Beyond it three samples are taken even so; of runs of seconds two, of longer ones one.
    pub budget_s: f64,
}

/// Fewer samples than this say nothing about spread.
const FEWEST: usize = 3;
/// To runs longer than this, s, the clock and other work add little: two of them do where the time is spent.
const LONG_S: f64 = 1.0;
/// And of runs longer than this, s, one: what it computes is judged like any other, and that two runs agree is seen on
/// smaller shapes. The naive rungs of a software driver are what takes so long.
const LONGER_S: f64 = 5.0;

impl Rule {
    /// At least 10 samples and 0.5 s until the spread is under 0.5 %, or `budget_s` is spent.
    pub const fn standard(budget_s: f64) -> Self {
        Self { samples: 10, time_s: 0.5, spread: 0.005, budget_s }
    }

    /// Three samples, to choose between candidates.
    pub const fn quick() -> Self {
        Self { samples: 3, time_s: 0.0, spread: 1.0, budget_s: 0.0 }
    }

    /// Whether the samples only rank candidates; the wall clock does for that.
    pub fn ranks(&self) -> bool {
        self.time_s == 0.0
    }

    /// Sampling may end: everything is met, or the budget is spent and the fewest samples are taken.
    pub fn done(&self, samples: &[f64], spent_s: f64) -> bool {
        let shortest = samples.iter().copied().fold(f64::INFINITY, f64::min);
        let fewest = match shortest {
            s if s > LONGER_S => 1,
            s if s > LONG_S => 2,
            _ => FEWEST,
        };
        samples.len() >= fewest && (self.unmet(samples, spent_s).is_none() || spent_s >= self.budget_s)
    }

    /// The first criterion the samples do not meet, in words.
    pub fn unmet(&self, samples: &[f64], spent_s: f64) -> Option<String> {
        let spread = relative_spread(samples);
        if samples.len() < self.samples {
            Some(format!("{} of {} samples within {:.1} s", samples.len(), self.samples, self.budget_s))
        } else if spent_s < self.time_s {
            Some(format!("{spent_s:.2} s of {} s under measurement", self.time_s))
        } else if spread > self.spread {
            Some(format!("spread {:.1} % where {:.1} % is asked for", 100.0 * spread, 100.0 * self.spread))
        } else {
            None
        }
    }
}

/// Median absolute deviation over the median; 0 for no samples.
pub fn relative_spread(samples: &[f64]) -> f64 {
    match (stats::median_absolute_deviation(samples), stats::median(samples)) {
        (Some(deviation), Some(median)) if median > 0.0 => deviation / median,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stops_when_everything_is_met_or_the_budget_is_spent() {
        let rule = Rule::standard(2.0);
        let steady = vec![0.1; 10];
        assert!(rule.done(&steady, 1.0));
        assert!(!rule.done(&steady[..9], 0.9) && !rule.done(&steady, 0.4));
        assert!(rule.done(&steady[..3], 2.0) && !rule.done(&steady[..2], 2.0));
        assert!(rule.unmet(&steady[..3], 2.0).is_some_and(|u| u.contains("3 of 10 samples")));
        // Runs of seconds: two of them, or one.
        assert!(rule.done(&[3.0, 3.1], 6.1) && !rule.done(&[3.0], 3.0) && !rule.done(&[3.0, 0.5], 3.5));
        assert!(rule.done(&[9.0], 9.0) && !rule.done(&[], 9.0));
        assert!(rule.unmet(&[9.0], 9.0).is_some_and(|u| u.contains("1 of 10 samples")));
        let wild: Vec<f64> = (1..=10).map(f64::from).collect();
        assert!(rule.unmet(&wild, 1.0).is_some_and(|u| u.contains("spread")));
    }
}
