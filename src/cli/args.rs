//! What can be typed.
//!
//! Longer than other files: nearly every command and option stands in one place.

mod from;
mod schema;

pub use from::{From, ScenarioCommand};
pub use schema::{SchemaArgs, SchemaOf};

use clap::{Args, ColorChoice, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// What does an LLM token cost on this GPU, and how well tuned must a weaker GPU be to beat a stronger one?
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Debug, Args)]
pub struct Common {
    /// Format of standard output.
    #[arg(short, long, global = true, default_value = "table", value_name = "FORMAT")]
    pub format: TextFormat,
    /// Also write to a file; the format follows the extension (.json .jsonl .csv .md .html .svg). Repeatable.
    #[arg(short, long = "output", global = true, value_name = "PATH")]
    pub outputs: Vec<PathBuf>,
    /// A folder whose devices/, models/ and prices.toml are laid over the built-in catalogue.
    #[arg(long, global = true, value_name = "DIR")]
    pub catalog: Option<PathBuf>,
    /// No progress and no warnings.
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Every column of the table.
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// Colour: when it goes to a terminal, always, or never. NO_COLOR and CLICOLOR_FORCE are honoured.
    #[arg(long, global = true, default_value = "auto", value_name = "WHEN")]
    pub color: ColorChoice,
    /// Seed of everything random.
    #[arg(long, global = true, default_value_t = 1, value_name = "N")]
    pub seed: u64,
}

/// Formats of standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TextFormat {
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
}

/// Commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Adapters found here, and what they can do.
    Devices,
    /// Measure this machine's adapters with verified kernels; writes profile.json into the store.
    Bench(Bench),
    /// Measured adapters side by side: the same shapes, ratios, and a verdict where the spreads allow one.
    CompareAdapters(CompareAdapters),
    /// This adapter against itself handicapped: predict, execute, compare.
    Duel(Duel),
    /// Check every kernel variant against its CPU twin, without timing.
    Verify(Verify),
    /// The machine code that compilers make of the kernels, judged without running it: registers, spills, the hottest loop.
    Isa(Isa),
    /// Parameters, bytes, FLOP and KV cache of a model, and how each was derived.
    Model(Model),
    /// Known devices, models and prices, with source and date.
    Catalog(CatalogArgs),
    /// Contenders side by side: throughput, TTFT, TPOT, cost per token, energy.
    Compare(Compare),
    /// The same, op by op: FLOP, bytes, time, and what binds; between two contenders the cost waterfall.
    Explain(Explain),
    /// The tuning, price, utilisation or count at which the weaker contender matches the stronger.
    Breakeven(Breakeven),
    /// Any fields of a scenario as axes: every combination, on all cores.
    Sweep(Sweep),
    /// Write a scenario: from the command line of a server.
    #[command(subcommand)]
    Scenario(ScenarioCommand),
    /// Render saved runs again; nothing is computed.
    Report(ReportArgs),
    /// Serve a trace or an arrival process: waiting times, goodput, cost at the real load.
    ///
    /// -o run.json and -o report.html also hold how times are spread over the requests and what went on when.
    Simulate(Simulate),
    /// Predict measured points: errors by slice, worst first.
    Validate(Validate),
    /// Fit the constants of the estimate again; with -o calibration.toml writes them.
    Calibrate(Calibrate),
    /// JSON schema of a file format.
    Schema(SchemaArgs),
    /// Shell completions.
    Completions(Completions),
    /// Manual page.
    Man,
    /// The measuring process; started by the program itself.
    #[command(hide = true, name = crate::measure::WORKER_SUBCOMMAND)]
    Worker(Worker),
}

/// Which adapter, and how long to measure it.
#[derive(Debug, Args)]
pub struct Measure {
    /// The adapter: part of its name, its number in `underdog devices`, `cpu` for the CPU fallback, or `all` for each of
    /// these in turn.
    #[arg(long, value_name = "NAME|INDEX|cpu|all")]
    pub adapter: Option<String>,
}

/// `isa`.
#[derive(Debug, Args)]
pub struct Isa {
    #[command(flatten)]
    pub measure: Measure,
    /// GPUs that are not here, by the drivers that `.ci/gpus` lays: rdna4, rdna3, vega20, polaris, blackwell, ada, ampere,
    /// turing, adreno740, m1.
    #[arg(long, value_name = "CHIPS", value_delimiter = ',', conflicts_with = "adapter")]
    pub gpu: Vec<String>,
    /// Kernels: gemm, few-rows, gemv, decode, prefill, experts.
    #[arg(long, default_value = "gemm", value_name = "KERNELS", value_delimiter = ',')]
    pub kernel: Vec<String>,
    /// Types of their inputs: f32, f16, i8, q4.
    #[arg(long, default_value = "f32,f16", value_name = "TYPES", value_delimiter = ',')]
    pub dtype: Vec<String>,
    /// One variant instead, by its id.
    #[arg(long, value_name = "ID", conflicts_with = "spirv")]
    pub variant: Option<String>,
    /// A compute shader of somebody else instead: a file of SPIR-V.
    #[arg(long, value_name = "FILE")]
    pub spirv: Option<PathBuf>,
    /// Print the machine code.
    #[arg(long)]
    pub text: bool,
    /// The Vulkan device of this process that is asked; the program calls itself with it.
    #[arg(long, hide = true)]
    pub position: Option<usize>,
}

/// `bench`.
#[derive(Debug, Args)]
pub struct Bench {
    #[command(flatten)]
    pub measure: Measure,
    /// Seconds to spend on one adapter.
    #[arg(long, default_value_t = 120.0, value_name = "SECONDS")]
    pub budget: f64,
    /// Every rung of every kernel and up to 15 s a case, however long it takes; --budget counts no more.
    #[arg(long)]
    pub thorough: bool,
    /// Execute one decode step and one prefill chunk of a model instead: named as for `underdog model`.
    #[arg(long, value_name = "MODEL")]
    pub step: Option<String>,
    /// Time the matrix products of a model instead: named as for `underdog model`.
    #[arg(long, value_name = "MODEL", conflicts_with = "step")]
    pub shapes: Option<String>,
    /// Tokens the products of --shapes are computed for: a list or a range such as 1-256*4.
    #[arg(long, default_value = "1,16,256", value_name = "TOKENS")]
    pub batch: String,
    /// Types of the products of --shapes: f32, f16, i8, q4.
    #[arg(long, default_value = "f32,f16,i8,q4", value_name = "TYPES", value_delimiter = ',')]
    pub dtype: Vec<String>,
    /// Layers of the step to execute; all of them when absent.
    #[arg(long, value_name = "COUNT", requires = "step", value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub layers: Option<u64>,
    /// Tokens in the cache during the step.
    #[arg(long, default_value_t = 512, value_name = "TOKENS", value_parser = clap::value_parser!(u64).range(1..=65_536))]
    pub context: u64,
    /// Tokens of the prefill chunk.
    #[arg(long, default_value_t = 128, value_name = "TOKENS", value_parser = clap::value_parser!(u64).range(2..=8192))]
    pub chunk: u64,
}

/// `compare-adapters`.
#[derive(Debug, Args)]
pub struct CompareAdapters {
    /// Profiles that `bench` stored, or runs that `bench -o` wrote; the first is what the others are compared with.
    #[arg(required = true, num_args = 2.., value_name = "PROFILE.json")]
    pub profiles: Vec<PathBuf>,
}

/// `duel`.
#[derive(Debug, Args)]
pub struct Duel {
    #[command(flatten)]
    pub measure: Measure,
    /// Seconds to spend.
    #[arg(long, default_value_t = 120.0, value_name = "SECONDS")]
    pub budget: f64,
}

/// `verify`.
#[derive(Debug, Args)]
pub struct Verify {
    #[command(flatten)]
    pub measure: Measure,
    /// Seconds to spend on one adapter; variants left out are told.
    #[arg(long, default_value_t = 600.0, value_name = "SECONDS")]
    pub budget: f64,
}

/// `model`.
#[derive(Debug, Args)]
pub struct Model {
    /// A catalogue name; the path of a config.json, a checkpoint folder or a .gguf file; or a Hugging Face id org/name
    /// whose config.json is in the local hub cache.
    pub config: String,
    /// Context length for the KV cache, in tokens.
    #[arg(long, default_value_t = 8192, value_name = "TOKENS", value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub context: u64,
    /// Format of the weights: native (as stored), bf16, f16, fp8, fp4, mxfp4, int8, int4, nf4, or a file type of llama.cpp
    /// such as q8_0, q6_k, q4_k_m, iq4_xs.
    #[arg(long, default_value = "native", value_name = "FORMAT")]
    pub precision: String,
}

/// `catalog`.
#[derive(Debug, Args)]
pub struct CatalogArgs {
    /// What to show: devices, models, prices, or the name of a device.
    pub name: Option<String>,
}

/// A scenario and its edits.
#[derive(Debug, Args)]
pub struct Scenario {
    /// The scenario file.
    pub scenario: PathBuf,
    /// Change a field before it is read; contenders are addressed by name, all that run on devices by `*`. Repeatable.
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub edits: Vec<String>,
    /// Devices of every contender that runs on devices: a number, or `auto` for the fewest that serve the load within the
    /// targets. The same as --set 'contender.*.count=auto'.
    #[arg(long, value_name = "N|auto")]
    pub count: Option<String>,
    /// Own measurements that correct the estimate: a CSV of points, or for one contender a result file of vLLM's or
    /// SGLang's serving benchmark, AIPerf, GenAI-Perf, llama-bench or InferenceX. Repeatable.
    #[arg(long = "anchor", value_name = "[CONTENDER=]FILE")]
    pub anchors: Vec<String>,
    #[command(flatten)]
    pub measure: Measure,
    /// Seconds to spend on measuring this machine, where the scenario asks for it and no stored profile answers.
    #[arg(long, default_value_t = 20.0, value_name = "SECONDS")]
    pub budget: f64,
}

/// `compare`.
#[derive(Debug, Args)]
pub struct Compare {
    #[command(flatten)]
    pub scenario: Scenario,
    /// A condition such as 'weaker.usd_per_mtok_output < stronger.usd_per_mtok_output'; unmet is exit code 3.
    #[arg(long = "require", value_name = "CONDITION")]
    pub requirements: Vec<String>,
    /// Search the layouts (tp, pp, dp, ep on whole nodes, up to 320 devices) and the load of every contender.
    #[arg(long)]
    pub optimize: bool,
}

/// `explain`.
#[derive(Debug, Args)]
pub struct Explain {
    #[command(flatten)]
    pub scenario: Scenario,
    /// Two contenders: the cost of the second out of the first's, step by step.
    #[arg(num_args = 2, value_names = ["A", "B"])]
    pub pair: Vec<String>,
}

/// `breakeven`.
#[derive(Debug, Args)]
pub struct Breakeven {
    #[command(flatten)]
    pub scenario: Scenario,
    /// What to solve for: debt, debt.gemm, debt.attention, debt.experts, debt.collectives, debt.host, price,
    /// utilisation, count or electricity.
    #[arg(long, default_value = "debt", value_name = "FIELD")]
    pub unknown: String,
    /// The contender whose unknown it is; the one named `weaker`, or the first.
    #[arg(long, value_name = "NAME")]
    pub weaker: Option<String>,
    /// The contender to match; the one named `stronger`, or the first other one.
    #[arg(long, value_name = "NAME")]
    pub stronger: Option<String>,
    /// Whose cost is compared; what the scenario minimises where absent.
    #[arg(long, value_name = "TOKENS")]
    pub of: Option<TokensOf>,
}

/// `sweep`.
#[derive(Debug, Args)]
pub struct Sweep {
    #[command(flatten)]
    pub scenario: Scenario,
    /// A field and its values: contender.weaker.count=16-128*2, model.precision=fp8,bf16. Repeatable.
    #[arg(long = "axis", value_name = "PATH=LIST", required = true)]
    pub axes: Vec<String>,
    /// Threads; 0 is all cores.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub threads: usize,
}

/// `report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Runs saved with -o run.json; several become one document.
    #[arg(required = true, value_name = "RUN.json")]
    pub runs: Vec<PathBuf>,
}

/// Tokens a cost is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TokensOf {
    /// Input tokens.
    Input,
    /// Output tokens.
    Output,
    /// Both, over their number.
    Total,
}

/// `simulate`.
#[derive(Debug, Args)]
pub struct Simulate {
    #[command(flatten)]
    pub scenario: Scenario,
    /// A condition such as 'weaker.ttft_ms_p99 < 500'; unmet is exit code 3.
    #[arg(long = "require", value_name = "CONDITION")]
    pub requirements: Vec<String>,
    /// Mean rate of arrivals, requests/s: one, a list or a range such as 1-64*2, each a row. A trace is run faster or slower.
    #[arg(long, visible_alias = "rates", value_name = "RATES")]
    pub rate: Option<String>,
    /// Run a trace so many times as fast.
    #[arg(long, value_name = "FACTOR")]
    pub speed: Option<f64>,
    /// Find the smallest number of devices that meets the targets of the objective.
    #[arg(long)]
    pub size: bool,
    /// Stop the clock after so many simulated seconds.
    #[arg(long, value_name = "SECONDS")]
    pub until: Option<f64>,
    /// Write every request to a file (.csv or .jsonl).
    #[arg(long, value_name = "PATH")]
    pub requests: Option<PathBuf>,
    /// Write what the engines did when to a file (.json) for chrome://tracing or Perfetto.
    #[arg(long, value_name = "PATH")]
    pub timeline: Option<PathBuf>,
    /// Threads; runs are spread over them, and the rows do not depend on it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
}

/// `validate`.
#[derive(Debug, Args)]
pub struct Validate {
    /// A CSV of measured points, or of measured kernels with --kernels; scenarios/validation/README.md names the columns.
    /// Or a result file of vLLM's or SGLang's serving benchmark, AIPerf, GenAI-Perf, llama-bench or InferenceX.
    pub points: PathBuf,
    /// The scenario whose contender was measured, for a result file that does not say on what it ran.
    #[arg(long, value_name = "SCENARIO", conflicts_with = "kernels")]
    pub on: Option<PathBuf>,
    /// The contender that was measured; the scenario's only one where absent.
    #[arg(long, value_name = "NAME", requires = "on")]
    pub contender: Option<String>,
    /// The file holds kernel times instead of serving runs.
    #[arg(long)]
    pub kernels: bool,
    /// Smallest slice of points whose errors are summed up.
    #[arg(long, default_value_t = 30, value_name = "POINTS")]
    pub smallest: usize,
}

/// `calibrate`.
#[derive(Debug, Args)]
pub struct Calibrate {
    /// A CSV of measured points; serving constants are fitted on its family `silicon`, llama.cpp's on its own.
    pub points: PathBuf,
    /// A CSV of measured kernels; kernel constants are fitted on it first and then frozen.
    #[arg(long, value_name = "PATH")]
    pub kernels: Option<PathBuf>,
    /// Fit again without each device-model pair, each model and each device, and say what the fit is worth there.
    #[arg(long)]
    pub cross_validate: bool,
}

/// `completions`.
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell.
    pub shell: clap_complete::Shell,
}

/// `worker`.
#[derive(Debug, Args)]
pub struct Worker {
    /// What the parent passes on.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub rest: Vec<String>,
}
