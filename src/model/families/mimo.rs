//! MiMo-V2-Flash: value heads shorter than key heads, windowed layers with heads of their own.
//!
//! Sources: `modeling_mimo_v2_flash.py` in transformers and the fields of XiaomiMiMo/MiMo-V2-Flash.

use super::anatomy::Anatomy;
use super::class::{Class, Said, class};
use super::experts::{Feeds, Moe, Shared, Sparse};
use super::sight::{Sight, windows};
use super::stack::mtp;
use crate::diagnostic::Diagnostic;
use crate::model::config::Config;
use crate::model::draft::{Draft, Heads, fold, sliding};
use crate::model::spec::{Layer, Window};

/// The class.
pub const CLASSES: &[Class] = &[class(&["MiMoV2FlashForCausalLM"], &["mimo_v2_flash"], MIMO, mimo)
    .unused(&["hybrid_block_size", "attention_projection_layout"])
    .fixed(&[("topk_method", "\"noaux_tc\"")])];

const MIMO: &str = r#"{"head_dim": 192, "v_head_dim": 128, "num_key_value_heads": 4, "sliding_window": 129,
    "tie_word_embeddings": false}"#;

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
