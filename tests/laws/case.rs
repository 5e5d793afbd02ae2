//! A scenario that was accepted, and what the program says of it and of those that differ from it in one thing.

use super::generator::Text;
use std::path::Path;
use underdog::catalog::Catalog;
use underdog::estimate::cost::Flow;
use underdog::estimate::{Calibration, Compiled, Loop, Pools, Transfer};
use underdog::model::spec::Core;
use underdog::scenario::plan::{Objective, Workload};
use underdog::scenario::{Contender, Local, Offer, Plan, Power, Price, Source, resolve};
use underdog::setup::{Layout, Load, Setup};
use underdog::solve::{CompareRow, compare};

/// An accepted scenario of one contender.
#[derive(Debug, Clone)]
pub struct Case {
    /// The text it was read from.
    pub text: Text,
    /// The model on its devices; on those that write answers, where prompts have a pool.
    pub setup: Setup,
    /// The pool that reads prompts.
    pub prefill: Option<Layout>,
    /// The price of a device.
    pub price: Price,
    /// What a device draws.
    pub power: Power,
    /// The load.
    pub workload: Workload,
    /// The rows of `compare`.
    pub rows: Vec<CompareRow>,
    objective: Objective,
    calibration: &'static Calibration,
}

impl Case {
    /// Reads and answers a scenario; `None` where it is refused.
    pub fn accept(text: Text, folder: &Path, catalog: &Catalog, calibration: &'static Calibration) -> Option<Self> {
        let plan = plan(&text, folder, catalog)?;
        let contender = plan.contenders.first()?.clone();
        let Offer::Devices { setup, prefill, price, power } = contender.offer else { return None };
        let rows = compare(&plan, calibration).ok()?.rows;
        let (workload, objective) = (plan.workload, plan.objective);
        Some(Self { text, setup: *setup, prefill, price, power, workload, rows, objective, calibration })
    }

    /// The rows when the scenario is read again.
    pub fn again(&self, folder: &Path, catalog: &Catalog) -> Option<Vec<CompareRow>> {
        Some(compare(&plan(&self.text, folder, catalog)?, self.calibration).ok()?.rows)
    }

    /// The same scenario with something changed.
    pub fn with(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut other = self.clone();
        change(&mut other);
        other.rows = other.answer().unwrap_or_default();
        other
    }

    /// The same at other loads.
    pub fn at(&self, users: &[u64]) -> Self {
        self.with(|c| c.workload.concurrency = users.to_vec())
    }

    fn answer(&self) -> Option<Vec<CompareRow>> {
        let offer = Offer::Devices {
            setup: Box::new(self.setup.clone()),
            prefill: self.prefill,
            price: self.price.clone(),
            power: self.power,
        };
        let contenders = vec![Contender { name: "one".to_owned(), offer, profile: None, fewest: None }];
        let (workload, objective) = (self.workload.clone(), self.objective);
        let plan = Plan { name: "case".to_owned(), contenders, workload, objective, currency: None };
        Some(compare(&plan, self.calibration).ok()?.rows)
    }

    /// The engine that decodes, with everything looked up.
    pub fn compiled(&self) -> Option<Compiled> {
        Compiled::new(self.setup.clone(), self.calibration).ok()
    }

    /// A layer sees its own chunk of the past only: what it sees falls where the next chunk begins.
    pub fn chunked(&self) -> bool {
        let chunks = |core: &Core| matches!(core, Core::Softmax { window: Some(window), .. } if window.chunked);
        self.setup.model.layers.iter().any(|layer| chunks(&layer.core))
    }

    /// How caches travel between pools.
    pub fn transfer(&self) -> Option<Transfer> {
        Some(Pools::new(self.setup.clone(), self.prefill?, self.calibration).ok()?.transfer)
    }

    /// The constants of the estimate.
    pub const fn calibration(&self) -> &'static Calibration {
        self.calibration
    }

    /// The load of one row.
    pub fn load(&self, users: u64) -> Load {
        self.workload.at(users)
    }

    /// The steady state that a row is made of.
    pub fn state(&self, users: u64) -> Option<(Loop, Flow)> {
        let (decode, load) = (self.compiled()?, self.load(users));
        Some(match self.prefill {
            None => {
                let state = decode.closed_loop(&load);
                (state, Flow::of(&state, &load, &self.setup.layout))
            }
            Some(layout) => {
                let pools = Pools::new(self.setup.clone(), layout, self.calibration).ok()?;
                let state = pools.closed_loop(&load);
                (state, Flow::of_pools(&state, &load, &layout, &self.setup.layout))
            }
        })
    }

    /// Multiplies the replicas of every pool.
    pub fn replicate(&mut self, times: u64) {
        self.setup.layout.replicas *= times;
        if let Some(pool) = &mut self.prefill {
            pool.replicas *= times;
        }
    }

    /// One replica of every pool.
    pub fn single(&mut self) {
        self.setup.layout.replicas = 1;
        if let Some(pool) = &mut self.prefill {
            pool.replicas = 1;
        }
    }

    /// Rows that have numbers.
    pub fn numbered(&self) -> impl Iterator<Item = &CompareRow> {
        self.rows.iter().filter(|row| row.output_tok_s_per_device.is_some())
    }

    /// Tokens of an answer.
    pub fn output(&self) -> f64 {
        self.workload.output_tokens as f64
    }

    /// Tokens of a prompt.
    pub fn input(&self) -> f64 {
        self.workload.input_tokens as f64
    }

    /// What the scenario has of what few have: says where a law breaks.
    pub fn tags(&self) -> Vec<&'static str> {
        let layout = self.setup.layout;
        let known = [
            ("pools", self.prefill.is_some()),
            ("replicas", layout.replicas > 1),
            ("pp", layout.pp > 1),
            ("dp", layout.dp > 1),
            ("drafts", self.setup.speculation.is_some()),
            ("hits", self.workload.prefix_hit > 0.0),
            ("one token", self.workload.output_tokens == 1),
            ("experts", self.setup.model.has_experts()),
            (self.setup.engine.name(), true),
        ];
        known.into_iter().filter(|(_, has)| *has).map(|(tag, _)| tag).collect()
    }

    /// How large the scenario is to read: the smallest one that breaks a law is shown.
    pub fn size(&self) -> (usize, u64) {
        let lines = self.text.scenario.lines().count() + usize::from(self.text.sheet.is_some()) * 10;
        (lines, self.rows.first().and_then(|r| r.devices).unwrap_or(0))
    }
}

/// Requests per second of a whole contender.
pub fn requests(row: &CompareRow, output: f64) -> Option<f64> {
    Some(row.output_tok_s_per_device? * row.devices? as f64 / output)
}

/// Time of a whole request, s.
pub fn whole(row: &CompareRow, output: f64) -> Option<f64> {
    Some((row.ttft_ms? + (output - 1.0) * row.tpot_ms?) / 1e3)
}

fn plan(text: &Text, folder: &Path, catalog: &Catalog) -> Option<Plan> {
    if let Some((name, sheet)) = &text.sheet {
        std::fs::write(folder.join(name), sheet).expect("written");
    }
    let (file, text) = ("case.toml".to_owned(), text.scenario.clone());
    let source = Source { file, text, folder: folder.to_path_buf() };
    let draft = source.draft().ok()?;
    resolve(&source, &draft, catalog, Local::Pending).ok()
}
