//! What a weight matrix costs on a measured device: over its rows, interpolated; for one row, over the sum's length too.

use super::Profile;
use super::operand::Operand;
use super::profile::{Case, Curve};

/// Time of the products of a weight matrix (n outputs, k inputs) with m rows of activations, in one type of kernels.
///
/// One row is t = call + n (k w + r): what any call takes, w a weight, r an output. Three GEMVs of a profile give the
/// three. Several rows come from the GEMMs of one matrix at several m, and beyond those from larger ones. Between points
/// the time is linear in m, as that of a kernel with whole tiles nearly is; beyond the last point it grows in
/// proportion. A single compute roof would promise a batch of eight the rate of a batch of a thousand.
#[derive(Debug, Clone, PartialEq)]
pub struct Products {
    /// What a call takes whatever it computes, s.
    pub call_s: f64,
    /// Streaming one weight, s.
    stream_s: f64,
    /// One row: a weight, and an output.
    weight_s: f64,
    output_s: f64,
    /// Several rows, rising and above one, and the seconds per weight beyond streaming it; never empty.
    points: Vec<(f64, f64)>,
}

impl Products {
    /// From a profile, where it has a GEMV and at least one batch size of one matrix. `stream_byte_s` is what streaming
    /// reaches, `launch_s` what an empty dispatch takes.
    pub fn of(profile: &Profile, operand: Operand, stream_byte_s: f64, launch_s: f64) -> Option<Self> {
        let own = |c: &&Curve| (&*c.kernel, &*c.dtype, &*c.axis) == ("gemm", operand.name(), "m");
        let weights = |c: &Curve| c.n as f64 * c.k as f64;
        let curve = profile.curves.iter().filter(own).max_by(|a, b| weights(a).total_cmp(&weights(b)))?;
        let (call_s, weight_s, output_s) = single(&profile.cases, operand, launch_s)?;
        let stream_s = operand.weight_bytes() / stream_byte_s;
        // Rows, and seconds per weight.
        let of_curve = curve.at.iter().zip(&curve.time_s).map(|(m, t)| (*m, (t - call_s) / weights(curve)));
        let mut points: Vec<(f64, f64)> = of_curve.filter(|(m, _)| *m > 1.0).collect();
        points.extend(beyond(&profile.cases, operand, points.last()?.0, weights(curve), call_s));
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        // Fewer rows can always run as more, the rest being padding.
        let mut least = f64::INFINITY;
        for point in points.iter_mut().rev() {
            least = least.min(point.1);
            point.1 = (least - stream_s).max(0.0);
        }
        points.dedup_by(|later, first| later.0 == first.0);
        Some(Self { call_s, stream_s, weight_s, output_s, points })
    }

    /// The batches of these products in another type whose own were not measured: the same curve at `ratio` times the
    /// time. One row is that type's own.
    pub fn at_rate_of(
        &self,
        profile: &Profile,
        operand: Operand,
        stream_byte_s: f64,
        launch_s: f64,
        ratio: f64,
    ) -> Option<Self> {
        let (call_s, weight_s, output_s) = single(&profile.cases, operand, launch_s)?;
        let points = self.points.iter().map(|(m, excess)| (*m, excess * ratio)).collect();
        Some(Self { call_s, stream_s: operand.weight_bytes() / stream_byte_s, weight_s, output_s, points })
    }

    /// Seconds per weight for `m` rows and sums of `k`, on top of streaming the weights.
    pub fn excess_s(&self, m: f64, k: f64) -> f64 {
        let (Some(first), Some(last)) = (self.points.first(), self.points.last()) else { return 0.0 };
        let above = self.points.partition_point(|(rows, _)| *rows < m);
        let Some((x1, y1)) = self.points.get(above) else { return last.1 * m / last.0 };
        // One row is no dearer than the fewest that were measured as a batch.
        let single = (self.weight_s + self.output_s / k - self.stream_s).min(first.1).max(0.0);
        let (x0, y0) = above.checked_sub(1).map_or((1.0, single), |below| self.points[below]);
        y0 + (y1 - y0) * ((m - x0) / (x1 - x0)).max(0.0)
    }
}

/// Products of more rows than a curve holds, on matrices no smaller: rows, and seconds per weight.
fn beyond(cases: &[Case], operand: Operand, rows: f64, weights: f64, call_s: f64) -> Vec<(f64, f64)> {
    let own = |c: &&Case| c.verified && c.kernel == "gemm" && c.dtype == operand.name();
    let (of, time) = (|c: &Case| c.n as f64 * c.k as f64, |c: &Case| c.time_s_median - call_s);
    let larger = cases.iter().filter(own).filter(|c| c.m as f64 > rows && of(c) >= weights);
    larger.map(|c| (c.m as f64, time(c) / of(c))).collect()
}

/// Seconds of a call, a weight and an output of a GEMV, from the fastest kernel of each shape: the two shapes with the
/// most weights tell long sums from many outputs, the smallest one the call.
fn single(cases: &[Case], operand: Operand, launch_s: f64) -> Option<(f64, f64, f64)> {
    let mut shapes: Vec<(f64, f64, f64)> = Vec::new();
    for case in cases.iter().filter(|c| c.verified && c.kernel == "gemv" && c.dtype == operand.name()) {
        let (n, k, time_s) = (case.n as f64, case.k as f64, case.time_s_median);
        match shapes.iter_mut().find(|s| (s.0, s.1) == (n, k)) {
            Some(known) => known.2 = known.2.min(time_s),
            None => shapes.push((n, k, time_s)),
        }
    }
    shapes.sort_by(|a, b| (b.0 * b.1).total_cmp(&(a.0 * a.1)));
    let each = |s: &(f64, f64, f64)| (s.2 - launch_s).max(0.0) / (s.0 * s.1);
    let first = *shapes.first()?;
    let output_s = match shapes.get(1) {
        Some(second) if second.1 != first.1 => {
            ((each(second) - each(&first)) / (second.1.recip() - first.1.recip())).max(0.0)
        }
        _ => 0.0,
    };
    let weight_s = (each(&first) - output_s / first.1).max(0.0);
    let smallest = shapes.get(2..).and_then(<[_]>::last);
    let call_s = smallest.map_or(launch_s, |s| s.2 - s.0 * (s.1 * weight_s + output_s));
    Some((call_s.max(launch_s), weight_s, output_s))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gemv(n: u64, k: u64, time_s_median: f64) -> Case {
        let (kernel, dtype) = ("gemv".into(), "f32".into());
        Case { kernel, dtype, n, k, time_s_median, verified: true, ..Case::default() }
    }

    fn profile() -> Profile {
        let (kernel, dtype, axis) = ("gemm".to_owned(), "f32".to_owned(), "m".to_owned());
        let curve = Curve { kernel, dtype, axis, m: 0, n: 10, k: 10, at: vec![8.0, 64.0], time_s: vec![1.2e-5, 1e-4] };
        Profile { cases: vec![gemv(100, 100, 4e-4)], curves: vec![curve], ..Profile::default() }
    }

    #[test]
    fn points_are_met_and_what_is_between_is_interpolated() {
        // Streaming takes 4e-8 s a weight; 8 rows take 12e-8 and 64 rows 100e-8.
        let products = Products::of(&profile(), Operand::F32, 1e8, 0.0).expect("products");
        let near = |m: f64, expected: f64| assert!((products.excess_s(m, 100.0) - expected).abs() < 1e-15, "{m}");
        near(1.0, 0.0);
        near(8.0, 8e-8);
        near(64.0, 96e-8);
        near(36.0, 52e-8);
        near(4.5, 4e-8);
        near(128.0, 192e-8);
        near(0.5, 0.0);
        assert_eq!(Products::of(&Profile::default(), Operand::F32, 1e8, 0.0), None);
        // Eight rows cannot take longer than sixty-four.
        let mut odd = profile();
        odd.curves[0].time_s[0] = 3e-4;
        assert!(
            (Products::of(&odd, Operand::F32, 1e8, 0.0).expect("products").excess_s(8.0, 10.0) - 96e-8).abs() < 1e-15
        );
    }

    #[test]
    fn one_row_is_told_by_calls_weights_and_outputs() {
        // 10 us a call, 1 ns a weight, 200 ns an output; the launch alone is 2 us, so the call is found within 8 us.
        let time = |n: u64, k: u64| 1e-5 + n as f64 * (k as f64 * 1e-9 + 2e-7);
        let shapes = [(4096, 4096), (16_384, 1024), (256, 256)];
        let slow = gemv(4096, 4096, 1.0);
        let cases = shapes.iter().map(|&(n, k)| gemv(n, k, time(n, k))).chain([slow]).collect();
        let mut profile = Profile { cases, ..profile() };
        profile.curves[0].time_s = vec![1e-3, 1e-2];
        let stream_byte_s = 4.0 * (4096.0 * 4096.0) / time(4096, 4096);
        let products = Products::of(&profile, Operand::F32, stream_byte_s, 2e-6).expect("products");
        for (n, k) in [(4096_u64, 4096_u64), (16_384, 1024), (256, 256), (3000, 2000)] {
            let weights = (n * k) as f64;
            let all = products.call_s + weights * (4.0 / stream_byte_s + products.excess_s(1.0, k as f64));
            assert!((all / time(n, k) - 1.0).abs() < 0.01, "{n} x {k}: {all} against {}", time(n, k));
        }
        // Longer sums than were measured are promised no more than was measured.
        assert_eq!(products.excess_s(1.0, 1e6), 0.0);
    }
}
