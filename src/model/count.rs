//! Parameters, bytes, cache and FLOP of a model, all from its one description.
//!
//! A multiply-add counts as two. FLOP are those of matrices, attention and recurrences; norms, activations and
//! softmax are left out, as is usual. Prefill is the mean over the tokens of a prompt that starts from an empty
//! cache, so causal attention sees half the prompt; the LM head runs for the last token of a prompt only.

use crate::model::spec::{Core, Experts, Indexer, Layer, Linear, ModelSpec, NativePrecision, Part, Window};
use crate::precision::Precision;
use crate::units::{Bytes, Flop};
use std::fmt;

/// Which formats the weights are stored in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weights {
    /// As published.
    Native,
    /// One format for every matrix of attention, feed-forward layers and experts; embedding, head, norms and router
    /// stay as published. The formats of llama.cpp hold embedding and head too, since their sizes are means over a
    /// whole file, and so does `f32`.
    Uniform(Precision),
}

/// The classes of weights that may be stored differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Matrices of a part.
    Part(Part),
    /// Routed experts.
    Experts,
    /// Embedding, head, norms and other small parameters.
    Rest,
}

impl Weights {
    /// The format of a class of weights.
    pub fn of(self, native: &NativePrecision, class: Class) -> Precision {
        use Precision::{F32, Q4_0, Q4KM, Q8_0};
        match (self, class) {
            (Self::Uniform(all @ (F32 | Q8_0 | Q4_0 | Q4KM)), _) => all,
            (_, Class::Rest | Class::Part(Part::Router)) => native.rest,
            (Self::Uniform(all), _) => all,
            (Self::Native, Class::Experts) => native.experts,
            (Self::Native, Class::Part(Part::Attention)) => native.attention,
            (Self::Native, Class::Part(Part::Dense)) => native.dense,
            (Self::Native, Class::Part(Part::Shared)) => native.shared,
        }
    }
}

impl fmt::Display for Weights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Native => f.write_str("native"),
            Self::Uniform(one) => one.fmt(f),
        }
    }
}

impl Linear {
    /// Weights of the matrix; two FLOP each per token.
    pub const fn params(&self) -> u64 {
        self.inputs * self.outputs
    }
}

impl Experts {
    /// Parameters of one expert.
    pub const fn params_each(&self) -> u64 {
        self.matrices * self.width * self.inter + self.bias
    }
}

impl Layer {
    /// Parameters outside the routed experts, of one such layer.
    pub fn params_shared(&self) -> u64 {
        self.linears.iter().map(Linear::params).sum::<u64>() + self.other_params
    }

    /// Parameters of one such layer.
    pub fn params_total(&self) -> u64 {
        self.params_shared() + self.experts.map_or(0, |e| e.count * e.params_each())
    }

    /// Parameters one token goes through in one such layer.
    pub fn params_active(&self) -> u64 {
        self.params_shared() + self.experts.map_or(0, |e| e.topk * e.params_each())
    }
}

impl Window {
    /// Tokens that decoding a long sequence sees on average: the window, or half a chunk.
    pub fn seen_by_decode(self) -> f64 {
        if self.chunked { (self.tokens as f64 + 1.0) / 2.0 } else { self.tokens as f64 }
    }

    /// Tokens a token at a position sees, itself included.
    pub fn seen_at(self, position: u64) -> f64 {
        match self.chunked {
            true => ((position.max(1) - 1) % self.tokens + 1) as f64,
            false => position.min(self.tokens) as f64,
        }
    }

    /// Tokens seen on average over the positions 1 to `context`.
    pub fn seen_on_average(self, context: u64) -> f64 {
        let (n, w) = (context as f64, self.tokens as f64);
        if context <= self.tokens {
            (n + 1.0) / 2.0
        } else if self.chunked {
            let (chunks, rest) = ((n / w).floor(), n % w);
            (chunks * w * (w + 1.0) / 2.0 + rest * (rest + 1.0) / 2.0) / n
        } else {
            (w * (w + 1.0) / 2.0 + (n - w) * w) / n
        }
    }
}

/// Tokens seen: by the token that comes after `context` others, or on average over a prompt of that length.
fn seen(window: Option<Window>, context: u64, phase: Phase) -> f64 {
    match (window, phase) {
        (None, Phase::Decode) => context as f64,
        (None, Phase::Prefill) => (context as f64 + 1.0) / 2.0,
        // A token in the middle of a chunk stands for all: a decode step meets every place of it.
        (Some(w), Phase::Decode) if w.chunked && context > w.tokens => (w.tokens as f64 + 1.0) / 2.0,
        (Some(w), Phase::Decode) => w.seen_at(context),
        (Some(w), Phase::Prefill) => w.seen_on_average(context),
    }
}

/// The two phases of serving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Prompts are read.
    Prefill,
    /// One token a step is written.
    Decode,
}

impl Indexer {
    /// FLOP of scoring so many entries.
    fn flop(self, entries: f64) -> f64 {
        if self.own { 2.0 * (self.heads * self.dim) as f64 * entries } else { 0.0 }
    }

    /// Values its own cache holds per entry.
    fn cache(self) -> f64 {
        if self.own { self.dim as f64 } else { 0.0 }
    }
}

impl Core {
    /// FLOP per token outside the weight matrices, at a context.
    ///
    /// Latent attention: a prompt is read with keys and values expanded per head, 2 h (nope + rope + v); decoding
    /// and anything sparse works on the compressed vector, 2 h (2 r + rope) (DeepSeek-V2, arXiv 2405.04434).
    pub fn flop(&self, context: u64, phase: Phase) -> f64 {
        match *self {
            Self::Softmax { q_heads, head_dim, v_head_dim, window, .. } => {
                2.0 * (q_heads * (head_dim + v_head_dim)) as f64 * seen(window, context, phase)
            }
            Self::Latent { heads, kv_rank, rope_dim, nope_dim, v_head_dim, indexer } => {
                let past = seen(None, context, phase);
                let absorbed = indexer.is_some() || phase == Phase::Decode;
                let each = if absorbed { 2 * kv_rank + rope_dim } else { nope_dim + rope_dim + v_head_dim };
                let chosen = indexer.map_or(past, |i| seen(Some(top(i.topk)), context, phase));
                2.0 * (heads * each) as f64 * chosen + indexer.map_or(0.0, |i| i.flop(past))
            }
            Self::Compressed { heads, head_dim, ratio, window, indexer, .. } => {
                let raw = seen(Some(top(window)), context, phase);
                let entries = if ratio == 0 { 0.0 } else { seen(None, context, phase) / ratio as f64 };
                // The choice is full once the past is longer than the entries it takes.
                let full = |i: Indexer| seen(Some(top(i.topk * ratio)), context, phase) / ratio.max(1) as f64;
                let chosen = indexer.map_or(entries, full);
                4.0 * (heads * head_dim) as f64 * (raw + chosen) + indexer.map_or(0.0, |i| i.flop(entries))
            }
            Self::Recurrent { flop_per_token, .. } => flop_per_token as f64,
            Self::None => 0.0,
        }
    }

    /// Bytes a sequence of `context` tokens holds in the cache. Keys of an indexer are kept in 8 bit.
    pub fn cache_bytes(&self, context: u64, kv: Precision) -> f64 {
        let tokens = context as f64;
        let index = |indexer: Option<Indexer>| indexer.map_or(0.0, |i| i.cache() * Precision::Fp8.bytes());
        match *self {
            Self::Softmax { window, cache_values, .. } => {
                window.map_or(tokens, |w| tokens.min(w.tokens as f64)) * cache_values as f64 * kv.bytes()
            }
            Self::Latent { kv_rank, rope_dim, indexer, .. } => {
                tokens * ((kv_rank + rope_dim) as f64 * kv.bytes() + index(indexer))
            }
            Self::Compressed { head_dim, ratio, window, indexer, .. } => {
                let entries = context.checked_div(ratio).unwrap_or(0) as f64;
                let raw = tokens.min(window as f64) * head_dim as f64 * kv.bytes();
                raw + entries * (head_dim as f64 * kv.bytes() + index(indexer))
            }
            Self::Recurrent { .. } | Self::None => 0.0,
        }
    }

    /// Bytes a sequence holds whatever its length.
    pub fn state_bytes(&self) -> f64 {
        match *self {
            Self::Recurrent { state_bytes, .. } | Self::Compressed { state_bytes, .. } => state_bytes as f64,
            Self::Softmax { .. } | Self::Latent { .. } | Self::None => 0.0,
        }
    }
}

const fn top(tokens: u64) -> Window {
    Window { tokens, chunked: false }
}

impl ModelSpec {
    /// Every layer that mixes tokens does so by softmax attention over keys and values.
    pub fn plain_attention(&self) -> bool {
        self.layers.iter().all(|layer| matches!(layer.core, Core::Softmax { .. } | Core::None))
    }

    /// The published format that most weights are stored in.
    pub fn main_format(&self) -> Precision {
        if self.has_experts() { self.native.experts } else { self.native.dense }
    }

    /// Parameters of the input embedding.
    pub const fn embedding_params(&self) -> u64 {
        self.vocab * self.hidden
    }

    /// Layers.
    pub fn layer_count(&self) -> u64 {
        self.layers.iter().map(|layer| layer.count).sum()
    }

    /// Whether any layer has routed experts.
    pub fn has_experts(&self) -> bool {
        self.layers.iter().any(|layer| layer.experts.is_some())
    }

    /// The most ranks that can share every layer: the fewest heads of any. Key/value heads do not count, since ranks
    /// beyond them hold copies.
    pub fn most_tensor_parallel(&self) -> u64 {
        let heads = |core: &Core| match *core {
            Core::Softmax { q_heads: heads, .. }
            | Core::Latent { heads, .. }
            | Core::Compressed { heads, .. }
            | Core::Recurrent { heads, .. } => Some(heads),
            Core::None => None,
        };
        self.layers.iter().filter_map(|layer| heads(&layer.core)).min().unwrap_or(1)
    }

    /// Whether 8-bit weights of the checkpoint have one scale per block of both dimensions.
    pub const fn block_scaled(&self) -> bool {
        self.native.block_scaled
    }

    /// All parameters, without multi-token prediction and vision parts; a tied embedding counts once.
    pub fn parameters_total(&self) -> u64 {
        let layers: u64 = self.layers.iter().map(|layer| layer.count * layer.params_total()).sum();
        let tables = if self.tied_embeddings { 1 } else { 2 };
        layers + tables * self.embedding_params() + self.other_params
    }

    /// Parameters one token goes through: without the input embedding, with the LM head.
    pub fn parameters_active(&self) -> u64 {
        let layers: u64 = self.layers.iter().map(|layer| layer.count * layer.params_active()).sum();
        layers + self.embedding_params() + self.other_params
    }

    /// Bytes of all weights; see [`Weights`] for what a format covers.
    pub fn weight_bytes(&self, weights: Weights) -> Bytes {
        let bytes = |class, params: u64| params as f64 * weights.of(&self.native, class).bytes();
        let layer = |l: &Layer| {
            let linears: f64 = l.linears.iter().map(|w| bytes(Class::Part(w.part), w.params())).sum();
            let experts = l.experts.map_or(0.0, |e| bytes(Class::Experts, e.count * e.params_each()));
            l.count as f64 * (linears + experts + bytes(Class::Rest, l.other_params))
        };
        let tables = if self.tied_embeddings { 1 } else { 2 } * self.embedding_params();
        Bytes::new(self.layers.iter().map(layer).sum::<f64>() + bytes(Class::Rest, tables + self.other_params))
    }

    /// Bytes of the cache of one sequence of `context` tokens: windows capped, compressed and shared caches as they
    /// are stored.
    pub fn kv_bytes(&self, context: u64, kv: Precision) -> Bytes {
        Bytes::new(self.layers.iter().map(|l| l.count as f64 * l.core.cache_bytes(context, kv)).sum())
    }

    /// Bytes one sequence holds whatever its length: recurrent states, convolution windows, tokens to be compressed.
    pub fn state_bytes(&self) -> Bytes {
        Bytes::new(self.layers.iter().map(|l| l.count as f64 * l.core.state_bytes()).sum())
    }

    /// FLOP per token. Decode: the token after `context` others. Prefill: the mean over a prompt of that length.
    pub fn flop_per_token(&self, context: u64, phase: Phase) -> Flop {
        let layer = |l: &Layer| {
            let linears: u64 = l.linears.iter().map(Linear::params).sum();
            let experts = l.experts.map_or(0, |e| e.topk * e.matrices * e.width * e.inter);
            l.count as f64 * (2.0 * (linears + experts) as f64 + l.core.flop(context, phase))
        };
        let head = 2.0 * self.embedding_params() as f64;
        let share = match phase {
            Phase::Decode => 1.0,
            Phase::Prefill => 1.0 / context.max(1) as f64,
        };
        Flop::new(self.layers.iter().map(layer).sum::<f64>() + head * share)
    }
}
