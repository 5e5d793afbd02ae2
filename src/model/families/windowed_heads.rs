//! Models whose windowed layers have heads of their own: MiMo-V2-Flash and Step-3.5.
//!
//! Sources: `modeling_mimo_v2_flash.py` and `modeling_step3p7.py` in transformers, and the fields of the files in
//! XiaomiMiMo/MiMo-V2-Flash and stepfun-ai/Step-3.5-Flash.

use super::anatomy::Anatomy;
use super::class::{Class, Said, class};
use super::experts::{Feeds, Moe, Shared, Sparse};
use super::sight::{Sight, windows};
use super::stack::mtp;
use crate::diagnostic::Diagnostic;
use crate::model::config::Config;
use crate::model::draft::{Draft, Heads, fold, sliding};
use crate::model::spec::{Layer, Part, Shard, Window};

/// The classes.
pub const CLASSES: &[Class] = &[
    class(&["MiMoV2FlashForCausalLM"], &["mimo_v2_flash"], MIMO, mimo)
        .unused(&["hybrid_block_size", "attention_projection_layout"])
        .fixed(&[("topk_method", "\"noaux_tc\"")]),
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

const MIMO: &str = r#"{"head_dim": 192, "v_head_dim": 128, "num_key_value_heads": 4, "sliding_window": 129,
    "tie_word_embeddings": false}"#;
const STEP: &str = r#"{"head_dim": 128, "num_key_value_heads": 8, "share_expert_dim": 1280,
    "num_experts_per_tok": 8, "n_routed_experts": 288, "moe_intermediate_size": 1280, "tie_word_embeddings": false}"#;

/// MiMo-V2-Flash: value heads shorter than key heads; windowed layers have twice the key/value heads and a sink each.
fn mimo(c: &Config<'_>) -> Result<Anatomy, Diagnostic> {
    let hidden = c.count("hidden_size")?;
    let layers = c.layers(&["num_hidden_layers"])?;
    let full = Heads { value: c.count("v_head_dim")?, ..Heads::read(c, hidden)? };
    let windowed = Heads {
        query: c.count_if("swa_num_attention_heads")?.unwrap_or(full.query),
        kv: c.count_if("swa_num_key_value_heads")?.unwrap_or(2 * full.kv),
        dim: c.count_if("swa_head_dim")?.unwrap_or(full.dim),
        value: c.count_if("swa_v_head_dim")?.unwrap_or(full.value),
    };
    let sinks = [("add_swa_attention_sink_bias", true), ("add_full_attention_sink_bias", false)];
    let [swa_sink, full_sink] = sinks.map(|(key, default)| c.flag(key).map(|said| said.unwrap_or(default)));
    let (swa_sink, full_sink) = (swa_sink?, full_sink?);
    let bias = c.flag("attention_bias")?.unwrap_or(false);
    let moe = Moe {
        inter: "moe_intermediate_size",
        sparse: Sparse::After,
        shared: Shared::Times(&["n_shared_experts"]),
        routing_bias: Said::Yes,
    };
    let feeds = Feeds::read(c, hidden, layers, &moe)?;
    let layer = |(at, window): (u64, Option<Window>)| {
        let (heads, sink) = if window.is_some() { (windowed, swa_sink) } else { (full, full_sink) };
        let small = if sink { heads.query } else { 0 } + if bias { heads.qkv() } else { 0 };
        let draft = Draft::with_norms(2 * hidden).attention(hidden, heads).windowed(window).plus(small);
        feeds.add(at, draft).layer()
    };
    let built: Vec<Layer> = (0..layers).zip(mimo_windows(c, layers)?).map(layer).collect();
    let mtp_layers = mtp(c, &["num_nextn_predict_layers"])?;
    Ok(Anatomy { hidden, layers: fold(built), other_params: hidden, mtp_layers, ..Anatomy::default() })
}

/// `hybrid_layer_pattern` has a 1 for a windowed layer; without a list, the first and every sixth layer see all.
fn mimo_windows(c: &Config<'_>, layers: u64) -> Result<Vec<Option<Window>>, Diagnostic> {
    const PATTERN: &str = "hybrid_layer_pattern";
    if c.has("layer_types") {
        return windows(c, layers, Sight::Sliding);
    }
    let tokens = match c.tokens("sliding_window_size") {
        Some(tokens) => tokens + 1,
        None => c.tokens("sliding_window").ok_or_else(|| c.missing("sliding_window"))?,
    };
    c.unused(&["sliding_window", "attention_chunk_size"]);
    let windowed: Vec<bool> = match c.numbers(PATTERN)? {
        Some(list) if list.len() as u64 == layers => list.iter().map(|kind| *kind == 1).collect(),
        Some(_) => return Err(c.wrong(PATTERN, &format!("must have one entry for each of the {layers} layers"))),
        None => (0..layers).map(|at| at > 0 && (at + 1) % 6 != 0).collect(),
    };
    Ok(windowed.into_iter().map(|windowed| windowed.then_some(sliding(tokens))).collect())
}

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
    let moe = Moe {
        inter: "moe_intermediate_size",
        sparse: Sparse::Every,
        shared: Shared::Width(c.one_of(&["share_expert_dim", "share_expert_dims"])?.unwrap_or("share_expert_dim")),
        routing_bias: Said::By("use_moe_router_bias"),
    };
    let feeds = Feeds::read_in(c, hidden, step_sparse(c, layers)?, &moe)?;
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
fn step_sparse(c: &Config<'_>, layers: u64) -> Result<Vec<bool>, Diagnostic> {
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
