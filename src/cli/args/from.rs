//! `scenario`: scenarios from what other programs are started with.

use clap::{Args, Subcommand};

/// Where a scenario comes from.
#[derive(Debug, Subcommand)]
pub enum ScenarioCommand {
    /// From the command line of vllm serve, sglang, trtllm-serve, llama-server or llama-cli.
    ///
    /// Writes it to standard output, or to a .toml file with -o. Every flag is accounted for in its comments; what has no
    /// field in a scenario, what is not known and what is a placeholder is also told on standard error.
    From(From),
}

/// `scenario from`.
#[derive(Debug, Args)]
pub struct From {
    /// The command line: quoted as one word, as words behind `--`, or `-` to read it from standard input.
    #[arg(required = true, value_name = "COMMAND")]
    pub command: Vec<String>,
    /// The device, which a command line does not say: a catalogue name, or the path of a device TOML or a profile.json.
    #[arg(long, value_name = "NAME")]
    pub device: Option<String>,
    /// Devices in all; those that one server needs where absent.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub count: Option<u64>,
    /// Tokens of a prompt.
    #[arg(long = "in", value_name = "TOKENS", value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub input_tokens: Option<u64>,
    /// Tokens of an answer.
    #[arg(long = "out", value_name = "TOKENS", value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub output_tokens: Option<u64>,
    /// Requests in flight: a number, a list or a range such as 1-256*2.
    #[arg(long, value_name = "REQUESTS")]
    pub concurrency: Option<String>,
    /// Probability that a guessed token is accepted, where the server guesses.
    #[arg(long, value_name = "SHARE")]
    pub acceptance: Option<f64>,
}
