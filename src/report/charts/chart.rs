//! A chart with its data, and how a chart reads the rows of a run.

use super::super::inert;
use super::super::table::{Column, Shape};
use crate::run::{Row, Run};
use serde_json::Value;

/// A chart and what it was drawn from.
pub struct Chart<'a> {
    /// Anchor in the document.
    pub id: &'static str,
    /// What it shows.
    pub title: String,
    /// How to read it, one or two sentences.
    pub note: String,
    /// The drawing, colours by CSS variables.
    pub svg: String,
    /// Its data.
    pub rows: Vec<&'a Row>,
    /// The columns of the data.
    pub columns: Vec<Column>,
}

/// Rows of one kind.
pub fn kind<'a>(run: &'a Run, kind: &str) -> Vec<&'a Row> {
    run.rows.iter().filter(|row| text(row, "kind") == kind).collect()
}

/// Rows that describe contenders under a load: those of `compare`, or of kind `contender` in other runs.
pub fn contenders(run: &Run) -> Vec<&Row> {
    let plain =
        |row: &&Row| row.get("kind").is_none() && row.contains_key("contender") && row.contains_key("concurrency");
    let marked = kind(run, "contender");
    if marked.is_empty() { run.rows.iter().filter(plain).collect() } else { marked }
}

/// A field that is a number.
pub fn number(row: &Row, field: &str) -> Option<f64> {
    row.get(field).and_then(Value::as_f64)
}

/// A field that is a text, made harmless; empty where there is none.
pub fn text(row: &Row, field: &str) -> String {
    row.get(field).and_then(Value::as_str).map(inert::text).unwrap_or_default()
}

/// Distinct values of a field, in order of first appearance.
pub fn distinct(rows: &[&Row], field: &str) -> Vec<String> {
    let mut seen: Vec<String> = Vec::new();
    for value in rows.iter().map(|r| text(r, field)).filter(|v| !v.is_empty()) {
        if !seen.contains(&value) {
            seen.push(value);
        }
    }
    seen
}

/// The columns that some row has a value for.
pub fn columns(rows: &[&Row], all: &[(&str, &str, Shape)]) -> Vec<Column> {
    all.iter()
        .filter(|(field, ..)| rows.iter().any(|r| r.contains_key(*field)))
        .map(|&(field, heading, shape)| Column { field: field.to_owned(), heading: heading.to_owned(), shape })
        .collect()
}

/// The field that a chart of money shows, with its unit: dollars where there are any, else device time.
pub fn money_field<'a>(rows: &[&Row], usd: &'a str, hours: &'a str) -> (&'a str, &'static str) {
    if rows.iter().any(|r| r.contains_key(usd)) { (usd, "USD per Mtok") } else { (hours, "device-hours per Mtok") }
}
