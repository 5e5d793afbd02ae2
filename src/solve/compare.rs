//! Contenders side by side: one row per contender and concurrency, and the row each is judged by.

use super::choose::choose;
use super::row::{CompareRow, device_row, pool_row, service};
use super::{fewest, sentence};
use crate::estimate::{Calibration, Compiled, Pools, Unanswerable};
use crate::scenario::plan::Workload;
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
    let plan = fewest::sized(plan, calibration)?;
    let mut rows = Vec::new();
    for contender in &plan.contenders {
        rows.append(&mut judged(contender, &plan, calibration)?);
    }
    let (sentence, notes) = answer(&plan, &rows, calibration);
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
    choose(&mut rows, plan);
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
