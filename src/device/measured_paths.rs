//! Which measured kernels a stored weight runs through: per number format the fastest verified product of matrices, and
//! the fastest verified stream of weights through one row.
//!
//! The two go together: a step that reads prompts and a step that writes answers read the same stored weights, so that a
//! kernel's GEMM is never paired with another type's GEMV. A weight that runs through a wider kernel than it is stored
//! for is stored that wide: it streams the kernel's bytes, not its own.
//!
//! What a profile may lack: a type without a verified GEMM and GEMV is no path, and the next wider one stands in. Norms
//! and activations exist in f32 only.

use super::Profile;
use super::operand::Operand;
use super::products::Products;
use super::profile::Case;
use crate::precision::Precision;

/// The measured kernels of one type.
#[derive(Debug, Clone, PartialEq)]
pub struct MeasuredPath {
    /// Their type.
    pub operand: Operand,
    /// The variant with the highest rate of many rows; absent where the profile keeps the rate alone.
    pub gemm: Option<String>,
    /// The variant that streams weights fastest.
    pub gemv: Option<String>,
    /// Many rows, FLOP/s.
    pub gemm_flop_s: f64,
    /// One row, bytes that must move over time, byte/s.
    pub stream_byte_s: f64,
    /// What a weight matrix costs by its shape and rows, where enough of them were measured.
    pub products: Option<Products>,
}

impl MeasuredPath {
    /// Seconds of one weight in a token of an answer written alone and in a token of a long prompt: what paths are
    /// ranked by, since their weights are stored once for both.
    fn weight_s(&self) -> f64 {
        self.operand.weight_bytes() / self.stream_byte_s + 2.0 / self.gemm_flop_s
    }
}

/// All paths of a device: that of f32, which every profile has, and the narrower ones it was measured on.
#[derive(Debug, Clone, PartialEq)]
pub struct MeasuredPaths {
    single: MeasuredPath,
    narrow: Vec<MeasuredPath>,
}

impl MeasuredPaths {
    /// From a profile with its f32 roofs, FLOP/s and byte/s, and the time of an empty dispatch, s.
    pub fn of(profile: &Profile, gemm_flop_s: f64, stream_byte_s: f64, launch_s: f64) -> Self {
        let cases = &profile.cases;
        let products = Products::of(profile, Operand::F32, stream_byte_s, launch_s);
        let single = MeasuredPath {
            operand: Operand::F32,
            gemm: product(cases, Operand::F32).map(|(case, _)| case.variant.clone()),
            gemv: stream(cases, Operand::F32).map(|(case, _)| case.variant.clone()),
            gemm_flop_s,
            stream_byte_s,
            products,
        };
        let path = |operand: Operand| {
            let ((gemm, gemm_flop_s), (gemv, stream_byte_s)) = product(cases, operand).zip(stream(cases, operand))?;
            let own = Products::of(profile, operand, stream_byte_s, launch_s);
            // Where its batches were not measured, they cost what those of f32 do, at this type's rate.
            let ratio = single.gemm_flop_s / gemm_flop_s;
            let products =
                own.or_else(|| single.products.as_ref()?.at_rate_of(profile, operand, stream_byte_s, launch_s, ratio));
            let (gemm, gemv) = (Some(gemm.variant.clone()), Some(gemv.variant.clone()));
            Some(MeasuredPath { operand, gemm, gemv, gemm_flop_s, stream_byte_s, products })
        };
        let narrow = Operand::ALL.into_iter().filter(|o| *o != Operand::F32).filter_map(path).collect();
        Self { single, narrow }
    }

    /// The f32 path.
    pub const fn single(&self) -> &MeasuredPath {
        &self.single
    }

    /// Every path, f32 first.
    pub fn all(&self) -> impl Iterator<Item = &MeasuredPath> {
        std::iter::once(&self.single).chain(&self.narrow)
    }

    /// The path of a type, where it was measured.
    pub fn of_type(&self, operand: Operand) -> Option<&MeasuredPath> {
        self.all().find(|path| path.operand == operand)
    }

    /// The fastest path of weights stored so, with activations in a given format or the usual one.
    pub fn best(&self, stored: Precision, activations: Option<Precision>) -> &MeasuredPath {
        let fits = self.narrow.iter().filter(|path| path.operand.holds(stored, activations));
        fits.fold(&self.single, |best, path| if path.weight_s() < best.weight_s() { path } else { best })
    }
}

fn verified<'a>(cases: &'a [Case], kernel: &'static str, operand: Operand) -> impl Iterator<Item = &'a Case> {
    cases.iter().filter(move |c| c.verified && c.kernel == kernel && c.dtype == operand.name() && c.time_s_median > 0.0)
}

/// The GEMM with the highest rate, FLOP/s.
fn product(cases: &[Case], operand: Operand) -> Option<(&Case, f64)> {
    let rated = verified(cases, "gemm", operand).map(|c| (c, c.flop / c.time_s_median));
    rated.filter(|(_, rate)| *rate > 0.0).max_by(|a, b| a.1.total_cmp(&b.1))
}

/// The fastest GEMV on the most weights, byte/s: fewer of them stay in a cache.
fn stream(cases: &[Case], operand: Operand) -> Option<(&Case, f64)> {
    let weights = |c: &Case| c.n as f64 * c.k as f64;
    let most = verified(cases, "gemv", operand).map(weights).max_by(f64::total_cmp)?;
    let largest = verified(cases, "gemv", operand).filter(|c| weights(c) == most);
    largest.map(|c| (c, c.bytes / c.time_s_median)).filter(|(_, rate)| *rate > 0.0).max_by(|a, b| a.1.total_cmp(&b.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A square product of this side at so many FLOP/s, and a GEMV at so many byte/s.
    pub fn pair(operand: Operand, flop_s: f64, byte_s: f64) -> [Case; 2] {
        let side = 4096_u64;
        let weights = (side * side) as f64;
        let case = |kernel: &str, m: u64, flop: f64, bytes: f64, time_s: f64| Case {
            kernel: kernel.into(),
            variant: format!("{kernel}_best/{}/x", operand.name()),
            dtype: operand.name().into(),
            m,
            n: side,
            k: side,
            flop,
            bytes,
            samples_s: vec![time_s],
            time_s_median: time_s,
            verified: true,
            ..Case::default()
        };
        let flop = 2.0 * weights * side as f64;
        let bytes = operand.weight_bytes() * weights;
        [case("gemm", side, flop, 3.0 * bytes, flop / flop_s), case("gemv", 1, 2.0 * weights, bytes, bytes / byte_s)]
    }

    fn paths(measured: &[(Operand, f64, f64)]) -> MeasuredPaths {
        let cases = measured.iter().flat_map(|&(operand, flop_s, byte_s)| pair(operand, flop_s, byte_s)).collect();
        let profile = Profile { cases, ..Profile::default() };
        MeasuredPaths::of(&profile, 1e12, 1e11, 1e-6)
    }

    const F32: (Operand, f64, f64) = (Operand::F32, 1e12, 1e11);

    #[test]
    fn a_weight_runs_through_the_fastest_kernel_that_holds_it() {
        use Operand::{F16, I8, Q4};
        use Precision as P;
        let all = paths(&[F32, (F16, 8e12, 1e11), (I8, 16e12, 1e11), (Q4, 2e12, 1e11)]);
        for (stored, operand) in [
            (P::F32, Operand::F32),
            (P::Bf16, F16),
            (P::F16, F16),
            (P::Int8, I8),
            (P::Q8_0, I8),
            (P::Fp8, I8),
            (P::Int4, Q4),
            (P::Q4_0, Q4),
            (P::Q4KM, Q4),
            (P::Fp4, Q4),
            (P::Mxfp4, Q4),
        ] {
            assert_eq!(all.best(stored, None).operand, operand, "{stored}");
        }
        let best = all.best(P::Bf16, None);
        assert_eq!(best.gemm.as_deref(), Some("gemm_best/f16/x"));
        assert!((best.gemm_flop_s / 8e12 - 1.0).abs() < 1e-12);
        // 8-bit kernels round activations; who keeps those wide gets a wider kernel.
        assert_eq!(all.best(P::Int8, Some(P::Bf16)).operand, F16);
        assert_eq!(all.best(P::Int4, Some(P::Bf16)).operand, Q4);
    }

    #[test]
    fn what_was_not_measured_or_is_slower_gets_the_wider_kernel() {
        use Operand::{F16, I8, Q4};
        assert_eq!(paths(&[F32]).best(Precision::Int4, None).operand, Operand::F32);
        let only_half = paths(&[F32, (F16, 4e12, 1e11)]);
        for stored in [Precision::Bf16, Precision::Int8, Precision::Int4, Precision::Fp8] {
            assert_eq!(only_half.best(stored, None).operand, F16, "{stored}");
        }
        // Half precision that is emulated, slower than single in both.
        assert_eq!(paths(&[F32, (F16, 1e11, 1e10)]).best(Precision::Bf16, None).operand, Operand::F32);
        assert_eq!(paths(&[F32, (I8, 1e11, 1e9), (F16, 2e12, 1e11)]).best(Precision::Int8, None).operand, F16);
        assert_eq!(paths(&[F32, (Q4, 1e11, 1e9), (I8, 2e12, 1e11)]).best(Precision::Q4_0, None).operand, I8);
    }

    #[test]
    fn a_wrong_kernel_and_half_a_pair_are_no_path() {
        let mut cases: Vec<Case> = pair(Operand::F32, 1e12, 1e11).into();
        let [gemm, gemv] = pair(Operand::F16, 8e12, 1e11);
        cases.push(gemm.clone());
        let of = |cases: &[Case]| {
            let profile = Profile { cases: cases.to_vec(), ..Profile::default() };
            MeasuredPaths::of(&profile, 1e12, 1e11, 1e-6)
        };
        assert_eq!(of(&cases).of_type(Operand::F16), None);
        cases.push(Case { verified: false, ..gemv.clone() });
        assert_eq!(of(&cases).of_type(Operand::F16), None);
        cases.push(gemv);
        assert!(of(&cases).of_type(Operand::F16).is_some());
        // A faster product that was refused changes nothing.
        cases.push(Case { verified: false, variant: "gemm_wrong/f16/x".into(), time_s_median: 1e-9, ..gemm });
        let found = of(&cases);
        assert_eq!(found.best(Precision::Bf16, None).gemm.as_deref(), Some("gemm_best/f16/x"));
    }

    #[test]
    fn batches_of_a_type_that_were_not_measured_cost_those_of_f32_at_its_rate() {
        use crate::device::profile::Curve;
        let curve = Curve {
            kernel: "gemm".into(),
            dtype: "f32".into(),
            axis: "m".into(),
            m: 0,
            n: 4096,
            k: 4096,
            at: vec![8.0, 4096.0],
            time_s: vec![1e-3, 2.0 * 4096f64.powi(3) / 1e12],
        };
        let cases = [F32, (Operand::F16, 8e12, 1e11)].iter().flat_map(|p| pair(p.0, p.1, p.2)).collect();
        let paths = MeasuredPaths::of(&Profile { cases, curves: vec![curve], ..Profile::default() }, 1e12, 1e11, 1e-6);
        let excess = |operand| {
            let products = paths.of_type(operand).and_then(|p| p.products.as_ref()).expect("products");
            products.excess_s(4096.0, 4096.0)
        };
        assert!((excess(Operand::F32) / excess(Operand::F16) - 8.0).abs() < 1e-9);
    }
}
