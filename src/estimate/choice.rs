//! Which kernel an operation runs, and with which constants: those of the engine, of llama.cpp, or of this program.

use super::calibration::Calibration;
use super::constants::{Kernel, Kind};
use super::llama::{Llama, Situation};
use super::machine::Machine;
use super::op::Arithmetic;
use super::own;
use super::path::{self, Path};
use crate::model::Class as WeightClass;
use crate::model::spec::Part;
use crate::precision::Precision;
use crate::setup::{Engine, Setup};
use crate::units::FlopRate;

/// More expert-parallel ranks than this are served by kernels made for it.
const WIDE_EXPERTS: u64 = 8;

/// What the kernels of a step depend on.
#[derive(Debug, Clone, Copy)]
pub struct Choice<'a> {
    /// The setup.
    pub setup: &'a Setup,
    /// The constants to choose from.
    pub calibration: &'a Calibration,
    /// The devices of an instance.
    pub machine: &'a Machine,
    /// The step carries prompt tokens: some engines have other kernels for them.
    pub prompt: bool,
}

impl Choice<'_> {
    /// The kernel of a weight class, and the one it has for more rows, where that is another one.
    pub fn arithmetic(&self, kind: Kind, class: WeightClass) -> (Arithmetic, Option<Arithmetic>) {
        if let Some((llama, situation)) = self.llama(class) {
            let (few, many) = llama.gemm(&situation);
            return (few, Some(many));
        }
        if let Some(measured) = &self.setup.hardware.measured {
            let (stored, activations) = (self.setup.stored(class).format, self.setup.activations(class));
            return (own::arithmetic(measured, kind, stored, activations), None);
        }
        let sheet = &self.setup.hardware.sheet;
        if self.ideal() {
            let path = path::of(sheet, self.setup.stored(class), self.setup.activations(class));
            let path = Path { rate: path::fastest(sheet, self.setup.stored(class).format), ..path };
            return (Arithmetic { path, kernel: Kernel::ROOF }, None);
        }
        let path = path::of(sheet, self.setup.stored(class), self.setup.activations(class));
        (Arithmetic { path, kernel: self.kernel(kind, path.family) }, None)
    }

    /// What llama.cpp's constants depend on, where it is the engine.
    pub fn llama(&self, class: WeightClass) -> Option<(&Llama, Situation<'_>)> {
        let setup = self.setup;
        let situation = Situation {
            device: &setup.hardware.sheet,
            backend: setup.backend(&setup.hardware.sheet),
            stored: setup.stored(class),
            experts: setup.model.has_experts(),
            older: setup.limits.older,
            prompt: self.prompt,
        };
        let runs = setup.engine.single_user() && setup.hardware.measured.is_none();
        runs.then(|| (self.calibration.llama(), situation))
    }

    /// Every kernel at its roof: a bound that no engine passes.
    pub fn ideal(&self) -> bool {
        self.setup.engine == Engine::Ideal && self.setup.hardware.measured.is_none()
    }

    /// The constants of a kernel inside a step.
    pub fn kernel(&self, kind: Kind, family: path::Family) -> Kernel {
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
        let sheet = &self.setup.hardware.sheet;
        self.calibration.on(self.calibration.kernel(kind, &sheet.architecture, family, cache).0, sheet)
    }

    /// TensorRT-LLM brings expert kernels of its own, those that were measured; the open engines share others.
    fn own_expert_kernels(&self) -> bool {
        self.setup.engine == Engine::Trtllm
    }

    /// Arithmetic and constants of the routed experts.
    ///
    /// The open engines' weight-only kernels (Marlin, Triton) reach what 16-bit experts reach, and their block-scaled
    /// ones in wide expert parallelism (DeepGEMM) what the dense GEMM reaches.
    pub fn experts(&self) -> (Arithmetic, Option<Arithmetic>) {
        if let Some((llama, situation)) = self.llama(WeightClass::Experts) {
            let (few, many) = llama.experts(&situation);
            return (few, Some(many));
        }
        let (Arithmetic { path, kernel }, or) = self.arithmetic(Kind::Experts, WeightClass::Experts);
        let own = self.ideal() || self.own_expert_kernels() || self.setup.hardware.measured.is_some();
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

    /// Arithmetic of attention: 16 bit whatever the cache is stored in.
    pub fn attention(&self, kind: Kind) -> (FlopRate, Kernel) {
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
}
