//! Step-3, 3.5 and 3.7: experts beside a shared one in the layers that a list names.
//!
//! Sources: `modeling_step3p7.py` in transformers and the fields of stepfun-ai/Step-3.5-Flash; for Step-3 arXiv 2507.19427.

use super::anatomy::Anatomy;
use super::class::{Class, Said, class};
use super::experts::{Feeds, Moe, Shared, Sparse};
use super::stack::mtp;
use crate::diagnostic::Diagnostic;
use crate::model::config::Config;
use crate::model::draft::{Draft, Heads, fold, sliding};
use crate::model::spec::{Layer, Part, Shard, Window};

/// The classes.
pub const CLASSES: &[Class] = &[
    class(&["Step3TextForCausalLM", "Step3VLForConditionalGeneration"], &["step3_text", "step3_vl"], UNTIED, step3)
        .unused(&["norm_expert_weight"]),
    class(
        &["Step3p5ForCausalLM", "Step3p7ForConditionalGeneration", "Step3p7FlashForCausalLM"],
        &["step3p5", "step3p5_text", "step3p7"],
        STEP,
        step,
    )
    .unused(&["mtp_layer_types", "mtp_mlp_layer_types", "use_rope_layers", "norm_expert_weight", "zero_centered"])
    .fixed(&[
        ("use_qk_norm", "true"),
        ("n_shared_experts", "1"),
        ("use_mfa", "false"),
        ("use_moe", "true"),
        ("att_impl_type", "\"GQA\""),
        ("use_head_wise_attn_gate", "true"),
    ]),
];

const UNTIED: &str = r#"{"tie_word_embeddings": false}"#;
const STEP: &str = r#"{"head_dim": 128, "num_key_value_heads": 8, "share_expert_dim": 1280,
    "num_experts_per_tok": 8, "n_routed_experts": 288, "moe_intermediate_size": 1280, "tie_word_embeddings": false}"#;

/// Step-3.5 and 3.7: a gate per head, norms of query and key, more query heads in windowed layers.
fn step(c: &Config<'_>) -> Result<Anatomy, Diagnostic> {
    let hidden = c.count("hidden_size")?;
    let layers = c.layers(&["num_hidden_layers"])?;
    let mtp_layers = mtp(c, &["num_nextn_predict_layers"])?;
    let query = c.count("num_attention_heads")?;
    let (kv, dim) = (c.count_of(&["num_key_value_heads", "num_attention_groups"])?, c.count("head_dim")?);
    let full = Heads { query, kv, dim, value: dim };
    let windowed = Heads { query: windowed_queries(c, query)?, ..full };
    for heads in [full, windowed] {
        if !heads.query.is_multiple_of(kv) {
            return Err(c.wrong("num_attention_heads", &format!("must be a multiple of the {kv} key/value heads")));
        }
    }
    let bias = c.flag("attention_bias")?.unwrap_or(false);
    let feeds = Feeds::read_in(c, hidden, sparse(c, layers)?, &moe(c)?)?;
    let layer = |(at, window): (u64, Option<Window>)| {
        let heads = if window.is_some() { windowed } else { full };
        let small = 2 * heads.dim + if bias { heads.qkv() + hidden } else { 0 };
        let draft = Draft::with_norms(2 * hidden).attention(hidden, heads).windowed(window).plus(small);
        let draft = draft.linear("gate", Part::Attention, hidden, heads.query, Shard::Columns);
        feeds.add(at, draft).layer()
    };
    // Lists may go on with entries for the layers of multi-token prediction.
    let windows = windows_of(c, layers, mtp_layers)?;
    let built: Vec<Layer> = (0..layers).zip(windows).map(layer).collect();
    Ok(Anatomy { hidden, layers: fold(built), other_params: hidden, mtp_layers, ..Anatomy::default() })
}

/// Step-3 (arXiv 2507.19427 and vLLM's `step3_text.py`): queries come from a vector of low rank that is normalised,
/// key and value are one head.
fn step3(c: &Config<'_>) -> Result<Anatomy, Diagnostic> {
    let hidden = c.count("hidden_size")?;
    let layers = c.layers(&["num_hidden_layers"])?;
    let (query, dim, rank) = (c.count("num_attention_heads")?, c.count("head_dim")?, c.count("share_q_dim")?);
    let kv = c.count_of(&["num_attention_groups", "num_key_value_heads"])?;
    if !query.is_multiple_of(kv) {
        return Err(c.wrong("num_attention_heads", &format!("must be a multiple of the {kv} key/value heads")));
    }
    let heads = Heads { query, kv, dim, value: dim };
    let feeds = Feeds::read_in(c, hidden, sparse(c, layers)?, &moe(c)?)?;
    let layer = |at: u64| {
        let draft = Draft::with_norms(2 * hidden + rank)
            .linear("q_down", Part::Attention, hidden, rank, Shard::Replicated)
            .linear("kv", Part::Attention, hidden, 2 * kv * dim, Shard::Replicated)
            .linear("q_up", Part::Attention, rank, query * dim, Shard::Columns)
            .linear("o", Part::Attention, heads.output(), hidden, Shard::Rows)
            .core(heads.core(None));
        feeds.add(at, draft).layer()
    };
    Ok(Anatomy { hidden, layers: fold((0..layers).map(layer)), other_params: hidden, ..Anatomy::default() })
}

/// Experts beside a shared one of its own width.
fn moe(c: &Config<'_>) -> Result<Moe, Diagnostic> {
    Ok(Moe {
        inter: "moe_intermediate_size",
        sparse: Sparse::Every,
        shared: Shared::Width(c.one_of(&["share_expert_dim", "share_expert_dims"])?.unwrap_or("share_expert_dim")),
        routing_bias: Said::By("use_moe_router_bias"),
    })
}

/// Query heads of windowed layers: a field, or one of a nested object.
fn windowed_queries(c: &Config<'_>, query: u64) -> Result<u64, Diagnostic> {
    let Some(other) = c.object("attention_other_setting")? else {
        return Ok(c.count_if("num_sliding_attention_heads")?.unwrap_or(query));
    };
    if other.word("attention_type")?.is_some_and(|kind| kind != "sliding_attention") {
        return Err(other.wrong("attention_type", "must be sliding_attention"));
    }
    for (key, same) in [("num_attention_groups", "num_attention_groups"), ("head_dim", "head_dim")] {
        if let (Some(theirs), Some(ours)) = (other.count_if(key)?, c.count_if(same)?)
            && theirs != ours
        {
            return Err(other.wrong(key, &format!("must be {ours}, as in the other layers")));
        }
    }
    other.unused(&["true_head_dim"]);
    other.count("num_attention_heads")
}

fn windows_of(c: &Config<'_>, layers: u64, mtp: u64) -> Result<Vec<Option<Window>>, Diagnostic> {
    let Some(list) = c.words("layer_types")? else { return Ok(vec![None; layers as usize]) };
    let lengths = [layers, layers + mtp];
    if !lengths.contains(&(list.len() as u64)) {
        return Err(c.wrong("layer_types", &format!("must have one entry for each of the {layers} layers")));
    }
    let window = |kind: &String| match kind.as_str() {
        "full_attention" => Ok(None),
        "sliding_attention" => Ok(Some(sliding(c.count("sliding_window")?))),
        _ => Err(c.wrong("layer_types", "must hold full_attention and sliding_attention only")),
    };
    list.iter().take(layers as usize).map(window).collect()
}

/// A list of kinds, the numbers of the sparse layers with commas between them, or all from the fourth on.
fn sparse(c: &Config<'_>, layers: u64) -> Result<Vec<bool>, Diagnostic> {
    const NUMBERS: &str = "moe_layers_enum";
    if let Some(list) = c.words("mlp_layer_types")? {
        if (list.len() as u64) < layers {
            return Err(c.wrong("mlp_layer_types", &format!("must have one entry for each of the {layers} layers")));
        }
        return Ok(list.iter().take(layers as usize).map(|kind| kind == "sparse").collect());
    }
    let Some(text) = c.word(NUMBERS)? else {
        let dense = c.count_if("first_k_dense_replace")?.unwrap_or(3);
        return Ok((0..layers).map(|at| at >= dense).collect());
    };
    let numbers: Result<Vec<u64>, _> = text.split(',').map(|number| number.trim().parse()).collect();
    let numbers = numbers.map_err(|_| c.wrong(NUMBERS, "must be numbers with commas between them"))?;
    Ok((0..layers).map(|at| numbers.contains(&at)).collect())
}
