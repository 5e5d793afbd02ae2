//! What a report shows beside an answer: the parts of a cost, where each operation stands under its roof, and what
//! everything rests on.

use super::explain::ExplainRow;
use super::row::CompareRow;
use crate::device::Profile;
use crate::device::profile::Case;
use crate::estimate::{Calibration, Compiled, Unanswerable};
use crate::provenance::Provenance;
use crate::scenario::{Contender, Offer, Plan};
use schemars::JsonSchema;
use serde::Serialize;

/// The share of a token's cost that one kernel class carries.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct PartRow {
    /// `part`.
    pub kind: &'static str,
    /// Name of the contender.
    pub contender: String,
    /// Kernel class of the decode step, or `prefill`.
    pub part: String,
    /// Cost it carries, US dollars per million tokens of both kinds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd_per_mtok_total: Option<f64>,
    /// Device time it carries, where no price is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_hours_per_mtok: Option<f64>,
}

/// An operation under the roof of its device.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct RooflineRow {
    /// `roofline`.
    pub kind: &'static str,
    /// Name of the contender.
    pub contender: String,
    /// `decode` or `prefill`.
    pub phase: &'static str,
    /// The operation.
    pub op: String,
    /// FLOP per byte of device memory.
    pub flop_per_byte: f64,
    /// FLOP per second, launches included.
    pub flop_s: f64,
    /// Time, launches included, over the step's.
    pub share: f64,
    /// The device's peak 16-bit rate, FLOP/s; of a measured adapter the best rate that was sustained.
    pub peak_flop_s: f64,
    /// The device's peak bandwidth, byte/s; of a measured adapter what was sustained.
    pub peak_byte_s: f64,
}

/// A measured kernel under the roof of its adapter: one rung of the ladder.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct RungRow {
    /// `rung`.
    pub kind: &'static str,
    /// Name of the contender.
    pub contender: String,
    /// Kernel family.
    pub kernel: String,
    /// The rung: `naive`, `tiled`, ..., `best`.
    pub rung: String,
    /// Data type of the inputs.
    pub dtype: String,
    /// The variant that was timed.
    pub variant: String,
    /// FLOP per byte it must move.
    pub flop_per_byte: f64,
    /// FLOP per second, measured and verified.
    pub flop_s: f64,
}

/// Something the answer rests on.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct AssumptionRow {
    /// `assumption`.
    pub kind: &'static str,
    /// The contender it is about; absent where it is about all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contender: Option<String>,
    /// Which part of the answer.
    pub about: &'static str,
    /// What is taken to be so.
    pub value: String,
    /// How it is known.
    pub provenance: Provenance,
    /// When it held, or was looked up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
}

/// Cost by part of every contender at the row it is judged by: the decode step by kernel class, prompts whole.
pub fn parts(rows: &[CompareRow], ops: &[ExplainRow]) -> Vec<PartRow> {
    let mut parts = Vec::new();
    for row in rows.iter().filter(|r| r.chosen) {
        let total = row.usd_per_mtok_total.or(row.device_hours_per_mtok);
        let share = prompt_share(row);
        let (Some(total), Some(share)) = (total, share) else { continue };
        let part = |part: &str, value: f64| PartRow {
            kind: "part",
            contender: row.contender.clone(),
            part: part.to_owned(),
            usd_per_mtok_total: row.usd_per_mtok_total.map(|_| value),
            device_hours_per_mtok: row.usd_per_mtok_total.is_none().then_some(value),
        };
        parts.push(part("prefill", total * share));
        for class in crate::estimate::bound::Class::ALL {
            let of_step: f64 = ops
                .iter()
                .filter(|o| o.contender == row.contender && o.phase == "decode" && o.class == class.name())
                .map(|o| o.share)
                .sum();
            if of_step > 0.0 {
                parts.push(part(class.name(), total * (1.0 - share) * of_step));
            }
        }
    }
    parts
}

/// The share of the money that prompts take, read off the two prices and the two rates.
fn prompt_share(row: &CompareRow) -> Option<f64> {
    let input = row.usd_per_mtok_input? * row.input_tok_s_per_device?;
    let output = row.usd_per_mtok_output? * row.output_tok_s_per_device?;
    Some(input / (input + output))
}

/// Where every operation that does arithmetic stands under its device's roof.
///
/// # Errors
/// When a data sheet lacks a number that a contender's layout needs.
pub fn roofline(plan: &Plan, calibration: &Calibration, ops: &[ExplainRow]) -> Result<Vec<RooflineRow>, Unanswerable> {
    let mut rows = Vec::new();
    for contender in &plan.contenders {
        let Offer::Devices { setup, .. } = &contender.offer else { continue };
        let machine = Compiled::new((**setup).clone(), calibration)?.machine;
        let own = ops.iter().filter(|o| o.contender == contender.name && o.flop > 0.0 && o.bytes > 0.0);
        rows.extend(own.map(|op| RooflineRow {
            kind: "roofline",
            contender: contender.name.clone(),
            phase: op.phase,
            op: op.op.clone(),
            flop_per_byte: op.flop / op.bytes,
            flop_s: op.flop / (op.time_us * 1e-6),
            share: op.share,
            peak_flop_s: machine.wide_rate.get(),
            peak_byte_s: machine.bandwidth.get(),
        }));
    }
    Ok(rows)
}

/// The fastest verified kernel of every rung, on the largest shape it was timed on.
pub fn rungs(contender: &str, profile: &Profile) -> Vec<RungRow> {
    let mut best: Vec<&Case> = Vec::new();
    let rate = |c: &Case| c.flop / c.time_s_median;
    for case in profile.cases.iter().filter(|c| c.verified && c.rung.is_some() && c.flop > 0.0 && c.bytes > 0.0) {
        let same = |c: &&mut &Case| (&c.kernel, &c.dtype, &c.rung) == (&case.kernel, &case.dtype, &case.rung);
        match best.iter_mut().find(same) {
            Some(old) if (case.flop, rate(case)) > (old.flop, rate(old)) => *old = case,
            Some(_) => {}
            None => best.push(case),
        }
    }
    best.into_iter()
        .map(|case| RungRow {
            kind: "rung",
            contender: contender.to_owned(),
            kernel: case.kernel.clone(),
            rung: case.rung.clone().unwrap_or_default(),
            dtype: case.dtype.clone(),
            variant: case.variant.clone(),
            flop_per_byte: case.flop / case.bytes,
            flop_s: rate(case),
        })
        .collect()
}

/// What the answer rests on, contender by contender.
///
/// # Errors
/// When a data sheet lacks a number that a contender's layout needs.
pub fn assumptions(plan: &Plan, calibration: &Calibration) -> Result<Vec<AssumptionRow>, Unanswerable> {
    let mut rows = vec![workload(plan)];
    for contender in &plan.contenders {
        rows.extend(of_contender(contender, calibration)?);
    }
    Ok(rows)
}

fn workload(plan: &Plan) -> AssumptionRow {
    let w = &plan.workload;
    let target = |name: &str, t: Option<crate::units::Seconds>| {
        t.map(|t| format!(", mean {name} at most {:.0} ms", t.get() * 1e3)).unwrap_or_default()
    };
    AssumptionRow {
        kind: "assumption",
        contender: None,
        about: "load",
        value: format!(
            "{} input and {} output tokens a request, {:.0} % of the prompt cached, closed loop{}{}{}",
            w.input_tokens,
            w.output_tokens,
            w.prefix_hit * 100.0,
            w.rate.map(|rate| format!(", {:.0} requests a day", rate * 86_400.0)).unwrap_or_default(),
            target("TPOT", plan.objective.tpot),
            target("TTFT", plan.objective.ttft)
        ),
        provenance: Provenance::Assumed,
        date: None,
    }
}

fn of_contender(contender: &Contender, calibration: &Calibration) -> Result<Vec<AssumptionRow>, Unanswerable> {
    let row = |about: &'static str, value: String, provenance, date: Option<String>| AssumptionRow {
        kind: "assumption",
        contender: Some(contender.name.clone()),
        about,
        value,
        provenance,
        date,
    };
    let (Offer::Devices { price, .. } | Offer::Api { price, .. }) = &contender.offer;
    let mut rows =
        vec![row("price", format!("{}: {}", price.basis, price.origin), price.provenance, price.date.clone())];
    let Offer::Devices { setup, .. } = &contender.offer else { return Ok(rows) };
    let sheet = &setup.hardware.sheet;
    rows.push(row(
        "device",
        format!("{}: {}", sheet.name, sheet.source),
        setup.hardware.provenance,
        Some(sheet.retrieved.to_string()),
    ));
    rows.push(row("model", format!("{}, the published config.json", setup.model.name), Provenance::Catalogued, None));
    for holder in &setup.hardware.others {
        let sheet = &holder.hardware.sheet;
        let about = if holder.host { "host" } else { "device" };
        let how = if sheet.vendor == "unnamed" { Provenance::Assumed } else { holder.hardware.provenance };
        let memory = sheet.bandwidth.get() / 1e9;
        let value = format!("{}, {memory:.0} GB/s: {}", sheet.name, sheet.source);
        rows.push(row(about, value, how, Some(sheet.retrieved.to_string())));
    }
    let calibrated = Compiled::new((**setup).clone(), calibration)?.calibrated;
    let (what, how) = match (setup.hardware.measured.is_some(), calibrated) {
        (true, _) => ("rates measured on this adapter; the serving numbers are predicted", Provenance::Measured),
        (_, true) if setup.engine.single_user() => (
            "constants of llama.cpp fitted on its own benchmarks through this backend on this generation; this configuration is predicted",
            Provenance::Calibrated,
        ),
        (_, false) if setup.engine.single_user() => (
            "constants of llama.cpp through other backends or on other generations: no benchmark of this engine here was fitted; everything is predicted",
            Provenance::Assumed,
        ),
        (_, true) => (
            "kernel constants of this generation fitted on kernel timings, engine constants on serving runs; this configuration is predicted",
            Provenance::Calibrated,
        ),
        _ => (
            "kernel constants of another generation, or of another engine: none were fitted on this one; everything is predicted",
            Provenance::Assumed,
        ),
    };
    rows.push(row("efficiency", what.to_owned(), how, None));
    Ok(rows)
}
