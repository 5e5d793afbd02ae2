//! Formats a finished [`crate::run::Run`]; computes nothing.

mod charts;
mod csv;
mod glossary;
mod html;
mod human;
mod inert;
mod markdown;
mod table;

pub use human::Style;

use crate::run::Run;

/// Output formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Sentence, table and notes for a person.
    Table,
    /// The whole run as one JSON object.
    Json,
    /// One row a line.
    Jsonl,
    /// Rows with a header line.
    Csv,
    /// Sentence, table and notes as Markdown.
    Md,
    /// One self-contained document with charts; for files.
    Html,
    /// The first chart; for files.
    Svg,
}

impl Format {
    /// The format a file name asks for by its extension.
    pub fn from_extension(extension: &str) -> Option<Self> {
        match extension {
            "json" => Some(Self::Json),
            "jsonl" => Some(Self::Jsonl),
            "csv" => Some(Self::Csv),
            "md" => Some(Self::Md),
            "html" => Some(Self::Html),
            "svg" => Some(Self::Svg),
            _ => None,
        }
    }

    /// The run in this format, ending in a newline.
    ///
    /// # Errors
    /// When a row cannot be written, which a finished run never shows.
    pub fn render(self, run: &Run, style: Style) -> Result<String, serde_json::Error> {
        Ok(match self {
            Self::Table => human::render(run, style),
            Self::Md => markdown::render(run),
            Self::Csv => csv::render(&run.rows),
            Self::Html => html::render(run),
            Self::Svg => html::svg(run)
                .ok_or_else(|| serde::ser::Error::custom("this run has no chart; write .html or .csv instead"))?,
            Self::Json => serde_json::to_string_pretty(run)? + "\n",
            Self::Jsonl => {
                let lines: Result<Vec<String>, _> = run.rows.iter().map(serde_json::to_string).collect();
                lines?.into_iter().map(|line| line + "\n").collect()
            }
        })
    }
}
