//! A measured point as the CSV files write it, and what it asks of the estimate.

use crate::diagnostic::{Diagnostic, suggest};
use serde::Deserialize;

/// One measurement of somebody. An empty cell is absent.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Point {
    /// Name of the row.
    pub id: String,
    /// Collection it belongs to.
    pub family: String,
    /// The engine with its version.
    #[serde(default)]
    pub engine: String,
    /// Kind of engine, such as `vllm`.
    pub engine_kind: String,
    /// Catalogue name of the model.
    pub model: String,
    /// Format of the weights.
    pub precision: String,
    /// Catalogue name of the device.
    pub device: String,
    /// Devices in all.
    pub devices: Option<f64>,
    /// Tensor parallelism.
    pub tp: Option<f64>,
    /// Expert parallelism.
    pub ep: Option<f64>,
    /// Data-parallel attention.
    pub dp: Option<f64>,
    /// Pipeline parallelism.
    pub pp: Option<f64>,
    /// Separate pools, in words.
    pub disagg: Option<String>,
    /// `prefill`, `decode`, `both`, `serve` or `offline`.
    pub phase: String,
    /// Tokens of a prompt.
    pub input_tokens: Option<f64>,
    /// Tokens of an answer.
    pub output_tokens: Option<f64>,
    /// Requests in flight.
    pub concurrency: Option<f64>,
    /// Requests of the run, where they are known and all that may be in flight began at one moment.
    pub requests: Option<f64>,
    /// Sequences of a static batch, per device for decode.
    pub batch: Option<f64>,
    /// Tokens already cached in decode.
    pub context_tokens: Option<f64>,
    /// Share of the prompt found in the prefix cache.
    pub prefix_hit: Option<f64>,
    /// Speculative decoding, in words.
    pub spec_decode: Option<String>,
    /// Measured mean time to the first token.
    pub ttft_ms: Option<f64>,
    /// Measured mean time per further token.
    pub tpot_ms: Option<f64>,
    /// Measured prompt tokens per second and device.
    pub input_tok_s_per_device: Option<f64>,
    /// Measured answer tokens per second and device.
    pub output_tok_s_per_device: Option<f64>,
    /// Measured tokens per second and device.
    pub total_tok_s_per_device: Option<f64>,
    /// When it was measured.
    #[serde(default)]
    pub date: String,
    /// What else the source says.
    #[serde(default)]
    pub notes: String,
    /// Why the row is neither fitted nor scored.
    pub suspect: Option<String>,
}

impl Point {
    /// Its requests came faster than they were served, and `concurrency` counts those that ran: the time to the first
    /// token is that of a queue before the loop.
    pub fn queued(&self) -> bool {
        self.notes.contains("concurrency = mean running requests")
    }
}

/// Columns that say where a point comes from, or what nothing is predicted of.
const UNUSED: [&str; 6] = ["trust", "e2e_ms", "power_w_per_device", "usd_per_mtok", "source", "run"];
/// Columns that are used.
const USED: [&str; 31] = [
    "id",
    "family",
    "engine",
    "engine_kind",
    "model",
    "precision",
    "device",
    "devices",
    "tp",
    "ep",
    "dp",
    "pp",
    "disagg",
    "phase",
    "input_tokens",
    "output_tokens",
    "concurrency",
    "requests",
    "batch",
    "context_tokens",
    "prefix_hit",
    "spec_decode",
    "ttft_ms",
    "tpot_ms",
    "input_tok_s_per_device",
    "output_tok_s_per_device",
    "total_tok_s_per_device",
    "date",
    "notes",
    "suspect",
    "",
];

/// Reads a file of points.
///
/// # Errors
/// Names the column that is not known, or the line that is no point.
pub fn read(file: &str, text: &str) -> Result<Vec<Point>, Diagnostic> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let columns = reader.headers().cloned().unwrap_or_default();
    if let Some(column) = columns.iter().find(|c| !USED.contains(c) && !UNUSED.contains(c)) {
        let near = suggest(column, USED.iter().copied().filter(|name| !name.is_empty()));
        return Err(Diagnostic::new(file, format!("the column `{column}` is not known")).hint(near));
    }
    let mut points = Vec::new();
    for row in reader.deserialize() {
        points.push(row.map_err(|error: csv::Error| {
            Diagnostic::new(file, error.to_string())
                .hint("the first line names the columns; those of scenarios/validation/README.md are needed")
        })?);
    }
    Ok(points)
}
