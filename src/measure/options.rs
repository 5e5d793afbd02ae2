//! How to measure: what a caller may choose.

use super::adapters::Selector;
use super::supervisor::DEADLINE;
use crate::units::Seconds;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// How to measure.
#[derive(Debug, Clone)]
pub struct BenchOptions {
    /// On which adapters.
    pub adapter: Selector,
    /// Time for one adapter.
    pub budget: Seconds,
    /// Seed of the inputs.
    pub seed: u64,
    /// Compile bounds checks and loop bounds in.
    pub runtime_checks: bool,
    /// Every rung of every kernel, up to 15 s a case, whatever the budget.
    pub thorough: bool,
    /// Silence after which a worker counts as hung and is killed.
    pub silence: Seconds,
    /// Raised to stop after the case under way; what was measured is kept.
    pub stop: Arc<AtomicBool>,
}

impl Default for BenchOptions {
    fn default() -> Self {
        Self {
            adapter: Selector::Default,
            budget: Seconds::new(120.0),
            seed: 1,
            runtime_checks: false,
            thorough: false,
            silence: Seconds::new(DEADLINE.as_secs_f64()),
            stop: Arc::default(),
        }
    }
}
