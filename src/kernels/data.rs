//! The inputs of a problem on the host, and what they mean as plain matrices.

use super::problem::{Dtype, GROUP, Problem};
use half::f16;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What the inputs are filled with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fill {
    /// Small non-zero integers (and scales that are powers of two): every partial sum in any order is exact, so
    /// every correct kernel gives the same bits.
    Exact,
    /// Non-zero reals in (-1, 1), as the type stores them.
    Real,
}

/// Inputs as logical row-major matrices, together with their stored form where that differs.
#[derive(Debug, Clone, Default)]
pub struct Data {
    /// `A[m, k]`, `x[k]`, or the words of a stream (as bits).
    pub a: Vec<f32>,
    /// B[k, n] for a GEMM, W[n, k] for a GEMV.
    pub b: Vec<f32>,
    /// Integers behind `a` and `b` for quantised types, in the same order.
    pub a_int: Vec<i8>,
    /// See `a_int`; 4-bit values lie in -8 to 7.
    pub b_int: Vec<i8>,
    /// One scale per row of A (`I8`).
    pub a_scale: Vec<f32>,
    /// One scale per output column (`I8`; of attention one per token and key/value head), or per column and group of k,
    /// index `column * groups + group` (`Q4`).
    pub b_scale: Vec<f32>,
    /// First row of each expert, and the end.
    pub first_row: Vec<u32>,
}

impl Data {
    /// The inputs of `problem` for a seed. Equal arguments give equal inputs on every platform.
    pub fn new(problem: Problem, dtype: Dtype, fill: Fill, seed: u64) -> Self {
        let mut source = Source { random: ChaCha8Rng::seed_from_u64(seed), fill, dtype };
        match problem {
            Problem::Gemm { m, n, k } => source.matrices(m as usize, n as usize, k as usize, false),
            Problem::Gemv { n, k } => source.matrices(1, n as usize, k as usize, true),
            Problem::Read { words } | Problem::Copy { words } => {
                let a = (0..words).map(|_| f32::from_bits(source.random.random::<u32>())).collect();
                Self { a, ..Self::default() }
            }
            Problem::Fma { chains, .. } => Self { a: source.values(chains as usize), ..Self::default() },
            Problem::Attention { queries, context, heads, kv_heads, head_dim } => {
                let a = source.values((queries * heads * head_dim) as usize);
                // Keys, then values, a row of `head_dim` a token and key/value head.
                let rows = (2 * context * kv_heads) as usize;
                let width = head_dim as usize;
                if dtype != Dtype::I8 {
                    return Self { a, b: source.values(rows * width), ..Self::default() };
                }
                let (b_int, b_scale) = (source.integers(rows * width, 127), source.scales(rows));
                let b = b_int.iter().enumerate().map(|(at, &q)| f32::from(q) * b_scale[at / width]).collect();
                Self { a, b, b_int, b_scale, ..Self::default() }
            }
            Problem::Experts { m, experts, n, k } => {
                let [rows, n, k] = [m, n, k].map(|x| x as usize);
                let mut data = Self { a: source.values(rows * k), ..Self::default() };
                for _ in 0..experts {
                    let own = source.matrices(0, n, k, false);
                    data.b.extend(own.b);
                    data.b_int.extend(own.b_int);
                    data.b_scale.extend(own.b_scale);
                }
                data.first_row = source.first_rows(m as usize, experts as usize);
                data
            }
            Problem::Norm { rows, width } => {
                Self { a: source.values((rows * width) as usize), b: source.values(width as usize), ..Self::default() }
            }
            Problem::Activation { rows, width } => {
                Self { a: source.values((2 * rows * width) as usize), ..Self::default() }
            }
            Problem::Launch | Problem::Submit => Self::default(),
        }
    }
}

struct Source {
    random: ChaCha8Rng,
    fill: Fill,
    dtype: Dtype,
}

impl Source {
    fn matrices(&mut self, m: usize, n: usize, k: usize, by_row: bool) -> Data {
        match self.dtype {
            Dtype::I8 => {
                let (a_int, b_int) = (self.integers(m * k, 127), self.integers(k * n, 127));
                let (a_scale, b_scale) = (self.scales(m), self.scales(n));
                let a = a_int.iter().enumerate().map(|(at, &q)| f32::from(q) * a_scale[at / k]).collect();
                let column = |at: usize| if by_row { at / k } else { at % n };
                let b = b_int.iter().enumerate().map(|(at, &q)| f32::from(q) * b_scale[column(at)]).collect();
                Data { a, b, a_int, b_int, a_scale, b_scale, ..Data::default() }
            }
            Dtype::Q4 => {
                let groups = k.div_ceil(GROUP);
                let (a, b_int, b_scale) = (self.values(m * k), self.integers(k * n, 7), self.scales(n * groups));
                let place = |at: usize| if by_row { (at / k, at % k) } else { (at % n, at / n) };
                let scale = |at: usize| b_scale[place(at).0 * groups + place(at).1 / GROUP];
                let b = b_int.iter().enumerate().map(|(at, &q)| f32::from(q) * scale(at)).collect();
                Data { a, b, b_int, b_scale, ..Data::default() }
            }
            _ => Data { a: self.values(m * k), b: self.values(k * n), ..Data::default() },
        }
    }

    fn values(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.value()).collect()
    }

    /// Integers are never zero, so that a dropped or repeated term always shows. f16 takes only -1 and 1.
    fn value(&mut self) -> f32 {
        let bits = self.random.random::<u32>();
        let sign = if bits & 1 == 0 { 1.0 } else { -1.0 };
        match self.fill {
            Fill::Exact if self.dtype == Dtype::F16 => sign,
            Fill::Exact => sign * (1 + (bits >> 1) % 3) as f32,
            Fill::Real => {
                let real = sign * ((bits >> 8) as f32 + 1.0) / 16_777_217.0;
                if self.dtype == Dtype::F16 { f16::from_f32(real.abs().max(1e-3) * sign).to_f32() } else { real }
            }
        }
    }

    /// The first row of each expert, and the end. Loads differ; as many experts have a row as can, so that the weights
    /// that move are known.
    fn first_rows(&mut self, m: usize, experts: usize) -> Vec<u32> {
        let busy = m.min(experts);
        let mut cuts: Vec<usize> = (1..busy).map(|_| self.random.random_range(0..=m - busy)).collect();
        cuts.sort_unstable();
        let ends = cuts.iter().copied().chain([m - busy]);
        let starts = [0].into_iter().chain(cuts.iter().copied());
        let mut loads: Vec<usize> = starts.zip(ends).map(|(start, end)| 1 + end - start).collect();
        loads.resize(experts, 0);
        loads.shuffle(&mut self.random);
        let mut first = vec![0];
        for load in loads {
            first.push(first[first.len() - 1] + load as u32);
        }
        first
    }

    fn integers(&mut self, count: usize, largest: u32) -> Vec<i8> {
        let largest = if self.fill == Fill::Exact { 3 } else { largest };
        let mut one = || {
            let bits = self.random.random::<u32>();
            let size = (1 + (bits >> 1) % largest) as i8;
            if bits & 1 == 0 { size } else { -size }
        };
        (0..count).map(|_| one()).collect()
    }

    fn scales(&mut self, count: usize) -> Vec<f32> {
        let mut one = || match self.fill {
            Fill::Exact => [0.5, 1.0, 2.0][self.random.random_range(0..3)],
            Fill::Real => self.random.random_range(0.005_f32..0.02),
        };
        (0..count).map(|_| one()).collect()
    }
}

/// f32 values as stored bytes of `dtype` (f32 or f16).
pub fn stored(values: &[f32], dtype: Dtype) -> Vec<u8> {
    if dtype == Dtype::F16 {
        let halves: Vec<f16> = values.iter().map(|&v| f16::from_f32(v)).collect();
        bytemuck::cast_slice(&halves).to_vec()
    } else {
        bytemuck::cast_slice(values).to_vec()
    }
}

/// `integers[rows, columns]` padded with zeros, four to a word along a row.
pub fn bytes_by_row(integers: &[i8], shape: [usize; 2], to: [usize; 2]) -> Vec<u32> {
    words(integers, shape, to, 4, |q, at| u32::from(q as u8) << (8 * at))
}

/// The same with eight 4-bit integers to a word.
pub fn nibbles_by_row(integers: &[i8], shape: [usize; 2], to: [usize; 2]) -> Vec<u32> {
    words(integers, shape, to, 8, |q, at| u32::from(q as u8 & 15) << (4 * at))
}

fn words(
    integers: &[i8],
    [rows, columns]: [usize; 2],
    [to_rows, to_columns]: [usize; 2],
    per_word: usize,
    place: impl Fn(i8, usize) -> u32,
) -> Vec<u32> {
    let width = to_columns / per_word;
    let mut out = vec![0; to_rows * width];
    for row in 0..rows {
        for column in 0..columns {
            out[row * width + column / per_word] |= place(integers[row * columns + column], column % per_word);
        }
    }
    out
}

/// `matrix[rows, columns]` padded with zeros to `[to_rows, to_columns]`.
pub fn pad(matrix: &[f32], [rows, columns]: [usize; 2], [to_rows, to_columns]: [usize; 2]) -> Vec<f32> {
    let mut padded = vec![0.0; to_rows * to_columns];
    for row in 0..rows {
        padded[row * to_columns..row * to_columns + columns]
            .copy_from_slice(&matrix[row * columns..(row + 1) * columns]);
    }
    padded
}

/// `matrix[rows, columns]` transposed.
pub fn transpose<T: Copy + Default>(matrix: &[T], [rows, columns]: [usize; 2]) -> Vec<T> {
    let mut out = vec![T::default(); matrix.len()];
    for row in 0..rows {
        for column in 0..columns {
            out[column * rows + row] = matrix[row * columns + column];
        }
    }
    out
}
