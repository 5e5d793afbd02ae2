//! A run over time in few pieces of equal length, however long it is.
//!
//! What happens is added to the piece it falls into. When time runs past the last piece, pairs of pieces become one:
//! the number of pieces stays between half of [`MOST`] and all of it, and nothing is remembered but the sums.

/// Most pieces of a run.
pub const MOST: usize = 200;

/// Length of the first pieces, s: a power of two, so that doubled lengths stay exact.
const FIRST: f64 = 1.0 / 1024.0;

/// What goes on at a moment, or its integral over a piece of time.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Levels {
    /// Sequences that decode, over all engines.
    pub decoding: f64,
    /// Requests that wait for admission.
    pub waiting: f64,
    /// Blocks of cache in use, over all engines.
    pub blocks: f64,
}

impl Levels {
    const fn add(&mut self, other: Self, times: f64) {
        self.decoding += other.decoding * times;
        self.waiting += other.waiting * times;
        self.blocks += other.blocks * times;
    }

    fn merged(mut self, other: Self) -> Self {
        self.add(other, 1.0);
        self
    }
}

/// Sums over pieces of time.
#[derive(Debug, Clone)]
pub struct Timeline {
    length: f64,
    /// Pieces a second: exact, since the length is a power of two.
    rate: f64,
    pieces: Vec<Levels>,
}

impl Default for Timeline {
    fn default() -> Self {
        Self { length: FIRST, rate: 1.0 / FIRST, pieces: vec![Levels::default(); MOST] }
    }
}

impl Timeline {
    /// These levels held from `start` for `seconds`.
    pub fn add(&mut self, start: f64, seconds: f64, levels: Levels) {
        let end = start + seconds;
        while end >= self.length * MOST as f64 {
            self.halve();
        }
        let first = (start * self.rate) as usize;
        let last = (end * self.rate) as usize;
        if first == last {
            self.pieces[first].add(levels, seconds);
            return;
        }
        for (at, piece) in self.pieces.iter_mut().enumerate().take(last + 1).skip(first) {
            let from = start.max(at as f64 * self.length);
            let to = end.min((at + 1) as f64 * self.length);
            piece.add(levels, to - from);
        }
    }

    /// Every pair of pieces becomes one of twice the length.
    #[cold]
    fn halve(&mut self) {
        for at in 0..MOST {
            let [first, second] = [2 * at, 2 * at + 1].map(|i| self.pieces.get(i).copied().unwrap_or_default());
            self.pieces[at] = first.merged(second);
        }
        self.length *= 2.0;
        self.rate /= 2.0;
    }

    /// Start and length of every piece until `until`, s, with the mean levels over it.
    pub fn means(&self, until: f64) -> impl Iterator<Item = (f64, f64, Levels)> {
        self.pieces.iter().enumerate().map_while(move |(at, sums)| {
            let start = at as f64 * self.length;
            let length = self.length.min(until - start);
            let mut mean = Levels::default();
            mean.add(*sums, 1.0 / length);
            (length > 0.0).then_some((start, length, mean))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever falls where, the pieces hold all of it, none is longer than the run, and there are enough of them.
        #[test]
        fn pieces_sum_to_the_whole(spans in prop::collection::vec((0.0..1e4f64, 0.0..500.0f64, 0.0..300.0f64), 1..50)) {
            let mut line = Timeline::default();
            let (mut sum, mut end) = (0.0, 0f64);
            for (start, seconds, decoding) in spans {
                line.add(start, seconds, Levels { decoding, ..Levels::default() });
                sum += seconds * decoding;
                end = end.max(start + seconds);
            }
            prop_assume!(end > 1.0);
            let means: Vec<_> = line.means(end).collect();
            let held: f64 = means.iter().map(|(_, length, mean)| length * mean.decoding).sum();
            prop_assert!((held - sum).abs() <= 1e-9 * sum.max(1.0), "{} against {}", held, sum);
            prop_assert!(means.len() > MOST / 2 - 1 && means.len() <= MOST, "{} pieces", means.len());
        }
    }

    #[test]
    fn a_level_is_found_where_it_was() {
        let mut line = Timeline::default();
        line.add(10.0, 10.0, Levels { waiting: 4.0, ..Levels::default() });
        line.add(30.0, 10.0, Levels { blocks: 8.0, ..Levels::default() });
        for (start, length, mean) in line.means(40.0) {
            let share = |from: f64, to: f64| ((start + length).min(to) - start.max(from)).max(0.0) / length;
            assert!((mean.waiting - 4.0 * share(10.0, 20.0)).abs() < 1e-9, "{start}: {mean:?}");
            assert!((mean.blocks - 8.0 * share(30.0, 40.0)).abs() < 1e-9, "{start}: {mean:?}");
        }
    }
}
