//! From one contender's cost to another's in steps that multiply to the ratio exactly.
//!
//! Stated order: model, precision, layout (devices, parallelism, limits), tuning (engine, speculation, speed), hardware, price,
//! utilisation. Each step takes one more thing from the second contender and chooses the operating point anew. A
//! step that cannot run on its own (the other model's weights on these devices) is taken together with the next.

use super::bill::strict;
use super::compare::judged;
use super::row::CompareRow;
use crate::estimate::{Calibration, Unanswerable};
use crate::scenario::{Contender, Offer, Plan, Price};
use crate::setup::Setup;
use schemars::JsonSchema;
use serde::Serialize;

/// One step.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct WaterfallRow {
    /// `waterfall`.
    pub kind: &'static str,
    /// What changes, such as `precision`; several where one alone cannot run.
    pub step: String,
    /// The first contender.
    pub from: String,
    /// The second.
    pub to: String,
    /// Cost before the step, US dollars per million tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd_per_mtok_before: Option<f64>,
    /// Cost after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd_per_mtok_after: Option<f64>,
    /// Device time before the step, where one of the two has no price.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_hours_per_mtok_before: Option<f64>,
    /// Device time after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_hours_per_mtok_after: Option<f64>,
    /// After over before; the ratios of all steps multiply to the ratio of the contenders.
    pub ratio: f64,
    /// Requests in flight after the step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u64>,
}

/// The steps from one contender to another; empty where either cannot serve within the targets.
///
/// # Errors
/// When a data sheet lacks a number that one of the two needs.
pub fn waterfall(
    from: &Contender,
    to: &Contender,
    plan: &Plan,
    calibration: &Calibration,
) -> Result<Vec<WaterfallRow>, Unanswerable> {
    let point = |contender: &Contender| -> Result<Option<CompareRow>, Unanswerable> {
        Ok(judged(contender, plan, calibration)?.into_iter().find(|r| r.chosen))
    };
    let (Some(first), Some(last)) = (point(from)?, point(to)?) else { return Ok(Vec::new()) };
    let money = strict(&first, plan.objective.minimize).and(strict(&last, plan.objective.minimize)).is_some();
    let cost = |row: &CompareRow| {
        if money { strict(row, plan.objective.minimize) } else { row.device_hours_per_mtok }
    };
    let Some(mut before) = cost(&first) else { return Ok(Vec::new()) };
    let mut rows = Vec::new();
    let mut pending: Vec<&str> = Vec::new();
    let steps = steps(from, to);
    for (index, (name, contender)) in steps.iter().enumerate() {
        pending.push(name);
        let end = index + 1 == steps.len();
        // A mixture that lacks a number or meets no target is no state of its own: it joins the next step.
        let reached = if end { Some(last.clone()) } else { point(contender).ok().flatten() };
        let Some(row) = reached else { continue };
        let Some(after) = cost(&row) else { continue };
        let (usd, hours) = if money { (Some((before, after)), None) } else { (None, Some((before, after))) };
        rows.push(WaterfallRow {
            kind: "waterfall",
            step: pending.join(" + "),
            from: from.name.clone(),
            to: to.name.clone(),
            usd_per_mtok_before: usd.map(|u| u.0),
            usd_per_mtok_after: usd.map(|u| u.1),
            device_hours_per_mtok_before: hours.map(|h| h.0),
            device_hours_per_mtok_after: hours.map(|h| h.1),
            ratio: after / before,
            concurrency: row.devices.map(|_| row.concurrency),
        });
        pending.clear();
        before = after;
    }
    Ok(rows)
}

/// Takes one thing of the second setup into the first.
type Take = fn(&mut Setup, &Setup);

/// The contenders on the way, each with one more thing of the second; the last one is the second.
fn steps(from: &Contender, to: &Contender) -> Vec<(&'static str, Contender)> {
    let (Offer::Devices { setup: a, price: p, .. }, Offer::Devices { setup: b, price: q, .. }) =
        (&from.offer, &to.offer)
    else {
        return vec![("service against devices", to.clone())];
    };
    let take: [(&'static str, Take); 5] = [
        ("model", |s, o| s.model.clone_from(&o.model)),
        ("precision", |s, o| s.formats = o.formats),
        ("layout", |s, o| (s.layout, s.limits) = (o.layout, o.limits)),
        ("tuning", |s, o| (s.engine, s.speculation, s.speed) = (o.engine, o.speculation, o.speed)),
        ("hardware", |s, o| s.hardware = o.hardware.clone()),
    ];
    let mut steps = Vec::new();
    let mut at = from.clone();
    let mut setup = a.clone();
    for (name, change) in take {
        change(&mut setup, b);
        if let (Offer::Devices { setup: own, prefill, .. }, Offer::Devices { prefill: other, .. }) =
            (&mut at.offer, &to.offer)
        {
            own.clone_from(&setup);
            // Separate pools are a matter of layout.
            if name == "layout" {
                *prefill = *other;
            }
        }
        steps.push((name, at.clone()));
    }
    if let Offer::Devices { price, .. } = &mut at.offer {
        *price = as_busy(q, p);
    }
    steps.push(("price", at));
    steps.push(("utilisation", to.clone()));
    steps
}

/// The second price at the first one's utilisation.
fn as_busy(price: &Price, like: &Price) -> Price {
    Price { busy: like.busy, ..price.clone() }
}

/// The steps that matter, in one sentence.
pub fn sentence(rows: &[WaterfallRow]) -> Option<String> {
    let (first, last) = (rows.first()?, rows.last()?);
    let total: f64 = rows.iter().map(|r| r.ratio).product();
    let times = |ratio: f64| super::sentence::digits(ratio);
    let steps: Vec<String> = rows
        .iter()
        .filter(|r| (r.ratio - 1.0).abs() > 0.005)
        .map(|r| format!("{} x{}", r.step, times(r.ratio)))
        .collect();
    let steps = if steps.is_empty() { "nothing differs".to_owned() } else { steps.join(", ") };
    Some(format!("From {} to {} the cost changes {} times: {steps}.", first.from, last.to, times(total)))
}
