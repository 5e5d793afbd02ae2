//! Bounded robust least squares for a handful of positive constants.
//!
//! Levenberg-Marquardt in the logarithm of the parameters, numeric derivatives, bounds by clamping, and the soft-L1
//! loss 2 (sqrt(1 + (r/s)^2) - 1) s^2 by reweighting, so that a few broken measurements do not bend the constants.

use nalgebra::{DMatrix, DVector};

/// A constant that is fitted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parameter {
    /// Where the fit starts, and where it ends.
    pub value: f64,
    /// Smallest physical value, above 0.
    pub low: f64,
    /// Largest physical value.
    pub high: f64,
}

impl Parameter {
    /// A parameter that starts at `value` and stays within `low..=high`.
    pub fn new(value: f64, low: f64, high: f64) -> Self {
        Self { value: value.clamp(low, high), low, high }
    }

    /// The fit ended at a bound: the data asks for more than physics allows, and the reader should know.
    pub fn at_bound(&self) -> bool {
        self.value <= self.low * 1.001 || self.value >= self.high * 0.999
    }
}

/// Residuals beyond this scale count linearly instead of quadratically.
const SCALE: f64 = 0.1;
/// Relative step of the numeric derivative.
const STEP: f64 = 1e-3;

/// Minimises the robust sum of squares of `residuals`; returns the parameters at the best point found.
///
/// `prior` is the pull towards the start per unit of log-distance: it keeps constants the data does not determine
/// where they were.
pub fn fit(
    start: &[Parameter],
    iterations: usize,
    prior: f64,
    residuals: impl Fn(&[f64]) -> Vec<f64>,
) -> Vec<Parameter> {
    let origin: Vec<f64> = start.iter().map(|p| p.value.ln()).collect();
    let evaluate = |at: &[f64]| {
        let values: Vec<f64> = at.iter().map(|v| v.exp()).collect();
        let mut all = residuals(&values);
        all.extend(at.iter().zip(&origin).map(|(v, o)| prior * (v - o)));
        all
    };
    let mut at = origin.clone();
    let mut now = evaluate(&at);
    let mut damping = 1e-2;
    for _ in 0..iterations {
        let jacobian = derivative(&at, start, &now, &evaluate);
        let mut better = false;
        for _ in 0..6 {
            let Some(next) = propose(&at, start, &now, &jacobian, damping) else { break };
            let there = evaluate(&next);
            if loss(&there) < loss(&now) {
                better = loss(&there) < loss(&now) * (1.0 - 1e-5);
                (at, now) = (next, there);
                damping = (damping / 5.0).max(1e-9);
                break;
            }
            damping *= 4.0;
        }
        if !better {
            break;
        }
    }
    start.iter().zip(&at).map(|(p, v)| Parameter { value: v.exp().clamp(p.low, p.high), ..*p }).collect()
}

fn loss(residuals: &[f64]) -> f64 {
    residuals.iter().map(|r| if r.is_finite() { (1.0 + (r / SCALE).powi(2)).sqrt() - 1.0 } else { 1e6 }).sum()
}

fn derivative(at: &[f64], bounds: &[Parameter], now: &[f64], evaluate: &impl Fn(&[f64]) -> Vec<f64>) -> DMatrix<f64> {
    let mut jacobian = DMatrix::zeros(now.len(), at.len());
    for column in 0..at.len() {
        let mut moved = at.to_vec();
        // A step into the bound would see nothing.
        let step = if at[column] + STEP > bounds[column].high.ln() { -STEP } else { STEP };
        moved[column] += step;
        for (row, (after, before)) in evaluate(&moved).iter().zip(now).enumerate() {
            jacobian[(row, column)] = (after - before) / step;
        }
    }
    jacobian
}

fn propose(at: &[f64], bounds: &[Parameter], now: &[f64], jacobian: &DMatrix<f64>, damping: f64) -> Option<Vec<f64>> {
    let weights: Vec<f64> = now.iter().map(|r| 1.0 / (1.0 + (r / SCALE).powi(2)).sqrt()).collect();
    let mut weighted = jacobian.clone();
    for (row, weight) in weights.iter().enumerate() {
        weighted.row_mut(row).scale_mut(*weight);
    }
    let mut normal = jacobian.transpose() * &weighted;
    for diagonal in 0..normal.nrows() {
        normal[(diagonal, diagonal)] = normal[(diagonal, diagonal)] * (1.0 + damping) + 1e-9;
    }
    let gradient = weighted.transpose() * DVector::from_column_slice(now);
    let step = normal.cholesky()?.solve(&gradient);
    let moved = at.iter().zip(step.iter()).zip(bounds);
    Some(moved.map(|((v, s), p)| (v - s.clamp(-1.0, 1.0)).clamp(p.low.ln(), p.high.ln())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_constants_of_a_curve_in_spite_of_outliers_and_names_a_bound() {
        let truth = |x: f64| 3.0 / (1.0 + 0.5 * x);
        let data: Vec<(f64, f64)> =
            (0..40).map(|i| (f64::from(i), truth(f64::from(i)) * if i % 13 == 5 { 4.0 } else { 1.0 })).collect();
        let residuals = |p: &[f64]| data.iter().map(|(x, y)| (p[0] / (1.0 + p[1] * x) / y).ln()).collect();
        let start = [Parameter::new(1.0, 0.1, 10.0), Parameter::new(0.1, 0.01, 10.0)];
        let found = fit(&start, 60, 0.0, residuals);
        assert!((found[0].value - 3.0).abs() < 0.1 && (found[1].value - 0.5).abs() < 0.02, "{found:?}");
        assert!(!found[0].at_bound());
        let tight = fit(&[Parameter::new(1.0, 0.1, 2.0), start[1]], 60, 0.0, residuals);
        assert!(tight[0].at_bound(), "{tight:?}");
    }
}
