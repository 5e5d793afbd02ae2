//! AIPerf (`profile_export_aiperf.json` and `.csv`, ai-dynamo/aiperf@db4f639: `exporters/json_exporter.py`,
//! `exporters/csv_exporter.py`) and GenAI-Perf before it (`profile_export_genai_perf.json` and `.csv`).

use super::measured::{Measured, Offered, number, text};
use crate::catalog::names::published;
use crate::validate::Point;
use serde_json::{Map, Value, json};

/// The older of the two tools.
const GENAI: &str = "genai-perf";

/// Reads a run; `None` where the object is of another tool.
pub fn read(object: &Value, known: &[String]) -> Option<Result<Measured, String>> {
    let own = ["request_latency", "time_to_first_token", "request_throughput", "inter_token_latency"];
    own.iter().any(|key| object.get(key).is_some_and(|m| m.get("avg").is_some())).then(|| run(object, known))
}

fn run(object: &Value, known: &[String]) -> Result<Measured, String> {
    if object.get("was_cancelled").and_then(Value::as_bool) == Some(true) {
        return Err("`was_cancelled`: the run was broken off".to_owned());
    }
    let ttft = milliseconds(object, "time_to_first_token")?;
    let tpot = milliseconds(object, "inter_token_latency")?;
    if ttft.is_none() && tpot.is_none() {
        return Err("`time_to_first_token` and `inter_token_latency` are missing: run it with --streaming".to_owned());
    }
    let average = |name: &str| number(object, &[name, "avg"]);
    let need = |name: &str| average(name).ok_or_else(|| format!("`{name}` has no average"));
    let (input, output) = (need("input_sequence_length")?, need("output_sequence_length")?);
    let per_second = average("request_throughput");
    let config = |path: &[&str]| number(object, &[&["input_config"], path].concat());
    let offered = Offered {
        limit: config(&["loadgen", "concurrency"])
            .or_else(|| config(&["perf_analyzer", "stimulus", "concurrency"]))
            .or_else(|| config(&["concurrency"])),
        paced: [&["loadgen", "request_rate"][..], &["perf_analyzer", "stimulus", "request_rate"], &["request_rate"]]
            .iter()
            .any(|path| config(path).is_some()),
        completed: average("request_count"),
        per_second,
        seconds: milliseconds(object, "request_latency")?.map(|ms| ms / 1e3),
    };
    // Without a configuration, as in the CSV, the load is not told: Little's law holds of any.
    let told = object.get("input_config").is_some();
    let mut flight = Offered { paced: offered.paced || !told, ..offered }.in_flight()?;
    if !told {
        flight.how = flight.how.replacen("paced open load", "the load is not told", 1);
    }
    let genai = object.pointer("/input_config/perf_analyzer").is_some() || object.get(GENAI).is_some();
    let tool = if genai { GENAI } else { "aiperf" };
    let names = ["/input_config/endpoint/model_names", "/input_config/model_names", "/input_config/model"];
    let id = names.iter().find_map(|path| first_name(object.pointer(path)?));
    let rate = |tokens: f64| per_second.map(|rate| rate * tokens);
    Ok(Measured {
        point: Point {
            id: tool.to_owned(),
            family: tool.to_owned(),
            model: id.and_then(|id| published(&id, known).model).unwrap_or_default(),
            phase: "serve".to_owned(),
            input_tokens: Some(input),
            output_tokens: Some(output),
            concurrency: Some(flight.requests),
            requests: flight.of,
            ttft_ms: ttft,
            tpot_ms: tpot,
            date: text(object, &["start_time"]).and_then(|t| t.get(..10)).unwrap_or_default().to_owned(),
            notes: flight.how,
            ..Point::default()
        },
        input_tok_s: rate(input),
        output_tok_s: average("output_token_throughput").or_else(|| rate(output)),
        ..Measured::default()
    })
}

/// A name, the first of a list, or the only key of an object, as GenAI-Perf's versions write the model.
fn first_name(value: &Value) -> Option<String> {
    match value {
        Value::String(name) => Some(name.clone()),
        Value::Array(names) => names.first()?.as_str().map(str::to_owned),
        Value::Object(named) => named.keys().next().cloned(),
        _ => None,
    }
}

/// An average time; the file names its unit.
fn milliseconds(object: &Value, name: &str) -> Result<Option<f64>, String> {
    let Some(average) = number(object, &[name, "avg"]) else { return Ok(None) };
    let factor = match text(object, &[name, "unit"]) {
        Some("ms") => 1.0,
        Some("s" | "sec") => 1e3,
        Some("us") => 1e-3,
        Some("ns") => 1e-6,
        other => return Err(format!("`{name}` is in {}: known are ns, us, ms and s", other.unwrap_or("no unit"))),
    };
    Ok(Some(average * factor))
}

/// The tables of the CSV as the JSON has them: `Metric,avg,...` and `Metric,Value`, units in brackets behind the names.
pub fn of_csv(file_text: &str) -> Option<Value> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(file_text.as_bytes());
    let mut metrics = Map::new();
    let mut column = None;
    for record in reader.records() {
        let record = record.ok()?;
        let name = record.get(0)?.trim();
        if name == "Metric" {
            column = record.iter().position(|cell| cell == "avg" || cell == "Value");
            continue;
        }
        // Thousands are apart in GenAI-Perf's tables.
        let value = record.get(column?)?.replace(',', "").parse::<f64>().ok();
        // The two write the same table but for this.
        if name.starts_with("Time To First Token") {
            metrics.insert(GENAI.to_owned(), Value::Bool(true));
        }
        let (name, unit) = name.split_once(" (").map_or((name, ""), |(name, unit)| (name, unit.trim_end_matches(')')));
        if let Some(average) = value {
            metrics.insert(name.to_lowercase().replace(' ', "_"), json!({ "avg": average, "unit": unit }));
        }
    }
    column.map(|_| Value::Object(metrics))
}
