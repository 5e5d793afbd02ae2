//! What fits: weights, activations and KV cache on one device, and how many requests that admits.

use crate::model::Class;
use crate::model::spec::{Layer, Shard};
use crate::setup::{Engine, Setup};
use crate::units::Bytes;
use std::fmt;

/// Bytes on one device, and what they admit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Memory {
    /// Weights of this rank.
    pub weights: Bytes,
    /// Activations of the largest step.
    pub activations: Bytes,
    /// What the engine may use.
    pub usable: Bytes,
    /// What a cached token occupies on this rank.
    pub cache_per_token: Bytes,
    /// What a sequence occupies whatever its length: recurrent states, full windows.
    pub cache_fixed: Bytes,
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
            usable: setup.hardware.sheet.memory * setup.limits.memory_fraction,
            cache_per_token,
            cache_fixed,
            evicts: matches!(setup.engine, Engine::Vllm | Engine::Sglang | Engine::Ideal),
            ranks: setup.layout.dp as f64,
        }
    }

    /// What is left for caches on one device; negative where the weights do not fit.
    pub fn free(&self) -> Bytes {
        self.usable - self.weights - self.activations
    }

    /// Requests one instance can hold: K / need, where need is the whole length for an engine that never evicts and
    /// half of the answer for one that does.
    pub fn admits(&self, input: f64, output: f64) -> f64 {
        let length = input + output * if self.evicts { 0.5 } else { 1.0 };
        (self.free() / self.sequence(length)).max(0.0) * self.ranks
    }

    /// What is missing where not even one request of this length fits.
    pub fn shortage(&self, input: f64, output: f64) -> Option<Shortage> {
        let cache = self.sequence(input + output);
        (self.free() < cache).then_some(Shortage { memory: *self, cache })
    }

    /// What a sequence of a length occupies on this rank.
    pub fn sequence(&self, tokens: f64) -> Bytes {
        self.cache_per_token * tokens + self.cache_fixed
    }
}

/// Not even one request fits on a device, and why.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shortage {
    memory: Memory,
    cache: Bytes,
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const GIB: Bytes = Bytes::new(1_073_741_824.0);
        let m = &self.memory;
        write!(
            f,
            "does not fit: {:.0} GiB of weights, {:.1} GiB of activations and {:.1} GiB of one request's cache a device, of {:.0} GiB that the engine may use",
            m.weights / GIB,
            m.activations / GIB,
            self.cache / GIB,
            m.usable / GIB
        )
    }
}

/// The weights one rank holds, those of a draft included.
fn weights(setup: &Setup) -> Bytes {
    let (model, layout) = (&setup.model, &setup.layout);
    let head = if model.tied_embeddings { 0.0 } else { setup.stored(Class::Head).bytes() };
    let table = setup.stored(Class::Embedding).bytes() + head;
    let rest = setup.stored(Class::Rest).bytes();
    let tables = (model.vocab * model.hidden) as f64 * table + model.table_params as f64 * rest;
    let ends = tables / layout.tp as f64;
    let layers: f64 = model.layers.iter().map(|l| l.count as f64 * layer_weights(setup, l)).sum();
    let draft = setup.draft_layer().map_or(0.0, |l| {
        layer_weights(setup, l) + 2.0 * (model.hidden * model.hidden) as f64 / layout.tp as f64 * rest
    });
    Bytes::new(layers / layout.pp as f64 + ends + draft)
}

/// Bytes of one layer on one rank.
fn layer_weights(setup: &Setup, layer: &Layer) -> f64 {
    let layout = &setup.layout;
    let bytes = |class| setup.stored(class).bytes();
    let (tp, all) = (layout.tp as f64, (layout.tp * layout.dp) as f64);
    let linear = |l: &crate::model::spec::Linear| {
        let ranks = if l.shard == Shard::Replicated { 1.0 } else { tp };
        l.params() as f64 / ranks * bytes(Class::Part(l.part))
    };
    // A rank holds whole experts, or its share of one that several ranks divide.
    let experts = layer.experts.map_or(0.0, |e| {
        let values = e.count.div_ceil(layout.ep) * layout.ep * e.params_each();
        values as f64 / all * bytes(Class::Experts)
    });
    layer.linears.iter().map(linear).sum::<f64>() + experts + layer.other_params as f64 * bytes(Class::Rest)
}

/// What a cached token and a sequence occupy on one rank. A sliding window counts in full: a sequence soon fills it.
fn cache(setup: &Setup) -> (Bytes, Bytes) {
    let (model, layout) = (&setup.model, &setup.layout);
    let (mut per_token, mut fixed) = (0.0, 0.0);
    let stages = layout.pp as f64;
    let layers = model.layers.iter().map(|l| (l, l.count as f64 / stages));
    for (layer, layers) in layers.chain(setup.draft_layer().map(|l| (l, 1.0))) {
        let cached = layer.core.cached(setup.formats.kv_cache);
        let share = layers / layer.core.cache_ranks(layout.tp);
        per_token += share * cached.per_token;
        fixed += share * (cached.per_windowed * cached.window + cached.fixed);
    }
    (Bytes::new(per_token), Bytes::new(fixed))
}

/// Activations of the largest step: residual stream, one projection's input and output, and 32-bit logits.
fn activations(setup: &Setup) -> Bytes {
    let model = &setup.model;
    let widest = model.layers.iter().flat_map(|l| &l.linears).map(|l| l.outputs.max(l.inputs)).max().unwrap_or(0);
    let tp = setup.layout.tp as f64;
    let tokens = setup.limits.batch_tokens as f64;
    let sequences = setup.limits.max_sequences.unwrap_or(256) as f64;
    let residual = tokens * 2.0 * (4.0 * model.hidden as f64 + 2.0 * widest as f64 / tp);
    Bytes::new(residual + sequences * model.vocab as f64 / tp * 4.0)
}
