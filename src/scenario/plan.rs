//! A scenario once every name is looked up and every field checked: what `solve` works on.

use super::draft::Minimize;
use super::money::Currency;
use super::price::{Price, TokenPrices};
use crate::device::Profile;
use crate::setup::{Layout, Load, Setup};
use crate::units::Seconds;
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
    /// The currency that some prices were typed in; answers are in US dollars.
    pub currency: Option<Currency>,
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
    /// The scenario names them; else they are those that are usually looked at.
    pub concurrency_given: bool,
    /// Requests per second on average, day and night, where the scenario says how many come.
    pub rate: Option<f64>,
    /// Share of the prompt found in the prefix cache.
    pub prefix_hit: f64,
    /// Share of the answer's tokens that are reasoning, which nobody is shown.
    pub reasoning: f64,
}

impl Workload {
    /// The number of users at a time, where the scenario names one and not several to choose among.
    pub fn users(&self) -> Option<u64> {
        match self.concurrency.as_slice() {
            &[users] if self.concurrency_given => Some(users),
            _ => None,
        }
    }

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
    /// Its number of devices is the fewest that serve the load.
    pub fewest: Option<Fewest>,
}

/// Where the fewest devices are asked for: how far they are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fewest {
    /// To be found: so many instances of the layout as are needed.
    Instances,
    /// To be found, in any layout.
    Layouts,
    /// The layout is the one that was found.
    Found,
    /// No number does; the layout is the largest that was tried.
    None,
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
