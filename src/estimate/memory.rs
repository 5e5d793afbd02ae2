//! What fits: weights, activations and KV cache on one device, and how many requests that admits.

use crate::model::Class;
use crate::model::spec::{Layer, Shard};
use crate::setup::{Engine, Hardware, Holder, Setup};
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
    /// It is the host's.
    host: bool,
    ranks: f64,
}

impl Memory {
    /// The memory of one device of a setup; of unlike ones that of the device which admits fewest.
    pub fn of(setup: &Setup) -> Self {
        let others = &setup.hardware.others;
        let apart = |share: fn(&Holder) -> f64| 1.0 - others.iter().map(share).sum::<f64>();
        // Each other card is a stage of its own.
        let cards = others.iter().filter(|h| !h.host).count() as u64;
        let main = Held {
            layers: apart(|h| h.layers),
            experts: apart(|h| h.experts),
            head: others.iter().all(|h| !h.head),
            stages: setup.layout.pp.saturating_sub(cards).max(1),
        };
        let own = Self::on(setup, &setup.hardware, &main, false);
        let known = others.iter().filter(|h| h.hardware.memory_known);
        let apart = known.map(|h| Self::on(setup, &h.hardware, &Held::by(h), h.host));
        apart.fold(own, |least, other| if other.room() < least.room() { other } else { least })
    }

    fn on(setup: &Setup, hardware: &Hardware, held: &Held, host: bool) -> Self {
        let (per_token, fixed) = cache(setup);
        let share = held.layers / held.stages as f64;
        Self {
            weights: weights(setup, held),
            activations: if host { Bytes::ZERO } else { activations(setup) },
            usable: hardware.sheet.memory * setup.limits.memory_fraction,
            cache_per_token: per_token * share,
            cache_fixed: fixed * share,
            evicts: matches!(setup.engine, Engine::Vllm | Engine::Sglang | Engine::Lmdeploy | Engine::Ideal),
            host,
            ranks: setup.layout.dp as f64,
        }
    }

    /// Sequences of a thousand tokens it has room for, below 0 where weights are too large: what devices compare by.
    fn room(&self) -> f64 {
        let cache = self.sequence(1000.0).get();
        if cache > 0.0 || self.free() < Bytes::ZERO { self.free().get() / cache.max(1.0) } else { f64::INFINITY }
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
            "does not fit: {:.0} GiB of weights, {:.1} GiB of activations and {:.1} GiB of one request's cache {}, of {:.0} GiB that the engine may use",
            m.weights / GIB,
            m.activations / GIB,
            self.cache / GIB,
            if m.host { "on the host" } else { "a device" },
            m.usable / GIB
        )
    }
}

/// What of a model one device holds.
struct Held {
    /// Share of every layer but its routed experts.
    layers: f64,
    /// Share of the routed experts.
    experts: f64,
    head: bool,
    /// Equal devices that divide it by layers.
    stages: u64,
}

impl Held {
    fn by(holder: &Holder) -> Self {
        Self { layers: holder.layers, experts: holder.experts, head: holder.head, stages: 1 }
    }
}

/// The weights that another device of the instance holds.
pub fn held(setup: &Setup, holder: &Holder) -> Bytes {
    weights(setup, &Held::by(holder))
}

/// The weights one rank holds, those of a draft included.
fn weights(setup: &Setup, held: &Held) -> Bytes {
    let (model, layout) = (&setup.model, &setup.layout);
    let bytes = |class| setup.stored(class).bytes();
    let rest = bytes(Class::Rest);
    // llama.cpp looks tokens up in the host's memory, and has a copy of a tied table on the device.
    let alone = setup.engine.single_user() || setup.engine == Engine::Ideal;
    let table = if model.tied_embeddings || alone { 0.0 } else { bytes(Class::Embedding) };
    let tied = if model.tied_embeddings { Class::Embedding } else { Class::Head };
    let head = if held.head { bytes(tied) } else { 0.0 };
    // Tables of other embeddings are looked up too.
    let others = if alone { 0.0 } else { model.table_params as f64 * rest };
    let ends = ((table + head) * (model.vocab * model.hidden) as f64 + others) / layout.tp as f64;
    let layers: f64 = model.layers.iter().map(|l| l.count as f64 * layer_weights(setup, l, held)).sum();
    let whole = Held { layers: 1.0, experts: 1.0, head: true, stages: 1 };
    let draft = setup.draft_layer().map_or(0.0, |l| {
        layer_weights(setup, l, &whole) + 2.0 * (model.hidden * model.hidden) as f64 / layout.tp as f64 * rest
    });
    Bytes::new(layers / held.stages as f64 + ends + draft)
}

/// Bytes of one layer on one rank.
fn layer_weights(setup: &Setup, layer: &Layer, held: &Held) -> f64 {
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
    let others = layer.linears.iter().map(linear).sum::<f64>() + layer.other_params as f64 * bytes(Class::Rest);
    others * held.layers + experts * held.experts
}

/// What a cached token and a sequence occupy in all stages of a rank. A sliding window counts in full: a sequence soon fills it.
fn cache(setup: &Setup) -> (Bytes, Bytes) {
    let (model, layout) = (&setup.model, &setup.layout);
    let (mut per_token, mut fixed) = (0.0, 0.0);
    // A draft is on every stage.
    let draft = setup.draft_layer().map(|l| (l, layout.pp as f64));
    for (layer, layers) in model.layers.iter().map(|l| (l, l.count as f64)).chain(draft) {
        let cached = layer.core.cached(setup.formats.kv_cache);
        let share = layers / layer.core.cache_ranks(layout.tp);
        per_token += share * cached.per_token;
        fixed += share * (cached.per_windowed * cached.window + cached.fixed);
    }
    (Bytes::new(per_token), Bytes::new(fixed))
}

/// Activations of the largest step: residual stream, one projection's input and output, and 32-bit logits.
///
/// llama.cpp computes in 32 bit, has one buffer for what is not needed at the same time, and room for the logits of a
/// whole micro-batch: the "compute buffer" it prints, 297 MiB for a vocabulary of 152,064.
fn activations(setup: &Setup) -> Bytes {
    let model = &setup.model;
    let widest = model.layers.iter().flat_map(|l| &l.linears).map(|l| l.outputs.max(l.inputs)).max().unwrap_or(0);
    let tp = setup.layout.tp as f64;
    let tokens = setup.limits.batch_tokens as f64;
    let inside = 4.0 * (2.0 * model.hidden as f64 + 2.0 * widest as f64 / tp);
    let one = Bytes::new(tokens * inside.max(4.0 * model.vocab as f64 / tp));
    let sequences = setup.limits.max_sequences.unwrap_or(256) as f64;
    let residual = tokens * 2.0 * (4.0 * model.hidden as f64 + 2.0 * widest as f64 / tp);
    let many = Bytes::new(residual + sequences * model.vocab as f64 / tp * 4.0);
    match setup.engine {
        // A bound needs the less of both.
        Engine::Ideal => one.min(many),
        engine if engine.single_user() => one,
        _ => many,
    }
}
