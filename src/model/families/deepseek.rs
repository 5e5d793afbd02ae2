//! DeepSeek-V2 to V3.2 and what is built alike: Kimi-K2, GLM-5, LongCat-Flash. Latent attention, shared and routed
//! experts.
//!
//! Sources: arXiv 2405.04434 (V2), 2412.19437 (V3), the inference code of DeepSeek-V3.2 (indexer), and
//! `modeling_glm_moe_dsa.py` in transformers (shared index).

use super::anatomy::Anatomy;
use super::class::{Class, Said, class};
use super::experts::{Feeds, Moe, Shared, Sparse, gated_experts};
use super::stack::mtp;
use crate::diagnostic::Diagnostic;
use crate::model::config::Config;
use crate::model::draft::{Draft, Latent, fold};
use crate::model::spec::{Indexer, Layer, Part, Shard};

/// The classes.
pub const CLASSES: &[Class] = &[
    class(&["DeepseekV2ForCausalLM"], &["deepseek_v2"], UNTIED, |c| experts(c, None, Said::No)),
    class(
        &["DeepseekV3ForCausalLM", "KimiK25ForConditionalGeneration", "Kimi_K25ForConditionalGeneration"],
        &["deepseek_v3", "kimi_k2", "kimi_k25", "sarvam_mla"],
        UNTIED,
        |c| experts(c, None, corrected(c)?),
    ),
    class(&["Glm4MoeLiteForCausalLM"], &["glm4_moe_lite"], LITE, |c| experts(c, None, Said::Yes)),
    class(&["Mistral4ForCausalLM"], &["mistral4"], UNTIED, |c| experts(c, None, Said::No)),
    class(&["DeepseekV32ForCausalLM", "DeepseekV3_2ForCausalLM"], &["deepseek_v32"], UNTIED, |c| {
        experts(c, Some(index(c)?), corrected(c)?)
    }),
    class(&["GlmMoeDsaForCausalLM"], &["glm_moe_dsa"], UNTIED, |c| experts(c, Some(index(c)?), corrected(c)?))
        .unused(&["index_topk_freq", "index_topk_pattern", "index_skip_topk_offset"]),
    class(&["LongcatFlashForCausalLM"], &["longcat_flash"], LONGCAT, longcat)
        .unused(&["mla_scale_q_lora", "mla_scale_kv_lora"])
        .fixed(&[("attention_method", "\"MLA\"")]),
    class(&["MiniCPM3ForCausalLM"], &["minicpm3"], r#"{"tie_word_embeddings": true}"#, dense),
];

/// Whether the routing is corrected by a value per expert: `topk_method`, which newer files leave out.
fn corrected(c: &Config<'_>) -> Result<Said, Diagnostic> {
    Ok(match c.word("topk_method")?.as_deref() {
        None | Some("noaux_tc") => Said::Yes,
        Some(_) => Said::No,
    })
}

fn experts(c: &Config<'_>, index: Option<Indexer>, routing_bias: Said) -> Result<Anatomy, Diagnostic> {
    c.unused(&["topk_method"]);
    let hidden = c.count("hidden_size")?;
    let layers = c.layers(&["num_hidden_layers"])?;
    let dims = Latent::read(c)?;
    let moe = Moe {
        inter: "moe_intermediate_size",
        sparse: Sparse::After,
        shared: Shared::Times(&["n_shared_experts"]),
        routing_bias,
    };
    let feeds = Feeds::read(c, hidden, layers, &moe)?;
    let kinds = c.per_layer("layer_types", layers)?.unwrap_or_default();
    let expected: &[&str] =
        if index.is_some() { &["indexed_attention", "deepseek_sparse_attention"] } else { &["full_attention"] };
    if kinds.iter().any(|kind| !expected.contains(&kind.as_str())) {
        return Err(c.wrong("layer_types", &format!("must hold {} only", expected.join(" or "))));
    }
    let types = c.per_layer("indexer_types", layers)?;
    let layer = |at: u64| {
        let own = types.as_ref().and_then(|list| list.get(at as usize)).is_none_or(|kind| kind == "full");
        let draft = Draft::with_norms(2 * hidden);
        let draft = match index {
            Some(index) => indexed(draft, hidden, dims, Indexer { own, ..index }),
            None => draft.latent(hidden, dims),
        };
        feeds.add(at, draft).layer()
    };
    let built: Vec<Layer> = (0..layers).map(layer).collect();
    Ok(Anatomy {
        hidden,
        layers: fold(built),
        other_params: hidden,
        mtp_layers: mtp(c, &["num_nextn_predict_layers"])?,
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

/// LongCat-Flash (arXiv 2509.01322 and `modeling_longcat_flash.py`): each of its layers is two of attention and
/// dense network, with experts beside the second. Of the experts a token chooses, some do nothing: the router knows
/// them, and the share that is chosen on average, as if all were equally likely, is taken off.
fn longcat(c: &Config<'_>) -> Result<Anatomy, Diagnostic> {
    let hidden = c.count("hidden_size")?;
    let layers = c.layers(&["num_layers", "num_hidden_layers"])?;
    let dims = Latent::read(c)?;
    let inter = c.count_of(&["ffn_hidden_size", "intermediate_size"])?;
    let width = c.count_of(&["expert_ffn_hidden_size", "moe_intermediate_size"])?;
    let zero = c.number_or_zero("zero_expert_num")?;
    if c.word("zero_expert_type")?.is_some_and(|kind| kind != "identity") {
        return Err(c.wrong("zero_expert_type", "must be identity"));
    }
    let mut experts = gated_experts(c, hidden, width)?;
    let (chosen, all) = (experts.topk, experts.count + zero);
    experts.topk = (chosen * experts.count).div_ceil(all);
    let bias = if c.flag("router_bias")?.unwrap_or(false) { all } else { 0 };
    let half = || Draft::with_norms(2 * hidden).latent(hidden, dims).gated(Part::Dense, hidden, inter);
    let second = half()
        .experts(hidden, experts)
        .linear("router_zero", Part::Router, hidden, zero, Shard::Replicated)
        .plus(all + bias);
    let layers = [half().layer(), second.layer()].map(|layer| Layer { count: layers, ..layer });
    let note = format!(
        "Of the {chosen} experts a token chooses, {} of {all} do nothing: {} are taken to work on average.",
        zero, experts.topk
    );
    Ok(Anatomy {
        hidden,
        layers: layers.into(),
        other_params: hidden,
        mtp_layers: mtp(c, &["num_nextn_predict_layers"])?,
        notes: vec![note],
        ..Anatomy::default()
    })
}

/// Latent attention and a dense network in every layer.
fn dense(c: &Config<'_>) -> Result<Anatomy, Diagnostic> {
    let hidden = c.count("hidden_size")?;
    let layer = Draft::with_norms(2 * hidden).latent(hidden, Latent::read(c)?);
    let layer = layer.gated(Part::Dense, hidden, c.count("intermediate_size")?).layer();
    let layers = vec![Layer { count: c.layers(&["num_hidden_layers"])?, ..layer }];
    Ok(Anatomy { hidden, layers, other_params: hidden, ..Anatomy::default() })
}

const UNTIED: &str = r#"{"tie_word_embeddings": false}"#;
const LITE: &str = r#"{"first_k_dense_replace": 1, "tie_word_embeddings": false}"#;
const LONGCAT: &str = r#"{"zero_expert_num": 256, "tie_word_embeddings": false}"#;
