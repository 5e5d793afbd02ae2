//! The CPU twin of every kernel: what a correct one computes, in f64, with the magnitude its error is judged by.

use super::data::Data;
use super::host_gemm::gemm;
use super::{Dtype, Problem};

/// The values a kernel must produce.
#[derive(Debug, Clone)]
pub enum Truth {
    /// Reals, each with the sum of the magnitudes of its terms, (|A| |B|).
    Reals {
        /// The values in f64.
        values: Vec<f64>,
        /// The sum of |term| of each.
        magnitudes: Vec<f64>,
        /// Roundings on the longest path to a value.
        roundings: f64,
    },
    /// 32-bit words, to be met exactly.
    Words(Vec<u32>),
}

/// What `problem` yields for `data`.
pub fn truth(problem: Problem, dtype: Dtype, data: &Data) -> Truth {
    match problem {
        Problem::Gemm { m, n, k } => product(&data.a, &data.b, [m as usize, n as usize, k as usize], dtype),
        Problem::Gemv { n, k } => product(&data.b, &data.a, [n as usize, 1, k as usize], dtype),
        Problem::Read { .. } => Truth::Words(vec![fold(data.a.iter().map(|w| w.to_bits()))]),
        Problem::Copy { .. } => Truth::Words(data.a.iter().map(|w| w.to_bits()).collect()),
        Problem::Fma { steps, .. } => fma(&data.a, steps),
        Problem::Launch | Problem::Submit => Truth::Words(vec![LAUNCHED]),
    }
}

/// What an empty dispatch writes, so that one that never ran is noticed.
pub const LAUNCHED: u32 = 0x1A_0C11ED;

/// The order-independent fold of a stream: a wrapping sum.
pub fn fold(words: impl Iterator<Item = u32>) -> u32 {
    words.fold(0, u32::wrapping_add)
}

fn product(a: &[f32], b: &[f32], shape: [usize; 3], dtype: Dtype) -> Truth {
    let wide = |x: &[f32]| x.iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
    let sizes = |x: &[f32]| x.iter().map(|&v| f64::from(v.abs())).collect::<Vec<_>>();
    let [m, n, k] = shape;
    let (mut values, mut magnitudes) = (vec![0.0; m * n], vec![0.0; m * n]);
    gemm(&wide(a), &wide(b), &mut values, shape);
    gemm(&sizes(a), &sizes(b), &mut magnitudes, shape);
    // Applying scales costs two more roundings than the sum itself.
    let scaling = if matches!(dtype, Dtype::I8 | Dtype::Q4) { 3.0 } else { 0.0 };
    Truth::Reals { values, magnitudes, roundings: k as f64 + scaling }
}

/// x <- x * 1 + 1, repeated: exact for integers, and nothing a compiler may fold because 1 arrives as a uniform.
fn fma(start: &[f32], steps: u64) -> Truth {
    let values: Vec<f64> = start.iter().map(|&x| f64::from(x) + steps as f64).collect();
    let magnitudes = values.iter().zip(start).map(|(v, x)| v.abs() + 2.0 * f64::from(x.abs())).collect();
    Truth::Reals { values, magnitudes, roundings: 2.0 * steps as f64 }
}
