//! From a contender to engines behind a router: memory to blocks, limits to rules.

use super::blocks::Blocks;
use super::replica::{Policy, Replica, Role, Rules};
use super::routing::Router;
use super::table::Steps;
use super::world::{Pool, World};
use crate::estimate::cost::Flow;
use crate::estimate::{Calibration, Compiled, Pools, Shortage, Transfer, Unanswerable};
use crate::scenario::traffic::Scheduler;
use crate::setup::{Engine, Load, Setup};

/// A contender ready to run: its step times are compiled once for all its runs.
#[derive(Debug, Clone)]
pub struct System {
    engines: Engines,
    scheduler: Scheduler,
    prefix_hit: f64,
}

/// The engines as the estimate sees them.
#[derive(Debug, Clone)]
enum Engines {
    One(Box<Compiled>),
    Pools(Box<Pools>),
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
        let engines = match scheduler.prefill {
            None => Engines::One(Box::new(Compiled::new(setup, calibration)?)),
            Some(layout) => Engines::Pools(Box::new(Pools::new(setup, layout, calibration)?)),
        };
        Ok(Self { engines, scheduler, prefix_hit })
    }

    /// The engines that write answers.
    pub const fn writers(&self) -> &Compiled {
        match &self.engines {
            Engines::One(compiled) => compiled,
            Engines::Pools(pools) => &pools.decode,
        }
    }

    /// The pool that only reads prompts, where there is one.
    const fn readers(&self) -> Option<&Compiled> {
        match &self.engines {
            Engines::One(_) => None,
            Engines::Pools(pools) => Some(&pools.prefill),
        }
    }

    /// The same with so many times the replicas of one of its kind; pools grow together.
    #[must_use]
    pub fn with_replicas(&self, replicas: u64) -> Self {
        let mut other = self.clone();
        match &mut other.engines {
            Engines::One(compiled) => compiled.setup.layout.replicas = replicas,
            Engines::Pools(pools) => **pools = pools.times(replicas),
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
        [self.readers().map_or(0.0, devices), devices(self.writers())]
    }

    /// Engines of both.
    pub fn engines_by_pool(&self) -> [f64; 2] {
        let engines = |pool: &Compiled| pool.setup.layout.replicas as f64;
        [self.readers().map_or(0.0, engines), engines(self.writers())]
    }

    /// What it serves at saturation: the steady state of the estimate with as many requests as fit, all of one length.
    pub fn saturated(&self, input_tokens: f64, output_tokens: f64, prefix_hit: f64) -> Flow {
        let layout = &self.writers().setup.layout;
        // An engine that evicts admits by the length that a request has in the middle of its answer.
        let cached = self.scheduler.kv_tokens.map(|tokens| tokens as f64 / (input_tokens + 0.5 * output_tokens));
        let most = self.writers().most_sequences().min(cached.unwrap_or(f64::INFINITY));
        let concurrency = (most * layout.replicas as f64).max(1.0) as u64;
        let load = Load { input_tokens, output_tokens, concurrency, prefix_hit };
        match &self.engines {
            Engines::One(compiled) => Flow::of(&compiled.closed_loop(&load), &load, layout),
            Engines::Pools(pools) => {
                Flow::of_pools(&pools.closed_loop(&load), &load, &pools.prefill.setup.layout, layout)
            }
        }
    }

    /// What is missing for even the smallest request; `None` where it fits, and where the memory is not known.
    pub fn shortage(&self) -> Option<Shortage> {
        let least = Load { input_tokens: 1.0, output_tokens: 1.0, concurrency: 1, prefix_hit: 0.0 };
        match &self.engines {
            Engines::One(compiled) => compiled.shortage(&least),
            Engines::Pools(pools) => pools.shortage(&least),
        }
    }

    /// The engines at time 0.
    pub fn world(&self) -> World {
        match &self.engines {
            Engines::One(compiled) => World::new(vec![self.pool(compiled, Role::Both, 0)], Transfer::default()),
            Engines::Pools(pools) => {
                let first = self.pool(&pools.prefill, Role::Prefill, 0);
                let second = self.pool(&pools.decode, Role::Decode, pools.prefill.setup.layout.replicas as u32);
                World::new(vec![first, second], pools.transfer)
            }
        }
    }

    fn pools(&self) -> impl Iterator<Item = &Compiled> {
        self.readers().into_iter().chain([self.writers()])
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
        // vLLM and SGLang take memory as sequences grow and preempt when it runs out; the others take it at once. So
        // does everything here that cannot compute a prompt again, or adds a number of tokens a step that is known on
        // average only.
        let pages = matches!(setup.engine, Engine::Vllm | Engine::Sglang) && setup.speculation.is_none();
        Rules {
            policy: if self.scheduler.prefill_first { Policy::PrefillFirst } else { Policy::Mixed },
            role,
            max_sequences: compiled.most_sequences() as usize,
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
                Blocks::of_memory(bytes.get(), memory.cache_per_token.get(), memory.cache_fixed.get())
            }
        }
    }
}
