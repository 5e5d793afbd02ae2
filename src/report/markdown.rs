//! The answer as Markdown that can be pasted into an issue.

use super::inert;
use super::table::{self, Shape};
use crate::run::Run;

/// Sentence, table and notes.
pub fn render(run: &Run) -> String {
    let shown = table::answering(&run.rows);
    let columns = table::columns(&run.command, &shown, false);
    let mut out = format!("{}\n", inert::markdown(&run.sentence));
    if !run.rows.is_empty() {
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        out.push('\n');
        out += &line(columns.iter().map(|c| inert::markdown(&c.heading)).collect());
        let rule = |shape| if shape == Shape::Text { "---" } else { "---:" }.to_owned();
        out += &line(columns.iter().map(|c| rule(c.shape)).collect());
        for row in &shown {
            out += &line(columns.iter().map(|c| inert::markdown(&table::cell(row, c))).collect());
        }
    }
    for note in &run.notes {
        out += &format!("\n* {}\n", inert::markdown(note));
    }
    out
}
