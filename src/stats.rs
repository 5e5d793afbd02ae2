//! Order statistics of samples. Everything is nearest-rank or linear between ranks, never a fitted distribution.

/// The median of `samples`; the mean of the middle two for an even count. `None` for no samples.
pub fn median(samples: &[f64]) -> Option<f64> {
    quantile(samples, 0.5)
}

/// The `q`-quantile, linear between the two nearest ranks (type 7 of Hyndman and Fan 1996). `None` for no samples.
pub fn quantile(samples: &[f64], q: f64) -> Option<f64> {
    if samples.is_empty() {
        return None;
    }
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = q.clamp(0.0, 1.0) * (sorted.len() - 1) as f64;
    let (low, high) = (at.floor() as usize, at.ceil() as usize);
    Some(sorted[low] + (sorted[high] - sorted[low]) * (at - low as f64))
}

/// The arithmetic mean. `None` for no samples.
pub fn mean(samples: &[f64]) -> Option<f64> {
    (!samples.is_empty()).then(|| samples.iter().sum::<f64>() / samples.len() as f64)
}

/// The geometric mean of positive samples. `None` for no samples.
pub fn geometric_mean(samples: &[f64]) -> Option<f64> {
    (!samples.is_empty()).then(|| (samples.iter().map(|s| s.ln()).sum::<f64>() / samples.len() as f64).exp())
}

/// The median absolute deviation from the median, not scaled. `None` for no samples.
pub fn median_absolute_deviation(samples: &[f64]) -> Option<f64> {
    let centre = median(samples)?;
    let distances: Vec<f64> = samples.iter().map(|s| (s - centre).abs()).collect();
    median(&distances)
}

/// Samples outside Tukey's fences (1.5 interquartile ranges beyond the quartiles).
pub fn outliers(samples: &[f64]) -> usize {
    let (Some(q1), Some(q3)) = (quantile(samples, 0.25), quantile(samples, 0.75)) else {
        return 0;
    };
    let reach = 1.5 * (q3 - q1);
    samples.iter().filter(|&&s| s < q1 - reach || s > q3 + reach).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_statistics_of_known_samples() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(quantile(&[0.0, 10.0], 0.9), Some(9.0));
        assert_eq!(median_absolute_deviation(&[1.0, 1.0, 2.0, 2.0, 4.0, 6.0, 9.0]), Some(1.0));
        assert_eq!(outliers(&[1.0, 1.1, 0.9, 1.0, 50.0]), 1);
        assert_eq!(geometric_mean(&[1.0, 4.0]), Some(2.0));
        assert_eq!(median(&[]), None);
    }
}
