//! DeepSeek-V2 to V3.2 and what is built alike: Kimi-K2, GLM-5. Latent attention, shared and routed experts.
//!
//! Sources: arXiv 2405.04434 (V2), 2412.19437 (V3), the inference code of DeepSeek-V3.2 (indexer), and
//! `modeling_glm_moe_dsa.py` in transformers (shared index).

use super::anatomy::{Anatomy, gated_experts};
use crate::diagnostic::Diagnostic;
use crate::model::config::Config;
use crate::model::draft::{Draft, Latent, fold};
use crate::model::spec::{Experts, Indexer, Layer, Part, Shard};

/// Dense attention over the latent cache.
pub fn latent(c: &Config<'_>) -> Result<Anatomy, Diagnostic> {
    read(c, false)
}

/// An indexer chooses which cached tokens are seen.
pub fn sparse(c: &Config<'_>) -> Result<Anatomy, Diagnostic> {
    read(c, true)
}

/// The feed-forward half of the layers.
struct Feed {
    hidden: u64,
    dense_layers: u64,
    every: u64,
    inter: u64,
    shared: u64,
    experts: Experts,
    routing_bias: u64,
}

impl Feed {
    fn read(c: &Config<'_>, hidden: u64) -> Result<Self, Diagnostic> {
        let inter = c.count("moe_intermediate_size")?;
        let experts = gated_experts(c, hidden, inter)?;
        let biased = c.word("topk_method")?.as_deref() == Some("noaux_tc");
        Ok(Self {
            hidden,
            dense_layers: c.number_or_zero("first_k_dense_replace")?,
            every: c.count_if("moe_layer_freq")?.unwrap_or(1),
            inter: c.count("intermediate_size")?,
            shared: c.number_or_zero("n_shared_experts")? * inter,
            experts,
            routing_bias: if biased { experts.count } else { 0 },
        })
    }

    fn add(&self, at: u64, draft: Draft) -> Draft {
        if at < self.dense_layers || !at.is_multiple_of(self.every) {
            return draft.gated(Part::Dense, self.hidden, self.inter);
        }
        draft.gated(Part::Shared, self.hidden, self.shared).experts(self.hidden, self.experts).plus(self.routing_bias)
    }
}

fn read(c: &Config<'_>, sparse: bool) -> Result<Anatomy, Diagnostic> {
    let hidden = c.count("hidden_size")?;
    let layers = c.layers(&["num_hidden_layers"])?;
    let dims = Latent::read(c)?;
    let feed = Feed::read(c, hidden)?;
    let types = c.per_layer("indexer_types", layers)?;
    let index = if sparse { Some(index(c)?) } else { None };
    let layer = |at: u64| {
        let own = types.as_ref().and_then(|list| list.get(at as usize)).is_none_or(|kind| kind == "full");
        let draft = Draft::with_norms(2 * hidden);
        let draft = match index {
            Some(index) => indexed(draft, hidden, dims, Indexer { own, ..index }),
            None => draft.latent(hidden, dims),
        };
        feed.add(at, draft).layer()
    };
    let built: Vec<Layer> = (0..layers).map(layer).collect();
    Ok(Anatomy {
        hidden,
        layers: fold(built),
        other_params: hidden,
        mtp_layers: c.number_or_zero("num_nextn_predict_layers")?,
        ..Anatomy::default()
    })
}

fn index(c: &Config<'_>) -> Result<Indexer, Diagnostic> {
    c.count("q_lora_rank")?;
    let kinds = c.words("indexer_types")?.unwrap_or_default();
    if kinds.iter().any(|kind| kind != "full" && kind != "shared") {
        return Err(c.wrong("indexer_types", "must hold full and shared only"));
    }
    Ok(Indexer {
        heads: c.count("index_n_heads")?,
        dim: c.count("index_head_dim")?,
        topk: c.count("index_topk")?,
        own: true,
    })
}

/// Latent attention with the indexer's own projections: queries from the query's rank, one key, one weight a head.
fn indexed(draft: Draft, hidden: u64, dims: Latent, indexer: Indexer) -> Draft {
    let draft = draft.latent(hidden, dims.indexed(indexer));
    if !indexer.own {
        return draft;
    }
    let rank = dims.query_rank().unwrap_or(hidden);
    draft
        .linear("index_q", Part::Attention, rank, indexer.heads * indexer.dim, Shard::Replicated)
        .linear("index_k", Part::Attention, hidden, indexer.dim, Shard::Replicated)
        .linear("index_weights", Part::Attention, hidden, indexer.heads, Shard::Replicated)
        .plus(2 * indexer.dim)
}
