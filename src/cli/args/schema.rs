//! `schema`, and the formats that have one.

use clap::{Args, ValueEnum};

/// `schema`.
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// Which format.
    #[arg(default_value = "scenario")]
    pub of: SchemaOf,
}

/// Formats that have a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SchemaOf {
    /// A scenario file.
    Scenario,
    /// What every command writes as JSON.
    Run,
    /// A row of `compare`.
    Compare,
    /// A row of `explain`.
    Explain,
    /// The row of kind `answer` of `breakeven`.
    Answer,
    /// A row of kind `part` of a saved `compare`: what a kernel class costs.
    Part,
    /// A row of kind `roofline` of a saved `compare`: an operation under its device's roof.
    Roofline,
    /// A row of kind `rung` of a saved `compare`: a measured kernel under its adapter's roof.
    Rung,
    /// A row of kind `assumption` of a saved `compare`.
    Assumption,
    /// A row of `simulate`.
    Simulate,
    /// A row of kind `distribution` of `simulate`: how times are spread over the requests.
    Distribution,
    /// A row of kind `timeline` of `simulate`: what went on in a piece of time.
    Timeline,
    /// A row of `model`.
    Model,
    /// A row of `catalog devices`.
    Device,
    /// A point of `validate`.
    Point,
    /// A slice of errors of `validate`.
    Slice,
    /// A row of kind `case` of `bench`.
    Bench,
    /// A row of kind `ladder` of `bench`.
    Ladder,
    /// A row of `compare-adapters`, and of kind `beside` of `bench --adapter all`.
    Adapters,
    /// A row of `bench --shapes`.
    Shapes,
    /// A row of `bench --step`.
    Step,
    /// A row of `duel`.
    Duel,
    /// A row of `verify`.
    Verify,
    /// A row of `devices`.
    Devices,
}
