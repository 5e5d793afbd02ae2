//! `validate` and `calibrate`: the estimate against measurements, and its constants fitted again.

use super::args::{Calibrate, Validate};
use super::context;
use super::failure::Failure;
use super::options::Options;
use super::output::{self, Output};
use super::progress::Bar;
use super::ready::measured;
use crate::catalog::{self, Catalog};
use crate::device::{Device, PriceList};
use crate::estimate::Calibration;
use crate::scenario::{Local, Plan, Source, resolve};
use crate::stats;
use crate::validate::{self, Fitted, Fold, Point, Prediction, Slice};
use serde::Serialize;
use std::path::Path;

/// `validate`: predicts measured points or kernels.
pub fn validate(args: &Validate, catalog: &Catalog, output: &Output) -> Result<(), Failure> {
    let calibration = Calibration::load(catalog)?;
    if args.kernels {
        return kernels(args, catalog, &calibration, output);
    }
    let (points, predictions) = predicted(args, catalog, &calibration)?;
    let rows = validate::point_rows(&points, &predictions, &calibration);
    let mut slices = validate::slices(&points, &rows);
    slices.retain(|s| s.points >= args.smallest);
    let answered = predictions.iter().filter(|p| p.is_ok()).count();
    let lacking =
        rows.iter().filter(|r| r.reason.as_deref().is_some_and(|why| why.starts_with("the row has no"))).count();
    let sentence = format!(
        "{answered} of {} points are answered{}; {lacking} more lack what they would be answered from.",
        points.len(),
        medians(&rows)
    );
    let mut notes = reasons(&rows);
    if points.len() <= MOST_ROWS {
        notes.extend(points.iter().filter(|p| p.notes.contains("in flight")).map(|p| format!("{}: {}", p.id, p.notes)));
    }
    notes.extend(validate::coverage(&points, &rows));
    let prices = PriceList::load(catalog)?;
    for family in ["silicon", "inferencex"] {
        let own = points.iter().zip(&predictions).filter(|(p, _)| p.family == family && p.suspect.is_none());
        let known: Vec<_> = own.filter_map(|(p, outcome)| Some((p, *outcome.as_ref().ok()?))).collect();
        notes.extend(validate::decisions(family, &known, &prices).map(|d| chosen(&d)));
    }
    let mut run = context::finished("validate", context::here(), sentence, notes, &slices)?;
    let details = crate::run::rows(&rows)?;
    if !output.is_for_people() {
        run.rows.splice(..0, details.iter().cloned());
    } else if rows.len() <= MOST_ROWS {
        run.rows.clone_from(&details);
    }
    output.write_with_details(&run, &details)
}

/// Rows that a person reads one by one; of more, a screen has the errors by slice, and files have every one.
const MOST_ROWS: usize = 100;

/// Points with their predictions, or why there is none.
type Predicted = (Vec<Point>, Vec<Result<Prediction, String>>);

/// Points with their predictions: of a CSV, or of a tool's result file.
fn predicted(args: &Validate, catalog: &Catalog, calibration: &Calibration) -> Result<Predicted, Failure> {
    let entry = catalog::read(&args.points)?;
    if validate::is_points(&entry.text) {
        if args.on.is_some() {
            return Err(Failure::Usage("--on: a CSV of points says itself on what they were measured".to_owned()));
        }
        let points = validate::read(&entry.file, &entry.text)?;
        let predictions = validate::answer(&points, catalog, calibration);
        return Ok((points, predictions));
    }
    let plan = args.on.as_ref().map(|path| plan(path, catalog)).transpose()?;
    let on = plan.as_ref().map(|plan| measured(plan, args.contender.as_deref())).transpose();
    let on = on.map_err(|why| Failure::Usage(format!("--on: {why}; name it with --contender NAME")))?;
    let rows = validate::read_results(&entry.file, &entry.text, on, catalog)?;
    Ok(rows
        .into_iter()
        .map(|(point, described)| {
            let hint = |why: String| if on.is_none() { format!("{why}; give --on SCENARIO") } else { why };
            let prediction = described.map_err(hint).and_then(|d| validate::predict(&point, &d, calibration));
            (point, prediction)
        })
        .unzip())
}

/// The scenario a result file was measured on.
fn plan(path: &Path, catalog: &Catalog) -> Result<Plan, Failure> {
    let source = Source::read(path, &[])?;
    let draft = source.draft()?;
    if draft.needs_local() {
        let message = "--on: this machine would have to be measured first; name its profile.json as the device";
        return Err(Failure::Usage(message.to_owned()));
    }
    Ok(resolve(&source, &draft, catalog, Local::Pending)?)
}

/// How far off a few rows are; many are told by slice.
fn medians(rows: &[validate::PointRow]) -> String {
    if rows.len() > MOST_ROWS {
        return String::new();
    }
    type Error = fn(&validate::PointRow) -> Option<f64>;
    let quantities: [(&str, Error); 3] =
        [("TTFT", |r| r.error_ttft), ("TPOT", |r| r.error_tpot), ("throughput", |r| r.error_throughput)];
    let told = quantities.iter().filter_map(|(name, error)| {
        let off: Vec<f64> = rows.iter().filter_map(|r| error(r).map(f64::abs)).collect();
        Some(format!("{name} {:.0} %", stats::median(&off)? * 100.0))
    });
    let told: Vec<String> = told.collect();
    if told.is_empty() { String::new() } else { format!(", off in the median by {}", told.join(", ")) }
}

/// How many points are not answered, by reason.
fn reasons(rows: &[validate::PointRow]) -> Vec<String> {
    let mut counts: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
    for why in rows.iter().filter_map(|r| r.reason.as_deref()) {
        *counts.entry(why).or_default() += 1;
    }
    counts.into_iter().map(|(why, count)| format!("not answered, {count} points: {why}.")).collect()
}

fn read(path: &Path) -> Result<Vec<Point>, Failure> {
    let entry = catalog::read(path)?;
    Ok(validate::read(&entry.file, &entry.text)?)
}

/// A kernel with its prediction.
#[derive(Serialize)]
struct KernelPrediction {
    id: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pred_latency_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

fn kernels(args: &Validate, catalog: &Catalog, calibration: &Calibration, output: &Output) -> Result<(), Failure> {
    let entry = catalog::read(&args.points)?;
    let rows = validate::read_kernels(&entry.file, &entry.text)?;
    let timings = validate::timings(&rows, catalog, calibration);
    let seconds = validate::predict_kernels(&timings, calibration);
    let predictions: Vec<KernelPrediction> = rows
        .iter()
        .zip(&seconds)
        .zip(&timings)
        .enumerate()
        .map(|(id, ((row, seconds), timing))| KernelPrediction {
            id,
            pred_latency_ms: seconds.map(|s| s * 1e3),
            error: seconds.map(|s| s * 1e3 / row.latency_ms - 1.0),
            reason: timing.as_ref().err().cloned(),
        })
        .collect();
    let mut slices: std::collections::BTreeMap<String, Vec<f64>> = std::collections::BTreeMap::new();
    for (row, prediction) in rows.iter().zip(&predictions) {
        if let Some(error) = prediction.error {
            slices.entry(format!("{} {}", row.op, row.dtype)).or_default().push(error);
            slices.entry(row.op.clone()).or_default().push(error);
        }
    }
    let mut summary: Vec<Slice> =
        slices.into_iter().filter_map(|(slice, errors)| Slice::of("op", slice, "latency", &errors)).collect();
    summary.sort_by(|a, b| b.median.total_cmp(&a.median));
    let answered = predictions.iter().filter(|p| p.pred_latency_ms.is_some()).count();
    let sentence = format!("{answered} of {} kernels are answered.", rows.len());
    let run = context::finished("validate", context::here(), sentence, Vec::new(), &summary)?;
    output.write_with_details(&run, &crate::run::rows(&predictions)?)
}

/// A fitted constant as a row.
#[derive(Serialize)]
struct ConstantRow {
    kind: &'static str,
    name: String,
    value: f64,
    low: f64,
    high: f64,
    at_bound: bool,
}

/// `calibrate`: fits the constants again.
pub fn calibrate(args: &Calibrate, options: &Options, catalog: &Catalog, output: &Output) -> Result<(), Failure> {
    let bar = Bar::new(options.quiet);
    let mut calibration = Calibration::load(catalog)?;
    let points = read(&args.points)?;
    let mut fitted: Vec<Fitted> = Vec::new();
    if let Some(path) = &args.kernels {
        let entry = catalog::read(path)?;
        let rows = validate::read_kernels(&entry.file, &entry.text)?;
        let timings = validate::timings(&rows, catalog, &calibration);
        let (kernels, named) = validate::kernel_constants(&timings, &calibration);
        calibration.set_kernels(kernels);
        fitted.extend(named);
    }
    fitted.extend(validate::serving_constants(&points, catalog, &mut calibration, &bar));
    fitted.extend(validate::llama_constants(&points, catalog, &mut calibration));
    let mut notes = Vec::new();
    if args.cross_validate {
        let prices = PriceList::load(catalog)?;
        let mut folds = Vec::new();
        let mut pair_error = None;
        for fold in Fold::ALL {
            let unseen = validate::cross_validate(&points, catalog, &calibration, fold, &bar);
            notes.push(format!("{}: {}", fold.name(), errors(&unseen)));
            let rows: Vec<_> = unseen.iter().map(|u| (u.point, u.prediction)).collect();
            notes.push(format!("{} with one anchor per layout: {}", fold.name(), anchored(&unseen)));
            if let Some(d) = validate::decisions(fold.name(), &rows, &prices) {
                notes.push(chosen(&d));
                pair_error = if fold == Fold::Device { Some(d.ratio_error) } else { pair_error };
            }
            folds.push((fold, unseen));
        }
        let predictions = validate::answer(&points, catalog, &calibration);
        let known = |p: &Point| {
            let sheet = Device::load(catalog, &p.device, Path::new("")).ok();
            sheet.is_some_and(|d| calibration.fitted(&d.architecture))
        };
        let strangers = validate::as_strangers(&points, catalog, &calibration);
        let bands = validate::bands(&points, &predictions, &strangers, known, &folds);
        calibration.set_bands(bands, pair_error);
    }
    drop(bar);
    if let Some(path) = options.outputs.iter().find(|p| p.extension().is_some_and(|e| e == "toml")) {
        let text = validate::with_constants(&catalog.calibration()?.text, calibration.kernels(), &calibration)
            .map_err(anyhow::Error::from)?;
        output::save(path, &text)?;
    }
    let bounds = fitted.iter().filter(|f| f.parameter.at_bound()).count();
    let sentence = format!("{} constants are fitted; {bounds} ended at a bound.", fitted.len());
    let rows: Vec<ConstantRow> = fitted
        .into_iter()
        .map(|f| ConstantRow {
            kind: "constant",
            at_bound: f.parameter.at_bound(),
            name: f.name,
            value: f.parameter.value,
            low: f.parameter.low,
            high: f.parameter.high,
        })
        .collect();
    output.write(&context::finished("calibrate", context::here(), sentence, notes, &rows)?)
}

/// Errors after one run of each layout, the first, has corrected the others.
fn anchored(unseen: &[validate::Unseen<'_>]) -> String {
    let mut seen: std::collections::HashMap<String, f64> = std::collections::HashMap::new();
    let mut errors = Vec::new();
    for u in unseen {
        let p = u.point;
        let key =
            format!("{} {} {} {} {:?} {:?} {:?}", p.device, p.model, p.engine_kind, p.precision, p.tp, p.dp, p.ep);
        let (Some(measured), Some(predicted)) = (p.tpot_ms, u.prediction.tpot_ms) else { continue };
        match seen.get(&key) {
            Some(factor) => errors.push((predicted * factor / measured - 1.0).abs()),
            None => {
                seen.insert(key, measured / predicted);
            }
        }
    }
    let median = stats::median(&errors).map_or("?".to_owned(), |m| format!("{:.1}", m * 100.0));
    format!("{} rows, TPOT median {median} %", errors.len())
}

fn chosen(d: &validate::Decisions) -> String {
    format!(
        "decisions, {}: {} pairs of devices, the cheaper named in {:.1} %, mean regret {:.1} %, cost ratios within {:.0} % for four of five",
        d.slice,
        d.pairs,
        d.right * 100.0,
        d.regret * 100.0,
        d.ratio_error * 100.0
    )
}

fn errors(unseen: &[validate::Unseen<'_>]) -> String {
    let of = |pick: &dyn Fn(&validate::Unseen<'_>) -> Option<f64>| -> Vec<f64> {
        unseen.iter().filter_map(pick).map(f64::abs).collect()
    };
    let tpot = of(&|u| Some(u.prediction.tpot_ms? / u.point.tpot_ms? - 1.0));
    let ttft = of(&|u| Some(u.prediction.ttft_ms? / u.point.ttft_ms? - 1.0));
    let percent = |v: Option<f64>| v.map_or("?".to_owned(), |v| format!("{:.1} %", v * 100.0));
    format!(
        "{} rows, TPOT median {} mean {}, TTFT median {}",
        unseen.len(),
        percent(stats::median(&tpot)),
        percent(stats::mean(&tpot)),
        percent(stats::median(&ttft))
    )
}
