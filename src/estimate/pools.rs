//! Separate pools: some instances read prompts, others write answers, and the caches travel between them.
//!
//! A request passes three stations: a reader, the way of its cache, a writer. X requests per second are C users over the
//! time of a round, and no more than the readers, the links or the memory of the writers let through. At the readers a
//! prompt finds others (M/D/1): with rho = X p / readers of them it waits p rho / (2 (1 - rho)), which makes X the root
//! of a quadratic. Where many prompts share a step, p is short and a prompt waits for the step that runs. The one place
//! where any of this is written: comparisons, searches and simulations ask here.

use super::band::Situation;
use super::calibration::Calibration;
use super::compiled::Compiled;
use super::machine::{self, Unanswerable};
use super::memory::Shortage;
use super::prompt::{Beside, Prompt, Prompts};
use super::serve::Loop;
use super::settle::settle;
use crate::setup::{Layout, Load, Setup};
use crate::units::Seconds;

/// A pool that reads prompts and one that writes answers.
#[derive(Debug, Clone)]
pub struct Pools {
    /// The instances that read prompts.
    pub prefill: Compiled,
    /// The instances that write answers.
    pub decode: Compiled,
    /// How caches get from one to the other.
    pub transfer: Transfer,
}

/// How a cache gets from a prefill pool to a decode pool: every rank sends its share over its own link or network.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Transfer {
    /// Of what a sequence holds whatever its length.
    pub fixed: Seconds,
    /// Per cached token.
    pub per_token: Seconds,
}

impl Transfer {
    /// Of a prompt.
    pub fn of(&self, tokens: f64) -> Seconds {
        self.fixed + self.per_token * tokens
    }
}

/// What a pool of writers does with a batch on each.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Writing {
    /// Time per token.
    pub tpot: Seconds,
    /// Requests per second of all its instances.
    pub rate: f64,
}

/// The prompts of a load on a pool of readers, as fast as the user's own runs say.
#[derive(Debug, Clone, Copy)]
pub struct Readers<'a> {
    prompts: Prompts<'a>,
    scale: f64,
    /// Instances.
    pub count: f64,
}

impl<'a> Readers<'a> {
    /// Never more than `users` prompts at once.
    pub fn of(prefill: &'a Compiled, load: &Load, users: f64) -> Self {
        let count = prefill.setup.layout.replicas as f64;
        let each = (users / count).max(1.0);
        let prompts = Prompts::of(prefill, load, Beside::default(), each);
        Self { prompts, scale: prefill.correction.map_or(1.0, |measured| measured.tpot), count }
    }

    fn scaled(&self, prompt: Prompt) -> Prompt {
        let Prompt { together, added, once, own, lag, steps } = prompt;
        let [added, once, own, lag, steps] = [added, once, own, lag, steps].map(|time| time * self.scale);
        Prompt { together, added, once, own, lag, steps }
    }

    /// A prompt that nobody else's meets.
    pub fn alone(&self) -> Prompt {
        self.scaled(self.prompts.at(1.0))
    }

    /// Most requests per second, steps filled.
    pub fn most(&self) -> f64 {
        self.count / self.scaled(self.prompts.at(self.prompts.most)).added.get()
    }

    /// A prompt where so many requests per second come.
    fn at(&self, rate: f64) -> Prompt {
        self.scaled(self.prompts.coming(rate * self.scale / self.count))
    }
}

impl Pools {
    /// The pools of a setup: `decode` writes; what reads has the layout `prefill` and guesses nothing.
    ///
    /// # Errors
    /// When a data sheet lacks a number that a layout, or the way between the pools, needs.
    pub fn new(decode: Setup, prefill: Layout, calibration: &Calibration) -> Result<Self, Unanswerable> {
        let reader = Setup { layout: prefill, speculation: None, ..decode.clone() };
        Self::of(Compiled::new(reader, calibration)?, Compiled::new(decode, calibration)?, calibration)
    }

    /// Two compiled pools.
    ///
    /// # Errors
    /// When neither a link nor a network is known that joins them.
    pub fn of(prefill: Compiled, decode: Compiled, calibration: &Calibration) -> Result<Self, Unanswerable> {
        let (readers, writers) = (&prefill.setup, &decode.setup);
        let devices = readers.layout.devices() + writers.layout.devices();
        let rate = machine::way(&writers.hardware, devices)?;
        let most = |of: fn(&Compiled) -> crate::units::Bytes| of(&prefill).max(of(&decode));
        let transfer = Transfer {
            fixed: most(|pool| pool.memory.cache_fixed) / rate,
            per_token: most(|pool| pool.memory.cache_per_token) / rate,
        };
        let correction = calibration.correction(writers, Some(readers.layout));
        let decode = decode.in_situation(Situation::Pools, calibration).corrected(correction);
        Ok(Self { prefill: prefill.corrected(correction), decode, transfer })
    }

    /// With so many times the instances of both, in proportion.
    #[must_use]
    pub fn times(&self, replicas: u64) -> Self {
        let mut other = self.clone();
        for pool in [&mut other.prefill, &mut other.decode] {
            pool.setup.layout.replicas *= replicas;
        }
        other
    }

    /// What is missing for one request of a load, in the pool that lacks it.
    pub fn shortage(&self, load: &Load) -> Option<Shortage> {
        let read = Load { output_tokens: 1.0, ..*load };
        self.prefill.shortage(&read).or_else(|| self.decode.shortage(load))
    }

    /// What the writers do where `running` sequences decode on each.
    pub fn writing(decode: &Compiled, load: &Load, running: f64) -> Writing {
        let scale = decode.correction.map_or(1.0, |measured| measured.tpot);
        let tpot = decode.decode_step(running, load.context()) * (scale / decode.accepted());
        let writers = decode.setup.layout.replicas as f64;
        Writing { tpot, rate: writers * running / (load.further().max(1.0) * tpot.get()) }
    }

    /// Steady state of both pools under a load.
    ///
    /// The times of [`Loop`] are those of the decode pool; `prompt` is a prefill instance's time of one prompt.
    pub fn closed_loop(&self, load: &Load) -> Loop {
        let (users, writers) = (load.concurrency as f64, self.decode.setup.layout.replicas as f64);
        let capacity = self.decode.holds(load).max(1.0);
        let active = users.min(writers);
        let readers = Readers::of(&self.prefill, load, users);
        let (running, at) = settle(1.0, capacity.min(users / active), (0.9 * users / active).max(1.0), |running| {
            let at = self.at(load, running, &readers);
            ((at.rate * load.further() * at.writing.tpot.get() / active).max(1.0), at)
        });
        let tpot = at.writing.tpot;
        let decoding = Seconds::new(load.further() * tpot.get());
        let held = writers * capacity / decoding.get().max(f64::MIN_POSITIVE);
        let rate = at.rate.min(held);
        let saturated = at.rate > held * 1.001;
        let prompt = readers.at(rate);
        let ttft = Seconds::new(users / rate) - decoding;
        let burst = ttft + prompt.added * (users / 2.0 / readers.count);
        Loop {
            offered: users / active,
            admitted: (users / active).min(capacity),
            active,
            running,
            saturated,
            ttft: (!saturated).then_some(ttft),
            ttft_burst: (!saturated).then_some(burst),
            tpot,
            requests_per_s: rate,
            prompt: prompt.added,
            answer: Seconds::new(load.output_tokens * tpot.get() / running),
            step: self.decode.decoding(running, load.context()),
        }
    }

    /// The stations with `running` sequences on each writer.
    fn at(&self, load: &Load, running: f64, readers: &Readers<'_>) -> Stations {
        let writing = Self::writing(&self.decode, load, running);
        let users = load.concurrency as f64;
        let way = self.transfer.of(load.input_tokens).get().max(f64::MIN_POSITIVE);
        let links = readers.count * self.prefill.machine.dp / way;
        let through = readers.most().min(links);
        let alone = readers.alone();
        let decoding = load.further() * writing.tpot.get();
        let round = self.first(load, &alone).get() + decoding;
        // A prompt finds the others only: rho c of them, c = 1 - readers / C, and
        // rho (round + p / 2 rho c / (1 - rho c)) = C p / readers.
        let (p, demand) = (readers.count / through, users / through);
        let c = (1.0 - readers.count / users).max(0.0);
        // A reader whose steps have room for all who come is at work for s / (s + e^(-x s) / x) of the time.
        let s = alone.steps.get();
        let x = running * users.min(self.decode.setup.layout.replicas as f64)
            / decoding.max(f64::MIN_POSITIVE)
            / readers.count;
        let busy = s / (s + (-x * s).exp() / x);
        let round = round + c / 2.0 * (busy * s - (x * p).min(1.0) * p).max(0.0);
        let (a, b) = (c * (round - p / 2.0), round + c * demand);
        let rho = 2.0 * demand / (b + (b * b - 4.0 * a * demand).max(0.0).sqrt());
        let rate = rho.min(1.0) * through;
        Stations { rate, writing }
    }

    /// Time to the first token where nobody waits for others: a prompt alone, and the way of its cache.
    pub fn first_token(&self, load: &Load) -> Seconds {
        self.first(load, &Readers::of(&self.prefill, load, 1.0).alone())
    }

    fn first(&self, load: &Load, prompt: &Prompt) -> Seconds {
        Seconds::new(self.decode.engine.first_s) + prompt.own + prompt.lag + self.transfer.of(load.input_tokens)
    }
}

/// What passes the stations.
struct Stations {
    /// Requests per second.
    rate: f64,
    writing: Writing,
}
