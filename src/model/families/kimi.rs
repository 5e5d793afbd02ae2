//! Kimi Linear and Kimi-K3: delta attention with a decay per channel, latent attention every fourth layer, experts
//! on a shorter vector, residuals that attend to earlier blocks.
//!
//! Source: arXiv 2607.24653 and vLLM's `kimi_linear.py` (layers, experts, attention residuals, output gates).

use super::anatomy::Anatomy;
use super::class::{Class, class};
use super::experts::{Sparse, gated_experts, sparse_layers};
use super::recurrent::{DELTA_FLOP, recurrence};
use crate::diagnostic::Diagnostic;
use crate::model::config::Config;
use crate::model::draft::{Draft, Latent, fold};
use crate::model::spec::{Experts, Layer, Part, Shard};

/// The class.
pub const CLASSES: &[Class] = &[class(
    &["KimiLinearForCausalLM", "KimiK3ForConditionalGeneration"],
    &["kimi_linear", "kimi_k3"],
    r#"{"tie_word_embeddings": false}"#,
    linear,
)
.unused(&["topk_method"])];

/// Kimi delta attention.
struct Delta {
    heads: u64,
    dim: u64,
    kernel: u64,
    full_rank_gate: bool,
}

impl Delta {
    fn read(c: &Config<'_>) -> Result<Self, Diagnostic> {
        Ok(Self {
            heads: c.count("num_heads")?,
            dim: c.count("head_dim")?,
            kernel: c.count("short_conv_kernel_size")?,
            full_rank_gate: c.flag("use_full_rank_gate")?.unwrap_or(false),
        })
    }

    fn add(&self, draft: Draft, hidden: u64) -> Draft {
        let Self { heads, dim, kernel, .. } = *self;
        let inner = heads * dim;
        let draft = draft
            .linear("qkv", Part::Attention, hidden, 3 * inner, Shard::Columns)
            .linear("beta", Part::Attention, hidden, heads, Shard::Columns)
            .linear("decay_down", Part::Attention, hidden, dim, Shard::Replicated)
            .linear("decay_up", Part::Attention, dim, inner, Shard::Columns)
            .linear("o", Part::Attention, inner, hidden, Shard::Rows)
            .plus(3 * inner * kernel + inner + heads + dim)
            .core(recurrence(heads, inner * dim, DELTA_FLOP, 3 * inner, kernel));
        match self.full_rank_gate {
            true => draft.linear("gate", Part::Attention, hidden, inner, Shard::Columns),
            false => draft.linear("gate_down", Part::Attention, hidden, dim, Shard::Replicated).linear(
                "gate_up",
                Part::Attention,
                dim,
                inner,
                Shard::Columns,
            ),
        }
    }
}

/// Experts beside shared ones; between two projections where they work on a shorter vector.
struct Feed {
    hidden: u64,
    latent: Option<u64>,
    normed: bool,
    shared: u64,
    experts: Experts,
}

impl Feed {
    fn read(c: &Config<'_>, hidden: u64) -> Result<Self, Diagnostic> {
        let latent = c.count_if("routed_expert_hidden_size")?;
        let inter = c.count("moe_intermediate_size")?;
        Ok(Self {
            hidden,
            latent,
            normed: c.flag("latent_moe_use_norm")?.unwrap_or(false),
            shared: c.number_or_zero("num_shared_experts")? * inter,
            experts: gated_experts(c, latent.unwrap_or(hidden), inter)?,
        })
    }

    fn add(&self, draft: Draft) -> Draft {
        let Self { hidden, experts, .. } = *self;
        let draft = draft.gated(Part::Shared, hidden, self.shared).experts(hidden, experts).plus(experts.count);
        match self.latent {
            Some(width) => draft
                .linear("latent_down", Part::Shared, hidden, width, Shard::Replicated)
                .linear("latent_up", Part::Shared, width, hidden, Shard::Replicated)
                .plus(if self.normed { width } else { 0 }),
            None => draft,
        }
    }
}

fn linear(c: &Config<'_>) -> Result<Anatomy, Diagnostic> {
    let hidden = c.count("hidden_size")?;
    let layers = c.layers(&["num_hidden_layers"])?;
    let (delta, recurrent) = delta(c, layers)?;
    let latent = Latent::read(c)?;
    let gated = c.flag("mla_use_output_gate")?.unwrap_or(false);
    let feed = Feed::read(c, hidden)?;
    let sparse = sparse_layers(c, layers, Sparse::After)?;
    let inter = c.count("intermediate_size")?;
    // A residual that attends to earlier blocks has a norm and a query of its own before each half of a layer.
    let residual = if c.count_if("attn_res_block_size")?.is_some() { 2 * hidden } else { 0 };
    let layer = |at: u64| {
        let mut draft = Draft::with_norms(2 * hidden + 2 * residual);
        let recurrent = recurrent.get(at as usize) == Some(&true);
        draft = match recurrent {
            true => delta.add(draft, hidden),
            false => draft.latent(hidden, latent),
        };
        if gated && !recurrent {
            draft = draft.linear("gate", Part::Attention, hidden, latent.output(), Shard::Columns);
        }
        match sparse.get(at as usize) == Some(&true) {
            false => draft.gated(Part::Dense, hidden, inter).layer(),
            true => feed.add(draft).layer(),
        }
    };
    let built: Vec<Layer> = (0..layers).map(layer).collect();
    Ok(Anatomy {
        hidden,
        layers: fold(built),
        other_params: hidden + residual,
        mtp_layers: c.number_or_zero("num_nextn_predict_layers")?,
        ..Anatomy::default()
    })
}

/// The delta attention, and whether each layer has it: a nested object, or fields beside the others (newer files).
fn delta(c: &Config<'_>, layers: u64) -> Result<(Delta, Vec<bool>), Diagnostic> {
    if let Some(block) = c.object("linear_attn_config")? {
        // Bounds of the decay, whose number of values is the same with them.
        block.unused(&["gate_lower_bound"]);
        let recurrent = recurrent_layers(&block, layers)?;
        return Ok((Delta::read(&block)?, (1..=layers).map(|at| recurrent.contains(&at)).collect()));
    }
    let delta = Delta {
        heads: c.count("linear_num_heads")?,
        dim: c.count("linear_head_dim")?,
        kernel: c.count("linear_conv_kernel_dim")?,
        full_rank_gate: false,
    };
    let types = c.per_layer("layer_types", layers)?.ok_or_else(|| c.missing("layer_types"))?;
    if types.iter().any(|kind| kind != "full_attention" && kind != "linear_attention") {
        return Err(c.wrong("layer_types", "must hold linear_attention and full_attention only"));
    }
    Ok((delta, types.iter().map(|kind| kind == "linear_attention").collect()))
}

/// The layers with a recurrence, numbered from 1. Both lists together must name every layer once.
fn recurrent_layers(c: &Config<'_>, layers: u64) -> Result<Vec<u64>, Diagnostic> {
    let recurrent = c.numbers("kda_layers")?.ok_or_else(|| c.missing("kda_layers"))?;
    let full = c.numbers("full_attn_layers")?.ok_or_else(|| c.missing("full_attn_layers"))?;
    let mut all: Vec<u64> = recurrent.iter().chain(&full).copied().collect();
    all.sort_unstable();
    if !all.iter().copied().eq(1..=layers) {
        let accepted = format!("must name, together with `full_attn_layers`, each of the layers 1 to {layers} once");
        return Err(c.wrong("kda_layers", &accepted));
    }
    Ok(recurrent)
}
