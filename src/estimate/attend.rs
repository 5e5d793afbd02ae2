//! How tokens are mixed along the sequence: attention and recurrences as shapes on the heads of one rank.

use super::bound::Class;
use super::choice::Choice;
use super::constants::{Kernel, Kind};
use super::op::{Attention, Op, WIDE, Work};
use super::path::Family;
use crate::model::mixing::{INDEX_BYTES, Mixing};
use crate::model::spec::Core;
use crate::setup::Engine;

/// Bytes of a pair's score without flash attention: written, read and written by the softmax, read again, in 32 bit each
/// time (ggml's `build_attn_mha`).
const SCORE_BYTES: f64 = 16.0;

/// The operations of a layer's core.
pub fn core(choice: &Choice<'_>, core: &Core, calls: f64) -> Vec<Op> {
    if let Core::Recurrent { state_bytes, flop_per_token, .. } = core {
        let (state_bytes, flop_per_token) = (*state_bytes as f64, *flop_per_token as f64);
        return vec![Op::new("recurrence", Class::Attention, calls, recurrent(choice, state_bytes, flop_per_token))];
    }
    let Some(mixing) = core.mixing() else { return Vec::new() };
    let (decode, prefill) = attention(choice, core, &mixing);
    let mut ops = vec![
        Op::new("attention decode", Class::Attention, calls, Work::Decode(decode)),
        Op::new("attention prefill", Class::Attention, calls, Work::Prefill(prefill)),
    ];
    if matches!(core, Core::Softmax { joint_norm: true, .. }) && choice.setup.layout.tp > 1 {
        ops.push(Op::new("all-reduce of norms", Class::Collectives, 2.0 * calls, Work::Tiny));
    }
    ops
}

fn recurrent(choice: &Choice<'_>, state_bytes: f64, flop_per_token: f64) -> Work {
    let tp = choice.setup.layout.tp as f64;
    let shared = choice.calibration.shared();
    let prefill = choice.kernel(Kind::AttentionPrefill, Family::Bf16);
    let kernel = match choice.setup.hardware.measured {
        _ if choice.ideal() => Kernel::ROOF,
        Some(_) => prefill,
        None => Kernel {
            compute: shared.recurrence_compute,
            memory: shared.recurrence_memory,
            launch: shared.recurrence_launch_s,
            ..prefill
        },
    };
    Work::Recurrent { state_bytes: state_bytes / tp, flop_per_token: flop_per_token / tp, kernel }
}

/// Attention of decoding sequences and of prompts, on the heads of one rank. Every rank scores all of an indexer.
fn attention(choice: &Choice<'_>, core: &Core, mixing: &Mixing) -> (Attention, Attention) {
    let heads = (mixing.heads as f64 / choice.setup.layout.tp as f64).ceil();
    let latent = !matches!(core, Core::Softmax { .. });
    let kind = if latent { Kind::LatentDecode } else { Kind::AttentionDecode };
    let (entry, token) = bytes(choice, core, heads);
    let (rate, kernel) = choice.attention(kind);
    let whole = choice.setup.engine == Engine::LlamaCpp && !choice.setup.limits.flash_attention;
    let decode = Attention {
        flop_per_pair: heads * mixing.decode_pair,
        index_flop: mixing.index_pair,
        bytes_per_cached: entry.0,
        index_bytes: mixing.index_values as f64 * INDEX_BYTES,
        bytes_per_token: token.0,
        score_bytes: if whole { heads * SCORE_BYTES } else { 0.0 },
        span: mixing.span,
        latent,
        rate,
        kernel,
    };
    let (rate, kernel) = choice.attention(Kind::AttentionPrefill);
    let prefill = Attention {
        flop_per_pair: heads * mixing.prompt_pair,
        bytes_per_cached: entry.1,
        bytes_per_token: token.1,
        latent: false,
        rate,
        kernel,
        ..decode
    };
    (decode, prefill)
}

/// Bytes of a cached entry, and of queries in and results out per token, on one rank: in decode and in prompts.
fn bytes(choice: &Choice<'_>, core: &Core, heads: f64) -> ((f64, f64), (f64, f64)) {
    let tp = choice.setup.layout.tp;
    let cached = choice.setup.formats.kv_cache.bytes();
    let same = |entry: f64, token: f64| ((entry, entry), (token, token));
    match core {
        Core::Softmax { kv_heads, head_dim, v_head_dim, cache_values, .. } => {
            // A shared cache is read like an own one; only its writing is saved.
            let values = (*cache_values).max(kv_heads * head_dim) as f64;
            same(values / core.cache_ranks(tp) * cached, heads * (head_dim + v_head_dim) as f64 * WIDE)
        }
        Core::Latent { kv_rank, rope_dim, nope_dim, v_head_dim, .. } => {
            let (r, rope) = (*kv_rank as f64, *rope_dim as f64);
            let (entry, token) = ((r + rope) * cached, heads * (2.0 * r + rope) * WIDE);
            let expanded = heads * ((nope_dim + v_head_dim) as f64 + rope) * WIDE;
            if core.expands() { ((entry, expanded), (token, expanded)) } else { same(entry, token) }
        }
        Core::Compressed { head_dim, .. } => {
            let d = *head_dim as f64;
            same(d * cached, 2.0 * heads * d * WIDE)
        }
        Core::Recurrent { .. } | Core::None => same(0.0, 0.0),
    }
}
