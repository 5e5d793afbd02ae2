//! Price, utilisation and electricity: they scale the price of an hour and leave the operating point alone.
//!
//! cost = h p with h the device-hours a token is charged with, so p* = target / h; an owner's hour costs
//! p = standing / utilisation + kilowatts x tariff, solved for either.

use super::answer::Found;
use super::ask::{Match, Unsolvable};
use super::unknown::Unknown;
use crate::scenario::Parts;
use crate::solve::compare::judged;

/// The value at which the cost meets the target, and those at which it meets the ends of the band.
pub fn solve(game: &Match<'_>) -> Result<Found, Unsolvable> {
    let (_, price) = game.devices()?;
    let parts = price.parts;
    let one = Unknown::Price.apply(&game.weaker, 1.0);
    let rows = match &one {
        Some(changed) => judged(changed, &game.plan, game.calibration)?,
        None => Vec::new(),
    };
    let Some(hours) = rows.iter().find(|r| r.chosen).and_then(|r| game.cost(r)) else {
        return Ok(Found::default());
    };
    let at = |target: f64| invert(game.unknown, target / hours, parts);
    let (dear, cheap) = (at(game.target * (1.0 + game.error)), at(game.target / (1.0 + game.error)));
    let (low, high) = if game.unknown == Unknown::Utilisation { (dear, cheap) } else { (cheap, dear) };
    Ok(Found { value: at(game.target), low, high, ..Found::default() })
}

/// The value that makes an hour cost `per_hour`; `None` where none does.
fn invert(unknown: Unknown, per_hour: f64, parts: Option<Parts>) -> Option<f64> {
    let value = match (unknown, parts) {
        (Unknown::Price, _) => per_hour,
        (Unknown::Utilisation, Some(p)) => p.standing / (per_hour - p.kilowatts * p.tariff),
        (Unknown::Electricity, Some(p)) => (per_hour - p.standing / p.utilisation) / p.kilowatts,
        _ => return None,
    };
    let most = if unknown == Unknown::Utilisation { 1.0 } else { f64::INFINITY };
    (value >= 0.0 && value <= most && value.is_finite()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// What is solved for, put back in, costs what was asked.
        #[test]
        fn inverse_of_an_owners_hour(standing in 0.01..5.0f64, utilisation in 0.05..1.0f64, kilowatts in 0.05..2.0f64, tariff in 0.0..0.5f64) {
            let parts = Parts { standing, utilisation, kilowatts, tariff };
            let back = |unknown, now: f64| invert(unknown, parts.per_hour(), Some(parts)).is_some_and(|v| (v - now).abs() < 1e-6 * (1.0 + now));
            prop_assert!(back(Unknown::Utilisation, utilisation));
            prop_assert!(back(Unknown::Electricity, tariff) || tariff < 1e-9);
            prop_assert!(back(Unknown::Price, parts.per_hour()));
        }
    }

    #[test]
    fn an_hour_that_no_value_makes_cheap_enough_has_no_answer() {
        let parts = Parts { standing: 1.0, utilisation: 0.5, kilowatts: 1.0, tariff: 0.2 };
        assert_eq!(invert(Unknown::Utilisation, 1.1, Some(parts)), None);
        assert_eq!(invert(Unknown::Electricity, 1.9, Some(parts)), None);
    }
}
