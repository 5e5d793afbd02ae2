//! One contender under one load: the clock runs, and what was counted becomes a row.

use super::detail::Detail;
use super::load::{Load, Requests, Spectator};
use super::row::SimulateRow;
use super::system::System;
use super::tally::{Tally, Targets};
use super::world::World;
use crate::diagnostic::Diagnostic;
use crate::estimate::cost::Flow;
use crate::provenance::Provenance;
use crate::scenario::plan::Objective;
use crate::scenario::traffic::{Process, Traffic};
use crate::scenario::{Basis, Busy, Price};

/// Power of an accelerator that holds a model and does nothing, as a share of its power at work. Assumed: data-centre
/// GPUs with a loaded model draw 60 to 130 W of 300 to 700 W.
pub const IDLE_POWER: f64 = 0.2;

/// Past this share of the requests still waiting when the last one arrives, more arrives than is served.
const BACKLOG: f64 = 0.02;

/// Fewer waiting requests than this are a burst, not a backlog.
const BURST: f64 = 32.0;

/// One contender under one load.
pub struct Case<'a> {
    /// Name of the contender.
    pub name: &'a str,
    /// Its engines.
    pub system: System,
    /// Price of a device.
    pub price: &'a Price,
    /// Power of a device at work, W, where known.
    pub power: Option<f64>,
    /// What arrives.
    pub load: &'a Load,
    /// Which of the loads.
    pub index: usize,
    /// Targets of means.
    pub objective: Objective,
    /// Targets of percentiles.
    pub traffic: &'a Traffic,
    /// Targets of a request.
    pub targets: Targets,
    /// Stop the clock here, s.
    pub until: Option<f64>,
}

/// What a case answers.
#[derive(Debug, Clone)]
pub struct Done {
    /// The numbers.
    pub row: SimulateRow,
    /// What charts are drawn from.
    pub detail: Detail,
    /// What the trace left out.
    pub notes: Vec<String>,
}

/// Runs a case.
///
/// # Errors
/// When the trace is wrong.
pub fn run(case: &Case<'_>, spectator: &dyn Spectator) -> Result<Done, Diagnostic> {
    let mut row = blank(case);
    if let Some(shortage) = case.system.shortage() {
        row.reason = Some(shortage.to_string());
        return Ok(Done { row, detail: Detail::default(), notes: Vec::new() });
    }
    let mut observer = spectator.observer(case.name, case.index);
    let mut watch = spectator.watch();
    let mut tally = Tally::new(case.targets, observer.as_mut());
    let mut requests = case.load.open()?;
    let mut world = case.system.world();
    world.run(requests.source(), case.until.unwrap_or(f64::INFINITY), &mut tally, watch.as_mut())?;
    fill(&mut row, case, &world, &mut tally);
    row.reason = missed(&row, case);
    row.slo_met = (case.targets != Targets::default()).then_some(row.reason.is_none());
    let detail = row.duration_s.map(|seconds| {
        let [_, engines] = case.system.engines_by_pool();
        Detail::of(&row, &mut tally, engines, world.blocks(), seconds)
    });
    Ok(Done { row, detail: detail.unwrap_or_default(), notes: left_out(&requests) })
}

fn blank(case: &Case<'_>) -> SimulateRow {
    let compiled = case.system.writers();
    let setup = &compiled.setup;
    let estimate = match compiled.correction {
        Some(_) => Provenance::Anchored,
        None if compiled.calibrated => Provenance::Calibrated,
        None => Provenance::Assumed,
    };
    let hardware = setup.hardware.provenance;
    let own = if setup.hardware.measured.is_some() { hardware } else { hardware.weakest(estimate) };
    let priced = case.price.basis != Basis::None;
    SimulateRow {
        contender: case.name.to_owned(),
        device: setup.hardware.sheet.id.clone(),
        devices: case.system.devices(),
        replicas: case.system.replicas(),
        link: compiled.link(),
        batch_tokens: setup.batch_tokens(),
        engine: Some(setup.engine),
        model: setup.model.name.clone(),
        fits: setup.hardware.memory_known.then(|| case.system.shortage().is_none()),
        software: setup.hardware.software,
        usd_per_device_hour: hourly(case),
        price_tier: case.price.tier.clone(),
        price_basis: Some(case.price.basis),
        price_date: case.price.date.clone(),
        ttft_ms_target: case.targets.ttft.map(|s| s * 1e3),
        tpot_ms_target: case.targets.tpot.map(|s| s * 1e3),
        provenance: Some(if priced { own.weakest(case.price.provenance) } else { own }),
        ..SimulateRow::default()
    }
}

fn fill(row: &mut SimulateRow, case: &Case<'_>, world: &World, tally: &mut Tally<'_>) {
    row.requests = tally.arrived;
    row.requests_finished = tally.finished;
    row.requests_rejected = tally.rejected;
    row.requests_running = world.running();
    row.requests_queued = world.queued();
    row.iterations = tally.iterations;
    row.preemptions = tally.preemptions;
    row.queue_requests_max = tally.queue.most().max(0) as u64;
    if let Load::Process(Process::Closed { concurrency }, ..) = case.load {
        row.concurrency = Some(*concurrency);
    } else {
        row.arrival_requests_s = tally.arrival_rate();
    }
    if tally.finished == 0 {
        return;
    }
    // A clock that is stopped early has run to where it was stopped.
    let seconds = case.until.map_or(tally.last, |until| until.min(tally.last.max(tally.last_event())));
    row.duration_s = Some(seconds);
    row.saturated = Some(saturated(row, tally));
    row.times(tally);
    row.queue_requests_mean = Some(tally.queue.mean(seconds));
    row.in_system_requests_mean = Some(tally.present.mean(seconds));
    row.running_batch = (tally.writing_s > 0.0).then(|| tally.batch_s / tally.writing_s);
    row.utilisation = Some(utilisation(case, tally, seconds));
    row.kv_occupancy = world.blocks().filter(|b| *b > 0).map(|blocks| tally.used_s / seconds / blocks as f64);
    row.prefix_hit = Some(tally.found as f64 / tally.looked_up as f64);
    row.throughput_requests_s = Some(tally.finished as f64 / seconds);
    if case.targets != Targets::default() {
        row.goodput_requests_s = Some(tally.good as f64 / seconds);
        // Who was turned away got nothing in time.
        row.goodput_share = Some(tally.good as f64 / (tally.finished + tally.rejected) as f64);
    }
    money(row, case, tally, seconds);
}

/// Share of the devices' time in which they work.
fn utilisation(case: &Case<'_>, tally: &Tally<'_>, seconds: f64) -> f64 {
    let [readers, writers] = case.system.engines_by_pool();
    let [reading, writing] = case.system.devices_by_pool();
    let each = |devices: f64, engines: f64| if engines > 0.0 { devices / engines } else { 0.0 };
    let busy = (tally.busy_s - tally.decoding_s) * each(reading, readers) + tally.decoding_s * each(writing, writers);
    busy / (seconds * (reading + writing))
}

/// US dollars per device-hour of the run. Where the busy share follows from the requests that come, the run has the hours
/// without work in it; a share that is given is that of such runs in all hours.
fn hourly(case: &Case<'_>) -> Option<f64> {
    let share = match case.price.busy {
        Busy::Share(share) => share,
        Busy::Rate(_) => 1.0,
    };
    case.price.per_hour(case.system.devices() as f64, share)
}

/// Cost and energy at the load as it was: every second is paid, whether there was work or not. Separate pools pay
/// their own tokens.
fn money(row: &mut SimulateRow, case: &Case<'_>, tally: &Tally<'_>, seconds: f64) {
    let [readers, writers] = case.system.devices_by_pool();
    let devices = readers + writers;
    let flow = Flow {
        input_tok_s: tally.input_tokens as f64 / seconds,
        output_tok_s: tally.output_tokens as f64 / seconds,
        input_share: if readers > 0.0 { readers / devices } else { tally.prompt_s / tally.busy_s },
        devices,
    };
    let each = |tokens: u64| tokens as f64 / tally.finished as f64;
    let full =
        case.system.saturated(each(tally.input_tokens), each(tally.output_tokens), row.prefix_hit.unwrap_or(0.0));
    row.input_tok_s_per_device = Some(flow.input_tok_s / devices);
    row.output_tok_s_per_device = Some(flow.output_tok_s / devices);
    row.device_hours_per_mtok = Some(flow.device_hours_per_mtok());
    row.device_hours_per_mtok_saturated = Some(full.device_hours_per_mtok());
    let busy = row.utilisation.unwrap_or(1.0);
    if let Some(price) = hourly(case) {
        let cost = flow.cost(price);
        row.usd_per_mtok_input = Some(cost.input);
        row.usd_per_mtok_output = Some(cost.output);
        row.usd_per_mtok_total = Some(cost.total);
        row.usd_per_mtok_output_all = Some(cost.output_all);
        row.usd_per_mtok_output_busy =
            Some(cost.output * tally.decoding_s / (seconds * case.system.engines_by_pool()[1]));
        row.usd_per_mtok_output_saturated = Some(full.cost(price).output);
    }
    if let Some(watts) = case.power {
        let mean = watts * (busy + IDLE_POWER * (1.0 - busy));
        row.energy_kwh = Some(mean * devices * seconds / 3.6e6);
        row.joule_per_output_token = Some(flow.joule_per_output_token(mean));
    }
}

/// Whether the queue was still growing when the last request came: for a closed loop, which has no such queue, whether
/// users wait because no more fit.
fn saturated(row: &SimulateRow, tally: &Tally<'_>) -> bool {
    match row.concurrency {
        Some(users) => tally.refused_s / tally.last_arrival() > 0.1 * users as f64 + 1.0,
        None => tally.queue_at_last() > (BACKLOG * tally.arrived as f64).max(BURST),
    }
}

/// Which target of the objective is missed, the worst kind first.
fn missed(row: &SimulateRow, case: &Case<'_>) -> Option<String> {
    if row.requests_finished == 0 {
        return Some("no request was finished".to_owned());
    }
    if row.saturated == Some(true) {
        let why =
            if row.concurrency.is_some() { "more users than fit at a time" } else { "more arrives than it serves" };
        return Some(format!("saturated: {why}"));
    }
    // A request that is refused never has its first token: past one in a hundred no 99th percentile exists.
    if row.requests_rejected * 100 > row.requests {
        return Some(format!("{} of {} requests are longer than its memory", row.requests_rejected, row.requests));
    }
    let ms = |seconds: Option<f64>| seconds.map(|s| s * 1e3);
    let targets = [
        ("mean TTFT", row.ttft_ms_mean, ms(case.objective.ttft.map(|s| s.get()))),
        ("mean TPOT", row.tpot_ms_mean, ms(case.objective.tpot.map(|s| s.get()))),
        ("p99 TTFT", row.ttft_ms_p99, ms(case.traffic.ttft_p99)),
        ("p99 TPOT", row.tpot_ms_p99, ms(case.traffic.tpot_p99)),
    ];
    targets.into_iter().find_map(|(name, value, target)| match (value, target) {
        (Some(value), Some(target)) if value > target => {
            Some(format!("{name} {value:.0} ms misses the target of {target:.0} ms"))
        }
        _ => None,
    })
}

/// So many requests, in words.
pub(super) fn counted(requests: u64) -> String {
    if requests == 1 { "1 request".to_owned() } else { format!("{requests} requests") }
}

fn left_out(requests: &Requests) -> Vec<String> {
    let Requests::Trace(trace) = requests else { return Vec::new() };
    let notes = trace.notes();
    let mut out = Vec::new();
    if notes.torn > 0 {
        out.push(
            "The trace's last line is torn (it does not parse and has no newline): 1 line was left out.".to_owned(),
        );
    }
    if notes.taken_as_ms {
        out.push(
            "The trace's timestamps were taken as milliseconds, as Mooncake's are; name the column arrival_s where they \
             are seconds."
                .to_owned(),
        );
    }
    if notes.failed > 0 {
        out.push(format!("Left out: {} that the trace marks as failed (no answer tokens).", counted(notes.failed)));
    }
    out
}
