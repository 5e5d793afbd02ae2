//! `validate` and `calibrate`: the estimate against measurements, and its constants fitted again.

use super::args::{Calibrate, Cli, Validate};
use super::context;
use super::failure::Failure;
use super::output::{self, Output};
use super::progress::Bar;
use crate::catalog::{self, Catalog};
use crate::estimate::Calibration;
use crate::stats;
use crate::validate::{self, Fitted, Fold, Point, Slice};
use serde::Serialize;

/// `validate`: predicts measured points or kernels.
pub fn validate(args: &Validate, catalog: &Catalog, output: &Output) -> Result<(), Failure> {
    let calibration = Calibration::load(catalog)?;
    if args.kernels {
        return kernels(args, catalog, &calibration, output);
    }
    let points = read(&args.points)?;
    let predictions = validate::answer(&points, catalog, &calibration);
    let rows = validate::point_rows(&points, &predictions);
    let mut slices = validate::slices(&points, &rows);
    slices.retain(|s| s.points >= args.smallest);
    let answered = predictions.iter().filter(|p| p.is_ok()).count();
    let sentence = format!("{answered} of {} points are answered.", points.len());
    let run = context::finished("validate", context::here(), sentence, Vec::new(), &slices)?;
    output.write(&run)
}

fn read(path: &std::path::Path) -> Result<Vec<Point>, Failure> {
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
pub fn calibrate(args: &Calibrate, cli: &Cli, catalog: &Catalog, output: &Output) -> Result<(), Failure> {
    let bar = Bar::new(cli.common.quiet);
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
        for fold in Fold::ALL {
            let unseen = validate::cross_validate(&points, catalog, &calibration, fold, &bar);
            notes.push(format!("{}: {}", fold.name(), errors(&unseen)));
        }
    }
    drop(bar);
    if let Some(path) = cli.common.outputs.iter().find(|p| p.extension().is_some_and(|e| e == "toml")) {
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
