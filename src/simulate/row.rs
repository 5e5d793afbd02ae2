//! What a run answers: one flat row.

use super::percentile::{HISTOGRAM_ERROR, Histogram, Percentiles};
use super::tally::Tally;
use crate::provenance::Provenance;
use crate::scenario::Basis;
use schemars::JsonSchema;
use serde::Serialize;

/// One contender under one load. What does not exist is absent.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct SimulateRow {
    /// Name of the contender.
    pub contender: String,
    /// Catalogue name of its device, or the adapter's name.
    pub device: String,
    /// Devices in all.
    pub devices: u64,
    /// Engines that share nothing.
    pub replicas: u64,
    /// How the devices of an instance reach each other; with "(assumed)" where the scenario leaves open which way over PCI
    /// Express.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// Most tokens of one step of a data-parallel rank.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_tokens: Option<u64>,
    /// Serving engine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine: Option<crate::setup::Engine>,
    /// Model served.
    pub model: String,
    /// Mean rate of arrivals over the time in which they came, requests/s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arrival_requests_s: Option<f64>,
    /// Users of a closed loop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u64>,
    /// Weights, activations and a request's cache fit; absent where the memory is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fits: Option<bool>,
    /// More arrives than is served: the queue grows while it does. Times to the first token are then those of this many
    /// requests and no others, and absent where the clock was stopped before the last was served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub saturated: Option<bool>,
    /// Requests that arrived.
    pub requests: u64,
    /// Requests that got all their tokens.
    pub requests_finished: u64,
    /// Requests that were running when the clock was stopped.
    pub requests_running: u64,
    /// Requests that were waiting when the clock was stopped.
    pub requests_queued: u64,
    /// Requests longer than the memory of an engine.
    pub requests_rejected: u64,
    /// Iterations of all engines.
    pub iterations: u64,
    /// Time from the first arrival to the last token, s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_s: Option<f64>,
    /// Time to the first token, ms: mean, then percentiles.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttft_ms_mean: Option<f64>,
    /// Half of the requests have their first token sooner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttft_ms_p50: Option<f64>,
    /// 90 in 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttft_ms_p90: Option<f64>,
    /// 99 in 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttft_ms_p99: Option<f64>,
    /// Mean time per further token of a request, ms: mean over requests, then percentiles.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tpot_ms_mean: Option<f64>,
    /// Median.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tpot_ms_p50: Option<f64>,
    /// 90 in 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tpot_ms_p90: Option<f64>,
    /// 99 in 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tpot_ms_p99: Option<f64>,
    /// Time between two tokens, ms: mean over tokens, then percentiles; a stretch of equal batches counts its mean.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub itl_ms_mean: Option<f64>,
    /// Median.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub itl_ms_p50: Option<f64>,
    /// 90 in 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub itl_ms_p90: Option<f64>,
    /// 99 in 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub itl_ms_p99: Option<f64>,
    /// Time from arrival to the last token, ms: mean, then percentiles.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub e2e_ms_mean: Option<f64>,
    /// Median.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub e2e_ms_p50: Option<f64>,
    /// 90 in 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub e2e_ms_p90: Option<f64>,
    /// 99 in 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub e2e_ms_p99: Option<f64>,
    /// Time from arrival to the first admission, ms: mean.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_ms_mean: Option<f64>,
    /// 99 in 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_ms_p99: Option<f64>,
    /// Relative error of percentiles, where a histogram holds them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percentile_error: Option<f64>,
    /// Mean requests that wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_requests_mean: Option<f64>,
    /// Most requests that waited at a time.
    pub queue_requests_max: u64,
    /// Mean requests in the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_system_requests_mean: Option<f64>,
    /// Mean sequences that decode together on one engine, over the steps in which any does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub running_batch: Option<f64>,
    /// Share of the time engines work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub utilisation: Option<f64>,
    /// Share of the KV cache in use, mean over the time; absent where the memory is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kv_occupancy: Option<f64>,
    /// Times a sequence lost its cache and was computed again.
    pub preemptions: u64,
    /// Share of the prompt tokens found in a prefix cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix_hit: Option<f64>,
    /// Requests finished per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub throughput_requests_s: Option<f64>,
    /// Most time to the first token of a request that counts as good, ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttft_ms_target: Option<f64>,
    /// Most mean time per further token of a request that counts as good, ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tpot_ms_target: Option<f64>,
    /// Requests per second that met every target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub goodput_requests_s: Option<f64>,
    /// Share of the requests, finished or rejected, that met every target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub goodput_share: Option<f64>,
    /// Prompt tokens per second and device, cached ones included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_tok_s_per_device: Option<f64>,
    /// Answer tokens per second and device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_tok_s_per_device: Option<f64>,
    /// Device-hours per million tokens, input and output together, idle time included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_hours_per_mtok: Option<f64>,
    /// Device-hours per million tokens with as many requests of the mean length as fit: the steady state of the estimate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_hours_per_mtok_saturated: Option<f64>,
    /// US dollars per million input tokens, for their share of the work; idle time is paid too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd_per_mtok_input: Option<f64>,
    /// US dollars per million output tokens, for their share of the work; idle time is paid too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd_per_mtok_output: Option<f64>,
    /// US dollars per million tokens of either kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd_per_mtok_total: Option<f64>,
    /// US dollars per million output tokens, everything charged to them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd_per_mtok_output_all: Option<f64>,
    /// US dollars per million output tokens, had only the time of work been paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd_per_mtok_output_busy: Option<f64>,
    /// US dollars per million output tokens with as many requests of the mean length as fit: the steady state of the
    /// estimate, where targets do not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd_per_mtok_output_saturated: Option<f64>,
    /// Price of one device, US dollars per hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd_per_device_hour: Option<f64>,
    /// What the price counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price_basis: Option<Basis>,
    /// What kind of offer it is, such as `on-demand` or `spot`; absent where nobody says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price_tier: Option<String>,
    /// When the price was valid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price_date: Option<String>,
    /// Energy of the accelerators, kWh, before PUE: full power while they work, [`super::IDLE_POWER`] of it else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub energy_kwh: Option<f64>,
    /// Joules of the accelerators per output token, for its share of the work, idle time included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub joule_per_output_token: Option<f64>,
    /// Every target of the objective is met.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slo_met: Option<bool>,
    /// The weakest kind of evidence the row rests on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
    /// The device computes on host cores: there is no price verdict.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub software: bool,
    /// The smallest number of devices that meets every target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub smallest: Option<bool>,
    /// Why there are no numbers, or which target is missed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl SimulateRow {
    /// Times of requests. Past capacity those that contain the queue have no bound and are absent.
    pub(super) fn times(&mut self, tally: &mut Tally<'_>) {
        let ms = |seconds: Option<f64>| seconds.map(|s| s * 1e3);
        let four = |p: &mut Percentiles| [p.mean(), p.quantile(0.5), p.quantile(0.9), p.quantile(0.99)].map(ms);
        [self.tpot_ms_mean, self.tpot_ms_p50, self.tpot_ms_p90, self.tpot_ms_p99] = four(&mut tally.tpot);
        let gaps: &Histogram = &tally.gaps;
        [self.itl_ms_mean, self.itl_ms_p50, self.itl_ms_p90, self.itl_ms_p99] =
            [gaps.mean(), gaps.quantile(0.5), gaps.quantile(0.9), gaps.quantile(0.99)].map(ms);
        // Of a queue that grows for as long as requests come, times are known where all of them were served in the end.
        let drained = self.requests_running + self.requests_queued == 0;
        if self.saturated != Some(true) || drained {
            [self.ttft_ms_mean, self.ttft_ms_p50, self.ttft_ms_p90, self.ttft_ms_p99] = four(&mut tally.ttft);
            [self.e2e_ms_mean, self.e2e_ms_p50, self.e2e_ms_p90, self.e2e_ms_p99] = four(&mut tally.latency);
            [self.queue_ms_mean, _, _, self.queue_ms_p99] = four(&mut tally.wait);
        }
        self.percentile_error = tally.tpot.approximate().then_some(HISTOGRAM_ERROR);
    }
}
