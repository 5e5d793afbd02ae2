//! Measured adapters side by side: the same kernel, type and shape on each, with a verdict.
//!
//! Each adapter's fastest verified case of a shape counts. The first adapter that has the shape is the reference of the
//! others. Where the middle four fifths of the samples overlap, nothing can be told.

use crate::device::Profile;
use crate::device::profile::Case;
use crate::stats::{geometric_mean, quantile};
use schemars::JsonSchema;
use serde::Serialize;

/// One adapter on one shape.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct BesideRow {
    /// Kernel family.
    pub kernel: String,
    /// Data type of the inputs.
    pub dtype: String,
    /// Rows of the result.
    pub m: u64,
    /// Columns of the result.
    pub n: u64,
    /// Length of the sum.
    pub k: u64,
    /// Name of the adapter.
    pub adapter: String,
    /// Backend it was reached through.
    pub backend: String,
    /// It computes on the host's cores.
    pub software: bool,
    /// Its fastest variant.
    pub variant: String,
    /// Median time of one run, s.
    pub time_s: f64,
    /// A tenth of the samples is faster, s.
    pub time_s_low: f64,
    /// A tenth of the samples is slower, s.
    pub time_s_high: f64,
    /// Floating-point operations per second, 1e9; absent where the kernel computes none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gflops: Option<f64>,
    /// Bytes that must move over time, 1e9 per second; absent where none must.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gb_s: Option<f64>,
    /// Times as fast as the reference; above 1 is faster.
    pub times_reference: f64,
    /// `reference`, `faster`, `slower` or `cannot tell`.
    pub verdict: String,
}

/// Every shape that at least two profiles have, each profile's row below the other, and what they say together.
pub fn beside(profiles: &[Profile]) -> (String, Vec<BesideRow>) {
    let mut shapes: Vec<Shape<'_>> = Vec::new();
    for case in profiles.iter().flat_map(|p| &p.cases).filter(|c| c.verified) {
        if !shapes.contains(&shape(case)) {
            shapes.push(shape(case));
        }
    }
    let mut rows = Vec::new();
    for shape in &shapes {
        let have: Vec<(&Profile, &Case)> = profiles.iter().filter_map(|p| Some((p, fastest(p, *shape)?))).collect();
        if have.len() >= 2 {
            rows.extend(have.iter().map(|(profile, case)| row(profile, case, have[0].1)));
        }
    }
    (sentence(profiles, &rows, shapes.len()), rows)
}

type Shape<'a> = (&'a str, &'a str, u64, u64, u64);

fn shape(case: &Case) -> Shape<'_> {
    (&case.kernel, &case.dtype, case.m, case.n, case.k)
}

fn fastest<'a>(profile: &'a Profile, wanted: Shape<'_>) -> Option<&'a Case> {
    let same = profile.cases.iter().filter(|c| c.verified && shape(c) == wanted);
    same.min_by(|a, b| a.time_s_median.total_cmp(&b.time_s_median))
}

fn row(profile: &Profile, case: &Case, reference: &Case) -> BesideRow {
    let ([low, high], [ref_low, ref_high]) = (band(case), band(reference));
    let verdict = if std::ptr::eq(case, reference) {
        "reference"
    } else if high < ref_low {
        "faster"
    } else if low > ref_high {
        "slower"
    } else {
        "cannot tell"
    };
    let rate = |amount: f64| (amount > 0.0).then(|| amount / case.time_s_median / 1e9);
    BesideRow {
        kernel: case.kernel.clone(),
        dtype: case.dtype.clone(),
        m: case.m,
        n: case.n,
        k: case.k,
        adapter: profile.adapter.name.clone(),
        backend: profile.adapter.backend.clone(),
        software: profile.adapter.software,
        variant: case.variant.clone(),
        time_s: case.time_s_median,
        time_s_low: low,
        time_s_high: high,
        gflops: rate(case.flop),
        gb_s: rate(case.bytes),
        times_reference: reference.time_s_median / case.time_s_median,
        verdict: verdict.into(),
    }
}

/// The middle four fifths of the samples.
fn band(case: &Case) -> [f64; 2] {
    [0.1, 0.9].map(|q| quantile(&case.samples_s, q).unwrap_or(case.time_s_median))
}

/// Each further adapter against the first, over the shapes both have.
fn sentence(profiles: &[Profile], rows: &[BesideRow], shapes: usize) -> String {
    let name = |p: &Profile| format!("{} ({})", p.adapter.name, p.adapter.backend);
    let Some((first, others)) = profiles.split_first() else { return "No profile.".into() };
    if rows.is_empty() {
        return format!("The {} adapters have no shape in common.", profiles.len());
    }
    let against = |other: &Profile| {
        let mut ratios = Vec::new();
        let [mut faster, mut slower, mut unclear] = [0; 3];
        for reference in first.cases.iter().filter(|c| fastest(first, shape(c)).is_some_and(|f| std::ptr::eq(f, *c))) {
            let Some(case) = fastest(other, shape(reference)) else { continue };
            ratios.push(reference.time_s_median / case.time_s_median);
            match row(other, case, reference).verdict.as_str() {
                "faster" => faster += 1,
                "slower" => slower += 1,
                _ => unclear += 1,
            }
        }
        match geometric_mean(&ratios) {
            None => format!("{} has no shape in common with it", name(other)),
            Some(mean) => format!(
                "{} is {mean:.2} times as fast (geometric mean of {} shapes: faster in {faster}, slower in {slower}, \
                 cannot tell in {unclear})",
                name(other),
                ratios.len()
            ),
        }
    };
    let all: Vec<String> = others.iter().map(against).collect();
    let common = rows.iter().filter(|r| r.verdict == "reference").count();
    format!(
        "Against {}: {}. {common} of {shapes} shapes were measured on two adapters or more.",
        name(first),
        all.join("; ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::profile::Adapter;

    fn case(m: u64, samples_s: &[f64]) -> Case {
        Case {
            kernel: "gemm".into(),
            variant: "gemm_naive/f32/wx8.wy8".into(),
            dtype: "f32".into(),
            m,
            n: m,
            k: m,
            flop: 2.0 * (m * m * m) as f64,
            bytes: 12.0 * (m * m) as f64,
            samples_s: samples_s.to_vec(),
            time_s_median: crate::stats::median(samples_s).expect("samples"),
            spread: 0.0,
            clock: "wall".into(),
            first_s: 0.0,
            verified: true,
            check: "every element".into(),
            timestamps: None,
            rung: None,
            unmet: None,
        }
    }

    fn profile(name: &str, cases: Vec<Case>) -> Profile {
        Profile { adapter: Adapter { name: name.into(), ..Adapter::default() }, cases, ..Profile::default() }
    }

    #[test]
    fn the_same_shape_gets_a_verdict_and_overlap_gets_none() {
        let a = profile("a", vec![case(64, &[1.0, 1.01, 1.02]), case(128, &[1.0, 1.0, 1.0]), case(32, &[1.0])]);
        let b = profile("b", vec![case(64, &[0.5, 0.51, 0.52]), case(128, &[0.9, 1.05, 1.2]), case(16, &[1.0])]);
        let c = profile("c", vec![case(64, &[2.0, 2.0, 2.1]), case(64, &[4.0])]);
        let (sentence, rows) = beside(&[a, b, c]);
        let verdicts: Vec<_> = rows.iter().map(|r| (r.m, r.adapter.as_str(), r.verdict.as_str())).collect();
        let expected = [
            (64, "a", "reference"),
            (64, "b", "faster"),
            (64, "c", "slower"),
            (128, "a", "reference"),
            (128, "b", "cannot tell"),
        ];
        assert_eq!(verdicts, expected);
        assert!(
            (rows[1].times_reference - 1.01 / 0.51).abs() < 1e-12 && (rows[2].times_reference - 0.505).abs() < 1e-12
        );
        assert!(
            sentence.contains("faster in 1, slower in 0, cannot tell in 1") && sentence.contains("2 of 4 shapes"),
            "{sentence}"
        );
    }

    #[test]
    fn adapters_without_a_common_shape_say_so() {
        let (sentence, rows) = beside(&[profile("a", vec![case(64, &[1.0])]), profile("b", vec![case(32, &[1.0])])]);
        assert!(rows.is_empty() && sentence.contains("no shape in common"), "{sentence}");
    }
}
