//! Decisions: over pairs of devices on the same model, engine and load, is the cheaper one named right, and what does
//! a wrong name cost?

use super::{Point, Prediction};
use crate::device::PriceList;
use crate::device::prices::Tier;
use crate::stats;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// How well the estimate chooses between devices.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Decisions {
    /// `decisions`.
    pub kind: &'static str,
    /// Which points, such as `silicon` or `silicon, unseen device`.
    pub slice: String,
    /// Pairs of measurements on different devices.
    pub pairs: usize,
    /// Share of pairs in which the cheaper device was named.
    pub right: f64,
    /// Mean of cost of the chosen over cost of the best, minus 1.
    pub regret: f64,
    /// Ratio beyond which nine of ten predicted cost ratios between two devices are on the right side: what a verdict
    /// has to allow for.
    pub ratio_error: f64,
}

/// Cost of a token, measured and predicted; in device-hours where a device has no price.
struct Costed {
    device: String,
    measured: f64,
    predicted: f64,
}

/// Requests per second of a closed loop: clients over the time of one request.
fn requests_per_s(point: &Point, ttft_ms: f64, tpot_ms: f64) -> Option<f64> {
    let time = ttft_ms + (point.output_tokens? * super::describe::mean_length(&point.family) - 1.0).max(0.0) * tpot_ms;
    (time > 0.0).then(|| point.concurrency.unwrap_or(1.0) * 1e3 / time)
}

fn throughput(point: &Point) -> Option<f64> {
    if let Some(output) = point.output_tok_s_per_device.filter(|v| *v > 0.0) {
        return Some(output);
    }
    let rate = requests_per_s(point, point.ttft_ms?, point.tpot_ms?)?;
    Some(rate * point.output_tokens? * super::describe::mean_length(&point.family) / point.devices?)
}

/// Decisions over the points of one collection.
pub fn decisions(slice: &str, rows: &[(&Point, Prediction)], prices: &PriceList) -> Option<Decisions> {
    let mut groups: BTreeMap<String, Vec<Costed>> = BTreeMap::new();
    for (point, prediction) in rows {
        let (Some(measured), Some(predicted)) = (throughput(point), prediction.output_tok_s_per_device) else {
            continue;
        };
        let price = prices.offer(&point.device, Tier::OnDemand).map_or(1.0, |offer| offer.median.get());
        let key = format!(
            "{} {} {} {:?} {:?} {:?} {:?}",
            point.engine_kind,
            point.model,
            point.precision,
            point.input_tokens,
            point.output_tokens,
            point.concurrency,
            point.disagg.is_some()
        );
        let costed = Costed { device: point.device.clone(), measured: price / measured, predicted: price / predicted };
        groups.entry(key).or_default().push(costed);
    }
    let (mut right, mut regrets, mut ratios) = (0, Vec::new(), Vec::new());
    for group in groups.values() {
        for (index, a) in group.iter().enumerate() {
            for b in group[index + 1..].iter().filter(|b| b.device != a.device) {
                let (chosen, other) = if a.predicted <= b.predicted { (a, b) } else { (b, a) };
                right += usize::from(chosen.measured <= other.measured);
                regrets.push(chosen.measured / chosen.measured.min(other.measured) - 1.0);
                ratios.push(((a.predicted / b.predicted) / (a.measured / b.measured)).ln().abs());
            }
        }
    }
    Some(Decisions {
        kind: "decisions",
        slice: slice.to_owned(),
        pairs: regrets.len(),
        right: right as f64 / regrets.len().max(1) as f64,
        regret: stats::mean(&regrets)?,
        ratio_error: stats::quantile(&ratios, 0.8)?.exp() - 1.0,
    })
}
