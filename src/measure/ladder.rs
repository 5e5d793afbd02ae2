//! The ladder: what each rung of tuning is worth on an adapter, from a profile.

use crate::device::Profile;
use crate::device::profile::Case;
use crate::stats::geometric_mean;
use schemars::JsonSchema;
use serde::Serialize;

/// One rung of a kernel and type, over the shapes it was timed on.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct LadderRow {
    /// Name of the adapter.
    pub adapter: String,
    /// Kernel family.
    pub kernel: String,
    /// Data type of the inputs.
    pub dtype: String,
    /// The rung.
    pub rung: String,
    /// The fastest variant of the rung on its largest shape.
    pub variant: String,
    /// Shapes behind the means.
    pub shapes: usize,
    /// Median time on the largest shape, s.
    pub time_s: f64,
    /// Rate on the largest shape, 1e9 operations per second; absent where the kernel computes nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gflops: Option<f64>,
    /// Rate on the largest shape, 1e9 bytes per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gb_s: Option<f64>,
    /// Rate over the adapter's best verified rate of the same kind: GEMM over the best f32 GEMM, GEMV and streams over
    /// the best streaming read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share_of_roof: Option<f64>,
    /// Times faster than the next slower rung, geometric mean over the shapes both were timed on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gain_over_below: Option<f64>,
    /// Times faster than the naive rung, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gain_over_naive: Option<f64>,
}

/// The ladders of every kernel and type with more than one rung, each from its slowest rung to its best.
pub fn ladder(profile: &Profile) -> Vec<LadderRow> {
    let mut kernels: Vec<(&str, &str)> = Vec::new();
    for case in &profile.cases {
        if !kernels.contains(&(case.kernel.as_str(), case.dtype.as_str())) {
            kernels.push((&case.kernel, &case.dtype));
        }
    }
    kernels.into_iter().flat_map(|(kernel, dtype)| of_kernel(profile, kernel, dtype)).collect()
}

fn of_kernel(profile: &Profile, kernel: &str, dtype: &str) -> Vec<LadderRow> {
    let mut rungs: Vec<(&str, Vec<&Case>)> = Vec::new();
    for case in profile.cases.iter().filter(|c| c.kernel == kernel && c.dtype == dtype && c.verified) {
        let Some(rung) = case.rung.as_deref() else { continue };
        match rungs.iter_mut().find(|r| r.0 == rung) {
            Some((_, cases)) => cases.push(case),
            None => rungs.push((rung, vec![case])),
        }
    }
    if rungs.len() < 2 {
        return Vec::new();
    }
    let size = |c: &Case| c.flop.max(c.bytes);
    for (_, cases) in &mut rungs {
        cases.sort_by(|a, b| size(b).total_cmp(&size(a)));
    }
    // Rates on the largest shape order the rungs; the time of rungs left out there is that of a smaller one.
    let rate = |c: &Case| size(c) / c.time_s_median;
    rungs.sort_by(|a, b| rate(a.1[0]).total_cmp(&rate(b.1[0])));
    let naive = rungs.iter().find(|r| r.0 == "naive").map(|r| r.1.clone());
    (0..rungs.len())
        .map(|at| {
            let (rung, cases) = (rungs[at].0, &rungs[at].1);
            let case = cases[0];
            let giga = |amount: f64| (amount > 0.0).then(|| amount / case.time_s_median / 1e9);
            LadderRow {
                adapter: profile.adapter.name.clone(),
                kernel: kernel.into(),
                dtype: dtype.into(),
                rung: rung.into(),
                variant: case.variant.clone(),
                shapes: cases.len(),
                time_s: case.time_s_median,
                gflops: giga(case.flop),
                gb_s: giga(case.bytes),
                share_of_roof: share(profile, case),
                gain_over_below: at.checked_sub(1).and_then(|below| gain(cases, &rungs[below].1)),
                gain_over_naive: naive.as_ref().and_then(|naive| gain(cases, naive)),
            }
        })
        .collect()
}

/// Geometric mean of slower over faster on the shapes both were timed on.
fn gain(faster: &[&Case], slower: &[&Case]) -> Option<f64> {
    let shape = |c: &Case| (c.m, c.n, c.k);
    let on = |c: &&Case| slower.iter().find(|s| shape(s) == shape(c)).map(|s| s.time_s_median / c.time_s_median);
    geometric_mean(&faster.iter().filter_map(on).collect::<Vec<_>>())
}

fn share(profile: &Profile, case: &Case) -> Option<f64> {
    match case.kernel.as_str() {
        "gemm" | "experts" => profile.roofs.gemm_f32_flop_s.map(|roof| case.flop / case.time_s_median / roof),
        "gemv" | "copy" => profile.roofs.read_byte_s.map(|roof| case.bytes / case.time_s_median / roof),
        _ => None,
    }
}
