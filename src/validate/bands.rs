//! Bands: how far measurements lie from estimates, by what the estimate is of.
//!
//! A band holds the middle 80 % of measured over predicted values of points that no constant was fitted on: the folds
//! of cross-validation where constants were fitted, whole collections where they were not.

use super::calibrate::{Fold, SINGLE_STREAM, Unseen};
use super::{Point, Prediction};
use crate::estimate::band::{Band, Quantity, Situation};
use crate::stats;

/// What in-sample errors are widened by where no constant-free points exist, in powers.
const IN_SAMPLE: f64 = 1.2;

/// Logarithms of measured over predicted, per situation and quantity.
struct Residuals {
    situation: Situation,
    quantity: Quantity,
    logs: Vec<f64>,
}

/// The bands of all situations that have points. `strangers` are predictions of llama.cpp's points as if nothing were
/// known of their generation.
pub fn bands(
    points: &[Point],
    predictions: &[Result<Prediction, String>],
    strangers: &[Result<Prediction, String>],
    calibrated: impl Fn(&Point) -> bool,
    unseen: &[(Fold, Vec<Unseen<'_>>)],
) -> Vec<Band> {
    let mut all: Vec<Residuals> = Vec::new();
    let mut add = |situation, quantity, log: Option<f64>| {
        let Some(log) = log.filter(|l| l.is_finite()) else { return };
        match all.iter_mut().find(|r| r.situation == situation && r.quantity == quantity) {
            Some(r) => r.logs.push(log),
            None => all.push(Residuals { situation, quantity, logs: vec![log] }),
        }
    };
    for (_, rows) in unseen.iter().filter(|(fold, _)| *fold != Fold::Model) {
        for u in rows {
            let rate = |ttft: Option<f64>, tpot: Option<f64>| {
                let output = u.point.output_tokens? * super::describe::mean_length(&u.point.family);
                Some(1.0 / (ttft? + (output - 1.0) * tpot?))
            };
            let (p, m) = (&u.prediction, u.point);
            add(Situation::Served, Quantity::Tpot, log(m.tpot_ms, p.tpot_ms));
            add(Situation::Served, Quantity::Ttft, log(m.ttft_ms, p.ttft_ms));
            let measured = rate(m.ttft_ms, m.tpot_ms);
            add(Situation::Served, Quantity::Throughput, log(measured, rate(p.ttft_ms, p.tpot_ms)));
        }
    }
    let sound = |all: &'_ [Result<Prediction, String>]| -> Vec<Option<Prediction>> {
        points.iter().zip(all).map(|(p, one)| one.as_ref().ok().copied().filter(|_| p.suspect.is_none())).collect()
    };
    for (point, p) in points.iter().zip(sound(predictions)).filter_map(|(point, p)| Some((point, p?))) {
        let Some((situation, widen)) = situation(point, &p, calibrated(point)) else { continue };
        for (quantity, value) in quantities(point, &p) {
            add(situation, quantity, value.map(|l| l * widen));
        }
    }
    for (point, p) in points.iter().zip(sound(strangers)).filter_map(|(point, p)| Some((point, p?))) {
        if single_stream(point) {
            for (quantity, value) in quantities(point, &p) {
                add(Situation::SingleStreamElsewhere, quantity, value.map(|l| l * IN_SAMPLE));
            }
        }
    }
    all.into_iter().filter_map(|r| band(&r)).collect()
}

fn log(measured: Option<f64>, predicted: Option<f64>) -> Option<f64> {
    Some((measured.filter(|m| *m > 0.0)? / predicted.filter(|p| *p > 0.0)?).ln())
}

/// What was measured of a point over what is predicted. Prompts of one stream are a time to the first token.
fn quantities(point: &Point, p: &Prediction) -> [(Quantity, Option<f64>); 3] {
    let tpot = log(point.tpot_ms.filter(|_| point.phase != "offline"), p.tpot_ms);
    let reading = log(point.input_tok_s_per_device, p.input_tok_s_per_device);
    let (ttft, rate) = match point.phase.as_str() {
        "prefill" if single_stream(point) => (reading.map(|l| -l), None),
        "prefill" => (log(point.ttft_ms, p.ttft_ms), reading),
        _ => (log(point.ttft_ms, p.ttft_ms), log(point.output_tok_s_per_device, p.output_tok_s_per_device)),
    };
    [(Quantity::Tpot, tpot), (Quantity::Ttft, ttft), (Quantity::Throughput, rate)]
}

/// A benchmark of llama.cpp.
pub fn single_stream(point: &Point) -> bool {
    SINGLE_STREAM.contains(&point.family.as_str())
}

fn situation(point: &Point, p: &Prediction, calibrated: bool) -> Option<(Situation, f64)> {
    if single_stream(point) {
        return Some((p.situation?, IN_SAMPLE));
    }
    let comparable = matches!(point.family.as_str(), "inferencex" | "inferencex-blog" | "trtllm");
    if !comparable {
        return None;
    }
    Some(match (point.disagg.is_some(), point.phase.as_str()) {
        (true, _) => (Situation::Pools, 1.0),
        (false, _) if !calibrated => (Situation::Uncalibrated, 1.0),
        (false, "offline" | "prefill") => (Situation::Offline, 1.0),
        (false, _) => return None,
    })
}

fn band(r: &Residuals) -> Option<Band> {
    let at = |q| stats::quantile(&r.logs, q).map(f64::exp);
    Some(Band {
        situation: r.situation,
        quantity: r.quantity,
        // A band holds the value it is around, also where all measurements lie on one side.
        low: at(0.1)?.min(1.0),
        high: at(0.9)?.max(1.0),
        points: r.logs.len() as u64,
    })
}
