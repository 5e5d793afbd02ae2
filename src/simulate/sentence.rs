//! The sentence that answers a simulation, and the notes beneath it.

use super::row::SimulateRow;
use super::run::{IDLE_POWER, counted};
use super::world::MOST_WAITING;
use crate::scenario::Plan;
use std::collections::BTreeSet;

/// The answer in one sentence.
pub fn of(plan: &Plan, rows: &[SimulateRow], size: bool) -> String {
    let mut parts = Vec::new();
    for contender in &plan.contenders {
        let own: Vec<&SimulateRow> = rows.iter().filter(|r| r.contender == contender.name).collect();
        match own.as_slice() {
            [] => {}
            [row] if size => parts.push(sized(row)),
            [row] => parts.push(one(row)),
            many => parts.push(curve(&contender.name, many)),
        }
    }
    if parts.is_empty() {
        return "There is nothing to simulate: no contender has devices.".to_owned();
    }
    let currency = plan.currency.as_ref().map(|c| format!(" Prices in {} are counted in US dollars, {c}.", c.code));
    parts.join("; ") + "." + &currency.unwrap_or_default()
}

fn named(row: &SimulateRow) -> String {
    format!("{} ({} x {})", row.contender, row.devices, row.device)
}

fn one(row: &SimulateRow) -> String {
    if row.saturated != Some(false) {
        return format!("{} cannot serve this: {}", named(row), row.reason.as_deref().unwrap_or("it is saturated"));
    }
    let mut text = format!("{} serves", named(row));
    if let Some(rate) = row.throughput_requests_s {
        text += &format!(" {} requests/s", digits(rate));
    }
    if let (Some(ttft), Some(tpot)) = (row.ttft_ms_p99, row.tpot_ms_p99) {
        text += &format!(
            " with {} ms to the first token and {} ms per token in 99 of 100 cases",
            digits(ttft),
            digits(tpot)
        );
    }
    if let Some(cost) = cost(row) {
        text += &format!(", at {cost}");
    }
    if let (Some(full), Some(_)) = (row.usd_per_mtok_output_saturated, cost(row)) {
        text += &format!(" and ${} when full", digits(full));
    }
    if let Some(reason) = &row.reason {
        text += &format!(", but {reason}");
    }
    text
}

fn sized(row: &SimulateRow) -> String {
    if row.smallest == Some(true) {
        let cost = cost(row).map(|cost| format!(", at {cost}")).unwrap_or_default();
        return format!("{} needs {} x {} to meet the targets{cost}", row.contender, row.devices, row.device);
    }
    let why = row.reason.as_deref().unwrap_or("the targets are missed");
    format!("no number of {} lets {} meet the targets ({why})", row.device, row.contender)
}

/// What an output token costs, and what kind of price that is; nothing for a software adapter.
fn cost(row: &SimulateRow) -> Option<String> {
    let usd = row.usd_per_mtok_output.filter(|_| !row.software)?;
    let tier = row.price_tier.as_ref().map(|tier| format!(", {tier}")).unwrap_or_default();
    let basis = row.price_basis.map(|basis| format!(" ({basis}{tier})")).unwrap_or_default();
    Some(format!("${} per Mtok output{basis}", digits(usd)))
}

/// The load of a row: users of a closed loop, or requests/s.
fn load(row: &SimulateRow) -> Option<f64> {
    row.concurrency.map(|users| users as f64).or(row.arrival_requests_s)
}

/// Which of a contender's rows it is judged by: the highest load that is served within the targets, else the lowest.
pub fn judged<'a>(rows: impl Iterator<Item = &'a SimulateRow>) -> usize {
    let good = rows.enumerate().filter(|(_, row)| row.reason.is_none());
    let loads = good.filter_map(|(at, row)| Some((at, load(row)?)));
    loads.max_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |(at, _)| at)
}

/// The highest load that is served within the targets.
fn curve(name: &str, rows: &[&SimulateRow]) -> String {
    let row = rows[judged(rows.iter().copied())];
    if let Some(reason) = &row.reason {
        return format!("{name} serves none of these loads within the targets ({reason})");
    }
    let most = match (row.concurrency, row.arrival_requests_s) {
        (Some(users), _) => format!("{users} users"),
        (_, rate) => format!("{} requests/s", digits(rate.unwrap_or_default())),
    };
    let cost = cost(row).map(|cost| format!(" at {cost}")).unwrap_or_default();
    format!("{name} ({} x {}) serves up to {most} of those tried{cost}", row.devices, row.device)
}

/// Three significant digits.
fn digits(value: f64) -> String {
    let magnitude = value.abs().max(1e-9).log10().floor() as i32;
    let unit = 10f64.powi(magnitude - 2);
    format!("{:.*}", (2 - magnitude).max(0) as usize, (value / unit).round() * unit)
}

/// Prices, assumptions, and what was left out.
pub fn notes(
    plan: &Plan,
    services: &[&str],
    rows: &[SimulateRow],
    left_out: impl Iterator<Item = String>,
) -> Vec<String> {
    let mut notes: Vec<String> = left_out.collect::<BTreeSet<_>>().into_iter().collect();
    for contender in &plan.contenders {
        if let crate::scenario::Offer::Devices { price, .. } = &contender.offer {
            notes.push(format!("{}: {}.", contender.name, price.origin));
        }
    }
    if !services.is_empty() {
        notes.push(format!("{}: a service has no engine to simulate.", services.join(", ")));
    }
    if rows.iter().any(|r| r.energy_kwh.is_some()) {
        notes
            .push(format!("Energy: full power while there is work, {:.0} % of it else (assumed).", IDLE_POWER * 100.0));
    }
    if rows.iter().any(|r| r.percentile_error.is_some()) {
        notes.push("Percentiles come from a histogram of three significant digits (0.1 %).".to_owned());
    }
    if rows.iter().any(|r| r.queue_requests_max >= MOST_WAITING as u64) {
        notes.push(format!(
            "Requests behind the first {MOST_WAITING} of a queue stay in their file: queues are longer than told."
        ));
    }
    let rejected = rows.iter().filter(|r| r.requests_rejected > 0);
    notes.extend(rejected.map(|r| {
        format!("{}: refused {}, longer than the memory of one engine.", r.contender, counted(r.requests_rejected))
    }));
    notes
}
