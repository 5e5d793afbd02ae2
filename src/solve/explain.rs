//! Op by op: what a decode step and a prompt are made of, for every contender at the load it is judged by.

use super::compare::{Comparison, compare, reader};
use crate::estimate::op::{Class, Step};
use crate::estimate::{Calibration, Compiled, Pools, Unanswerable};
use crate::scenario::{Offer, Plan};
use schemars::JsonSchema;
use serde::Serialize;

/// One operation of one phase of one contender, on the busiest rank, its calls folded.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ExplainRow {
    /// Name of the contender.
    pub contender: String,
    /// `decode`: one step at the mean batch; `prefill`: one prompt alone, on the devices of its pool where there are
    /// pools.
    pub phase: &'static str,
    /// The operation.
    pub op: String,
    /// Kernel class it is charged to.
    pub class: &'static str,
    /// How often the step runs it.
    pub calls: f64,
    /// Floating-point operations, all calls.
    pub flop: f64,
    /// Bytes through device memory, all calls.
    pub bytes: f64,
    /// Bytes through links, all calls.
    #[serde(skip_serializing_if = "is_zero")]
    pub wire_bytes: f64,
    /// Time, launches included, microseconds.
    pub time_us: f64,
    /// Share of the step.
    pub share: f64,
    /// What limits it.
    pub binding: &'static str,
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

/// Decode step and prompt of every contender that runs on devices, operations by falling share.
///
/// # Errors
/// When a data sheet lacks a number that a contender's layout needs.
pub fn explain(plan: &Plan, calibration: &Calibration) -> Result<(Vec<ExplainRow>, Comparison), Unanswerable> {
    let comparison = compare(plan, calibration)?;
    let mut rows = Vec::new();
    for contender in &plan.contenders {
        let Offer::Devices { setup, prefill, .. } = &contender.offer else { continue };
        let own: Vec<_> = comparison.rows.iter().filter(|r| r.contender == contender.name).collect();
        let Some(row) = own.iter().find(|r| r.chosen).or(own.first()).filter(|r| r.fits != Some(false)) else {
            continue;
        };
        let writer = Compiled::new((**setup).clone(), calibration)?;
        let load = plan.workload.at(row.concurrency);
        // Prompts have devices and a layout of their own where there are pools.
        let pools = match prefill {
            Some(layout) => Some(Pools { prefill: reader(setup, *layout, calibration)?, decode: writer.clone() }),
            None => None,
        };
        let (state, reader) = match &pools {
            Some(pools) => (pools.closed_loop(&load), &pools.prefill),
            None => (writer.closed_loop(&load), &writer),
        };
        rows.extend(phase(&contender.name, "decode", &writer, &state.step, writer.host(state.running)));
        let chunk = load.input_tokens.min(reader.setup.limits.batch_tokens as f64);
        let prompt = Step { prefill: chunk, past: (load.input_tokens - chunk) / 2.0, prompts: 1.0, ..Step::default() };
        rows.extend(phase(&contender.name, "prefill", reader, &prompt, reader.host(1.0) + reader.eager()));
    }
    Ok((rows, comparison))
}

fn phase(contender: &str, phase: &'static str, compiled: &Compiled, step: &Step, host: f64) -> Vec<ExplainRow> {
    let total = compiled.step(step) + host;
    let mut rows: Vec<ExplainRow> = compiled
        .timed(step)
        .map(|(op, t)| ExplainRow {
            contender: contender.to_owned(),
            phase,
            op: op.name.to_owned(),
            class: op.class.name(),
            calls: op.calls,
            flop: t.flop,
            bytes: t.bytes,
            wire_bytes: t.wire,
            time_us: (t.seconds + t.launch) * 1e6,
            share: (t.seconds + t.launch) / total,
            binding: if t.launch > t.seconds { "host" } else { t.bound.name() },
        })
        .collect();
    if host > 0.0 {
        rows.push(ExplainRow {
            contender: contender.to_owned(),
            phase,
            op: "host".to_owned(),
            class: Class::Host.name(),
            calls: 1.0,
            flop: 0.0,
            bytes: 0.0,
            wire_bytes: 0.0,
            time_us: host * 1e6,
            share: host / total,
            binding: "host",
        });
    }
    rows.sort_by(|a, b| b.time_us.total_cmp(&a.time_us));
    rows
}
