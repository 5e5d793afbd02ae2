//! Llama 4: chunked attention with a full layer every fourth, experts in every n-th layer beside a shared one.

use super::anatomy::{Anatomy, gated_experts};
use crate::diagnostic::Diagnostic;
use crate::model::config::Config;
use crate::model::draft::{Draft, Heads, fold};
use crate::model::spec::{Layer, Part, Window};

/// Every so many layers attend to everything and use no rotary positions; transformers' default, which the
/// published files rely on.
const FULL_EVERY: u64 = 4;

/// Reads the text part (transformers, `modeling_llama4.py`). The norm of query and key has no weights.
pub fn read(c: &Config<'_>) -> Result<Anatomy, Diagnostic> {
    let hidden = c.count("hidden_size")?;
    let layers = c.layers(&["num_hidden_layers"])?;
    let heads = Heads::read(c, hidden)?;
    let inter = c.count("intermediate_size")?;
    let experts = gated_experts(c, hidden, inter)?;
    let step = c.count("interleave_moe_layer_step")?;
    let chunk = Window { tokens: c.count("attention_chunk_size")?, chunked: true };
    let types = c.per_layer("layer_types", layers)?;
    let full = full_layers(c, layers, types.as_deref())?;
    let layer = |at: u64| {
        let draft = Draft::with_norms(2 * hidden).attention(hidden, heads);
        let draft = draft.windowed(Some(chunk).filter(|_| !full(at)));
        if (at + 1).is_multiple_of(step) {
            Ok(draft.gated(Part::Shared, hidden, inter).experts(hidden, experts).layer())
        } else {
            Ok(draft.gated(Part::Dense, hidden, c.count("intermediate_size_mlp")?).layer())
        }
    };
    let built = (0..layers).map(layer).collect::<Result<Vec<Layer>, Diagnostic>>()?;
    let mut notes = Vec::new();
    if types.is_none() {
        notes.push(format!("Every {FULL_EVERY}th layer attends to everything, the default of the architecture."));
    }
    Ok(Anatomy { hidden, layers: fold(built), other_params: hidden, notes, ..Anatomy::default() })
}

fn full_layers<'a>(
    c: &Config<'_>,
    layers: u64,
    types: Option<&'a [String]>,
) -> Result<impl Fn(u64) -> bool + 'a, Diagnostic> {
    let known = |kind: &String| kind == "full_attention" || kind == "chunked_attention";
    if types.is_some_and(|list| list.len() as u64 != layers || !list.iter().all(known)) {
        return Err(c.wrong("layer_types", "must hold chunked_attention and full_attention only"));
    }
    Ok(move |at: u64| match types {
        Some(list) => list.get(at as usize).is_some_and(|kind| kind == "full_attention"),
        None => (at + 1).is_multiple_of(FULL_EVERY),
    })
}
