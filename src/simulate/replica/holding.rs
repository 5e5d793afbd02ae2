//! What an engine holds in memory: blocks of sequences, own and shared, and what its prefix cache keeps.

use super::{Replica, Role};
use crate::simulate::blocks::BLOCK_TOKENS;
use crate::simulate::request::Flights;

impl Replica {
    /// Memory is taken as sequences grow.
    pub(super) fn pages(&self) -> bool {
        self.blocks.grows() && !self.rules.reserve
    }

    /// Blocks of a prompt that carry names, as far as they are full.
    pub(super) fn names<'a>(&self, slot: u32, flights: &'a Flights) -> &'a [u64] {
        if !self.rules.prefix_cache || self.rules.role == Role::Decode {
            return &[];
        }
        let names = &flights.blocks[slot as usize];
        let full = u64::from(flights.input[slot as usize]) / self.rules.named_tokens;
        &names[..names.len().min(full as usize)]
    }

    /// Own and shared blocks a request needs to be admitted.
    pub(super) fn needs(&self, slot: u32, flights: &Flights) -> (u64, u64) {
        let at = slot as usize;
        let rest = if self.rules.reserve { u64::from(flights.output[at] - flights.made[at]) } else { 0 };
        let names = self.names(slot, flights);
        let shared = self.blocks.need_shared(self.rules.named_tokens);
        let all = self.blocks.need(u64::from(flights.target[at]) + rest);
        let own = all.saturating_sub(names.len() as u64 * shared);
        (own, self.prefix.unused(names) * shared)
    }

    pub(super) fn admissible(&self, slot: u32, flights: &Flights) -> bool {
        if self.batch.len() + self.prompts.len() >= self.rules.max_sequences {
            return false;
        }
        let (own, shared) = self.needs(slot, flights);
        // What decodes along starts its next blocks in the same step.
        let next = if self.pages() { self.batch.blocks_started(1) } else { 0 };
        own + shared + next <= self.blocks.free()
    }

    /// Tokens of a prompt that are in the cache; the last one is always computed.
    pub(super) fn found(&self, slot: u32, flights: &Flights) -> u32 {
        let at = slot as usize;
        let names = self.names(slot, flights);
        let tokens = if names.is_empty() {
            (f64::from(flights.input[at]) * self.rules.prefix_hit) as u32
        } else {
            (self.prefix.matched(names) as u64 * self.rules.named_tokens) as u32
        };
        let tokens = tokens.max(self.survived(slot, flights));
        tokens.min(flights.target[at] - 1)
    }

    /// Tokens of a preempted sequence whose blocks nobody has written over: the prefix cache keeps them. The last of
    /// them are the first to go.
    pub(super) fn survived(&self, slot: u32, flights: &Flights) -> u32 {
        let at = slot as usize;
        if flights.preemptions[at] == 0 || !self.rules.prefix_cache {
            return 0;
        }
        let full = u64::from(flights.target[at] - 1) / BLOCK_TOKENS;
        let lost = self.blocks.taken().saturating_sub(flights.lost_from[at]);
        (full.saturating_sub(lost) * BLOCK_TOKENS) as u32
    }

    pub(super) fn hold(&mut self, slot: u32, flights: &mut Flights) {
        let (own, _) = self.needs(slot, flights);
        let more = self.prefix.acquire(self.names(slot, flights));
        self.blocks.take(own + more * self.blocks.need_shared(self.rules.named_tokens));
        flights.held[slot as usize] = own as u32;
        flights.replica[slot as usize] = self.index;
        self.shrink_cache();
    }

    /// Memory of a sequence that leaves the batch, with what it grew by.
    pub(super) fn drop_memory(&mut self, slot: u32, flights: &mut Flights) {
        let at = slot as usize;
        let (joined, cached) = (flights.joined[at], u64::from(flights.target[at]));
        let mut blocks = u64::from(flights.held[at]);
        if self.pages() {
            let gained = self.batch.iteration() - joined;
            blocks += self.blocks.need_shared(cached + gained) - self.blocks.need_shared(cached);
        }
        self.batch.forget(joined, cached);
        flights.stay[at] = 0;
        self.give(slot, blocks, flights);
    }

    pub(super) fn give(&mut self, slot: u32, own: u64, flights: &Flights) {
        let unused = self.prefix.release(self.names(slot, flights));
        self.blocks.give(own + unused * self.blocks.need_shared(self.rules.named_tokens));
    }

    /// A finished answer stays in the cache behind its prompt, but for its last token, which nobody has read.
    pub(super) fn keep_answer(&mut self, slot: u32, flights: &Flights) {
        let at = slot as usize;
        let names = self.names(slot, flights);
        let Some(last) = names.last() else { return };
        let cached = u64::from(flights.input[at]) + u64::from(flights.output[at]) - 1;
        let filled = (cached / self.rules.named_tokens).saturating_sub(names.len() as u64);
        self.prefix.answered(*last, filled as u32);
    }

    /// Cached blocks without a user have what nobody else needs.
    pub(super) fn shrink_cache(&mut self) {
        if self.prefix.idle() > 0 {
            let each = self.blocks.need_shared(self.rules.named_tokens).max(1);
            self.prefix.shrink(self.blocks.free() / each);
        }
    }

    /// Iterations pass, and sequences take the blocks they start.
    pub(super) fn advance(&mut self, iterations: u64) {
        if self.pages() {
            self.blocks.take(self.batch.blocks_started(iterations));
            self.shrink_cache();
        }
        self.batch.advance(iterations);
    }
}
