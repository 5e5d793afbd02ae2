//! Every contender under every load, in parallel, and the answer in the order of the scenario.

use super::detail::Detail;
use super::load::{Load, Spectator};
use super::row::SimulateRow;
use super::run::{Case, Done, run};
use super::size::smallest;
use super::system::System;
use super::tally::Targets;
use super::trace::Trace;
use super::{Lengths, sentence};
use crate::diagnostic::Diagnostic;
use crate::estimate::{Calibration, Unanswerable};
use crate::scenario::traffic::{Arrivals, Process, Traffic};
use crate::scenario::{Offer, Plan};
use rayon::prelude::*;

/// What the command line adds to a scenario.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Options {
    /// Seed of random processes.
    pub seed: u64,
    /// Mean rates of arrivals, requests/s, each a row; the scenario's own where empty.
    pub rates: Vec<f64>,
    /// A trace runs so many times as fast.
    pub speed: Option<f64>,
    /// Stop the clock after so many seconds of the simulation.
    pub until: Option<f64>,
    /// Find the smallest number of devices that meets the targets.
    pub size: bool,
}

/// Rows and the sentence.
#[derive(Debug, Clone)]
pub struct Answer {
    /// One row per contender and load, in the order of the scenario.
    pub rows: Vec<SimulateRow>,
    /// What charts are drawn from: of every contender one run, the one it is judged by.
    pub details: Vec<Detail>,
    /// The answer.
    pub sentence: String,
    /// What a reader should know.
    pub notes: Vec<String>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SimulateError {
    /// A trace or a scenario is wrong.
    #[error("{0}")]
    Input(Diagnostic),
    /// A data sheet lacks a number.
    #[error("{0}")]
    Unanswerable(#[from] Unanswerable),
    /// Options that do not fit the scenario.
    #[error("{0}")]
    Usage(String),
}

impl From<Diagnostic> for SimulateError {
    fn from(diagnostic: Diagnostic) -> Self {
        Self::Input(diagnostic)
    }
}

/// The loads of a scenario with the options of the command line.
///
/// # Errors
/// When an option does not fit the arrivals, or the trace has to be read for its rate and is wrong.
pub fn loads(traffic: &Traffic, options: &Options) -> Result<Vec<Load>, SimulateError> {
    let lengths = Lengths { input: traffic.input, output: traffic.output };
    let seed = options.seed;
    let no_speed = || match options.speed {
        Some(_) => Err(SimulateError::Usage("--speed scales the time of a trace; this scenario has none".to_owned())),
        None => Ok(()),
    };
    match &traffic.arrivals {
        Arrivals::Trace(path) => {
            if options.speed.is_some() && !options.rates.is_empty() {
                return Err(SimulateError::Usage("--speed and --rate both scale the trace; give one".to_owned()));
            }
            if options.rates.is_empty() {
                return Ok(vec![Load::Trace(path.clone(), options.speed.unwrap_or(1.0))]);
            }
            let (requests, seconds) = Trace::extent(path)?;
            if seconds <= 0.0 {
                let message = "all requests of the trace arrive at one moment: it has no rate to scale";
                return Err(SimulateError::Usage(message.to_owned()));
            }
            let own = (requests - 1) as f64 / seconds;
            Ok(options.rates.iter().map(|rate| Load::Trace(path.clone(), rate / own)).collect())
        }
        Arrivals::Open(shape, requests) => {
            no_speed()?;
            let rates = if options.rates.is_empty() { vec![shape.rate()] } else { options.rates.clone() };
            let load = |rate: &f64| Load::Process(Process::Open(shape.at_rate(*rate)), lengths, *requests, seed);
            Ok(rates.iter().map(load).collect())
        }
        Arrivals::Closed(users, requests) => {
            no_speed()?;
            if !options.rates.is_empty() {
                let message = "a closed loop has no rate; its load is workload.concurrency";
                return Err(SimulateError::Usage(message.to_owned()));
            }
            let load = |&concurrency: &u64| {
                Load::Process(Process::Closed { concurrency }, lengths, (*requests).max(4 * concurrency), seed)
            };
            Ok(users.iter().map(load).collect())
        }
    }
}

/// Simulates every contender under every load. Runs are independent and in parallel; the rows do not depend on it.
///
/// # Errors
/// When a trace is wrong, a data sheet lacks a number, or an option does not fit.
pub fn simulate(
    plan: &Plan,
    traffic: &Traffic,
    calibration: &Calibration,
    options: &Options,
    spectator: &dyn Spectator,
) -> Result<Answer, SimulateError> {
    let loads = loads(traffic, options)?;
    let targets = Targets {
        ttft: traffic.ttft_p99.or(plan.objective.ttft.map(|s| s.get())),
        tpot: traffic.tpot_p99.or(plan.objective.tpot.map(|s| s.get())),
    };
    if options.size && targets == Targets::default() {
        let message = "--size needs a target: give the scenario objective.ttft, tpot, ttft_p99 or tpot_p99";
        return Err(SimulateError::Usage(message.to_owned()));
    }
    let mut cases = Vec::new();
    let mut services = Vec::new();
    for (contender, scheduler) in plan.contenders.iter().zip(&traffic.schedulers) {
        let Offer::Devices { setup, price, power, .. } = &contender.offer else {
            services.push(contender.name.as_str());
            continue;
        };
        let system = System::new((**setup).clone(), *scheduler, plan.workload.prefix_hit, calibration)?;
        for (index, load) in loads.iter().enumerate() {
            cases.push(Case {
                name: &contender.name,
                system: system.clone(),
                price,
                power: power.watts,
                load,
                index,
                objective: plan.objective,
                traffic,
                targets,
                until: options.until,
            });
        }
    }
    let one = |case: &Case<'_>| if options.size { smallest(case, spectator) } else { run(case, spectator) };
    let mut done: Vec<Done> = cases.par_iter().map(one).collect::<Result<_, _>>()?;
    let left_out: Vec<String> = done.iter_mut().flat_map(|d| std::mem::take(&mut d.notes)).collect();
    let details = done.chunk_by_mut(|a, b| a.row.contender == b.row.contender);
    let details = details.map(|own| {
        let judged = sentence::judged(own.iter().map(|d| &d.row));
        own.get_mut(judged).map(|d| std::mem::take(&mut d.detail)).unwrap_or_default()
    });
    let details = details.collect();
    let rows: Vec<SimulateRow> = done.into_iter().map(|d| d.row).collect();
    let sentence = sentence::of(plan, &rows, options.size);
    let notes = sentence::notes(plan, &services, &rows, left_out.into_iter());
    Ok(Answer { rows, details, sentence, notes })
}
