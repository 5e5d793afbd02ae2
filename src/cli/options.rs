//! What was typed, as the commands take it: the types of the parser end here.

use super::args;
use crate::measure::Selector;
use crate::report::Format;
use anstream::ColorChoice;
use clap::ColorChoice as Typed;
use std::path::PathBuf;

/// Options of every command.
#[derive(Debug)]
pub struct Options {
    /// Format of standard output.
    pub format: Format,
    /// Files to write besides; their names tell the formats.
    pub outputs: Vec<PathBuf>,
    /// No progress and no warnings.
    pub quiet: bool,
    /// Every column of a table.
    pub verbose: bool,
    /// When to colour.
    pub color: ColorChoice,
    /// Seed of everything random.
    pub seed: u64,
}

impl From<&args::Common> for Options {
    fn from(typed: &args::Common) -> Self {
        Self {
            format: match typed.format {
                args::TextFormat::Table => Format::Table,
                args::TextFormat::Json => Format::Json,
                args::TextFormat::Jsonl => Format::Jsonl,
                args::TextFormat::Csv => Format::Csv,
                args::TextFormat::Md => Format::Md,
            },
            outputs: typed.outputs.clone(),
            quiet: typed.quiet,
            verbose: typed.verbose,
            color: match typed.color {
                Typed::Always => ColorChoice::Always,
                Typed::Never => ColorChoice::Never,
                Typed::Auto => ColorChoice::Auto,
            },
            seed: typed.seed,
        }
    }
}

/// A scenario with its edits, and how this machine is measured where the scenario asks for it.
#[derive(Debug)]
pub struct Question {
    /// The scenario file.
    pub scenario: PathBuf,
    /// Fields to change before it is read, `path=value`.
    pub edits: Vec<String>,
    /// Own measurements that correct the estimate, `[contender=]file`.
    pub anchors: Vec<String>,
    /// Which adapter is this machine.
    pub adapter: Selector,
    /// Seconds to spend on measuring it.
    pub budget: f64,
}

impl From<&args::Scenario> for Question {
    fn from(typed: &args::Scenario) -> Self {
        let count = typed.count.as_ref().map(|count| format!("contender.*.count={count}"));
        Self {
            scenario: typed.scenario.clone(),
            edits: typed.edits.iter().cloned().chain(count).collect(),
            anchors: typed.anchors.clone(),
            adapter: selector(&typed.measure),
            budget: typed.budget,
        }
    }
}

/// The adapter that is meant.
pub fn selector(typed: &args::Measure) -> Selector {
    let text = typed.adapter.as_deref().unwrap_or_default();
    // Reading a selector cannot fail: what is no index and no keyword is part of a name.
    text.parse().unwrap_or_default()
}
