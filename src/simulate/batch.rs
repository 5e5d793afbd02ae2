//! The decoding sequences of an engine. All of them advance together, so that nothing is done per token.
//!
//! A sequence is known by the iteration it will finish in, the mean context by a sum that grows with the iterations.

use super::blocks::Boundaries;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A sequence in the batch: a slot of the flight table, and which of its stays this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    /// Slot of the request.
    pub slot: u32,
    /// Counts the joins of all sequences, so that a stale entry is told from a new stay.
    pub stay: u32,
}

/// Decoding sequences.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Iterations done.
    iteration: u64,
    /// By the iteration after which they are done.
    finish: BinaryHeap<Reverse<(u64, Member)>>,
    /// In the order they joined, the newest last; entries of those that left are dropped late.
    order: Vec<Member>,
    size: usize,
    /// Sum over sequences of their context less what they gained since iteration 0.
    contexts: f64,
    boundaries: Boundaries,
    /// Tokens a sequence gains an iteration.
    growth: f64,
    stays: u32,
}

impl Batch {
    /// An empty batch whose sequences gain `growth` tokens an iteration: 1 without speculation.
    pub fn new(growth: f64) -> Self {
        Self {
            iteration: 0,
            finish: BinaryHeap::new(),
            order: Vec::new(),
            size: 0,
            contexts: 0.0,
            boundaries: Boundaries::default(),
            growth,
            stays: 0,
        }
    }

    /// Sequences in it.
    pub const fn len(&self) -> usize {
        self.size
    }

    /// Whether nothing decodes.
    pub const fn is_empty(&self) -> bool {
        self.size == 0
    }

    /// Tokens a sequence gains an iteration.
    pub const fn growth(&self) -> f64 {
        self.growth
    }

    /// Mean cached tokens of a sequence.
    pub fn context(&self) -> f64 {
        if self.size == 0 {
            return 0.0;
        }
        self.contexts / self.size as f64 + self.growth * self.iteration as f64
    }

    /// Iterations until the next sequence is done.
    pub fn to_completion(&self) -> u64 {
        self.finish.peek().map_or(u64::MAX, |Reverse((at, _))| at - self.iteration)
    }

    /// A sequence with `cached` tokens joins for `tokens` more. Returns its stay and the iteration it ends after.
    pub fn join(&mut self, slot: u32, cached: u64, tokens: u64) -> (u32, u64) {
        self.stays = self.stays.wrapping_add(1);
        let member = Member { slot, stay: self.stays };
        let iterations = (tokens as f64 / self.growth).ceil().max(1.0) as u64;
        let end = self.iteration + iterations;
        self.finish.push(Reverse((end, member)));
        self.order.push(member);
        self.size += 1;
        self.contexts += cached as f64 - self.growth * self.iteration as f64;
        self.boundaries.join(self.iteration, cached);
        (member.stay, end)
    }

    /// Iterations pass.
    pub const fn advance(&mut self, iterations: u64) {
        self.iteration += iterations;
    }

    /// The next sequence that is done, if any.
    pub fn done(&mut self) -> Option<Member> {
        match self.finish.peek() {
            Some(Reverse((at, member))) if *at <= self.iteration => {
                let member = *member;
                self.finish.pop();
                Some(member)
            }
            _ => None,
        }
    }

    /// A sequence that joined with `cached` tokens in iteration `joined` is gone.
    pub fn forget(&mut self, joined: u64, cached: u64) {
        self.size -= 1;
        self.contexts -= cached as f64 - self.growth * joined as f64;
        self.boundaries.leave(joined, cached);
        if self.size == 0 {
            self.contexts = 0.0;
        }
    }

    /// The newest sequence for which `stays` says it is still in; it is taken out of the order and of the heap.
    pub fn evict(&mut self, mut stays: impl FnMut(Member) -> bool) -> Option<Member> {
        while let Some(member) = self.order.pop() {
            if stays(member) {
                self.finish.retain(|Reverse((_, m))| *m != member);
                return Some(member);
            }
        }
        None
    }

    /// Drops entries of sequences that left, once they outnumber the rest.
    pub fn tidy(&mut self, mut stays: impl FnMut(Member) -> bool) {
        if self.order.len() > 2 * self.size + 64 {
            self.order.retain(|m| stays(*m));
        }
    }

    /// Iterations done so far.
    pub const fn iteration(&self) -> u64 {
        self.iteration
    }

    /// New blocks of the next iterations.
    pub fn blocks_started(&self, iterations: u64) -> u64 {
        self.boundaries.started(self.iteration, iterations)
    }

    /// Iterations that start at most `free` blocks.
    pub fn possible(&self, free: u64) -> u64 {
        self.boundaries.possible(self.iteration, free)
    }
}
