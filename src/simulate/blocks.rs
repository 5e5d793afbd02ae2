//! Memory of the KV cache in blocks: how many there are, how many a sequence needs, when the next ones are needed.

/// Tokens of a block, as vLLM and SGLang page the cache.
pub const BLOCK_TOKENS: u64 = 16;

/// The blocks of one instance, its data-parallel ranks together.
#[derive(Debug, Clone)]
pub struct Blocks {
    /// All blocks; `None` where the memory of the device is not known, so that nothing is refused.
    total: Option<u64>,
    used: u64,
    /// Blocks ever taken.
    taken: u64,
    /// Blocks a sequence takes whatever its length: recurrent states, full windows.
    fixed: u64,
    /// The cache grows with the sequence.
    grows: bool,
}

impl Blocks {
    /// Blocks for `tokens` tokens in all.
    pub const fn of_tokens(tokens: u64) -> Self {
        Self { total: Some(tokens / BLOCK_TOKENS), used: 0, taken: 0, fixed: 0, grows: true }
    }

    /// Memory without a bound.
    pub const fn unbounded() -> Self {
        Self { total: None, used: 0, taken: 0, fixed: 0, grows: true }
    }

    /// Blocks of `bytes` of memory, where a cached token takes `per_token` and a sequence `fixed` bytes on top.
    pub fn of_memory(bytes: f64, per_token: f64, fixed: f64) -> Self {
        let bytes = bytes.max(0.0);
        if per_token > 0.0 {
            let block = per_token * BLOCK_TOKENS as f64;
            let total = Some((bytes / block) as u64);
            return Self { total, used: 0, taken: 0, fixed: (fixed / block).ceil() as u64, grows: true };
        }
        let total = (fixed > 0.0).then(|| (bytes / fixed) as u64);
        Self { total, used: 0, taken: 0, fixed: 1, grows: false }
    }

    /// Blocks of a sequence of this many cached tokens.
    pub const fn need(&self, tokens: u64) -> u64 {
        self.fixed + self.need_shared(tokens)
    }

    /// Blocks of this many tokens alone, which sequences may share.
    pub const fn need_shared(&self, tokens: u64) -> u64 {
        if self.grows { tokens.div_ceil(BLOCK_TOKENS) } else { 0 }
    }

    /// Whether sequences take more blocks as they grow.
    pub const fn grows(&self) -> bool {
        self.grows
    }

    /// Whether so many blocks exist at all.
    pub fn could_hold(&self, blocks: u64) -> bool {
        self.total.is_none_or(|total| blocks <= total)
    }

    /// Blocks not in use.
    pub fn free(&self) -> u64 {
        self.total.map_or(u64::MAX, |total| total.saturating_sub(self.used))
    }

    /// Blocks in use.
    pub const fn used(&self) -> u64 {
        self.used
    }

    /// All blocks, where they are known.
    pub const fn total(&self) -> Option<u64> {
        self.total
    }

    /// Blocks ever taken: free blocks are taken in the order they became free, so that this is a clock for what is
    /// left in them.
    pub const fn taken(&self) -> u64 {
        self.taken
    }

    /// Takes blocks that are free.
    pub fn take(&mut self, blocks: u64) {
        self.used += blocks;
        self.taken += blocks;
        debug_assert!(self.total.is_none_or(|total| self.used <= total));
    }

    /// Gives blocks back.
    pub fn give(&mut self, blocks: u64) {
        debug_assert!(blocks <= self.used);
        self.used -= blocks;
    }
}

/// How many sequences start a new block in which iteration: one count for each position in a block.
///
/// Every sequence writes one token an iteration, so the iterations in which it starts a block are 16 apart.
#[derive(Debug, Clone, Default)]
pub struct Boundaries {
    counts: [u32; BLOCK_TOKENS as usize],
    sequences: u64,
}

impl Boundaries {
    fn phase(iteration: u64, cached: u64) -> usize {
        // The first iteration from here on in which the cached tokens fill their blocks.
        ((iteration + BLOCK_TOKENS - cached % BLOCK_TOKENS) % BLOCK_TOKENS) as usize
    }

    /// A sequence with `cached` tokens decodes from `iteration` on.
    pub fn join(&mut self, iteration: u64, cached: u64) {
        self.counts[Self::phase(iteration, cached)] += 1;
        self.sequences += 1;
    }

    /// It leaves; the arguments may be of any iteration it was in.
    pub fn leave(&mut self, iteration: u64, cached: u64) {
        self.counts[Self::phase(iteration, cached)] -= 1;
        self.sequences -= 1;
    }

    /// Blocks that `iterations` iterations from `iteration` on start.
    pub fn started(&self, iteration: u64, iterations: u64) -> u64 {
        let rounds = iterations / BLOCK_TOKENS;
        let rest = iterations % BLOCK_TOKENS;
        let at = |i: u64| u64::from(self.counts[((iteration + i) % BLOCK_TOKENS) as usize]);
        rounds * self.sequences + (0..rest).map(at).sum::<u64>()
    }

    /// Iterations from `iteration` on that start at most `free` blocks.
    pub fn possible(&self, iteration: u64, free: u64) -> u64 {
        if self.sequences == 0 || free == u64::MAX {
            return u64::MAX;
        }
        let rounds = free / self.sequences;
        let mut left = free % self.sequences;
        for i in 0..BLOCK_TOKENS {
            let next = u64::from(self.counts[((iteration + i) % BLOCK_TOKENS) as usize]);
            if next > left {
                return rounds * BLOCK_TOKENS + i;
            }
            left -= next;
        }
        (rounds + 1) * BLOCK_TOKENS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Counting by phase is counting one by one.
        #[test]
        fn boundaries_are_those_of_every_sequence(
            cached in prop::collection::vec(0u64..100, 1..20), from in 0u64..50, iterations in 0u64..100, free in 0u64..200
        ) {
            let mut all = Boundaries::default();
            cached.iter().for_each(|c| all.join(from, *c));
            let slow = |n: u64| -> u64 { cached.iter().map(|c| (*c..c + n).filter(|t| t % BLOCK_TOKENS == 0).count() as u64).sum() };
            prop_assert_eq!(all.started(from, iterations), slow(iterations));
            let possible = all.possible(from, free);
            prop_assert!(slow(possible) <= free && slow(possible + 1) > free);
        }
    }
}
