//! Hybrids of recurrence and attention: Qwen3.5 (gated delta net) and Nemotron-H (Mamba-2, latent experts).
//!
//! Sources: `modeling_qwen3_5_moe.py` and `modeling_nemotron_h.py` in transformers. A recurrence keeps one matrix a
//! head in 32 bit. The gated delta rule decays it, reads it with the key, adds an outer product and reads it with
//! the query: 7 FLOP per value. Mamba-2 decays, adds and reads: 5.

use super::anatomy::{Anatomy, gated_experts};
use crate::diagnostic::Diagnostic;
use crate::model::config::Config;
use crate::model::draft::{Draft, Heads, fold};
use crate::model::spec::{Core, Experts, Layer, Part, Shard};

/// FLOP per value of the state of a gated delta rule.
pub const DELTA_FLOP: u64 = 7;
/// FLOP per value of the state of Mamba-2.
const MAMBA_FLOP: u64 = 5;

/// A recurrence behind a short convolution over `channels`.
pub fn recurrence(heads: u64, state_values: u64, flop_per_value: u64, channels: u64, kernel: u64) -> Core {
    Core::Recurrent {
        heads,
        state_bytes: 4 * state_values + 2 * channels * (kernel - 1),
        flop_per_token: flop_per_value * state_values + 2 * channels * kernel,
    }
}

/// Qwen3.5 with experts: a gated attention layer after every three delta-net layers.
pub fn qwen3_5_moe(c: &Config<'_>) -> Result<Anatomy, Diagnostic> {
    let hidden = c.count("hidden_size")?;
    let layers = c.layers(&["num_hidden_layers"])?;
    let heads = Heads { dim: c.count("head_dim")?, ..Heads::read(c, hidden)? };
    let experts = gated_experts(c, hidden, c.count("moe_intermediate_size")?)?;
    let shared = c.count("shared_expert_intermediate_size")?;
    let gated = c.flag("attn_output_gate")?.unwrap_or(true);
    let delta = DeltaNet::read(c, hidden)?;
    let types = c.per_layer("layer_types", layers)?.ok_or_else(|| c.missing("layer_types"))?;
    let layer = |kind: &String| {
        let norms = Draft::with_norms(2 * hidden);
        let draft = match kind.as_str() {
            "full_attention" if gated => gated_attention(norms, hidden, heads),
            "full_attention" => norms.attention(hidden, heads).plus(2 * heads.dim),
            "linear_attention" => delta.add(norms),
            _ => return Err(c.wrong("layer_types", "must hold linear_attention and full_attention only")),
        };
        let draft = draft.gated(Part::Shared, hidden, shared).experts(hidden, experts);
        Ok(draft.linear("shared_gate", Part::Router, hidden, 1, Shard::Replicated).layer())
    };
    let built = types.iter().map(layer).collect::<Result<Vec<Layer>, Diagnostic>>()?;
    Ok(Anatomy {
        hidden,
        layers: fold(built),
        other_params: hidden,
        mtp_layers: c.number_or_zero("mtp_num_hidden_layers")?,
        ..Anatomy::default()
    })
}

/// Attention whose query projection also puts out a gate.
fn gated_attention(draft: Draft, hidden: u64, heads: Heads) -> Draft {
    let query = heads.query * heads.dim;
    draft
        .linear("qkv_gate", Part::Attention, hidden, heads.qkv() + query, Shard::Columns)
        .linear("o", Part::Attention, query, hidden, Shard::Rows)
        .core(heads.core(None))
        .plus(2 * heads.dim)
}

/// The gated delta net of Qwen3-Next and Qwen3.5.
struct DeltaNet {
    hidden: u64,
    key_heads: u64,
    value_heads: u64,
    key_dim: u64,
    value_dim: u64,
    kernel: u64,
}

impl DeltaNet {
    fn read(c: &Config<'_>, hidden: u64) -> Result<Self, Diagnostic> {
        Ok(Self {
            hidden,
            key_heads: c.count("linear_num_key_heads")?,
            value_heads: c.count("linear_num_value_heads")?,
            key_dim: c.count("linear_key_head_dim")?,
            value_dim: c.count("linear_value_head_dim")?,
            kernel: c.count("linear_conv_kernel_dim")?,
        })
    }

    fn add(&self, draft: Draft) -> Draft {
        let values = self.value_heads * self.value_dim;
        let channels = 2 * self.key_heads * self.key_dim + values;
        let state = self.value_heads * self.key_dim * self.value_dim;
        draft
            .linear("qkvz", Part::Attention, self.hidden, channels + values, Shard::Columns)
            .linear("ba", Part::Attention, self.hidden, 2 * self.value_heads, Shard::Columns)
            .linear("o", Part::Attention, values, self.hidden, Shard::Rows)
            .plus(channels * self.kernel + 2 * self.value_heads + self.value_dim)
            .core(recurrence(self.value_heads, state, DELTA_FLOP, channels, self.kernel))
    }
}

/// Nemotron-H: one mixer a layer, named by a letter: Mamba-2, experts, attention, or a feed-forward network.
pub fn nemotron_h(c: &Config<'_>) -> Result<Anatomy, Diagnostic> {
    let hidden = c.count("hidden_size")?;
    let layers = c.layers(&["num_hidden_layers"])?;
    let pattern = c.word("hybrid_override_pattern")?.ok_or_else(|| c.missing("hybrid_override_pattern"))?;
    if pattern.chars().count() as u64 != layers {
        return Err(
            c.wrong("hybrid_override_pattern", &format!("must have one letter for each of the {layers} layers"))
        );
    }
    let layer = |letter: char| {
        let norm = Draft::with_norms(hidden);
        let draft = match letter {
            'M' => mamba(c, norm, hidden)?,
            'E' => latent_experts(c, norm, hidden)?,
            '*' => norm.attention(hidden, Heads::read(c, hidden)?),
            '-' => norm.plain(Part::Dense, hidden, c.count("intermediate_size")?),
            _ => return Err(c.wrong("hybrid_override_pattern", "must hold the letters M, E, * and - only")),
        };
        Ok(draft.layer())
    };
    let built = pattern.chars().map(layer).collect::<Result<Vec<Layer>, Diagnostic>>()?;
    Ok(Anatomy {
        hidden,
        layers: fold(built),
        other_params: hidden,
        mtp_layers: c.number_or_zero("num_nextn_predict_layers")?,
        ..Anatomy::default()
    })
}

/// Mamba-2 (arXiv 2405.21060): one input projection for gate, value, B, C and step size; decay, skip and step bias
/// per head; a gated norm.
fn mamba(c: &Config<'_>, draft: Draft, hidden: u64) -> Result<Draft, Diagnostic> {
    let (heads, dim) = (c.count("mamba_num_heads")?, c.count("mamba_head_dim")?);
    let (groups, state, kernel) = (c.count("n_groups")?, c.count("ssm_state_size")?, c.count("conv_kernel")?);
    let inner = heads * dim;
    let channels = inner + 2 * groups * state;
    let bias = if c.flag("use_conv_bias")?.unwrap_or(true) { channels } else { 0 };
    Ok(draft
        .linear("in", Part::Attention, hidden, inner + channels + heads, Shard::Columns)
        .linear("out", Part::Attention, inner, hidden, Shard::Rows)
        .plus(channels * kernel + bias + 3 * heads + inner)
        .core(recurrence(heads, inner * state, MAMBA_FLOP, channels, kernel)))
}

/// Experts without a gate that work on a shorter vector than the residual stream, where the file gives one.
fn latent_experts(c: &Config<'_>, draft: Draft, hidden: u64) -> Result<Draft, Diagnostic> {
    let width = c.count_if("moe_latent_size")?;
    let inter = c.count("moe_intermediate_size")?;
    let experts = Experts { matrices: 2, ..gated_experts(c, width.unwrap_or(hidden), inter)? };
    let shared = c.number_or_zero("n_shared_experts")? * c.number_or_zero("moe_shared_expert_intermediate_size")?;
    let draft = draft.plain(Part::Shared, hidden, shared).experts(hidden, experts).plus(experts.count);
    Ok(match width {
        Some(width) => draft.linear("latent_down", Part::Shared, hidden, width, Shard::Replicated).linear(
            "latent_up",
            Part::Shared,
            width,
            hidden,
            Shard::Replicated,
        ),
        None => draft,
    })
}
