//! Measured adapters side by side: the same kernel, type and shape on each, with a verdict.
//!
//! Each adapter's fastest verified case of a shape counts. The first adapter that has the shape is the reference of the
//! others. Where the middle four fifths of the samples overlap, nothing can be told.

use super::BenchRow;
use crate::device::Profile;
use crate::run::Run;
use crate::stats::geometric_mean;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

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

/// One adapter with its fastest time of each shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Side {
    name: String,
    backend: String,
    software: bool,
    best: Vec<Best>,
    /// What a reader should know before trusting it.
    pub anomalies: Vec<String>,
}

/// The fastest verified case of a shape.
#[derive(Debug, Clone, PartialEq)]
struct Best {
    kernel: String,
    dtype: String,
    mnk: [u64; 3],
    variant: String,
    time_s: f64,
    /// The middle four fifths of the samples.
    band: [f64; 2],
    gflops: Option<f64>,
    gb_s: Option<f64>,
}

impl Best {
    fn shape(&self) -> (&str, &str, [u64; 3]) {
        (&self.kernel, &self.dtype, self.mnk)
    }
}

impl Side {
    /// Of a profile.
    pub fn of(profile: &Profile) -> Self {
        let rows = super::rows(profile);
        let adapter = &profile.adapter;
        let named = (adapter.name.clone(), adapter.backend.clone(), adapter.software);
        Self::named(named, &rows, profile.anomalies.clone())
    }

    /// What `bench -o` wrote: a side for each adapter of the run.
    ///
    /// # Errors
    /// When a row is no case of `bench`.
    pub fn of_run(run: &Run) -> Result<Vec<Self>, serde_json::Error> {
        let cases = run.rows.iter().filter(|row| row.get("kind").is_some_and(|kind| kind == "case"));
        let rows: Vec<BenchRow> =
            cases.map(|row| serde_json::from_value(Value::Object(row.clone()))).collect::<Result<_, _>>()?;
        let adapter = |row: &BenchRow| (row.adapter.clone(), row.backend.clone(), row.bus.clone());
        let mut adapters: Vec<_> = rows.iter().map(adapter).collect();
        adapters.dedup();
        let side = |one: &(String, String, Option<String>)| {
            let own: Vec<BenchRow> = rows.iter().filter(|row| adapter(row) == *one).cloned().collect();
            let software = own.first().is_some_and(|row| row.software);
            Self::named((one.0.clone(), one.1.clone(), software), &own, run.notes.clone())
        };
        let sides = adapters.iter().map(side).collect();
        Ok(sides)
    }

    fn named((name, backend, software): (String, String, bool), rows: &[BenchRow], anomalies: Vec<String>) -> Self {
        let mut best: Vec<Best> = Vec::new();
        for row in rows.iter().filter(|row| row.verified) {
            let one = Best {
                kernel: row.kernel.clone(),
                dtype: row.dtype.clone(),
                mnk: [row.m, row.n, row.k],
                variant: row.variant.clone(),
                time_s: row.time_s_median,
                band: [row.time_s_low, row.time_s_high],
                gflops: row.gflops,
                gb_s: row.gb_s,
            };
            match best.iter_mut().find(|b| b.shape() == one.shape()) {
                Some(before) if before.time_s > one.time_s => *before = one,
                Some(_) => {}
                None => best.push(one),
            }
        }
        Self { name, backend, software, best, anomalies }
    }

    fn find(&self, like: &Best) -> Option<&Best> {
        self.best.iter().find(|b| b.shape() == like.shape())
    }
}

/// Every shape that at least two sides have, each side's row below the other, and what they say together.
pub fn beside(sides: &[Side]) -> (String, Vec<BesideRow>) {
    let mut shapes: Vec<&Best> = Vec::new();
    for best in sides.iter().flat_map(|side| &side.best) {
        if !shapes.iter().any(|s| s.shape() == best.shape()) {
            shapes.push(best);
        }
    }
    let mut rows = Vec::new();
    for shape in &shapes {
        let have: Vec<(&Side, &Best)> = sides.iter().filter_map(|side| Some((side, side.find(shape)?))).collect();
        if have.len() >= 2 {
            rows.extend(have.iter().map(|(side, best)| row(side, best, have[0].1)));
        }
    }
    (sentence(sides, &rows, shapes.len()), rows)
}

fn row(side: &Side, best: &Best, reference: &Best) -> BesideRow {
    let ([low, high], [ref_low, ref_high]) = (best.band, reference.band);
    let verdict = if std::ptr::eq(best, reference) {
        "reference"
    } else if high < ref_low {
        "faster"
    } else if low > ref_high {
        "slower"
    } else {
        "cannot tell"
    };
    let [m, n, k] = best.mnk;
    BesideRow {
        kernel: best.kernel.clone(),
        dtype: best.dtype.clone(),
        m,
        n,
        k,
        adapter: side.name.clone(),
        backend: side.backend.clone(),
        software: side.software,
        variant: best.variant.clone(),
        time_s: best.time_s,
        time_s_low: low,
        time_s_high: high,
        gflops: best.gflops,
        gb_s: best.gb_s,
        times_reference: reference.time_s / best.time_s,
        verdict: verdict.into(),
    }
}

/// Each further adapter against the first, over the shapes both have.
fn sentence(sides: &[Side], rows: &[BesideRow], shapes: usize) -> String {
    let name = |side: &Side| format!("{} ({})", side.name, side.backend);
    let Some((first, others)) = sides.split_first() else { return "No profile.".into() };
    if rows.is_empty() {
        return format!("The {} adapters have no shape in common.", sides.len());
    }
    let against = |other: &Side| {
        let mut ratios = Vec::new();
        let [mut faster, mut slower, mut unclear] = [0; 3];
        for reference in &first.best {
            let Some(best) = other.find(reference) else { continue };
            ratios.push(reference.time_s / best.time_s);
            match row(other, best, reference).verdict.as_str() {
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
    use crate::device::profile::{Adapter, Case};

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
            code: None,
        }
    }

    fn profile(name: &str, cases: Vec<Case>) -> Profile {
        Profile { adapter: Adapter { name: name.into(), ..Adapter::default() }, cases, ..Profile::default() }
    }

    fn side(name: &str, cases: Vec<Case>) -> Side {
        Side::of(&profile(name, cases))
    }

    #[test]
    fn the_same_shape_gets_a_verdict_and_overlap_gets_none() {
        let a = side("a", vec![case(64, &[1.0, 1.01, 1.02]), case(128, &[1.0, 1.0, 1.0]), case(32, &[1.0])]);
        let b = side("b", vec![case(64, &[0.5, 0.51, 0.52]), case(128, &[0.9, 1.05, 1.2]), case(16, &[1.0])]);
        let c = side("c", vec![case(64, &[2.0, 2.0, 2.1]), case(64, &[4.0])]);
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
        let (sentence, rows) = beside(&[side("a", vec![case(64, &[1.0])]), side("b", vec![case(32, &[1.0])])]);
        assert!(rows.is_empty() && sentence.contains("no shape in common"), "{sentence}");
    }
}
