//! A row of a comparison: one contender at one load, its numbers filled in from the estimate.
//!
//! Longer than other files: every field of the contract stands in one place.

use crate::estimate::cost::Flow;
use crate::estimate::{Compiled, Loop, Pools, Quantity};
use crate::model::{ModelSpec, Weights};
use crate::provenance::Provenance;
use crate::scenario::plan::Workload;
use crate::scenario::{Basis, Busy, Power, Price, TokenPrices};
use crate::setup::{Engine, Formats, Holder, Load, Setup};
use schemars::JsonSchema;
use serde::Serialize;

/// One contender at one concurrency. What does not exist is absent.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct CompareRow {
    /// Name of the contender.
    pub contender: String,
    /// Catalogue name of its device, or the adapter's name; `api` for a service.
    pub device: String,
    /// Devices in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub devices: Option<u64>,
    /// Degrees of parallelism, such as `tp8`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel: Option<String>,
    /// How the devices of an instance reach each other: `nvlink` for any scale-up link, `ethernet`, `pcie-p2p` or
    /// `pcie-host`; with "(assumed)" where the scenario leaves open which way over PCI Express, and the band is wider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// Most tokens of one step of a data-parallel rank.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_tokens: Option<u64>,
    /// Serving engine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine: Option<Engine>,
    /// The interface llama.cpp reaches its device through, with "(assumed)" where the scenario does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
    /// What of the model lies on other devices than the first: cards of other kinds, or the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elsewhere: Option<String>,
    /// Model served.
    pub model: String,
    /// Format of the weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub precision: Option<String>,
    /// Requests in flight over the whole contender.
    pub concurrency: u64,
    /// Mean sequences that decode together, over the whole contender.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub running_batch: Option<f64>,
    /// Weights, activations and one request's cache fit; absent where the memory is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fits: Option<bool>,
    /// More requests are offered than fit: there is a queue and no TTFT.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub saturated: Option<bool>,
    /// What takes most of a decode step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub binding: Option<String>,
    /// Mean time to the first token, ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttft_ms: Option<f64>,
    /// Lower end of the band.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttft_ms_low: Option<f64>,
    /// Upper end of the band.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttft_ms_high: Option<f64>,
    /// Mean time per further output token, ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tpot_ms: Option<f64>,
    /// Lower end of the band.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tpot_ms_low: Option<f64>,
    /// Upper end of the band.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tpot_ms_high: Option<f64>,
    /// Prompt tokens per second and device, cached ones included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_tok_s_per_device: Option<f64>,
    /// Answer tokens per second and device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_tok_s_per_device: Option<f64>,
    /// Lower end of the band.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_tok_s_per_device_low: Option<f64>,
    /// Upper end of the band.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_tok_s_per_device_high: Option<f64>,
    /// Device-hours per million tokens, input and output together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_hours_per_mtok: Option<f64>,
    /// Device-hours per million input tokens, for their share of the device time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_hours_per_mtok_input: Option<f64>,
    /// Device-hours per million output tokens, for their share of the device time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_hours_per_mtok_output: Option<f64>,
    /// US dollars per million input tokens, for their share of the device time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd_per_mtok_input: Option<f64>,
    /// US dollars per million output tokens, for their share of the device time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd_per_mtok_output: Option<f64>,
    /// Lower end of the band.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd_per_mtok_output_low: Option<f64>,
    /// Upper end of the band.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd_per_mtok_output_high: Option<f64>,
    /// US dollars per million tokens of either kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd_per_mtok_total: Option<f64>,
    /// US dollars per million output tokens, everything charged to them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd_per_mtok_output_all: Option<f64>,
    /// US dollars per million cached input tokens of a service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd_per_mtok_cached_input: Option<f64>,
    /// US dollars per million prompt tokens that are written to a service's cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd_per_mtok_cache_write: Option<f64>,
    /// US dollars per million tokens of the answer that are shown: those of its reasoning are paid for with them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd_per_mtok_shown: Option<f64>,
    /// US dollars per request, prompt and answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd_per_request: Option<f64>,
    /// US dollars a day, where the scenario says how many requests come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd_per_day: Option<f64>,
    /// US dollars a month of 730.5 hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd_per_month: Option<f64>,
    /// Requests per second while there is work, all devices together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_s: Option<f64>,
    /// Share of the paid hours with work; absent where every hour is taken to have work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub utilisation: Option<f64>,
    /// Price of one device, US dollars per hour of work; it carries the hours without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd_per_device_hour: Option<f64>,
    /// What the price counts.
    pub price_basis: Basis,
    /// What kind of offer it is, such as `on-demand` or `spot`; absent where nobody says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price_tier: Option<String>,
    /// When the price was valid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price_date: Option<String>,
    /// Joules of the accelerators per output token, for its share of the time, before PUE.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub joule_per_output_token: Option<f64>,
    /// Grams of CO2 per million input tokens, for their share of the device time, where the scenario gives the carbon
    /// intensity of its grid: the accelerators' energy, times the PUE where an `own` price gives one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gram_co2_per_mtok_input: Option<f64>,
    /// The same per million output tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gram_co2_per_mtok_output: Option<f64>,
    /// The same per million tokens of either kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gram_co2_per_mtok_total: Option<f64>,
    /// The variant whose rate many rows of weights are priced at, on an adapter measured by this program; its id names
    /// the type of its operands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel: Option<String>,
    /// The variant whose rate streaming the weights for one row is priced at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel_one_row: Option<String>,
    /// The weakest kind of evidence the row rests on.
    pub provenance: Provenance,
    /// The device computes on host cores: there is no price verdict.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub software: bool,
    /// The contender is judged by this row: the best that meets the targets.
    pub chosen: bool,
    /// Why there are no numbers, or which target is missed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A row without numbers.
fn blank(contender: &str, device: &str, model: &str, concurrency: u64, price: &Price) -> CompareRow {
    CompareRow {
        contender: contender.to_owned(),
        device: device.to_owned(),
        devices: None,
        parallel: None,
        link: None,
        batch_tokens: None,
        engine: None,
        backend: None,
        elsewhere: None,
        model: model.to_owned(),
        precision: None,
        concurrency,
        running_batch: None,
        fits: None,
        saturated: None,
        binding: None,
        ttft_ms: None,
        ttft_ms_low: None,
        ttft_ms_high: None,
        tpot_ms: None,
        tpot_ms_low: None,
        tpot_ms_high: None,
        input_tok_s_per_device: None,
        output_tok_s_per_device: None,
        output_tok_s_per_device_low: None,
        output_tok_s_per_device_high: None,
        device_hours_per_mtok: None,
        device_hours_per_mtok_input: None,
        device_hours_per_mtok_output: None,
        usd_per_mtok_input: None,
        usd_per_mtok_output: None,
        usd_per_mtok_output_low: None,
        usd_per_mtok_output_high: None,
        usd_per_mtok_total: None,
        usd_per_mtok_output_all: None,
        usd_per_mtok_cached_input: None,
        usd_per_mtok_cache_write: None,
        usd_per_mtok_shown: None,
        usd_per_request: None,
        usd_per_day: None,
        usd_per_month: None,
        requests_per_s: None,
        utilisation: None,
        usd_per_device_hour: None,
        price_basis: price.basis,
        price_tier: price.tier.clone(),
        price_date: price.date.clone(),
        joule_per_output_token: None,
        gram_co2_per_mtok_input: None,
        gram_co2_per_mtok_output: None,
        gram_co2_per_mtok_total: None,
        kernel: None,
        kernel_one_row: None,
        provenance: price.provenance,
        software: false,
        chosen: false,
        reason: None,
    }
}

/// A service costs the same at every load; its row stands at the smallest concurrency.
pub fn service(name: &str, tokens: &TokenPrices, price: &Price, workload: &Workload) -> CompareRow {
    let input = tokens.prompt(workload.prefix_hit);
    let (i, o) = (workload.input_tokens as f64, workload.output_tokens as f64);
    let concurrency = workload.concurrency.iter().copied().min().unwrap_or(1);
    CompareRow {
        usd_per_mtok_input: Some(input),
        usd_per_mtok_cached_input: Some(tokens.cached_input.get()),
        usd_per_mtok_cache_write: tokens.cache_write.map(|(price, _)| price.get()),
        usd_per_mtok_output: Some(tokens.output.get()),
        usd_per_mtok_total: Some((input * i + tokens.output.get() * o) / (i + o)),
        usd_per_mtok_output_all: Some((input * i + tokens.output.get() * o) / o),
        ..blank(name, "api", "as served", concurrency, price)
    }
}

/// One contender at one load, not yet judged.
pub fn device_row(name: &str, compiled: &Compiled, price: &Price, power: Power, load: &Load) -> CompareRow {
    let setup = &compiled.setup;
    let shortage = compiled.shortage(load);
    let row = CompareRow {
        devices: Some(setup.layout.devices()),
        parallel: Some(parallel(setup)),
        link: compiled.link(),
        batch_tokens: setup.batch_tokens(),
        engine: Some(setup.engine),
        backend: backend(setup),
        elsewhere: elsewhere(setup),
        precision: Some(precision(&setup.model, &setup.formats)),
        fits: setup.hardware.memory_known.then_some(shortage.is_none()),
        software: setup.hardware.software,
        kernel: setup.measured_path().and_then(|path| path.gemm.clone()),
        kernel_one_row: setup.measured_path().and_then(|path| path.gemv.clone()),
        provenance: provenance(compiled, price),
        ..blank(name, &setup.hardware.sheet.id, &setup.model.name, load.concurrency, price)
    };
    if let Some(shortage) = shortage {
        return CompareRow { reason: Some(shortage.to_string()), ..row };
    }
    let state = compiled.closed_loop(load);
    let flow = Flow::of(&state, load, &setup.layout);
    numbers(row, compiled, &state, &flow, load, price, power)
}

/// One contender with separate pools at one load, not yet judged.
pub fn pool_row(name: &str, pools: &Pools, price: &Price, power: Power, load: &Load) -> CompareRow {
    let (readers, writers) = (&pools.prefill.setup, &pools.decode.setup);
    let shortage = pools.shortage(load);
    let row = CompareRow {
        devices: Some(readers.layout.devices() + writers.layout.devices()),
        parallel: Some(format!("{} | {}", parallel(readers), parallel(writers))),
        link: pools.decode.link(),
        batch_tokens: writers.batch_tokens(),
        engine: Some(writers.engine),
        precision: Some(precision(&writers.model, &writers.formats)),
        fits: writers.hardware.memory_known.then_some(shortage.is_none()),
        software: writers.hardware.software,
        provenance: provenance(&pools.decode, price),
        ..blank(name, &writers.hardware.sheet.id, &writers.model.name, load.concurrency, price)
    };
    if let Some(shortage) = shortage {
        return CompareRow { reason: Some(shortage.to_string()), ..row };
    }
    let state = pools.closed_loop(load);
    let flow = Flow::of_pools(&state, load, &readers.layout, &writers.layout);
    numbers(row, &pools.decode, &state, &flow, load, price, power)
}

fn numbers(
    row: CompareRow,
    compiled: &Compiled,
    state: &Loop,
    flow: &Flow,
    load: &Load,
    price: &Price,
    power: Power,
) -> CompareRow {
    let requests = flow.output_tok_s / load.output_tokens;
    let busy = price.utilisation(requests);
    let per_hour = price.per_hour(flow.devices, busy);
    let cost = per_hour.map(|usd| flow.cost(usd));
    // Were so many times as many tokens made: fewer hours have work where the requests that come are given.
    let at_rate = |times: f64| {
        let per_hour = price.per_hour(flow.devices, price.utilisation(requests * times))?;
        Some(flow.cost(per_hour).output / times)
    };
    let ends = |value: f64, quantity| compiled.band(quantity).map(|(low, high)| (value * low, value * high));
    let first = state.ttft.and_then(|t| ends(t.get() * 1e3, Quantity::Ttft));
    let token = ends(state.tpot.get() * 1e3, Quantity::Tpot);
    let rate = ends(flow.output_tok_s / flow.devices, Quantity::Throughput);
    let share = compiled.band(Quantity::Throughput);
    // What an hour emits divides between tokens as what it costs.
    let grams = power.gram_per_hour.map(|g| flow.cost(g));
    // At one dollar an hour, money is device-hours.
    let hours = flow.cost(1.0);
    let binding = if !state.saturated {
        compiled.binding(&state.step).name()
    } else if compiled.most_sequences() <= state.admitted {
        "admission"
    } else {
        "capacity"
    };
    CompareRow {
        running_batch: Some(state.running * state.active),
        saturated: Some(state.saturated),
        binding: Some(binding.to_owned()),
        ttft_ms: state.ttft.map(|t| t.get() * 1e3),
        ttft_ms_low: first.map(|b| b.0),
        ttft_ms_high: first.map(|b| b.1),
        tpot_ms: Some(state.tpot.get() * 1e3),
        tpot_ms_low: token.map(|b| b.0),
        tpot_ms_high: token.map(|b| b.1),
        input_tok_s_per_device: Some(flow.input_tok_s / flow.devices),
        output_tok_s_per_device: Some(flow.output_tok_s / flow.devices),
        output_tok_s_per_device_low: rate.map(|b| b.0),
        output_tok_s_per_device_high: rate.map(|b| b.1),
        device_hours_per_mtok: Some(flow.device_hours_per_mtok()),
        device_hours_per_mtok_input: Some(hours.input),
        device_hours_per_mtok_output: Some(hours.output),
        usd_per_mtok_input: cost.map(|c| c.input),
        usd_per_mtok_output: cost.map(|c| c.output),
        // A high throughput is a low cost.
        usd_per_mtok_output_low: share.and_then(|b| Some(at_rate(b.1)?.min(cost?.output))),
        usd_per_mtok_output_high: share.and_then(|b| Some(at_rate(b.0)?.max(cost?.output))),
        usd_per_mtok_total: cost.map(|c| c.total),
        usd_per_mtok_output_all: cost.map(|c| c.output_all),
        requests_per_s: Some(requests),
        utilisation: (price.busy != Busy::Share(1.0)).then_some(busy),
        usd_per_device_hour: per_hour,
        joule_per_output_token: power.watts.map(|w| flow.joule_per_output_token(w)),
        gram_co2_per_mtok_input: grams.map(|g| g.input),
        gram_co2_per_mtok_output: grams.map(|g| g.output),
        gram_co2_per_mtok_total: grams.map(|g| g.total),
        ..row
    }
}

fn parallel(setup: &Setup) -> String {
    let l = setup.layout;
    let parts = [("tp", l.tp), ("pp", l.pp), ("dp", l.dp), ("ep", l.ep)];
    let named: Vec<String> = parts.iter().filter(|p| p.1 > 1).map(|(name, n)| format!("{name}{n}")).collect();
    let instance = if named.is_empty() { "tp1".to_owned() } else { named.join(" ") };
    if l.replicas > 1 { format!("{} x {instance}", l.replicas) } else { instance }
}

/// The interface llama.cpp was built for.
fn backend(setup: &Setup) -> Option<String> {
    let runs = setup.engine == Engine::LlamaCpp && setup.hardware.measured.is_none();
    let name = setup.backend(&setup.hardware.sheet).name();
    runs.then(|| if setup.limits.backend.is_some() { name.to_owned() } else { format!("{name} (assumed)") })
}

/// What of the model lies where.
fn elsewhere(setup: &Setup) -> Option<String> {
    let percent = |share: f64| format!("{:.0} %", share * 100.0);
    let one = |holder: &Holder| {
        let extra = holder.experts - holder.layers;
        let mut parts = Vec::new();
        if holder.layers > 0.0 {
            parts.push(format!("{} of the layers", percent(holder.layers)));
        }
        if extra > 0.0 {
            parts.push(format!("{} of the experts", percent(holder.experts)));
        }
        if holder.head {
            parts.push("the LM head".to_owned());
        }
        format!("{} on {}", parts.join(" and "), holder.hardware.sheet.id)
    };
    let all: Vec<String> = setup.hardware.others.iter().map(one).collect();
    (!all.is_empty()).then(|| all.join("; "))
}

/// The format of the weights as rows name it: the one most of them are stored in.
fn precision(model: &ModelSpec, formats: &Formats) -> String {
    match formats.weights {
        Weights::Uniform(precision) => precision.to_string(),
        Weights::Native => model.main_format().to_string(),
    }
}

fn provenance(compiled: &Compiled, price: &Price) -> Provenance {
    let hardware = compiled.setup.hardware.provenance;
    let estimate = match compiled.correction {
        Some(_) => Provenance::Anchored,
        None if compiled.setup.engine == Engine::Ideal => Provenance::Roofline,
        None if compiled.calibrated => Provenance::Calibrated,
        None => Provenance::Assumed,
    };
    let own = if compiled.setup.hardware.measured.is_some() { hardware } else { hardware.weakest(estimate) };
    if price.basis == Basis::None { own } else { own.weakest(price.provenance) }
}
