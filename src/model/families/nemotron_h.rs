//! Nemotron-H: one mixer a layer, which a pattern of letters or a list names.
//!
//! Source: `modeling_nemotron_h.py` in transformers.

use super::anatomy::Anatomy;
use super::class::{Class, Said, class};
use super::experts::gated_experts;
use super::kinds::Kind;
use super::recurrent::{Mamba2, Mamba2Names, state_in_32_bit};
use super::stack::mtp;
use crate::diagnostic::Diagnostic;
use crate::model::config::{Config, MAX_LAYERS};
use crate::model::draft::{Draft, Heads, fold};
use crate::model::spec::{Experts, Part, Shard};

/// The class.
pub const CLASSES: &[Class] = &[class(&["NemotronHForCausalLM"], &["nemotron_h"], NEMOTRON, nemotron_h).unused(&[
    "mtp_hybrid_override_pattern",
    "mtp_layers_block_type",
    "expand",
    "chunk_size",
    "time_step_rank",
])];

const NEMOTRON: &str = r#"{"num_key_value_heads": 8, "tie_word_embeddings": false}"#;
const NEMOTRON_NAMES: Mamba2Names = Mamba2Names {
    heads: ["mamba_num_heads", "mamba_head_dim"],
    groups: "n_groups",
    state: "ssm_state_size",
    conv: ["conv_kernel", "use_conv_bias"],
    bias: "mamba_proj_bias",
    norm: Said::Yes,
    expand: None,
};

/// Nemotron-H: one mixer a layer: Mamba-2, experts, attention, or a feed-forward network; a pattern of letters or a
/// list.
fn nemotron_h(c: &Config<'_>) -> Result<Anatomy, Diagnostic> {
    let hidden = c.count("hidden_size")?;
    let kinds = blocks(c)?;
    state_in_32_bit(c)?;
    let experts = if kinds.contains(&Kind::Experts) { Some(LatentExperts::read(c, hidden)?) } else { None };
    let mamba = if kinds.contains(&Kind::Recurrence) { Some(Mamba2::read(c, hidden, &NEMOTRON_NAMES)?) } else { None };
    let heads = if kinds.contains(&Kind::Attention) { Some(heads_of(c, hidden)?) } else { None };
    let inter = if kinds.contains(&Kind::Dense) { c.count("intermediate_size")? } else { 0 };
    let bias = c.flag("attention_bias")?.unwrap_or(false);
    let feed_bias = if c.flag("mlp_bias")?.unwrap_or(false) { inter + hidden } else { 0 };
    // Parts that no layer has are described all the same.
    c.unused(&["intermediate_size", "n_routed_experts", "moe_intermediate_size", "num_experts_per_tok"]);
    c.unused(&["moe_shared_expert_intermediate_size", "n_shared_experts", "n_group", "topk_group"]);
    let layer = |kind: &Kind| {
        let norm = Draft::with_norms(hidden);
        match (kind, experts, mamba, heads) {
            (Kind::Experts, Some(experts), ..) => experts.add(norm, hidden),
            (Kind::Recurrence, _, Some(mamba), _) => mamba.add(norm),
            (Kind::Attention, .., Some(heads)) => {
                norm.attention(hidden, heads).plus(if bias { heads.qkv() + hidden } else { 0 })
            }
            _ => norm.plain(Part::Dense, hidden, inter).plus(feed_bias),
        }
        .layer()
    };
    let mtp_layers = mtp(c, &["num_nextn_predict_layers"])?;
    Ok(Anatomy {
        hidden,
        layers: fold(kinds.iter().map(layer)),
        other_params: hidden,
        mtp_layers,
        ..Anatomy::default()
    })
}

/// Older files have a name of their own for the length of a head.
fn heads_of(c: &Config<'_>, hidden: u64) -> Result<Heads, Diagnostic> {
    match c.one_of(&["head_dim", "attention_head_dim"])? {
        Some("attention_head_dim") => {
            let dim = c.count("attention_head_dim")?;
            Ok(Heads { dim, value: dim, ..Heads::read(c, dim * c.count("num_attention_heads")?)? })
        }
        _ => Heads::read(c, hidden),
    }
}

/// The mixer of each layer; the number of layers is that of the list where both are there.
fn blocks(c: &Config<'_>) -> Result<Vec<Kind>, Diagnostic> {
    const PATTERN: &str = "hybrid_override_pattern";
    let list = c.one_of(&["layers_block_type", "layer_types"])?;
    let (key, names) = match (list, c.word(PATTERN)?) {
        (Some(key), _) => (key, c.words(key)?.unwrap_or_default()),
        (None, Some(pattern)) => (PATTERN, pattern.chars().map(String::from).collect()),
        (None, None) => return Err(c.missing(PATTERN)),
    };
    let kinds: Vec<Kind> = names.iter().filter_map(|name| Kind::of(name)).collect();
    if kinds.len() != names.len() || kinds.is_empty() {
        let accepted = match key {
            PATTERN => "must hold the letters M, E, * and - only",
            _ => "must hold mamba, moe, attention and mlp only",
        };
        return Err(c.wrong(key, accepted));
    }
    let count = kinds.len() as u64;
    if count > MAX_LAYERS || c.count_if("num_hidden_layers")?.is_some_and(|n| n != count) {
        let accepted = match c.has("num_hidden_layers") {
            true => format!("must have one letter or name for each of the {} layers", c.count("num_hidden_layers")?),
            false => "must not be so long".to_owned(),
        };
        return Err(c.wrong(key, &accepted));
    }
    Ok(kinds)
}

/// Experts without a gate that work on a shorter vector than the residual stream, where the file gives one.
#[derive(Debug, Clone, Copy)]
struct LatentExperts {
    experts: Experts,
    shared: u64,
    width: Option<u64>,
}

impl LatentExperts {
    fn read(c: &Config<'_>, hidden: u64) -> Result<Self, Diagnostic> {
        let width = c.count_if("moe_latent_size")?;
        let inter = c.count("moe_intermediate_size")?;
        let experts = Experts { matrices: 2, ..gated_experts(c, width.unwrap_or(hidden), inter)? };
        let shared = c.number_or_zero("n_shared_experts")? * c.number_or_zero("moe_shared_expert_intermediate_size")?;
        Ok(Self { experts, shared, width })
    }

    fn add(&self, draft: Draft, hidden: u64) -> Draft {
        let draft = draft.plain(Part::Shared, hidden, self.shared).experts(hidden, self.experts);
        let draft = draft.plus(self.experts.count);
        match self.width {
            Some(width) => draft.linear("latent_down", Part::Shared, hidden, width, Shard::Replicated).linear(
                "latent_up",
                Part::Shared,
                width,
                hidden,
                Shard::Replicated,
            ),
            None => draft,
        }
    }
}
