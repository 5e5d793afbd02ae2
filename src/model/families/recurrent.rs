//! Mixers with a state of fixed size: gated delta nets, Mamba 1 and 2, lightning attention, short convolutions.
//!
//! A recurrence keeps its state in 32 bit, and a short convolution the last tokens in 16 bit. FLOP per value of the
//! state: the gated delta rule decays it, reads it with the key, adds an outer product and reads it with the query, 7.
//! Mamba-2 and lightning attention decay, add and read, 5. Mamba-1 computes the decay of every value, two more.

use super::class::Said;
use crate::diagnostic::Diagnostic;
use crate::model::config::Config;
use crate::model::draft::Draft;
use crate::model::spec::{Core, Part, Shard};

/// FLOP per value of the state of a gated delta rule.
pub const DELTA_FLOP: u64 = 7;
/// FLOP per value of the state of Mamba-2, and of linear attention with a decay per head.
const LINEAR_FLOP: u64 = 5;
/// FLOP per value of the state of Mamba-1.
const MAMBA1_FLOP: u64 = 7;

/// A recurrence behind a short convolution over `channels`.
pub fn recurrence(heads: u64, state_values: u64, flop_per_value: u64, channels: u64, kernel: u64) -> Core {
    Core::Recurrent {
        heads,
        state_bytes: 4 * state_values + 2 * channels * kernel.saturating_sub(1),
        flop_per_token: flop_per_value * state_values + 2 * channels * kernel,
    }
}

/// Checks that the state is kept in 32 bit, as it is counted.
///
/// # Errors
/// When a field says otherwise.
pub fn state_in_32_bit(c: &Config<'_>) -> Result<(), Diagnostic> {
    for key in ["mamba_ssm_dtype", "mamba_ssm_cache_dtype"] {
        if c.word(key)?.is_some_and(|kind| kind != "float32") {
            return Err(c.wrong(key, "must be float32: states of other sizes are not counted"));
        }
    }
    Ok(())
}

/// The gated delta net of Qwen3-Next and Qwen3.5 (`modeling_qwen3_next.py`).
#[derive(Debug, Clone, Copy)]
pub struct DeltaNet {
    hidden: u64,
    key_heads: u64,
    value_heads: u64,
    key_dim: u64,
    value_dim: u64,
    kernel: u64,
}

impl DeltaNet {
    /// Reads its fields.
    ///
    /// # Errors
    /// When one is missing or wrong.
    pub fn read(c: &Config<'_>, hidden: u64) -> Result<Self, Diagnostic> {
        Ok(Self {
            hidden,
            key_heads: c.count("linear_num_key_heads")?,
            value_heads: c.count("linear_num_value_heads")?,
            key_dim: c.count("linear_key_head_dim")?,
            value_dim: c.count("linear_value_head_dim")?,
            kernel: c.count("linear_conv_kernel_dim")?,
        })
    }

    /// Adds it to a layer.
    pub fn add(&self, draft: Draft) -> Draft {
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

/// Mamba-2 (arXiv 2405.21060): one input projection for gate, value, B, C and step size; decay, skip and step bias
/// per head; a gated norm.
#[derive(Debug, Clone, Copy)]
pub struct Mamba2 {
    hidden: u64,
    heads: u64,
    dim: u64,
    groups: u64,
    state: u64,
    kernel: u64,
    conv_bias: bool,
    bias: bool,
    normed: bool,
}

/// What the fields of Mamba-2 are called in a class.
#[derive(Debug, Clone, Copy)]
pub struct Mamba2Names {
    /// Heads, and values of one.
    pub heads: [&'static str; 2],
    /// Groups that share B and C.
    pub groups: &'static str,
    /// Values of the state per channel.
    pub state: &'static str,
    /// Tokens of the convolution, and whether it has a bias.
    pub conv: [&'static str; 2],
    /// Whether the projections have a bias.
    pub bias: &'static str,
    /// Whether what comes out is normalised.
    pub norm: Said,
    /// Width of the mixer over that of the residual stream: must agree with the heads, where there is such a field.
    pub expand: Option<&'static str>,
}

impl Mamba2 {
    /// Reads its fields.
    ///
    /// # Errors
    /// When one is missing or wrong, or the heads do not make the width.
    pub fn read(c: &Config<'_>, hidden: u64, names: &Mamba2Names) -> Result<Self, Diagnostic> {
        let [heads, dim] = names.heads;
        let heads = c.count(heads)?;
        let expanded = names.expand.map_or(Ok(None), |key| c.count_if(key))?.map(|factor| factor * hidden);
        let dim = match (c.written(dim), expanded) {
            (Some("\"auto\""), Some(width)) => {
                c.unused(&[dim]);
                width / heads
            }
            _ => c.count(dim)?,
        };
        if let (Some(width), Some(key)) = (expanded, names.expand)
            && heads * dim != width
        {
            return Err(c.wrong(key, &format!("must agree with the {heads} heads of {dim} values of the mixer")));
        }
        let [kernel, conv_bias] = names.conv;
        Ok(Self {
            hidden,
            heads,
            dim,
            groups: c.count(names.groups)?,
            state: c.count(names.state)?,
            kernel: c.count(kernel)?,
            conv_bias: c.flag(conv_bias)?.unwrap_or(true),
            bias: c.flag(names.bias)?.unwrap_or(false),
            normed: names.norm.read(c)?,
        })
    }

    /// Values of all heads.
    pub const fn inner(&self) -> u64 {
        self.heads * self.dim
    }

    /// Adds it to a layer.
    pub fn add(&self, draft: Draft) -> Draft {
        let Self { hidden, heads, dim, groups, state, kernel, conv_bias, bias, normed } = *self;
        let inner = heads * dim;
        let channels = inner + 2 * groups * state;
        let projected = inner + channels + heads;
        let biases = if conv_bias { channels } else { 0 } + if bias { projected + hidden } else { 0 };
        draft
            .linear("in", Part::Attention, hidden, projected, Shard::Columns)
            .linear("out", Part::Attention, inner, hidden, Shard::Rows)
            .plus(channels * kernel + biases + 3 * heads + if normed { inner } else { 0 })
            .core(recurrence(heads, inner * state, LINEAR_FLOP, channels, kernel))
    }
}

/// Mamba-1 (arXiv 2312.00752): a projection for value and gate, one for step size, B and C, one that widens the step
/// size; a decay per value and a skip per channel.
#[derive(Debug, Clone, Copy)]
pub struct Mamba1 {
    hidden: u64,
    inner: u64,
    state: u64,
    rank: u64,
    kernel: u64,
    conv_bias: bool,
    bias: bool,
    normed: bool,
}

impl Mamba1 {
    /// Reads its fields: names of the state, the kernel, the switches of both biases, the rank of the step size; the
    /// width is the caller's. `normed` says that step size, B and C have norms (Jamba).
    ///
    /// # Errors
    /// When one is missing or wrong.
    pub fn read(
        c: &Config<'_>,
        hidden: u64,
        inner: u64,
        names: [&'static str; 5],
        normed: bool,
    ) -> Result<Self, Diagnostic> {
        let [state, kernel, conv_bias, bias, rank] = names;
        let rank = match c.written(rank) {
            Some("\"auto\"") | None => {
                c.unused(&[rank]);
                hidden.div_ceil(16)
            }
            Some(_) => c.count(rank)?,
        };
        Ok(Self {
            hidden,
            inner,
            state: c.count(state)?,
            rank,
            kernel: c.count(kernel)?,
            conv_bias: c.flag(conv_bias)?.unwrap_or(true),
            bias: c.flag(bias)?.unwrap_or(false),
            normed,
        })
    }

    /// Adds it to a layer.
    pub fn add(&self, draft: Draft) -> Draft {
        let Self { hidden, inner, state, rank, kernel, conv_bias, bias, normed } = *self;
        let biases = if conv_bias { inner } else { 0 } + if bias { 2 * inner + hidden } else { 0 };
        let norms = if normed { rank + 2 * state } else { 0 };
        draft
            .linear("in", Part::Attention, hidden, 2 * inner, Shard::Columns)
            .linear("step_b_c", Part::Attention, inner, rank + 2 * state, Shard::Rows)
            .linear("step", Part::Attention, rank, inner, Shard::Columns)
            .linear("out", Part::Attention, inner, hidden, Shard::Rows)
            // Convolution; bias of the step size; decay of every value of the state; skip.
            .plus(inner * kernel + inner + inner * state + inner + biases + norms)
            .core(recurrence(inner, inner * state, MAMBA1_FLOP, inner, kernel))
    }
}

/// Adds lightning attention (MiniMax-01, arXiv 2501.08313): linear attention with a decay per head, a norm of what
/// comes out and a gate.
pub fn lightning(draft: Draft, hidden: u64, heads: u64, dim: u64) -> Draft {
    let inner = heads * dim;
    draft
        .linear("qkv", Part::Attention, hidden, 3 * inner, Shard::Columns)
        .linear("gate", Part::Attention, hidden, inner, Shard::Columns)
        .linear("o", Part::Attention, inner, hidden, Shard::Rows)
        .plus(inner)
        .core(recurrence(heads, inner * dim, LINEAR_FLOP, 0, 1))
}

/// Adds a gated short convolution (LFM2): a projection for value and two gates, a convolution per channel.
pub fn short_convolution(draft: Draft, hidden: u64, kernel: u64, bias: bool) -> Draft {
    draft
        .linear("in", Part::Attention, hidden, 3 * hidden, Shard::Columns)
        .linear("out", Part::Attention, hidden, hidden, Shard::Rows)
        .plus(hidden * kernel + if bias { 5 * hidden } else { 0 })
        .core(recurrence(hidden, 0, 0, hidden, kernel))
}
