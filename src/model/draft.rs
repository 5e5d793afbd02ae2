//! The parts layers are made of: attention, latent attention, feed-forward networks, experts.
//!
//! Shapes follow the published modelling code of each architecture; a part is written once and shared.

use crate::diagnostic::Diagnostic;
use crate::model::config::Config;
use crate::model::spec::{Core, Experts, Indexer, Layer, Linear, Part, Shard, Window};

/// A layer while it is put together.
#[derive(Debug, Clone)]
pub struct Draft {
    linears: Vec<Linear>,
    core: Core,
    experts: Option<Experts>,
    other_params: u64,
}

impl Draft {
    /// A layer with norms and nothing else.
    pub fn with_norms(params: u64) -> Self {
        Self { linears: Vec::new(), core: Core::None, experts: None, other_params: params }
    }

    /// Adds a weight matrix.
    #[must_use]
    pub fn linear(mut self, name: &'static str, part: Part, inputs: u64, outputs: u64, shard: Shard) -> Self {
        self.linears.push(Linear { name, part, inputs, outputs, groups: 1, shard });
        self
    }

    /// Adds a block-diagonal weight matrix of `groups` blocks, each `inputs` long.
    #[must_use]
    pub fn grouped(mut self, name: &'static str, inputs: u64, outputs: u64, groups: u64) -> Self {
        self.linears.push(Linear { name, part: Part::Attention, inputs, outputs, groups, shard: Shard::Columns });
        self
    }

    /// Adds norms, biases and other small parameters.
    #[must_use]
    pub fn plus(mut self, params: u64) -> Self {
        self.other_params = self.other_params.saturating_add(params);
        self
    }

    /// Sets how tokens are mixed.
    #[must_use]
    pub fn core(mut self, core: Core) -> Self {
        self.core = core;
        self
    }

    /// Adds softmax attention with its fused query, key and value projection.
    #[must_use]
    pub fn attention(self, hidden: u64, heads: Heads) -> Self {
        self.linear("qkv", Part::Attention, hidden, heads.qkv(), Shard::Columns)
            .linear("o", Part::Attention, heads.output(), hidden, Shard::Rows)
            .core(heads.core(None))
    }

    /// Adds attention that reads the keys and values an earlier layer has cached and so has neither of its own.
    #[must_use]
    pub fn borrowed_attention(self, hidden: u64, heads: Heads) -> Self {
        let mut core = heads.core(None);
        if let Core::Softmax { cache_values, .. } = &mut core {
            *cache_values = 0;
        }
        self.linear("q", Part::Attention, hidden, heads.query * heads.dim, Shard::Columns)
            .linear("o", Part::Attention, heads.output(), hidden, Shard::Rows)
            .core(core)
    }

    /// Queries and keys are normalised over all heads together.
    #[must_use]
    pub fn jointly_normed(mut self) -> Self {
        if let Core::Softmax { joint_norm, .. } = &mut self.core {
            *joint_norm = true;
        }
        self
    }

    /// Limits what the attention sees.
    #[must_use]
    pub fn windowed(mut self, limit: Option<Window>) -> Self {
        if let Core::Softmax { window, .. } = &mut self.core {
            *window = limit;
        }
        self
    }

    /// Adds a feed-forward network with a gate; none of width 0.
    #[must_use]
    pub fn gated(self, part: Part, hidden: u64, inter: u64) -> Self {
        if inter == 0 {
            return self;
        }
        self.linear("gate_up", part, hidden, 2 * inter, Shard::Columns).linear("down", part, inter, hidden, Shard::Rows)
    }

    /// Adds a feed-forward network without a gate; none of width 0.
    #[must_use]
    pub fn plain(self, part: Part, hidden: u64, inter: u64) -> Self {
        if inter == 0 {
            return self;
        }
        self.linear("up", part, hidden, inter, Shard::Columns).linear("down", part, inter, hidden, Shard::Rows)
    }

    /// Adds routed experts and their router.
    #[must_use]
    pub fn experts(mut self, hidden: u64, experts: Experts) -> Self {
        self.experts = Some(experts);
        self.linear("router", Part::Router, hidden, experts.count, Shard::Replicated)
    }

    /// Adds multi-head latent attention (DeepSeek-V2, arXiv 2405.04434, section 2.1).
    #[must_use]
    pub fn latent(self, hidden: u64, dims: Latent) -> Self {
        let Latent { heads, q_rank, kv_rank, nope, rope, value, bias, indexer } = dims;
        // The two projections down and the output have biases; those up from a rank have none.
        let biases = if bias { q_rank.unwrap_or(0) + kv_rank + rope + hidden } else { 0 };
        let query = heads * (nope + rope);
        let down = match q_rank {
            Some(rank) => self
                .linear("q_down", Part::Attention, hidden, rank, Shard::Replicated)
                .linear("q_up", Part::Attention, rank, query, Shard::Columns)
                .plus(rank),
            None => self.linear("q", Part::Attention, hidden, query, Shard::Columns),
        };
        down.linear("kv_down", Part::Attention, hidden, kv_rank + rope, Shard::Replicated)
            .linear("kv_up", Part::Attention, kv_rank, heads * (nope + value), Shard::Columns)
            .linear("o", Part::Attention, heads * value, hidden, Shard::Rows)
            .plus(kv_rank + biases)
            .core(Core::Latent { heads, kv_rank, rope_dim: rope, nope_dim: nope, v_head_dim: value, indexer })
    }

    /// The finished layer.
    pub fn layer(self) -> Layer {
        Layer {
            count: 1,
            at: Vec::new(),
            linears: self.linears,
            core: self.core,
            experts: self.experts,
            other_params: self.other_params,
        }
    }
}

/// Heads of softmax attention.
#[derive(Debug, Clone, Copy)]
pub struct Heads {
    /// Query heads.
    pub query: u64,
    /// Key/value heads.
    pub kv: u64,
    /// Length of a query or key head.
    pub dim: u64,
    /// Length of a value head.
    pub value: u64,
}

/// Names of the number of query heads.
const HEADS: [&str; 4] = ["num_attention_heads", "n_head", "n_heads", "num_heads"];

impl Heads {
    /// Reads the usual fields; a missing `head_dim` is the hidden size over the heads, as transformers has it, and a
    /// missing `num_key_value_heads` is one per query head.
    ///
    /// # Errors
    /// When heads do not divide.
    pub fn read(c: &Config<'_>, hidden: u64) -> Result<Self, Diagnostic> {
        let query = c.count_of(&HEADS)?;
        let kv = c.count_of_if(&["num_key_value_heads", "num_kv_heads"])?.unwrap_or(query);
        if !query.is_multiple_of(kv) {
            return Err(c.wrong("num_key_value_heads", &format!("must divide the {query} attention heads")));
        }
        let dim = match c.count_if("head_dim")? {
            Some(dim) => dim,
            None if hidden.is_multiple_of(query) => hidden / query,
            None => {
                let accepted = format!("must divide the hidden size {hidden} where there is no `head_dim`");
                return Err(c.wrong(c.one_of(&HEADS)?.unwrap_or_default(), &accepted));
            }
        };
        Ok(Self { query, kv, dim, value: dim })
    }

    /// As [`Self::read`], where all heads have keys and values of their own and share the hidden size among them.
    ///
    /// # Errors
    /// When heads do not divide.
    pub fn each(c: &Config<'_>, hidden: u64) -> Result<Self, Diagnostic> {
        let query = c.count_of(&HEADS)?;
        if !hidden.is_multiple_of(query) {
            let accepted = format!("must divide the hidden size {hidden}");
            return Err(c.wrong(c.one_of(&HEADS)?.unwrap_or_default(), &accepted));
        }
        if c.count_if("num_key_value_heads")?.is_some_and(|kv| kv != query) {
            return Err(c.wrong("num_key_value_heads", &format!("must be the {query} attention heads")));
        }
        Ok(Self { query, kv: query, dim: hidden / query, value: hidden / query })
    }

    /// Values that all heads put out together.
    pub fn output(self) -> u64 {
        self.query * self.value
    }

    /// Outputs of the fused query, key and value projection.
    pub fn qkv(self) -> u64 {
        self.query * self.dim + self.kv * (self.dim + self.value)
    }

    /// The attention over the cache.
    pub fn core(self, window: Option<Window>) -> Core {
        Core::Softmax {
            q_heads: self.query,
            kv_heads: self.kv,
            head_dim: self.dim,
            v_head_dim: self.value,
            window,
            cache_values: self.kv * (self.dim + self.value),
            joint_norm: false,
        }
    }
}

/// Dimensions of latent attention.
#[derive(Debug, Clone, Copy)]
pub struct Latent {
    heads: u64,
    q_rank: Option<u64>,
    kv_rank: u64,
    nope: u64,
    rope: u64,
    value: u64,
    bias: bool,
    indexer: Option<Indexer>,
}

impl Latent {
    /// Reads DeepSeek's field names.
    ///
    /// # Errors
    /// When one is missing or wrong.
    pub fn read(c: &Config<'_>) -> Result<Self, Diagnostic> {
        let heads = c.count("num_attention_heads")?;
        if c.count_if("num_key_value_heads")?.is_some_and(|kv| kv != heads) {
            let accepted = format!("must be the {heads} attention heads: all share one latent vector");
            return Err(c.wrong("num_key_value_heads", &accepted));
        }
        let (nope, rope) = (c.count("qk_nope_head_dim")?, c.count("qk_rope_head_dim")?);
        if c.count_if("qk_head_dim")?.is_some_and(|both| both != nope + rope) {
            return Err(c.wrong("qk_head_dim", &format!("must be the sum of the two parts, {}", nope + rope)));
        }
        // Files have the rotary part or the whole of a head under this name, which latent attention does not use.
        c.unused(&["head_dim"]);
        Ok(Self {
            heads,
            q_rank: c.count_if("q_lora_rank")?,
            kv_rank: c.count("kv_lora_rank")?,
            nope,
            rope,
            value: c.count("v_head_dim")?,
            bias: c.flag("attention_bias")?.unwrap_or(false),
            indexer: None,
        })
    }

    /// With an indexer that chooses what is seen.
    #[must_use]
    pub fn indexed(self, indexer: Indexer) -> Self {
        Self { indexer: Some(indexer), ..self }
    }

    /// Values all heads put out together.
    pub fn output(self) -> u64 {
        self.heads * self.value
    }

    /// Rank of the query, needed by an indexer.
    pub fn query_rank(self) -> Option<u64> {
        self.q_rank
    }
}

/// A sliding window of so many tokens.
pub const fn sliding(tokens: u64) -> Window {
    Window { tokens, chunked: false }
}

/// Folds equal layers into one with a count, in the order of their first appearance.
pub fn fold(layers: impl IntoIterator<Item = Layer>) -> Vec<Layer> {
    let (mut folded, mut next): (Vec<Layer>, u64) = (Vec::new(), 0);
    for mut layer in layers {
        let own = next..next + layer.count;
        next = own.end;
        let same = |known: &&mut Layer| {
            known.linears == layer.linears
                && known.core == layer.core
                && known.experts == layer.experts
                && known.other_params == layer.other_params
        };
        match folded.iter_mut().find(same) {
            Some(known) => {
                known.count += layer.count;
                known.at.extend(own);
            }
            None => {
                layer.at = own.collect();
                folded.push(layer);
            }
        }
    }
    folded
}
