//! What a translation is given, and what it tells.

use super::serving::Meant;

/// What the user adds to a command line, since it cannot tell.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// Catalogue name of the device, or its file.
    pub device: Option<String>,
    /// Devices of all servers together.
    pub count: Option<u64>,
    /// Tokens of a prompt.
    pub input_tokens: Option<u64>,
    /// Tokens of an answer.
    pub output_tokens: Option<u64>,
    /// Requests in flight, as a scenario writes them.
    pub concurrency: Option<String>,
    /// Probability that a guessed token is accepted.
    pub acceptance: Option<f64>,
}

/// A flag of the command line, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// With its value, as typed.
    pub typed: String,
    /// What it is; `None` where it is not known.
    pub meant: Option<Meant>,
}

/// A scenario, and what to know about it.
#[derive(Debug, Clone, Default)]
pub struct Translation {
    /// The scenario file.
    pub scenario: String,
    /// What the command line does not say and the scenario needs.
    pub placeholders: Vec<String>,
    /// Every flag, and every word around them.
    pub flags: Vec<Told>,
}
