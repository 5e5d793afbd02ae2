//! Price, utilisation and electricity: they scale the price of an hour and leave the operating point alone.
//!
//! cost = h p with h the device-hours of work a token is charged with and p the price of one, so p* = target / h; what
//! makes an hour cost p* is the price's own inverse.

use super::answer::Found;
use super::ask::{Match, Unsolvable};
use super::unknown::Unknown;
use crate::scenario::{Busy, Offer, Parts, Price};
use crate::solve::compare::judged;
use crate::solve::row::CompareRow;

/// The value at which the cost meets the target, and those at which it meets the ends of the band.
pub fn solve(game: &Match<'_>) -> Result<Found, Unsolvable> {
    let (_, price) = game.devices()?;
    // Were every hour one of work and cost a dollar, costs were device-hours.
    let mut even = game.weaker.clone();
    if let Offer::Devices { price, .. } = &mut even.offer {
        *price = Price { parts: Some(Parts::hourly(1.0)), busy: Busy::Share(1.0), people: 0.0, ..price.clone() };
    }
    let rows = judged(&even, &game.plan, game.calibration)?;
    let Some((row, hours)) = rows.iter().find(|r| r.chosen).and_then(|r| Some((r, game.cost(r)?))) else {
        return Ok(Found::default());
    };
    let at = |target: f64| invert(game.unknown, price, row, target / hours);
    let (dear, cheap) = (at(game.target * (1.0 + game.error)), at(game.target / (1.0 + game.error)));
    let (low, high) = if game.unknown == Unknown::Utilisation { (dear, cheap) } else { (cheap, dear) };
    Ok(Found { value: at(game.target), low, high, ..Found::default() })
}

/// The value that makes an hour of work cost `per_hour`; `None` where none does.
fn invert(unknown: Unknown, price: &Price, row: &CompareRow, per_hour: f64) -> Option<f64> {
    let (devices, busy) = (row.devices? as f64, price.utilisation(row.requests_per_s?));
    match unknown {
        Unknown::Price => price.hourly(devices, busy, per_hour),
        Unknown::Utilisation => price.busy_enough(devices, per_hour),
        Unknown::Electricity => price.tariff(devices, busy, per_hour),
        _ => None,
    }
}
