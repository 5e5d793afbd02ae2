//! The CPU twin of every kernel: what a correct one computes, in f64, with the magnitude its error is judged by.

use super::data::{Data, Fill};
use super::freivalds::{self, Residual};
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
    /// A product of exact inputs, too large for a full reference.
    Product(Box<Residual>),
}

/// What the output of a timed run is compared with: every element where that costs little, else Freivalds' residual.
/// `data` must be filled as [`timed_fill`] says.
pub fn timed_truth(problem: Problem, dtype: Dtype, data: &Data, seed: u64) -> Truth {
    let residual = if freivalds::is_for(problem) { Residual::new(problem, dtype, data, seed) } else { None };
    residual.map_or_else(|| truth(problem, dtype, data), |r| Truth::Product(Box::new(r)))
}

/// Inputs of a timed run: random reals, but exact integers where only a residual can be afforded.
pub fn timed_fill(problem: Problem) -> Fill {
    if freivalds::is_for(problem) { Fill::Exact } else { Fill::Real }
}

/// What `problem` yields for `data`.
pub fn truth(problem: Problem, dtype: Dtype, data: &Data) -> Truth {
    match problem {
        Problem::Gemm { m, n, k } => product(&data.a, &data.b, [m as usize, n as usize, k as usize], dtype),
        Problem::Gemv { n, k } => product(&data.b, &data.a, [n as usize, 1, k as usize], dtype),
        Problem::Read { .. } => Truth::Words(vec![fold(data.a.iter().map(|w| w.to_bits()))]),
        Problem::Copy { .. } => Truth::Words(data.a.iter().map(|w| w.to_bits()).collect()),
        Problem::Fma { steps, .. } => fma(&data.a, steps),
        Problem::Attention { queries, context, heads, kv_heads, head_dim } => {
            attention(data, [queries, context, heads, kv_heads, head_dim].map(|x| x as usize))
        }
        Problem::Experts { n, k, .. } => experts(data, n as usize, k as usize, dtype),
        Problem::Norm { width, .. } => norm(data, width as usize),
        Problem::Activation { width, .. } => activation(data, width as usize),
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

fn attention(data: &Data, [queries, context, heads, kv_heads, dim]: [usize; 5]) -> Truth {
    let cache = context * kv_heads * dim;
    let (keys, cached) = data.b.split_at(cache);
    let scale = 1.0 / (dim as f64).sqrt();
    let (mut values, mut magnitudes) = (vec![0.0; queries * heads * dim], vec![0.0; queries * heads * dim]);
    for query in 0..queries {
        for head in 0..heads {
            let at = (query * heads + head) * dim;
            let plane = head / (heads / kv_heads) * context;
            let seen = context - queries + query + 1;
            let product = |token: usize, size: fn(f64) -> f64| -> f64 {
                let key = &keys[(plane + token) * dim..(plane + token + 1) * dim];
                key.iter().zip(&data.a[at..at + dim]).map(|(&k, &q)| size(f64::from(k) * f64::from(q) * scale)).sum()
            };
            let scores: Vec<f64> = (0..seen).map(|token| product(token, |x| x)).collect();
            let top = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let total: f64 = scores.iter().map(|s| (s - top).exp()).sum();
            // An error of a score is a relative error of its weight, so terms count with the size of the scores.
            let unsure = 1.0 + (0..seen).map(|token| product(token, f64::abs)).fold(0.0, f64::max);
            for (token, score) in scores.iter().enumerate() {
                let weight = (score - top).exp() / total;
                for x in 0..dim {
                    let term = weight * f64::from(cached[(plane + token) * dim + x]);
                    values[at + x] += term;
                    magnitudes[at + x] += term.abs() * unsure;
                }
            }
        }
    }
    // exp and division may be off by several units in the last place each (WGSL allows 3 + 2 |x| and 2.5); scales of an
    // 8-bit cache are applied within that.
    Truth::Reals { values, magnitudes, roundings: (context + dim) as f64 + 64.0 }
}

fn experts(data: &Data, n: usize, k: usize, dtype: Dtype) -> Truth {
    let mut all = (Vec::new(), Vec::new());
    let mut most = 0.0;
    for (expert, rows) in data.first_row.windows(2).enumerate() {
        let (from, to) = (rows[0] as usize, rows[1] as usize);
        let weights = &data.b[expert * k * n..(expert + 1) * k * n];
        if let Truth::Reals { values, magnitudes, roundings } =
            product(&data.a[from * k..to * k], weights, [to - from, n, k], dtype)
        {
            most = roundings;
            all.0.extend(values);
            all.1.extend(magnitudes);
        }
    }
    Truth::Reals { values: all.0, magnitudes: all.1, roundings: most }
}

fn norm(data: &Data, width: usize) -> Truth {
    let values: Vec<f64> = data
        .a
        .chunks_exact(width)
        .flat_map(|row| {
            let squares: f64 = row.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
            let scale = 1.0 / (squares / width as f64 + 1e-6).sqrt();
            row.iter().zip(&data.b).map(move |(&x, &w)| f64::from(x) * scale * f64::from(w))
        })
        .collect();
    let magnitudes = values.iter().map(|v| v.abs()).collect();
    Truth::Reals { values, magnitudes, roundings: width as f64 + 16.0 }
}

fn activation(data: &Data, width: usize) -> Truth {
    let rows = data.a.chunks_exact(2 * width);
    let one = |gate: f32, up: f32| f64::from(gate) / (1.0 + (-f64::from(gate)).exp()) * f64::from(up);
    let values: Vec<f64> = rows.flat_map(|row| (0..width).map(move |x| one(row[x], row[width + x]))).collect();
    let magnitudes = values.iter().map(|v| v.abs()).collect();
    Truth::Reals { values, magnitudes, roundings: 64.0 }
}

/// x <- x * 1 + 1, repeated: exact for integers, and nothing a compiler may fold because 1 arrives as a uniform.
fn fma(start: &[f32], steps: u64) -> Truth {
    let values: Vec<f64> = start.iter().map(|&x| f64::from(x) + steps as f64).collect();
    let magnitudes = values.iter().zip(start).map(|(v, x)| v.abs() + 2.0 * f64::from(x.abs())).collect();
    Truth::Reals { values, magnitudes, roundings: 2.0 * steps as f64 }
}
