//! The sentence that answers a comparison, and the notes beneath it.
//!
//! A verdict compares one price basis and one year; a software adapter gets none. Otherwise the sentence gives
//! device-hours and the price at which the two would break even.

use super::row::{CompareRow, metric};
use crate::estimate::Calibration;
use crate::scenario::draft::Minimize;
use crate::scenario::{Basis, Offer, Plan, Price};
use std::collections::BTreeSet;

/// A contender and the row it is judged by.
struct Judged<'a> {
    row: &'a CompareRow,
    price: &'a Price,
}

/// The answer in one sentence.
pub fn of(plan: &Plan, rows: &[CompareRow], calibration: &Calibration) -> String {
    let judged: Vec<Judged<'_>> = plan
        .contenders
        .iter()
        .filter_map(|c| {
            let (Offer::Devices { price, .. } | Offer::Api { price, .. }) = &c.offer;
            rows.iter().find(|r| r.chosen && r.contender == c.name).map(|row| Judged { row, price })
        })
        .collect();
    let Some(first) = judged.first() else {
        return format!("No contender can serve this within the targets: {}.", reasons(rows));
    };
    let ranked = if judged.len() > MOST_PAIRWISE { ranking(&judged, plan, calibration) } else { None };
    let all = if ranked.is_some() { &judged[..0] } else { &judged[..] };
    let mut parts = vec![ranked.unwrap_or_else(|| alone(first, plan.objective.minimize))];
    for (index, other) in all.iter().enumerate().skip(1) {
        // Only contenders that serve the same model compete; a service competes with all, a GPU before software.
        let competes = |j: &&Judged<'_>| j.row.model == other.row.model || other.row.devices.is_none();
        let before = || judged[..index].iter().filter(competes);
        let rival = before().find(|j| !j.row.software || other.row.devices.is_some()).or_else(|| before().next());
        parts.push(match rival {
            Some(rival) => against(rival, other, plan.objective.minimize, calibration.shared().pair_error),
            None => alone(other, plan.objective.minimize),
        });
    }
    let out: Vec<&str> = plan
        .contenders
        .iter()
        .map(|c| c.name.as_str())
        .filter(|n| judged.iter().all(|j| j.row.contender != *n))
        .collect();
    if !out.is_empty() {
        let own: Vec<CompareRow> = rows.iter().filter(|r| out.contains(&r.contender.as_str())).cloned().collect();
        parts.push(format!("{} cannot serve this within the targets ({})", out.join(" and "), reasons(&own)));
    }
    parts.join("; ") + "."
}

/// More contenders than this are ranked, not told pair by pair.
const MOST_PAIRWISE: usize = 4;

/// The cheapest, who cannot be told apart from it, and by how much the others are dearer; `None` where they do not all
/// serve one model at prices that may be compared.
fn ranking(judged: &[Judged<'_>], plan: &Plan, calibration: &Calibration) -> Option<String> {
    let minimize = plan.objective.minimize;
    let cost = |j: &Judged<'_>| metric(j.row, minimize).unwrap_or(f64::INFINITY);
    let mut order: Vec<&Judged<'_>> = judged.iter().collect();
    order.sort_by(|a, b| cost(a).total_cmp(&cost(b)));
    let (best, others) = order.split_first()?;
    let like = |j: &&Judged<'_>| {
        !j.row.software && j.row.model == best.row.model && j.price.comparable(best.price) && cost(j).is_finite()
    };
    if best.row.software || !others.iter().all(like) {
        return None;
    }
    let error = calibration.shared().pair_error;
    let (near, far): (Vec<_>, Vec<_>) = others.iter().partition(|j| cost(j) / cost(best) <= 1.0 + error);
    let list = |items: &[&&Judged<'_>]| {
        let one = |j: &&&Judged<'_>| format!("{} ({} times)", j.row.contender, digits(cost(j) / cost(best)));
        items.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    let mut text = format!("{} is the cheapest at {}", named(best.row), dollars(cost(best), minimize, best.price));
    if !near.is_empty() {
        text += &format!(
            "; not to be told apart from it, because the estimate may miss {:.0} %: {}",
            error * 100.0,
            list(&near)
        );
    }
    if !far.is_empty() {
        text += &format!("; dearer: {}", list(&far));
    }
    Some(text)
}

fn reasons(rows: &[CompareRow]) -> String {
    let all: BTreeSet<&str> = rows.iter().filter_map(|r| r.reason.as_deref()).collect();
    all.into_iter().take(2).collect::<Vec<_>>().join(", ")
}

fn label(minimize: Minimize) -> &'static str {
    match minimize {
        Minimize::UsdPerMtokOutput => "output",
        Minimize::UsdPerMtokInput => "input",
        Minimize::UsdPerMtokTotal | Minimize::DeviceHoursPerMtok => "total",
    }
}

/// A contender and what it runs on.
pub fn named(row: &CompareRow) -> String {
    let software = if row.software { ", a software adapter: no price verdict" } else { "" };
    match row.devices {
        Some(n) => format!("{} ({n} x {}{software})", row.contender, row.device),
        None => row.contender.clone(),
    }
}

fn rate(row: &CompareRow) -> Option<f64> {
    Some(row.output_tok_s_per_device? * row.devices? as f64)
}

fn alone(judged: &Judged<'_>, minimize: Minimize) -> String {
    let row = judged.row;
    let speed = rate(row).map(|r| format!(" makes {} output tokens/s", digits(r))).unwrap_or_default();
    let priced = judged.price.basis != Basis::None && !row.software;
    let money = match metric(row, minimize).filter(|_| priced) {
        Some(usd) if row.devices.is_some() => format!(" at {}", dollars(usd, minimize, judged.price)),
        Some(usd) => format!(" asks {}", dollars(usd, minimize, judged.price)),
        None if row.software => String::new(),
        None => row
            .device_hours_per_mtok
            .map(|h| format!(", {} device-hours per Mtok total", digits(h)))
            .unwrap_or_default(),
    };
    named(row) + &speed + &money
}

fn dollars(usd: f64, minimize: Minimize, price: &Price) -> String {
    format!("${} per Mtok {} ({})", digits(usd), label(minimize), price.basis)
}

fn against(first: &Judged<'_>, other: &Judged<'_>, minimize: Minimize, error: f64) -> String {
    let (a, b) = (first.row, other.row);
    let priced = |j: &Judged<'_>| metric(j.row, minimize).filter(|_| j.price.basis != Basis::None);
    if let (Some(x), Some(y), false) = (priced(first), priced(other), a.software || b.software)
        && first.price.comparable(other.price)
    {
        return format!("{} {} at {}", named(b), verdict(y / x, error), dollars(y, minimize, other.price));
    }
    let speed = match (rate(a), rate(b)) {
        (Some(x), Some(y)) => format!(" ({} times as many)", digits(y / x)),
        _ => String::new(),
    };
    let unlike = match (priced(first), priced(other)) {
        _ if a.software || b.software => String::new(),
        (Some(_), Some(y)) => {
            let parity = parity(first, y, minimize).map(|p| format!("; {} would break even at {p}", a.contender));
            unlike(first.price, other.price) + &parity.unwrap_or_default()
        }
        (None, Some(y)) => would_cost(first, y, minimize),
        _ => String::new(),
    };
    alone(other, minimize) + &speed + &unlike
}

/// What an hour of a device without a price may cost to be as cheap as the other.
fn would_cost(first: &Judged<'_>, target: f64, minimize: Minimize) -> String {
    let row = first.row;
    let hours = match minimize {
        Minimize::UsdPerMtokInput => row.device_hours_per_mtok_input,
        Minimize::UsdPerMtokOutput => row.device_hours_per_mtok_output,
        Minimize::UsdPerMtokTotal | Minimize::DeviceHoursPerMtok => row.device_hours_per_mtok,
    };
    match hours {
        Some(hours) if hours > 0.0 => {
            format!("; {} is as cheap at ${} per device-hour", row.contender, digits(target / hours))
        }
        _ => String::new(),
    }
}

/// The price per device-hour at which the first costs what the other does.
fn parity(first: &Judged<'_>, target: f64, minimize: Minimize) -> Option<String> {
    let own = metric(first.row, minimize).filter(|_| first.price.basis != Basis::None);
    match (own, first.row.usd_per_device_hour) {
        (Some(own), Some(price)) if own > 0.0 && price > 0.0 => {
            Some(format!("${} per device-hour", digits(price * target / own)))
        }
        _ => None,
    }
}

fn unlike(a: &Price, b: &Price) -> String {
    if !a.basis.comparable(b.basis) {
        format!(", not comparable: {} against {}", a.basis, b.basis)
    } else {
        format!(
            ", not comparable: a price of {} against one of {}",
            a.date.as_deref().unwrap_or("no date"),
            b.date.as_deref().unwrap_or("no date")
        )
    }
}

/// "cheaper", "dearer" or "cannot tell", by what the estimate is known to miss between two devices.
fn verdict(ratio: f64, error: f64) -> String {
    if ratio > 1.0 + error {
        format!("is dearer ({} times)", digits(ratio))
    } else if ratio < 1.0 / (1.0 + error) {
        format!("is cheaper ({} times less)", digits(1.0 / ratio))
    } else {
        format!(
            "cannot be told apart ({} times, within the {:.0} % the estimate may miss)",
            digits(ratio),
            error * 100.0
        )
    }
}

/// Two or three significant digits.
pub fn digits(value: f64) -> String {
    if value >= 100.0 {
        let unit = 10f64.powf(value.log10().floor() - 1.0);
        return format!("{:.0}", (value / unit).round() * unit);
    }
    let places = if value > 0.0 { (1.0 - value.log10().floor()).clamp(0.0, 12.0) as usize } else { 0 };
    format!("{value:.places$}")
}

/// Prices, memory and targets a reader should know.
pub fn notes(plan: &Plan, rows: &[CompareRow]) -> Vec<String> {
    let mut notes = Vec::new();
    for contender in &plan.contenders {
        match &contender.offer {
            Offer::Devices { setup, price, .. } => {
                notes.push(format!("{}: {}.", contender.name, price.origin));
                if setup.hardware.software {
                    notes.push(format!(
                        "{}: a software adapter, computing on host cores; its cost is not that of a GPU.",
                        contender.name
                    ));
                }
                if !setup.hardware.memory_known {
                    notes.push(format!(
                        "{}: how much memory it has is not known; give memory = \"24 GiB\" to have it checked.",
                        contender.name
                    ));
                }
            }
            Offer::Api { price, .. } => notes.push(format!("{}: {}.", contender.name, price.origin)),
        }
        let own: Vec<CompareRow> = rows.iter().filter(|r| r.contender == contender.name).cloned().collect();
        if own.iter().all(|r| !r.chosen) {
            notes.push(format!("{}: {}.", contender.name, reasons(&own)));
        }
    }
    notes
}
