//! The gates an output must pass: bit for bit on exact inputs, within a proven bound on real ones.

use super::data::Fill;
use super::twin::Truth;

/// Unit roundoff of f32.
const U: f64 = 5.960_464_477_539_063e-8;
/// Unit roundoff of f16.
const HALF: f64 = 4.882_812_5e-4;

/// Judges an output. `Err` says what is wrong, and where.
///
/// Exact inputs: every word equals the twin's. Real inputs: |c - reference| <= min(gamma_K, 8 sqrt(K) u) (|A| |B|) for
/// every element, gamma_K = K u / (1 - K u); the root holds with overwhelming probability for independent roundings
/// (Higham and Mary 2019). A NaN, which is also the poison, fails both. A product too large for either is judged by its
/// residual, whatever `fill` says: its inputs are exact. A kernel that rounds its inputs to halves
/// ([`super::Variant::halves`]) may be off by that besides; exact inputs lose nothing there.
pub fn judge(output: &[u8], truth: &Truth, fill: Fill, halves: u32) -> Result<(), String> {
    let words: Vec<u32> = output.chunks_exact(4).map(|w| u32::from_le_bytes([w[0], w[1], w[2], w[3]])).collect();
    match truth {
        Truth::Words(expected) => compare(&words, expected),
        Truth::Product(residual) => residual.judge(&words),
        Truth::Reals { values, .. } if fill == Fill::Exact => {
            compare(&words, &values.iter().map(|&v| (v as f32).to_bits()).collect::<Vec<_>>())
        }
        Truth::Reals { values, magnitudes, roundings } => {
            length(words.len(), values.len())?;
            let gamma = roundings * U / (1.0 - roundings * U);
            let bound = gamma.min(8.0 * roundings.sqrt() * U) + f64::from(halves) * HALF;
            for (at, (&word, (&value, &magnitude))) in words.iter().zip(values.iter().zip(magnitudes)).enumerate() {
                let got = f64::from(f32::from_bits(word));
                let error = (got - value).abs();
                // A NaN compares with nothing, so it must be asked for.
                if error.is_nan() || error > bound * magnitude + f64::from(f32::MIN_POSITIVE) {
                    return Err(format!("element {at} is {got}, {value} expected, off by {error:.1e}"));
                }
            }
            Ok(())
        }
    }
}

fn compare(words: &[u32], expected: &[u32]) -> Result<(), String> {
    length(words.len(), expected.len())?;
    match words.iter().zip(expected).position(|(a, b)| a != b) {
        None => Ok(()),
        Some(at) => {
            let wrong = words.iter().zip(expected).filter(|(a, b)| a != b).count();
            let show = |word: u32| format!("{word:#010x} ({})", f32::from_bits(word));
            Err(format!(
                "{wrong} of {} elements differ, first number {at}: {} where {} is right",
                words.len(),
                show(words[at]),
                show(expected[at])
            ))
        }
    }
}

fn length(got: usize, expected: usize) -> Result<(), String> {
    if got == expected { Ok(()) } else { Err(format!("{got} elements where {expected} are expected")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(values: &[f32]) -> Vec<u8> {
        bytemuck::cast_slice(values).to_vec()
    }

    #[test]
    fn the_exact_gate_wants_every_bit() {
        let truth = Truth::Reals { values: vec![1.0, -2.0], magnitudes: vec![1.0, 2.0], roundings: 4.0 };
        assert_eq!(judge(&bytes(&[1.0, -2.0]), &truth, Fill::Exact, 0), Ok(()));
        for wrong in [[1.0, 2.0], [1.0, -2.000_000_2], [f32::NAN, -2.0]] {
            assert!(judge(&bytes(&wrong), &truth, Fill::Exact, 0).is_err());
        }
        assert!(judge(&bytes(&[1.0]), &truth, Fill::Exact, 0).is_err());
    }

    #[test]
    fn the_real_gate_allows_rounding_and_nothing_else() {
        let truth = Truth::Reals { values: vec![1.0], magnitudes: vec![2.0], roundings: 100.0 };
        assert_eq!(judge(&bytes(&[1.000_002]), &truth, Fill::Real, 0), Ok(()));
        for wrong in [1.001, 0.0, f32::NAN, f32::INFINITY] {
            assert!(judge(&bytes(&[wrong]), &truth, Fill::Real, 0).is_err(), "{wrong} passed");
        }
        // Two inputs rounded to halves, no more.
        assert_eq!(judge(&bytes(&[1.001]), &truth, Fill::Real, 2), Ok(()));
        assert!(judge(&bytes(&[1.003]), &truth, Fill::Real, 2).is_err());
    }
}
