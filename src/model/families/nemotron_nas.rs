//! Nemotron from a search (DeciLM): Llama layers of which each may lack its attention or have another width.
//!
//! Source: `modeling_decilm.py` and `configuration_decilm.py` of nvidia/Llama-3_3-Nemotron-Super-49B-v1.

use super::anatomy::Anatomy;
use super::class::{Class, class};
use crate::diagnostic::Diagnostic;
use crate::model::config::Config;
use crate::model::draft::{Draft, Heads, fold, sliding};
use crate::model::spec::{Layer, Part, Shard};

/// The class.
pub const CLASSES: &[Class] =
    &[class(&["DeciLMForCausalLM"], &["nemotron-nas"], r#"{"tie_word_embeddings": false}"#, read)];

/// The width of a network is a multiple of this.
const MULTIPLE: u64 = 256;

fn read(c: &Config<'_>) -> Result<Anatomy, Diagnostic> {
    const BLOCKS: &str = "block_configs";
    let hidden = c.count("hidden_size")?;
    let layers = c.layers(&["num_hidden_layers"])?;
    let blocks = c.objects(BLOCKS)?.ok_or_else(|| c.missing(BLOCKS))?;
    if blocks.len() as u64 != layers {
        return Err(c.wrong(BLOCKS, &format!("must have one entry for each of the {layers} layers")));
    }
    let built = blocks.iter().map(|block| {
        let part = |key: &str| block.object(key)?.ok_or_else(|| block.missing(key));
        let draft = attention(c, &part("attention")?, hidden, Draft::with_norms(0))?;
        Ok(network(&part("ffn")?, hidden, draft)?.layer())
    });
    let built = built.collect::<Result<Vec<Layer>, Diagnostic>>()?;
    Ok(Anatomy { hidden, layers: fold(built), other_params: hidden, ..Anatomy::default() })
}

/// Whether a part is left out, or is one matrix; nothing where it is whole.
fn replaced(part: &Config<'_>) -> Result<Option<bool>, Diagnostic> {
    let out = part.flag("no_op")?.unwrap_or(false);
    let matrix = part.flag("replace_with_linear")?.unwrap_or(false);
    Ok((out || matrix).then_some(matrix))
}

fn attention(c: &Config<'_>, part: &Config<'_>, hidden: u64, draft: Draft) -> Result<Draft, Diagnostic> {
    if let Some(matrix) = replaced(part)? {
        part.unused(&["n_heads_in_group"]);
        return Ok(match matrix {
            true => draft.plus(hidden).linear("in_its_place", Part::Attention, hidden, hidden, Shard::Columns),
            false => draft,
        });
    }
    let query = c.count("num_attention_heads")?;
    let group = part.count("n_heads_in_group")?;
    if !hidden.is_multiple_of(query) || !query.is_multiple_of(group) {
        return Err(
            part.wrong("n_heads_in_group", &format!("must divide the {query} attention heads, and they {hidden}"))
        );
    }
    let dim = hidden / query;
    let heads = Heads { query, kv: query / group, dim, value: dim };
    let bias = if c.flag("attention_bias")?.unwrap_or(false) { heads.qkv() + hidden } else { 0 };
    let window = part.count_if("window_length")?.map(sliding);
    Ok(draft.plus(hidden + bias).attention(hidden, heads).windowed(window))
}

/// A network of `ffn_mult` times two thirds of the hidden size, rounded up.
fn network(part: &Config<'_>, hidden: u64, draft: Draft) -> Result<Draft, Diagnostic> {
    if let Some(matrix) = replaced(part)? {
        part.unused(&["ffn_mult"]);
        return Ok(match matrix {
            true => draft.plus(hidden).linear("in_its_place", Part::Dense, hidden, hidden, Shard::Columns),
            false => draft,
        });
    }
    let factor = part.factor("ffn_mult")?.ok_or_else(|| part.missing("ffn_mult"))?;
    let inter = ((2.0 * factor * hidden as f64 / 3.0) as u64).next_multiple_of(MULTIPLE);
    Ok(draft.plus(hidden).gated(Part::Dense, hidden, inter))
}
