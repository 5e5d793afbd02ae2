//! The constants of the estimate: one documented file, fitted on measured kernels and measured serving runs.
//!
//! `scenarios/calibration.toml` holds them with date, data and error. None belongs to a model, a row or a
//! benchmark: they are per kernel family and device generation, or per engine.

use super::anchor::{self, Anchor, Correction};
use super::band::{Band, Quantity, Situation};
use super::constants::{EngineConstants, Kernel, KernelEntry, Kind, Shared, one};
use super::llama::Llama;
use super::path::{self, Family};
use crate::catalog::Catalog;
use crate::device::Device;
use crate::diagnostic::Diagnostic;
use crate::precision::Precision;
use crate::setup::{Backend, Engine, Layout, Setup};
use serde::Deserialize;

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
    /// Backends and generations that llama.cpp's constants were fitted on.
    llama_points: Vec<LlamaPoints>,
    shared: Shared,
    #[serde(default)]
    band: Vec<Band>,
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
    /// 16-bit rate over the 32-bit one of the devices whose kernels it takes, where its own units are like theirs.
    matrix_ratio: Option<f64>,
    /// See [`Shared::switch_reduce`].
    #[serde(default)]
    switch_reduce: f64,
}

/// Points of llama.cpp through a backend on a generation of devices.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LlamaPoints {
    /// The backend.
    pub backend: Backend,
    /// The generation, as data sheets name it.
    pub generation: String,
    /// Of models with experts, or of those without.
    pub experts: bool,
    /// Their number.
    pub points: u64,
}

#[derive(Debug, Clone, Deserialize)]
struct EngineEntry {
    name: Engine,
    #[serde(flatten)]
    constants: EngineConstants,
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

    /// The share of its peak that a kernel reaches on a device whose matrix units are slower beside its other units than
    /// those of the devices it was measured on.
    ///
    /// What a kernel does besides multiplying (addresses, exponentials, its ends) takes the other units, whose rate is that
    /// in 32 bit. Where matrix units have a quarter of the measured rate beside it, as in an H20, the rest is a quarter as
    /// large beside the products: e' = 1 / (1 + (1 / e - 1) r).
    pub fn on(&self, kernel: Kernel, sheet: &Device) -> Kernel {
        let own = self.file.generation.iter().find(|g| g.name == sheet.architecture);
        match (own.and_then(|g| g.matrix_ratio), sheet.rates.fp32) {
            (Some(measured), Some(plain)) => {
                let slower = (path::wide_rate(sheet).get() / plain.get() / measured).min(1.0);
                Kernel { compute: 1.0 / (1.0 + (1.0 / kernel.compute - 1.0) * slower), ..kernel }
            }
            _ => kernel,
        }
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
            gather_s: 0.0,
            waves: 0.0,
            waves_older: 0.0,
            first_older_s: 0.0,
        };
        // Those that were never measured borrow from their like.
        let like = match engine {
            Engine::Lmdeploy => Engine::Vllm,
            other if other.single_user() => Engine::LlamaCpp,
            other => other,
        };
        self.file.engine.iter().find(|e| e.name == like).map_or(none, |e| e.constants)
    }

    /// This engine, through this backend, was fitted on devices of this generation: of llama.cpp on points of models with
    /// experts or without, of the others on kernels that were timed there.
    pub fn knows(&self, setup: &Setup) -> bool {
        let hardware = &setup.hardware;
        let mut all = std::iter::once(hardware).chain(hardware.others.iter().map(|h| &h.hardware));
        let experts = setup.model.has_experts();
        match setup.engine {
            Engine::LlamaCpp => all.all(|h| {
                let backend = setup.backend(&h.sheet);
                let known = |p: &LlamaPoints| (p.backend, p.experts) == (backend, experts);
                self.file.llama_points.iter().any(|p| known(p) && p.generation == h.sheet.architecture)
            }),
            Engine::Mlx | Engine::Exllama | Engine::Ktransformers | Engine::Lmdeploy => false,
            _ => self.fitted(&hardware.sheet.architecture),
        }
    }

    /// Backends and generations that llama.cpp's constants were fitted on.
    pub fn llama_points(&self) -> &[LlamaPoints] {
        &self.file.llama_points
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

    /// Replaces the bands of situations that have points, and the ratio that a verdict has to allow for.
    pub fn set_bands(&mut self, bands: Vec<Band>, pair_error: Option<f64>) {
        let same = |old: &Band| bands.iter().any(|b| (b.situation, b.quantity) == (old.situation, old.quantity));
        self.file.band.retain(|old| !same(old));
        self.file.band.extend(bands);
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

    /// The same on a device generation, for an engine.
    ///
    /// SGLang turns sums in the switch off (`NCCL_NVLS_ENABLE` is 0 without `--enable-nccl-nvls`), and vLLM the memory
    /// they need (`NCCL_CUMEM_ENABLE` is 0).
    pub fn shared_on(&self, architecture: &str, engine: Engine) -> Shared {
        let own = self.file.generation.iter().find(|g| g.name == architecture);
        let own = own.filter(|_| matches!(engine, Engine::Trtllm | Engine::Ideal));
        Shared { switch_reduce: own.map_or(0.0, |g| g.switch_reduce), ..self.file.shared }
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
