//! What the estimate is fitted with: constants per kernel family, per engine, and those that belong to neither.
//!
//! Plain data. Where they come from and which of them a device takes is `calibration`'s matter.

use super::path::Family;
use crate::precision::Precision;
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
    /// Rows it is taken for at most, where there is another kernel for more.
    pub most: f64,
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
        most: f64::INFINITY,
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
    /// What a gather of all data-parallel ranks' tokens, or a scatter, takes beyond the library's own, s: tensors sent one
    /// by one, ranks of unequal load.
    #[serde(default)]
    pub gather_s: f64,
    /// Share of the requests whose prompts come all at once: schedulers that keep a wave of requests together.
    pub waves: f64,
    /// The same of older releases.
    pub waves_older: f64,
    /// `first_s` of older releases.
    pub first_older_s: f64,
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
            most: f64::INFINITY,
        }
    }
}

fn wide() -> Precision {
    Precision::Bf16
}

/// What a factor is that the file leaves out.
pub(super) fn one() -> f64 {
    1.0
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
    /// Latency of an all-gather or a reduce-scatter of the library over a switched link, s.
    pub gather_s: f64,
    /// Added per rank, s.
    pub gather_rank_s: f64,
    /// Share of the link it reaches.
    pub gather_link: f64,
    /// What it takes over PCI Express beyond half an all-reduce, s.
    pub pcie_gather_s: f64,
    /// Extra latency of a two-shot collective, s.
    pub link_two_shot_s: f64,
    /// Share of the link that an all-reduce reaches whose sums are made in the switch, each rank sending its data once; 0
    /// where the switch adds nothing up. It belongs to the generation.
    #[serde(default)]
    pub switch_reduce: f64,
    /// Latency of such an all-reduce beside that of the link, s.
    pub switch_reduce_s: f64,
    /// Ranks from which on libraries use it.
    pub switch_reduce_ranks: f64,
    /// Latency of a collective over PCI Express per rank, s.
    pub pcie_latency_rank_s: f64,
    /// The same of one that moves its data whole, without a flag beside every word, s.
    pub pcie_whole_rank_s: f64,
    /// Share of PCI Express that data moved whole reaches between two devices.
    pub pcie_pair: f64,
    /// The same in a ring of more.
    pub pcie_ring: f64,
    /// Share of that which data with flags reaches.
    pub pcie_flagged: f64,
    /// Latency per rank that the way through the host's memory adds, s.
    pub pcie_host_rank_s: f64,
    /// Share of the rate between devices that the way through the host's memory leaves.
    pub pcie_host: f64,
    /// Share of the network an all-reduce reaches.
    pub network_share: f64,
    /// Share of the link a dispatch or combine reaches.
    pub exchange_link: f64,
    /// Share of the network a dispatch or combine reaches.
    pub exchange_network: f64,
    /// Latency of a dispatch or combine beside that of the link, s.
    pub exchange_s: f64,
    /// Latency of the network between nodes beside that of the link, s.
    pub network_s: f64,
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
            switch_reduce: if self.switch_reduce > 0.0 { 1.0 } else { 0.0 },
            switch_reduce_s: 0.0,
            switch_reduce_ranks: 0.0,
            pcie_latency_rank_s: 0.0,
            pcie_whole_rank_s: 0.0,
            pcie_pair: 1.0,
            pcie_ring: 1.0,
            pcie_flagged: 1.0,
            pcie_host_rank_s: 0.0,
            pcie_host: 1.0,
            network_share: 1.0,
            exchange_link: 1.0,
            exchange_network: 1.0,
            exchange_s: 0.0,
            network_s: 0.0,
            overlap_units: 0.0,
            ..self
        }
    }
}
