//! Hybrids of recurrence and attention with a network in every layer: Granite 4, Bamba, Falcon-H1, Jamba, MiniMax-01,
//! LFM2.
//!
//! Sources: the modelling code in transformers of each class; for MiniMax-01 also arXiv 2501.08313.

use super::anatomy::Anatomy;
use super::class::{Class, Said, class};
use super::experts::{Feeds, Moe, Shared, Sparse, gated_experts};
use super::kinds::{Kind, mixers};
use super::recurrent::{Mamba1, Mamba2, Mamba2Names, lightning, short_convolution};
use crate::diagnostic::Diagnostic;
use crate::model::config::Config;
use crate::model::draft::{Draft, Heads, fold};
use crate::model::spec::{Layer, Part};

/// The classes.
pub const CLASSES: &[Class] = &[
    class(&["GraniteMoeHybridForCausalLM"], &["granitemoehybrid"], GRANITE, granite)
        .unused(&["position_embedding_type"])
        .fixed(&[("normalization_function", "\"rmsnorm\"")]),
    class(&["BambaForCausalLM"], &["bamba"], BAMBA, bamba),
    class(&["FalconH1ForCausalLM"], &["falcon_h1"], FALCON, falcon_h1).unused(&[
        "mamba_norm_before_gate",
        "mamba_expand",
        "mamba_use_mlp",
        "attn_layer_indices",
    ]),
    class(&["JambaForCausalLM"], &["jamba"], JAMBA, jamba),
    class(
        &["MiniMaxText01ForCausalLM", "MiniMaxForCausalLM"],
        &["minimax_text_01", "minimax"],
        r#"{"num_key_value_heads": 8, "tie_word_embeddings": false}"#,
        minimax,
    )
    .unused(&["block_size", "postnorm", "shared_moe_mode"]),
    class(&["Lfm2ForCausalLM"], &["lfm2"], LFM2, |c| {
        let hidden = c.count("hidden_size")?;
        let inter = lfm2_width(c)?;
        lfm2(c, hidden, &|_, draft| draft.gated(Part::Dense, hidden, inter))
    })
    .unused(&["block_dim", "conv_dim", "conv_dim_out", "use_pos_enc"])
    .fixed(&[("block_use_swiglu", "true")]),
    class(&["Lfm2MoeForCausalLM"], &["lfm2_moe"], LFM2_MOE, |c| {
        let hidden = c.count("hidden_size")?;
        let moe = Moe {
            inter: "moe_intermediate_size",
            sparse: Sparse::After,
            shared: Shared::None,
            routing_bias: Said::By("use_expert_bias"),
        };
        let feeds = Feeds::read(c, hidden, c.layers(&["num_hidden_layers"])?, &moe)?;
        lfm2(c, hidden, &|at, draft| feeds.add(at, draft))
    }),
];

/// Granite 4: Mamba-2 or attention, then a shared network and, where there are any, experts.
fn granite(c: &Config<'_>) -> Result<Anatomy, Diagnostic> {
    let hidden = c.count("hidden_size")?;
    let layers = c.layers(&["num_hidden_layers"])?;
    let heads = Heads::read(c, hidden)?;
    let bias = if c.flag("attention_bias")?.unwrap_or(false) { heads.qkv() + hidden } else { 0 };
    let kinds = mixers(c, layers, &["layer_types", "layers_block_type"])?
        .unwrap_or_else(|| vec![Kind::Recurrence; layers as usize]);
    let mamba = Mamba2::read(c, hidden, &GRANITE_NAMES)?;
    let shared = c.number_or_zero("shared_intermediate_size")?;
    let experts = match c.number_or_zero("num_local_experts")? {
        0 => None,
        _ => Some(gated_experts(c, hidden, c.count("intermediate_size")?)?),
    };
    c.unused(&["intermediate_size", "num_experts_per_tok"]);
    let layer = |kind: &Kind| {
        let norms = Draft::with_norms(2 * hidden);
        let draft = match kind {
            Kind::Attention => norms.attention(hidden, heads).plus(bias),
            _ => mamba.add(norms),
        };
        let draft = draft.gated(Part::Shared, hidden, shared);
        match experts {
            Some(experts) => draft.experts(hidden, experts).layer(),
            None => draft.layer(),
        }
    };
    Ok(Anatomy { hidden, layers: fold(kinds.iter().map(layer)), other_params: hidden, ..Anatomy::default() })
}

/// Bamba: Mamba-2 but for the layers a list numbers, and a dense network.
fn bamba(c: &Config<'_>) -> Result<Anatomy, Diagnostic> {
    let hidden = c.count("hidden_size")?;
    let layers = c.layers(&["num_hidden_layers"])?;
    let heads = Heads::read(c, hidden)?;
    let inter = c.count("intermediate_size")?;
    let small = Said::By("attention_bias").times(c, heads.qkv() + hidden)?;
    let feed_bias = Said::By("mlp_bias").times(c, 2 * inter + hidden)?;
    let mamba = Mamba2::read(c, hidden, &GRANITE_NAMES)?;
    let numbered = c.numbers("attn_layer_indices")?.unwrap_or_default();
    let listed = mixers(c, layers, &["layer_types", "layers_block_type"])?;
    let attends = |at: u64| match &listed {
        Some(kinds) => kinds.get(at as usize) == Some(&Kind::Attention),
        None => numbered.contains(&at),
    };
    let layer = |at: u64| {
        let norms = Draft::with_norms(2 * hidden);
        let draft = match attends(at) {
            true => norms.attention(hidden, heads).plus(small),
            false => mamba.add(norms),
        };
        draft.gated(Part::Dense, hidden, inter).plus(feed_bias).layer()
    };
    Ok(Anatomy { hidden, layers: fold((0..layers).map(layer)), other_params: hidden, ..Anatomy::default() })
}

/// Falcon-H1 (arXiv 2507.22448): attention and Mamba-2 side by side behind one norm, then a dense network. Each of its
/// layers is described as two.
fn falcon_h1(c: &Config<'_>) -> Result<Anatomy, Diagnostic> {
    let hidden = c.count("hidden_size")?;
    let count = c.layers(&["num_hidden_layers"])?;
    let heads = Heads::read(c, hidden)?;
    let inter = c.count("intermediate_size")?;
    let small = Said::By("attention_bias").times(c, heads.qkv() + hidden)?;
    let feed_bias = Said::By("mlp_bias").times(c, 2 * inter + hidden)?;
    let names = Mamba2Names { norm: Said::By("mamba_rms_norm"), expand: None, ..GRANITE_NAMES };
    let mamba = Mamba2::read(c, hidden, &names)?;
    if c.count_if("mamba_d_ssm")?.is_some_and(|inner| inner != mamba.inner()) {
        return Err(c.wrong("mamba_d_ssm", &format!("must be that of all heads, {}", mamba.inner())));
    }
    let first = Draft::with_norms(hidden).attention(hidden, heads).plus(small);
    let second = mamba.add(Draft::with_norms(hidden)).gated(Part::Dense, hidden, inter).plus(feed_bias);
    let layers = [first, second].map(|draft| Layer { count, ..draft.layer() }).into();
    let notes = vec!["Attention and recurrence of a layer stand side by side; they are counted as two layers.".into()];
    Ok(Anatomy { hidden, layers, other_params: hidden, notes, ..Anatomy::default() })
}

/// Jamba (arXiv 2403.19887): attention every so many layers, Mamba-1 with inner norms in the others; experts every
/// so many layers.
fn jamba(c: &Config<'_>) -> Result<Anatomy, Diagnostic> {
    let hidden = c.count("hidden_size")?;
    let layers = c.layers(&["num_hidden_layers"])?;
    let heads = Heads::read(c, hidden)?;
    let inner = c.count("mamba_expand")? * hidden;
    let names = ["mamba_d_state", "mamba_d_conv", "mamba_conv_bias", "mamba_proj_bias", "mamba_dt_rank"];
    let normed = c.flag("mamba_inner_layernorms")?.unwrap_or(true);
    let mamba = Mamba1::read(c, hidden, inner, names, normed)?;
    let (period, offset) = (c.count("attn_layer_period")?, c.number_or_zero("attn_layer_offset")?);
    let moe = Moe { inter: "intermediate_size", sparse: Sparse::Period, shared: Shared::None, routing_bias: Said::No };
    // One expert is a dense network.
    let dense = c.count("intermediate_size")?;
    let feeds = if c.count("num_experts")? > 1 { Some(Feeds::read(c, hidden, layers, &moe)?) } else { None };
    c.unused(&["num_experts_per_tok", "expert_layer_period", "expert_layer_offset"]);
    let layer = |at: u64| {
        let norms = Draft::with_norms(2 * hidden);
        let draft = if at % period == offset { norms.attention(hidden, heads) } else { mamba.add(norms) };
        match &feeds {
            Some(feeds) => feeds.add(at, draft).layer(),
            None => draft.gated(Part::Dense, hidden, dense).layer(),
        }
    };
    Ok(Anatomy { hidden, layers: fold((0..layers).map(layer)), other_params: hidden, ..Anatomy::default() })
}

/// MiniMax-01: lightning attention but for every eighth layer, experts in all.
fn minimax(c: &Config<'_>) -> Result<Anatomy, Diagnostic> {
    if c.number_or_zero("shared_intermediate_size")? > 0 {
        return Err(c.wrong("shared_intermediate_size", "must be 0: shared experts of MiniMax are not understood"));
    }
    let hidden = c.count("hidden_size")?;
    let layers = c.layers(&["num_hidden_layers"])?;
    let heads = Heads::read(c, hidden)?;
    let moe = Moe { inter: "intermediate_size", sparse: Sparse::Every, shared: Shared::None, routing_bias: Said::No };
    let feeds = Feeds::read(c, hidden, layers, &moe)?;
    let full = match mixers(c, layers, &["layer_types"])? {
        Some(kinds) => kinds.iter().map(|kind| *kind == Kind::Attention).collect(),
        None => numbered(c, layers)?,
    };
    let layer = |(at, full): (u64, bool)| {
        let norms = Draft::with_norms(2 * hidden);
        let draft = match full {
            true => norms.attention(hidden, heads),
            false => lightning(norms, hidden, heads.query, heads.dim),
        };
        feeds.add(at, draft).layer()
    };
    let built = (0..layers).zip(full).map(layer);
    Ok(Anatomy { hidden, layers: fold(built), other_params: hidden, ..Anatomy::default() })
}

/// `attn_type_list`: one number a layer, 1 for softmax attention and 0 for lightning attention.
fn numbered(c: &Config<'_>, layers: u64) -> Result<Vec<bool>, Diagnostic> {
    const KEY: &str = "attn_type_list";
    let list = c.numbers(KEY)?.ok_or_else(|| c.missing(KEY))?;
    if list.len() as u64 != layers || list.iter().any(|kind| *kind > 1) {
        return Err(c.wrong(KEY, &format!("must hold a 0 or a 1 for each of the {layers} layers")));
    }
    Ok(list.iter().map(|kind| *kind == 1).collect())
}

/// LFM2: gated short convolutions and attention with norms of query and key.
fn lfm2(c: &Config<'_>, hidden: u64, feed: &dyn Fn(u64, Draft) -> Draft) -> Result<Anatomy, Diagnostic> {
    let layers = c.layers(&["num_hidden_layers"])?;
    let heads = Heads::read(c, hidden)?;
    let kernel = c.count("conv_L_cache")?;
    let bias = c.flag("conv_bias")?.unwrap_or(false);
    let numbered = c.numbers("full_attn_idxs")?;
    let full: Vec<bool> = match (mixers(c, layers, &["layer_types"])?, numbered) {
        (Some(kinds), _) => kinds.iter().map(|kind| *kind == Kind::Attention).collect(),
        (None, Some(list)) => (0..layers).map(|at| list.contains(&at)).collect(),
        (None, None) => vec![true; layers as usize],
    };
    let layer = |(at, full): (u64, bool)| {
        let norms = Draft::with_norms(2 * hidden);
        let draft = match full {
            true => norms.attention(hidden, heads).plus(2 * heads.dim),
            false => short_convolution(norms, hidden, kernel, bias),
        };
        feed(at, draft).layer()
    };
    let built = (0..layers).zip(full).map(layer);
    Ok(Anatomy { hidden, layers: fold(built), other_params: hidden, ..Anatomy::default() })
}

/// Two thirds of the width the file names, rounded up, where it is adjusted (Llama 1's rule).
fn lfm2_width(c: &Config<'_>) -> Result<u64, Diagnostic> {
    let given = c.count_of(&["block_ff_dim", "intermediate_size"])?;
    let (multiple, factor) = (c.count("block_multiple_of")?, c.factor("block_ffn_dim_multiplier")?.unwrap_or(1.0));
    if !c.flag("block_auto_adjust_ff_dim")?.unwrap_or(true) {
        return Ok(given);
    }
    let adjusted = (factor * (2 * given / 3) as f64) as u64;
    Ok(multiple * adjusted.div_ceil(multiple))
}

const GRANITE_NAMES: Mamba2Names = Mamba2Names {
    heads: ["mamba_n_heads", "mamba_d_head"],
    groups: "mamba_n_groups",
    state: "mamba_d_state",
    conv: ["mamba_d_conv", "mamba_conv_bias"],
    bias: "mamba_proj_bias",
    norm: Said::Yes,
    expand: Some("mamba_expand"),
};
const GRANITE: &str = r#"{"mamba_d_conv": 4, "mamba_n_groups": 1, "mamba_expand": 2, "tie_word_embeddings": false}"#;
const BAMBA: &str = r#"{"num_key_value_heads": 8, "mamba_d_conv": 4, "mamba_n_groups": 1, "mamba_expand": 2,
    "tie_word_embeddings": false}"#;
const FALCON: &str =
    r#"{"num_key_value_heads": 8, "mamba_d_conv": 4, "mamba_n_groups": 1, "tie_word_embeddings": false}"#;
const JAMBA: &str = r#"{"num_key_value_heads": 8, "num_experts": 16, "num_experts_per_tok": 2, "mamba_d_state": 16,
    "mamba_d_conv": 4, "mamba_expand": 2, "attn_layer_period": 8, "attn_layer_offset": 4, "expert_layer_period": 2,
    "expert_layer_offset": 1, "tie_word_embeddings": false}"#;
const LFM2: &str = r#"{"num_key_value_heads": 8, "conv_L_cache": 3, "block_multiple_of": 256,
    "tie_word_embeddings": true}"#;
const LFM2_MOE: &str = r#"{"num_key_value_heads": 8, "conv_L_cache": 3, "num_dense_layers": 2, "use_expert_bias": true,
    "tie_word_embeddings": true}"#;
