//! One engine: iteration-level continuous batching over paged memory, in stretches instead of iterations.
//!
//! A step computes prompt chunks, decodes, or both. While nothing but decoding goes on, all iterations up to the next
//! completion or block shortage are one stretch; an arrival that can be admitted cuts it at the end of the iteration
//! it falls into.

mod holding;
mod prompts;
mod rules;

use super::batch::{Batch, Member};
use super::blocks::Blocks;
use super::prefix::Prefix;
use super::request::Flights;
use super::table::Steps;
use super::tally::{Slice, Tally};
pub use rules::{Policy, Role, Rules};
use std::collections::VecDeque;

/// What an engine is doing.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Work {
    Idle,
    /// One step with prompt chunks; the batch decodes along or waits.
    Chunks {
        start: f64,
        decodes: bool,
        lag: f64,
    },
    /// Decode steps.
    Stretch {
        start: f64,
        context: f64,
        steps: u64,
    },
}

/// What became of a request when a step ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outcome {
    /// All its tokens are there.
    Finished,
    /// The prompt is computed; another pool decodes.
    Handed,
}

/// An engine with its queue.
#[derive(Debug, Clone)]
pub struct Replica {
    index: u32,
    rules: Rules,
    waiting: VecDeque<u32>,
    prompts: VecDeque<u32>,
    batch: Batch,
    blocks: Blocks,
    prefix: Prefix,
    work: Work,
    /// Chunks of the step: slot and tokens.
    chunks: Vec<(u32, u32)>,
    /// Time that decoding sequences have waited for prompts, and how many of them.
    stall: (f64, usize),
    /// Requests that waited for memory or a place when the step was planned.
    refused: usize,
}

impl Replica {
    /// An idle engine.
    pub fn new(index: u32, rules: Rules, blocks: Blocks) -> Self {
        Self {
            index,
            batch: Batch::new(rules.growth),
            rules,
            waiting: VecDeque::new(),
            prompts: VecDeque::new(),
            blocks,
            prefix: Prefix::default(),
            work: Work::Idle,
            chunks: Vec::new(),
            stall: (0.0, 0),
            refused: 0,
        }
    }

    /// Requests queued or running here.
    pub fn load(&self) -> usize {
        self.waiting.len() + self.prompts.len() + self.batch.len()
    }

    /// Requests that wait for admission.
    pub fn queued(&self) -> usize {
        self.waiting.len()
    }

    /// Blocks of its cache, where they are known.
    pub const fn blocks(&self) -> Option<u64> {
        self.blocks.total()
    }

    /// Leading blocks of a prompt that are in its cache.
    pub fn matched(&self, names: &[u64]) -> usize {
        self.prefix.matched(names)
    }

    /// Whether a request could ever run here.
    pub fn could_hold(&self, input: u32, output: u32) -> bool {
        self.blocks.could_hold(self.blocks.need(u64::from(input) + u64::from(output)))
    }

    /// A request queues up. Returns whether the engine is idle and has to be woken.
    pub fn enqueue(&mut self, slot: u32) -> bool {
        self.waiting.push_back(slot);
        self.work == Work::Idle
    }

    /// An arrival at `now` cuts a stretch of decode steps if it can be admitted: the new end, s.
    pub fn interrupt(&mut self, now: f64, flights: &Flights, steps: &mut Steps) -> Option<f64> {
        let Work::Stretch { start, context, steps: all } = self.work else { return None };
        if self.waiting.len() != 1 || !self.admissible(self.waiting[0], flights) {
            return None;
        }
        let (size, growth) = (self.batch.len(), self.batch.growth());
        let mut end = |n: u64| start + steps.stretch(size, context, growth, n);
        let (mut low, mut high) = (0, all);
        let mut until = end(all);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            let there = end(middle);
            if there >= now {
                (high, until) = (middle, there);
            } else {
                low = middle;
            }
        }
        self.work = Work::Stretch { start, context, steps: high };
        (high < all).then_some(until)
    }

    /// Plans what comes next. Returns when it ends, s; `None` with nothing to do.
    pub fn begin(&mut self, now: f64, flights: &mut Flights, steps: &mut Steps, tally: &mut Tally) -> Option<f64> {
        self.make_room(now, flights, tally);
        self.chunks.clear();
        self.refused = 0;
        match self.rules.role {
            Role::Decode => self.take_over(now, flights, tally),
            _ => self.admit(now, flights, tally),
        }
        let size = self.batch.len();
        if !self.chunks.is_empty() {
            return Some(now + self.plan_chunks(now, flights, steps, tally));
        }
        if size == 0 {
            self.work = Work::Idle;
            return None;
        }
        let fitting = if self.pages() { self.batch.possible(self.blocks.free()) } else { u64::MAX };
        let count = self.batch.to_completion().min(fitting).max(1);
        let context = self.batch.context();
        self.work = Work::Stretch { start: now, context, steps: count };
        Some(now + steps.stretch(size, context, self.batch.growth(), count))
    }

    /// Ends what was planned; `out` receives every request that is done here, with the time of its last token.
    pub fn complete(
        &mut self,
        now: f64,
        flights: &mut Flights,
        steps: &mut Steps,
        tally: &mut Tally,
        out: &mut Vec<(u32, Outcome, f64)>,
    ) {
        let size = self.batch.len();
        match std::mem::replace(&mut self.work, Work::Idle) {
            Work::Idle => {}
            Work::Stretch { start, context, steps: count } => {
                let before = self.blocks.used();
                self.advance(count);
                let used = 0.5 * (before + self.blocks.used()) as f64;
                tally.worked(&Slice { batch: size, steps: count, used, ..self.slice(start, now) });
                self.gaps(now - start, size, context, count, steps, tally);
                self.leave_done(now, flights, out);
            }
            Work::Chunks { start, decodes, lag } => {
                let prompt_tokens = self.chunks.iter().map(|c| u64::from(c.1)).sum();
                let (seconds, batch) = (now - start, if decodes { size } else { 0 });
                tally.worked(&Slice { batch, prompt_tokens, ..self.slice(start, now) });
                if decodes {
                    self.advance(1);
                    self.gaps(seconds, size, 0.0, 1, steps, tally);
                    self.leave_done(now, flights, out);
                } else if size > 0 {
                    self.stall = (self.stall.0 + seconds, size);
                }
                self.end_chunks(now, lag, flights, out);
            }
        }
        let index = self.index;
        self.batch.tidy(|m| stays(flights, index, m));
    }

    /// One step from `start` to `end` in which nothing decodes.
    fn slice(&self, start: f64, end: f64) -> Slice {
        Slice {
            replica: self.index,
            start,
            seconds: end - start,
            batch: 0,
            prompt_tokens: 0,
            steps: 1,
            used: self.blocks.used() as f64,
            decodes: self.rules.role != Role::Prefill,
            refused: self.refused,
        }
    }

    /// Preempts the newest sequences until every other one can take its next block.
    fn make_room(&mut self, now: f64, flights: &mut Flights, tally: &mut Tally) {
        while self.pages() && self.batch.blocks_started(1) > self.blocks.free() {
            let index = self.index;
            let Some(member) = self.batch.evict(|m| stays(flights, index, m)) else { return };
            let at = member.slot as usize;
            let made = flights.output[at] - (flights.end[at] - self.batch.iteration()) as u32;
            flights.lost_from[at] = self.blocks.taken() + self.blocks.free();
            self.drop_memory(member.slot, flights);
            flights.made[at] = made;
            flights.target[at] = flights.input[at] + made;
            flights.ready[at] = 0;
            flights.preemptions[at] += 1;
            self.waiting.push_front(member.slot);
            tally.preempted(now);
        }
    }

    fn join(&mut self, slot: u32, flights: &mut Flights) {
        let at = slot as usize;
        let further = u64::from(flights.output[at] - flights.made[at]);
        flights.joined[at] = self.batch.iteration();
        (flights.stay[at], flights.end[at]) = self.batch.join(slot, u64::from(flights.target[at]), further);
    }

    /// Times between tokens: those of a stretch at its mean, the first one with what was waited for prompts.
    fn gaps(&mut self, seconds: f64, size: usize, context: f64, count: u64, steps: &mut Steps, tally: &mut Tally) {
        let (stall, stalled) = std::mem::take(&mut self.stall);
        let mean = seconds / count as f64;
        if stall == 0.0 {
            tally.gap(mean, size as u64 * count);
            return;
        }
        let first = if count > 1 { steps.decode(size, context) } else { mean };
        let stalled = stalled.min(size);
        tally.gap(stall + first, stalled as u64);
        tally.gap(mean, size as u64 * count - stalled as u64);
    }

    fn leave_done(&mut self, now: f64, flights: &mut Flights, out: &mut Vec<(u32, Outcome, f64)>) {
        while let Some(member) = self.batch.done() {
            self.keep_answer(member.slot, flights);
            self.drop_memory(member.slot, flights);
            out.push((member.slot, Outcome::Finished, now));
        }
    }
}

/// Whether a member is still in the batch of an engine: slots are used again, by other engines too.
fn stays(flights: &Flights, replica: u32, member: Member) -> bool {
    let at = member.slot as usize;
    flights.stay[at] == member.stay && flights.replica[at] == replica
}
