//! What to tune first: how much a per cent of each lever moves the cost of a token, and what its roof would save.
//!
//! At an operating point $/Mtok = A_0 + sum over c of A_c D_c; A_c is the change of the cost with the debt of class
//! c. It is taken there, with the concurrency held, and so are the levers of the device and of the price.

use super::bill::metric;
use super::breakeven::unknown::{Unknown, speed_mut, speed_of};
use super::compare;
use super::row::CompareRow;
use crate::estimate::bound::Class;
use crate::estimate::{Calibration, Unanswerable};
use crate::scenario::{Contender, Offer, Plan, Price};
use crate::setup::{Hardware, Setup};
use crate::units::{Bandwidth, FlopRate};
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::Arc;

/// The step of a lever that is read as its slope.
const STEP: f64 = 0.01;
/// A speed at which every kernel is at its roof.
const ROOF: f64 = 1e6;

/// One lever of one contender at its operating point.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct SensitivityRow {
    /// `sensitivity`.
    pub kind: &'static str,
    /// Name of the contender.
    pub contender: String,
    /// `gemm` ... `host` (a per cent less time), `compute`, `bandwidth`, `links` (a per cent faster), `price`,
    /// `power` (a per cent less), `utilisation` (a per cent more).
    pub lever: &'static str,
    /// What a per cent saves, US dollars per million tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd_per_mtok_per_percent: Option<f64>,
    /// What a per cent saves, device-hours per million tokens, where no price is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_hours_per_mtok_per_percent: Option<f64>,
    /// Share of the cost that the lever carries: 1 moves the cost in proportion.
    pub share: f64,
    /// Share of the cost that would be saved with these kernels at their roof.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub saving_at_roof: Option<f64>,
    /// Tuning these kernels to their roof saves most.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub tune_first: bool,
}

/// The levers of a contender at the row it is judged by, kernels by what their roof saves; empty for a service.
///
/// # Errors
/// When a data sheet lacks a number that the contender's layout needs.
pub fn sensitivity(
    contender: &Contender,
    plan: &Plan,
    calibration: &Calibration,
) -> Result<Vec<SensitivityRow>, Unanswerable> {
    let rows = compare::judged(contender, plan, calibration)?;
    let Some(row) = rows.iter().find(|r| r.chosen) else { return Ok(Vec::new()) };
    let point = Point { plan: held(plan, row.concurrency), calibration };
    let Some(cost) = point.cost(contender)? else { return Ok(Vec::new()) };
    let mut levers = Vec::new();
    for class in Class::ALL {
        let saved = |speed: f64| point.saved(contender, cost, |setup| *speed_mut(&mut setup.speed, class) = speed);
        let now = match &contender.offer {
            Offer::Devices { setup, .. } => speed_of(&setup.speed, class),
            Offer::Api { .. } => return Ok(Vec::new()),
        };
        if let (Some(step), Some(roof)) = (saved(now / (1.0 - STEP))?, saved(ROOF)?)
            && roof > 0.0
        {
            levers.push(lever(contender, row, cost, class.name(), step, Some(roof)));
        }
    }
    levers.sort_by(|a, b| b.saving_at_roof.unwrap_or(0.0).total_cmp(&a.saving_at_roof.unwrap_or(0.0)));
    if let Some(first) = levers.first_mut() {
        first.tune_first = true;
    }
    for (name, scale) in DEVICE {
        if let Some(step) = point.saved(contender, cost, |setup| scale(&mut setup.hardware, 1.0 + STEP))? {
            levers.push(lever(contender, row, cost, name, step, None));
        }
    }
    levers.extend(money(contender, row, cost));
    Ok(levers)
}

type Scale = fn(&mut Hardware, f64);

/// Levers of the device itself.
const DEVICE: [(&str, Scale); 3] = [("compute", compute), ("bandwidth", bandwidth), ("links", links)];

fn compute(hardware: &mut Hardware, by: f64) {
    let rates = &mut Arc::make_mut(&mut hardware.sheet).rates;
    let all = [
        &mut rates.fp32,
        &mut rates.tf32,
        &mut rates.bf16,
        &mut rates.fp16,
        &mut rates.fp8,
        &mut rates.int8,
        &mut rates.fp4,
    ];
    for rate in all.into_iter().flatten() {
        *rate = FlopRate::new(rate.get() * by);
    }
}

fn bandwidth(hardware: &mut Hardware, by: f64) {
    let sheet = Arc::make_mut(&mut hardware.sheet);
    sheet.bandwidth = Bandwidth::new(sheet.bandwidth.get() * by);
}

fn links(hardware: &mut Hardware, by: f64) {
    let sheet = Arc::make_mut(&mut hardware.sheet);
    if let Some(link) = &mut sheet.link {
        link.per_direction = Bandwidth::new(link.per_direction.get() * by);
    }
    sheet.network = sheet.network.map(|n| Bandwidth::new(n.get() * by));
}

fn lever(
    contender: &Contender,
    row: &CompareRow,
    cost: f64,
    name: &'static str,
    step: f64,
    roof: Option<f64>,
) -> SensitivityRow {
    let priced = row.usd_per_device_hour.is_some();
    SensitivityRow {
        kind: "sensitivity",
        contender: contender.name.clone(),
        lever: name,
        usd_per_mtok_per_percent: priced.then_some(step),
        device_hours_per_mtok_per_percent: (!priced).then_some(step),
        share: step / cost / STEP,
        saving_at_roof: roof.map(|r| r / cost),
        tune_first: false,
    }
}

/// Price, power and utilisation: exact, because they scale the price of an hour alone.
fn money(contender: &Contender, row: &CompareRow, cost: f64) -> Vec<SensitivityRow> {
    let Offer::Devices { price, .. } = &contender.offer else { return Vec::new() };
    let (Some(devices), Some(requests)) = (row.devices, row.requests_per_s) else { return Vec::new() };
    let hour = |price: &Price| price.per_hour(devices as f64, price.utilisation(requests));
    let saved = |unknown: Unknown, factor: f64| -> Option<f64> {
        let now = unknown.now(contender)?;
        let Offer::Devices { price: changed, .. } = unknown.apply(contender, now * factor)?.offer else { return None };
        Some(cost * (1.0 - hour(&changed)? / hour(price)?))
    };
    [
        ("price", saved(Unknown::Price, 1.0 - STEP)),
        // Power is paid as electricity: a per cent less of either is the same money.
        ("power", saved(Unknown::Electricity, 1.0 - STEP)),
        ("utilisation", saved(Unknown::Utilisation, 1.0 + STEP).filter(|s| *s > 0.0)),
    ]
    .into_iter()
    .filter_map(|(name, step)| Some(lever(contender, row, cost, name, step?, None)))
    .collect()
}

fn held(plan: &Plan, concurrency: u64) -> Plan {
    let mut held = plan.clone();
    held.workload.concurrency = vec![concurrency];
    held
}

struct Point<'a> {
    plan: Plan,
    calibration: &'a Calibration,
}

impl Point<'_> {
    /// The cost at the held concurrency, targets met or not.
    fn cost(&self, contender: &Contender) -> Result<Option<f64>, Unanswerable> {
        let rows = compare::judged(contender, &self.plan, self.calibration)?;
        Ok(rows.first().and_then(|r| metric(r, self.plan.objective.minimize)))
    }

    /// What a change of the setup saves.
    fn saved(
        &self,
        contender: &Contender,
        cost: f64,
        change: impl FnOnce(&mut Setup),
    ) -> Result<Option<f64>, Unanswerable> {
        let mut changed = contender.clone();
        let Offer::Devices { setup, .. } = &mut changed.offer else { return Ok(None) };
        change(setup);
        Ok(self.cost(&changed)?.map(|c| cost - c))
    }
}

/// The same, in words: what to tune first.
pub fn advice(rows: &[SensitivityRow]) -> Option<String> {
    let first = rows.iter().find(|r| r.tune_first)?;
    let saving = first.saving_at_roof?;
    Some(format!(
        "What to tune first on {}: {}; at the roof it would save {:.0} % of the cost.",
        first.contender,
        if first.lever == "host" {
            "host code and launches".to_owned()
        } else {
            format!("the {} kernels", first.lever)
        },
        saving * 100.0
    ))
}
