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
use std::collections::BTreeSet;

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
            "hidden_size_per_layer_input": 256, "vocab_size_per_layer_input": 262144, "tie_word_embeddings": true}"#,
        gemma4,
    )
    .nested(
        r#"{"hidden_size": 2304, "intermediate_size": 9216, "num_hidden_layers": 30, "num_attention_heads": 8,
            "vocab_size": 262144}"#,
    ),
];

/// Gemma 4: full layers have heads of their own and may use keys as values; experts may stand beside the dense network;
/// the smaller models have a table of embeddings for every layer, and last layers that read the cache of earlier ones.
fn gemma4(c: &Config<'_>) -> Result<Anatomy, Diagnostic> {
    causal(c)?;
    let hidden = c.count("hidden_size")?;
    let count = c.layers(&["num_hidden_layers"])?;
    let windows = windows(c, count, Sight::Every)?;
    let local = Heads::read(c, hidden)?;
    let global = global_heads(c, local, &windows)?;
    let shared_kv = c.flag("attention_k_eq_v")?.unwrap_or(false);
    let inter = c.count("intermediate_size")?;
    let borrowing = c.number_or_zero("num_kv_shared_layers")?.min(count);
    let wide = c.flag("use_double_wide_mlp")?.unwrap_or(false);
    let tables = Tables::read(c)?;
    let experts = match c.flag("enable_moe_block")?.unwrap_or(false) {
        true => Some(gated_experts(c, hidden, c.count("moe_intermediate_size")?)?),
        false => None,
    };
    let layer = |(at, window): (u64, Option<Window>)| -> Layer {
        let heads = if window.is_none() { global } else { local };
        let borrows = at + borrowing >= count;
        let draft = Draft::with_norms(4 * hidden + heads.dim + 1);
        let draft = match (borrows, window.is_none() && shared_kv) {
            (true, _) => draft.borrowed_attention(hidden, heads).windowed(window),
            (false, true) => keys_as_values(draft, hidden, heads).plus(heads.dim),
            (false, false) => draft.attention(hidden, heads).windowed(window).plus(heads.dim),
        };
        let mut draft = draft.gated(Part::Dense, hidden, if wide && borrows { 2 * inter } else { inter });
        if let Some(experts) = experts {
            // Three more norms, and the router's scales of its input and of each expert.
            draft = draft.experts(hidden, experts).plus(4 * hidden + experts.count);
        }
        tables.add(draft, hidden).layer()
    };
    let layers = fold((0..count).zip(windows.iter().copied()).map(layer));
    let mut notes = tables.notes(borrowing);
    if shared_kv {
        notes.push("Full layers derive values from their keys; both are cached, since only keys are rotated.".into());
    }
    let (other_params, table_params) = (hidden + tables.outside(hidden, count), tables.params(count));
    Ok(Anatomy { hidden, layers, other_params, table_params, notes, ..Anatomy::default() })
}

/// Heads of full layers: fields of their own, or an object with the exceptions of each layer by its number.
fn global_heads(c: &Config<'_>, local: Heads, windows: &[Option<Window>]) -> Result<Heads, Diagnostic> {
    const EACH: &str = "per_layer_config";
    let mut dim = c.count_if("global_head_dim")?.unwrap_or(local.dim);
    let mut kv = c.count_if("num_global_key_value_heads")?.unwrap_or(local.kv);
    if let Some(each) = c.object(EACH)? {
        let full = |key: &str| key.parse().ok().and_then(|at: usize| windows.get(at)).is_some_and(Option::is_none);
        let keys: Vec<String> = each.keys().map(str::to_owned).collect();
        let mut heads = BTreeSet::new();
        for key in &keys {
            let layer = each.object(key)?.ok_or_else(|| each.missing(key))?;
            let own = layer.count_if("num_key_value_heads")?.unwrap_or(kv);
            heads.insert((layer.count_if("head_dim")?.unwrap_or(dim), own));
        }
        let complete = keys.len() == windows.iter().filter(|window| window.is_none()).count();
        match (heads.first(), heads.len()) {
            (Some(found), 1) if complete && keys.iter().all(|key| full(key)) => (dim, kv) = *found,
            _ => return Err(c.wrong(EACH, "must say the same of every layer that sees everything, and of no other")),
        }
    }
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

/// Embeddings for every layer, of which a token reads a row: their width, 0 for none, and their rows.
#[derive(Debug, Clone, Copy)]
struct Tables {
    width: u64,
    rows: u64,
}

impl Tables {
    fn read(c: &Config<'_>) -> Result<Self, Diagnostic> {
        let (width, rows) = ("hidden_size_per_layer_input", "vocab_size_per_layer_input");
        Ok(Self { width: c.number_or_zero(width)?, rows: c.number_or_zero(rows)? })
    }

    /// The gate and the projection by which a layer takes its row in, and a norm.
    fn add(self, draft: Draft, hidden: u64) -> Draft {
        if self.width == 0 {
            return draft;
        }
        draft
            .linear("input_gate", Part::Dense, hidden, self.width, Shard::Replicated)
            .linear("input", Part::Dense, self.width, hidden, Shard::Replicated)
            .plus(hidden)
    }

    /// The projection of the embedding to those of all layers, and a norm.
    fn outside(self, hidden: u64, layers: u64) -> u64 {
        hidden * layers * self.width + self.width
    }

    fn params(self, layers: u64) -> u64 {
        self.rows * layers * self.width
    }

    fn notes(self, borrowing: u64) -> Vec<String> {
        let mut notes = Vec::new();
        if self.width > 0 {
            notes.push(format!(
                "Each layer has a table of {} values for each of {} tokens, of which a token reads one row.",
                self.width, self.rows
            ));
        }
        if borrowing > 0 {
            notes.push(format!("The last {borrowing} layers read the cache of earlier ones."));
        }
        notes
    }
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
    let tables = Tables::read(c)?;
    let shared = c.number_or_zero("num_kv_shared_layers")?.min(count);
    let layer = |(at, window): (u64, Option<Window>)| {
        // Four norms, that of the low-rank residual and of the streams' router, and a scale of what is corrected.
        let draft = Draft::with_norms(7 * hidden + heads.dim);
        let draft = match at + shared >= count {
            true => draft.borrowed_attention(hidden, heads),
            false => draft.attention(hidden, heads).plus(heads.dim),
        };
        let draft = draft
            .windowed(window)
            .gated(Part::Dense, hidden, inter)
            .linear("laurel_down", Part::Dense, hidden, rank, Shard::Replicated)
            .linear("laurel_up", Part::Dense, rank, hidden, Shard::Replicated)
            .linear("streams", Part::Router, hidden, streams, Shard::Replicated)
            .plus(streams * streams + streams * streams * streams);
        tables.add(draft, hidden).layer()
    };
    let layers = fold((0..count).zip(windows).map(layer));
    // Projections of the streams in and out.
    let other_params = hidden + 2 * (streams - 1) * hidden * hidden + tables.outside(hidden, count);
    let (table_params, notes) = (tables.params(count), tables.notes(shared));
    Ok(Anatomy { hidden, layers, other_params, table_params, notes, ..Anatomy::default() })
}

const GEMMA: &str = r#"{"head_dim": 256, "num_key_value_heads": 16, "tie_word_embeddings": true}"#;
const SIZES: &str = r#"{"hidden_size": 2304, "intermediate_size": 9216, "num_hidden_layers": 26,
    "num_attention_heads": 8, "vocab_size": 256000}"#;
