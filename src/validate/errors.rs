//! Errors of predictions against measurements: |predicted - measured| / measured, by slice, worst first.

use super::bands;
use super::calibrate::{SERVED, SINGLE_STREAM};
use super::{Point, Prediction};
use crate::estimate::{Calibration, Quantity};
use crate::stats;
use schemars::JsonSchema;
use serde::Serialize;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// A point with its prediction; what does not exist is absent.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct PointRow {
    /// `point`.
    pub kind: &'static str,
    /// Name of the point.
    pub id: String,
    /// Collection it belongs to, or the tool that measured it.
    pub family: String,
    /// The model.
    pub model: String,
    /// The device.
    pub device: String,
    /// `prefill`, `decode`, `both`, `serve` or `offline`.
    pub phase: String,
    /// Tokens of a prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<f64>,
    /// Tokens of an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<f64>,
    /// Requests in flight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<f64>,
    /// Measured mean time to the first token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttft_ms: Option<f64>,
    /// Measured mean time per further token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tpot_ms: Option<f64>,
    /// Measured prompt tokens per second and device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_tok_s_per_device: Option<f64>,
    /// Measured answer tokens per second and device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_tok_s_per_device: Option<f64>,
    /// Predicted mean time to the first token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pred_ttft_ms: Option<f64>,
    /// Lower end of its band.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pred_ttft_ms_low: Option<f64>,
    /// Upper end of its band.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pred_ttft_ms_high: Option<f64>,
    /// Predicted mean time per further token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pred_tpot_ms: Option<f64>,
    /// Lower end of its band.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pred_tpot_ms_low: Option<f64>,
    /// Upper end of its band.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pred_tpot_ms_high: Option<f64>,
    /// Predicted prompt tokens per second and device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pred_input_tok_s_per_device: Option<f64>,
    /// Lower end of its band.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pred_input_tok_s_per_device_low: Option<f64>,
    /// Upper end of its band.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pred_input_tok_s_per_device_high: Option<f64>,
    /// Predicted answer tokens per second and device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pred_output_tok_s_per_device: Option<f64>,
    /// Lower end of its band.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pred_output_tok_s_per_device_low: Option<f64>,
    /// Upper end of its band.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pred_output_tok_s_per_device_high: Option<f64>,
    /// Predicted tokens per second and device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pred_total_tok_s_per_device: Option<f64>,
    /// Lower end of its band.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pred_total_tok_s_per_device_low: Option<f64>,
    /// Upper end of its band.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pred_total_tok_s_per_device_high: Option<f64>,
    /// Signed relative error of the time to the first token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_ttft: Option<f64>,
    /// Signed relative error of the time per token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_tpot: Option<f64>,
    /// Signed relative error of the output throughput, or of the input's for prefill.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_throughput: Option<f64>,
    /// Why there is no prediction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Errors of the points that share a property.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Slice {
    /// `summary`.
    pub kind: &'static str,
    /// Constants were fitted on these points; the others are predictions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fitted: Option<bool>,
    /// The property, such as `family` or `device`.
    pub by: String,
    /// Its value.
    pub slice: String,
    /// What was measured: `ttft`, `tpot` or `throughput`.
    pub quantity: &'static str,
    /// Points with a prediction and a measurement.
    pub points: usize,
    /// Median absolute relative error.
    pub median: f64,
    /// Mean absolute relative error.
    pub mean: f64,
    /// Median signed relative error.
    pub bias: f64,
}

fn error(predicted: Option<f64>, measured: Option<f64>) -> Option<f64> {
    let measured = measured.filter(|m| *m > 0.0)?;
    Some(predicted? / measured - 1.0)
}

/// One row a point.
pub fn point_rows(
    points: &[Point],
    predictions: &[Result<Prediction, String>],
    calibration: &Calibration,
) -> Vec<PointRow> {
    points.iter().zip(predictions).map(|(point, outcome)| row(point, outcome, calibration)).collect()
}

fn row(point: &Point, outcome: &Result<Prediction, String>, calibration: &Calibration) -> PointRow {
    let p = outcome.as_ref().copied().unwrap_or_default();
    let throughput = match point.phase.as_str() {
        "prefill" => error(p.input_tok_s_per_device, point.input_tok_s_per_device),
        _ => error(p.output_tok_s_per_device, point.output_tok_s_per_device),
    };
    let ends = |value: Option<f64>, quantity| {
        let band = p.situation.and_then(|s| calibration.band(s, quantity));
        (value.zip(band).map(|(v, b)| v * b.low), value.zip(band).map(|(v, b)| v * b.high))
    };
    let (ttft, tpot) = (ends(p.ttft_ms, Quantity::Ttft), ends(p.tpot_ms, Quantity::Tpot));
    let rate = |value| ends(value, Quantity::Throughput);
    // Prompts of one stream have the band of their time.
    let input =
        match p.situation.filter(|_| bands::single_stream(point)).and_then(|s| calibration.band(s, Quantity::Ttft)) {
            Some(b) => (p.input_tok_s_per_device.map(|v| v / b.high), p.input_tok_s_per_device.map(|v| v / b.low)),
            None => rate(p.input_tok_s_per_device),
        };
    let output = rate(p.output_tok_s_per_device);
    let total = rate(p.total_tok_s_per_device);
    PointRow {
        kind: "point",
        id: point.id.clone(),
        family: point.family.clone(),
        model: point.model.clone(),
        device: point.device.clone(),
        phase: point.phase.clone(),
        input_tokens: point.input_tokens,
        output_tokens: point.output_tokens,
        concurrency: point.concurrency,
        ttft_ms: point.ttft_ms,
        tpot_ms: point.tpot_ms,
        input_tok_s_per_device: point.input_tok_s_per_device,
        output_tok_s_per_device: point.output_tok_s_per_device,
        pred_ttft_ms: p.ttft_ms,
        pred_ttft_ms_low: ttft.0,
        pred_ttft_ms_high: ttft.1,
        pred_tpot_ms: p.tpot_ms,
        pred_tpot_ms_low: tpot.0,
        pred_tpot_ms_high: tpot.1,
        pred_input_tok_s_per_device: p.input_tok_s_per_device,
        pred_input_tok_s_per_device_low: input.0,
        pred_input_tok_s_per_device_high: input.1,
        pred_output_tok_s_per_device: p.output_tok_s_per_device,
        pred_output_tok_s_per_device_low: output.0,
        pred_output_tok_s_per_device_high: output.1,
        pred_total_tok_s_per_device: p.total_tok_s_per_device,
        pred_total_tok_s_per_device_low: total.0,
        pred_total_tok_s_per_device_high: total.1,
        error_ttft: error(p.ttft_ms.filter(|_| !p.saturated), point.ttft_ms),
        error_tpot: error(p.tpot_ms, point.tpot_ms).filter(|_| point.phase != "offline"),
        error_throughput: throughput,
        reason: outcome.as_ref().err().cloned(),
    }
}

/// Errors by family, device, model, engine and layout; suspect points left out; worst first within a property.
pub fn slices(points: &[Point], rows: &[PointRow]) -> Vec<Slice> {
    type Property = (&'static str, fn(&Point) -> String);
    const PROPERTIES: [Property; 6] = [
        ("family", |p| p.family.clone()),
        ("family engine", |p| format!("{} {}", p.family, p.engine_kind)),
        ("family phase", |p| format!("{} {}", p.family, p.phase)),
        ("family device", |p| format!("{} {}", p.family, p.device)),
        ("family model", |p| format!("{} {}", p.family, p.model)),
        ("family layout", |p| {
            let many = |cell: Option<f64>| cell.is_some_and(|v| v > 1.0);
            format!("{}{}{}", p.family, if many(p.dp) { " dp>1" } else { "" }, if many(p.ep) { " ep>1" } else { "" })
        }),
    ];
    let mut slices = Vec::new();
    for (by, property) in PROPERTIES {
        let mut errors: BTreeMap<(String, &'static str), Vec<f64>> = BTreeMap::new();
        for (point, row) in points.iter().zip(rows).filter(|(p, _)| p.suspect.is_none()) {
            let quantities = [("ttft", row.error_ttft), ("tpot", row.error_tpot), ("throughput", row.error_throughput)];
            for (quantity, error) in quantities {
                if let Some(error) = error {
                    errors.entry((property(point), quantity)).or_default().push(error);
                }
            }
        }
        let mut own: Vec<Slice> = errors
            .into_iter()
            .filter_map(|((slice, quantity), errors)| Slice::of(by, slice, quantity, &errors))
            .collect();
        for slice in &mut own {
            let family = slice.slice.split(' ').next().unwrap_or_default();
            slice.fitted = Some(family == SERVED || SINGLE_STREAM.contains(&family));
        }
        own.sort_by(|a, b| (a.fitted, b.median).partial_cmp(&(b.fitted, a.median)).unwrap_or(Ordering::Equal));
        slices.append(&mut own);
    }
    slices
}

/// How many measured values lie in their bands, by family, one sentence each.
pub fn coverage(points: &[Point], rows: &[PointRow]) -> Vec<String> {
    let mut counts: BTreeMap<(&str, &str), (usize, usize)> = BTreeMap::new();
    for (point, row) in points.iter().zip(rows).filter(|(p, _)| p.suspect.is_none()) {
        let quantities = [
            ("TTFT", point.ttft_ms.filter(|_| row.error_ttft.is_some()), row.pred_ttft_ms_low, row.pred_ttft_ms_high),
            ("TPOT", point.tpot_ms.filter(|_| row.error_tpot.is_some()), row.pred_tpot_ms_low, row.pred_tpot_ms_high),
            (
                "throughput",
                point.output_tok_s_per_device.filter(|_| row.error_throughput.is_some()),
                row.pred_output_tok_s_per_device_low,
                row.pred_output_tok_s_per_device_high,
            ),
        ];
        for (name, measured, low, high) in quantities {
            if let (Some(measured), Some(low), Some(high)) = (measured, low, high) {
                let count = counts.entry((point.family.as_str(), name)).or_default();
                count.0 += usize::from((low..=high).contains(&measured));
                count.1 += 1;
            }
        }
    }
    let known = counts.into_iter().filter(|(_, (_, all))| *all >= 30);
    known
        .map(|((family, name), (inside, all))| {
            format!(
                "{family}: the band of {name} holds {:.0} % of {all} measured values.",
                100.0 * inside as f64 / all as f64
            )
        })
        .collect()
}

impl Slice {
    /// Statistics of signed relative errors; `None` for none.
    pub fn of(by: &str, slice: String, quantity: &'static str, errors: &[f64]) -> Option<Self> {
        let absolute: Vec<f64> = errors.iter().map(|e| e.abs()).collect();
        Some(Self {
            kind: "summary",
            fitted: None,
            by: by.to_owned(),
            slice,
            quantity,
            points: errors.len(),
            median: stats::median(&absolute)?,
            mean: stats::mean(&absolute)?,
            bias: stats::median(errors)?,
        })
    }
}
