//! Result files of benchmarks: llama-bench, vLLM's and SGLang's serving benchmarks, AIPerf, GenAI-Perf, InferenceX.
//!
//! Each reader names the fields it uses; what would make another measurement of a row is refused by its name. A file of
//! no known tool is an error that lists the known ones.

mod aiperf;
mod inferencex;
mod join;
mod llama_bench;
mod measured;
mod serving;

use super::Point;
use super::describe::{Described, Describer};
use crate::catalog::Catalog;
use crate::device::Device;
use crate::diagnostic::Diagnostic;
use crate::model::without_bare_floats;
pub use join::On;
use measured::Measured;
use serde_json::{Map, Value};

/// A row: its point, and what it is predicted from, or why it is not predicted.
pub type Row = (Point, Result<Described, String>);

/// What is read, for messages.
const KNOWN: &str = "known are the results of `vllm bench serve --save-result`, `sglang.bench_serving --output-file`, AIPerf \
                     (profile_export_aiperf.json or .csv), GenAI-Perf (profile_export_genai_perf.json or .csv), llama-bench \
                     (-o json, jsonl, csv or md) and InferenceX (agg_*.json), and a CSV of points";

/// Whether a text is a CSV of points rather than a tool's result.
pub fn is_points(text: &str) -> bool {
    let header = text.lines().next().unwrap_or_default();
    ["family", "engine_kind", "phase"].iter().all(|column| header.split(',').any(|cell| cell.trim() == *column))
}

/// The rows of a result file, measured on a contender where one is given, else on what the rows name.
///
/// # Errors
/// When the file is of no known tool, or a field of it makes another measurement of it.
pub fn read(file: &str, text: &str, on: Option<On<'_>>, catalog: &Catalog) -> Result<Vec<Row>, Diagnostic> {
    let known = catalog.models();
    let sheets = Device::load_all(catalog)?;
    let mut describer = Describer::new(catalog);
    let mut rows = Vec::new();
    for (number, object) in objects(file, text)?.iter().enumerate() {
        let read = llama_bench::read(object, &known, &sheets)
            .or_else(|| inferencex::read(object, &known))
            .or_else(|| serving::read(object, &known))
            .or_else(|| aiperf::read(object, &known))
            .ok_or_else(|| unknown(file, object))?;
        let measured = read.map_err(|why| Diagnostic::new(file, format!("result {}: {why}", number + 1)))?;
        rows.push(row(measured, on, catalog, &mut describer));
    }
    tell_apart(&mut rows);
    Ok(rows)
}

/// Numbers rows of one name.
fn tell_apart(rows: &mut [Row]) {
    let names: Vec<String> = rows.iter().map(|(point, _)| point.id.clone()).collect();
    for (at, (point, _)) in rows.iter_mut().enumerate() {
        if names.iter().filter(|name| **name == point.id).count() > 1 {
            let nth = names[..=at].iter().filter(|name| **name == names[at]).count();
            point.id = format!("{} {nth}", names[at]);
        }
    }
}

fn row(measured: Measured, on: Option<On<'_>>, catalog: &Catalog, describer: &mut Describer<'_>) -> Row {
    match join::joined(&measured, on, catalog, describer) {
        Ok((point, described)) => (point, Ok(described)),
        Err(why) => {
            let mut point = measured.point;
            if let Some(on) = on {
                join::named(&mut point, on);
            }
            (point, Err(why))
        }
    }
}

fn unknown(file: &str, object: &Value) -> Diagnostic {
    let raw = [
        ("experiments", "this is GenAI-Perf's raw record; its results are in profile_export_genai_perf.json"),
        ("metadata", "this is AIPerf's record of single requests; its results are in profile_export_aiperf.json"),
    ];
    let message = raw.iter().find(|(key, _)| object.get(key).is_some()).map(|(_, why)| *why);
    Diagnostic::new(file, message.unwrap_or("this is no result file of a tool that is known")).hint(KNOWN)
}

/// The objects of a file: JSON, JSON lines, the CSV of a tool, or a Markdown table.
fn objects(file: &str, text: &str) -> Result<Vec<Value>, Diagnostic> {
    let start = text.trim_start();
    if start.starts_with(['{', '[']) {
        return json(file, text);
    }
    if let Some(rows) = llama_bench::of_markdown(text) {
        return rows.map_err(|why| Diagnostic::new(file, why).hint(KNOWN)).and_then(|rows| some(file, rows));
    }
    if start.starts_with("Metric,")
        && let Some(run) = aiperf::of_csv(text)
    {
        return Ok(vec![run]);
    }
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let rows =
        reader.deserialize::<Map<String, Value>>().map(|row| row.map(Value::Object)).collect::<Result<Vec<_>, _>>();
    // What is no table with a header is of no tool.
    rows.map_err(|_| unknown(file, &Value::Null)).and_then(|rows| some(file, rows))
}

fn some(file: &str, rows: Vec<Value>) -> Result<Vec<Value>, Diagnostic> {
    if rows.is_empty() { Err(Diagnostic::new(file, "the file holds no result").hint(KNOWN)) } else { Ok(rows) }
}

/// One object, an array of them, or one a line. Python writes a bare Infinity for a rate without bound.
fn json(file: &str, text: &str) -> Result<Vec<Value>, Diagnostic> {
    let plain = without_bare_floats(text);
    let whole = serde_json::from_str::<Value>(&plain);
    let parse = |line| serde_json::from_str::<Value>(line);
    let lines = || plain.lines().filter(|l| !l.trim().is_empty()).map(parse).collect::<Result<Vec<_>, _>>();
    let values: Vec<Value> = match whole {
        Ok(value) => vec![value],
        // What is no JSON as a whole nor line by line is told by its first fault.
        Err(error) => lines().map_err(|_| Diagnostic::from_json(file, &plain, &error))?,
    };
    let flat = |value: Value| if let Value::Array(all) = value { all } else { vec![value] };
    some(file, values.into_iter().flat_map(flat).collect())
}
