//! The rows of `bench`: one per timed case of a profile.

use crate::device::Profile;
use crate::device::profile::{Case, Code};
use crate::stats::quantile;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One kernel variant timed on one shape.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct BenchRow {
    /// Name of the adapter.
    pub adapter: String,
    /// Backend it was reached through.
    pub backend: String,
    /// It computes on the host's cores.
    pub software: bool,
    /// Where it is plugged in; absent where the driver does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bus: Option<String>,
    /// Kernel family.
    pub kernel: String,
    /// Stable id of the variant.
    pub variant: String,
    /// Data type of the inputs.
    pub dtype: String,
    /// Rows of the result.
    pub m: u64,
    /// Columns of the result.
    pub n: u64,
    /// Length of the sum.
    pub k: u64,
    /// Median time of one run, s.
    pub time_s_median: f64,
    /// A tenth of the samples is faster, s.
    pub time_s_low: f64,
    /// A tenth of the samples is slower, s.
    pub time_s_high: f64,
    /// Median absolute deviation over the median.
    pub spread: f64,
    /// Samples behind the median.
    pub samples: usize,
    /// Floating-point operations per second, 1e9; absent where the kernel computes none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gflops: Option<f64>,
    /// Bytes that must move over time, 1e9 per second; absent where none must.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gb_s: Option<f64>,
    /// Times faster than the naive rung on the same shape.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gain_over_naive: Option<f64>,
    /// The output of the timed run agreed with the CPU twin.
    pub verified: bool,
    /// Rung of the ladder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rung: Option<String>,
    /// `wall` or `gpu`.
    pub clock: String,
    /// Time of the first dispatch, compilation included, s.
    pub first_s: f64,
    /// Its machine code, where the driver's compiler tells.
    #[serde(flatten)]
    pub code: Code,
    /// The stopping criterion that was not met.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unmet: Option<String>,
}

/// One row a case, in the order they ran.
pub fn rows(profile: &Profile) -> Vec<BenchRow> {
    profile.cases.iter().map(|case| row(profile, case)).collect()
}

fn row(profile: &Profile, case: &Case) -> BenchRow {
    let same = |c: &&Case| {
        (&c.kernel, &c.dtype, c.m, c.n, c.k) == (&case.kernel, &case.dtype, case.m, case.n, case.k)
            && c.rung.as_deref() == Some("naive")
    };
    let tenth = |q: f64| quantile(&case.samples_s, q).unwrap_or(case.time_s_median);
    let rate = |amount: f64| (amount > 0.0).then(|| amount / case.time_s_median / 1e9);
    BenchRow {
        adapter: profile.adapter.name.clone(),
        backend: profile.adapter.backend.clone(),
        software: profile.adapter.software,
        bus: Some(profile.adapter.bus.clone()).filter(|bus| !bus.is_empty()),
        kernel: case.kernel.clone(),
        variant: case.variant.clone(),
        dtype: case.dtype.clone(),
        m: case.m,
        n: case.n,
        k: case.k,
        time_s_median: case.time_s_median,
        time_s_low: tenth(0.1),
        time_s_high: tenth(0.9),
        spread: case.spread,
        samples: case.samples_s.len(),
        gflops: rate(case.flop),
        gb_s: rate(case.bytes),
        gain_over_naive: profile.cases.iter().find(same).map(|naive| naive.time_s_median / case.time_s_median),
        verified: case.verified,
        rung: case.rung.clone(),
        clock: case.clock.clone(),
        first_s: case.first_s,
        code: case.code.clone().unwrap_or_default(),
        unmet: case.unmet.clone(),
    }
}
