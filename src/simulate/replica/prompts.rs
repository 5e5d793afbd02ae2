//! From the queue into the batch: admission, prompt chunks, and the step they make.

use super::{Outcome, Policy, Replica, Role, Work};
use crate::simulate::request::Flights;
use crate::simulate::table::{Prompts, Steps};
use crate::simulate::tally::Tally;

impl Replica {
    /// Continues prompts and admits new ones in the order of arrival, as far as the tokens of a step go.
    pub(super) fn admit(&mut self, now: f64, flights: &mut Flights, tally: &mut Tally) {
        let decoding = if self.rules.policy == Policy::Mixed { self.batch.len() as u64 } else { 0 };
        let mut budget = self.rules.batch_tokens.saturating_sub(decoding);
        let most = budget / self.rules.ranks;
        let mut chunk = |slot: u32, flights: &Flights| {
            let left = u64::from(flights.target[slot as usize] - flights.ready[slot as usize]);
            let tokens = left.min(most).min(budget);
            budget -= tokens;
            tokens as u32
        };
        for &slot in &self.prompts {
            match chunk(slot, flights) {
                0 => return,
                tokens => self.chunks.push((slot, tokens)),
            }
        }
        while let Some(&slot) = self.waiting.front() {
            if !self.admissible(slot, flights) {
                self.refused = self.waiting.len();
                return;
            }
            let found = self.found(slot, flights);
            flights.ready[slot as usize] = found;
            let tokens = chunk(slot, flights);
            if tokens == 0 {
                return;
            }
            self.waiting.pop_front();
            self.hold(slot, flights);
            tally.admitted(now, slot, found, flights);
            self.prompts.push_back(slot);
            self.chunks.push((slot, tokens));
        }
    }

    /// A decode pool takes over requests whose prompts another pool has computed.
    pub(super) fn take_over(&mut self, now: f64, flights: &mut Flights, tally: &mut Tally) {
        while let Some(&slot) = self.waiting.front() {
            if !self.admissible(slot, flights) {
                self.refused = self.waiting.len();
                return;
            }
            self.waiting.pop_front();
            self.hold(slot, flights);
            tally.taken_over(now);
            self.join(slot, flights);
        }
    }

    /// Duration of the planned step with prompt chunks.
    pub(super) fn plan_chunks(&mut self, now: f64, flights: &Flights, steps: &mut Steps, tally: &mut Tally) -> f64 {
        let decodes = self.rules.policy == Policy::Mixed && !self.batch.is_empty();
        let size = if decodes { self.batch.len() } else { 0 };
        let (mut tokens, mut pairs, mut overhead) = (0.0, 0.0, 0.0);
        for &(slot, chunk) in &self.chunks {
            let (ready, chunk) = (f64::from(flights.ready[slot as usize]), f64::from(chunk));
            tokens += chunk;
            pairs += chunk * (ready + 0.5 * chunk);
            if ready + chunk >= f64::from(flights.target[slot as usize]) {
                overhead += steps.prompt_overhead(f64::from(flights.target[slot as usize]));
            }
        }
        // The estimate takes prompts of one length: the one past that gives the same attention.
        let count = self.chunks.len() as f64;
        let past = (pairs / tokens - 0.5 * tokens / count).max(0.0);
        let context = self.batch.context();
        let all = steps.mixed(size, context, &Prompts { tokens, past, count });
        let base = if decodes { steps.decode(size, context) } else { 0.0 };
        let added = (all - base).max(0.0);
        // A scheduler that runs ahead shows it to whoever comes while others decode.
        let ahead = if self.batch.is_empty() { 0.0 } else { steps.ahead() * steps.decode(self.batch.len(), context) };
        let lag = added * (1.0 - 1.0 / steps.stages()) + ahead;
        self.work = Work::Chunks { start: now, decodes, lag };
        tally.prompt_s += added / steps.stages() + overhead;
        base + added / steps.stages() + overhead
    }

    /// Prompts that are complete yield their next token, the first one or the one after a preemption.
    pub(super) fn end_chunks(&mut self, now: f64, lag: f64, flights: &mut Flights, out: &mut Vec<(u32, Outcome, f64)>) {
        for (slot, tokens) in std::mem::take(&mut self.chunks) {
            let at = slot as usize;
            flights.ready[at] += tokens;
            if flights.ready[at] < flights.target[at] {
                continue;
            }
            self.prompts.retain(|p| *p != slot);
            flights.made[at] += 1;
            if flights.first[at] < 0.0 {
                (flights.first[at], flights.lag[at]) = (now, lag);
            }
            let over = flights.made[at] >= flights.output[at];
            if over || self.rules.role == Role::Prefill {
                self.give(slot, u64::from(flights.held[at]), flights);
                out.push((slot, if over { Outcome::Finished } else { Outcome::Handed }, now));
            } else {
                self.join(slot, flights);
            }
        }
    }
}
