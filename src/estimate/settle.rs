//! The batch that leads to itself: one equation in one unknown, by a secant kept between the ends of a bracket.

/// Relative width at which the batch counts as found.
const PRECISION: f64 = 1e-4;
/// Evaluations after which the bracket is that narrow, were it only halved each time.
const MOST: usize = 60;

/// The value between `low` and `high` that `next` leads back to, with what `next` says there.
///
/// Where `next` jumps over the diagonal, the place of the jump is found.
pub fn settle<T>(low: f64, high: f64, start: f64, mut next: impl FnMut(f64) -> (f64, T)) -> (f64, T) {
    let (mut low, mut high, mut at) = (low, high, start.clamp(low, high));
    let mut last: Option<(f64, f64)> = None;
    let (mut to, mut found) = next(at);
    for _ in 0..MOST {
        if (to / at - 1.0).abs() < PRECISION {
            break;
        }
        if to > at {
            low = at;
        } else {
            high = at;
        }
        if high / low - 1.0 < PRECISION {
            break;
        }
        let miss = to - at;
        let guess = match last {
            Some((before, was)) if was != miss => at - miss * (at - before) / (miss - was),
            _ => to,
        };
        last = Some((at, miss));
        at = if guess > low && guess < high { guess } else { 0.5 * (low + high) };
        (to, found) = next(at);
    }
    (at, found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_fixed_point_of_smooth_flat_and_jumping_functions() {
        let near = |next: fn(f64) -> f64, expected: f64| {
            let (found, _) = settle(1.0, 1000.0, 900.0, |x| (next(x), ()));
            assert!((found / expected - 1.0).abs() < 2e-4, "{found} for {expected}");
        };
        near(|x| 1000.0 / x.sqrt(), 100.0);
        near(|_| 250.0, 250.0);
        near(|x| 0.9 * x + 10.0, 100.0);
        near(|x| if x < 128.0 { 300.0 } else { 20.0 }, 128.0);
        near(|_| 1.0, 1.0);
    }
}
