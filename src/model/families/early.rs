//! GPT-J, Falcon and BLOOM: feed-forward networks without a gate, and field names from before there was a habit.

use super::anatomy::Anatomy;
use crate::diagnostic::Diagnostic;
use crate::model::config::Config;
use crate::model::draft::{Draft, Heads};
use crate::model::spec::{Layer, Part};

const HIDDEN: [&str; 3] = ["hidden_size", "n_embd", "n_embed"];
const LAYERS: [&str; 3] = ["num_hidden_layers", "n_layer", "num_layers"];

/// All three are four times as wide inside where the file does not say.
fn inner(c: &Config<'_>, names: &[&str], hidden: u64) -> Result<u64, Diagnostic> {
    match names.iter().find(|name| c.has(name)) {
        Some(name) => c.count(name),
        None => Ok(4 * hidden),
    }
}

/// GPT-J: attention and feed-forward network side by side behind one norm, a head with a bias.
pub fn gpt_j(c: &Config<'_>) -> Result<Anatomy, Diagnostic> {
    let hidden = c.count_of(&HIDDEN)?;
    let heads = Heads::read(c, hidden)?;
    let inter = inner(c, &["intermediate_size", "n_inner"], hidden)?;
    let layer = Draft::with_norms(2 * hidden)
        .attention(hidden, heads)
        .plain(Part::Dense, hidden, inter)
        .plus(inter + hidden)
        .layer();
    Ok(Anatomy {
        hidden,
        layers: vec![Layer { count: c.layers(&LAYERS)?, ..layer }],
        other_params: 2 * hidden + c.count("vocab_size")?,
        ..Anatomy::default()
    })
}

/// Falcon: one key/value head, or `num_kv_heads` in the decoder of the 40B and 180B models, which has two norms.
pub fn falcon(c: &Config<'_>) -> Result<Anatomy, Diagnostic> {
    let hidden = c.count_of(&HIDDEN)?;
    let query = c.count_of(&["num_attention_heads", "n_head"])?;
    let grouped = c.flag("new_decoder_architecture")?.unwrap_or(c.has("num_kv_heads"));
    let kv = match (grouped, c.flag("multi_query")?.unwrap_or(true)) {
        (true, _) => c.count("num_kv_heads")?,
        (false, true) => 1,
        (false, false) => query,
    };
    if !query.is_multiple_of(kv) || !hidden.is_multiple_of(query) {
        let accepted = format!("must divide the hidden size {hidden} and be a multiple of {kv} key/value heads");
        return Err(c.wrong("num_attention_heads", &accepted));
    }
    let inter = inner(c, &["intermediate_size", "ffn_hidden_size"], hidden)?;
    let side_by_side = !grouped && c.flag("parallel_attn")?.unwrap_or(true);
    let mut draft = Draft::with_norms(if side_by_side { 2 } else { 4 } * hidden)
        .attention(hidden, Heads { query, kv, dim: hidden / query })
        .plain(Part::Dense, hidden, inter);
    if c.flag("bias")?.unwrap_or(false) {
        draft = draft.plus((query + 2 * kv) * (hidden / query) + inter + 2 * hidden);
    }
    Ok(Anatomy {
        hidden,
        layers: vec![Layer { count: c.layers(&LAYERS)?, ..draft.layer() }],
        other_params: 2 * hidden,
        tied_by_default: true,
        ..Anatomy::default()
    })
}

/// BLOOM: one key/value head per query head, biases everywhere, a norm after the embedding.
pub fn bloom(c: &Config<'_>) -> Result<Anatomy, Diagnostic> {
    let hidden = c.count_of(&HIDDEN)?;
    let heads = Heads::read(c, hidden)?;
    let inter = inner(c, &["intermediate_size"], hidden)?;
    let layer = Draft::with_norms(4 * hidden)
        .attention(hidden, heads)
        .plain(Part::Dense, hidden, inter)
        .plus(heads.qkv() + hidden + inter + hidden)
        .layer();
    Ok(Anatomy {
        hidden,
        layers: vec![Layer { count: c.layers(&LAYERS)?, ..layer }],
        other_params: 4 * hidden,
        tied_by_default: true,
        ..Anatomy::default()
    })
}
