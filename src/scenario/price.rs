//! What an hour of a contender's devices costs, and what of it is paid without work.
//!
//! ```text
//! an hour of work = (rent or purchase / years + hosting + people / devices) / busy share + kilowatts x tariff
//! ```
//!
//! What stands before the share is paid around the clock, the electricity while a device works. Where requests a day are
//! given, the share follows from them: what comes over what the contender could serve at its operating point.

use crate::provenance::Provenance;
use crate::units::UsdPerMtok;
use schemars::JsonSchema;
use serde::Serialize;
use std::fmt;

/// What a contender charges or is charged, and how that is known.
#[derive(Debug, Clone)]
pub struct Price {
    /// What is counted.
    pub basis: Basis,
    /// What kind of offer it is, such as `on-demand`, `spot` or `3-year contract`; absent where nobody says.
    pub tier: Option<String>,
    /// Year, month or day the price was valid.
    pub date: Option<String>,
    /// How it came about, one sentence: count and range of the offers, or the sum of an owner's costs.
    pub origin: String,
    /// Catalogued, or assumed by the scenario.
    pub provenance: Provenance,
    /// What a device costs; absent where no price is known, and for a service.
    pub parts: Option<Parts>,
    /// How much of the time that is paid has work.
    pub busy: Busy,
    /// People who look after the contender, US dollars per hour around the clock, however many devices it has.
    pub people: f64,
}

/// What one device costs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parts {
    /// Rent, or purchase over its years and hosting: US dollars per hour around the clock.
    pub standing: f64,
    /// Power under load, PUE included, kW; 0 where electricity is not counted.
    pub kilowatts: f64,
    /// Price of electricity, US dollars per kWh.
    pub tariff: f64,
}

impl TokenPrices {
    /// US dollars per million tokens of a prompt of which such a share is found in the cache.
    pub fn prompt(&self, hit: f64) -> f64 {
        let (write, written) = self.cache_write.map_or((0.0, 0.0), |(price, share)| (price.get(), share));
        self.input.get() * (1.0 - hit - written) + self.cached_input.get() * hit + write * written
    }
}

impl Parts {
    /// A price by the hour and nothing else.
    pub const fn hourly(usd: f64) -> Self {
        Self { standing: usd, kilowatts: 0.0, tariff: 0.0 }
    }
}

/// How much of the time that is paid has work.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Busy {
    /// This share of the hours; 1 is around the clock.
    Share(f64),
    /// As much as so many requests per second take, day and night.
    Rate(f64),
}

/// Prices of a service per million tokens, discounts counted.
#[derive(Debug, Clone, Copy)]
pub struct TokenPrices {
    /// A prompt token that is computed and not written to the cache.
    pub input: UsdPerMtok,
    /// A prompt token found in the cache.
    pub cached_input: UsdPerMtok,
    /// A prompt token written to the cache, where that has a price of its own, and the share of the prompt that is.
    pub cache_write: Option<(UsdPerMtok, f64)>,
    /// A token of the answer.
    pub output: UsdPerMtok,
}

/// What a price counts. A verdict compares one basis only; a service competes with rent, both being what others charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Basis {
    /// Rent of the device.
    Rent,
    /// Purchase, hosting and electricity of an own device.
    Own,
    /// Electricity alone.
    Electricity,
    /// Price per token of a service.
    Api,
    /// No price is known.
    None,
}

impl Basis {
    /// Whether costs on the two bases count the same things.
    pub fn comparable(self, other: Self) -> bool {
        let market = |b| matches!(b, Self::Rent | Self::Api);
        self != Self::None && (self == other || (market(self) && market(other)))
    }
}

impl fmt::Display for Basis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rent => "rent",
            Self::Own => "own",
            Self::Electricity => "electricity",
            Self::Api => "api",
            Self::None => "none",
        })
    }
}

impl Price {
    /// Whether a verdict may compare the two: the same basis and the same year.
    pub fn comparable(&self, other: &Self) -> bool {
        let year = |p: &Self| p.date.as_deref().and_then(|d| d.get(..4)).map(str::to_owned);
        self.basis.comparable(other.basis) && year(self) == year(other)
    }

    /// Share of the hours with work of a contender that can serve so many requests per second.
    pub fn utilisation(&self, requests_per_s: f64) -> f64 {
        match self.busy {
            Busy::Share(share) => share,
            Busy::Rate(rate) => (rate / requests_per_s).min(1.0),
        }
    }

    /// US dollars per device-hour of work, of so many devices that are busy such a share of the hours.
    pub fn per_hour(&self, devices: f64, utilisation: f64) -> Option<f64> {
        let parts = self.parts?;
        Some((parts.standing + self.people / devices) / utilisation + parts.kilowatts * parts.tariff)
    }

    /// US dollars per device-hour around the clock, work or none.
    pub fn standing(&self, devices: f64) -> f64 {
        self.parts.map_or(0.0, |p| p.standing) + self.people / devices
    }

    /// The busy share at which a device-hour of work costs so much; `None` where none does.
    pub fn busy_enough(&self, devices: f64, per_hour: f64) -> Option<f64> {
        let electricity = self.parts.map_or(0.0, |p| p.kilowatts * p.tariff);
        let share = self.standing(devices) / (per_hour - electricity);
        (share > 0.0 && share <= 1.0).then_some(share)
    }

    /// The price of a device-hour at which an hour of work costs so much: the rent of a rented device, else all of it.
    /// `None` where people alone cost more.
    pub fn hourly(&self, devices: f64, utilisation: f64, per_hour: f64) -> Option<f64> {
        let usd = match self.basis {
            Basis::Rent | Basis::None => per_hour * utilisation - self.people / devices,
            _ => per_hour,
        };
        (usd >= 0.0).then_some(usd)
    }

    /// The tariff at which an hour of work costs so much.
    pub fn tariff(&self, devices: f64, utilisation: f64, per_hour: f64) -> Option<f64> {
        let tariff = (per_hour - self.standing(devices) / utilisation) / self.parts?.kilowatts;
        (tariff >= 0.0 && tariff.is_finite()).then_some(tariff)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn price(basis: Basis, parts: Parts, people: f64) -> Price {
        Price {
            basis,
            tier: None,
            date: None,
            origin: String::new(),
            provenance: Provenance::Assumed,
            parts: Some(parts),
            busy: Busy::Share(1.0),
            people,
        }
    }

    /// One rented device at 2.50 USD/h, busy a tenth of the hours, is 25 USD an hour of work; somebody at 730.50 USD a
    /// month on two of them is 0.50 USD more around the clock, and 5 USD an hour of work.
    #[test]
    fn hours_without_work_are_paid_by_those_with_work() {
        let rent = price(Basis::Rent, Parts::hourly(2.5), 0.0);
        assert_eq!(rent.per_hour(1.0, 0.1), Some(25.0));
        let kept = price(Basis::Rent, Parts::hourly(2.5), 1.0);
        assert_eq!(kept.per_hour(2.0, 0.1), Some(30.0));
    }

    /// 20,000 requests a day of a contender that could serve 200,000 keep it busy a tenth of the time.
    #[test]
    fn requests_a_day_are_a_busy_share() {
        let day = 86_400.0;
        let rent = Price { busy: Busy::Rate(20_000.0 / day), ..price(Basis::Rent, Parts::hourly(2.5), 0.0) };
        assert!((rent.utilisation(200_000.0 / day) - 0.1).abs() < 1e-12);
        assert_eq!(rent.utilisation(10_000.0 / day), 1.0);
    }

    proptest! {
        /// What is solved for, put back in, costs what was asked.
        #[test]
        fn inverses_of_an_hour_of_work(standing in 0.01..5.0f64, share in 0.05..1.0f64, kilowatts in 0.05..2.0f64, tariff in 0.0..0.5f64, people in 0.0..9.0f64, devices in 1.0..64.0f64) {
            let own = price(Basis::Own, Parts { standing, kilowatts, tariff }, people);
            let hour = own.per_hour(devices, share).expect("a price");
            let near = |found: Option<f64>, now: f64| found.is_some_and(|v| (v - now).abs() < 1e-6 * (1.0 + now));
            prop_assert!(near(own.busy_enough(devices, hour), share));
            prop_assert!(near(own.tariff(devices, share, hour), tariff) || tariff < 1e-9);
            let rent = price(Basis::Rent, Parts::hourly(standing), people);
            let hour = rent.per_hour(devices, share).expect("a price");
            prop_assert!(near(rent.hourly(devices, share, hour), standing));
        }
    }

    #[test]
    fn an_hour_that_no_value_makes_cheap_enough_has_no_answer() {
        let own = price(Basis::Own, Parts { standing: 1.0, kilowatts: 1.0, tariff: 0.2 }, 0.0);
        assert_eq!(own.busy_enough(1.0, 1.1), None);
        assert_eq!(own.tariff(1.0, 0.5, 1.9), None);
    }
}
