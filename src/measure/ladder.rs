//! The ladder: what each rung of tuning is worth on an adapter, from a profile.

use crate::device::Profile;
use crate::device::profile::{Case, Code, Roofs, Rung};
use crate::device::sheet::Library;
use crate::precision::Precision;
use crate::provenance::Provenance;
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
    /// Rows of the largest shape the rung was timed on.
    pub m: u64,
    /// Columns of that shape.
    pub n: u64,
    /// Summed elements of that shape.
    pub k: u64,
    /// Median time on the largest shape, s.
    pub time_s: f64,
    /// Rate on the largest shape, 1e9 operations per second; absent where the kernel computes nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gflops: Option<f64>,
    /// Rate on the largest shape, 1e9 bytes per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gb_s: Option<f64>,
    /// Rate over the adapter's roof as measured: the faster of bare multiply-adds and the best kernel of the same type
    /// for what computes, of the streaming read and the best kernel for what moves bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share_of_roof: Option<f64>,
    /// The rung's machine code, where the driver's compiler tells: how far the code itself is from the roof.
    #[serde(flatten)]
    pub code: Code,
    /// Times faster than the next slower rung, geometric mean over the shapes both were timed on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gain_over_below: Option<f64>,
    /// Times faster than the naive rung, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gain_over_naive: Option<f64>,
    /// Times faster than the best WGSL rung: what the portable API costs. Only of a published library's rung.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_tax: Option<f64>,
    /// `measured`, or `catalogued` for a published figure.
    pub provenance: Provenance,
    /// Where a published figure was printed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// The ladders of a profile, each from its slowest rung to its best, and above it what the makers' libraries reach on
/// the same device.
pub fn ladder(profile: &Profile, libraries: &[Library]) -> Vec<LadderRow> {
    let mut rows: Vec<LadderRow> = Vec::new();
    let rate = |r: &&Rung| r.flop_s.unwrap_or(0.0);
    for (at, rung) in profile.ladder.iter().enumerate() {
        rows.push(row(profile, rung));
        let next = profile.ladder.get(at + 1);
        if next.is_none_or(|n| (&n.kernel, &n.dtype) != (&rung.kernel, &rung.dtype)) {
            let own = || profile.ladder.iter().filter(|r| (&r.kernel, &r.dtype) == (&rung.kernel, &rung.dtype));
            let naive = own().find(|r| r.rung == "naive");
            // The rung with the largest gain need not be the one with the largest rate: their shapes differ.
            let best = own().max_by(|a, b| rate(a).total_cmp(&rate(b))).unwrap_or(rung);
            rows.extend(libraries.iter().filter_map(|library| above(profile, best, naive, library)));
        }
    }
    rows
}

fn row(profile: &Profile, rung: &Rung) -> LadderRow {
    let case = profile.cases.iter().find(|c| c.variant == rung.variant);
    LadderRow {
        adapter: profile.adapter.name.clone(),
        kernel: rung.kernel.clone(),
        dtype: rung.dtype.clone(),
        rung: rung.rung.clone(),
        variant: rung.variant.clone(),
        shapes: rung.shapes,
        m: rung.m,
        n: rung.n,
        k: rung.k,
        time_s: rung.time_s,
        gflops: rung.flop_s.map(|r| r / 1e9),
        gb_s: rung.byte_s.map(|r| r / 1e9),
        share_of_roof: rung.share_of_roof,
        code: case.and_then(|c| c.code.clone()).unwrap_or_default(),
        gain_over_below: rung.gain_over_below,
        gain_over_naive: rung.gain_over_naive,
        api_tax: None,
        provenance: Provenance::Measured,
        source: None,
    }
}

/// A published figure as a rung above the best WGSL one. Rates are compared, because shapes differ.
fn above(profile: &Profile, best: &Rung, naive: Option<&Rung>, library: &Library) -> Option<LadderRow> {
    // Half-precision and bfloat16 units have one rate.
    let same_type = match best.dtype.as_str() {
        "f16" => matches!(library.dtype, Precision::Bf16 | Precision::F16),
        "i8" => library.dtype == Precision::Int8,
        "f32" => library.dtype == Precision::F32,
        _ => false,
    };
    let ours = best.flop_s.filter(|_| same_type && library.kernel == best.kernel)?;
    let theirs = library.rate.get();
    Some(LadderRow {
        rung: library.access.clone(),
        variant: library.dtype.to_string(),
        shapes: 1,
        m: library.m,
        n: library.n,
        k: library.k,
        time_s: 2.0 * (library.m * library.n * library.k) as f64 / theirs,
        gflops: Some(theirs / 1e9),
        gb_s: None,
        share_of_roof: None,
        code: Code::default(),
        gain_over_below: Some(theirs / ours),
        gain_over_naive: naive.and_then(|n| n.flop_s).map(|n| theirs / n),
        api_tax: Some(theirs / ours),
        provenance: Provenance::Catalogued,
        source: Some(library.source.clone()),
        ..row(profile, best)
    })
}

/// The rungs of every kernel and type that has more than one.
pub(super) fn climb(cases: &[Case], roofs: &Roofs) -> Vec<Rung> {
    let mut kernels: Vec<(&str, &str)> = Vec::new();
    for case in cases {
        if !kernels.contains(&(case.kernel.as_str(), case.dtype.as_str())) {
            kernels.push((&case.kernel, &case.dtype));
        }
    }
    kernels.into_iter().flat_map(|(kernel, dtype)| of_kernel(cases, roofs, kernel, dtype)).collect()
}

fn of_kernel(cases: &[Case], roofs: &Roofs, kernel: &str, dtype: &str) -> Vec<Rung> {
    let mut rungs: Vec<(&str, Vec<&Case>)> = Vec::new();
    for case in cases.iter().filter(|c| c.kernel == kernel && c.dtype == dtype && c.verified) {
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
    // The gain over naive orders the rungs. One that shares no shape with it stands by its rate on the largest shape.
    let naive = rungs.iter().find(|r| r.0 == "naive").map(|r| r.1.clone());
    let rate = |cases: &[&Case]| size(cases[0]) / cases[0].time_s_median;
    let height = |cases: &[&Case]| match &naive {
        Some(naive) => gain(cases, naive).unwrap_or_else(|| rate(cases) / rate(naive)),
        None => rate(cases),
    };
    rungs.sort_by(|a, b| height(&a.1).total_cmp(&height(&b.1)));
    let roof = roof(cases, roofs, kernel, dtype);
    (0..rungs.len())
        .map(|at| {
            let (rung, cases) = (rungs[at].0, &rungs[at].1);
            let case = cases[0];
            let per_second = |amount: f64| (amount > 0.0).then(|| amount / case.time_s_median);
            let (flop_s, byte_s) = (per_second(case.flop), per_second(case.bytes));
            Rung {
                kernel: kernel.into(),
                dtype: dtype.into(),
                rung: rung.into(),
                variant: case.variant.clone(),
                shapes: cases.len(),
                m: case.m,
                n: case.n,
                k: case.k,
                time_s: case.time_s_median,
                flop_s,
                byte_s,
                share_of_roof: if computes(kernel) { flop_s } else { byte_s }.zip(roof).map(|(own, roof)| own / roof),
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

fn computes(kernel: &str) -> bool {
    matches!(kernel, "gemm" | "experts" | "attention")
}

/// What a kernel can reach at most here: multiply-adds without memory, or a matrix unit that passes even those; the
/// fastest stream for what moves bytes.
fn roof(cases: &[Case], roofs: &Roofs, kernel: &str, dtype: &str) -> Option<f64> {
    let own = cases.iter().filter(|c| c.kernel == kernel && c.dtype == dtype && c.verified);
    let amount = |c: &Case| if computes(kernel) { c.flop } else { c.bytes };
    let best = own.map(|c| amount(c) / c.time_s_median).reduce(f64::max);
    let bare = if computes(kernel) { roofs.fma_f32_flop_s } else { roofs.read_byte_s };
    [best, bare].into_iter().flatten().reduce(f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(rung: &str, m: u64, time_s: f64) -> Case {
        let flop = 2.0 * (m * 64 * 64) as f64;
        Case {
            kernel: "gemm".into(),
            dtype: "f32".into(),
            rung: Some(rung.into()),
            variant: format!("{rung}/{m}"),
            m,
            n: 64,
            k: 64,
            flop,
            bytes: 4096.0,
            time_s_median: time_s,
            verified: true,
            ..Case::default()
        }
    }

    #[test]
    fn rungs_climb_by_their_gain_on_shared_shapes() {
        // Few rows reach a lower rate than naive on its large shape, and are still twice as fast where both ran.
        let cases = [
            case("naive", 64, 8e-3),
            case("naive", 8, 2e-3),
            case("few rows", 8, 1e-3),
            case("tiled", 64, 1e-3),
            case("tiled", 8, 1e-3),
            case("wrong", 64, 1e-9),
        ];
        let mut cases = cases.to_vec();
        cases[5].verified = false;
        let rungs = climb(&cases, &Roofs { fma_f32_flop_s: Some(2.0 * cases[3].flop / 1e-3), ..Roofs::default() });
        let told: Vec<_> = rungs.iter().map(|r| (r.rung.as_str(), r.m, r.shapes)).collect();
        assert_eq!(told, [("naive", 64, 2), ("few rows", 8, 1), ("tiled", 64, 2)]);
        assert_eq!(rungs[1].gain_over_naive, Some(2.0));
        // The geometric mean of 8 and 2, and on the one shape it shares with the rung below no gain.
        let near = |value: Option<f64>, expected: f64| value.is_some_and(|v| (v / expected - 1.0).abs() < 1e-12);
        assert!(near(rungs[2].gain_over_naive, 4.0) && near(rungs[2].gain_over_below, 1.0), "{:?}", rungs[2]);
        assert!(near(rungs[2].share_of_roof, 0.5), "{:?}", rungs[2].share_of_roof);
        assert_eq!(climb(&cases[..2], &Roofs::default()), []);
    }
}
