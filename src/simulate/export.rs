//! What a run looks like in detail: a line per request, and a timeline for chrome://tracing or Perfetto.

use super::tally::{Finished, Observer, Slice};
use serde::Serialize;
use std::io::Write;

/// A finished request as a flat row.
#[derive(Debug, Clone, Serialize)]
struct RequestRow<'a> {
    contender: &'a str,
    load: usize,
    request: u64,
    replica: u32,
    arrival_s: f64,
    admitted_s: f64,
    first_token_s: f64,
    last_token_s: f64,
    input_tokens: u32,
    cached_tokens: u32,
    output_tokens: u32,
    ttft_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    tpot_ms: Option<f64>,
    e2e_ms: f64,
    preemptions: u32,
}

impl<'a> RequestRow<'a> {
    fn of(contender: &'a str, load: usize, f: &Finished) -> Self {
        Self {
            contender,
            load,
            request: f.id,
            replica: f.replica,
            arrival_s: f.arrival,
            admitted_s: f.admitted,
            first_token_s: f.first,
            last_token_s: f.end,
            input_tokens: f.input,
            cached_tokens: f.found,
            output_tokens: f.output,
            ttft_ms: f.ttft() * 1e3,
            tpot_ms: f.tpot().map(|t| t * 1e3),
            e2e_ms: f.latency() * 1e3,
            preemptions: f.preemptions,
        }
    }
}

/// Header of the CSV of requests.
pub const REQUEST_COLUMNS: &str = "contender,load,request,replica,arrival_s,admitted_s,first_token_s,last_token_s,\
    input_tokens,cached_tokens,output_tokens,ttft_ms,tpot_ms,e2e_ms,preemptions\n";

/// How requests are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestFormat {
    /// Comma-separated, the header first.
    Csv,
    /// One JSON object a line.
    Jsonl,
}

/// Writes every finished request and, where asked, every piece of an engine's time. A run does not end because a disk
/// is full: the writers remember their errors.
pub struct Export<R: Write + Send, T: Write + Send> {
    /// Name of the contender.
    pub contender: String,
    /// Which load.
    pub load: usize,
    /// Where requests go.
    pub requests: Option<(R, RequestFormat)>,
    /// Where the timeline goes: the elements of a JSON array, each after a comma and a newline.
    pub timeline: Option<T>,
}

impl<R: Write + Send, T: Write + Send> Observer for Export<R, T> {
    fn finished(&mut self, request: &Finished) {
        let Some((out, format)) = &mut self.requests else { return };
        let row = RequestRow::of(&self.contender, self.load, request);
        let result = match format {
            RequestFormat::Jsonl => {
                serde_json::to_writer(&mut *out, &row).map_err(Into::into).and_then(|()| out.write_all(b"\n"))
            }
            RequestFormat::Csv => csv_line(out, &row),
        };
        result.unwrap_or_default();
    }

    fn worked(&mut self, slice: &Slice) {
        let Some(out) = &mut self.timeline else { return };
        let name = match (slice.batch, slice.prompt_tokens) {
            (_, 0) => "decode",
            (0, _) => "prefill",
            _ => "mixed",
        };
        let event = serde_json::json!({
            "name": name, "ph": "X", "pid": format!("{} load {}", self.contender, self.load), "tid": slice.replica,
            "ts": slice.start * 1e6, "dur": slice.seconds * 1e6,
            "args": { "batch": slice.batch, "prompt_tokens": slice.prompt_tokens, "iterations": slice.steps,
                "kv_blocks": slice.used },
        });
        let result = out.write_all(b",\n").and_then(|()| serde_json::to_writer(out, &event).map_err(Into::into));
        result.unwrap_or_default();
    }
}

fn csv_line(out: &mut impl Write, row: &RequestRow<'_>) -> std::io::Result<()> {
    // The csv crate quotes the name where it must.
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::with_capacity(160));
    let tpot = row.tpot_ms.map(|t| t.to_string()).unwrap_or_default();
    writer.serialize((
        (row.contender, row.load, row.request, row.replica),
        (row.arrival_s, row.admitted_s, row.first_token_s, row.last_token_s),
        (row.input_tokens, row.cached_tokens, row.output_tokens),
        (row.ttft_ms, tpot, row.e2e_ms, row.preemptions),
    ))?;
    out.write_all(&writer.into_inner().map_err(|e| std::io::Error::other(e.to_string()))?)
}
