//! Gemma 3 and 4: sliding windows with a full layer every so many, four norms a layer, tied embeddings.
//!
//! Sources: `modeling_gemma3.py` and `modeling_gemma4.py` in transformers.

use super::anatomy::{Anatomy, gated_experts};
use crate::diagnostic::Diagnostic;
use crate::model::config::Config;
use crate::model::draft::{Draft, Heads, fold, sliding};
use crate::model::spec::{Layer, Part, Shard};

/// Which layers attend to everything: `layer_types`, or every `sliding_window_pattern`-th.
fn full_layers(c: &Config<'_>, layers: u64) -> Result<Vec<bool>, Diagnostic> {
    if let Some(types) = c.per_layer("layer_types", layers)? {
        return types
            .iter()
            .map(|kind| match kind.as_str() {
                "full_attention" => Ok(true),
                "sliding_attention" => Ok(false),
                _ => Err(c.wrong("layer_types", "must hold sliding_attention and full_attention only")),
            })
            .collect();
    }
    let pattern = c.count("sliding_window_pattern")?;
    Ok((1..=layers).map(|at| at % pattern == 0).collect())
}

/// Gemma 3.
pub fn gemma3(c: &Config<'_>) -> Result<Anatomy, Diagnostic> {
    let hidden = c.count("hidden_size")?;
    c.count("head_dim")?;
    let heads = Heads::read(c, hidden)?;
    let inter = c.count("intermediate_size")?;
    let window = sliding(c.count("sliding_window")?);
    let full = full_layers(c, c.layers(&["num_hidden_layers"])?)?;
    let layer = |full: bool| {
        Draft::with_norms(4 * hidden + 2 * heads.dim)
            .attention(hidden, heads)
            .windowed(Some(window).filter(|_| !full))
            .gated(Part::Dense, hidden, inter)
            .layer()
    };
    let layers = fold(full.into_iter().map(layer));
    Ok(Anatomy { hidden, layers, other_params: hidden, tied_by_default: true, ..Anatomy::default() })
}

/// Gemma 4: full layers have heads of their own and use keys as values; experts stand beside the dense network.
pub fn gemma4(c: &Config<'_>) -> Result<Anatomy, Diagnostic> {
    for key in ["hidden_size_per_layer_input", "num_kv_shared_layers"] {
        if c.number_or_zero(key)? > 0 {
            return Err(c.wrong(key, "must be 0: this part of the smaller Gemma 4 models is not understood"));
        }
    }
    let hidden = c.count("hidden_size")?;
    let local = Heads { dim: c.count("head_dim")?, ..Heads::read(c, hidden)? };
    let global = global_heads(c, local)?;
    let shared_kv = c.flag("attention_k_eq_v")?.unwrap_or(false);
    let inter = c.count("intermediate_size")?;
    let window = sliding(c.count("sliding_window")?);
    let experts = match c.flag("enable_moe_block")?.unwrap_or(false) {
        true => Some(gated_experts(c, hidden, c.count("moe_intermediate_size")?)?),
        false => None,
    };
    let layer = |full: bool| -> Layer {
        let heads = if full { global } else { local };
        let mut draft = Draft::with_norms(4 * hidden + 2 * heads.dim + 1);
        draft = match full && shared_kv {
            true => keys_as_values(draft, hidden, heads),
            false => draft.attention(hidden, heads).windowed(Some(window).filter(|_| !full)),
        };
        draft = draft.gated(Part::Dense, hidden, inter);
        if let Some(experts) = experts {
            // Three more norms, and the router's scales of its input and of each expert.
            draft = draft.experts(hidden, experts).plus(4 * hidden + experts.count);
        }
        draft.layer()
    };
    let layers = fold(full_layers(c, c.layers(&["num_hidden_layers"])?)?.into_iter().map(layer));
    let notes = vec!["Full layers derive values from their keys; both are cached, since only keys are rotated.".into()];
    Ok(Anatomy { hidden, layers, other_params: hidden, tied_by_default: true, notes, ..Anatomy::default() })
}

fn global_heads(c: &Config<'_>, local: Heads) -> Result<Heads, Diagnostic> {
    let dim = c.count_if("global_head_dim")?.unwrap_or(local.dim);
    let kv = c.count_if("num_global_key_value_heads")?.unwrap_or(local.kv);
    if !local.query.is_multiple_of(kv) {
        let accepted = format!("must divide the {} attention heads", local.query);
        return Err(c.wrong("num_global_key_value_heads", &accepted));
    }
    Ok(Heads { query: local.query, kv, dim })
}

/// Attention whose values are the unrotated keys: there is no value projection.
fn keys_as_values(draft: Draft, hidden: u64, heads: Heads) -> Draft {
    draft
        .linear("qk", Part::Attention, hidden, (heads.query + heads.kv) * heads.dim, Shard::Columns)
        .linear("o", Part::Attention, heads.query * heads.dim, hidden, Shard::Rows)
        .core(heads.core(None))
}
