//! A scenario as it is typed: the TOML schema, every value checked by its type, no name looked up yet.
//!
//! Longer than other files: the whole schema stands in one place.

use super::axis::Axis;
use super::date::Dated;
use super::money::{Currency, Money};
use crate::precision::Precision;
use crate::setup::{Backend, Engine, Way};
use crate::units::{
    Bandwidth, Bytes, Factor, Fraction, GramPerKwh, PerSecond, Seconds, Usd, UsdPerHour, UsdPerKwh, UsdPerMtok, Watts,
};
use schemars::JsonSchema;
use serde::Deserialize;

/// A scenario file.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Draft {
    /// One line that says what is compared.
    pub name: String,
    /// The model all contenders serve, unless one names its own.
    pub model: ModelDraft,
    /// What the users do.
    pub workload: WorkloadDraft,
    /// Who competes, in the order of the answer.
    pub contender: Vec<ContenderDraft>,
    /// Targets and what is minimised.
    #[serde(default)]
    pub objective: ObjectiveDraft,
    /// The currency that prices may be typed in besides US dollars, with its dated rate.
    pub currency: Option<Currency>,
    /// Carbon intensity of the electricity, such as "350 g/kWh": rows then say grams of CO2 per million tokens, of the
    /// accelerators, times `own.pue` where that is given.
    pub grid: Option<GramPerKwh>,
}

/// Which model, in which number formats.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelDraft {
    /// A catalogue name; with "/" or ".json" a path, relative to the scenario file, of a config.json, a checkpoint folder
    /// or a .gguf file; or a Hugging Face id org/name whose config.json is in the local hub cache.
    pub config: String,
    /// Format of the weights; `native` keeps what the checkpoint stores.
    #[serde(default)]
    pub precision: WeightFormat,
    /// Format of the activations; the usual partner of the weights where absent.
    pub activations: Option<Precision>,
    /// Format of the KV cache; 16 bit where absent.
    pub kv_cache: Option<Precision>,
}

/// `native`, or one format for all linear layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, JsonSchema)]
#[schemars(with = "String")]
pub enum WeightFormat {
    /// As the published checkpoint stores them.
    #[default]
    Native,
    /// This format.
    As(Precision),
}

impl<'de> Deserialize<'de> for WeightFormat {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "native" {
            return Ok(Self::Native);
        }
        Precision::ALL.into_iter().find(|p| p.name() == text).map(Self::As).ok_or_else(|| {
            let names: Vec<&str> = Precision::ALL.iter().map(|p| p.name()).collect();
            serde::de::Error::custom(format!("unknown precision \"{text}\"; write native, {}", names.join(", ")))
        })
    }
}

/// What the users do.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkloadDraft {
    /// Tokens of a request's prompt.
    pub input_tokens: Option<Tokens>,
    /// Tokens of its answer.
    pub output_tokens: Option<Tokens>,
    /// Requests in flight over the whole contender: a number, a list or a range such as "32-4096*2".
    pub concurrency: Option<Axis>,
    /// Requests that come on average, day and night, such as "20000 /day": who rents or owns devices pays for the hours
    /// without work too. `simulate` lets them come at random.
    pub rate: Option<PerSecond>,
    /// Share of the prompt found in the prefix cache.
    pub prefix_hit: Option<Fraction>,
    /// Share of the prompt written to the prefix cache, for services that charge for it; all that is not found there,
    /// where absent.
    pub prefix_write: Option<Fraction>,
    /// Share of the answer's tokens that are reasoning: computed and paid as the others, and shown to nobody.
    pub reasoning: Option<Fraction>,
    /// A file of requests in time.
    pub trace: Option<String>,
    /// An arrival process.
    pub arrivals: Option<ArrivalsDraft>,
    /// How prompts of an arrival process are spread around `input_tokens`; all equal where absent.
    pub input_lengths: Option<LengthDraft>,
    /// How answers of an arrival process are spread around `output_tokens`; all equal where absent.
    pub output_lengths: Option<LengthDraft>,
}

/// A number of tokens, at least 1 and at most 100 million.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
pub struct Tokens(pub u64);

impl<'de> Deserialize<'de> for Tokens {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        counted(deserializer, "tokens", 1, 100_000_000).map(Self)
    }
}

/// A number of devices, ranks or requests, at least 1 and at most a million.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
pub struct Count(pub u64);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        counted(deserializer, "a count", 1, 1_000_000).map(Self)
    }
}

/// How many devices a contender has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
#[schemars(untagged)]
pub enum Devices {
    /// So many.
    Given(Count),
    /// The fewest that serve the load within the targets.
    #[schemars(with = "String")]
    Auto,
}

impl<'de> Deserialize<'de> for Devices {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl serde::de::Visitor<'_> for Either {
            type Value = Devices;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number of devices, or \"auto\" for the fewest that serve the load")
            }
            fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Devices, E> {
                Count::deserialize(serde::de::value::I64Deserializer::new(value)).map(Devices::Given)
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Devices, E> {
                let other = || E::invalid_value(serde::de::Unexpected::Str(text), &self);
                (text == "auto").then_some(Devices::Auto).ok_or_else(other)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// A number of compute units, at least 0 and at most ten thousand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
pub struct Units(pub u64);

impl<'de> Deserialize<'de> for Units {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        counted(deserializer, "compute units", 0, 10_000).map(Self)
    }
}

fn counted<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
    what: &str,
    least: u64,
    most: u64,
) -> Result<u64, D::Error> {
    let value = i64::deserialize(deserializer)?;
    match u64::try_from(value) {
        Ok(count) if (least..=most).contains(&count) => Ok(count),
        _ => Err(serde::de::Error::custom(format!("{value} is out of range: {what} must be from {least} to {most}"))),
    }
}

/// An arrival process.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ArrivalsDraft {
    /// Which process.
    pub kind: ArrivalKind,
    /// Mean rate of requests; at the start, for a ramp.
    pub rate: Option<PerSecond>,
    /// Shape of gamma-distributed gaps: 1 is Poisson, less is burstier.
    pub burstiness: Option<Factor>,
    /// Rate at the end of a ramp.
    pub rate_end: Option<PerSecond>,
    /// Length of a ramp.
    pub duration: Option<Seconds>,
    /// Requests in all, except of a ramp; 10000 where absent.
    pub requests: Option<Requests>,
}

/// A number of requests, at least 1 and at most a billion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
pub struct Requests(pub u64);

impl<'de> Deserialize<'de> for Requests {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        counted(deserializer, "requests", 1, 1_000_000_000).map(Self)
    }
}

/// Arrival processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ArrivalKind {
    /// Independent arrivals.
    Poisson,
    /// Bursty arrivals.
    Gamma,
    /// A rate that grows or falls linearly.
    Ramp,
    /// Users who ask again when they have their answer: as many as `workload.concurrency`.
    Closed,
}

/// How lengths are spread around their mean.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LengthDraft {
    /// Which distribution.
    pub kind: LengthKind,
    /// Uniform: half of the range, as a share of the mean.
    pub spread: Option<Fraction>,
    /// Log-normal: standard deviation over mean.
    pub cv: Option<Factor>,
}

/// Distributions of lengths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LengthKind {
    /// All equal.
    Fixed,
    /// Evenly between two bounds.
    Uniform,
    /// Exponentially.
    Exponential,
    /// Log-normally.
    Lognormal,
}

/// How `simulate` schedules requests; what is absent follows the engine.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SchedulerDraft {
    /// Compute prompts before anything decodes, instead of chunks that ride on decode steps.
    pub prefill_first: Option<bool>,
    /// Which replica gets a request.
    pub routing: Option<Routing>,
    /// Prompts with the same leading blocks share them; true where absent.
    pub prefix_cache: Option<bool>,
    /// Tokens of a block that a trace's `hash_ids` name; 512 where absent.
    pub hash_tokens: Option<Count>,
    /// Tokens of KV cache of one instance, where its server says so.
    pub kv_tokens: Option<Tokens>,
}

/// Which engine gets a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Routing {
    /// One after the other.
    #[default]
    RoundRobin,
    /// The one with the fewest requests.
    LeastLoaded,
    /// The one that has most of the prompt in its cache, while loads are even.
    PrefixAware,
}

/// One of the competitors.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContenderDraft {
    /// A short name, used in answers and by `--set contender.NAME.field=value`.
    pub name: String,
    /// A catalogue name, the path of a device TOML or a profile.json, or `local` (measure this machine); a list of them is
    /// one llama.cpp over unlike cards.
    pub device: Option<DeviceDraft>,
    /// Shares of the model that the cards of a list hold, such as `[2, 1]`; by their memory where absent.
    pub split: Option<Vec<Factor>>,
    /// Prices per token instead of a device.
    pub api: Option<ApiDraft>,
    /// This contender's own model, where it differs from the scenario's.
    pub model: Option<ModelDraft>,
    /// Devices in all, or "auto" for the fewest that serve the load within the targets.
    pub count: Option<Devices>,
    /// How one instance is spread over devices; what is left of `count` are replicas.
    pub parallel: Option<ParallelDraft>,
    /// A pool of devices for prefill alone; needs `decode`.
    pub prefill: Option<PoolDraft>,
    /// A pool of devices for decode alone; needs `prefill`.
    pub decode: Option<PoolDraft>,
    /// The serving engine, for its host time and scheduling.
    pub engine: Option<Engine>,
    /// The interface llama.cpp was built for; its maker's own where absent.
    pub backend: Option<Backend>,
    /// Whether llama.cpp computes attention in one kernel (`--flash-attn`); it does where absent.
    pub flash_attention: Option<bool>,
    /// What of the model lies in the host's memory, of llama.cpp and KTransformers.
    pub offload: Option<OffloadDraft>,
    /// What the engine is configured to.
    #[serde(default)]
    pub limits: LimitsDraft,
    /// Compute units of a device that dispatch and combine hold while they overlap with compute: 20 of 132 on H800
    /// (DeepSeek-V3), 0 where the network card or a copy engine moves the tokens. Where absent, 20 in prompt steps and
    /// 0 in decode steps. Only wide expert parallelism (dp above 8) overlaps.
    pub communication_units: Option<Units>,
    /// Speculative decoding or multi-token prediction.
    pub draft: Option<SpeculationDraft>,
    /// How `simulate` schedules requests.
    pub scheduler: Option<SchedulerDraft>,
    /// Speed relative to the calibrated or measured state: a number, or one per kernel class.
    pub speed: Option<SpeedDraft>,
    /// Rent per device, such as "$2.49/hr" or "700 EUR/month".
    pub price: Option<Money<UsdPerHour>>,
    /// When `price` or `own` was valid: year, month or day, such as "2026-08".
    pub price_date: Option<Dated>,
    /// What kind of offer `price` is, such as "on-demand" or "spot"; without `price`, which of the catalogue's it is.
    pub price_tier: Option<String>,
    /// Share of the rented hours in which the devices have work; all are paid. Where absent it follows from
    /// `workload.rate`, all hours being rented; without that it is 1, as with a rent by the second of work.
    pub utilisation: Option<Fraction>,
    /// People who look after the contender, such as "4000 USD/month": for all of its devices together.
    pub people: Option<Money<UsdPerHour>>,
    /// Costs of a device one owns.
    pub own: Option<OwnDraft>,
    /// Price of electricity, where nothing else is to be counted.
    pub electricity: Option<Money<UsdPerKwh>>,
    /// How the devices of a host reach each other: `nvlink`, `pcie-p2p` from device to device, or `pcie-host` through the
    /// host's memory. Where absent, the scale-up link of the data sheet, else PCI Express as its maker's driver allows,
    /// with a wider band.
    pub link: Option<Way>,
    /// Memory of one device, where neither catalogue nor driver knows it.
    pub memory: Option<Bytes>,
    /// Electrical power of one device under load.
    pub power: Option<Watts>,
    /// Limit its driver holds the board under, where that is lower than the board's own power: steps slow down.
    pub power_limit: Option<Watts>,
    /// Carbon intensity of its electricity, where it differs from the scenario's.
    pub grid: Option<GramPerKwh>,
}

/// One device, or unlike ones that one engine spreads a model over.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "device is a name, or a list of names")]
pub enum DeviceDraft {
    /// Of one kind.
    One(String),
    /// Cards of several kinds, in the order in which the engine counts them.
    Several(Vec<String>),
}

impl DeviceDraft {
    /// The first one.
    pub fn first(&self) -> &str {
        match self {
            Self::One(name) => name,
            Self::Several(names) => names.first().map_or("", String::as_str),
        }
    }

    /// The others.
    pub fn others(&self) -> &[String] {
        match self {
            Self::One(_) => &[],
            Self::Several(names) => names.get(1..).unwrap_or_default(),
        }
    }
}

/// What of a model lies in the host's memory.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OffloadDraft {
    /// Layers that the devices hold, the LM head counted as one (`--n-gpu-layers`); the host holds the others.
    pub gpu_layers: Option<Units>,
    /// `host`: the routed experts of all layers lie there (`--cpu-moe`).
    pub experts: Option<ExpertsDraft>,
    /// Layers whose routed experts lie there (`--n-cpu-moe`).
    pub expert_layers: Option<Units>,
    /// The host's processor: a catalogue name or the path of a device TOML. Where absent, a desktop with two channels of
    /// DDR5-5600, which the answer says is assumed.
    pub host: Option<String>,
    /// Bandwidth of its memory, where that is not what the processor's data sheet says: other modules, fewer channels.
    pub bandwidth: Option<Bandwidth>,
    /// Size of its memory; not checked where absent.
    pub memory: Option<Bytes>,
}

/// Where routed experts lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExpertsDraft {
    /// In the host's memory.
    Host,
}

/// Prices per million tokens of somebody's service.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiDraft {
    /// A prompt token that has to be computed.
    pub input: Money<UsdPerMtok>,
    /// A prompt token found in the cache; the price of `input` where absent.
    pub cached_input: Option<Money<UsdPerMtok>>,
    /// A prompt token written to the cache; the price of `input` where absent.
    pub cache_write: Option<Money<UsdPerMtok>>,
    /// A token of the answer.
    pub output: Money<UsdPerMtok>,
    /// What is taken off every price, those of the cache too, where answers may take hours: 0.5 is half the price.
    pub batch_discount: Option<Fraction>,
}

/// Degrees of parallelism of one instance.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ParallelDraft {
    /// Tensor parallelism.
    pub tp: Option<Count>,
    /// Pipeline parallelism.
    pub pp: Option<Count>,
    /// Data-parallel attention inside one engine.
    pub dp: Option<Count>,
    /// Expert parallelism; divides `tp * dp`.
    pub ep: Option<Count>,
}

/// A pool of devices for one phase.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PoolDraft {
    /// Devices of the pool.
    pub count: Count,
    /// How one instance is spread over them.
    #[serde(default)]
    pub parallel: ParallelDraft,
}

/// What the engine is configured to.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitsDraft {
    /// Most requests one engine runs at a time.
    pub max_sequences: Option<Count>,
    /// Most tokens of one step (the chunk of chunked prefill).
    pub batch_tokens: Option<Count>,
    /// Share of the memory the engine may use.
    pub memory_fraction: Option<Fraction>,
    /// Decode without captured graphs: the host launches every kernel (vLLM's `--enforce-eager`).
    pub eager: Option<bool>,
}

/// Speculative decoding.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SpeculationDraft {
    /// Tokens guessed a step.
    pub tokens: Count,
    /// Probability that a guessed token is accepted.
    pub acceptance: Fraction,
}

/// One speed for all, or one per kernel class.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "speed is a number above 0, or a table of gemm, attention, experts, collectives and host"
)]
pub enum SpeedDraft {
    /// One factor for every class.
    All(Factor),
    /// A factor per class; 1 where absent.
    PerClass(ClassSpeed),
}

/// Speed per kernel class.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClassSpeed {
    /// Projections, feed-forward layers and the LM head.
    pub gemm: Option<Factor>,
    /// Attention over the cache.
    pub attention: Option<Factor>,
    /// Grouped expert GEMMs.
    pub experts: Option<Factor>,
    /// All-reduce, dispatch and combine.
    pub collectives: Option<Factor>,
    /// Scheduling, sampling and launches.
    pub host: Option<Factor>,
}

/// Costs of a device one owns.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OwnDraft {
    /// Purchase of one device with its share of the server.
    pub purchase: Money<Usd>,
    /// Years until it is written off.
    pub years: Factor,
    /// Facility power over device power; 1 where absent.
    pub pue: Option<Factor>,
    /// Price of electricity; nothing where absent.
    pub electricity: Option<Money<UsdPerKwh>>,
    /// Space and network, per device.
    pub hosting: Option<Money<UsdPerHour>>,
    /// Share of the hours the device has work; where absent it follows from `workload.rate`, and is 1 without that.
    pub utilisation: Option<Fraction>,
}

/// Targets and what is minimised.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ObjectiveDraft {
    /// Most mean time per output token.
    pub tpot: Option<Seconds>,
    /// Most mean time to the first token.
    pub ttft: Option<Seconds>,
    /// Most mean time per output token of 99 in 100 requests; only `simulate` can tell.
    pub tpot_p99: Option<Seconds>,
    /// Most time to the first token of 99 in 100 requests; only `simulate` can tell.
    pub ttft_p99: Option<Seconds>,
    /// What the best row has least of.
    #[serde(default)]
    pub minimize: Minimize,
}

/// What the best row has least of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Minimize {
    /// Cost of an output token, with its share of the time.
    #[default]
    UsdPerMtokOutput,
    /// Cost of an input token.
    UsdPerMtokInput,
    /// Cost of all tokens over their number.
    UsdPerMtokTotal,
    /// Device time instead of money.
    DeviceHoursPerMtok,
}
