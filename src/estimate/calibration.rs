//! The constants of the estimate: one documented file, fitted on measured kernels and measured serving runs.
//!
//! `scenarios/calibration.toml` holds them with date, data and error. None belongs to a model, a row or a
//! benchmark: they are per kernel family and device generation, or per engine.

use super::anchor::{self, Anchor, Correction};
use super::llama::Llama;
use super::path::Family;
use crate::catalog::Catalog;
use crate::diagnostic::Diagnostic;
use crate::precision::Precision;
use crate::setup::{Engine, Layout, Setup};
use serde::{Deserialize, Serialize};

/// Kinds of kernels that have constants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Dense matrix product.
    Gemm,
    /// Grouped matrix products of routed experts.
    Experts,
    /// Attention of decoding sequences.
    AttentionDecode,
    /// Causal attention of prompts.
    AttentionPrefill,
    /// Absorbed latent attention of decoding sequences.
    LatentDecode,
}

/// Constants of one kernel family.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Kernel {
    /// Share of the peak rate that is reached, in (0, 1].
    pub compute: f64,
    /// Share of the memory bandwidth that is reached, in (0, 1].
    pub memory: f64,
    /// Time of a call that does nothing, s, as timed alone.
    pub launch: f64,
    /// Exponent q of the blend: large where compute and memory overlap well.
    pub blend: f64,
    /// Latency of one wave of tiles per unit of the sum's length, s.
    pub wave: f64,
    /// Unevenness of the power-law routing that grouped experts were measured under.
    pub skew: f64,
    /// Tokens of the busiest rank over the mean under that routing.
    pub imbalance: f64,
    /// Rows that ride on the load of the weights: 1 for mat-vec kernels, else 0.
    pub free: f64,
    /// Rows that are computed at least: a tile of matrix kernels without a fitted wave.
    pub least: f64,
    /// Times faster than device memory where the data is in the last-level cache.
    pub cached: f64,
}

impl Kernel {
    /// Peak rates, no launch, compute and memory at the same time: the roof.
    pub const ROOF: Self = Self { blend: f64::INFINITY, ..Self::IDEAL };

    /// Peak rates, no launch, compute and memory one after the other.
    pub const IDEAL: Self = Self {
        compute: 1.0,
        memory: 1.0,
        launch: 0.0,
        blend: 1.0,
        wave: 0.0,
        cached: 1.0,
        skew: 1.0,
        imbalance: 1.0,
        free: 0.0,
        least: 0.0,
    };
}

/// Constants of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EngineConstants {
    /// Share of a kernel's own launch that is left under captured graphs.
    pub launch_share: f64,
    /// The same for grouped experts, whose call is several kernels.
    pub expert_launch_share: f64,
    /// Launches of one small kernel, in launches of a GEMM.
    pub small_kernel: f64,
    /// Extra time of one kernel of a step with prompt tokens, which runs without a captured graph, s.
    pub eager_s: f64,
    /// Host time of a step, s.
    pub step_s: f64,
    /// Host time of a step per running sequence, s.
    pub sequence_s: f64,
    /// Time a request costs the engine once, s.
    pub request_s: f64,
    /// The same per prompt token, s.
    pub request_token_s: f64,
    /// Time to the first token that no work explains, s.
    pub first_s: f64,
    /// Efficiency of a two-shot all-reduce relative to the library's.
    pub two_shot: f64,
    /// Share of the requests whose prompts come all at once: schedulers that keep a wave of requests together.
    pub waves: f64,
    /// The same of older releases.
    pub waves_older: f64,
    /// `first_s` of older releases.
    pub first_older_s: f64,
}

/// All constants.
#[derive(Debug, Clone)]
pub struct Calibration {
    file: File,
    anchors: Vec<Anchor>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    generation: Vec<Generation>,
    kernel: Vec<KernelEntry>,
    engine: Vec<EngineEntry>,
    llama: Llama,
    shared: Shared,
    #[serde(default)]
    band: Vec<Band>,
}

/// What an estimate is of; each has its own band.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Situation {
    /// Requests served on a generation whose kernels were measured.
    Served,
    /// All requests at once on such a generation.
    Offline,
    /// A generation without measured kernels.
    Uncalibrated,
    /// Separate pools for prompts and answers.
    Pools,
    /// One stream or a few, by llama.cpp.
    SingleStream,
}

/// What a band is around.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// Time to the first token.
    Ttft,
    /// Time per further token.
    Tpot,
    /// Tokens per second.
    Throughput,
}

/// The middle 80 % of measured over estimated values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Band {
    /// What the estimate is of.
    pub situation: Situation,
    /// What the band is around.
    pub quantity: Quantity,
    /// 10 % of measurements lie below the estimate times this.
    pub low: f64,
    /// 10 % of measurements lie above the estimate times this.
    pub high: f64,
    /// Measurements behind it.
    pub points: u64,
}

/// Which measured generation a device generation borrows its constants from.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Generation {
    name: String,
    like: String,
    /// Kernels of its own devices are among those that `like` was fitted on.
    #[serde(default)]
    fitted: bool,
    #[serde(default = "one")]
    compute: f64,
    #[serde(default = "one")]
    memory: f64,
}

fn wide() -> Precision {
    Precision::Bf16
}

fn one() -> f64 {
    1.0
}

/// Constants of a kernel family as the file holds them.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct KernelEntry {
    /// Kind of kernel.
    pub kind: Kind,
    /// Generation it was measured on.
    pub generation: String,
    /// Operand formats.
    pub family: Family,
    /// Format of the KV cache, for kernels that read one.
    #[serde(default = "wide")]
    pub cache: Precision,
    /// See [`Kernel`].
    pub compute: f64,
    /// See [`Kernel`].
    pub memory: f64,
    /// See [`Kernel`].
    pub launch_s: f64,
    /// See [`Kernel`].
    pub blend: f64,
    /// See [`Kernel`].
    #[serde(default)]
    pub wave_s: f64,
    /// See [`Kernel`].
    #[serde(default = "one")]
    pub cached: f64,
    /// See [`Kernel`].
    #[serde(default = "one")]
    pub skew: f64,
    /// See [`Kernel`].
    #[serde(default = "one")]
    pub imbalance: f64,
    /// Measurements the constants were fitted on.
    #[serde(default)]
    pub rows: u64,
    /// Median absolute relative error on them.
    #[serde(default)]
    pub median_error: f64,
}

impl KernelEntry {
    /// The constants, as measured.
    pub const fn kernel(&self) -> Kernel {
        Kernel {
            compute: self.compute,
            memory: self.memory,
            launch: self.launch_s,
            blend: self.blend,
            wave: self.wave_s,
            cached: self.cached,
            skew: self.skew,
            imbalance: self.imbalance,
            free: 0.0,
            least: 0.0,
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
struct EngineEntry {
    name: Engine,
    #[serde(flatten)]
    constants: EngineConstants,
}

/// Constants that belong to no engine and no kernel family.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shared {
    /// A verdict between two devices needs a cost ratio beyond 1 plus this.
    pub pair_error: f64,
    /// Most that a launch of attention costs inside a step, s.
    pub attention_launch_most_s: f64,
    /// Most that a launch of grouped experts costs inside a step, s.
    pub expert_launch_most_s: f64,
    /// Launch of a recurrence inside a step, s.
    pub recurrence_launch_s: f64,
    /// Share of the bandwidth at which a recurrence moves its state.
    pub recurrence_memory: f64,
    /// Share of the 16-bit rate at which a recurrence scans a prompt.
    pub recurrence_compute: f64,
    /// Unevenness of routing: 0 is uniform.
    pub expert_skew: f64,
    /// Tokens of the busiest of up to eight expert-parallel ranks over the mean.
    pub expert_imbalance: f64,
    /// The same for more ranks, where busy experts are held twice.
    pub expert_imbalance_redundant: f64,
    /// Bytes of element-wise work per layer, token and hidden value.
    pub elementwise_bytes: f64,
    /// Share of the memory bandwidth element-wise kernels reach.
    pub elementwise_memory: f64,
    /// Latency of a collective over a switched link, s.
    pub link_latency_s: f64,
    /// Added per rank, s.
    pub link_latency_rank_s: f64,
    /// Share of the link a one-shot collective reaches.
    pub link_one_shot: f64,
    /// Share of the link a two-shot collective reaches.
    pub link_two_shot: f64,
    /// Extra latency of a two-shot collective, s.
    pub link_two_shot_s: f64,
    /// Latency of a collective over PCI Express per rank, s.
    pub pcie_latency_rank_s: f64,
    /// Share of PCI Express a one-shot collective reaches.
    pub pcie_one_shot: f64,
    /// Share of PCI Express a two-shot collective reaches.
    pub pcie_two_shot: f64,
    /// Share of the network an all-reduce reaches.
    pub network_share: f64,
    /// Share of the link a dispatch or combine reaches.
    pub exchange_link: f64,
    /// Share of the network a dispatch or combine reaches.
    pub exchange_network: f64,
    /// Latency of a dispatch or combine beside that of the link, s.
    pub exchange_s: f64,
    /// What the network adds to it, s.
    pub exchange_network_s: f64,
    /// Compute units that prompt steps give to communication while two half batches overlap.
    pub overlap_units: f64,
    /// More data-parallel ranks than this overlap two half batches.
    pub overlap_ranks: f64,
    /// A guessed token adds this share of a step's launches.
    pub draft_launches: f64,
}

impl Shared {
    /// Links and networks at their peak, no latency, tokens spread evenly over ranks.
    #[must_use]
    pub const fn ideal(self) -> Self {
        Self {
            expert_imbalance: 1.0,
            expert_imbalance_redundant: 1.0,
            elementwise_memory: 1.0,
            link_latency_s: 0.0,
            link_latency_rank_s: 0.0,
            link_one_shot: 1.0,
            link_two_shot: 1.0,
            link_two_shot_s: 0.0,
            pcie_latency_rank_s: 0.0,
            pcie_one_shot: 1.0,
            pcie_two_shot: 1.0,
            network_share: 1.0,
            exchange_link: 1.0,
            exchange_network: 1.0,
            exchange_s: 0.0,
            exchange_network_s: 0.0,
            overlap_units: 0.0,
            ..self
        }
    }
}

impl Calibration {
    /// Reads the constants of the catalogue.
    ///
    /// # Errors
    /// When the file is not what this version understands, or an efficiency lies outside (0, 1].
    pub fn load(catalog: &Catalog) -> Result<Self, Diagnostic> {
        let entry = catalog.calibration()?;
        Self::parse(&entry.file, &entry.text)
    }

    /// Reads constants from text.
    ///
    /// # Errors
    /// As [`Calibration::load`].
    pub fn parse(name: &str, text: &str) -> Result<Self, Diagnostic> {
        let file: File = toml::from_str(text).map_err(|error| Diagnostic::from_toml(name, text, &error))?;
        let share = |v: f64| v > 0.0 && v <= 1.0;
        let wrong =
            file.kernel.iter().find(|k| !(share(k.compute) && share(k.memory) && k.blend >= 0.5 && k.launch_s >= 0.0));
        match wrong {
            Some(k) => Err(Diagnostic::new(
                name,
                format!("the constants of {:?} {} {:?} are out of range", k.kind, k.generation, k.family),
            )
            .hint("compute and memory are shares above 0 and at most 1; blend is at least 0.5")),
            None => Ok(Self { file, anchors: Vec::new() }),
        }
    }

    /// Constants of a kernel family on a device generation; the nearest family where that one was not measured, and
    /// whether they were measured on that generation.
    pub fn kernel(&self, kind: Kind, architecture: &str, family: Family, cache: Precision) -> (Kernel, bool) {
        let own = self.file.generation.iter().find(|g| g.name == architecture);
        let fallback = self.file.generation.last();
        let (like, compute, memory) =
            own.or(fallback).map_or(("hopper", 1.0, 1.0), |g| (g.like.as_str(), g.compute, g.memory));
        let entry = stand_ins(family)
            .iter()
            .find_map(|f| {
                let own = |k: &&KernelEntry| k.kind == kind && k.generation == like && k.family == *f;
                let all = || self.file.kernel.iter().filter(own);
                all().find(|k| k.cache.bits() == cache.bits()).or_else(|| all().find(|k| k.cache == Precision::Bf16))
            })
            .or_else(|| self.file.kernel.iter().find(|k| k.kind == kind && k.family == Family::Bf16))
            .or_else(|| self.file.kernel.first());
        let kernel = entry.map_or(Kernel::IDEAL, |k| Kernel {
            compute: (k.compute * compute).min(1.0),
            memory: (k.memory * memory).min(1.0),
            ..k.kernel()
        });
        (kernel, own.is_some_and(|g| g.fitted))
    }

    /// Constants of an engine; an engine without fitted ones costs nothing on the host.
    pub fn engine(&self, engine: Engine) -> EngineConstants {
        let none = EngineConstants {
            launch_share: 0.0,
            expert_launch_share: 0.0,
            small_kernel: 0.0,
            eager_s: 0.0,
            step_s: 0.0,
            sequence_s: 0.0,
            request_s: 0.0,
            request_token_s: 0.0,
            first_s: 0.0,
            two_shot: 1.0,
            waves: 0.0,
            waves_older: 0.0,
            first_older_s: 0.0,
        };
        self.file.engine.iter().find(|e| e.name == engine).map_or(none, |e| e.constants)
    }

    /// The constants of all measured kernel families.
    pub fn kernels(&self) -> &[KernelEntry] {
        &self.file.kernel
    }

    /// Adds a user's own measurements; estimates of their neighbours are corrected by them.
    pub fn add_anchors(&mut self, anchors: Vec<Anchor>) {
        self.anchors.extend(anchors);
    }

    /// What the user's own measurements say of a setup, and of the pool that reads its prompts.
    pub fn correction(&self, setup: &Setup, prefill: Option<Layout>) -> Option<Correction> {
        anchor::correction(&self.anchors, setup, prefill)
    }

    /// The band around a quantity, where measurements of such a situation exist.
    pub fn band(&self, situation: Situation, quantity: Quantity) -> Option<&Band> {
        self.file.band.iter().find(|b| b.situation == situation && b.quantity == quantity)
    }

    /// All bands.
    pub fn bands(&self) -> &[Band] {
        &self.file.band
    }

    /// Replaces all bands, and the ratio that a verdict has to allow for.
    pub fn set_bands(&mut self, bands: Vec<Band>, pair_error: Option<f64>) {
        self.file.band = bands;
        if let Some(error) = pair_error {
            self.file.shared.pair_error = error;
        }
    }

    /// Replaces the constants of all measured kernel families.
    pub fn set_kernels(&mut self, kernels: Vec<KernelEntry>) {
        self.file.kernel = kernels;
    }

    /// The generation whose constants a device generation uses.
    pub fn generation(&self, architecture: &str) -> Option<&str> {
        self.file.generation.iter().find(|g| g.name == architecture).map(|g| g.like.as_str())
    }

    /// Kernels of devices of this generation were among those the constants were fitted on.
    pub fn fitted(&self, architecture: &str) -> bool {
        self.file.generation.iter().any(|g| g.name == architecture && g.fitted)
    }

    /// Replaces the constants of an engine.
    pub fn set_engine(&mut self, engine: Engine, constants: EngineConstants) {
        if let Some(entry) = self.file.engine.iter_mut().find(|e| e.name == engine) {
            entry.constants = constants;
        }
    }

    /// Replaces the constants of llama.cpp's kernels.
    pub fn set_llama(&mut self, constants: Llama) {
        self.file.llama = constants;
    }

    /// Constants of llama.cpp's kernels.
    pub const fn llama(&self) -> &Llama {
        &self.file.llama
    }

    /// Constants that belong to no engine and no kernel family.
    pub const fn shared(&self) -> &Shared {
        &self.file.shared
    }
}

/// Families to take constants from, the best first: arithmetic of the same width before wider arithmetic.
fn stand_ins(family: Family) -> &'static [Family] {
    use Family::{Bf16, Fp4, Fp8, Fp8Block, Int8, W4a8, W4a16, W8a16};
    match family {
        Bf16 => &[Bf16],
        Fp8 => &[Fp8, Fp8Block, Bf16],
        Fp8Block => &[Fp8Block, Fp8, Bf16],
        Int8 => &[Int8, Fp8, Bf16],
        W8a16 => &[W8a16, Bf16],
        W4a16 => &[W4a16, W8a16, Bf16],
        W4a8 => &[W4a8, Fp8, Fp8Block, Bf16],
        Fp4 => &[Fp4, W4a8, Fp8, Bf16],
    }
}
