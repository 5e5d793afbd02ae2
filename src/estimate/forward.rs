//! `forward(setup) -> op list`: every operation of a step on the busiest rank, layers of one shape folded.
//!
//! Shapes come from the model description; sharding follows the layout: tensor parallelism divides heads and
//! matrices, data-parallel attention replicates the projections around attention and shares the rest.

use super::bound::Class;
use super::calibration::{Calibration, Kernel, Kind};
use super::exchange::Exchange;
use super::llama::{Llama, Situation};
use super::machine::Machine;
use super::op::{Arithmetic, Attention, Experts, Op, Rows, Work};
use super::own;
use super::path::{self, Path};
use crate::model::Class as WeightClass;
use crate::model::count::EXPANSION;
use crate::model::mixing::{INDEX_BYTES, Mixing};
use crate::model::spec::{Core, Layer, Linear, Part, Shard};
use crate::precision::Precision;
use crate::setup::{Engine, Setup};
use crate::units::FlopRate;

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
    pub(super) machine: &'a Machine,
    prompt: bool,
    draft: bool,
    ops: Vec<Op>,
}

/// Every operation of a step, those of guessing one token last.
///
/// `prompt` says whether the step carries prompt tokens: some engines have other kernels for them.
pub fn ops(setup: &Setup, calibration: &Calibration, machine: &Machine, prompt: bool) -> Vec<Op> {
    let mut forward = Forward { setup, calibration, machine, prompt, draft: false, ops: Vec::new() };
    for layer in &setup.model.layers {
        forward.layer(layer, layer.count as f64);
    }
    forward.ends();
    if let Some(layer) = setup.draft_layer() {
        forward.draft(layer);
    }
    forward.ops
}

impl Forward<'_> {
    pub(super) fn push(&mut self, name: &'static str, class: Class, calls: f64, work: Work) {
        self.ops.push(Op { name, draft: self.draft, class, calls, work });
    }

    /// The kernel of a weight class, and the one it has for more rows, where that is another one.
    fn arithmetic(&self, kind: Kind, class: WeightClass) -> (Arithmetic, Option<Arithmetic>) {
        if let Some((llama, situation)) = self.llama(class) {
            return llama.gemm(&situation);
        }
        if let Some(measured) = &self.setup.hardware.measured {
            let activations = self.setup.formats.activations;
            return (own::arithmetic(measured, kind, self.setup.stored(class), activations), None);
        }
        let sheet = &self.setup.hardware.sheet;
        if self.ideal() {
            let stored = self.setup.stored(class);
            let path = path::of(sheet, stored, self.setup.formats.activations, false);
            let path = Path { rate: path::fastest(sheet, stored), ..path };
            return (Arithmetic { path, kernel: Kernel::ROOF }, None);
        }
        let block_scaled = self.setup.model.block_scaled();
        let path = path::of(sheet, self.setup.stored(class), self.setup.formats.activations, block_scaled);
        (Arithmetic { path, kernel: self.kernel(kind, path.family) }, None)
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

    /// Every kernel at its roof: a bound that no engine passes.
    fn ideal(&self) -> bool {
        self.setup.engine == Engine::Ideal && self.setup.hardware.measured.is_none()
    }

    pub(super) fn kernel(&self, kind: Kind, family: path::Family) -> Kernel {
        if let Some(measured) = &self.setup.hardware.measured {
            return own::kernel(measured, kind);
        }
        if self.ideal() {
            return Kernel::ROOF;
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
    fn expert_arithmetic(&self) -> (Arithmetic, Option<Arithmetic>) {
        let (Arithmetic { path, kernel }, or) = self.arithmetic(Kind::Experts, WeightClass::Experts);
        let own = self.ideal()
            || self.llama(WeightClass::Experts).is_some()
            || self.own_expert_kernels()
            || self.setup.hardware.measured.is_some();
        let kernel = match path.family {
            _ if own => kernel,
            path::Family::W4a16 | path::Family::W8a16 => self.kernel(Kind::Experts, path::Family::Bf16),
            path::Family::Fp8Block if self.setup.layout.ep > WIDE_EXPERTS => {
                let dense = self.calibrated(Kind::Gemm, path::Family::Fp8Block);
                Kernel { compute: kernel.compute.max(dense.compute), ..kernel }
            }
            _ => kernel,
        };
        (Arithmetic { path, kernel }, or)
    }

    fn layer(&mut self, layer: &Layer, calls: f64) {
        let tp = self.setup.layout.tp;
        for linear in &layer.linears {
            self.linear(linear, layer.core.expands(), calls);
        }
        self.core(&layer.core, calls);
        if let Some(e) = &layer.experts {
            let (by, or) = self.expert_arithmetic();
            let ep = self.setup.layout.ep;
            let shape = Experts {
                count: e.count as f64,
                topk: e.topk as f64,
                ep: ep as f64,
                tp: ((tp * self.setup.layout.dp) / ep) as f64,
                width: e.width as f64,
                inter: e.inter as f64,
                matrices: e.matrices as f64,
                by,
                or,
            };
            self.push("experts", Class::Experts, calls, Work::Experts(shape));
        }
        self.collectives(layer, calls);
        match &self.setup.hardware.measured {
            Some(measured) => self.own_small_kernels(layer, calls, measured),
            None => self.small_kernels(layer, calls),
        }
    }

    /// One guessed token: a layer over the hidden vector and the embedding of the last token, and the LM head.
    fn draft(&mut self, layer: &Layer) {
        self.draft = true;
        let hidden = self.setup.model.hidden as f64;
        let (by, or) = self.arithmetic(Kind::Gemm, WeightClass::Rest);
        let n = (hidden / self.setup.layout.tp as f64).ceil();
        let join = Work::Gemm { n, k: 2.0 * hidden, rows: Rows::Rank, by, or };
        self.push("draft input", Class::Gemm, 1.0, join);
        self.layer(layer, 1.0);
        self.head();
    }

    /// A weight matrix. Data-parallel ranks hold copies of everything but the routed experts and run them on their own
    /// tokens.
    fn linear(&mut self, linear: &Linear, expands: bool, calls: f64) {
        let (by, or) = self.arithmetic(Kind::Gemm, WeightClass::Part(linear.part));
        let ranks = self.setup.layout.tp as f64;
        // A block-diagonal matrix multiplies one short vector per output.
        let (n, k) = (linear.outputs as f64, linear.inputs as f64);
        let (n, k) = match linear.shard {
            Shard::Columns => ((n / ranks).ceil(), k),
            Shard::Rows => (n, (k / ranks).ceil()),
            Shard::Replicated => (n, k),
        };
        let mut push = |name, rows| self.push(name, Class::Gemm, calls, Work::Gemm { n, k, rows, by, or });
        if linear.name == EXPANSION && expands {
            // Prompts expand the cached vectors to keys and values; decode absorbs the same matrix into the queries.
            push("kv_up", Rows::PromptCache);
            push("kv_up absorbed", Rows::Decode);
        } else {
            let name = match (linear.part, linear.name) {
                (Part::Shared, "gate_up") => SHARED_UP,
                (Part::Shared, "down") => SHARED_DOWN,
                (_, name) => name,
            };
            push(name, Rows::Rank);
        }
    }

    /// Arithmetic of attention: 16 bit whatever the cache is stored in.
    fn attention(&self, kind: Kind) -> (FlopRate, Kernel) {
        if let Some((llama, situation)) = self.llama(WeightClass::Part(Part::Attention)) {
            // Sequences that decode beside prompts keep their own kernel.
            return llama.attention(&Situation { prompt: kind == Kind::AttentionPrefill, ..situation });
        }
        if let Some(measured) = &self.setup.hardware.measured {
            return (self.machine.wide_rate, own::attention(measured, kind, self.setup.formats.kv_cache));
        }
        let sheet = &self.setup.hardware.sheet;
        let rate = if self.ideal() { path::fastest(sheet, Precision::F16) } else { self.machine.wide_rate };
        (rate, self.kernel(kind, path::Family::Bf16))
    }

    fn core(&mut self, core: &Core, calls: f64) {
        let tp = self.setup.layout.tp as f64;
        match core {
            Core::Recurrent { state_bytes, flop_per_token, .. } => {
                let shared = self.calibration.shared();
                let kernel = match self.setup.hardware.measured {
                    _ if self.ideal() => Kernel::ROOF,
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
            _ => {
                let Some(mixing) = core.mixing() else { return };
                self.attend(core, &mixing, calls);
                if matches!(core, Core::Softmax { joint_norm: true, .. }) && tp > 1.0 {
                    self.push("all-reduce of norms", Class::Collectives, 2.0 * calls, Work::Tiny);
                }
            }
        }
    }

    /// Attention of decoding sequences and of prompts, on the heads of one rank. Every rank scores all of an indexer.
    fn attend(&mut self, core: &Core, mixing: &Mixing, calls: f64) {
        let heads = (mixing.heads as f64 / self.setup.layout.tp as f64).ceil();
        let latent = !matches!(core, Core::Softmax { .. });
        let kind = if latent { Kind::LatentDecode } else { Kind::AttentionDecode };
        let (entry, token) = self.attention_bytes(core, heads);
        let (rate, kernel) = self.attention(kind);
        let decode = Attention {
            flop_per_pair: heads * mixing.decode_pair,
            index_flop: mixing.index_pair,
            bytes_per_cached: entry.0,
            index_bytes: mixing.index_values as f64 * INDEX_BYTES,
            bytes_per_token: token.0,
            span: mixing.span,
            latent,
            rate,
            kernel,
        };
        let (rate, kernel) = self.attention(Kind::AttentionPrefill);
        let prefill = Attention {
            flop_per_pair: heads * mixing.prompt_pair,
            bytes_per_cached: entry.1,
            bytes_per_token: token.1,
            latent: false,
            rate,
            kernel,
            ..decode
        };
        self.push("attention decode", Class::Attention, calls, Work::Decode(decode));
        self.push("attention prefill", Class::Attention, calls, Work::Prefill(prefill));
    }

    /// Bytes of a cached entry, and of queries in and results out per token, on one rank: in decode and in prompts.
    fn attention_bytes(&self, core: &Core, heads: f64) -> ((f64, f64), (f64, f64)) {
        let tp = self.setup.layout.tp;
        let cached = self.setup.formats.kv_cache.bytes();
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
                let out = match self.expert_arithmetic().0.path.activation_bytes {
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

    fn head(&mut self) {
        let model = &self.setup.model;
        let (by, or) = self.arithmetic(Kind::Gemm, WeightClass::Rest);
        let n = (model.vocab as f64 / self.setup.layout.tp as f64).ceil();
        let k = model.hidden as f64;
        self.push("LM head", Class::Gemm, 1.0, Work::Gemm { n, k, rows: Rows::Logits, by, or });
    }

    fn ends(&mut self) {
        self.head();
        // Embedding, final norm, sampling: kernels of a step, whatever the layers.
        let kernel = self.kernel(Kind::Gemm, path::Family::Bf16);
        let llama = self.llama(WeightClass::Rest).map(|(llama, _)| llama.hop_s);
        let kernels = if llama.is_some() { 0.0 } else { STEP_KERNELS };
        let work = Work::Elementwise { bytes_per_token: 0.0, kernels, kernel };
        self.push("embedding, sampling", Class::Gemm, 1.0, work);
        let layout = &self.setup.layout;
        if layout.pp == 1 {
            return;
        }
        match llama {
            Some(launch) => {
                let (kernels, kernel) = (layout.pp as f64 - 1.0, Kernel { launch, ..kernel });
                let work = Work::Elementwise { bytes_per_token: 0.0, kernels, kernel };
                self.push("hand over", Class::Host, 1.0, work);
            }
            // Every rank of a stage sends its share to its counterpart.
            None => {
                let bytes_per_token = self.setup.model.hidden as f64 * WIDE / layout.tp as f64;
                self.push("hand over", Class::Collectives, 1.0, Work::Send { bytes_per_token });
            }
        }
    }
}
