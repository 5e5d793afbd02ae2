//! Contenders side by side: one row per contender and concurrency, and the row each is judged by.

use super::row::{CompareRow, device_row, metric, pool_row, service};
use super::sentence;
use crate::estimate::{Calibration, Compiled, Pools, Unanswerable};
use crate::scenario::plan::{Objective, Workload};
use crate::scenario::{Contender, Offer, Plan};

/// All rows, the sentence, and what a reader should know.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// One row per contender and concurrency, in the order of the scenario.
    pub rows: Vec<CompareRow>,
    /// The answer.
    pub sentence: String,
    /// Prices, assumptions, targets that were missed.
    pub notes: Vec<String>,
}

/// Estimates every contender at every concurrency and picks the row each is judged by.
///
/// # Errors
/// When a data sheet lacks a number that a contender's layout needs.
pub fn compare(plan: &Plan, calibration: &Calibration) -> Result<Comparison, Unanswerable> {
    let mut rows = Vec::new();
    for contender in &plan.contenders {
        rows.append(&mut judged(contender, plan, calibration)?);
    }
    let (sentence, notes) = answer(plan, &rows, calibration);
    Ok(Comparison { rows, sentence, notes })
}

/// The sentence and the notes of rows that are judged.
pub fn answer(plan: &Plan, rows: &[CompareRow], calibration: &Calibration) -> (String, Vec<String>) {
    (sentence::of(plan, rows, calibration), sentence::notes(plan, rows))
}

/// Every concurrency of one contender, the row it is judged by marked.
///
/// # Errors
/// When a data sheet lacks a number that the contender's layout needs.
pub fn judged(contender: &Contender, plan: &Plan, calibration: &Calibration) -> Result<Vec<CompareRow>, Unanswerable> {
    let mut rows = rows_of(contender, &plan.workload, calibration)?;
    choose(&mut rows, &plan.objective);
    Ok(rows)
}

fn rows_of(
    contender: &Contender,
    workload: &Workload,
    calibration: &Calibration,
) -> Result<Vec<CompareRow>, Unanswerable> {
    match &contender.offer {
        Offer::Api { tokens, price } => Ok(vec![service(&contender.name, tokens, price, workload)]),
        Offer::Devices { setup, prefill: Some(layout), price, power } => {
            let pools = Pools::new((**setup).clone(), *layout, calibration)?;
            let row = |&concurrency| pool_row(&contender.name, &pools, price, *power, &workload.at(concurrency));
            Ok(workload.concurrency.iter().map(row).collect())
        }
        Offer::Devices { setup, prefill: None, price, power } => {
            let compiled = Compiled::new((**setup).clone(), calibration)?;
            let row = |&concurrency| device_row(&contender.name, &compiled, price, *power, &workload.at(concurrency));
            Ok(workload.concurrency.iter().map(row).collect())
        }
    }
}

/// Marks the best row that meets the targets; the others say which target they miss.
pub fn choose(rows: &mut [CompareRow], objective: &Objective) {
    for row in rows.iter_mut().filter(|r| r.reason.is_none()) {
        row.reason = missed(row, objective);
    }
    let best = rows
        .iter()
        .enumerate()
        .filter(|(_, row)| row.reason.is_none())
        .filter_map(|(index, row)| Some((index, metric(row, objective.minimize)?)))
        .min_by(|a, b| a.1.total_cmp(&b.1));
    if let Some((index, _)) = best {
        rows[index].chosen = true;
    }
}

fn missed(row: &CompareRow, objective: &Objective) -> Option<String> {
    let over =
        |name: &str, value: f64, target: f64| format!("{name} {value:.0} ms misses the target of {target:.0} ms");
    if row.saturated == Some(true) {
        return Some("saturated: more requests are offered than it holds".to_owned());
    }
    if let (Some(target), Some(ms)) = (objective.ttft.map(|t| t.get() * 1e3), row.ttft_ms)
        && ms > target
    {
        return Some(over("TTFT", ms, target));
    }
    if let (Some(target), Some(ms)) = (objective.tpot.map(|t| t.get() * 1e3), row.tpot_ms)
        && ms > target
    {
        return Some(over("TPOT", ms, target));
    }
    None
}
