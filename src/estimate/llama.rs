//! llama.cpp: one stream or a few, each kernel launched by itself.
//!
//! Decode runs mat-vec kernels: weights pass through memory once, and rows beyond the first cost their arithmetic.
//! Prompts run matrix kernels in micro-batches of 512 tokens; what they reach follows the card's power budget, since
//! cards of one chip differ by their power limit rather than by their data sheet. Experts compute whole tiles of rows.
//!
//! Constants belong to a backend, and where points tell generations apart, to one of them.

use super::constants::Kernel;
use super::op::Arithmetic;
use super::path::{self, Family, Path};
use crate::device::Device;
use crate::model::Stored;
use crate::precision::Precision;
use crate::setup::Backend;
use crate::units::FlopRate;
use serde::{Deserialize, Serialize};

/// Constants of llama.cpp, fitted on its own benchmarks. Shares are in (0, 1].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Llama {
    /// Share of the bandwidth at which decode reads 16-bit weights.
    pub memory_f16: f64,
    /// The same for Q8_0.
    pub memory_q8_0: f64,
    /// The same for Q4_0.
    pub memory_q4_0: f64,
    /// The same for Q4_K_M.
    pub memory_q4_k_m: f64,
    /// The same for MXFP4.
    pub memory_mxfp4: f64,
    /// What ROCm reaches of that.
    pub memory_rocm: f64,
    /// What Vulkan reaches of that.
    pub memory_vulkan: f64,
    /// What SYCL reaches of that.
    pub memory_sycl: f64,
    /// Share of its memory's bandwidth at which a processor reads weights of any format.
    pub memory_cpu: f64,
    /// What generations before tensor cores reach of that.
    pub memory_old: f64,
    /// Share of the bandwidth at which the cache is read.
    pub memory_cache: f64,
    /// Time of a layer's kernels in decode under Metal, s.
    pub layer_metal_s: f64,
    /// The same under CUDA, s.
    pub layer_cuda_s: f64,
    /// The same under ROCm, s.
    pub layer_rocm_s: f64,
    /// The same under Vulkan, s.
    pub layer_vulkan_s: f64,
    /// The same under Vulkan on Intel, s.
    pub layer_vulkan_intel_s: f64,
    /// The same under SYCL, s.
    pub layer_sycl_s: f64,
    /// Times that on data-centre cards, whose clocks are lower, and on generations before Ampere.
    pub layer_hbm: f64,
    /// Times that with experts.
    pub layer_experts: f64,
    /// Times that in builds before 2025.
    pub layer_older: f64,
    /// Share of the 8-bit rate that rows beyond the first reach in decode.
    pub batch_compute: f64,
    /// Time to hand a step to the next device, s.
    pub hop_s: f64,
    /// Time in which a token's vector passes to the host, is computed on there and comes back, its work left out, s.
    pub split_s: f64,
    /// Share of the rate that prompts reach under Metal.
    pub prompt_metal: f64,
    /// The same under ROCm on Radeon cards.
    pub prompt_rocm: f64,
    /// The same under ROCm on data-centre cards.
    pub prompt_rocm_hbm: f64,
    /// The same under Vulkan on Radeon cards.
    pub prompt_vulkan: f64,
    /// What Vulkan reaches on NVIDIA's cards of what CUDA does.
    pub prompt_vulkan_cuda: f64,
    /// Share of the rate that prompts reach under Vulkan on Intel.
    pub prompt_vulkan_intel: f64,
    /// The same under SYCL on Xe2.
    pub prompt_sycl: f64,
    /// The same under SYCL on the generation before.
    pub prompt_sycl_xe1: f64,
    /// The same of a processor's 32-bit rate.
    pub prompt_cpu: f64,
    /// The same on data-centre cards, at one watt per TFLOP/s.
    pub prompt_data_centre: f64,
    /// The same on Ampere cards.
    pub prompt_ampere: f64,
    /// The same on Ada cards.
    pub prompt_ada: f64,
    /// The same on Blackwell cards.
    pub prompt_blackwell: f64,
    /// The same on Turing and Volta.
    pub prompt_turing: f64,
    /// The same on generations before tensor cores.
    pub prompt_old: f64,
    /// Exponent of the watts per TFLOP/s.
    pub prompt_power: f64,
    /// Times that with 16-bit weights under CUDA.
    pub prompt_f16_cuda: f64,
    /// Times that with 16-bit weights under Metal.
    pub prompt_f16_metal: f64,
    /// Times that with Q4_K_M under Metal.
    pub prompt_q4_k_m_metal: f64,
    /// Times that with MXFP4, but under Metal.
    pub prompt_mxfp4: f64,
    /// Times that with experts.
    pub prompt_experts: f64,
    /// Rows of a tile of the kernels that multiply experts, computed whole.
    pub expert_tile: f64,
    /// Times that in builds before 2025 under CUDA.
    pub prompt_older: f64,
    /// Times that in builds before 2025 under Metal.
    pub prompt_older_metal: f64,
    /// Share of the prompt rate that attention reaches.
    pub prompt_attention: f64,
    /// Share of the prompt rate that attention reaches under Metal.
    pub prompt_attention_metal: f64,
    /// What a layer's kernels take longer for a micro-batch of a prompt, s.
    pub prompt_layer_s: f64,
    /// Time in which a layer with experts sorts one token of a prompt, but under Metal, s: one thread group an expert goes
    /// through all tokens (ggml's `mm_ids_helper`).
    pub prompt_sort_s: f64,
}

/// Rows that matrix kernels compute at least: of the tiles of 8 to 128 rows that ggml's CUDA kernels have (mmq.cuh), the
/// size that batched runs on DGX Spark agree with.
const MATRIX_ROWS: f64 = 16.0;

/// Rows that mat-vec kernels are taken for at most (`MMVQ_MAX_BATCH_SIZE`, ggml's mmvq.cuh).
const VECTOR_ROWS: f64 = 8.0;

/// Bits of a weight below which unpacking it takes longer than reading it: those of Q4_K, the smallest part of Q4_K_M.
const UNPACKED_BITS: f64 = 4.5;

/// What the constants depend on.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// The card.
    pub device: &'a Device,
    /// How it is reached.
    pub backend: Backend,
    /// Format of the weights.
    pub stored: Stored,
    /// The model has experts.
    pub experts: bool,
    /// The build is from before 2025.
    pub older: bool,
    /// The step carries prompt tokens.
    pub prompt: bool,
}

impl Situation<'_> {
    fn is(&self, generations: &[&str]) -> bool {
        generations.contains(&self.device.architecture.as_str())
    }

    fn of(&self, vendor: &str) -> bool {
        self.device.vendor == vendor
    }

    fn before_tensor_cores(&self) -> bool {
        self.is(&["kepler", "maxwell", "pascal", "gcn5", "cdna1", "cdna2"])
    }

    /// The rate of mat-vec kernels: that of 8 bit where the weights are no wider.
    fn small_rate(&self) -> FlopRate {
        let small = self.device.rates.int8.unwrap_or(path::wide_rate(self.device));
        if self.stored.bits < 16.0 { small } else { self.prompt_rate() }
    }

    /// The rate of matrix kernels: on NVIDIA's cards half the 8-bit rate, which is 16 bit with 16-bit sums.
    fn prompt_rate(&self) -> FlopRate {
        let wide = self.device.rates.fp16.unwrap_or(path::wide_rate(self.device));
        match self.device.rates.int8 {
            Some(small) if self.of("NVIDIA") => wide.max(small / 2.0),
            _ => wide,
        }
    }

    fn either(&self, condition: bool, factor: f64) -> f64 {
        if condition { factor } else { 1.0 }
    }
}

impl Llama {
    /// The kernel of a weight matrix for a few rows, and the one for more.
    pub fn gemm(&self, s: &Situation<'_>) -> (Arithmetic, Arithmetic) {
        self.kernels(s, MATRIX_ROWS)
    }

    /// The same of routed experts, each of which fills its last tile on its own.
    pub fn experts(&self, s: &Situation<'_>) -> (Arithmetic, Arithmetic) {
        self.kernels(s, self.expert_tile)
    }

    fn kernels(&self, s: &Situation<'_>, least: f64) -> (Arithmetic, Arithmetic) {
        let path = |rate| Path {
            family: Family::W4a16,
            rate,
            weight_bytes: s.stored.bytes(),
            activation_bytes: 2.0,
            operand: None,
        };
        let memory = self.decode_memory(s);
        let matrix = Arithmetic {
            path: path(s.prompt_rate()),
            kernel: Kernel { compute: self.prompt_compute(s), memory, least, ..Kernel::IDEAL },
        };
        let compute = if s.backend == Backend::Cpu { self.prompt_cpu } else { self.batch_compute };
        // Processors have one kernel for any number of rows.
        let most = if s.backend == Backend::Cpu { f64::INFINITY } else { VECTOR_ROWS };
        let kernel = Kernel { compute, memory, free: 1.0, most, ..Kernel::IDEAL };
        (Arithmetic { path: path(s.small_rate()), kernel }, matrix)
    }

    /// Rate and constants of attention.
    pub fn attention(&self, s: &Situation<'_>) -> (FlopRate, Kernel) {
        let metal = s.backend == Backend::Metal;
        let share = if metal { self.prompt_attention_metal } else { self.prompt_attention };
        let compute = if s.prompt { (self.prompt_compute(s) * share).min(1.0) } else { 1.0 };
        let memory = if s.backend == Backend::Cpu { self.memory_cpu } else { self.memory_cache };
        (s.prompt_rate(), Kernel { compute, memory, ..Kernel::IDEAL })
    }

    /// Time of a layer's launches, s. A processor launches nothing.
    pub fn layer(&self, s: &Situation<'_>) -> f64 {
        let plain = match s.backend {
            Backend::Metal => self.layer_metal_s,
            Backend::Rocm => self.layer_rocm_s,
            Backend::Cuda => self.layer_cuda_s,
            Backend::Vulkan if s.of("Intel") => self.layer_vulkan_intel_s,
            Backend::Vulkan => self.layer_vulkan_s,
            Backend::Sycl => self.layer_sycl_s,
            Backend::Cpu => return 0.0,
        };
        let hbm = s.of("NVIDIA") && s.is(&["ampere", "hopper", "blackwell", "volta", "turing", "kepler"]);
        plain
            * s.either(hbm, self.layer_hbm)
            * s.either(s.experts, self.layer_experts)
            * s.either(s.older, self.layer_older)
            + if s.prompt { self.prompt_layer_s } else { 0.0 }
    }

    /// Time in which a layer sorts one token of a prompt by its experts, s.
    pub fn sorting(&self, s: &Situation<'_>) -> f64 {
        if matches!(s.backend, Backend::Metal | Backend::Cpu) { 0.0 } else { self.prompt_sort_s }
    }

    /// Share of the bandwidth at which decode reads weights. A K-quant or a table of llama.cpp with no constant of its
    /// own is read like Q4_K_M; one with fewer bits takes as long a weight as that, since unpacking then decides: by
    /// tools/quantize/README.md@311c2c9, Llama-3.1-8B writes 80 token/s in IQ1_S and in Q2_K, 72 in Q3_K_S and Q4_K_M.
    fn decode_memory(&self, s: &Situation<'_>) -> f64 {
        let own = match s.stored.format {
            Precision::Q8_0 | Precision::Int8 | Precision::Fp8 => self.memory_q8_0,
            Precision::Q4_0 | Precision::Q4_1 | Precision::Q5_0 | Precision::Q5_1 => self.memory_q4_0,
            Precision::Int4 | Precision::Int5 | Precision::Int6 | Precision::Nf4 => self.memory_q4_0,
            Precision::Mxfp4 | Precision::Fp4 => self.memory_mxfp4,
            Precision::F32 | Precision::Bf16 | Precision::F16 => self.memory_f16,
            _ => self.memory_q4_k_m * (s.stored.bits / UNPACKED_BITS).min(1.0),
        };
        let backend = match s.backend {
            Backend::Cpu => return self.memory_cpu,
            Backend::Rocm => self.memory_rocm,
            Backend::Vulkan => self.memory_vulkan,
            Backend::Sycl => self.memory_sycl,
            Backend::Cuda | Backend::Metal => 1.0,
        };
        own * backend * s.either(s.before_tensor_cores(), self.memory_old)
    }

    fn prompt_compute(&self, s: &Situation<'_>) -> f64 {
        let wide = matches!(s.stored.format, Precision::F16 | Precision::Bf16 | Precision::F32);
        let mxfp4 = s.either(s.stored.format == Precision::Mxfp4, self.prompt_mxfp4);
        let share = match s.backend {
            Backend::Metal => {
                self.prompt_metal
                    * s.either(wide, self.prompt_f16_metal)
                    * s.either(s.stored.format == Precision::Q4KM, self.prompt_q4_k_m_metal)
                    * s.either(s.older, self.prompt_older_metal)
            }
            Backend::Rocm if s.is(&["cdna1", "cdna2", "cdna3", "cdna4"]) => self.prompt_rocm_hbm * mxfp4,
            Backend::Rocm => self.prompt_rocm * mxfp4,
            Backend::Vulkan if s.of("NVIDIA") => self.prompt_vulkan_cuda * self.prompt_nvidia(s) * mxfp4,
            Backend::Vulkan if s.of("Intel") => self.prompt_vulkan_intel * mxfp4,
            Backend::Vulkan => self.prompt_vulkan * mxfp4,
            Backend::Cuda => self.prompt_nvidia(s) * s.either(wide, self.prompt_f16_cuda) * mxfp4,
            Backend::Sycl if s.is(&["xe-hpg"]) => self.prompt_sycl_xe1 * mxfp4,
            Backend::Sycl => self.prompt_sycl * mxfp4,
            Backend::Cpu => self.prompt_cpu,
        };
        (share * s.either(s.experts, self.prompt_experts)).min(1.0)
    }

    /// What a generation of NVIDIA's reaches at its power budget.
    fn prompt_nvidia(&self, s: &Situation<'_>) -> f64 {
        let generation = match s.device.architecture.as_str() {
            "ampere-consumer" => self.prompt_ampere,
            "ada" => self.prompt_ada,
            "blackwell-consumer" => self.prompt_blackwell,
            "turing" | "volta" => self.prompt_turing,
            _ if s.before_tensor_cores() => self.prompt_old,
            _ => self.prompt_data_centre,
        };
        let watts = s.device.tdp.map_or(300.0, |p| p.get()) / (s.prompt_rate().get() / 1e12);
        generation * watts.powf(self.prompt_power) * s.either(s.older, self.prompt_older)
    }
}
