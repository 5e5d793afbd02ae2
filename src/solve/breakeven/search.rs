//! The largest value that is not dearer, on a cost that rises with the value and may jump or have no value at all.

/// Steps of the first scan, per doubling. A debt that changes the operating point changes it over a wider span.
const PER_DOUBLING: i32 = 4;
/// Doublings either side of 1: from a thousandth, where every kernel is at its roof, to a thousandfold.
const DOUBLINGS: i32 = 10;
/// Relative width at which a crossing counts as found.
const PRECISION: f64 = 1e-7;

/// The smallest and the largest value that is looked at.
pub fn range() -> (f64, f64) {
    (2f64.powi(-DOUBLINGS), 2f64.powi(DOUBLINGS))
}

/// The largest value up to which `good` holds, seen from the smallest: `None` where it holds nowhere.
///
/// `Ok(value)` is good and everything a relative 1e-7 above is not; `Err(value)` says that all values are good.
pub fn largest<E>(mut good: impl FnMut(f64) -> Result<bool, E>) -> Result<Option<Result<f64, f64>>, E> {
    let (first, last) = range();
    if !good(first)? {
        return Ok(None);
    }
    let step = 2f64.powf(1.0 / f64::from(PER_DOUBLING));
    let mut low = first;
    let mut high = None;
    for index in 1..=2 * DOUBLINGS * PER_DOUBLING {
        let at = first * step.powi(index);
        if good(at)? {
            low = at;
        } else {
            high = Some(at);
            break;
        }
    }
    let Some(mut high) = high else { return Ok(Some(Err(last))) };
    while high / low > 1.0 + PRECISION {
        let middle = (low * high).sqrt();
        if good(middle)? { low = middle } else { high = middle }
    }
    Ok(Some(Ok(low)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn below(limit: f64) -> Option<Result<f64, f64>> {
        largest(|x| Ok::<bool, Infallible>(x <= limit)).unwrap_or_default()
    }

    #[test]
    fn finds_the_last_good_value_from_below() {
        for limit in [0.01, 0.73, 1.0, 5.5, 700.0] {
            let found = below(limit).and_then(Result::ok).unwrap_or(f64::NAN);
            assert!(found <= limit && found > limit * (1.0 - 1e-6), "{found} for {limit}");
        }
    }

    #[test]
    fn says_when_nothing_or_everything_is_good() {
        assert_eq!(below(1e-9), None);
        assert!(below(1e9).is_some_and(|r| r.is_err()));
    }
}
