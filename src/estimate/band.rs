//! How far estimates lie from measurements: a band per situation and quantity.

use serde::{Deserialize, Serialize};

/// What an estimate is of; each has its own band.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Situation {
    /// Requests served on a generation whose kernels were measured.
    Served,
    /// All requests at once on such a generation.
    Offline,
    /// A generation without measured kernels.
    Uncalibrated,
    /// Separate pools for prompts and answers.
    Pools,
    /// One stream or a few, by llama.cpp, through a backend and on a generation that it was measured on.
    SingleStream,
    /// The same of a model with experts.
    SingleStreamExperts,
    /// The same through a backend or on a generation that has no points.
    SingleStreamElsewhere,
    /// A part of the model, or all of it, on the host.
    Host,
}

/// What a band is around.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// Time to the first token.
    Ttft,
    /// Time per further token.
    Tpot,
    /// Tokens per second.
    Throughput,
}

/// The middle 80 % of measured over estimated values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Band {
    /// What the estimate is of.
    pub situation: Situation,
    /// What the band is around.
    pub quantity: Quantity,
    /// 10 % of measurements lie below the estimate times this.
    pub low: f64,
    /// 10 % of measurements lie above the estimate times this.
    pub high: f64,
    /// Measurements behind it.
    pub points: u64,
}
