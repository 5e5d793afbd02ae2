//! What fits: weights, activations and KV cache on one device, and how many requests that admits.

use crate::model::Class;
use crate::model::spec::{Core, Shard};
use crate::setup::{Engine, Setup};

/// Bytes of an index key: they are kept in 8 bit whatever the cache is stored in.
const INDEX_BYTES: f64 = 1.0;

/// Bytes on one device, and what they admit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Memory {
    /// Weights of this rank.
    pub weights: f64,
    /// Activations of the largest step.
    pub activations: f64,
    /// What the engine may use.
    pub usable: f64,
    /// Bytes a cached token occupies on this rank.
    pub cache_per_token: f64,
    /// Bytes a sequence occupies whatever its length: recurrent states, full windows.
    pub cache_fixed: f64,
    /// The engine gives up a request's cache when memory runs out, so that it admits by the mean length.
    evicts: bool,
    ranks: f64,
}

impl Memory {
    /// The memory of one device of a setup.
    pub fn of(setup: &Setup) -> Self {
        let (cache_per_token, cache_fixed) = cache(setup);
        Self {
            weights: weights(setup),
            activations: activations(setup),
            usable: setup.hardware.sheet.memory.get() * setup.limits.memory_fraction,
            cache_per_token,
            cache_fixed,
            evicts: matches!(setup.engine, Engine::Vllm | Engine::Sglang),
            ranks: setup.layout.dp as f64,
        }
    }

    /// Bytes left for caches on one device; negative where the weights do not fit.
    pub fn free(&self) -> f64 {
        self.usable - self.weights - self.activations
    }

    /// Requests one instance can hold: K / need, where need is the whole length for an engine that never evicts and
    /// half of the answer for one that does.
    pub fn admits(&self, input: f64, output: f64) -> f64 {
        let length = input + output * if self.evicts { 0.5 } else { 1.0 };
        let need = length * self.cache_per_token + self.cache_fixed;
        (self.free() / need).max(0.0) * self.ranks
    }

    /// Whether one request of this length fits at all.
    pub fn fits(&self, input: f64, output: f64) -> bool {
        self.free() >= (input + output) * self.cache_per_token + self.cache_fixed
    }
}

/// Bytes of the weights one rank holds.
fn weights(setup: &Setup) -> f64 {
    let (model, layout) = (&setup.model, &setup.layout);
    let bytes = |class| setup.stored(class).bytes();
    let (tp, all) = (layout.tp as f64, (layout.tp * layout.dp) as f64);
    let layer = |layer: &crate::model::spec::Layer| {
        let linears: f64 = layer
            .linears
            .iter()
            .map(|l| {
                let values = l.params() as f64;
                let ranks = match l.shard {
                    Shard::Replicated => 1.0,
                    _ => tp,
                };
                values / ranks * bytes(Class::Part(l.part))
            })
            .sum();
        // A rank holds whole experts, or its share of one that several ranks divide.
        let experts = layer.experts.map_or(0.0, |e| {
            let values = e.count.div_ceil(layout.ep) * layout.ep * e.params_each();
            values as f64 / all * bytes(Class::Experts)
        });
        layer.count as f64 * (linears + experts + layer.other_params as f64 * bytes(Class::Rest))
    };
    let tables = if model.tied_embeddings { 1.0 } else { 2.0 };
    let ends = tables * (model.vocab * model.hidden) as f64 / tp * bytes(Class::Rest);
    model.layers.iter().map(layer).sum::<f64>() / layout.pp as f64 + ends
}

/// Bytes a cached token and a sequence occupy on one rank.
fn cache(setup: &Setup) -> (f64, f64) {
    let (tp, pp) = (setup.layout.tp as f64, setup.layout.pp as f64);
    let bytes = setup.formats.kv_cache.bytes();
    let (mut per_token, mut fixed) = (0.0, 0.0);
    for layer in &setup.model.layers {
        let layers = layer.count as f64 / pp;
        match &layer.core {
            Core::Softmax { kv_heads, cache_values, window, .. } => {
                let values = *cache_values as f64 / tp.min(*kv_heads as f64) * bytes;
                match window {
                    // A sliding window is held in full once a sequence is longer than it.
                    Some(window) => fixed += layers * values * window.tokens as f64,
                    None => per_token += layers * values,
                }
            }
            Core::Latent { kv_rank, rope_dim, indexer, .. } => {
                let index = indexer.filter(|i| i.own).map_or(0, |i| i.dim);
                per_token += layers * ((kv_rank + rope_dim) as f64 * bytes + index as f64 * INDEX_BYTES);
            }
            Core::Compressed { head_dim, ratio, window, indexer, state_bytes, .. } => {
                fixed += layers * ((head_dim * window) as f64 * bytes + *state_bytes as f64);
                if *ratio > 0 {
                    let index = indexer.filter(|i| i.own).map_or(0, |i| i.dim);
                    per_token += layers * (*head_dim as f64 * bytes + index as f64 * INDEX_BYTES) / *ratio as f64;
                }
            }
            Core::Recurrent { state_bytes, .. } => {
                fixed += layers * *state_bytes as f64 / tp;
            }
            Core::None => {}
        }
    }
    (per_token, fixed)
}

/// Activations of the largest step: residual stream, one projection's input and output, and 32-bit logits.
fn activations(setup: &Setup) -> f64 {
    let model = &setup.model;
    let widest = model.layers.iter().flat_map(|l| &l.linears).map(|l| l.outputs.max(l.inputs)).max().unwrap_or(0);
    let tp = setup.layout.tp as f64;
    let tokens = setup.limits.batch_tokens as f64;
    let sequences = setup.limits.max_sequences.unwrap_or(256) as f64;
    tokens * 2.0 * (4.0 * model.hidden as f64 + 2.0 * widest as f64 / tp) + sequences * model.vocab as f64 / tp * 4.0
}
