//! From a contender to engines behind a router: memory to blocks, limits to rules.

use super::blocks::Blocks;
use super::replica::{Policy, Replica, Role, Rules};
use super::routing::Router;
use super::table::Steps;
use super::world::{Pool, Transfer, World};
use crate::estimate::{Calibration, Compiled, Unanswerable};
use crate::scenario::traffic::Scheduler;
use crate::setup::{Engine, Setup};

/// A contender ready to run: its step times are compiled once for all its runs.
#[derive(Debug, Clone)]
pub struct System {
    /// The setup as the estimate sees it.
    pub compiled: Compiled,
    scheduler: Scheduler,
    prefix_hit: f64,
    steps: Steps,
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
        let compiled = Compiled::new(setup, calibration)?;
        let steps = Steps::new(&compiled);
        Ok(Self { compiled, scheduler, prefix_hit, steps })
    }

    /// The same with another number of replicas.
    #[must_use]
    pub fn with_replicas(&self, replicas: u64) -> Self {
        let mut other = self.clone();
        other.compiled.setup.layout.replicas = replicas;
        other
    }

    /// Devices in all.
    pub const fn devices(&self) -> u64 {
        self.compiled.setup.layout.devices()
    }

    /// Whether the weights leave room for any request; `None` where the memory is not known.
    pub fn fits(&self) -> Option<bool> {
        let known = self.compiled.setup.hardware.memory_known;
        known.then(|| self.compiled.memory.fits(1.0, 1.0))
    }

    /// The engines at time 0.
    pub fn world(&self) -> World {
        let rules = self.rules();
        let blocks = self.blocks();
        let replica = |index| Replica::new(index, rules.clone(), blocks.clone());
        let replicas = (0..self.compiled.setup.layout.replicas as u32).map(replica).collect();
        let pool = Pool { replicas, steps: self.steps.clone(), router: Router::new(self.scheduler.routing) };
        World::new(vec![pool], Transfer::default())
    }

    fn rules(&self) -> Rules {
        let setup = &self.compiled.setup;
        let ranks = setup.layout.dp;
        let batch_tokens = setup.limits.batch_tokens * ranks;
        let most = setup.limits.max_sequences.map_or(u64::MAX, |m| m.saturating_mul(ranks));
        Rules {
            policy: if self.scheduler.prefill_first { Policy::PrefillFirst } else { Policy::Mixed },
            role: Role::Both,
            // A step has a token for every sequence: more of them cannot run.
            max_sequences: most.min(batch_tokens) as usize,
            batch_tokens,
            ranks,
            // vLLM and SGLang take memory as sequences grow and preempt when it runs out; the others take it at once.
            reserve: !matches!(setup.engine, Engine::Vllm | Engine::Sglang),
            prefix_cache: self.scheduler.prefix_cache,
            prefix_hit: self.prefix_hit,
            named_tokens: self.scheduler.hash_tokens,
            growth: 1.0,
        }
    }

    fn blocks(&self) -> Blocks {
        let setup = &self.compiled.setup;
        let memory = &self.compiled.memory;
        match self.scheduler.kv_tokens {
            Some(tokens) => Blocks::of_tokens(tokens),
            None if !setup.hardware.memory_known => Blocks::unbounded(),
            None => {
                let bytes = memory.free() * setup.layout.dp as f64;
                Blocks::of_memory(bytes, memory.cache_per_token, memory.cache_fixed)
            }
        }
    }
}
