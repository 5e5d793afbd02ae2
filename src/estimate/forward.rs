//! `forward(setup) -> op list`: every operation of a step on the busiest rank, layers of one shape folded.
//!
//! Shapes come from the model description; sharding follows the layout: tensor parallelism divides heads and
//! matrices, data-parallel attention replicates the projections around attention and shares the rest.

use super::calibration::{Calibration, Kernel, Kind};
use super::exchange::Exchange;
use super::llama::{Llama, Situation};
use super::machine::Machine;
use super::op::{Attention, Class, Experts, Op, Rows, Span, Work};
use super::own;
use super::path::{self, Path};
use crate::model::Class as WeightClass;
use crate::model::spec::{Core, Indexer, Layer, Linear, Part, Shard};
use crate::precision::Precision;
use crate::setup::{Engine, Setup};

/// Bytes of a 16-bit activation.
const WIDE: f64 = 2.0;

/// More expert-parallel ranks than this are served by kernels made for it.
const WIDE_EXPERTS: u64 = 8;

/// Names of the operations that [`super::Compiled`] overlaps with others.
pub const DISPATCH: &str = "dispatch";
pub const SHARED_UP: &str = "shared gate_up";
pub const SHARED_DOWN: &str = "shared down";

/// Kernels of a step outside the layers.
const STEP_KERNELS: f64 = 6.0;

/// Builds the op list of a setup.
pub struct Forward<'a> {
    pub(super) setup: &'a Setup,
    pub(super) calibration: &'a Calibration,
    machine: &'a Machine,
    prompt: bool,
    ops: Vec<Op>,
}

/// Every operation of a step.
///
/// `prompt` says whether the step carries prompt tokens: some engines have other kernels for them.
pub fn ops(setup: &Setup, calibration: &Calibration, machine: &Machine, prompt: bool) -> Vec<Op> {
    let mut forward = Forward { setup, calibration, machine, prompt, ops: Vec::new() };
    for layer in &setup.model.layers {
        forward.layer(layer);
    }
    forward.ends();
    forward.ops
}

impl Forward<'_> {
    pub(super) fn push(&mut self, name: &'static str, class: Class, calls: f64, work: Work) {
        self.ops.push(Op { name, class, calls, work });
    }

    /// Arithmetic and constants of a weight class.
    fn path(&self, kind: Kind, class: WeightClass) -> (Path, Kernel) {
        if let Some((llama, situation)) = self.llama(class) {
            return llama.gemm(&situation);
        }
        if let Some(measured) = &self.setup.hardware.measured {
            return own::path(measured, kind, self.setup.stored(class), self.setup.formats.activations);
        }
        let sheet = &self.setup.hardware.sheet;
        let block_scaled = self.setup.model.block_scaled();
        let path = path::of(sheet, self.setup.stored(class), self.setup.formats.activations, block_scaled);
        (path, self.kernel(kind, path.family))
    }

    /// What llama.cpp's constants depend on, where it is the engine.
    pub(super) fn llama(&self, class: WeightClass) -> Option<(&Llama, Situation<'_>)> {
        let setup = self.setup;
        let situation = Situation {
            device: &setup.hardware.sheet,
            stored: setup.stored(class),
            experts: setup.model.has_experts(),
            older: setup.limits.older,
            prompt: self.prompt,
        };
        let runs = setup.engine == Engine::LlamaCpp && setup.hardware.measured.is_none();
        runs.then(|| (self.calibration.llama(), situation))
    }

    pub(super) fn kernel(&self, kind: Kind, family: path::Family) -> Kernel {
        if let Some(measured) = &self.setup.hardware.measured {
            return own::kernel(measured, kind);
        }
        let kernel = self.calibrated(kind, family);
        // What a call of a quantised kernel takes alone is mostly its framework's host code; inside a captured step it
        // launches like a 16-bit one, with half a launch more where activations are quantised first.
        let launch = match kind {
            Kind::Gemm => {
                let plain = self.calibrated(kind, path::Family::Bf16).launch;
                if family.quantises_activations() { 1.5 * plain } else { plain }
            }
            Kind::Experts if self.own_expert_kernels() => {
                kernel.launch.min(self.calibration.shared().expert_launch_most_s)
            }
            Kind::Experts => kernel.launch.min(self.calibrated(kind, path::Family::Bf16).launch),
            _ => kernel.launch.min(self.calibration.shared().attention_launch_most_s),
        };
        Kernel { launch, ..kernel }
    }

    fn calibrated(&self, kind: Kind, family: path::Family) -> Kernel {
        let cache = match kind {
            Kind::AttentionDecode | Kind::LatentDecode => self.setup.formats.kv_cache,
            Kind::Gemm | Kind::Experts | Kind::AttentionPrefill => Precision::Bf16,
        };
        self.calibration.kernel(kind, &self.setup.hardware.sheet.architecture, family, cache).0
    }

    /// TensorRT-LLM brings expert kernels of its own, those that were measured; the open engines share others.
    fn own_expert_kernels(&self) -> bool {
        self.setup.engine == Engine::Trtllm
    }

    /// Arithmetic and constants of the routed experts.
    ///
    /// The open engines' weight-only kernels (Marlin, Triton) reach what 16-bit experts reach, and their block-scaled
    /// ones in wide expert parallelism (DeepGEMM) what the dense GEMM reaches.
    fn expert_path(&self) -> (Path, Kernel) {
        let (path, kernel) = self.path(Kind::Experts, WeightClass::Experts);
        if self.llama(WeightClass::Experts).is_some()
            || self.own_expert_kernels()
            || self.setup.hardware.measured.is_some()
        {
            return (path, kernel);
        }
        let kernel = match path.family {
            path::Family::W4a16 | path::Family::W8a16 => self.kernel(Kind::Experts, path::Family::Bf16),
            path::Family::Fp8Block if self.setup.layout.ep > WIDE_EXPERTS => {
                let dense = self.calibrated(Kind::Gemm, path::Family::Fp8Block);
                Kernel { compute: kernel.compute.max(dense.compute), ..kernel }
            }
            _ => kernel,
        };
        (path, kernel)
    }

    fn layer(&mut self, layer: &Layer) {
        let calls = layer.count as f64;
        let tp = self.setup.layout.tp;
        for linear in &layer.linears {
            self.linear(linear, calls);
        }
        self.core(&layer.core, calls);
        if let Some(e) = &layer.experts {
            let (path, kernel) = self.expert_path();
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
        match &self.setup.hardware.measured {
            Some(measured) => self.own_small_kernels(layer, measured),
            None => self.small_kernels(layer),
        }
    }

    /// A weight matrix. Data-parallel ranks hold copies of everything but the routed experts and run them on their own
    /// tokens.
    fn linear(&mut self, linear: &Linear, calls: f64) {
        let (path, kernel) = self.path(Kind::Gemm, WeightClass::Part(linear.part));
        let ranks = self.setup.layout.tp as f64;
        // A block-diagonal matrix multiplies one short vector per output.
        let (n, k) = (linear.outputs as f64, linear.inputs as f64);
        let (n, k) = match linear.shard {
            Shard::Columns => ((n / ranks).ceil(), k),
            Shard::Rows => (n, (k / ranks).ceil()),
            Shard::Replicated => (n, k),
        };
        if linear.name == "kv_up" {
            // Prompts expand the cached vectors to keys and values; decode absorbs the same matrix into the queries.
            self.push("kv_up", Class::Gemm, calls, Work::Gemm { n, k, rows: Rows::PromptCache, path, kernel });
            self.push("kv_up absorbed", Class::Gemm, calls, Work::Gemm { n, k, rows: Rows::Decode, path, kernel });
        } else {
            let name = match (linear.part, linear.name) {
                (Part::Shared, "gate_up") => SHARED_UP,
                (Part::Shared, "down") => SHARED_DOWN,
                (_, name) => name,
            };
            self.push(name, Class::Gemm, calls, Work::Gemm { n, k, rows: Rows::Rank, path, kernel });
        }
    }

    /// Arithmetic of attention: 16 bit whatever the cache is stored in.
    fn attention(&self, kind: Kind) -> (f64, Kernel) {
        if let Some((llama, situation)) = self.llama(WeightClass::Part(Part::Attention)) {
            return llama.attention(&situation);
        }
        if let Some(measured) = &self.setup.hardware.measured {
            return (self.machine.wide_rate, own::attention(measured, kind, self.setup.formats.kv_cache));
        }
        (self.machine.wide_rate, self.kernel(kind, path::Family::Bf16))
    }

    fn core(&mut self, core: &Core, calls: f64) {
        let tp = self.setup.layout.tp as f64;
        let cached = self.setup.formats.kv_cache.bytes();
        match core {
            Core::Softmax { q_heads, kv_heads, head_dim, v_head_dim, window, cache_values, joint_norm } => {
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
                if *joint_norm && tp > 1.0 {
                    self.push("all-reduce of norms", Class::Collectives, 2.0 * calls, Work::Tiny);
                }
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
                let shared = self.calibration.shared();
                let kernel = match self.setup.hardware.measured {
                    Some(_) => self.kernel(Kind::AttentionPrefill, path::Family::Bf16),
                    None => Kernel {
                        compute: shared.recurrence_compute,
                        memory: shared.recurrence_memory,
                        launch: shared.recurrence_launch_s,
                        ..self.kernel(Kind::AttentionPrefill, path::Family::Bf16)
                    },
                };
                let work = Work::Recurrent {
                    state_bytes: *state_bytes as f64 / tp,
                    flop_per_token: *flop_per_token as f64 / tp,
                    kernel,
                };
                self.push("recurrence", Class::Attention, calls, work);
            }
            Core::None => {}
        }
    }

    fn attend(&mut self, decode: Attention, prefill: Attention, calls: f64) {
        let (rate, kernel) = self.attention(Kind::AttentionPrefill);
        let prefill = Attention { rate, kernel, latent: false, ..prefill };
        self.push("attention decode", Class::Attention, calls, Work::Decode(decode));
        self.push("attention prefill", Class::Attention, calls, Work::Prefill(prefill));
    }

    /// Two all-reduces a layer. Where data-parallel ranks share experts, their tokens travel to them and back.
    fn collectives(&mut self, layer: &Layer, calls: f64) {
        let layout = &self.setup.layout;
        let bytes_per_token = self.setup.model.hidden as f64 * WIDE;
        let reduce = Work::Reduce { bytes_per_token };
        if layout.tp > 1 && layer.core != Core::None {
            self.push("all-reduce attention", Class::Collectives, calls, reduce.clone());
        }
        match &layer.experts {
            Some(e) if layout.dp > 1 => {
                let width = e.width as f64;
                // Out as the experts read it, 8 bit with a scale per 128 values; back in 16 bit (DeepEP).
                let out = match self.expert_path().0.activation_bytes {
                    1.0 => 1.0 + 4.0 / 128.0,
                    other => other,
                };
                for (name, bytes) in [(DISPATCH, width * out), ("combine", width * WIDE)] {
                    let reach = e.groups_chosen as f64 / e.groups as f64;
                    let exchange = Exchange { bytes, topk: e.topk as f64, reach };
                    self.push(name, Class::Collectives, calls, Work::Exchange { bytes_per_token, exchange });
                }
            }
            experts => {
                let feeds = experts.is_some() || layer.linears.iter().any(|l| l.part == Part::Dense);
                if feeds && layout.tp > 1 {
                    self.push("all-reduce feed-forward", Class::Collectives, calls, reduce);
                }
            }
        }
    }

    fn ends(&mut self) {
        let model = &self.setup.model;
        let (path, kernel) = self.path(Kind::Gemm, WeightClass::Rest);
        let n = (model.vocab as f64 / self.setup.layout.tp as f64).ceil();
        let k = model.hidden as f64;
        self.push("LM head", Class::Gemm, 1.0, Work::Gemm { n, k, rows: Rows::Logits, path, kernel });
        // Embedding, final norm, sampling: kernels of a step, whatever the layers.
        let kernel = self.kernel(Kind::Gemm, path::Family::Bf16);
        let kernels = if self.llama(WeightClass::Rest).is_some() { 0.0 } else { STEP_KERNELS };
        let work = Work::Elementwise { bytes_per_token: 0.0, kernels, kernel };
        self.push("embedding, sampling", Class::Gemm, 1.0, work);
        if let Some((llama, _)) = self.llama(WeightClass::Rest) {
            let (launch, hops) = (llama.hop_s, self.setup.layout.pp as f64 - 1.0);
            let work = Work::Elementwise { bytes_per_token: 0.0, kernels: hops, kernel: Kernel { launch, ..kernel } };
            self.push("hand over", Class::Host, 1.0, work);
        }
    }
}

fn chosen(span: Span, indexer: Option<&Indexer>, cached: f64) -> Span {
    match indexer {
        None => span,
        Some(i) => Span { chosen: i.topk as f64, index_bytes: if i.own { i.dim as f64 * cached } else { 0.0 }, ..span },
    }
}
