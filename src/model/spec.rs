//! What a model is, once its `config.json` is understood: folded layers, each a list of linear maps and one core.
//!
//! Parameters, bytes, FLOP and the op list of the estimate all derive from this one description, so they cannot
//! disagree. Counts are per layer; equal layers are folded into one [`Layer`] with a count.

use crate::model::stored::Stored;
use crate::precision::Precision;

/// A decoder-only language model without its multi-token-prediction and vision parts.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelSpec {
    /// Catalogue name or file stem.
    pub name: String,
    /// First entry of `architectures`.
    pub architecture: String,
    /// Width of the residual stream.
    pub hidden: u64,
    /// Rows of the embedding and columns of the LM head.
    pub vocab: u64,
    /// The LM head shares its weights with the input embedding.
    pub tied_embeddings: bool,
    /// Layers of equal shape, folded, in the order of their first appearance.
    pub layers: Vec<Layer>,
    /// Parameters outside the layers that are neither embedding nor head (final norm, positions, ...).
    pub other_params: u64,
    /// Parameters in tables beside the embedding, of which a token reads one row: learned positions, embeddings per
    /// layer.
    pub table_params: u64,
    /// How the published checkpoint stores its weights.
    pub native: NativePrecision,
    /// Longest context the configuration allows, in tokens.
    pub max_context: Option<u64>,
    /// Number of multi-token-prediction layers the checkpoint carries (not counted in anything above).
    pub mtp_layers: u64,
    /// How each unusual quantity was derived, one sentence each, for `underdog model`.
    pub notes: Vec<String>,
}

/// The classes of weights that may be stored differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Matrices of a part.
    Part(Part),
    /// Routed experts.
    Experts,
    /// The table of the input embedding.
    Embedding,
    /// The LM head.
    Head,
    /// Norms, biases and other small parameters.
    Rest,
}

impl Class {
    /// Every class.
    pub const ALL: [Self; 8] = [
        Self::Part(Part::Attention),
        Self::Part(Part::Dense),
        Self::Part(Part::Shared),
        Self::Part(Part::Router),
        Self::Experts,
        Self::Embedding,
        Self::Head,
        Self::Rest,
    ];
}

/// Storage of the published checkpoint by weight class.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NativePrecision {
    /// Projections of attention and of the recurrences that stand in its place.
    pub attention: Stored,
    /// Dense feed-forward layers.
    pub dense: Stored,
    /// Shared experts.
    pub shared: Stored,
    /// Routed experts.
    pub experts: Stored,
    /// Routers.
    pub router: Stored,
    /// The table of the input embedding.
    pub embedding: Stored,
    /// The LM head; where it shares the table of the embedding, the same.
    pub head: Stored,
    /// Norms, biases and whatever else is small.
    pub rest: Stored,
    /// Layers that only guess tokens, which nothing else here holds.
    pub mtp: Stored,
}

impl NativePrecision {
    /// Everything alike.
    pub const fn uniform(all: Stored) -> Self {
        Self {
            attention: all,
            dense: all,
            shared: all,
            experts: all,
            router: all,
            embedding: all,
            head: all,
            rest: all,
            mtp: all,
        }
    }

    /// The storage of a class.
    pub const fn of(&self, class: Class) -> Stored {
        match class {
            Class::Part(Part::Attention) => self.attention,
            Class::Part(Part::Dense) => self.dense,
            Class::Part(Part::Shared) => self.shared,
            Class::Part(Part::Router) => self.router,
            Class::Experts => self.experts,
            Class::Embedding => self.embedding,
            Class::Head => self.head,
            Class::Rest => self.rest,
        }
    }

    /// The storage of a class that a conversion of the matrices leaves alone: 16 bit where the published one is packed.
    pub const fn kept(&self, class: Class) -> Stored {
        let own = self.of(class);
        if own.bits < 16.0 { Stored::plain(Precision::Bf16) } else { own }
    }

    /// Sets the storage of a class.
    pub const fn set(&mut self, class: Class, stored: Stored) {
        let place = match class {
            Class::Part(Part::Attention) => &mut self.attention,
            Class::Part(Part::Dense) => &mut self.dense,
            Class::Part(Part::Shared) => &mut self.shared,
            Class::Part(Part::Router) => &mut self.router,
            Class::Experts => &mut self.experts,
            Class::Embedding => &mut self.embedding,
            Class::Head => &mut self.head,
            Class::Rest => &mut self.rest,
        };
        *place = stored;
    }

    /// Whether 8-bit weights of any class have one scale per block of both dimensions.
    pub fn block_scaled(&self) -> bool {
        Class::ALL.iter().any(|class| self.of(*class).block_scaled)
    }
}

/// `count` equal layers.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// How many layers have this shape.
    pub count: u64,
    /// Which layers they are, counted from 0; empty where they follow those listed before.
    pub at: Vec<u64>,
    /// Every weight matrix outside the routed experts: projections, dense and shared feed-forward, router.
    pub linears: Vec<Linear>,
    /// How tokens are mixed along the sequence.
    pub core: Core,
    /// The routed experts, where the layer has them.
    pub experts: Option<Experts>,
    /// Parameters in norms, biases, sinks, convolutions and decays.
    pub other_params: u64,
}

/// One weight matrix, applied to every token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Linear {
    /// What the matrix does, such as `qkv`, `o`, `gate_up`, `down`, `q_down`, `kv_down`, `q_up`, `kv_up`, `router`.
    pub name: &'static str,
    /// The part of the layer it belongs to.
    pub part: Part,
    /// Length of the input vector; of one group's part where there are several groups.
    pub inputs: u64,
    /// Length of the output vector, all groups together.
    pub outputs: u64,
    /// Blocks of a block-diagonal matrix; 1 for an ordinary one. Each maps `inputs` to `outputs / groups` values.
    pub groups: u64,
    /// How tensor parallelism divides it.
    pub shard: Shard,
}

/// The part of a layer a weight belongs to; quantisation and parallelism treat them differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// Projections around the core.
    Attention,
    /// The dense feed-forward network.
    Dense,
    /// Experts every token goes through.
    Shared,
    /// The router, kept in high precision.
    Router,
}

/// How tensor parallelism divides a matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shard {
    /// Outputs are divided; no communication.
    Columns,
    /// Inputs are divided; an all-reduce follows.
    Rows,
    /// Every rank holds the whole matrix.
    Replicated,
}

/// How a layer mixes tokens along the sequence. Lengths are in values, per token and layer.
#[derive(Debug, Clone, PartialEq)]
pub enum Core {
    /// Softmax attention over cached keys and values (MHA, GQA, MQA).
    Softmax {
        /// Query heads.
        q_heads: u64,
        /// Key/value heads.
        kv_heads: u64,
        /// Length of a query or key head.
        head_dim: u64,
        /// Length of a value head.
        v_head_dim: u64,
        /// What of the past is seen; all of it without a window.
        window: Option<Window>,
        /// Values one token adds to the cache: `kv_heads * (head_dim + v_head_dim)`, or 0 where the cache of an
        /// earlier layer is shared.
        cache_values: u64,
        /// Queries and keys are normalised over all heads together, which needs a collective under tensor
        /// parallelism.
        joint_norm: bool,
    },
    /// Multi-head latent attention: the cache holds a compressed vector and a rotary key (DeepSeek-V2, arXiv 2405.04434).
    Latent {
        /// Query heads.
        heads: u64,
        /// Rank r of the compressed key/value vector.
        kv_rank: u64,
        /// Rotary part of a query or key head.
        rope_dim: u64,
        /// Non-rotary part of a query or key head.
        nope_dim: u64,
        /// Length of a value head.
        v_head_dim: u64,
        /// Sparse attention: an indexer chooses which cached tokens are seen.
        indexer: Option<Indexer>,
    },
    /// Attention over a sequence compressed `ratio` to 1 plus a sliding window of raw tokens (DeepSeek-V4).
    Compressed {
        /// Query heads.
        heads: u64,
        /// Length of a head; key and value are the same vector.
        head_dim: u64,
        /// Tokens per cached entry; 0 for a layer with the window only.
        ratio: u64,
        /// Raw tokens seen.
        window: u64,
        /// Where an indexer chooses among the compressed entries.
        indexer: Option<Indexer>,
        /// Bytes per sequence of the tokens that wait to be compressed.
        state_bytes: u64,
    },
    /// A recurrence with a state of fixed size (gated delta net, KDA, Mamba-2).
    Recurrent {
        /// Heads; tensor parallelism divides them.
        heads: u64,
        /// Bytes of the state per sequence and layer, convolution window included. Read and written once a token.
        state_bytes: u64,
        /// FLOP of the recurrence and its convolution per token.
        flop_per_token: u64,
    },
    /// No mixing in this layer (hybrid models list feed-forward layers apart).
    None,
}

/// A limit on what of the past a layer sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Tokens of the window or chunk.
    pub tokens: u64,
    /// The sequence is cut into chunks of this length and a token sees its own chunk only; otherwise the window
    /// slides with the token.
    pub chunked: bool,
}

/// The indexer of sparse attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Indexer {
    /// Index heads.
    pub heads: u64,
    /// Length of an index head; also the values one token adds to the index cache.
    pub dim: u64,
    /// How many entries are chosen.
    pub topk: u64,
    /// This layer computes its own index; otherwise it reuses an earlier layer's choice.
    pub own: bool,
}

/// Routed experts of one layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Experts {
    /// Experts of the layer.
    pub count: u64,
    /// Experts a token goes through.
    pub topk: u64,
    /// Groups the experts are divided into for routing; 1 where it is free.
    pub groups: u64,
    /// Groups that one token's experts come from.
    pub groups_chosen: u64,
    /// Width of the vector an expert reads and writes (the residual stream, or a latent).
    pub width: u64,
    /// Width inside an expert.
    pub inter: u64,
    /// Matrices of an expert: 3 with a gate, 2 without.
    pub matrices: u64,
    /// Bias values of one expert.
    pub bias: u64,
}
