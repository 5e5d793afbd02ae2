//! Parameters, bytes, cache and FLOP of a model, all from its one description.
//!
//! A multiply-add counts as two. FLOP are those of matrices, attention and recurrences; norms, activations and
//! softmax are left out, as is usual. A prompt's token sees those before it, so causal attention over a prompt from an
//! empty cache sees half of it; the LM head runs for the last token of a prompt only.

use super::mixing::Cached;
use crate::model::spec::{Class, Core, Experts, Layer, Linear, ModelSpec, NativePrecision, Part};
use crate::model::stored::Stored;
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

impl Weights {
    /// How a class of weights is stored.
    pub fn of(self, native: &NativePrecision, class: Class) -> Stored {
        match (self, class) {
            (Self::Native, _) => native.of(class),
            (Self::Uniform(all), _) if all == Precision::F32 || all.is_of_a_file() => Stored::plain(all),
            // What a conversion to another format leaves alone is 16 bit, however the published file packs it.
            (_, Class::Rest | Class::Embedding | Class::Head | Class::Part(Part::Router)) => native.kept(class),
            (Self::Uniform(all), _) => Stored { block_scaled: native.block_scaled(), ..Stored::plain(all) },
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

/// The two phases of serving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Prompts are read.
    Prefill,
    /// One token a step is written.
    Decode,
}

/// Name of the matrix that expands cached vectors to keys and values.
pub const EXPANSION: &str = "kv_up";

impl Layer {
    /// FLOP of `new` tokens after `past` others in one such layer.
    fn flop(&self, new: f64, past: f64, phase: Phase) -> f64 {
        let again = phase == Phase::Prefill && self.core.expands();
        let linear =
            |l: &Linear| 2.0 * l.params() as f64 * (new + if again && l.name == EXPANSION { past } else { 0.0 });
        let linears: f64 = self.linears.iter().map(linear).sum();
        let experts = self.experts.map_or(0, |e| e.topk * e.matrices * e.width * e.inter);
        linears + new * (2.0 * experts as f64 + self.core.flop(new, past, phase))
    }
}

impl Core {
    /// FLOP per token outside the weight matrices: of the token after `past` others, or on average over the `new` ones
    /// of a prompt.
    pub fn flop(&self, new: f64, past: f64, phase: Phase) -> f64 {
        match (self, self.mixing()) {
            (Self::Recurrent { flop_per_token, .. }, _) => *flop_per_token as f64,
            (_, None) => 0.0,
            (_, Some(mixing)) => {
                let (pair, seen) = match phase {
                    Phase::Decode => (mixing.decode_pair, mixing.span.after(past)),
                    Phase::Prefill => (mixing.prompt_pair, mixing.span.over(past, new)),
                };
                mixing.flop(pair, mixing.heads as f64, seen)
            }
        }
    }
}

impl ModelSpec {
    /// Every layer that mixes tokens does so by softmax attention over keys and values.
    pub fn plain_attention(&self) -> bool {
        self.layers.iter().all(|layer| matches!(layer.core, Core::Softmax { .. } | Core::None))
    }

    /// The published format that most weights are stored in.
    pub fn main_format(&self) -> Precision {
        if self.has_experts() { self.native.experts.format } else { self.native.dense.format }
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

    /// All parameters, without multi-token prediction and vision parts; a tied embedding counts once.
    pub fn parameters_total(&self) -> u64 {
        let layers: u64 = self.layers.iter().map(|layer| layer.count * layer.params_total()).sum();
        let tables = if self.tied_embeddings { 1 } else { 2 };
        layers + tables * self.embedding_params() + self.other_params + self.table_params
    }

    /// Parameters one token goes through: without the input embedding, with the LM head.
    pub fn parameters_active(&self) -> u64 {
        let layers: u64 = self.layers.iter().map(|layer| layer.count * layer.params_active()).sum();
        layers + self.embedding_params() + self.other_params
    }

    /// Parameters of a class of weights; a tied table is the embedding's.
    pub fn parameters_of(&self, class: Class) -> u64 {
        let layer = |l: &Layer| match class {
            Class::Part(part) => l.linears.iter().filter(|w| w.part == part).map(Linear::params).sum(),
            Class::Experts => l.experts.map_or(0, |e| e.count * e.params_each()),
            Class::Rest => l.other_params,
            Class::Embedding | Class::Head => 0,
        };
        let ends = match class {
            Class::Embedding => self.embedding_params(),
            Class::Head if !self.tied_embeddings => self.embedding_params(),
            Class::Rest => self.other_params + self.table_params,
            _ => 0,
        };
        ends + self.layers.iter().map(|l| l.count * layer(l)).sum::<u64>()
    }

    /// About what the checkpoint stores for multi-token prediction beyond all that is counted: layers like the last, each
    /// with the projection of two vectors to one and tables of its own, as DeepSeek-V3 stores them.
    pub fn mtp_bytes(&self) -> Bytes {
        let layer = self.layers.last().map_or(0, Layer::params_total);
        let each = layer + 2 * self.hidden * self.hidden + 2 * self.embedding_params();
        Bytes::new((self.mtp_layers * each) as f64 * self.native.mtp.bytes())
    }

    /// Bytes of all weights; see [`Weights`] for what a format covers.
    pub fn weight_bytes(&self, weights: Weights) -> Bytes {
        let bytes = |class, params: u64| params as f64 * weights.of(&self.native, class).bytes();
        let layer = |l: &Layer| {
            let linears: f64 = l.linears.iter().map(|w| bytes(Class::Part(w.part), w.params())).sum();
            let experts = l.experts.map_or(0.0, |e| bytes(Class::Experts, e.count * e.params_each()));
            l.count as f64 * (linears + experts + bytes(Class::Rest, l.other_params))
        };
        let head = if self.tied_embeddings { 0.0 } else { bytes(Class::Head, self.embedding_params()) };
        let ends = bytes(Class::Embedding, self.embedding_params())
            + head
            + bytes(Class::Rest, self.other_params + self.table_params);
        Bytes::new(self.layers.iter().map(layer).sum::<f64>() + ends)
    }

    /// Bytes of the cache of one sequence of `context` tokens: windows capped, compressed and shared caches as they
    /// are stored.
    pub fn kv_bytes(&self, context: u64, kv: Precision) -> Bytes {
        self.sum(kv, |cached| cached.at(context as f64))
    }

    /// Bytes one sequence holds whatever its length: recurrent states, convolution windows, tokens to be compressed.
    pub fn state_bytes(&self) -> Bytes {
        self.sum(Precision::Bf16, |cached| cached.fixed)
    }

    fn sum(&self, kv: Precision, of: impl Fn(&Cached) -> f64) -> Bytes {
        Bytes::new(self.layers.iter().map(|l| l.count as f64 * of(&l.core.cached(kv))).sum())
    }

    /// FLOP of one step of one sequence. Prefill: `new` prompt tokens after `past` that are cached, the LM head for the
    /// last of them. Decode: `new` tokens, each after `past` others.
    pub fn flop(&self, new: u64, past: u64, phase: Phase) -> Flop {
        let (new, past) = (new as f64, past as f64);
        let layers: f64 = self.layers.iter().map(|l| l.count as f64 * l.flop(new, past, phase)).sum();
        let ends = match phase {
            Phase::Decode => new,
            Phase::Prefill => 1.0,
        };
        Flop::new(layers + 2.0 * self.embedding_params() as f64 * ends)
    }

    /// FLOP per token. Decode: the token after `context` others. Prefill: the mean over a prompt of that length.
    pub fn flop_per_token(&self, context: u64, phase: Phase) -> Flop {
        match phase {
            Phase::Decode => self.flop(1, context, phase),
            Phase::Prefill => self.flop(context.max(1), 0, phase) / context.max(1) as f64,
        }
    }
}
