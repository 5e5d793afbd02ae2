//! A scenario once every name is looked up and every field checked: what `solve` works on.

use super::draft::Minimize;
use crate::device::Profile;
use crate::provenance::Provenance;
use crate::setup::{Layout, Load, Setup};
use crate::units::{Seconds, UsdPerHour, UsdPerMtok};
use schemars::JsonSchema;
use serde::Serialize;
use std::fmt;
use std::sync::Arc;

/// Contenders under one load.
#[derive(Debug, Clone)]
pub struct Plan {
    /// One line that says what is compared.
    pub name: String,
    /// Who competes, in the order of the file.
    pub contenders: Vec<Contender>,
    /// What the users do.
    pub workload: Workload,
    /// Targets and what is minimised.
    pub objective: Objective,
}

/// A closed loop of equal requests at several concurrencies.
#[derive(Debug, Clone)]
pub struct Workload {
    /// Tokens of a prompt.
    pub input_tokens: u64,
    /// Tokens of an answer.
    pub output_tokens: u64,
    /// Requests in flight over a whole contender, each value one row.
    pub concurrency: Vec<u64>,
    /// Share of the prompt found in the prefix cache.
    pub prefix_hit: f64,
}

impl Workload {
    /// The load at one concurrency.
    pub fn at(&self, concurrency: u64) -> Load {
        Load {
            input_tokens: self.input_tokens as f64,
            output_tokens: self.output_tokens as f64,
            concurrency,
            prefix_hit: self.prefix_hit,
        }
    }
}

/// Targets and what is minimised.
#[derive(Debug, Clone, Copy)]
pub struct Objective {
    /// Most mean time per output token.
    pub tpot: Option<Seconds>,
    /// Most mean time to the first token.
    pub ttft: Option<Seconds>,
    /// What the best row has least of.
    pub minimize: Minimize,
}

/// One of the competitors.
#[derive(Debug, Clone)]
pub struct Contender {
    /// Its name in answers.
    pub name: String,
    /// What it offers.
    pub offer: Offer,
    /// What was measured on its device, here or saved earlier, where its device is such a profile.
    pub profile: Option<Arc<Profile>>,
}

/// Devices to run on, or tokens to buy.
#[derive(Debug, Clone)]
pub enum Offer {
    /// Devices, with what an hour of one costs.
    Devices {
        /// The model on the devices; on those that write answers, where prompts have a pool of their own.
        setup: Box<Setup>,
        /// The pool that reads prompts.
        prefill: Option<Layout>,
        /// The price of a device.
        price: Price,
        /// What one device draws.
        power: Power,
    },
    /// Somebody's service.
    Api {
        /// Its price list.
        tokens: TokenPrices,
        /// The price's basis and date.
        price: Price,
    },
}

/// Electrical power of one device under load, and what it emits; absent where not known.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Power {
    /// Of the accelerator, W.
    pub watts: Option<f64>,
    /// Grams of CO2 per hour of work: power x PUE (1 where the scenario gives none) x carbon intensity.
    pub gram_per_hour: Option<f64>,
}

/// Prices per million tokens.
#[derive(Debug, Clone, Copy)]
pub struct TokenPrices {
    /// A prompt token that has to be computed.
    pub input: UsdPerMtok,
    /// A prompt token found in the cache.
    pub cached_input: UsdPerMtok,
    /// A token of the answer.
    pub output: UsdPerMtok,
}

/// What an hour of one device costs, and how that is known.
#[derive(Debug, Clone)]
pub struct Price {
    /// What is counted.
    pub basis: Basis,
    /// Per device; absent where none is known, and for a service.
    pub usd_per_hour: Option<UsdPerHour>,
    /// Year, month or day the price was valid.
    pub date: Option<String>,
    /// How it came about, one sentence: count and range of the offers, or the sum of an owner's costs.
    pub origin: String,
    /// Catalogued, or assumed by the scenario.
    pub provenance: Provenance,
    /// What an owner's price is made of; absent for rents and services.
    pub parts: Option<Parts>,
}

/// An owner's costs: `standing / utilisation + kilowatts x tariff`, US dollars per device-hour of work.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parts {
    /// Purchase over its years and hosting, US dollars per hour around the clock.
    pub standing: f64,
    /// Share of the hours the device has work.
    pub utilisation: f64,
    /// Power under load, PUE included, kW; 0 where electricity is not counted.
    pub kilowatts: f64,
    /// Price of electricity, US dollars per kWh.
    pub tariff: f64,
}

impl Parts {
    /// US dollars per device-hour of work.
    pub fn per_hour(&self) -> f64 {
        self.standing / self.utilisation + self.kilowatts * self.tariff
    }
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
}
