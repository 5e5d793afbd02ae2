//! Percentiles of many times: exact up to a million, then by a histogram whose error is stated.

/// Samples that are kept one by one.
pub const EXACT: usize = 1_000_000;

/// Relative error of a histogram's values: three significant digits.
pub const HISTOGRAM_ERROR: f64 = 1e-3;

/// Units of the histogram a second.
const NANOSECONDS: f64 = 1e9;

/// Times in buckets of three significant digits.
#[derive(Debug, Clone)]
pub struct Histogram {
    buckets: Option<hdrhistogram::Histogram<u64>>,
    sum: f64,
    count: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        // Three digits are always a valid choice; without buckets there are no percentiles.
        Self { buckets: hdrhistogram::Histogram::new(3).ok(), sum: 0.0, count: 0 }
    }
}

impl Histogram {
    /// Adds a time `times` times.
    pub fn add(&mut self, seconds: f64, times: u64) {
        if times == 0 {
            return;
        }
        self.sum += seconds * times as f64;
        self.count += times;
        if let Some(buckets) = &mut self.buckets {
            // The histogram grows as it must; only a time beyond 500 years would be refused.
            buckets.record_n((seconds * NANOSECONDS).round() as u64, times).unwrap_or_default();
        }
    }

    /// The mean, s, exact.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }

    /// The `q`-quantile, s.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let buckets = self.buckets.as_ref().filter(|_| self.count > 0)?;
        Some(buckets.value_at_quantile(q) as f64 / NANOSECONDS)
    }
}

/// Times, kept one by one as long as there are few.
#[derive(Debug, Clone, Default)]
pub struct Percentiles {
    samples: Vec<f64>,
    many: Option<Histogram>,
    sum: f64,
    count: u64,
    sorted: bool,
}

impl Percentiles {
    /// Adds a time.
    pub fn add(&mut self, seconds: f64) {
        self.sum += seconds;
        self.count += 1;
        self.sorted = false;
        match &mut self.many {
            Some(many) => many.add(seconds, 1),
            None if self.samples.len() < EXACT => self.samples.push(seconds),
            None => {
                let mut many = Histogram::default();
                std::mem::take(&mut self.samples).into_iter().for_each(|s| many.add(s, 1));
                many.add(seconds, 1);
                self.many = Some(many);
            }
        }
    }

    /// The mean, s, always exact.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }

    /// Sum of all, s.
    pub const fn sum(&self) -> f64 {
        self.sum
    }

    /// Percentiles come from a histogram.
    pub const fn approximate(&self) -> bool {
        self.many.is_some()
    }

    /// The `q`-quantile, s, linear between the two nearest ranks.
    pub fn quantile(&mut self, q: f64) -> Option<f64> {
        if let Some(many) = &self.many {
            return many.quantile(q);
        }
        if !self.sorted {
            self.samples.sort_unstable_by(f64::total_cmp);
            self.sorted = true;
        }
        let last = self.samples.len().checked_sub(1)?;
        let at = q * last as f64;
        let (low, high) = (at.floor() as usize, at.ceil() as usize);
        Some(self.samples[low] + (self.samples[high] - self.samples[low]) * (at - low as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_a_million_the_histogram_keeps_its_promise() {
        let mut all = Percentiles::default();
        let values = 1_200_000;
        (0..values).for_each(|i| all.add(0.001 + f64::from(i) * 1e-6));
        assert!(all.approximate());
        for q in [0.5, 0.9, 0.99] {
            let exact = 0.001 + q * f64::from(values) * 1e-6;
            let error = all.quantile(q).expect("samples") / exact - 1.0;
            assert!(error.abs() <= HISTOGRAM_ERROR, "{q}: {error}");
        }
    }
}
