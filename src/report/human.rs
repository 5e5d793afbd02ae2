//! The answer on a terminal: the sentence, the table, the notes.

use super::inert;
use super::table::{self, Shape};
use crate::run::Run;
use comfy_table::{Attribute, Cell, CellAlignment, ContentArrangement, Table, presets};

/// How a table looks on this terminal.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// Bold and colour are welcome.
    pub color: bool,
    /// Columns of the terminal; `None` where the output is no terminal.
    pub width: Option<u16>,
    /// Every column, not only the ones that answer.
    pub all_columns: bool,
}

/// Sentence, table and notes.
pub fn render(run: &Run, style: Style) -> String {
    let bold = |text: &str| if style.color { format!("\u{1b}[1m{text}\u{1b}[0m") } else { text.to_owned() };
    let mut out = bold(&inert::text(&run.sentence)) + "\n";
    if !run.rows.is_empty() {
        out = out + "\n" + &rows(run, style) + "\n";
    }
    for note in &run.notes {
        out = out + "\n" + &inert::text(note);
    }
    if !run.notes.is_empty() {
        out.push('\n');
    }
    out
}

fn rows(run: &Run, style: Style) -> String {
    let shown = if style.all_columns { run.rows.iter().collect() } else { table::answering(&run.rows) };
    let columns = table::columns(&run.command, &shown, style.all_columns);
    let mut out = Table::new();
    out.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    match style.width {
        Some(width) => out.set_width(width),
        None => out.set_content_arrangement(ContentArrangement::Disabled),
    };
    let heading = |text: &str| {
        let cell = Cell::new(text);
        if style.color { cell.add_attribute(Attribute::Dim) } else { cell }
    };
    out.set_header(columns.iter().map(|c| heading(&c.heading)));
    for row in shown {
        out.add_row(columns.iter().map(|c| Cell::new(table::cell(row, c))));
    }
    for (at, column) in columns.iter().enumerate() {
        if let (true, Some(target)) = (!matches!(column.shape, Shape::Text), out.column_mut(at)) {
            target.set_cell_alignment(CellAlignment::Right);
        }
    }
    out.trim_fmt()
}
