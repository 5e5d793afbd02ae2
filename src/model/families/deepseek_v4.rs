//! DeepSeek-V4: attention over a compressed past and a short raw window, several residual streams.
//!
//! Source: arXiv 2606.19348 and `modeling_deepseek_v4.py` in transformers. Key and value are one vector. A layer of
//! ratio 4 pools overlapping windows and an indexer chooses among the pooled entries; one of ratio 128 sees all of
//! them; one of ratio 0 sees the raw window only.

use super::anatomy::Anatomy;
use super::class::{Class, class};
use super::experts::gated_experts;
use crate::diagnostic::Diagnostic;
use crate::model::config::Config;
use crate::model::draft::{Draft, fold};
use crate::model::spec::{Core, Experts, Indexer, Layer, Part, Shard};

/// The class.
pub const CLASSES: &[Class] =
    &[class(&["DeepseekV4ForCausalLM"], &["deepseek_v4"], r#"{"tie_word_embeddings": false}"#, read)
        .unused(&["topk_method", "qk_rope_head_dim"])];

struct Dims {
    hidden: u64,
    heads: u64,
    head_dim: u64,
    q_rank: u64,
    o_groups: u64,
    o_rank: u64,
    window: u64,
    indexer: Indexer,
    streams: u64,
    shared: u64,
    experts: Experts,
}

impl Dims {
    fn read(c: &Config<'_>) -> Result<Self, Diagnostic> {
        let hidden = c.count("hidden_size")?;
        let inter = c.count("moe_intermediate_size")?;
        let (heads, o_groups) = (c.count("num_attention_heads")?, c.count("o_groups")?);
        if !heads.is_multiple_of(o_groups) {
            return Err(c.wrong("o_groups", &format!("must divide the {heads} attention heads")));
        }
        if c.count("num_key_value_heads")? != 1 {
            return Err(c.wrong("num_key_value_heads", "must be 1: key and value are one vector"));
        }
        Ok(Self {
            hidden,
            heads,
            head_dim: c.count("head_dim")?,
            q_rank: c.count("q_lora_rank")?,
            o_groups,
            o_rank: c.count("o_lora_rank")?,
            window: c.count("sliding_window")?,
            indexer: Indexer {
                heads: c.count("index_n_heads")?,
                dim: c.count("index_head_dim")?,
                topk: c.count("index_topk")?,
                own: true,
            },
            streams: c.count("hc_mult")?,
            shared: c.number_or_zero("n_shared_experts")? * inter,
            experts: gated_experts(c, hidden, inter)?,
        })
    }

    /// Projections around the core; the output goes through one block per group of heads, then through one matrix.
    fn attention(&self, draft: Draft) -> Draft {
        let query = self.heads * self.head_dim;
        draft
            .linear("q_down", Part::Attention, self.hidden, self.q_rank, Shard::Replicated)
            .linear("q_up", Part::Attention, self.q_rank, query, Shard::Columns)
            .linear("kv", Part::Attention, self.hidden, self.head_dim, Shard::Replicated)
            .grouped("o_down", query / self.o_groups, self.o_groups * self.o_rank, self.o_groups)
            .linear("o_up", Part::Attention, self.o_groups * self.o_rank, self.hidden, Shard::Rows)
            .plus(self.q_rank + self.head_dim + self.heads)
    }

    /// Two mixings of the residual streams, kept in 32 bit.
    fn streams(&self, draft: Draft) -> Draft {
        let mix = (2 + self.streams) * self.streams;
        ["attention_mix", "feed_mix"].into_iter().fold(draft, |draft, name| {
            draft.linear(name, Part::Router, self.streams * self.hidden, mix, Shard::Replicated).plus(mix + 3)
        })
    }

    /// Projections of a compressor: content and gate, both twice as wide where windows overlap.
    fn compressor(&self, draft: Draft, name: &'static str, dim: u64, ratio: u64, overlap: u64) -> Draft {
        draft
            .linear(name, Part::Attention, self.hidden, 2 * overlap * dim, Shard::Replicated)
            .plus(ratio * overlap * dim + dim)
    }

    fn layer(&self, ratio: u64, routing_bias: u64) -> Layer {
        let mut draft = self.streams(self.attention(Draft::with_norms(2 * self.hidden)));
        let indexer = (ratio == OVERLAPPED).then_some(self.indexer);
        let overlap = if indexer.is_some() { 2 } else { 1 };
        if ratio > 0 {
            draft = self.compressor(draft, "compress", self.head_dim, ratio, overlap);
        }
        if let Some(i) = indexer {
            draft = self
                .compressor(draft, "index_compress", i.dim, ratio, overlap)
                .linear("index_q", Part::Attention, self.q_rank, i.heads * i.dim, Shard::Replicated)
                .linear("index_weights", Part::Attention, self.hidden, i.heads, Shard::Replicated);
        }
        // Content and gate of the tokens not yet pooled, in 32 bit, for each pool of the layer.
        let waiting = |dim: u64| 4 * 2 * (overlap * ratio) * (overlap * dim);
        let state_bytes = waiting(self.head_dim) + indexer.map_or(0, |i| waiting(i.dim));
        let Self { hidden, heads, head_dim, window, .. } = *self;
        draft
            .gated(Part::Shared, hidden, self.shared)
            .experts(hidden, self.experts)
            .plus(routing_bias)
            .core(Core::Compressed { heads, head_dim, ratio, window, indexer, state_bytes })
            .layer()
    }
}

/// The ratio whose windows overlap and whose entries are chosen by an indexer.
const OVERLAPPED: u64 = 4;

fn read(c: &Config<'_>) -> Result<Anatomy, Diagnostic> {
    let dims = Dims::read(c)?;
    let layers = c.layers(&["num_hidden_layers"])?;
    let ratios = ratios(c, layers)?;
    // The first layers choose experts by a table of token numbers, which needs no bias.
    let hashed = match c.per_layer("mlp_layer_types", layers)? {
        Some(kinds) => kinds.iter().take_while(|kind| *kind == "hash_moe").count() as u64,
        None => c.number_or_zero("num_hash_layers")?,
    };
    let built = ratios
        .iter()
        .zip(0..layers)
        .map(|(ratio, at)| dims.layer(*ratio, if at < hashed { 0 } else { dims.experts.count }));
    let layers = fold(built);
    let collapse = dims.streams * dims.streams * dims.hidden + dims.streams + 1;
    let note = format!(
        "Each layer keeps {} residual streams; tokens waiting to be compressed are held in 32 bit and counted as state.",
        dims.streams
    );
    Ok(Anatomy {
        hidden: dims.hidden,
        layers,
        other_params: dims.hidden + collapse,
        mtp_layers: c.number_or_zero("num_nextn_predict_layers")?,
        notes: vec![note],
        ..Anatomy::default()
    })
}

/// Tokens per cached entry of each layer: a list of numbers, or one of kinds with the number of each kind apart.
fn ratios(c: &Config<'_>, layers: u64) -> Result<Vec<u64>, Diagnostic> {
    const KEY: &str = "compress_ratios";
    let (key, ratios) = match c.per_layer("layer_types", layers)? {
        Some(kinds) if !c.has(KEY) => {
            let rates = c.object("compress_rates")?.ok_or_else(|| c.missing("compress_rates"))?;
            let ratio = |kind: &String| match kind.as_str() {
                "sliding_attention" => Ok(0),
                kind if rates.has(kind) => rates.count(kind),
                _ => Err(c.wrong("layer_types", "must hold sliding_attention and the kinds of `compress_rates` only")),
            };
            ("compress_rates", kinds.iter().map(ratio).collect::<Result<Vec<u64>, Diagnostic>>()?)
        }
        _ => (KEY, c.numbers(KEY)?.ok_or_else(|| c.missing(KEY))?),
    };
    if (ratios.len() as u64) < layers {
        return Err(c.wrong(key, &format!("must have one entry for each of the {layers} layers")));
    }
    if ratios.iter().any(|ratio| ![0, OVERLAPPED, 128].contains(ratio)) {
        return Err(c.wrong(key, "must hold 0, 4 and 128 only; other compressions are not understood"));
    }
    Ok(ratios)
}
