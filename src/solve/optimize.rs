//! The best layout: every way to spread a model over whole nodes, and the front of throughput against speed.
//!
//! Tensor and pipeline parallelism in powers of two inside a node, data-parallel attention with experts spread over
//! all its ranks on whole nodes, up to 320 devices. Instances that share nothing behave alike, so one instance is
//! estimated and repeated until nodes are full. Separate pools for prompts and answers are matched in `pooled`. Concurrencies are the search's own: doublings per device.

use super::compare::{self, CompareRow};
use super::pooled;
use crate::estimate::{Calibration, Compiled, Unanswerable};
use crate::scenario::{Contender, Offer, Plan};
use crate::setup::{Layout, Setup};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::Serialize;

/// Most devices of a contender.
pub const MOST_DEVICES: u64 = 320;
/// Devices of a node that has no link of its own: what a host has slots for.
const HOST: u64 = 8;
/// Nodes of one wide instance that are tried; 18 is what DeepSeek decodes on.
const NODES: [u64; 13] = [1, 2, 3, 4, 6, 8, 12, 16, 18, 20, 24, 32, 40];
/// Requests in flight per device, coarse first.
pub const PER_DEVICE: [f64; 13] = [0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

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

/// Ways to spread a model over whole nodes of its device.
fn layouts(setup: &Setup) -> Vec<Layout> {
    let node = setup.hardware.sheet.link.map_or(HOST, |l| u64::from(l.domain).clamp(1, HOST));
    let model = &setup.model;
    let powers = |most: u64| (0..=most.ilog2()).map(|p| 1u64 << p);
    let mut all = Vec::new();
    for tp in powers(node.min(model.most_tensor_parallel())) {
        for pp in powers(node.min(model.layer_count())) {
            let rank = tp * pp;
            if rank <= node {
                let repeated = |ep| Layout { tp, pp, dp: 1, ep, replicas: node / rank };
                all.push(repeated(1));
                if model.has_experts() && tp > 1 {
                    all.push(repeated(tp));
                }
            } else if rank <= MOST_DEVICES && rank % node == 0 {
                all.push(Layout { tp, pp, dp: 1, ep: 1, replicas: 1 });
            }
            if !model.has_experts() {
                continue;
            }
            let whole = NODES.iter().map(|n| n * node).filter(|devices| devices % rank == 0 && *devices > rank);
            all.extend(whole.filter(|d| *d <= MOST_DEVICES).map(|devices| {
                let dp = devices / rank;
                Layout { tp, pp, dp, ep: tp * dp, replicas: 1 }
            }));
        }
    }
    all.retain(|l| model.spreads(l.tp, l.ep));
    all
}

/// A layout at rising loads, until it holds no more.
fn rows_of(contender: &Contender, layout: Layout, plan: &Plan, calibration: &Calibration) -> Vec<(Spread, CompareRow)> {
    let Offer::Devices { setup, price, power, .. } = &contender.offer else { return Vec::new() };
    let mut setup = (**setup).clone();
    setup.layout = layout;
    // A layout that the data sheet cannot join is none.
    let Ok(compiled) = Compiled::new(setup, calibration) else { return Vec::new() };
    let mut rows = Vec::new();
    for each in PER_DEVICE {
        let concurrency = (each * layout.devices() as f64).round().max(1.0) as u64;
        let load = plan.workload.at(concurrency);
        if compiled.fits(&load) == Some(false) {
            break;
        }
        let row = compare::device_row(&contender.name, &compiled, price, *power, &load);
        if row.saturated == Some(true) {
            break;
        }
        rows.push(((layout, None), row));
    }
    rows
}

/// Marks the best row that meets the targets and returns its layout.
fn best(all: &mut [(Spread, CompareRow)], plan: &Plan) -> Option<Spread> {
    let mut rows: Vec<CompareRow> = all.iter().map(|(_, row)| row.clone()).collect();
    compare::choose(&mut rows, &plan.objective);
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
