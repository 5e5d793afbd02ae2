//! `forward(setup) -> op list`: every operation of a step on the busiest rank, layers of one shape folded.
//!
//! Shapes come from the model description; sharding follows the layout: tensor parallelism divides heads and
//! matrices, data-parallel attention replicates the projections around attention and shares the rest.

use super::calibration::{Calibration, Kernel, Kind};
use super::machine::{Machine, Unanswerable};
use super::op::{Attention, Class, Experts, Op, Rows, Span, Work};
use super::path::{self, Path};
use crate::model::Class as WeightClass;
use crate::model::spec::{Core, Indexer, Layer, Linear, Part, Shard};
use crate::setup::{MeasuredRates, Setup};

/// Bytes of a 16-bit activation.
const WIDE: f64 = 2.0;

/// Builds the op list of a setup.
pub struct Forward<'a> {
    setup: &'a Setup,
    calibration: &'a Calibration,
    machine: &'a Machine,
    ops: Vec<Op>,
}

/// Every operation of a step.
///
/// # Errors
/// When the data sheet lacks every matrix rate.
pub fn ops(setup: &Setup, calibration: &Calibration, machine: &Machine) -> Result<Vec<Op>, Unanswerable> {
    let mut forward = Forward { setup, calibration, machine, ops: Vec::new() };
    for layer in &setup.model.layers {
        forward.layer(layer)?;
    }
    forward.ends()?;
    Ok(forward.ops)
}

impl Forward<'_> {
    fn push(&mut self, name: &'static str, class: Class, calls: f64, work: Work) {
        self.ops.push(Op { name, class, calls, work });
    }

    /// Arithmetic and constants of a weight class.
    fn path(&self, kind: Kind, class: WeightClass) -> Result<(Path, Kernel), Unanswerable> {
        let sheet = &self.setup.hardware.sheet;
        let block_scaled = self.setup.model.block_scaled();
        let path = path::of(sheet, self.setup.stored(class), self.setup.formats.activations, block_scaled)
            .ok_or_else(|| Unanswerable::Rate(sheet.id.clone()))?;
        Ok((path, self.kernel(kind, path.family)))
    }

    fn kernel(&self, kind: Kind, family: path::Family) -> Kernel {
        let architecture = &self.setup.hardware.sheet.architecture;
        let (calibration, shared) = (self.calibration, self.calibration.shared());
        if let Some(measured) = &self.setup.hardware.measured {
            return as_measured(measured);
        }
        let kernel = calibration.kernel(kind, architecture, family).0;
        // What a call of a quantised kernel takes alone is mostly its framework's host code; inside a captured step it
        // launches like a 16-bit one, with half a launch more where activations are quantised first.
        let launch = match kind {
            Kind::Gemm => {
                let plain = calibration.kernel(kind, architecture, path::Family::Bf16).0.launch;
                if family.quantises_activations() { 1.5 * plain } else { plain }
            }
            Kind::Experts => kernel.launch.min(shared.expert_launch_most_s),
            _ => kernel.launch.min(shared.attention_launch_most_s),
        };
        Kernel { launch, ..kernel }
    }

    fn layer(&mut self, layer: &Layer) -> Result<(), Unanswerable> {
        let calls = layer.count as f64;
        let tp = self.setup.layout.tp;
        for linear in &layer.linears {
            self.linear(linear, calls)?;
        }
        self.core(&layer.core, calls)?;
        if let Some(e) = &layer.experts {
            let (path, kernel) = self.path(Kind::Experts, WeightClass::Experts)?;
            let ep = self.setup.layout.ep;
            let shape = Experts {
                count: e.count as f64,
                topk: e.topk as f64,
                ep: ep as f64,
                tp: ((tp * self.setup.layout.dp) / ep) as f64,
                width: e.width as f64,
                inter: e.inter as f64,
                matrices: e.matrices as f64,
                path,
                kernel,
            };
            self.push("experts", Class::Experts, calls, Work::Experts(shape));
        }
        self.collectives(layer, calls);
        let shared = self.calibration.shared();
        let kernel = Kernel { memory: shared.elementwise_memory, ..self.kernel(Kind::Gemm, path::Family::Bf16) };
        let bytes_per_token = self.setup.model.hidden as f64 * shared.elementwise_bytes;
        let work = Work::Elementwise { bytes_per_token, kernels: small_kernels(layer), kernel };
        self.push("norms, residuals", Class::Gemm, calls, work);
        Ok(())
    }

    fn linear(&mut self, linear: &Linear, calls: f64) -> Result<(), Unanswerable> {
        let (path, kernel) = self.path(Kind::Gemm, WeightClass::Part(linear.part))?;
        let attention = linear.part == Part::Attention;
        let ranks = if attention { self.setup.layout.tp } else { self.setup.layout.tp * self.setup.layout.dp } as f64;
        // A block-diagonal matrix multiplies one short vector per output.
        let (n, k) = (linear.outputs as f64, linear.inputs as f64);
        let (n, k) = match linear.shard {
            Shard::Columns => ((n / ranks).ceil(), k),
            Shard::Rows => (n, (k / ranks).ceil()),
            Shard::Replicated => (n, k),
        };
        let rows = if attention { Rows::Rank } else { Rows::Instance };
        if linear.name == "kv_up" {
            // Prompts expand the cached vectors to keys and values; decode absorbs the same matrix into the queries.
            self.push("kv_up", Class::Gemm, calls, Work::Gemm { n, k, rows: Rows::PromptCache, path, kernel });
            self.push("kv_up absorbed", Class::Gemm, calls, Work::Gemm { n, k, rows: Rows::Decode, path, kernel });
        } else {
            self.push(linear.name, Class::Gemm, calls, Work::Gemm { n, k, rows, path, kernel });
        }
        Ok(())
    }

    /// Arithmetic of attention: 16 bit whatever the cache is stored in.
    fn attention(&self, kind: Kind) -> (f64, Kernel) {
        (self.machine.wide_rate, self.kernel(kind, path::Family::Bf16))
    }

    fn core(&mut self, core: &Core, calls: f64) -> Result<(), Unanswerable> {
        let tp = self.setup.layout.tp as f64;
        let cached = self.setup.formats.kv_cache.bytes();
        match core {
            Core::Softmax { q_heads, kv_heads, head_dim, v_head_dim, window, cache_values } => {
                let q = (*q_heads as f64 / tp).ceil();
                let lengths = (head_dim + v_head_dim) as f64;
                let shards = tp.min(*kv_heads as f64);
                let (rate, kernel) = self.attention(Kind::AttentionDecode);
                // A shared cache is read like an own one; only its writing is saved.
                let values = (*cache_values).max(kv_heads * head_dim) as f64;
                let shape = Attention {
                    flop_per_pair: 2.0 * q * lengths,
                    bytes_per_cached: values / shards * cached,
                    bytes_per_token: q * lengths * WIDE,
                    span: Span { window: window.map_or(f64::INFINITY, |w| w.seen_by_decode()), ..Span::FULL },
                    latent: false,
                    rate,
                    kernel,
                };
                self.attend(shape, shape, calls);
            }
            Core::Latent { heads, kv_rank, rope_dim, nope_dim, v_head_dim, indexer } => {
                let h = (*heads as f64 / tp).ceil();
                let (r, rope) = (*kv_rank as f64, *rope_dim as f64);
                let (rate, kernel) = self.attention(Kind::LatentDecode);
                let span = chosen(Span::FULL, indexer.as_ref(), cached);
                let decode = Attention {
                    flop_per_pair: 2.0 * h * (2.0 * r + rope),
                    bytes_per_cached: (r + rope) * cached,
                    bytes_per_token: h * (2.0 * r + rope) * WIDE,
                    span,
                    latent: true,
                    rate,
                    kernel,
                };
                let expanded = (nope_dim + v_head_dim) as f64 + rope;
                let prefill = Attention {
                    flop_per_pair: 2.0 * h * expanded,
                    bytes_per_cached: h * expanded * WIDE,
                    bytes_per_token: h * expanded * WIDE,
                    ..decode
                };
                self.attend(decode, prefill, calls);
            }
            Core::Compressed { heads, head_dim, ratio, window, indexer, .. } => {
                let h = (*heads as f64 / tp).ceil();
                let d = *head_dim as f64;
                let (rate, kernel) = self.attention(Kind::LatentDecode);
                let compressed = Span {
                    ratio: if *ratio == 0 { f64::INFINITY } else { *ratio as f64 },
                    raw: *window as f64,
                    ..Span::FULL
                };
                let shape = Attention {
                    flop_per_pair: 4.0 * h * d,
                    bytes_per_cached: d * cached,
                    bytes_per_token: 2.0 * h * d * WIDE,
                    span: chosen(compressed, indexer.as_ref(), cached),
                    latent: true,
                    rate,
                    kernel,
                };
                self.attend(shape, shape, calls);
            }
            Core::Recurrent { state_bytes, flop_per_token, .. } => {
                let kernel = self.kernel(Kind::AttentionPrefill, path::Family::Bf16);
                let work = Work::Recurrent {
                    state_bytes: *state_bytes as f64 / tp,
                    flop_per_token: *flop_per_token as f64 / tp,
                    kernel,
                };
                self.push("recurrence", Class::Attention, calls, work);
            }
            Core::None => {}
        }
        Ok(())
    }

    fn attend(&mut self, decode: Attention, prefill: Attention, calls: f64) {
        let (rate, kernel) = self.attention(Kind::AttentionPrefill);
        let prefill = Attention { rate, kernel, latent: false, ..prefill };
        self.push("attention decode", Class::Attention, calls, Work::Decode(decode));
        self.push("attention prefill", Class::Attention, calls, Work::Prefill(prefill));
    }

    /// Two all-reduces a layer; experts on several nodes exchange tokens instead of reducing them.
    fn collectives(&mut self, layer: &Layer, calls: f64) {
        let hidden = self.setup.model.hidden as f64;
        let layout = &self.setup.layout;
        let reduce = Work::Reduce { bytes_per_token: hidden * WIDE };
        if layout.tp > 1 && layer.core != Core::None {
            self.push("all-reduce attention", Class::Collectives, calls, reduce.clone());
        }
        let feeds = layer.experts.is_some() || layer.linears.iter().any(|l| l.part == Part::Dense);
        match &layer.experts {
            Some(e) if layout.ep > 1 && self.machine.many_nodes() => {
                // One byte out, two bytes back (DeepEP), to each expert's rank, and once per node over the network.
                let per_copy = e.width as f64 * 3.0;
                let ranks = (e.topk as f64).min(layout.ep as f64);
                let nodes = spread(e.topk as f64, self.machine.nodes());
                let work = Work::Exchange { link_bytes: ranks * per_copy, network_bytes: nodes * per_copy };
                self.push("dispatch, combine", Class::Collectives, calls, work);
            }
            _ if feeds && self.machine.ranks > 1.0 => {
                self.push("all-reduce feed-forward", Class::Collectives, calls, reduce);
            }
            _ => {}
        }
    }

    fn ends(&mut self) -> Result<(), Unanswerable> {
        let model = &self.setup.model;
        let (path, kernel) = self.path(Kind::Gemm, WeightClass::Rest)?;
        let n = (model.vocab as f64 / self.setup.layout.tp as f64).ceil();
        let k = model.hidden as f64;
        self.push("LM head", Class::Gemm, 1.0, Work::Gemm { n, k, rows: Rows::Logits, path, kernel });
        Ok(())
    }
}

/// Small kernels of a layer beside those that are operations of their own: norms, rotary positions, cache writes,
/// activations, routing. Counted in traces of open engines; how long one takes is fitted per engine.
fn small_kernels(layer: &Layer) -> f64 {
    let mixer = match &layer.core {
        Core::Softmax { .. } => 3.0,
        Core::Latent { indexer, .. } => 6.0 + if indexer.is_some() { 4.0 } else { 0.0 },
        Core::Compressed { .. } => 10.0,
        Core::Recurrent { .. } => 5.0,
        Core::None => 0.0,
    };
    let shared = layer.linears.iter().any(|l| l.part == Part::Shared);
    let feeds = layer.experts.is_some() || layer.linears.iter().any(|l| l.part == Part::Dense);
    mixer + if feeds { 2.0 } else { 0.0 } + if shared { 1.0 } else { 0.0 }
}

/// Expected number of other nodes that `topk` experts, spread evenly over `nodes`, lie on.
fn spread(topk: f64, nodes: f64) -> f64 {
    (nodes - 1.0) * (1.0 - (1.0 - 1.0 / nodes).powf(topk))
}

fn chosen(span: Span, indexer: Option<&Indexer>, cached: f64) -> Span {
    match indexer {
        None => span,
        Some(i) => Span { chosen: i.topk as f64, index_bytes: if i.own { i.dim as f64 * cached } else { 0.0 }, ..span },
    }
}

/// Measured rates are sustained ones: nothing is lost on top. What is measured is one kernel at a time, so compute
/// and memory are added rather than overlapped.
fn as_measured(measured: &MeasuredRates) -> Kernel {
    Kernel { compute: 1.0, memory: 1.0, launch: measured.launch.get(), blend: 1.0, wave: 0.0 }
}
