//! Rows as CSV: one column per field that any row has, in the order of first appearance.

use super::inert;
use crate::run::Row;
use serde_json::Value;

/// Every field that any row has, in the order of first appearance.
pub fn fields<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Vec<String> {
    let mut fields: Vec<String> = Vec::new();
    for key in rows.into_iter().flat_map(Row::keys) {
        if !fields.contains(key) {
            fields.push(key.clone());
        }
    }
    fields
}

/// The rows with a header line. An absent value is an empty cell.
pub fn render(rows: &[Row]) -> String {
    let fields = fields(rows);
    let mut writer = csv::Writer::from_writer(Vec::new());
    let lines = std::iter::once(fields.clone()).chain(rows.iter().map(|row| line(row, &fields)));
    for line in lines {
        // Writing to memory cannot fail, and every line has one cell per field.
        let _ = writer.write_record(&line);
    }
    String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
}

fn line(row: &Row, fields: &[String]) -> Vec<String> {
    fields
        .iter()
        .map(|field| match row.get(field) {
            None => String::new(),
            Some(Value::String(text)) => inert::spreadsheet(text),
            Some(other) => other.to_string(),
        })
        .collect()
}
