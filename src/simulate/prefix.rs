//! The prefix cache of one engine: blocks of prompts by their hash, kept after use until memory is needed (LRU).

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
    older: u32,
    newer: u32,
}

impl Default for Prefix {
    fn default() -> Self {
        let (known, entries, vacant) = (HashMap::new(), Vec::new(), Vec::new());
        Self { known, entries, vacant, oldest: NONE, newest: NONE, idle: 0 }
    }
}

impl Prefix {
    /// How many of the leading blocks are known.
    pub fn matched(&self, hashes: &[u64]) -> usize {
        hashes.iter().take_while(|h| self.known.contains_key(h)).count()
    }

    /// How many of these blocks nobody uses yet: the memory a user of all of them adds.
    pub fn unused(&self, hashes: &[u64]) -> u64 {
        let used = |h: &&u64| self.known.get(*h).is_some_and(|at| self.entries[*at as usize].users > 0);
        (hashes.len() - hashes.iter().filter(used).count()) as u64
    }

    /// A request uses these blocks; unknown ones become known. Returns how many nobody used before.
    pub fn acquire(&mut self, hashes: &[u64]) -> u64 {
        let mut more = 0;
        for &hash in hashes {
            match self.known.get(&hash).copied() {
                Some(at) => {
                    if self.entries[at as usize].users == 0 {
                        self.unlink(at);
                        more += 1;
                    }
                    self.entries[at as usize].users += 1;
                }
                None => {
                    more += 1;
                    let entry = Entry { hash, users: 1, older: NONE, newer: NONE };
                    let at = self.vacant.pop().unwrap_or(self.entries.len() as u32);
                    if at as usize == self.entries.len() {
                        self.entries.push(entry);
                    } else {
                        self.entries[at as usize] = entry;
                    }
                    self.known.insert(hash, at);
                }
            }
        }
        more
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
}
