//! The device profile: the one file in which measuring and estimating meet.
//!
//! `measure` writes it, everything right of it only reads it. A profile is self-describing: raw samples, what was
//! verified, which clock was used and what went wrong are all in it. Numbers are in the unit their name ends in.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The version of the file format. A file with another one is refused with a sentence.
pub const SCHEMA: &str = "underdog.profile/2";

/// What one adapter was measured to do.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// [`SCHEMA`].
    pub schema: String,
    /// The adapter that was measured.
    pub adapter: Adapter,
    /// The best sustained rates that were measured.
    pub roofs: Roofs,
    /// Every timed case, in the order it ran.
    pub cases: Vec<Case>,
    /// Time over one length at a time, from the fastest cases.
    pub curves: Vec<Curve>,
    /// What each rung of tuning is worth, from its slowest to its best.
    pub ladder: Vec<Rung>,
    /// What was verified, and what was refused.
    pub verification: Verification,
    /// The anchor kernel, timed between the cases: a device that throttles shows here.
    pub anchor: Vec<Beat>,
    /// How and when it was measured.
    pub record: Record,
    /// What a reader should know before trusting the numbers.
    pub anomalies: Vec<String>,
}

/// Which adapter, as its driver describes it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adapter {
    /// The driver's name for the device, or the host CPU for the CPU executor.
    pub name: String,
    /// `vulkan`, `metal`, `dx12`, `gl` or `cpu` (the CPU executor of this program).
    pub backend: String,
    /// The driver's name.
    pub driver: String,
    /// The driver's version text.
    pub driver_info: String,
    /// `discrete`, `integrated`, `virtual`, `cpu` or `other`.
    pub kind: String,
    /// PCI vendor number, 0 where there is none.
    pub vendor_id: u32,
    /// PCI device number, 0 where there is none.
    pub device_id: u32,
    /// Where it is plugged in, such as `0000:41:00.0`; empty where the driver does not tell.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub bus: String,
    /// It computes on the host's cores (lavapipe, SwiftShader, WARP, the CPU executor): such a profile gets no price verdict.
    pub software: bool,
    /// Smallest and largest subgroup; equal where kernels may rely on it; both 0 without subgroups.
    pub subgroup: [u32; 2],
    /// The features that matter to the kernels, by their wgpu names in lower case.
    pub features: Vec<String>,
}

/// Sustained rates in SI units. An absent one was not measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Roofs {
    /// The best verified f32 GEMM, FLOP/s (a multiply-add counts as two).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gemm_f32_flop_s: Option<f64>,
    /// Dependent multiply-adds without memory, FLOP/s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fma_f32_flop_s: Option<f64>,
    /// The best verified streaming read, byte/s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_byte_s: Option<f64>,
    /// The best verified f32 GEMV, weight bytes over time, byte/s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gemv_f32_byte_s: Option<f64>,
    /// One empty dispatch in a batch of many, s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub launch_s: Option<f64>,
    /// One submission with one dispatch, waited for, s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub submit_s: Option<f64>,
}

impl Roofs {
    /// Every rate that an estimate needs is there.
    pub fn complete(&self) -> bool {
        let stream = self.gemv_f32_byte_s.or(self.read_byte_s);
        [self.gemm_f32_flop_s, stream, self.launch_s, self.submit_s].iter().all(Option::is_some)
    }
}

/// One kernel variant timed on one shape.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Kernel family: `gemm`, `gemv`, `read`, `launch`, ...
    pub kernel: String,
    /// The stable id of the variant, such as `gemm_tiled/f32/bm64.bn64.bk16.tm8.tn8`.
    pub variant: String,
    /// Data type of the inputs.
    pub dtype: String,
    /// Rows of the result; 1 for a GEMV; elements for a stream.
    pub m: u64,
    /// Columns of the result.
    pub n: u64,
    /// Length of the sum.
    pub k: u64,
    /// Floating-point operations of one run.
    pub flop: f64,
    /// Bytes one run must move: inputs once, output once.
    pub bytes: f64,
    /// Raw samples, each the time of one run.
    pub samples_s: Vec<f64>,
    /// Their median.
    pub time_s_median: f64,
    /// Median absolute deviation over the median.
    pub spread: f64,
    /// `wall` or `gpu`: the clock behind `samples_s`.
    pub clock: String,
    /// Time of the first dispatch, compilation included.
    pub first_s: f64,
    /// The output of the timed run was compared with the CPU twin and agreed.
    pub verified: bool,
    /// How: `every element` against a bound or bit by bit, or `residual` (Freivalds) where a reference costs too much.
    pub check: String,
    /// Why the device's timestamps were not used although it has some, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamps: Option<String>,
    /// The rung of the ladder this case stands for: `naive`, `tiled`, ..., `best`. Absent for cases off the ladder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rung: Option<String>,
    /// The stopping criterion that was not met, in words. Absent when all were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unmet: Option<String>,
    /// Its machine code. Absent where the driver does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
}

/// What the driver's compiler made of a kernel, where it tells; part of every row that shows a kernel.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Code {
    /// Registers of an invocation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registers: Option<u64>,
    /// Registers that went to memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spills: Option<u64>,
    /// Share of the peak that the hottest loop allows before any memory stalls: by the slowest of the chip's pipes where
    /// their rates are known, else the share of its instructions that multiply and add.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ceiling: Option<f64>,
    /// What sets it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ceiling_by: Option<String>,
}

/// How and when a profile was measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Version of this program.
    pub version: String,
    /// Versions of the libraries that decide what runs, such as `wgpu 30.0.1`.
    pub libraries: Vec<String>,
    /// Start of the measurement, UTC, RFC 3339.
    pub started: String,
    /// End of the measurement, UTC, RFC 3339.
    pub ended: String,
    /// Commit this program was built from, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Duration of the whole measurement.
    pub duration_s: f64,
    /// The budget that was asked for.
    pub budget_s: f64,
    /// Choices between candidates that were searched for in this run.
    pub choices_searched: u64,
    /// Choices that were taken from the store, and verified again.
    pub choices_stored: u64,
    /// Time the searches took.
    pub search_s: f64,
    /// Candidates that were not timed, because their machine code spilled or allowed less than half of the best.
    #[serde(default)]
    pub candidates_spared: u64,
    /// What timing them would have taken, at the mean of those beside them, s.
    #[serde(default)]
    pub spared_s: f64,
    /// Seed of the random inputs.
    pub seed: u64,
    /// Bounds checks and loop bounds were compiled into the kernels.
    pub runtime_checks: bool,
    /// Name of the host's processor.
    pub host: String,
    /// Memory of the host, bytes; what a software adapter has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_memory_bytes: Option<u64>,
}

/// The time of the best kernel over one length, the others fixed. Points are in ascending order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Curve {
    /// Kernel family.
    pub kernel: String,
    /// Data type of the inputs.
    pub dtype: String,
    /// What varies: `m`, `n`, `k`, or `bytes` of a stream.
    pub axis: String,
    /// The shape; 0 for the length that varies.
    pub m: u64,
    /// See `m`.
    pub n: u64,
    /// See `m`.
    pub k: u64,
    /// The values of the length that varies.
    pub at: Vec<f64>,
    /// Median times of one run, s.
    pub time_s: Vec<f64>,
}

/// One rung of the ladder of a kernel and type, over the shapes it was timed on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rung {
    /// Kernel family.
    pub kernel: String,
    /// Data type of the inputs.
    pub dtype: String,
    /// The rung.
    pub rung: String,
    /// The variant on its largest shape.
    pub variant: String,
    /// Shapes behind the gains.
    pub shapes: usize,
    /// Rows of the largest shape it was timed on; see [`Case`].
    pub m: u64,
    /// Columns of that shape.
    pub n: u64,
    /// Summed elements of that shape.
    pub k: u64,
    /// Median time on the largest shape, s.
    pub time_s: f64,
    /// FLOP/s on the largest shape; absent where the kernel computes nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flop_s: Option<f64>,
    /// Bytes that must move over time there, byte/s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub byte_s: Option<f64>,
    /// Rate over the adapter's best verified rate of the same kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share_of_roof: Option<f64>,
    /// Times faster than the next slower rung, geometric mean over the shapes both were timed on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gain_over_below: Option<f64>,
    /// Times faster than the naive rung, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gain_over_naive: Option<f64>,
}

/// Counts of what the gates said during a measurement.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verification {
    /// Timed runs whose output passed, those that chose between candidates included.
    pub passed: u64,
    /// Candidates the adapter cannot run.
    pub unavailable: u64,
    /// Variants whose output, guards or inputs were wrong, with the reason.
    pub wrong: Vec<String>,
    /// Variants that killed two workers and are not tried again.
    pub quarantined: Vec<String>,
}

/// The anchor kernel at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Beat {
    /// Seconds since the measurement began.
    pub at_s: f64,
    /// Median time of one run, s.
    pub time_s: f64,
}
