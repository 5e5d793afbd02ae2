//! What mixing tokens along the sequence takes: which cached entries a token sees, FLOP per pair, bytes in the cache.
//!
//! The one place these are written: a model's own count and the op list of the estimate both ask here, each for the
//! heads it has. Positions count from 1, and a token sees itself; the token after `past` others is taken to see those.

use super::spec::{Core, Indexer, Window};
use crate::precision::Precision;

/// Which cached entries a token sees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span {
    /// Only so many of the latest tokens, or as many of all as an indexer chooses; all without a window.
    pub reach: Option<Window>,
    /// Tokens per cached entry; 1 without compression, infinite where nothing compressed is kept.
    pub ratio: f64,
    /// Raw tokens seen beside compressed entries.
    pub raw: f64,
}

/// Cached entries per token: those an indexer looks through, and those that are attended to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seen {
    /// Entries there are.
    pub scored: f64,
    /// Entries attended to.
    pub attended: f64,
}

impl Span {
    /// Every cached token.
    pub const FULL: Self = Self { reach: None, ratio: 1.0, raw: 0.0 };

    /// What the token after `past` others sees.
    pub fn after(&self, past: f64) -> Seen {
        let reached = match self.reach {
            None => past,
            // A token in the middle of a chunk stands for all: a decode step meets every place of it.
            Some(w) if w.chunked && past > w.tokens as f64 => (w.tokens as f64 + 1.0) / 2.0,
            Some(w) => past.min(w.tokens as f64),
        };
        self.seen(past, reached, past.min(self.raw))
    }

    /// What the `new` tokens after `past` others see, on average.
    pub fn over(&self, past: f64, new: f64) -> Seen {
        let mean = |window: Option<Window>| (sum_to(window, past + new) - sum_to(window, past)) / new;
        let raw = Window { tokens: self.raw as u64, chunked: false };
        self.seen(mean(None), mean(self.reach), if self.raw > 0.0 { mean(Some(raw)) } else { 0.0 })
    }

    fn seen(&self, all: f64, reached: f64, raw: f64) -> Seen {
        Seen { scored: all / self.ratio, attended: reached / self.ratio + raw }
    }
}

/// Tokens that the tokens at positions 1 to `length` see, all together.
fn sum_to(window: Option<Window>, length: f64) -> f64 {
    let triangle = |n: f64| n * (n + 1.0) / 2.0;
    match window {
        Some(w) if length > w.tokens as f64 => {
            let own = w.tokens as f64;
            if w.chunked {
                (length / own).floor() * triangle(own) + triangle(length % own)
            } else {
                triangle(own) + (length - own) * own
            }
        }
        _ => triangle(length),
    }
}

/// What attention computes: FLOP per token and cached entry, a multiply-add counting as two.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mixing {
    /// Heads that ranks share.
    pub heads: u64,
    /// FLOP per head of a decoding token and an entry it attends to.
    pub decode_pair: f64,
    /// The same of a prompt token.
    pub prompt_pair: f64,
    /// FLOP of an indexer for a token and an entry it scores, all index heads; 0 without one.
    pub index_pair: f64,
    /// Values of an index key, one per entry; 0 without an own index.
    pub index_values: u64,
    /// Which entries.
    pub span: Span,
}

impl Mixing {
    /// FLOP of `heads` heads and of the indexer, per token.
    pub const fn flop(&self, pair: f64, heads: f64, seen: Seen) -> f64 {
        pair * heads * seen.attended + self.index_pair * seen.scored
    }
}

/// Bytes a sequence holds in one layer.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Cached {
    /// Per token, without end.
    pub per_token: f64,
    /// Per token, of the latest [`Cached::window`] tokens.
    pub per_windowed: f64,
    /// Tokens of the window.
    pub window: f64,
    /// Whatever the length.
    pub fixed: f64,
}

impl Cached {
    /// What a sequence of a length holds beside [`Cached::fixed`].
    pub fn at(&self, tokens: f64) -> f64 {
        self.per_token * tokens + self.per_windowed * tokens.min(self.window)
    }
}

/// Bytes of a value of an index key: 8 bit whatever the cache is stored in (DeepSeek-V3.2-Exp).
pub const INDEX_BYTES: f64 = Precision::Fp8.bytes();

impl Indexer {
    /// FLOP of scoring one entry.
    const fn pair(self) -> f64 {
        if self.own { 2.0 * (self.heads * self.dim) as f64 } else { 0.0 }
    }

    /// Values its own cache holds per entry.
    const fn values(self) -> u64 {
        if self.own { self.dim } else { 0 }
    }
}

impl Core {
    /// What attention computes; `None` where there is none.
    ///
    /// Latent attention reads a prompt with keys and values expanded per head, nope + rope + v; decoding, and anything
    /// sparse, works on the compressed vector, 2 r + rope (DeepSeek-V2, arXiv 2405.04434).
    pub fn mixing(&self) -> Option<Mixing> {
        match *self {
            Self::Softmax { q_heads, head_dim, v_head_dim, window, .. } => {
                let pair = 2.0 * (head_dim + v_head_dim) as f64;
                Some(Mixing::plain(q_heads, pair, Span { reach: window, ..Span::FULL }))
            }
            Self::Latent { heads, kv_rank, rope_dim, nope_dim, v_head_dim, indexer } => {
                let absorbed = 2.0 * (2 * kv_rank + rope_dim) as f64;
                let expanded = 2.0 * (nope_dim + rope_dim + v_head_dim) as f64;
                let prompt_pair = if indexer.is_some() { absorbed } else { expanded };
                let reach = indexer.map(|i| top(i.topk));
                let plain = Mixing::plain(heads, absorbed, Span { reach, ..Span::FULL });
                Some(Mixing { prompt_pair, ..plain }.with(indexer))
            }
            Self::Compressed { heads, head_dim, ratio, window, indexer, .. } => {
                let reach = indexer.map(|i| top(i.topk * ratio));
                let ratio = if ratio == 0 { f64::INFINITY } else { ratio as f64 };
                let span = Span { reach, ratio, raw: window as f64 };
                Some(Mixing::plain(heads, 4.0 * head_dim as f64, span).with(indexer))
            }
            Self::Recurrent { .. } | Self::None => None,
        }
    }

    /// The prompt is read with the cached vectors expanded to keys and values, the earlier ones again in every chunk.
    pub const fn expands(&self) -> bool {
        matches!(self, Self::Latent { indexer: None, .. })
    }

    /// Bytes a sequence holds in a cache of a format, all heads together.
    pub fn cached(&self, kv: Precision) -> Cached {
        let index = |indexer: Option<Indexer>| indexer.map_or(0.0, |i| i.values() as f64 * INDEX_BYTES);
        match *self {
            Self::Softmax { window, cache_values, .. } => {
                let bytes = cache_values as f64 * kv.bytes();
                match window {
                    Some(w) => Cached { per_windowed: bytes, window: w.tokens as f64, ..Cached::default() },
                    None => Cached { per_token: bytes, ..Cached::default() },
                }
            }
            Self::Latent { kv_rank, rope_dim, indexer, .. } => {
                Cached { per_token: (kv_rank + rope_dim) as f64 * kv.bytes() + index(indexer), ..Cached::default() }
            }
            Self::Compressed { head_dim, ratio, window, indexer, state_bytes, .. } => {
                let entry = head_dim as f64 * kv.bytes();
                let per_token = if ratio == 0 { 0.0 } else { (entry + index(indexer)) / ratio as f64 };
                Cached { per_token, per_windowed: entry, window: window as f64, fixed: state_bytes as f64 }
            }
            Self::Recurrent { state_bytes, .. } => Cached { fixed: state_bytes as f64, ..Cached::default() },
            Self::None => Cached::default(),
        }
    }

    /// Among how many of `tp` ranks the cache of one sequence is divided; further ranks hold copies.
    pub fn cache_ranks(&self, tp: u64) -> f64 {
        match *self {
            Self::Softmax { kv_heads, .. } => tp.min(kv_heads) as f64,
            Self::Latent { .. } | Self::Compressed { .. } | Self::None => 1.0,
            Self::Recurrent { .. } => tp as f64,
        }
    }
}

impl Mixing {
    const fn plain(heads: u64, pair: f64, span: Span) -> Self {
        Self { heads, decode_pair: pair, prompt_pair: pair, index_pair: 0.0, index_values: 0, span }
    }

    fn with(self, indexer: Option<Indexer>) -> Self {
        let (index_pair, index_values) = indexer.map_or((0.0, 0), |i| (i.pair(), i.values()));
        Self { index_pair, index_values, ..self }
    }
}

const fn top(tokens: u64) -> Window {
    Window { tokens, chunked: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every span against a sum over its positions, one by one.
    #[test]
    fn means_over_a_prompt_are_those_of_its_tokens() {
        let window = |tokens, chunked| Some(Window { tokens, chunked });
        for reach in [None, window(7, false), window(7, true), window(64, true)] {
            for (ratio, raw) in [(1.0, 0.0), (4.0, 5.0), (f64::INFINITY, 5.0)] {
                let span = Span { reach, ratio, raw };
                for (past, new) in [(0_u64, 1_u64), (0, 30), (3, 9), (40, 100)] {
                    let at = |position: u64| match reach {
                        None => position,
                        Some(w) if w.chunked => (position - 1) % w.tokens + 1,
                        Some(w) => position.min(w.tokens),
                    };
                    let one = |p: u64| at(p) as f64 / ratio + (p as f64).min(raw);
                    let mean = (past + 1..=past + new).map(one).sum::<f64>() / new as f64;
                    let found = span.over(past as f64, new as f64).attended;
                    assert!((found / mean - 1.0).abs() < 1e-12, "{span:?} {past} {new}: {found} and {mean}");
                }
            }
        }
    }
}
