//! Serving benchmarks of vLLM (`vllm bench serve --save-result`, `vllm/benchmarks/serve.py` of 0.33.0) and SGLang
//! (`sglang.bench_serving`, `sglang/benchmark/serving.py` of 0.5.23), which write nearly the same names.

use super::measured::{Measured, Offered, number, text};
use crate::catalog::names::published;
use crate::validate::Point;
use serde_json::Value;

/// Keys whose presence makes another measurement of it.
const REFUSED: [(&str, &str); 3] = [
    ("ramp_up_strategy", "the rate of requests changes during the run"),
    ("diffusion_steps_per_canvas", "text is written by diffusion, not token by token"),
    ("input_sequence_throughput", "embeddings are computed, no answers"),
];

/// Reads a run; `None` where the object is of another tool.
pub fn read(object: &Value, known: &[String]) -> Option<Result<Measured, String>> {
    let own = ["total_input_tokens", "total_output_tokens", "duration"].iter().all(|key| object.get(key).is_some());
    (own && object.get("completed").is_some()).then(|| run(object, known))
}

fn run(object: &Value, known: &[String]) -> Result<Measured, String> {
    for (key, why) in REFUSED {
        if object.get(key).is_some_and(|value| !value.is_null()) {
            return Err(format!("`{key}` says that {why}, which is not predicted"));
        }
    }
    if number(object, &["total_input_vision_tokens"]).is_some() || text(object, &["dataset_name"]) == Some("image") {
        return Err("`total_input_vision_tokens`: pictures are not predicted".to_owned());
    }
    let need = |key: &str| number(object, &[key]).ok_or_else(|| format!("`{key}` is missing or not above 0"));
    let (completed, duration) = (need("completed")?, need("duration")?);
    let (input, output) = (need("total_input_tokens")? / completed, need("total_output_tokens")? / completed);
    let (ttft, tpot) = (number(object, &["mean_ttft_ms"]), number(object, &["mean_tpot_ms"]));
    if ttft.is_none() && tpot.is_none() {
        return Err("`mean_ttft_ms` and `mean_tpot_ms` are missing: the benchmark did not stream".to_owned());
    }
    let accepted = ["spec_decode_acceptance_length", "accept_length"].iter().find_map(|key| number(object, &[key]));
    let offered = Offered {
        limit: number(object, &["max_concurrency"]),
        paced: paced(object)?,
        completed: Some(completed),
        per_second: Some(completed / duration),
        seconds: seconds(object, ttft, tpot, output, accepted.is_some()),
    };
    let flight = match number(object, &["concurrency"]) {
        // SGLang's own count: the time of all requests over that of the run.
        Some(own) if offered.limit.is_none() || offered.paced => super::measured::InFlight {
            requests: own,
            of: Some(completed).filter(|_| !offered.paced),
            how: "open load: `concurrency` of the file".to_owned(),
        },
        _ => offered.in_flight()?,
    };
    let id = text(object, &["model_id"]).or_else(|| text(object, &["server_info", "model_path"]));
    let tool = if object.get("backend").is_some() && object.get("date").is_none() {
        "sglang bench_serving"
    } else {
        "vllm bench serve"
    };
    let hit = number(object, &["cache_report", "cache_hit_rate_pct"]).map(|percent| percent / 100.0);
    let failed = number(object, &["failed"]).map(|n| format!("; {n} requests failed")).unwrap_or_default();
    Ok(Measured {
        point: Point {
            id: text(object, &["label"]).or_else(|| text(object, &["tag"])).unwrap_or(tool).to_owned(),
            family: tool.to_owned(),
            model: id.and_then(|id| published(id, known).model).unwrap_or_default(),
            phase: "serve".to_owned(),
            input_tokens: Some(input),
            output_tokens: Some(output),
            concurrency: Some(flight.requests),
            requests: flight.of,
            prefix_hit: hit,
            ttft_ms: ttft,
            tpot_ms: tpot,
            date: text(object, &["date"]).unwrap_or_default().to_owned(),
            notes: flight.how + &failed,
            ..Point::default()
        },
        input_tok_s: Some(input * completed / duration),
        output_tok_s: Some(output * completed / duration),
        accepted,
        ..Measured::default()
    })
}

/// Requests came at a rate: "inf", Python's bare Infinity and null are none.
fn paced(object: &Value) -> Result<bool, String> {
    match object.get("request_rate") {
        None | Some(Value::Null) => Ok(false),
        Some(Value::String(word)) if word == "inf" => Ok(false),
        Some(Value::String(word)) if word == "trace" => Ok(true),
        Some(value) => match number(object, &["request_rate"]) {
            Some(_) => Ok(true),
            None => Err(format!("`request_rate` is {value}: a number of requests per second, or \"inf\"")),
        },
    }
}

/// Mean time of a request: as measured; else the first token and the gaps behind it. The mean over all gaps weighs long
/// answers as they are; that over requests does not, and is the last resort. Steps of several tokens have fewer gaps.
fn seconds(object: &Value, ttft: Option<f64>, tpot: Option<f64>, output: f64, speculative: bool) -> Option<f64> {
    let own = ["mean_e2el_ms", "mean_e2e_latency_ms"].iter().find_map(|key| number(object, &[key]));
    let gap = number(object, &["mean_itl_ms"]).filter(|_| !speculative).or(tpot);
    let summed = || Some(ttft? + gap? * (output - 1.0).max(0.0));
    own.or_else(summed).map(|ms| ms / 1e3)
}
