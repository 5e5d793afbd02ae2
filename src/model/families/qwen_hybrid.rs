//! Qwen3-Next and Qwen3.5: gated delta nets with a layer of gated attention after every three, dense or with experts.
//!
//! Sources: `modeling_qwen3_next.py`, `modeling_qwen3_5.py` and `modeling_qwen3_5_moe.py` in transformers.

use super::anatomy::Anatomy;
use super::class::{Class, Said, class};
use super::experts::{Feeds, Moe, Shared, Sparse};
use super::recurrent::{DeltaNet, state_in_32_bit};
use super::stack::mtp;
use crate::diagnostic::Diagnostic;
use crate::model::config::Config;
use crate::model::draft::{Draft, Heads, fold};
use crate::model::spec::{Layer, Part, Shard};

/// The classes.
pub const CLASSES: &[Class] = &[
    class(&["Qwen3NextForCausalLM"], &["qwen3_next"], DEFAULTS, |c| {
        let hidden = c.count("hidden_size")?;
        let feeds = Feeds::read(c, hidden, c.layers(&["num_hidden_layers"])?, &EXPERTS)?;
        read(c, hidden, &|at, draft| feeds.add(at, draft))
    }),
    class(
        &["Qwen3_5MoeForCausalLM", "Qwen3_5MoeForConditionalGeneration"],
        &["qwen3_5_moe", "qwen3_5_moe_text"],
        DEFAULTS,
        |c| {
            let hidden = c.count("hidden_size")?;
            let moe = Moe { sparse: Sparse::Every, ..EXPERTS };
            let feeds = Feeds::read(c, hidden, c.layers(&["num_hidden_layers"])?, &moe)?;
            c.unused(&["mlp_only_layers", "decoder_sparse_step"]);
            read(c, hidden, &|at, draft| feeds.add(at, draft))
        },
    )
    .unused(&["mtp_use_dedicated_embeddings"]),
    class(&["Qwen3_5ForCausalLM", "Qwen3_5ForConditionalGeneration"], &["qwen3_5", "qwen3_5_text"], DEFAULTS, |c| {
        let hidden = c.count("hidden_size")?;
        let inter = c.count("intermediate_size")?;
        read(c, hidden, &|_, draft| draft.gated(Part::Dense, hidden, inter))
    })
    .unused(&["mtp_use_dedicated_embeddings"])
    .nested(
        r#"{"hidden_size": 4096, "intermediate_size": 12288, "num_hidden_layers": 32, "num_attention_heads": 16,
            "vocab_size": 248320}"#,
    ),
];

const EXPERTS: Moe = Moe {
    inter: "moe_intermediate_size",
    sparse: Sparse::Stepped,
    shared: Shared::Gated("shared_expert_intermediate_size"),
    routing_bias: Said::No,
};
const DEFAULTS: &str = r#"{"head_dim": 256, "num_key_value_heads": 2, "attn_output_gate": true,
    "linear_conv_kernel_dim": 4, "linear_key_head_dim": 128, "linear_value_head_dim": 128,
    "linear_num_key_heads": 16, "linear_num_value_heads": 32, "full_attention_interval": 4,
    "tie_word_embeddings": false}"#;

fn read(c: &Config<'_>, hidden: u64, feed: &dyn Fn(u64, Draft) -> Draft) -> Result<Anatomy, Diagnostic> {
    let layers = c.layers(&["num_hidden_layers"])?;
    let heads = Heads::read(c, hidden)?;
    let gated = c.flag("attn_output_gate")?.unwrap_or(true);
    let bias = if c.flag("attention_bias")?.unwrap_or(false) { heads.qkv() + hidden } else { 0 };
    let delta = DeltaNet::read(c, hidden)?;
    state_in_32_bit(c)?;
    let full = full_layers(c, layers)?;
    let layer = |(at, full): (u64, bool)| {
        let norms = Draft::with_norms(2 * hidden);
        let draft = match (full, gated) {
            (false, _) => delta.add(norms),
            (true, true) => gated_attention(norms, hidden, heads).plus(bias),
            (true, false) => norms.attention(hidden, heads).plus(2 * heads.dim + bias),
        };
        feed(at, draft).layer()
    };
    let built: Vec<Layer> = (0..layers).zip(full).map(layer).collect();
    Ok(Anatomy {
        hidden,
        layers: fold(built),
        other_params: hidden,
        mtp_layers: mtp(c, &["mtp_num_hidden_layers"])?,
        ..Anatomy::default()
    })
}

/// A list, or every `full_attention_interval`-th layer.
fn full_layers(c: &Config<'_>, layers: u64) -> Result<Vec<bool>, Diagnostic> {
    let interval = c.count("full_attention_interval")?;
    let Some(types) = c.per_layer("layer_types", layers)? else {
        return Ok((0..layers).map(|at| (at + 1).is_multiple_of(interval)).collect());
    };
    if types.iter().any(|kind| kind != "full_attention" && kind != "linear_attention") {
        return Err(c.wrong("layer_types", "must hold linear_attention and full_attention only"));
    }
    Ok(types.iter().map(|kind| kind == "full_attention").collect())
}

/// Attention whose query projection also puts out a gate.
fn gated_attention(draft: Draft, hidden: u64, heads: Heads) -> Draft {
    draft
        .linear("qkv_gate", Part::Attention, hidden, heads.qkv() + heads.output(), Shard::Columns)
        .linear("o", Part::Attention, heads.output(), hidden, Shard::Rows)
        .core(heads.core(None))
        .plus(2 * heads.dim)
}
