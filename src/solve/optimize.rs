//! The best layout: every way to spread a model over whole nodes, and the front of throughput against speed.
//!
//! Tensor and pipeline parallelism in powers of two inside a node, data-parallel attention with experts spread over
//! all its ranks on whole nodes, up to 320 devices. Instances that share nothing behave alike, so one instance is
//! estimated and repeated until nodes are full. Separate pools for prompts and answers are matched in `pooled`.
//!
//! Where the scenario says how many users there are at a time, or how many requests a day, they are what is served: by as
//! many copies as that takes, on parts of a node too. Else concurrencies are the search's own: doublings per device.

use super::choose::choose;
use super::compare;
use super::layouts::{MOST_DEVICES, PER_DEVICE, layouts};
use super::pooled;
use super::row::{CompareRow, device_row};
use crate::estimate::{Calibration, Compiled, Unanswerable};
use crate::scenario::{Contender, Offer, Plan};
use crate::setup::Layout;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::Serialize;

/// How a contender is spread: the layout of all its devices, or of those that write answers with that of those that
/// read prompts.
type Spread = (Layout, Option<Layout>);

/// A layout at one load.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct LayoutRow {
    /// What `compare` says of it; `chosen` marks the best of the contender.
    #[serde(flatten)]
    pub row: CompareRow,
    /// Output tokens per second that one user sees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_tok_s_per_user: Option<f64>,
    /// No other layout is better both per device and per user.
    pub pareto: bool,
}

/// The best layout of every contender, with the front it was chosen from.
#[derive(Debug, Clone)]
pub struct Layouts {
    /// The chosen row first, then the front by falling speed, contender by contender.
    pub rows: Vec<LayoutRow>,
    /// The contenders with their best layouts.
    pub plan: Plan,
    /// Layouts that fit, over all contenders.
    pub tried: usize,
}

/// Searches the layouts of every contender that runs on devices.
///
/// # Errors
/// When a data sheet lacks a number that every layout needs.
pub fn optimize(plan: &Plan, calibration: &Calibration) -> Result<Layouts, Unanswerable> {
    let mut found = Layouts { rows: Vec::new(), plan: plan.clone(), tried: 0 };
    for contender in &mut found.plan.contenders {
        let Offer::Devices { setup, .. } = &contender.offer else {
            let rows = compare::judged(contender, plan, calibration)?;
            found.rows.extend(rows.into_iter().map(|row| LayoutRow {
                row,
                output_tok_s_per_user: None,
                pareto: false,
            }));
            continue;
        };
        contender.fewest = None;
        let layouts = layouts(setup);
        let mut all: Vec<(Spread, CompareRow)> =
            layouts.par_iter().flat_map_iter(|layout| rows_of(contender, *layout, plan, calibration)).collect();
        let pooled = pooled::rows(contender, &layouts, plan, calibration);
        all.extend(pooled.into_iter().map(|((reads, writes), row)| ((writes, Some(reads)), row)));
        found.tried += all.iter().map(|(spread, _)| spread).collect::<std::collections::HashSet<_>>().len();
        if all.is_empty() {
            let rows = compare::judged(contender, plan, calibration)?;
            found.rows.extend(rows.into_iter().map(|row| LayoutRow {
                row,
                output_tok_s_per_user: None,
                pareto: false,
            }));
            continue;
        }
        let chosen = best(&mut all, plan);
        if let (Some(spread), Offer::Devices { setup, prefill, .. }) = (chosen, &mut contender.offer) {
            (setup.layout, *prefill) = spread;
        }
        found.rows.extend(front(all));
    }
    // The concurrencies that were chosen are those the contenders are then judged at.
    let mut chosen: Vec<u64> = found.rows.iter().filter(|r| r.row.chosen).map(|r| r.row.concurrency).collect();
    chosen.sort_unstable();
    chosen.dedup();
    if !chosen.is_empty() {
        found.plan.workload.concurrency = chosen;
    }
    Ok(found)
}

/// A layout at the loads that are looked at.
fn rows_of(contender: &Contender, layout: Layout, plan: &Plan, calibration: &Calibration) -> Vec<(Spread, CompareRow)> {
    let Offer::Devices { setup, price, power, .. } = &contender.offer else { return Vec::new() };
    let mut setup = (**setup).clone();
    setup.layout = layout;
    // A layout that the data sheet cannot join is none.
    let Ok(compiled) = Compiled::new(setup, calibration) else { return Vec::new() };
    let row = |replicas: u64, users: u64| {
        let mut compiled = compiled.clone();
        compiled.setup.layout.replicas = replicas;
        let load = plan.workload.at(users);
        let row = device_row(&contender.name, &compiled, price, *power, &load);
        let held = row.fits != Some(false) && row.saturated == Some(false);
        held.then_some(((compiled.setup.layout, None), row))
    };
    if let Some(users) = plan.workload.users() {
        return copies(layout, users).filter_map(|replicas| row(replicas, users)).collect();
    }
    let instance = layout.instance() as f64;
    if let Some(rate) = plan.workload.rate {
        let one = PER_DEVICE.iter().map(|each| (each * instance).round() as u64).filter(|users| *users > 0);
        let enough = |users: u64| {
            let most = row(1, users)?.1.requests_per_s?;
            let replicas = (rate / most).ceil() as u64;
            (replicas * layout.instance() <= MOST_DEVICES).then(|| row(replicas, users * replicas))?
        };
        return one.filter_map(enough).collect();
    }
    let loads = PER_DEVICE.iter().map(|each| (each * layout.devices() as f64).round().max(1.0) as u64);
    loads.map_while(|users| row(layout.replicas, users)).collect()
}

/// Numbers of copies that share so many users: doublings, within the most devices.
fn copies(layout: Layout, users: u64) -> impl Iterator<Item = u64> {
    let most = users.min(MOST_DEVICES / layout.instance());
    std::iter::successors(Some(1), |copies| Some(copies * 2)).take_while(move |copies| *copies <= most)
}

/// Marks the best row that meets the targets and returns its layout.
fn best(all: &mut [(Spread, CompareRow)], plan: &Plan) -> Option<Spread> {
    let mut rows: Vec<CompareRow> = all.iter().map(|(_, row)| row.clone()).collect();
    choose(&mut rows, plan);
    for ((_, row), judged) in all.iter_mut().zip(rows) {
        *row = judged;
    }
    all.iter().find(|(_, row)| row.chosen).map(|(spread, _)| *spread)
}

/// Rows that no other beats both per device and per user, the chosen one before them.
fn front(all: Vec<(Spread, CompareRow)>) -> Vec<LayoutRow> {
    let user = |row: &CompareRow| row.tpot_ms.map(|ms| 1e3 / ms);
    let mut rows: Vec<CompareRow> = all.into_iter().map(|(_, row)| row).collect();
    let key = |row: &CompareRow| (user(row).unwrap_or(0.0), row.output_tok_s_per_device.unwrap_or(0.0));
    rows.sort_by(|a, b| key(b).0.total_cmp(&key(a).0).then(key(b).1.total_cmp(&key(a).1)));
    let mut most = 0.0;
    let mut shown: Vec<LayoutRow> = Vec::new();
    for row in rows {
        let (per_user, per_device) = key(&row);
        let pareto = per_device > most;
        most = if pareto { per_device } else { most };
        if pareto || row.chosen {
            shown.push(LayoutRow { row, output_tok_s_per_user: Some(per_user), pareto });
        }
    }
    shown.sort_by_key(|r| !r.row.chosen);
    shown
}
