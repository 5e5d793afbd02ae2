//! What more tokens cost on a measured device: the time of a weight matrix over its rows, interpolated.

use super::Profile;
use super::profile::Case;

/// Seconds per weight beyond streaming it, over the rows it is multiplied with.
///
/// From the f32 GEMMs of one matrix at several m, and the GEMV as m = 1. Between points the time is linear in m, as that
/// of a kernel with whole tiles nearly is; beyond the last point it grows in proportion. A single compute roof would
/// promise a batch of eight the rate of a batch of a thousand.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchCurve {
    rows: Vec<f64>,
    excess_s: Vec<f64>,
}

/// Bytes of an f32 weight.
const WEIGHT: f64 = 4.0;

impl BatchCurve {
    /// From a profile, where it has at least two batch sizes of one matrix. `stream_byte_s` is what streaming reaches.
    pub fn of(profile: &Profile, stream_byte_s: f64) -> Option<Self> {
        let of_f32 = |c: &&super::profile::Curve| (&*c.kernel, &*c.dtype, &*c.axis) == ("gemm", "f32", "m");
        let curve = profile.curves.iter().filter(of_f32).max_by_key(|c| c.n * c.k)?;
        let weights = (curve.n * curve.k) as f64;
        let single = profile.cases.iter().filter(|c| c.verified && c.kernel == "gemv" && c.dtype == "f32");
        let single = single.map(|c: &Case| c.time_s_median / (c.n * c.k) as f64).reduce(f64::min)?;
        let mut points = vec![(1.0, single)];
        points.extend(curve.at.iter().zip(&curve.time_s).map(|(&m, &t)| (m, t / weights)).filter(|p| p.0 > 1.0));
        // Fewer rows can always run as more, the rest being padding.
        let mut least = f64::INFINITY;
        for point in points.iter_mut().rev() {
            least = least.min(point.1);
            point.1 = least;
        }
        let stream_s = WEIGHT / stream_byte_s;
        let (rows, excess_s) = points.into_iter().map(|(m, t)| (m, (t - stream_s).max(0.0))).unzip();
        Some(Self { rows, excess_s })
    }

    /// Seconds per weight for `m` rows, on top of streaming the weights.
    pub fn excess_s(&self, m: f64) -> f64 {
        let above = self.rows.partition_point(|&x| x < m);
        match above {
            0 => self.excess_s[0],
            all if all == self.rows.len() => self.excess_s[all - 1] * m / self.rows[all - 1],
            _ => {
                let [x0, x1] = [self.rows[above - 1], self.rows[above]];
                let [y0, y1] = [self.excess_s[above - 1], self.excess_s[above]];
                y0 + (y1 - y0) * (m - x0) / (x1 - x0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::profile::Curve;

    fn profile() -> Profile {
        let gemv = Case {
            kernel: "gemv".into(),
            dtype: "f32".into(),
            n: 100,
            k: 100,
            time_s_median: 4e-4,
            verified: true,
            ..Case::default()
        };
        let (kernel, dtype, axis) = ("gemm".to_owned(), "f32".to_owned(), "m".to_owned());
        let curve = Curve { kernel, dtype, axis, m: 0, n: 10, k: 10, at: vec![8.0, 64.0], time_s: vec![1.2e-5, 1e-4] };
        Profile { cases: vec![gemv], curves: vec![curve], ..Profile::default() }
    }

    #[test]
    fn points_are_met_and_what_is_between_is_interpolated() {
        // Streaming takes 4e-8 s a weight; 8 rows take 12e-8 and 64 rows 100e-8.
        let curve = BatchCurve::of(&profile(), 1e8).expect("a curve");
        let near = |m: f64, expected: f64| assert!((curve.excess_s(m) - expected).abs() < 1e-15, "{m}");
        near(1.0, 0.0);
        near(8.0, 8e-8);
        near(64.0, 96e-8);
        near(36.0, 52e-8);
        near(128.0, 192e-8);
        near(0.5, 0.0);
        assert_eq!(BatchCurve::of(&Profile::default(), 1e8), None);
        // Eight rows cannot take longer than sixty-four.
        let mut odd = profile();
        odd.curves[0].time_s[0] = 3e-4;
        assert!((BatchCurve::of(&odd, 1e8).expect("a curve").excess_s(8.0) - 96e-8).abs() < 1e-15);
    }
}
