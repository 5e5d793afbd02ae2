//! Hybrids of recurrence and attention, and models of recurrences alone: Nemotron-H, Granite 4, Bamba, Jamba, Mamba,
//! MiniMax-01, LFM2.
//!
//! Sources: the modelling code in transformers of each class; for MiniMax-01 also arXiv 2501.08313.

use super::anatomy::Anatomy;
use super::class::{Class, Said, class};
use super::experts::{Feeds, Moe, Shared, Sparse, gated_experts};
use super::recurrent::{Mamba1, Mamba2, Mamba2Names, lightning, short_convolution, state_in_32_bit};
use super::stack::mtp;
use crate::diagnostic::Diagnostic;
use crate::model::config::Config;
use crate::model::draft::{Draft, Heads, fold};
use crate::model::spec::{Experts, Layer, Part, Shard};

/// The classes.
pub const CLASSES: &[Class] = &[
    class(&["NemotronHForCausalLM"], &["nemotron_h"], NEMOTRON, nemotron_h).unused(&[
        "mtp_hybrid_override_pattern",
        "mtp_layers_block_type",
        "expand",
        "chunk_size",
    ]),
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
    class(&["MambaForCausalLM"], &["mamba"], MAMBA, mamba).unused(&["d_inner", "ssm_cfg"]),
    class(&["FalconMambaForCausalLM"], &["falcon_mamba"], MAMBA, mamba),
    class(&["Mamba2ForCausalLM"], &["mamba2"], MAMBA2, mamba2)
        .unused(&["time_step_rank", "norm_before_gate", "chunk_size"])
        .fixed(&[("rms_norm", "true")]),
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

/// Mixers of a list by name, as this class and older ones spell them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Attention,
    Recurrence,
    Experts,
    Dense,
}

impl Kind {
    fn of(name: &str) -> Option<Self> {
        match name {
            "attention" | "full_attention" | "*" => Some(Self::Attention),
            "mamba" | "linear_attention" | "conv" | "M" => Some(Self::Recurrence),
            "moe" | "E" => Some(Self::Experts),
            "mlp" | "-" => Some(Self::Dense),
            _ => None,
        }
    }
}

/// Which of the two mixers each layer has, from the first of the lists that is there.
fn mixers(c: &Config<'_>, layers: u64, names: &[&str]) -> Result<Option<Vec<Kind>>, Diagnostic> {
    let Some(key) = c.one_of(names)? else { return Ok(None) };
    let list = c.per_layer(key, layers)?.unwrap_or_default();
    let kinds: Vec<Kind> = list.iter().filter_map(|name| Kind::of(name)).collect();
    let both = |kind: &Kind| matches!(kind, Kind::Attention | Kind::Recurrence);
    if kinds.len() != list.len() || !kinds.iter().all(both) {
        return Err(c.wrong(key, "must hold attention and the recurrence of the class only"));
    }
    Ok(Some(kinds))
}

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
    if count > crate::model::config::MAX_LAYERS || c.count_if("num_hidden_layers")?.is_some_and(|n| n != count) {
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
    let mamba = Mamba1::read(c, hidden, inner, names, true)?;
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

/// Mamba-1 alone: a norm and a mixer a layer.
fn mamba(c: &Config<'_>) -> Result<Anatomy, Diagnostic> {
    let hidden = c.count_of(&["hidden_size", "d_model"])?;
    let inner = match c.count_if("intermediate_size")? {
        Some(inner) => {
            c.unused(&["expand"]);
            inner
        }
        None => c.count("expand")? * hidden,
    };
    let names = ["state_size", "conv_kernel", "use_conv_bias", "use_bias", "time_step_rank"];
    let layer = Mamba1::read(c, hidden, inner, names, false)?.add(Draft::with_norms(hidden)).layer();
    let layers = vec![Layer { count: c.layers(&["num_hidden_layers", "n_layer"])?, ..layer }];
    Ok(Anatomy { hidden, layers, other_params: hidden, ..Anatomy::default() })
}

/// Mamba-2 alone: a norm and a mixer a layer.
fn mamba2(c: &Config<'_>) -> Result<Anatomy, Diagnostic> {
    let hidden = c.count("hidden_size")?;
    let names = Mamba2Names {
        heads: ["num_heads", "head_dim"],
        groups: "n_groups",
        state: "state_size",
        conv: ["conv_kernel", "use_conv_bias"],
        bias: "use_bias",
        norm: Said::Yes,
        expand: Some("expand"),
    };
    let mixer = Mamba2::read(c, hidden, &names)?;
    if c.count_if("intermediate_size")?.is_some_and(|inner| inner != mixer.inner()) {
        return Err(c.wrong("intermediate_size", &format!("must be that of all heads, {}", mixer.inner())));
    }
    let layer = mixer.add(Draft::with_norms(hidden)).layer();
    let layers = vec![Layer { count: c.layers(&["num_hidden_layers"])?, ..layer }];
    Ok(Anatomy { hidden, layers, other_params: hidden, ..Anatomy::default() })
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

const NEMOTRON_NAMES: Mamba2Names = Mamba2Names {
    heads: ["mamba_num_heads", "mamba_head_dim"],
    groups: "n_groups",
    state: "ssm_state_size",
    conv: ["conv_kernel", "use_conv_bias"],
    bias: "mamba_proj_bias",
    norm: Said::Yes,
    expand: None,
};
const GRANITE_NAMES: Mamba2Names = Mamba2Names {
    heads: ["mamba_n_heads", "mamba_d_head"],
    groups: "mamba_n_groups",
    state: "mamba_d_state",
    conv: ["mamba_d_conv", "mamba_conv_bias"],
    bias: "mamba_proj_bias",
    norm: Said::Yes,
    expand: Some("mamba_expand"),
};
const NEMOTRON: &str = r#"{"num_key_value_heads": 8, "tie_word_embeddings": false}"#;
const GRANITE: &str = r#"{"mamba_d_conv": 4, "mamba_n_groups": 1, "mamba_expand": 2, "tie_word_embeddings": false}"#;
const BAMBA: &str = r#"{"num_key_value_heads": 8, "mamba_d_conv": 4, "mamba_n_groups": 1, "mamba_expand": 2,
    "tie_word_embeddings": false}"#;
const FALCON: &str =
    r#"{"num_key_value_heads": 8, "mamba_d_conv": 4, "mamba_n_groups": 1, "tie_word_embeddings": false}"#;
const JAMBA: &str = r#"{"num_key_value_heads": 8, "num_experts": 16, "num_experts_per_tok": 2, "mamba_d_state": 16,
    "mamba_d_conv": 4, "mamba_expand": 2, "attn_layer_period": 8, "attn_layer_offset": 4, "expert_layer_period": 2,
    "expert_layer_offset": 1, "tie_word_embeddings": false}"#;
const MAMBA: &str = r#"{"state_size": 16, "conv_kernel": 4, "expand": 2, "tie_word_embeddings": true}"#;
const MAMBA2: &str = r#"{"n_groups": 8, "state_size": 128, "conv_kernel": 4, "expand": 2, "head_dim": 64,
    "tie_word_embeddings": false}"#;
const LFM2: &str = r#"{"num_key_value_heads": 8, "conv_L_cache": 3, "block_multiple_of": 256,
    "tie_word_embeddings": true}"#;
const LFM2_MOE: &str = r#"{"num_key_value_heads": 8, "conv_L_cache": 3, "num_dense_layers": 2, "use_expert_bias": true,
    "tie_word_embeddings": true}"#;
