//! From a contender to engines behind a router: memory to blocks, limits to rules.

use super::blocks::Blocks;
use super::replica::{Policy, Replica, Role, Rules};
use super::routing::Router;
use super::table::Steps;
use super::world::{Pool, Transfer, World};
use crate::estimate::cost::Flow;
use crate::estimate::{Calibration, Compiled, Pools, Unanswerable};
use crate::scenario::traffic::Scheduler;
use crate::setup::{Engine, Load, Setup};

/// A contender ready to run: its step times are compiled once for all its runs.
#[derive(Debug, Clone)]
pub struct System {
    /// The setup as the estimate sees it: of the decode pool, where pools are separate.
    pub compiled: Compiled,
    /// The prefill pool, where there is one.
    prefill: Option<Compiled>,
    scheduler: Scheduler,
    prefix_hit: f64,
}

impl System {
    /// Compiles a setup.
    ///
    /// # Errors
    /// When the data sheet lacks a number that the layout needs.
    pub fn new(
        setup: Setup,
        scheduler: Scheduler,
        prefix_hit: f64,
        calibration: &Calibration,
    ) -> Result<Self, Unanswerable> {
        let pool = |layout| Compiled::new(Setup { layout, ..setup.clone() }, calibration);
        let prefill = scheduler.prefill.map(pool).transpose()?;
        Ok(Self { compiled: Compiled::new(setup, calibration)?, prefill, scheduler, prefix_hit })
    }

    /// The same with so many times the replicas of one of its kind; pools grow together.
    #[must_use]
    pub fn with_replicas(&self, replicas: u64) -> Self {
        let mut other = self.clone();
        match &mut other.prefill {
            None => other.compiled.setup.layout.replicas = replicas,
            Some(prefill) => {
                prefill.setup.layout.replicas *= replicas;
                other.compiled.setup.layout.replicas *= replicas;
            }
        }
        other
    }

    /// Devices in all.
    pub fn devices(&self) -> u64 {
        self.pools().map(|pool| pool.setup.layout.devices()).sum()
    }

    /// Engines in all.
    pub fn replicas(&self) -> u64 {
        self.pools().map(|pool| pool.setup.layout.replicas).sum()
    }

    /// Devices of the pool that only reads prompts, 0 where there is none, and of the one that decodes.
    pub fn devices_by_pool(&self) -> [f64; 2] {
        let devices = |pool: &Compiled| pool.setup.layout.devices() as f64;
        [self.prefill.as_ref().map_or(0.0, devices), devices(&self.compiled)]
    }

    /// Engines of both.
    pub fn engines_by_pool(&self) -> [f64; 2] {
        let engines = |pool: &Compiled| pool.setup.layout.replicas as f64;
        [self.prefill.as_ref().map_or(0.0, engines), engines(&self.compiled)]
    }

    /// What it serves at saturation: the steady state of the estimate with as many requests as fit, all of one length.
    pub fn saturated(&self, input_tokens: f64, output_tokens: f64, prefix_hit: f64) -> Flow {
        let layout = &self.compiled.setup.layout;
        // An engine that evicts admits by the length that a request has in the middle of its answer.
        let cached = self.scheduler.kv_tokens.map(|tokens| tokens as f64 / (input_tokens + 0.5 * output_tokens));
        let most = self.rules(&self.compiled, Role::Both).max_sequences as f64;
        let concurrency = (most.min(cached.unwrap_or(f64::INFINITY)) * layout.replicas as f64).max(1.0) as u64;
        let load = Load { input_tokens, output_tokens, concurrency, prefix_hit };
        match &self.prefill {
            None => Flow::of(&self.compiled.closed_loop(&load), &load, layout),
            Some(prefill) => {
                let pools = Pools { prefill: prefill.clone(), decode: self.compiled.clone() };
                Flow::of_pools(&pools.closed_loop(&load), &load, &prefill.setup.layout, layout)
            }
        }
    }

    /// Whether the weights leave room for any request; `None` where the memory is not known.
    pub fn fits(&self) -> Option<bool> {
        let known = self.compiled.setup.hardware.memory_known;
        known.then(|| self.pools().all(|pool| pool.memory.fits(1.0, 1.0)))
    }

    /// The engines at time 0.
    pub fn world(&self) -> World {
        match &self.prefill {
            None => World::new(vec![self.pool(&self.compiled, Role::Both, 0)], Transfer::default()),
            Some(prefill) => {
                let first = self.pool(prefill, Role::Prefill, 0);
                let second = self.pool(&self.compiled, Role::Decode, prefill.setup.layout.replicas as u32);
                World::new(vec![first, second], self.transfer())
            }
        }
    }

    fn pools(&self) -> impl Iterator<Item = &Compiled> {
        self.prefill.iter().chain([&self.compiled])
    }

    /// A pool whose first engine has a number.
    fn pool(&self, compiled: &Compiled, role: Role, first: u32) -> Pool {
        let (rules, blocks) = (self.rules(compiled, role), self.blocks(compiled));
        let replica = |index| Replica::new(first + index, rules.clone(), blocks.clone());
        let replicas = (0..compiled.setup.layout.replicas as u32).map(replica).collect();
        Pool { replicas, steps: Steps::new(compiled), router: Router::new(self.scheduler.routing) }
    }

    fn rules(&self, compiled: &Compiled, role: Role) -> Rules {
        let setup = &compiled.setup;
        let ranks = setup.layout.dp;
        let batch_tokens = setup.limits.batch_tokens * ranks;
        let most = setup.limits.max_sequences.map_or(u64::MAX, |m| m.saturating_mul(ranks));
        // vLLM and SGLang take memory as sequences grow and preempt when it runs out; the others take it at once. So
        // does everything here that cannot compute a prompt again, or adds a number of tokens a step that is known on
        // average only.
        let pages = matches!(setup.engine, Engine::Vllm | Engine::Sglang) && setup.speculation.is_none();
        Rules {
            policy: if self.scheduler.prefill_first { Policy::PrefillFirst } else { Policy::Mixed },
            role,
            // A step has a token for every sequence: more of them cannot run.
            max_sequences: most.min(batch_tokens) as usize,
            batch_tokens,
            ranks,
            reserve: role == Role::Decode || (role == Role::Both && !pages),
            prefix_cache: self.scheduler.prefix_cache,
            prefix_hit: self.prefix_hit,
            named_tokens: self.scheduler.hash_tokens,
            growth: compiled.accepted(),
        }
    }

    fn blocks(&self, compiled: &Compiled) -> Blocks {
        let memory = &compiled.memory;
        match self.scheduler.kv_tokens {
            Some(tokens) => Blocks::of_tokens(tokens),
            None if !compiled.setup.hardware.memory_known => Blocks::unbounded(),
            None => {
                let bytes = memory.free() * compiled.setup.layout.dp as f64;
                Blocks::of_memory(bytes, memory.cache_per_token, memory.cache_fixed)
            }
        }
    }

    /// Every device sends its share of a cache: over the link where it joins all devices, else over the network.
    fn transfer(&self) -> Transfer {
        let sheet = &self.compiled.setup.hardware.sheet;
        let link = sheet.link.filter(|link| u64::from(link.domain) >= self.devices());
        let rate = link.map(|link| link.per_direction).or(sheet.network).map_or(f64::INFINITY, |rate| rate.get());
        let memory = &self.compiled.memory;
        Transfer { latency: memory.cache_fixed / rate, per_token: memory.cache_per_token / rate }
    }
}
