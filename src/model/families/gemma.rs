//! Gemma 1 to 4: tied embeddings, long heads, from the second on four norms a layer and windows.
//!
//! Sources: `modeling_gemma.py` to `modeling_gemma4.py` in transformers.

use super::anatomy::Anatomy;
use super::class::{Class, Said, class};
use super::experts::gated_experts;
use super::sight::{Sight, windows};
use super::stack::{Habits, HeadNorms, PLAIN, stack};
use crate::diagnostic::Diagnostic;
use crate::model::config::Config;
use crate::model::draft::{Draft, Heads, fold};
use crate::model::spec::{Layer, Part, Shard, Window};

/// Four norms, and a window in all layers but every so many-th.
const FOUR_NORMS: Habits = Habits { norms: 4, sight: Sight::Every, ..ATTENTION_BIAS };
const ATTENTION_BIAS: Habits =
    Habits { qkv_bias: Said::By("attention_bias"), out_bias: Said::By("attention_bias"), ..PLAIN };

/// Text is read from left to right; `vision` says that pictures are not, `true` makes an encoder of the model.
fn causal(c: &Config<'_>) -> Result<(), Diagnostic> {
    const KEY: &str = "use_bidirectional_attention";
    match c.written(KEY) {
        Some("true") => Err(c.wrong(KEY, "must not be true: that makes an encoder, which writes no tokens")),
        _ => {
            c.unused(&[KEY]);
            Ok(())
        }
    }
}

fn causal_stack(c: &Config<'_>, habits: &Habits) -> Result<Anatomy, Diagnostic> {
    causal(c)?;
    stack(c, habits)
}

/// The classes.
pub const CLASSES: &[Class] = &[
    class(&["GemmaForCausalLM"], &["gemma"], GEMMA, |c| causal_stack(c, &ATTENTION_BIAS)).nested(
        r#"{"hidden_size": 3072, "intermediate_size": 24576, "num_hidden_layers": 28, "num_attention_heads": 16,
            "num_key_value_heads": 16, "vocab_size": 256000}"#,
    ),
    class(
        &["Gemma2ForCausalLM"],
        &["gemma2"],
        r#"{"head_dim": 256, "num_key_value_heads": 4, "sliding_window": 4096, "sliding_window_pattern": 2,
            "tie_word_embeddings": true}"#,
        |c| causal_stack(c, &FOUR_NORMS),
    )
    .nested(SIZES),
    class(
        &["VaultGemmaForCausalLM"],
        &["vaultgemma"],
        r#"{"head_dim": 256, "num_key_value_heads": 4, "sliding_window": 4096, "sliding_window_pattern": 2,
            "tie_word_embeddings": true}"#,
        |c| causal_stack(c, &Habits { norms: 2, ..FOUR_NORMS }),
    ),
    class(
        &["Gemma3ForCausalLM", "Gemma3ForConditionalGeneration"],
        &["gemma3", "gemma3_text"],
        r#"{"head_dim": 256, "num_key_value_heads": 4, "sliding_window": 4096, "sliding_window_pattern": 6,
            "tie_word_embeddings": true}"#,
        |c| causal_stack(c, &Habits { head_norms: HeadNorms::Each(Said::Yes), ..FOUR_NORMS }),
    )
    .nested(
        r#"{"hidden_size": 2304, "intermediate_size": 9216, "num_hidden_layers": 26, "num_attention_heads": 8,
            "vocab_size": 262208}"#,
    ),
    class(
        &["Gemma3nForCausalLM", "Gemma3nForConditionalGeneration"],
        &["gemma3n", "gemma3n_text"],
        r#"{"head_dim": 256, "num_key_value_heads": 2, "sliding_window": 512, "sliding_window_pattern": 5,
            "vocab_size_per_layer_input": 262144, "hidden_size_per_layer_input": 256, "altup_num_inputs": 4,
            "num_kv_shared_layers": 15, "laurel_rank": 64, "tie_word_embeddings": true}"#,
        gemma3n,
    )
    .nested(
        r#"{"hidden_size": 2048, "intermediate_size": 16384, "num_hidden_layers": 35, "num_attention_heads": 8,
            "vocab_size": 262400}"#,
    ),
    class(
        &["Gemma4ForCausalLM", "Gemma4ForConditionalGeneration"],
        &["gemma4", "gemma4_text"],
        r#"{"head_dim": 256, "num_key_value_heads": 4, "sliding_window": 512, "sliding_window_pattern": 6,
            "hidden_size_per_layer_input": 256, "tie_word_embeddings": true}"#,
        gemma4,
    ),
];

/// Gemma 4: full layers have heads of their own and use keys as values; experts stand beside the dense network.
fn gemma4(c: &Config<'_>) -> Result<Anatomy, Diagnostic> {
    causal(c)?;
    for key in ["hidden_size_per_layer_input", "num_kv_shared_layers"] {
        if c.number_or_zero(key)? > 0 {
            return Err(c.wrong(key, "must be 0: this part of the smaller Gemma 4 models is not understood"));
        }
    }
    c.unused(&["vocab_size_per_layer_input"]);
    let hidden = c.count("hidden_size")?;
    let local = Heads::read(c, hidden)?;
    let global = global_heads(c, local)?;
    let shared_kv = c.flag("attention_k_eq_v")?.unwrap_or(false);
    let inter = c.count("intermediate_size")?;
    let experts = match c.flag("enable_moe_block")?.unwrap_or(false) {
        true => Some(gated_experts(c, hidden, c.count("moe_intermediate_size")?)?),
        false => None,
    };
    let layer = |window: Option<Window>| -> Layer {
        let heads = if window.is_none() { global } else { local };
        let mut draft = Draft::with_norms(4 * hidden + 2 * heads.dim + 1);
        draft = match window.is_none() && shared_kv {
            true => keys_as_values(draft, hidden, heads),
            false => draft.attention(hidden, heads).windowed(window),
        };
        draft = draft.gated(Part::Dense, hidden, inter);
        if let Some(experts) = experts {
            // Three more norms, and the router's scales of its input and of each expert.
            draft = draft.experts(hidden, experts).plus(4 * hidden + experts.count);
        }
        draft.layer()
    };
    let layers = fold(windows(c, c.layers(&["num_hidden_layers"])?, Sight::Every)?.into_iter().map(layer));
    let notes = vec!["Full layers derive values from their keys; both are cached, since only keys are rotated.".into()];
    Ok(Anatomy { hidden, layers, other_params: hidden, notes, ..Anatomy::default() })
}

fn global_heads(c: &Config<'_>, local: Heads) -> Result<Heads, Diagnostic> {
    let dim = c.count_if("global_head_dim")?.unwrap_or(local.dim);
    let kv = c.count_if("num_global_key_value_heads")?.unwrap_or(local.kv);
    if !local.query.is_multiple_of(kv) {
        let accepted = format!("must divide the {} attention heads", local.query);
        return Err(c.wrong("num_global_key_value_heads", &accepted));
    }
    Ok(Heads { query: local.query, kv, dim, value: dim })
}

/// Attention whose values are the unrotated keys: there is no value projection.
fn keys_as_values(draft: Draft, hidden: u64, heads: Heads) -> Draft {
    draft
        .linear("qk", Part::Attention, hidden, (heads.query + heads.kv) * heads.dim, Shard::Columns)
        .linear("o", Part::Attention, heads.output(), hidden, Shard::Rows)
        .core(heads.core(None))
}

/// Gemma 3n: a low-rank residual, several streams that each layer predicts and corrects, a table of embeddings for
/// every layer, and last layers that read the cache of earlier ones.
fn gemma3n(c: &Config<'_>) -> Result<Anatomy, Diagnostic> {
    let hidden = c.count("hidden_size")?;
    let count = c.layers(&["num_hidden_layers"])?;
    let heads = Heads::read(c, hidden)?;
    let inter = c.uniform("intermediate_size")?.ok_or_else(|| c.missing("intermediate_size"))?;
    let windows = windows(c, count, Sight::Every)?;
    let (streams, rank) = (c.count("altup_num_inputs")?, c.count("laurel_rank")?);
    let (each, rows) =
        (c.number_or_zero("hidden_size_per_layer_input")?, c.number_or_zero("vocab_size_per_layer_input")?);
    let shared = c.number_or_zero("num_kv_shared_layers")?.min(count);
    let layer = |(at, window): (u64, Option<Window>)| {
        // Four norms, those of query and key, of the low-rank residual, of the streams' router and of the embedding
        // per layer, and a scale of what is corrected.
        let draft = Draft::with_norms(8 * hidden + heads.dim);
        let draft = match at + shared >= count {
            true => draft.borrowed_attention(hidden, heads),
            false => draft.attention(hidden, heads).plus(heads.dim),
        };
        draft
            .windowed(window)
            .gated(Part::Dense, hidden, inter)
            .linear("laurel_down", Part::Dense, hidden, rank, Shard::Replicated)
            .linear("laurel_up", Part::Dense, rank, hidden, Shard::Replicated)
            .linear("input_gate", Part::Dense, hidden, each, Shard::Replicated)
            .linear("input", Part::Dense, each, hidden, Shard::Replicated)
            .linear("streams", Part::Router, hidden, streams, Shard::Replicated)
            .plus(streams * streams + streams * streams * streams)
            .layer()
    };
    let layers = fold((0..count).zip(windows).map(layer));
    // Projections of the streams in and out, and of the embedding to those per layer.
    let other_params = hidden + 2 * (streams - 1) * hidden * hidden + hidden * count * each + each;
    let notes = vec![format!(
        "Each layer has a table of {each} values for each of {rows} tokens, of which a token reads one row; the last \
         {shared} layers read the cache of earlier ones."
    )];
    let table_params = rows * count * each;
    Ok(Anatomy { hidden, layers, other_params, table_params, notes, ..Anatomy::default() })
}

const GEMMA: &str = r#"{"head_dim": 256, "num_key_value_heads": 16, "tie_word_embeddings": true}"#;
const SIZES: &str = r#"{"hidden_size": 2304, "intermediate_size": 9216, "num_hidden_layers": 26,
    "num_attention_heads": 8, "vocab_size": 256000}"#;
