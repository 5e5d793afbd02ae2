//! The prefix cache of one engine: blocks of prompts by their hash, kept after use until memory is needed (LRU).
//!
//! An answer stays in the cache too, but a trace names the blocks of prompts alone. So those of an answer are kept under
//! names made of the block before them, until the next turn of the conversation comes and tells theirs. Who continues
//! a prompt that nobody else has continued, by at least the answer's length, is taken for that next turn.

use std::collections::HashMap;

/// No neighbour.
const NONE: u32 = u32::MAX;

/// Known blocks. Those in use are counted by their users; the others form a list, the oldest first.
#[derive(Debug, Clone)]
pub struct Prefix {
    known: HashMap<u64, u32>,
    entries: Vec<Entry>,
    vacant: Vec<u32>,
    oldest: u32,
    newest: u32,
    idle: u64,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    hash: u64,
    users: u32,
    /// Requests that have used it so far, up to two.
    seen: u8,
    /// Blocks of an answer that follow it.
    answer: u32,
    older: u32,
    newer: u32,
}

impl Entry {
    const fn new(hash: u64, users: u32) -> Self {
        Self { hash, users, seen: if users > 0 { 1 } else { 0 }, answer: 0, older: NONE, newer: NONE }
    }
}

impl Default for Prefix {
    fn default() -> Self {
        let (known, entries, vacant) = (HashMap::new(), Vec::new(), Vec::new());
        Self { known, entries, vacant, oldest: NONE, newest: NONE, idle: 0 }
    }
}

impl Prefix {
    /// How many of the leading blocks are known, those of the answer of the turn before among them.
    pub fn matched(&self, hashes: &[u64]) -> usize {
        let named = hashes.iter().take_while(|h| self.known.contains_key(h)).count();
        let (before, after) = hashes.split_at(named);
        let Some(last) = before.last() else { return 0 };
        let answer = self.answer_to(*last, after.len());
        named + (0..answer).take_while(|n| self.known.contains_key(&follows(*last, *n))).count()
    }

    /// Blocks of the answer after a prompt that ends with a block, where `more` blocks can be its next turn.
    fn answer_to(&self, last: u64, more: usize) -> u32 {
        let entry = self.known.get(&last).map(|at| self.entries[*at as usize]);
        entry.filter(|e| e.seen <= 1 && e.answer as usize <= more).map_or(0, |e| e.answer)
    }

    /// An answer fills `count` blocks after a prompt whose last full block is `last`; nobody uses them from here on.
    pub fn answered(&mut self, last: u64, count: u32) {
        let Some(&at) = self.known.get(&last) else { return };
        let entry = &mut self.entries[at as usize];
        if entry.seen > 1 || entry.answer > 0 {
            return;
        }
        entry.answer = count;
        // The last of them are the first to be dropped.
        for n in (0..count).rev() {
            let at = self.enter(Entry::new(follows(last, n), 0));
            self.link(at);
        }
    }

    /// How many of these blocks nobody uses yet: the memory a user of all of them adds.
    pub fn unused(&self, hashes: &[u64]) -> u64 {
        let used = |h: &&u64| self.known.get(*h).is_some_and(|at| self.entries[*at as usize].users > 0);
        (hashes.len() - hashes.iter().filter(used).count()) as u64
    }

    /// A request uses these blocks; unknown ones become known. Returns how many nobody used before.
    pub fn acquire(&mut self, hashes: &[u64]) -> u64 {
        self.name_answer(hashes);
        let mut more = 0;
        for &hash in hashes {
            match self.known.get(&hash).copied() {
                Some(at) => {
                    if self.entries[at as usize].users == 0 {
                        self.unlink(at);
                        more += 1;
                    }
                    let entry = &mut self.entries[at as usize];
                    entry.users += 1;
                    entry.seen = (entry.seen + 1).min(2);
                }
                None => {
                    more += 1;
                    self.enter(Entry::new(hash, 1));
                }
            }
        }
        more
    }

    /// The next turn tells the names of the blocks that the answer before it filled.
    fn name_answer(&mut self, hashes: &[u64]) {
        let named = hashes.iter().take_while(|h| self.known.contains_key(h)).count();
        let (before, after) = hashes.split_at(named);
        let Some(last) = before.last() else { return };
        for n in 0..self.answer_to(*last, after.len()) {
            // A name may come twice in a prompt.
            let name = after[n as usize];
            if self.known.contains_key(&name) {
                return;
            }
            let Some(at) = self.known.remove(&follows(*last, n)) else { return };
            self.entries[at as usize].hash = name;
            self.known.insert(name, at);
        }
    }

    fn enter(&mut self, entry: Entry) -> u32 {
        let at = self.vacant.pop().unwrap_or(self.entries.len() as u32);
        if at as usize == self.entries.len() {
            self.entries.push(entry);
        } else {
            self.entries[at as usize] = entry;
        }
        self.known.insert(entry.hash, at);
        at
    }

    /// A request no longer uses these blocks. Returns how many nobody uses any more. The last of a prompt is the
    /// first to be dropped: a prefix is of no use without what precedes it.
    pub fn release(&mut self, hashes: &[u64]) -> u64 {
        let mut left = 0;
        for hash in hashes.iter().rev() {
            let Some(&at) = self.known.get(hash) else { continue };
            let entry = &mut self.entries[at as usize];
            entry.users -= 1;
            if entry.users == 0 {
                self.link(at);
                left += 1;
            }
        }
        left
    }

    /// Blocks kept without a user.
    pub const fn idle(&self) -> u64 {
        self.idle
    }

    /// Drops the oldest blocks without a user until at most `most` are left.
    pub fn shrink(&mut self, most: u64) {
        while self.idle > most {
            let at = self.oldest;
            self.unlink(at);
            self.known.remove(&self.entries[at as usize].hash);
            self.vacant.push(at);
        }
    }

    fn link(&mut self, at: u32) {
        let before = self.newest;
        self.entries[at as usize].older = before;
        self.entries[at as usize].newer = NONE;
        match before {
            NONE => self.oldest = at,
            _ => self.entries[before as usize].newer = at,
        }
        self.newest = at;
        self.idle += 1;
    }

    fn unlink(&mut self, at: u32) {
        let Entry { older, newer, .. } = self.entries[at as usize];
        match older {
            NONE => self.oldest = newer,
            _ => self.entries[older as usize].newer = newer,
        }
        match newer {
            NONE => self.newest = older,
            _ => self.entries[newer as usize].older = older,
        }
        self.idle -= 1;
    }
}

/// The name of the n-th block of an answer, made of that of the block before it (the finaliser of SplitMix64, Steele et
/// al. 2014): as unlikely to meet another one as a hash of the trace is.
const fn follows(last: u64, n: u32) -> u64 {
    let mut z = last.wrapping_add((n as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)) ^ 0x5bf0_3635;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_unused_block_goes_first_and_used_ones_stay() {
        let mut cache = Prefix::default();
        cache.acquire(&[1, 2, 3]);
        assert_eq!(cache.acquire(&[1, 2, 9]), 1);
        assert_eq!(cache.unused(&[1, 2, 3, 4]), 1);
        assert_eq!(cache.release(&[1, 2, 3]), 1);
        assert_eq!(cache.matched(&[1, 2, 3, 4]), 3);
        assert_eq!(cache.release(&[1, 2, 9]), 3);
        cache.shrink(2);
        // 3 was released first, then 9, 2 and 1 in this order.
        assert_eq!((cache.matched(&[1, 2, 3]), cache.matched(&[9]), cache.idle()), (2, 0, 2));
        // A name that comes twice is one block, taken and given once.
        assert_eq!((cache.acquire(&[1, 7, 7]), cache.release(&[7, 7])), (2, 1));
        cache.shrink(0);
        assert_eq!((cache.matched(&[1, 2]), cache.idle()), (1, 0));
    }

    #[test]
    fn the_next_turn_finds_the_answer_before_it_and_nobody_else_does() {
        let mut cache = Prefix::default();
        cache.acquire(&[1, 2]);
        cache.answered(2, 2);
        cache.release(&[1, 2]);
        assert_eq!((cache.matched(&[1, 2, 3, 4, 5]), cache.idle()), (4, 4));
        // Shorter than the answer: it cannot hold it.
        assert_eq!(cache.matched(&[1, 2, 3]), 2);
        // The blocks take the names of the turn and are its own: one more than the four is new.
        assert_eq!((cache.acquire(&[1, 2, 3, 4, 5]), cache.idle()), (5, 0));
        assert_eq!(cache.release(&[1, 2, 3, 4, 5]), 5);
        assert_eq!((cache.matched(&[1, 2, 3, 4, 9]), cache.matched(&[1, 2, 8, 9])), (4, 2));
        // A start that many share says nothing of whose answer follows.
        cache.acquire(&[1, 2]);
        cache.answered(2, 1);
        assert_eq!(cache.matched(&[1, 2, 7]), 2);
        // Answers are dropped from their end, before the prompt.
        let mut cache = Prefix::default();
        cache.acquire(&[1]);
        cache.answered(1, 3);
        cache.release(&[1]);
        cache.shrink(3);
        assert_eq!(cache.matched(&[1, 2, 3, 4, 5]), 3);
    }
}
