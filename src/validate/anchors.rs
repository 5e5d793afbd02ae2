//! A user's own measurements as anchors: how far runs were from their estimates, from points as CSV or from the result
//! file of a tool.
//!
//! A CSV names device and model itself; a result file is of the contender it is given for.

use super::describe::{Described, Describer};
use super::results::{self, On};
use super::{Point, Prediction, answer};
use crate::catalog::Catalog;
use crate::diagnostic::Diagnostic;
use crate::estimate::Calibration;
use crate::estimate::anchor::{Anchor, Correction};
use crate::setup::Setup;

/// Anchors, and why rows beside them are none.
#[derive(Debug, Clone, Default)]
pub struct Anchors {
    /// One a run.
    pub anchors: Vec<Anchor>,
    /// A sentence a row that is not used.
    pub unused: Vec<String>,
    /// How the load of a row was told, where it had to be derived.
    pub notes: Vec<String>,
}

/// Anchors from points that served requests; others say nothing about serving.
pub fn anchors_of_points(points: &[Point], catalog: &Catalog, calibration: &Calibration) -> Anchors {
    let mut describer = Describer::new(catalog);
    let mut all = Anchors::default();
    for point in points {
        if point.phase != "serve" {
            all.unused.push(format!("{}: a point of phase {} says nothing about serving", point.id, point.phase));
            continue;
        }
        let made = describer.point(point).and_then(|described| one(point, &described, calibration));
        match made {
            Ok(anchor) => all.anchors.push(anchor),
            Err(why) => all.unused.push(format!("{}: {why}", point.id)),
        }
    }
    all
}

/// Anchors from a result file of runs on a contender.
///
/// Rows of llama-bench hold a prompt or an answer: all of them together are one anchor.
///
/// # Errors
/// When the file is of no known tool.
pub fn anchors_of_results(
    file: &str,
    text: &str,
    on: On<'_>,
    catalog: &Catalog,
    calibration: &Calibration,
) -> Result<Anchors, Diagnostic> {
    let mut all = Anchors::default();
    let (mut prompts, mut answers) = (Vec::new(), Vec::new());
    for (point, described) in results::read(file, text, Some(on), catalog)? {
        let ratios = described.and_then(|described| ratios(&point, &described, calibration).map(|r| (r, described)));
        match (ratios, point.phase.as_str()) {
            (Err(why), _) => all.unused.push(format!("{}: {why}", point.id)),
            (Ok(((ttft, _), _)), "prefill") => prompts.extend(ttft),
            (Ok(((_, tpot), _)), "decode") => answers.extend(tpot),
            (Ok(_), "both") => all.unused.push(format!("{}: prompt and answer are not told apart", point.id)),
            (Ok(((ttft, tpot), described)), _) => match correction(ttft, tpot) {
                Ok(correction) => {
                    all.anchors.push(anchor(&described, correction));
                    all.notes.push(format!("{}: {}", point.id, point.notes));
                }
                Err(why) => all.unused.push(format!("{}: {why}", point.id)),
            },
        }
    }
    if !prompts.is_empty() || !answers.is_empty() {
        match correction(mean(&prompts), mean(&answers)) {
            Ok(correction) => all.anchors.push(anchor(&described_of(on), correction)),
            Err(why) => all.unused.push(why),
        }
    }
    Ok(all)
}

fn described_of(on: On<'_>) -> Described {
    Described::One(Box::new(on.setup.clone()))
}

/// Geometric mean; `None` of nothing.
fn mean(ratios: &[f64]) -> Option<f64> {
    let sum: f64 = ratios.iter().map(|r| r.ln()).sum();
    (!ratios.is_empty()).then(|| (sum / ratios.len() as f64).exp())
}

fn one(point: &Point, described: &Described, calibration: &Calibration) -> Result<Anchor, String> {
    let (ttft, tpot) = ratios(point, described, calibration)?;
    Ok(anchor(described, correction(ttft, tpot)?))
}

/// Measured over estimated: of the time to the first token and of the time per further token.
fn ratios(
    point: &Point,
    described: &Described,
    calibration: &Calibration,
) -> Result<(Option<f64>, Option<f64>), String> {
    let Prediction { ttft_ms, tpot_ms, saturated, .. } = answer::predict(point, described, calibration)?;
    if saturated {
        return Err("more requests than fit: times are those of a queue".to_owned());
    }
    let usable = |ratio: f64| ratio.is_finite() && ratio > 0.0;
    let ratio = |measured: Option<f64>, estimate: Option<f64>| Some(measured? / estimate?).filter(|r| usable(*r));
    Ok((ratio(point.ttft_ms, ttft_ms), ratio(point.tpot_ms, tpot_ms)))
}

fn correction(ttft: Option<f64>, tpot: Option<f64>) -> Result<Correction, String> {
    let lacks = |what: &str, how: &str| format!("an anchor needs the time {what} as well: {how}");
    Ok(Correction {
        ttft: ttft
            .ok_or_else(|| lacks("to the first token", "a prompt (llama-bench -p 512), or a run that streams"))?,
        tpot: tpot
            .ok_or_else(|| lacks("per further token", "an answer (llama-bench -n 128), or a run that streams"))?,
    })
}

fn anchor(described: &Described, correction: Correction) -> Anchor {
    let (setup, prefill): (&Setup, _) = match described {
        Described::One(setup) => (setup, None),
        Described::Pools { prefill, decode } => (decode, Some(prefill.layout)),
    };
    Anchor {
        device: setup.hardware.sheet.id.clone(),
        model: setup.model.name.clone(),
        engine: setup.engine,
        formats: setup.formats,
        layout: setup.layout,
        prefill,
        correction,
    }
}
