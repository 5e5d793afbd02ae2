//! The smallest number of devices that meets the targets: replicas are doubled until they are enough, then halved in.
//!
//! More replicas never make a request wait longer under the same arrivals, so that the search may halve.

use super::load::Spectator;
use super::run::{Case, Done, run};
use crate::diagnostic::Diagnostic;

/// Most replicas that are tried.
const MOST: u64 = 4096;

/// The row of the smallest number of replicas that meets every target; with none, the row of the most that was tried.
///
/// # Errors
/// When the trace is wrong.
pub fn smallest(case: &Case<'_>, spectator: &dyn Spectator) -> Result<Done, Diagnostic> {
    let at = |replicas: u64| run(&Case { system: case.system.with_replicas(replicas), ..*case }, spectator);
    let good = |done: &Done| done.row.slo_met == Some(true);
    let mut low = 0;
    let mut high = 1;
    let mut best = at(high)?;
    while !good(&best) {
        // What an idle engine misses, no number of engines reaches: all requests alone are as fast as it gets.
        let hopeless = best.row.queue_ms_p99.is_some_and(|ms| ms < 1e-3) && high > 1;
        if best.row.fits == Some(false) || best.row.requests_finished == 0 || hopeless || high >= MOST {
            best.row.smallest = Some(false);
            return Ok(best);
        }
        low = high;
        high *= 2;
        best = at(high)?;
    }
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        let tried = at(middle)?;
        if good(&tried) {
            (high, best) = (middle, tried);
        } else {
            low = middle;
        }
    }
    best.row.smallest = Some(true);
    Ok(best)
}
