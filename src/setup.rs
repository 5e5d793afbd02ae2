//! One model put on some devices, and the load on it: what the estimate is asked, and nothing else.
//!
//! A scenario resolves to setups, a file of measured points does, and so will a search over layouts: they meet here
//! so that `estimate` needs to know neither of them.
//!
//! Longer than other files: what a setup is made of stands in one place, plain data most of it.

use crate::device::measured_paths::{MeasuredPath, MeasuredPaths};
use crate::device::reach::Reach;
use crate::device::sheet::Link;
use crate::device::{Device, Profile};
use crate::model::spec::{Layer, Part};
use crate::model::{Class, ModelSpec, Stored, Weights};
use crate::precision::Precision;
use crate::provenance::Provenance;
use crate::units::{Bandwidth, Bytes, FlopRate, Seconds};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A model on devices.
#[derive(Debug, Clone)]
pub struct Setup {
    /// What is served.
    pub model: Arc<ModelSpec>,
    /// In which number formats.
    pub formats: Formats,
    /// On which device.
    pub hardware: Hardware,
    /// How one instance is spread, and how many instances there are.
    pub layout: Layout,
    /// By which engine.
    pub engine: Engine,
    /// Configured how.
    pub limits: Limits,
    /// Speculative decoding.
    pub speculation: Option<Speculation>,
    /// Speed per kernel class relative to the calibrated or measured state.
    pub speed: Speed,
}

/// Speculative decoding, multi-token prediction among it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speculation {
    /// Tokens guessed a step.
    pub drafts: f64,
    /// Tokens a step yields on average, the certain one included.
    pub accepted: f64,
}

impl Speculation {
    /// From the probability that a guessed token is accepted, each guess resting on the one before:
    /// A = 1 + p + p^2 + ... + p^d (Leviathan et al., arXiv 2211.17192).
    pub fn new(drafts: u64, acceptance: f64) -> Self {
        let accepted = (0..=drafts.min(64)).map(|power| acceptance.powi(power as i32)).sum();
        Self { drafts: drafts as f64, accepted }
    }
}

/// A device as the estimate sees it.
#[derive(Debug, Clone)]
pub struct Hardware {
    /// The data sheet, or one written from a measured profile.
    pub sheet: Arc<Device>,
    /// Present where this program's own kernels were measured on the device: its rates are sustained, not peak.
    pub measured: Option<Arc<MeasuredRates>>,
    /// It computes on host cores: rows carry `software` and get no price verdict.
    pub software: bool,
    /// How much memory one device has is known.
    pub memory_known: bool,
    /// How its devices reach each other, where the scenario says.
    pub way: Option<Way>,
    /// Other devices of the same instance, and what of the model each holds; the rest lies on this one. llama.cpp alone
    /// spreads a model over unlike devices.
    pub others: Vec<Holder>,
    /// What the device's numbers rest on.
    pub provenance: Provenance,
}

/// Another device of an instance, and what of the model it holds.
#[derive(Debug, Clone)]
pub struct Holder {
    /// The device.
    pub hardware: Hardware,
    /// Share of every layer's weights and cache, routed experts apart, in [0, 1].
    pub layers: f64,
    /// Share of the routed experts, in [0, 1].
    pub experts: f64,
    /// The LM head lies here.
    pub head: bool,
    /// It is the host that the other devices sit in: it computes single tokens itself, and prompts pull its weights over
    /// the devices' link.
    pub host: bool,
}

/// The way from device to device inside a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Way {
    /// A scale-up link: NVLink, Infinity Fabric, HCCS, or a bridge of such.
    #[serde(rename = "nvlink")]
    Nvlink,
    /// Over PCI Express from device to device.
    #[serde(rename = "pcie-p2p")]
    PcieP2p,
    /// Over PCI Express through the host's memory, where drivers, virtualisation or an IOMMU refuse peer access.
    #[serde(rename = "pcie-host")]
    PcieHost,
}

/// The programming interface an engine reaches a device through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// NVIDIA's.
    Cuda,
    /// AMD's.
    Rocm,
    /// Of every maker.
    Vulkan,
    /// Apple's.
    Metal,
    /// Intel's.
    Sycl,
    /// The cores of the host.
    Cpu,
}

impl Backend {
    /// The spelling used in scenarios and rows.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cuda => "cuda",
            Self::Rocm => "rocm",
            Self::Vulkan => "vulkan",
            Self::Metal => "metal",
            Self::Sycl => "sycl",
            Self::Cpu => "cpu",
        }
    }

    /// What llama.cpp is built with for a device where nobody says: its maker's own interface, else Vulkan
    /// (ggml-org/llama.cpp, docs/build.md).
    pub fn usual(sheet: &Device) -> Self {
        match sheet.vendor.as_str() {
            _ if sheet.cpu => Self::Cpu,
            "NVIDIA" => Self::Cuda,
            "AMD" => Self::Rocm,
            "Apple" => Self::Metal,
            "Intel" => Self::Sycl,
            _ => Self::Vulkan,
        }
    }

    /// A device can be reached through it.
    pub fn reaches(self, sheet: &Device) -> bool {
        match self {
            Self::Cpu => sheet.cpu,
            Self::Cuda => sheet.vendor == "NVIDIA",
            Self::Rocm => sheet.vendor == "AMD" && !sheet.cpu,
            Self::Metal => sheet.vendor == "Apple" && !sheet.cpu,
            // SYCL has plugins for other makers, and Vulkan drivers are everywhere but on Apple.
            Self::Sycl => matches!(sheet.vendor.as_str(), "Intel" | "NVIDIA" | "AMD") && !sheet.cpu,
            Self::Vulkan => !sheet.cpu,
        }
    }
}

/// Sustained rates that were measured through one access path.
#[derive(Debug, Clone, PartialEq)]
pub struct MeasuredRates {
    /// Products of weights, by the type of their kernels.
    pub paths: Arc<MeasuredPaths>,
    /// One dispatch among many.
    pub launch: Seconds,
    /// One submission, waited for: what a step costs the host.
    pub submit: Seconds,
    /// What the other kernels reach.
    pub reach: Reach,
}

/// Number formats of a served model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Formats {
    /// As published, or one format for all linear layers.
    pub weights: Weights,
    /// Activations, where given; else the usual partner of the weights.
    pub activations: Option<Precision>,
    /// KV cache.
    pub kv_cache: Precision,
}

impl Setup {
    /// Most tokens of one step of a data-parallel rank, where the engine cuts prompts by them. Steps of llama.cpp are
    /// micro-batches of its own.
    pub fn batch_tokens(&self) -> Option<u64> {
        matches!(self.engine, Engine::Vllm | Engine::Sglang | Engine::Trtllm).then_some(self.limits.batch_tokens)
    }

    /// The storage format of a class of weights.
    ///
    /// Published 4-bit checkpoints leave more alone than the format says: MXFP4 ones quantise the experts only
    /// (gpt-oss), NVFP4 ones keep latent attention and recurrences in 16 bit (nvidia/DeepSeek-R1-FP4). llama.cpp's files
    /// of such models have the rest in Q8_0: those of gpt-oss-20b and 120b are 11.27 and 59.02 GiB large
    /// (ggml-org/gpt-oss-120b-GGUF).
    pub fn stored(&self, class: Class) -> Stored {
        let own = |class| self.formats.weights.of(&self.model.native, class);
        if self.engine == Engine::LlamaCpp && class != Class::Experts && self.model.has_experts() {
            let experts = own(Class::Experts).format;
            if experts == Precision::Mxfp4 && matches!(own(class).format, Precision::Bf16 | Precision::Mxfp4) {
                return Stored::plain(Precision::Q8_0);
            }
        }
        let kept = match self.formats.weights {
            Weights::Uniform(Precision::Mxfp4) => self.model.has_experts() && class != Class::Experts,
            Weights::Uniform(Precision::Fp4) => class == Class::Part(Part::Attention) && !self.model.plain_attention(),
            _ => false,
        };
        if kept { Stored::plain(Precision::Bf16) } else { own(class) }
    }

    /// What activations of a class of weights are computed in, where the scenario or the checkpoint says so.
    pub fn activations(&self, class: Class) -> Option<Precision> {
        self.formats.activations.or(self.stored(class).activations)
    }

    /// The interface through which the engine reaches a device of the instance.
    pub fn backend(&self, sheet: &Device) -> Backend {
        self.limits.backend.filter(|b| b.reaches(sheet)).unwrap_or(Backend::usual(sheet))
    }

    /// The measured kernels that most weights run through, on a device that was measured by this program.
    pub fn measured_path(&self) -> Option<&MeasuredPath> {
        let class = if self.model.has_experts() { Class::Experts } else { Class::Part(Part::Dense) };
        let main = match self.formats.weights {
            Weights::Uniform(precision) => precision,
            Weights::Native => self.model.main_format(),
        };
        self.hardware.measured.as_ref().map(|m| m.paths.best(main, self.activations(class)))
    }
}

impl Setup {
    /// The layer that guesses tokens, where any are guessed: one like the model's last, as multi-token prediction
    /// (DeepSeek-V3, arXiv 2412.19437, section 2.2) and EAGLE heads (arXiv 2401.15077) have.
    pub fn draft_layer(&self) -> Option<&Layer> {
        self.speculation.and_then(|_| self.model.layers.last())
    }
}

/// How one instance is spread over devices: `devices = tp * pp * dp * replicas`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Layout {
    /// Tensor parallelism: ranks that share every matrix.
    pub tp: u64,
    /// Pipeline parallelism: ranks that share the layers.
    pub pp: u64,
    /// Data-parallel attention inside one instance: ranks with their own requests, sharing the experts.
    pub dp: u64,
    /// Expert parallelism: ranks over which the experts of a layer are spread; divides `tp * dp`.
    pub ep: u64,
    /// Instances that share nothing.
    pub replicas: u64,
}

impl Layout {
    /// One instance on one device.
    pub const SINGLE: Self = Self { tp: 1, pp: 1, dp: 1, ep: 1, replicas: 1 };

    /// Devices of one instance.
    pub const fn instance(self) -> u64 {
        self.tp * self.pp * self.dp
    }

    /// Devices in all.
    pub const fn devices(self) -> u64 {
        self.instance() * self.replicas
    }
}

/// Serving engines the estimate tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Engine {
    /// vLLM.
    #[serde(rename = "vllm")]
    Vllm,
    /// SGLang.
    #[serde(rename = "sglang")]
    Sglang,
    /// TensorRT-LLM.
    #[serde(rename = "trtllm")]
    Trtllm,
    /// llama.cpp.
    #[serde(rename = "llama.cpp")]
    LlamaCpp,
    /// MLX (mlx-lm), on Apple.
    #[serde(rename = "mlx")]
    Mlx,
    /// ExLlamaV2 and V3 (TabbyAPI).
    #[serde(rename = "exllama")]
    Exllama,
    /// KTransformers: experts on the host.
    #[serde(rename = "ktransformers")]
    Ktransformers,
    /// LMDeploy (TurboMind).
    #[serde(rename = "lmdeploy")]
    Lmdeploy,
    /// This program's own kernels, as measured; the default of a measured device.
    #[serde(rename = "wgpu")]
    Wgpu,
    /// No host time at all.
    #[serde(rename = "ideal")]
    Ideal,
}

impl Engine {
    /// The spelling used in scenarios and rows.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vllm => "vllm",
            Self::Sglang => "sglang",
            Self::Trtllm => "trtllm",
            Self::LlamaCpp => "llama.cpp",
            Self::Mlx => "mlx",
            Self::Exllama => "exllama",
            Self::Ktransformers => "ktransformers",
            Self::Lmdeploy => "lmdeploy",
            Self::Wgpu => "wgpu",
            Self::Ideal => "ideal",
        }
    }

    /// One stream or a few on one machine: kernels launched one by one, no batching scheduler, memory for one server of
    /// one user. They are estimated as llama.cpp, which is the one that was measured.
    pub const fn single_user(self) -> bool {
        matches!(self, Self::LlamaCpp | Self::Mlx | Self::Exllama | Self::Ktransformers)
    }
}

/// What the engine is configured to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Most requests one data-parallel rank runs at a time; `None` where the engine sets no bound.
    pub max_sequences: Option<u64>,
    /// Most tokens of one step: the chunk of chunked prefill.
    pub batch_tokens: u64,
    /// Share of the memory the engine may use.
    pub memory_fraction: f64,
    /// An older release of the engine: TensorRT-LLM up to 1.0.0 and SGLang before 0.5.4 keep the prompts of a wave
    /// together, llama.cpp before 2025 is slower throughout.
    pub older: bool,
    /// Decode steps run without captured graphs too: every kernel is launched by the host (vLLM's `enforce_eager`).
    pub eager: bool,
    /// Compute units that collectives hold while they overlap with compute; `None` is 20 in prompt steps and none in
    /// decode steps.
    pub communication_units: Option<u64>,
    /// The interface llama.cpp was built for, where the scenario says.
    pub backend: Option<Backend>,
    /// llama.cpp computes attention in one kernel (`--flash-attn`); without, scores pass through memory.
    pub flash_attention: bool,
}

impl Default for Limits {
    /// vLLM's defaults on data-centre GPUs (`gpu_memory_utilization` 0.9, `max_num_batched_tokens` 8192).
    fn default() -> Self {
        Self {
            max_sequences: None,
            batch_tokens: 8192,
            memory_fraction: 0.9,
            older: false,
            eager: false,
            communication_units: None,
            backend: None,
            flash_attention: true,
        }
    }
}

/// Speed per kernel class relative to the calibrated or measured state; 1 / D of the tuning debt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speed {
    /// Projections, feed-forward layers, the LM head.
    pub gemm: f64,
    /// Attention over the cache.
    pub attention: f64,
    /// Grouped expert GEMMs.
    pub experts: f64,
    /// All-reduce, dispatch, combine.
    pub collectives: f64,
    /// Host time and launches.
    pub host: f64,
}

impl Speed {
    /// As calibrated or measured.
    pub const ONE: Self = Self::all(1.0);

    /// The same factor for every class.
    pub const fn all(factor: f64) -> Self {
        Self { gemm: factor, attention: factor, experts: factor, collectives: factor, host: factor }
    }
}

/// A closed loop of equal requests.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Load {
    /// Tokens of a prompt.
    pub input_tokens: f64,
    /// Tokens of an answer.
    pub output_tokens: f64,
    /// Requests in flight over the whole setup.
    pub concurrency: u64,
    /// Share of the prompt found in the prefix cache.
    pub prefix_hit: f64,
}

impl Load {
    /// Tokens that a sequence has behind it in the middle of its answer.
    pub fn context(&self) -> f64 {
        self.input_tokens + self.output_tokens / 2.0
    }

    /// Tokens that are written after the first one, which the prompt yields.
    pub fn further(&self) -> f64 {
        (self.output_tokens - 1.0).max(0.0)
    }
}

impl Hardware {
    /// The scale-up link that joins devices here: that of the data sheet, unless the scenario says that they are on PCI
    /// Express; a bridge that is bought apart only where it says that it is there.
    pub fn link(&self) -> Option<Link> {
        self.sheet.link.filter(|link| match self.way {
            Some(way) => way == Way::Nvlink,
            None => !link.optional,
        })
    }

    /// A device from its data sheet.
    pub fn from_sheet(sheet: Device) -> Self {
        Self {
            sheet: Arc::new(sheet),
            measured: None,
            software: false,
            memory_known: true,
            way: None,
            others: Vec::new(),
            provenance: Provenance::Catalogued,
        }
    }

    /// A device from what was measured on it. A software adapter has its host's memory; of a GPU wgpu tells none.
    ///
    /// # Errors
    /// When the profile lacks a rate that every estimate needs.
    pub fn from_profile(profile: &Profile) -> Result<Self, String> {
        let roofs = &profile.roofs;
        let missing = |what: &str| {
            format!("the profile of {} has no {what}; measure it again with `underdog bench`", profile.adapter.name)
        };
        let gemm_flop_s = roofs.gemm_f32_flop_s.ok_or_else(|| missing("f32 GEMM rate"))?;
        let stream = [roofs.gemv_f32_byte_s, roofs.read_byte_s].into_iter().flatten().reduce(f64::max);
        let stream_byte_s = stream.ok_or_else(|| missing("bandwidth"))?;
        let launch = Seconds::new(roofs.launch_s.ok_or_else(|| missing("launch time"))?);
        let submit = Seconds::new(roofs.submit_s.ok_or_else(|| missing("submission time"))?);
        let paths = MeasuredPaths::of(profile, gemm_flop_s, stream_byte_s, launch.get());
        let between = paths.all().any(|path| path.products.is_some());
        let reach = Reach::of(profile, gemm_flop_s, stream_byte_s, launch.get());
        let memory = profile.record.host_memory_bytes.filter(|_| profile.adapter.software);
        let sheet = Device::measured(
            &profile.adapter.name,
            FlopRate::new(gemm_flop_s),
            Bandwidth::new(stream_byte_s),
            memory.map(|bytes| Bytes::new(bytes as f64)),
            &profile.record.started,
        );
        Ok(Self {
            sheet: Arc::new(sheet),
            provenance: if between { Provenance::Interpolated } else { Provenance::Measured },
            measured: Some(Arc::new(MeasuredRates { paths: Arc::new(paths), launch, submit, reach })),
            software: profile.adapter.software,
            memory_known: memory.is_some(),
            way: None,
            others: Vec::new(),
        })
    }

    /// A device that is still to be measured: one of everything, so that the rest of a scenario can be checked.
    pub fn pending() -> Self {
        let unit = 1.0;
        Self {
            sheet: Arc::new(Device::measured("local", FlopRate::new(unit), Bandwidth::new(unit), None, "")),
            measured: None,
            software: false,
            memory_known: false,
            way: None,
            others: Vec::new(),
            provenance: Provenance::Assumed,
        }
    }
}
