//! Separate pools: some instances read prompts, others write answers, and the caches travel between them.

use super::{Compiled, Loop};
use crate::setup::Load;

/// Tokens a prefill instance reads in one step per data-parallel rank.
pub const STEP_TOKENS: f64 = 8192.0;

/// Iterations after which the batch has settled.
const ITERATIONS: usize = 15;

/// A pool that reads prompts and one that writes answers.
#[derive(Debug, Clone)]
pub struct Pools {
    /// The instances that read prompts.
    pub prefill: Compiled,
    /// The instances that write answers.
    pub decode: Compiled,
}

impl Pools {
    /// Steady state of both pools under a load: the slowest of prompts read, answers written and clients decides.
    ///
    /// The times of [`Loop`] are those of the decode pool; `prompt_s` is a prefill instance's time of one prompt.
    pub fn closed_loop(&self, load: &Load) -> Loop {
        let (readers, writers) = (self.instances(&self.prefill), self.instances(&self.decode));
        let clients = load.concurrency as f64;
        let fresh = (load.input_tokens * (1.0 - load.prefix_hit)).max(1.0);
        let ranks = self.prefill.machine.dp;
        let together = (STEP_TOKENS / fresh).clamp(1.0, (clients / readers).max(1.0)) * ranks;
        let prompt_s = self.prefill.prompt_step(fresh, together) / together;
        let first = self.first_token(load);
        let capacity = self.decode.memory.admits(load.input_tokens, load.output_tokens);
        let context = load.input_tokens + load.output_tokens / 2.0;
        let output = load.output_tokens;

        let mut running = clients / writers * 0.9;
        let (mut step_s, mut rate) = (0.0, 0.0);
        for _ in 0..ITERATIONS {
            step_s = self.decode.decode_step(running, context);
            let token_s = step_s / self.decode.accepted();
            rate = (clients / (first + output * token_s))
                .min(readers / prompt_s)
                .min(writers * capacity / (output * token_s));
            running = 0.5 * (running + (rate * output * token_s / writers).max(0.3));
        }
        let tpot = step_s / self.decode.accepted();
        let saturated = clients / writers > capacity || readers / prompt_s < 0.999 * clients / (first + output * tpot);
        let ttft = (clients / rate - output * tpot).max(first);
        Loop {
            offered: clients,
            admitted: clients.min(capacity * writers),
            running,
            saturated,
            ttft: (!saturated).then_some(ttft),
            tpot,
            requests_per_s: rate,
            prompt_s,
            answer_s: output * tpot / running,
            step_s,
            step: self.decode.decoding(running, context),
        }
    }

    /// Time to the first token where nobody waits for others: a prompt a rank, and the way of its cache, s.
    pub fn first_token(&self, load: &Load) -> f64 {
        let fresh = (load.input_tokens * (1.0 - load.prefix_hit)).max(1.0);
        let read = self.prefill.prompt_step(fresh, self.prefill.machine.dp);
        self.decode.engine.first_s + self.decode.engine.first_scale * (read + self.transfer(load))
    }

    /// Time to move a prompt's cache from one pool to the other over the network of one device's share, s.
    fn transfer(&self, load: &Load) -> f64 {
        let bytes = load.input_tokens * self.decode.memory.cache_per_token + self.decode.memory.cache_fixed;
        self.decode.setup.hardware.sheet.network.map_or(0.0, |network| bytes / network.get())
    }

    fn instances(&self, pool: &Compiled) -> f64 {
        pool.setup.layout.replicas as f64
    }
}
