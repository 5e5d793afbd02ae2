//! The sentence that answers a comparison, and the notes beneath it.
//!
//! A verdict compares one price basis and one year; a software adapter gets none. Otherwise the sentence gives
//! device-hours and the price at which the two would break even.

use super::bill::metric;
use super::row::CompareRow;
use crate::estimate::Calibration;
use crate::scenario::draft::Minimize;
use crate::scenario::money::Currency;
use crate::scenario::{Basis, Contender, Fewest, Offer, Plan, Price};
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
    let lead = fewest(plan, rows).map(|lead| lead + ". ").unwrap_or_default();
    let ranked = if judged.len() > MOST_PAIRWISE { ranking(&judged, plan, calibration) } else { None };
    let all = if ranked.is_some() { &judged[..0] } else { &judged[..] };
    let mut parts = vec![ranked.unwrap_or_else(|| alone(first, plan.objective.minimize))];
    for (index, other) in all.iter().enumerate().skip(1) {
        // Only contenders that serve the same model compete; a service competes with all, a GPU before software.
        let competes = |j: &&Judged<'_>| j.row.model == other.row.model || other.row.devices.is_none();
        let before = || judged[..index].iter().filter(competes);
        let service = || judged[..index].iter().find(|j| j.row.devices.is_none());
        let rival = before().find(|j| !j.row.software || other.row.devices.is_some()).or_else(|| before().next());
        let rival = rival.or_else(service);
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
    let currency = plan.currency.as_ref().map(|c| format!(" {}.", counted(c))).unwrap_or_default();
    format!("{lead}{}.{currency}", parts.join("; "))
}

/// How prices in the scenario's currency are counted.
pub fn counted(currency: &Currency) -> String {
    format!("Prices in {} are counted in US dollars, {currency}", currency.code)
}

/// The fewest devices of those contenders whose number was to be found.
fn fewest(plan: &Plan, rows: &[CompareRow]) -> Option<String> {
    let asked = |c: &&Contender| c.fewest == Some(Fewest::Found);
    let row = |c: &Contender| rows.iter().find(|r| r.chosen && r.contender == c.name);
    let found: Vec<&CompareRow> = plan.contenders.iter().filter(asked).filter_map(row).collect();
    let load = match (plan.workload.rate, plan.workload.users()) {
        (Some(rate), _) => format!("{} requests a day", digits(rate * 86_400.0)),
        (None, Some(users)) => format!("{users} users"),
        _ => return None,
    };
    let within: Vec<String> = [(plan.objective.ttft, "to the first token"), (plan.objective.tpot, "a token")]
        .into_iter()
        .filter_map(|(target, what)| Some(format!("{} {what}", duration(target?.get()))))
        .collect();
    let within = if within.is_empty() { String::new() } else { format!(" within {}", within.join(" and ")) };
    let spread = |row: &CompareRow| row.parallel.clone().unwrap_or_default();
    match found.as_slice() {
        [] => None,
        [one] => Some(format!(
            "The fewest {} that serve {load}{within} are {} ({})",
            one.device,
            one.devices.unwrap_or(0),
            spread(one)
        )),
        many => {
            let each = many.iter().map(|r| format!("{} {} ({})", r.devices.unwrap_or(0), r.device, spread(r)));
            Some(format!("The fewest that serve {load}{within}: {}", each.collect::<Vec<_>>().join(", ")))
        }
    }
}

fn duration(seconds: f64) -> String {
    if seconds < 1.0 { format!("{} ms", digits(seconds * 1e3)) } else { format!("{} s", digits(seconds)) }
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
    let mut text = format!("{} is the cheapest at {}", named(best.row), dollars(cost(best), minimize, best));
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
        Some(usd) if row.devices.is_some() => format!(" at {}", dollars(usd, minimize, judged)),
        Some(usd) => format!(" asks {}", dollars(usd, minimize, judged)),
        None if row.software => String::new(),
        None => row
            .device_hours_per_mtok
            .map(|h| format!(", {} device-hours per Mtok total", digits(h)))
            .unwrap_or_default(),
    };
    named(row) + &speed + &money
}

fn dollars(usd: f64, minimize: Minimize, judged: &Judged<'_>) -> String {
    format!("${} per Mtok {} ({})", digits(usd), label(minimize), paid(judged.price, judged.row))
}

/// What a price counts: its basis, its tier, and the share of the paid hours with work.
pub fn paid(price: &Price, row: &CompareRow) -> String {
    let tier = price.tier.as_ref().map(|tier| format!(", {tier}")).unwrap_or_default();
    let busy = row.utilisation.map(|share| format!(", busy {} % of the time", digits(share * 100.0)));
    format!("{}{tier}{}", price.basis, busy.unwrap_or_default())
}

fn against(first: &Judged<'_>, other: &Judged<'_>, minimize: Minimize, error: f64) -> String {
    let (a, b) = (first.row, other.row);
    let priced = |j: &Judged<'_>| metric(j.row, minimize).filter(|_| j.price.basis != Basis::None);
    if let (Some(x), Some(y), false) = (priced(first), priced(other), a.software || b.software)
        && first.price.comparable(other.price)
    {
        let meet = meeting(first, other, minimize, error).map(|at| format!("; they break even {at}"));
        let meet = meet.or_else(|| never(first, other, minimize)).unwrap_or_default();
        return format!("{} {} at {}{meet}", named(b), verdict(y / x, error), dollars(y, minimize, other));
    }
    let speed = match (rate(a), rate(b)) {
        (Some(x), Some(y)) => format!(" ({} times as many)", digits(y / x)),
        _ => String::new(),
    };
    let unlike = match (priced(first), priced(other)) {
        _ if a.software || b.software => String::new(),
        (Some(_), Some(y)) => {
            let parity = || parity(first, y, minimize).map(|p| format!("; {} would break even at {p}", a.contender));
            let meet = meeting(first, other, minimize, error).map(|at| format!("; the two sums meet {at}"));
            unlike(first.price, other.price) + &meet.or_else(parity).unwrap_or_default()
        }
        (None, Some(y)) => would_cost(first, y, minimize),
        _ => String::new(),
    };
    alone(other, minimize) + &speed + &unlike
}

/// Devices that are paid around the clock against a service that is paid by the token, and the price of a device-hour of
/// work at which the two cost the same.
fn kept<'a, 'b>(one: &'a Judged<'b>, other: &'a Judged<'b>, minimize: Minimize) -> Option<(&'a Judged<'b>, f64)> {
    let (kept, service) = match (one.row.devices, other.row.devices) {
        (Some(_), None) => (one, other),
        (None, Some(_)) => (other, one),
        _ => return None,
    };
    let hours = kept.row.device_hours(minimize).filter(|_| !kept.row.software)?;
    Some((kept, metric(service.row, minimize)? / hours))
}

/// Requests a day at which devices and a service cost the same.
fn meeting(first: &Judged<'_>, other: &Judged<'_>, minimize: Minimize, error: f64) -> Option<String> {
    let (kept, target) = kept(first, other, minimize)?;
    let share = |per_hour: f64| kept.price.busy_enough(kept.row.devices? as f64, per_hour);
    let at = share(target)?;
    // What the estimate may miss moves the share of the hours that so many requests take, not what they cost.
    let busy = match (share(target * (1.0 + error)), share(target / (1.0 + error))) {
        (Some(low), Some(high)) => format!("{} to {}", digits(low * 100.0), digits(high * 100.0)),
        _ => digits(at * 100.0),
    };
    let requests = digits(at * kept.row.requests_per_s? * 86_400.0);
    Some(format!("at {requests} requests a day ({busy} % busy)"))
}

/// Devices that cost more than a service even when every hour has work.
fn never(first: &Judged<'_>, other: &Judged<'_>, minimize: Minimize) -> Option<String> {
    let (kept, target) = kept(first, other, minimize)?;
    let always = kept.price.per_hour(kept.row.devices? as f64, 1.0)?;
    (always > target).then(|| format!("; {} is dearer even when busy around the clock", kept.row.contender))
}

/// What an hour of a device without a price may cost to be as cheap as the other.
fn would_cost(first: &Judged<'_>, target: f64, minimize: Minimize) -> String {
    let row = first.row;
    match row.device_hours(minimize) {
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
            let none = if contender.fewest == Some(Fewest::None) {
                "no number of devices serves this; of so many, "
            } else {
                ""
            };
            notes.push(format!("{}: {none}{}.", contender.name, reasons(&own)));
        }
    }
    if let Some(rate) = plan.workload.rate {
        notes.push(format!(
            "{} requests a day are taken to come as many at a time as the operating point has; spread thinner they keep a device busy for longer, and rents cost the same.",
            digits(rate * 86_400.0)
        ));
    }
    notes.extend(tiers(plan));
    notes
}

/// Rents of unlike tiers are no like prices: a spot device may be taken away, a contract binds for years.
pub fn tiers(plan: &Plan) -> Option<String> {
    let rents = plan.contenders.iter().filter_map(|c| match &c.offer {
        Offer::Devices { price, .. } if price.basis == Basis::Rent => Some((c.name.as_str(), price.tier.as_deref())),
        _ => None,
    });
    let rents: Vec<(&str, Option<&str>)> = rents.collect();
    let unlike = rents.iter().any(|(_, tier)| *tier != rents[0].1);
    let each = rents.iter().map(|(name, tier)| format!("{name} {}", tier.unwrap_or("of a tier that is not said")));
    unlike.then(|| {
        let each = each.collect::<Vec<_>>().join(", ");
        format!("The rents are of unlike tiers: {each}. What may be taken away or binds for years is priced for it.")
    })
}
