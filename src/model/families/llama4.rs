//! Llama 4: chunked attention with a full layer every fourth, experts in every n-th layer beside a shared one.

use super::anatomy::Anatomy;
use super::class::{Class, class};
use super::experts::gated_experts;
use super::sight::{Sight, windows};
use crate::diagnostic::Diagnostic;
use crate::model::config::Config;
use crate::model::draft::{Draft, Heads, fold};
use crate::model::spec::{Layer, Part};

/// The class.
pub const CLASSES: &[Class] = &[class(
    &["Llama4ForCausalLM", "Llama4ForConditionalGeneration"],
    &["llama4", "llama4_text"],
    r#"{"head_dim": 128, "num_key_value_heads": 8, "attention_chunk_size": 8192, "interleave_moe_layer_step": 1,
        "tie_word_embeddings": false}"#,
    read,
)
.unused(&["no_rope_layers", "no_rope_layer_interval", "use_qk_norm"])];

/// Every so many layers attend to everything and use no rotary positions; transformers' default, which the
/// published files rely on.
const FULL_EVERY: u64 = 4;

/// Reads the text part (transformers, `modeling_llama4.py`). The norm of query and key has no weights.
fn read(c: &Config<'_>) -> Result<Anatomy, Diagnostic> {
    let hidden = c.count("hidden_size")?;
    let layers = c.layers(&["num_hidden_layers"])?;
    let heads = Heads::read(c, hidden)?;
    let inter = c.count("intermediate_size")?;
    let experts = gated_experts(c, hidden, inter)?;
    let sparse = sparse(c, layers)?;
    let dense = if sparse.contains(&false) { c.count("intermediate_size_mlp")? } else { 0 };
    c.unused(&["intermediate_size_mlp"]);
    let layer = |(window, sparse): (_, bool)| {
        let draft = Draft::with_norms(2 * hidden).attention(hidden, heads).windowed(window);
        match sparse {
            true => draft.gated(Part::Shared, hidden, inter).experts(hidden, experts).layer(),
            false => draft.gated(Part::Dense, hidden, dense).layer(),
        }
    };
    let windows = windows(c, layers, Sight::Chunked(FULL_EVERY))?;
    let built: Vec<Layer> = windows.into_iter().zip(sparse).map(layer).collect();
    let mut notes = Vec::new();
    if !c.has("layer_types") {
        notes.push(format!("Every {FULL_EVERY}th layer attends to everything, the default of the architecture."));
    }
    Ok(Anatomy { hidden, layers: fold(built), other_params: hidden, notes, ..Anatomy::default() })
}

/// Layers with experts: a list of their numbers, or every n-th.
fn sparse(c: &Config<'_>, layers: u64) -> Result<Vec<bool>, Diagnostic> {
    let step = c.count("interleave_moe_layer_step")?;
    Ok(match c.numbers("moe_layers")? {
        Some(list) => (0..layers).map(|at| list.contains(&at)).collect(),
        None => (0..layers).map(|at| (at + 1).is_multiple_of(step)).collect(),
    })
}
