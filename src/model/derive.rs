//! How each number of a model was derived, in sentences.

use crate::model::count::{Phase, Weights};
use crate::model::spec::{Class, Core, Indexer, Layer, Linear, ModelSpec, Window};
use crate::precision::Precision;

impl ModelSpec {
    /// One sentence per kind of layer, then the sums, the bytes, the cache and the FLOP, then what was unusual.
    pub fn derivation(&self, weights: Weights, kv: Precision, context: u64) -> Vec<String> {
        let mut lines: Vec<String> = self.layers.iter().map(describe).collect();
        lines.push(self.parameters_line());
        lines.push(self.bytes_line(weights));
        lines.extend(self.layers.iter().filter_map(|layer| cache_line(layer, kv, context)));
        lines.push(self.flop_line(context));
        if self.mtp_layers > 0 {
            let (layers, bytes) = (plural(self.mtp_layers, "layer"), self.mtp_bytes().get() / 1e9);
            lines.push(format!("Left out: {layers} for multi-token prediction, up to {bytes:.1} GB as stored."));
        }
        lines.extend(self.notes.iter().cloned());
        lines
    }

    fn parameters_line(&self) -> String {
        let tables =
            if self.tied_embeddings { "one table that is embedding and LM head" } else { "embedding and LM head" };
        let rows = match self.table_params {
            0 => String::new(),
            more => format!(", {} in tables of which a token reads a row", giga(more as f64)),
        };
        format!(
            "Parameters: the layers, {tables} of {} x {}, {} in final norms and the like{rows}; active ones leave out \
             the tables a token reads a row of and the experts it does not go through.",
            self.vocab, self.hidden, self.other_params
        )
    }

    fn bytes_line(&self, weights: Weights) -> String {
        let n = self.native;
        match weights {
            Weights::Native if Class::ALL.iter().all(|class| n.of(*class) == n.rest) => {
                format!("Weights as published: all in {}.", n.rest)
            }
            Weights::Native => {
                let names =
                    ["attention", "dense", "shared experts", "routers", "experts", "embedding", "head", "the rest"];
                let own = Class::ALL.into_iter().zip(names).filter(|(class, _)| self.parameters_of(*class) > 0);
                let all: Vec<String> = own.map(|(class, name)| format!("{name} {}", n.of(class))).collect();
                format!("Weights as published: {}.", all.join(", "))
            }
            Weights::Uniform(one) => {
                format!(
                    "Weights in {one}: {} bits a value, scales included; see the documentation for what it covers.",
                    one.bits()
                )
            }
        }
    }

    fn flop_line(&self, context: u64) -> String {
        let part = |phase| {
            let (new, past) = if phase == Phase::Decode { (1, context) } else { (context.max(1), 0) };
            let core = |l: &Layer| l.count as f64 * l.core.flop(new as f64, past as f64, phase);
            let core: f64 = self.layers.iter().map(core).sum();
            let all = self.flop_per_token(context, phase).get();
            format!("{} = {} in weights + {} in attention and state", giga(all), giga(all - core), giga(core))
        };
        format!(
            "FLOP per token at {context} tokens: decode {}; prefill, the mean over a prompt, {}.",
            part(Phase::Decode),
            part(Phase::Prefill)
        )
    }
}

fn describe(layer: &Layer) -> String {
    let linears: Vec<String> = layer.linears.iter().map(matrix).collect();
    let experts = layer.experts.map_or(String::new(), |e| {
        format!("; {} of {} x {} x {}, {} per token", plural(e.count, "expert"), e.matrices, e.width, e.inter, e.topk)
    });
    format!(
        "{}: {}; {}{experts}; {} parameters each, {} active.",
        plural(layer.count, "layer"),
        core(&layer.core),
        linears.join(", "),
        giga(layer.params_total() as f64),
        giga(layer.params_active() as f64)
    )
}

fn matrix(linear: &Linear) -> String {
    let groups = if linear.groups > 1 { format!(" in {} blocks", linear.groups) } else { String::new() };
    format!("{} {} x {}{groups}", linear.name, linear.inputs, linear.outputs)
}

fn core(core: &Core) -> String {
    match core {
        Core::Softmax { q_heads, kv_heads, head_dim, window, .. } => {
            let limit = window.map_or(String::new(), |w| format!(" over {}", seen(w)));
            format!("attention of {q_heads} query and {kv_heads} key/value heads of {head_dim}{limit}")
        }
        Core::Latent { heads, kv_rank, rope_dim, indexer, .. } => {
            format!("latent attention of {heads} heads over {kv_rank} + {rope_dim} cached values{}", chosen(*indexer))
        }
        Core::Compressed { heads, head_dim, ratio, window, indexer, .. } => {
            let past = if *ratio == 0 { String::new() } else { format!(" and the past compressed {ratio} to 1") };
            format!("attention of {heads} heads of {head_dim} over the last {window} tokens{past}{}", chosen(*indexer))
        }
        Core::Recurrent { heads, state_bytes, .. } => {
            format!("a recurrence of {heads} heads with {state_bytes} bytes of state")
        }
        Core::None => "no mixing along the sequence".into(),
    }
}

fn seen(window: Window) -> String {
    match window.chunked {
        true => format!("chunks of {} tokens", window.tokens),
        false => format!("the last {} tokens", window.tokens),
    }
}

fn chosen(indexer: Option<Indexer>) -> String {
    indexer.map_or(String::new(), |i| {
        let whose = if i.own { "its own index" } else { "an earlier layer's index" };
        format!(", {} chosen by {whose}", i.topk)
    })
}

fn cache_line(layer: &Layer, kv: Precision, context: u64) -> Option<String> {
    let cached = layer.core.cached(kv);
    let (cache, state) = (cached.at(context as f64), cached.fixed);
    let layers = plural(layer.count, "such layer");
    let held = match layer.core {
        Core::None => return None,
        Core::Recurrent { .. } => format!("{state} bytes of state"),
        _ if state > 0.0 => format!("{cache} bytes at {context} tokens and {state} bytes of state"),
        _ => format!("{cache} bytes at {context} tokens in {kv}"),
    };
    Some(format!("Cache of {}, {layers}: {held} each.", core(&layer.core)))
}

fn plural(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// A large number in units people say: thousands, millions, billions.
fn giga(value: f64) -> String {
    match value {
        v if v >= 1e9 => format!("{:.3} G", v / 1e9),
        v if v >= 1e6 => format!("{:.1} M", v / 1e6),
        v => format!("{v}"),
    }
}
