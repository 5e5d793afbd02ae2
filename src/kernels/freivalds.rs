//! Freivalds' check of a matrix product whose full reference costs too much: C x = A (B x) for a random x.
//!
//! The inputs are exact (small integers, scales that are powers of two), so a correct C is exact whatever the order of
//! its sums, and the residual must be zero. Four times every element of C is an integer, and so is twice every element
//! of A and B: the check runs in integers modulo 2^64, without rounding. A row that differs by e passes when e x = 0, at
//! most once in 2^30 seeds (Freivalds 1977; x has 32 random bits, and e is far below 2^34). Corners, edges and sampled
//! elements are compared one by one besides, which also says what a wrong element should have been.

use super::data::Data;
use super::{Dtype, Problem};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Products with more multiply-adds than this are checked this way: a full reference in f64 takes two such products.
pub const LARGEST_FULL: f64 = 8.6e9;
/// Elements compared one by one inside the product and along each of its edges.
const SAMPLES: usize = 256;
const EDGE_SAMPLES: usize = 16;

/// What a product of exact inputs must meet.
#[derive(Debug, Clone)]
pub struct Residual {
    shape: [usize; 2],
    x: Vec<i64>,
    /// 4 A (B x), one a row.
    expected: Vec<i64>,
    /// Single elements: index and value.
    elements: Vec<(usize, f32)>,
}

/// The product is too large for a full reference.
pub fn is_for(problem: Problem) -> bool {
    matches!(problem, Problem::Gemm { .. } | Problem::Experts { .. }) && problem.flop() / 2.0 > LARGEST_FULL
}

impl Residual {
    /// Of a GEMM or grouped experts with exact inputs; `None` for anything else.
    pub fn new(problem: Problem, dtype: Dtype, data: &Data, seed: u64) -> Option<Self> {
        let ([m, n, k], ends) = match problem {
            Problem::Gemm { m, n, k } => ([m, n, k], vec![m as usize]),
            Problem::Experts { m, n, k, .. } => {
                ([m, n, k], data.first_row.iter().skip(1).map(|&e| e as usize).collect())
            }
            _ => return None,
        };
        debug_assert!(dtype != Dtype::U32);
        let [m, n, k] = [m, n, k].map(|x| x as usize);
        let mut random = ChaCha8Rng::seed_from_u64(seed ^ 0xF4E1);
        let x: Vec<i64> = (0..n).map(|_| i64::from(random.random::<u32>())).collect();
        let twice = |v: f32| (2.0 * v) as i64;
        let bx: Vec<i64> = data
            .b
            .par_chunks(n)
            .map(|row| row.iter().zip(&x).fold(0_i64, |sum, (&b, &x)| sum.wrapping_add(twice(b).wrapping_mul(x))))
            .collect();
        // Rows before ends[e] belong to expert e.
        let expert = |row: usize| ends.partition_point(|&end| end <= row);
        let one = |(row, a): (usize, &[f32])| {
            let bx = &bx[expert(row) * k..][..k];
            a.iter().zip(bx).fold(0_i64, |sum, (&a, &b)| sum.wrapping_add(twice(a).wrapping_mul(b)))
        };
        let expected = data.a.par_chunks(k).enumerate().map(one).collect();
        let element = |at: usize| {
            let (row, column) = (at / n, at % n);
            let b = &data.b[expert(row) * k * n..];
            let sum: f64 = (0..k).map(|i| f64::from(data.a[row * k + i]) * f64::from(b[i * n + column])).sum();
            (at, sum as f32)
        };
        let elements = sampled([m, n], &mut random).into_iter().map(element).collect();
        Some(Self { shape: [m, n], x, expected, elements })
    }

    /// Judges the words of an output.
    pub fn judge(&self, words: &[u32]) -> Result<(), String> {
        let [m, n] = self.shape;
        if words.len() != m * n {
            return Err(format!("{} elements where {} are expected", words.len(), m * n));
        }
        for &(at, value) in &self.elements {
            let got = f32::from_bits(words[at]);
            if got.to_bits() != value.to_bits() {
                return Err(format!("row {}, column {} is {got}, {value} expected", at / n, at % n));
            }
        }
        let wrong = words.par_chunks(n).zip(&self.expected).enumerate().find_first(|(_, (row, expected))| {
            let product = row.iter().zip(&self.x).try_fold(0_i64, |sum, (&word, &x)| {
                Some(sum.wrapping_add(four_times(f32::from_bits(word))?.wrapping_mul(x)))
            });
            product != Some(**expected)
        });
        match wrong {
            None => Ok(()),
            Some((row, _)) => Err(format!("row {row} is wrong: its product with a random vector differs")),
        }
    }
}

/// Four times a value, where that is an integer small enough to be exact.
fn four_times(value: f32) -> Option<i64> {
    let four = 4.0 * f64::from(value);
    (four.fract() == 0.0 && four.abs() < 9.0e15).then_some(four as i64)
}

/// Corners, some elements of each edge, and some of the inside.
fn sampled([m, n]: [usize; 2], random: &mut ChaCha8Rng) -> Vec<usize> {
    let mut all = vec![0, n - 1, (m - 1) * n, m * n - 1];
    for _ in 0..EDGE_SAMPLES {
        let (row, column) = (random.random_range(0..m), random.random_range(0..n));
        all.extend([column, (m - 1) * n + column, row * n, row * n + n - 1]);
    }
    all.extend((0..SAMPLES).map(|_| random.random_range(0..m * n)));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::twin::{Truth, truth};
    use crate::kernels::{Fill, gate};

    fn right(problem: Problem, dtype: Dtype) -> (Residual, Vec<u32>) {
        let data = Data::new(problem, dtype, Fill::Exact, 7);
        let Truth::Reals { values, .. } = truth(problem, dtype, &data) else { unreachable!() };
        let words = values.iter().map(|&v| (v as f32).to_bits()).collect();
        (Residual::new(problem, dtype, &data, 7).expect("a product"), words)
    }

    const EXPERTS: Problem = Problem::Experts { m: 70, experts: 5, n: 65, k: 33 };

    #[test]
    fn a_right_product_passes_in_every_type() {
        let problem = Problem::Gemm { m: 65, n: 129, k: 67 };
        for dtype in [Dtype::F32, Dtype::F16, Dtype::I8, Dtype::Q4] {
            let (residual, words) = right(problem, dtype);
            assert_eq!(residual.judge(&words), Ok(()), "{dtype}");
        }
        let (residual, words) = right(EXPERTS, Dtype::F32);
        assert_eq!(residual.judge(&words), Ok(()));
    }

    #[test]
    fn one_wrong_element_anywhere_is_found() {
        for (problem, dtype) in [(Problem::Gemm { m: 33, n: 31, k: 17 }, Dtype::I8), (EXPERTS, Dtype::F32)] {
            let (residual, words) = right(problem, dtype);
            for at in 0..words.len() {
                let value = f32::from_bits(words[at]);
                for wrong in [value + 0.25, value - 1.0, 3e9, f32::NAN, 0.1, f32::INFINITY] {
                    let mut altered = words.clone();
                    altered[at] = wrong.to_bits();
                    assert!(residual.judge(&altered).is_err(), "{problem}: {wrong} at {at} passed");
                }
            }
        }
    }

    #[test]
    fn swapped_columns_rows_and_a_short_output_are_found() {
        let (residual, words) = right(Problem::Gemm { m: 40, n: 40, k: 9 }, Dtype::F32);
        let mut columns = words.clone();
        (0..40).for_each(|row| columns.swap(row * 40 + 3, row * 40 + 30));
        let mut rows = words.clone();
        (0..40).for_each(|column| rows.swap(5 * 40 + column, 6 * 40 + column));
        for wrong in [columns, rows, words[..1599].to_vec(), vec![0x7FFF_FFFF; 1600]] {
            assert!(residual.judge(&wrong).is_err());
        }
        let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
        assert_eq!(gate::judge(&bytes, &Truth::Product(Box::new(residual)), Fill::Exact, 0), Ok(()));
    }

    #[test]
    fn only_large_products_are_checked_this_way() {
        assert!(
            !is_for(Problem::Gemm { m: 1024, n: 1024, k: 1024 }) && !is_for(Problem::Gemv { n: 1 << 20, k: 1 << 15 })
        );
        assert!(is_for(Problem::Gemm { m: 4096, n: 4096, k: 4096 }));
    }
}
