//! Reads a user's own measurements: result files of vLLM, SGLang and AIPerf, or points as CSV.
//!
//! A CSV names device and model itself; a result file is of the contender it is given for.

use super::Point;
use super::describe::{Described, Describer};
use crate::catalog::Catalog;
use crate::diagnostic::Diagnostic;
use crate::estimate::anchor::{Anchor, Correction};
use crate::estimate::{Calibration, Compiled, Pools};
use crate::setup::{Layout, Load, Setup};
use serde_json::Value;

/// A run: the load and what was measured.
#[derive(Debug, Clone, Copy)]
struct Run {
    load: Load,
    ttft_ms: f64,
    tpot_ms: f64,
}

/// Anchors from points that served requests; others say nothing about serving.
pub fn anchors_of_points(points: &[Point], catalog: &Catalog, calibration: &Calibration) -> Vec<Anchor> {
    let mut describer = Describer::new(catalog);
    let one = |point: &Point, describer: &mut Describer<'_>| {
        let Described::One(setup) = describer.point(point).ok()? else { return None };
        let load = super::answer::load(point, point.concurrency?).ok()?;
        anchor(&setup, None, Run { load, ttft_ms: point.ttft_ms?, tpot_ms: point.tpot_ms? }, calibration)
    };
    points.iter().filter(|p| p.phase == "serve").filter_map(|point| one(point, &mut describer)).collect()
}

/// Anchors from a result file: one JSON object, or one a line, of runs on `setup`, whose prompts may have
/// a pool of their own.
///
/// # Errors
/// When the file is no result of vLLM, SGLang or AIPerf.
pub fn anchors_of_results(
    file: &str,
    text: &str,
    setup: &Setup,
    prefill: Option<Layout>,
    calibration: &Calibration,
) -> Result<Vec<Anchor>, Diagnostic> {
    let whole = serde_json::from_str::<Value>(text).map(|v| vec![v]);
    let objects = match whole {
        Ok(objects) => objects,
        Err(_) => {
            let lines = text.lines().filter(|l| !l.trim().is_empty()).map(serde_json::from_str::<Value>);
            lines.collect::<Result<Vec<_>, _>>().map_err(|e| Diagnostic::from_json(file, text, &e))?
        }
    };
    let runs: Option<Vec<Run>> =
        objects.iter().map(|object| serving_bench(object).or_else(|| aiperf(object))).collect();
    let runs = runs.filter(|r| !r.is_empty()).ok_or_else(|| {
        Diagnostic::new(file, "this is no result file of vLLM, SGLang or AIPerf").hint(
            "`vllm bench serve --save-result`, `sglang.bench_serving --output-file` and AIPerf's \
             profile_export_aiperf.json are read, or a CSV of points",
        )
    })?;
    Ok(runs.into_iter().filter_map(|run| anchor(setup, prefill, run, calibration)).collect())
}

fn anchor(setup: &Setup, prefill: Option<Layout>, run: Run, calibration: &Calibration) -> Option<Anchor> {
    let state = match prefill {
        Some(layout) => {
            let Pools { prefill, decode, transfer } = Pools::new(setup.clone(), layout, calibration).ok()?;
            let [prefill, decode] = [prefill, decode].map(|pool| pool.corrected(None));
            Pools { prefill, decode, transfer }.closed_loop(&run.load)
        }
        None => Compiled::new(setup.clone(), calibration).ok()?.corrected(None).closed_loop(&run.load),
    };
    let correction =
        Correction { ttft: run.ttft_ms / 1e3 / state.ttft?.get(), tpot: run.tpot_ms / 1e3 / state.tpot.get() };
    let usable = |f: f64| f.is_finite() && f > 0.0;
    (usable(correction.ttft) && usable(correction.tpot)).then(|| Anchor {
        device: setup.hardware.sheet.id.clone(),
        model: setup.model.name.clone(),
        engine: setup.engine,
        formats: setup.formats,
        layout: setup.layout,
        prefill,
        correction,
    })
}

fn number(object: &Value, path: &[&str]) -> Option<f64> {
    path.iter().try_fold(object, |at, key| at.get(key))?.as_f64().filter(|v| v.is_finite() && *v > 0.0)
}

/// vLLM's and SGLang's serving benchmarks write the same names.
fn serving_bench(object: &Value) -> Option<Run> {
    let completed = number(object, &["completed"])?;
    let mean = |name: &str| Some(number(object, &[name])? / completed);
    let concurrency = number(object, &["max_concurrency"]).or_else(|| number(object, &["concurrency"]))?;
    Some(Run {
        load: Load {
            input_tokens: mean("total_input_tokens")?,
            output_tokens: mean("total_output_tokens")?,
            concurrency: concurrency.round() as u64,
            prefix_hit: 0.0,
        },
        ttft_ms: number(object, &["mean_ttft_ms"])?,
        tpot_ms: number(object, &["mean_tpot_ms"])?,
    })
}

fn aiperf(object: &Value) -> Option<Run> {
    let average = |name: &str| number(object, &[name, "avg"]);
    let concurrency = number(object, &["input_config", "loadgen", "concurrency"])?;
    Some(Run {
        load: Load {
            input_tokens: average("input_sequence_length")?,
            output_tokens: average("output_sequence_length")?,
            concurrency: concurrency.round() as u64,
            prefix_hit: 0.0,
        },
        ttft_ms: average("time_to_first_token")?,
        tpot_ms: average("inter_token_latency")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn result_files_of_three_tools_are_read() {
        let vllm = json!({ "completed": 10, "total_input_tokens": 10000, "total_output_tokens": 2000,
            "max_concurrency": 4, "mean_ttft_ms": 50.0, "mean_tpot_ms": 9.0 });
        let run = serving_bench(&vllm).expect("a run");
        assert_eq!((run.load.input_tokens, run.load.output_tokens, run.load.concurrency), (1000.0, 200.0, 4));
        let aiperf_file = json!({ "input_config": { "loadgen": { "concurrency": 8 } },
            "input_sequence_length": { "avg": 512.0 }, "output_sequence_length": { "avg": 128.0 },
            "time_to_first_token": { "avg": 40.0 }, "inter_token_latency": { "avg": 7.5 } });
        let run = aiperf(&aiperf_file).expect("a run");
        assert_eq!((run.tpot_ms, run.load.concurrency), (7.5, 8));
        assert!(serving_bench(&json!({ "completed": 0 })).is_none() && aiperf(&json!({})).is_none());
    }
}
