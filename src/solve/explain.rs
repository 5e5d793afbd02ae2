//! Op by op: what a decode step and a prompt are made of, for every contender at the load it is judged by.

use super::compare::{Comparison, compare};
use crate::estimate::bound::Class;
use crate::estimate::step::Step;
use crate::estimate::{Calibration, Chunks, Compiled, Pools, Unanswerable};
use crate::scenario::{Offer, Plan};
use crate::units::Seconds;
use schemars::JsonSchema;
use serde::Serialize;

/// One operation of one phase of one contender, on the busiest rank, its calls folded.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ExplainRow {
    /// Name of the contender.
    pub contender: String,
    /// `decode`: one step at the mean batch; `prefill`: one prompt alone in all its chunks, after what is found in the
    /// prefix cache, on the devices of its pool where there are pools.
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
    let mut comparison = compare(plan, calibration)?;
    let mut rows = Vec::new();
    for contender in &plan.contenders {
        let Offer::Devices { setup, prefill, .. } = &contender.offer else { continue };
        let own: Vec<_> = comparison.rows.iter().filter(|r| r.contender == contender.name).collect();
        let Some(row) = own.iter().find(|r| r.chosen).or(own.first()).filter(|r| r.fits != Some(false)) else {
            continue;
        };
        let load = plan.workload.at(row.concurrency);
        // Prompts have devices and a layout of their own where there are pools.
        let (state, reader, writer) = match prefill {
            Some(layout) => {
                let pools = Pools::new((**setup).clone(), *layout, calibration)?;
                (pools.closed_loop(&load), pools.prefill, pools.decode)
            }
            None => {
                let compiled = Compiled::new((**setup).clone(), calibration)?;
                (compiled.closed_loop(&load), compiled.clone(), compiled)
            }
        };
        rows.extend(phase(&contender.name, "decode", &writer, &state.step, writer.host(state.running), 1.0));
        let chunks = Chunks::of(&reader, &load, 0.0);
        let chunk = Step::of_prompts(1.0, chunks.tokens, chunks.past);
        rows.extend(phase(
            &contender.name,
            "prefill",
            &reader,
            &chunk,
            reader.host(0.0) + reader.eager(&chunk),
            chunks.count,
        ));
        if chunks.count > 1.0 {
            comparison.notes.push(format!(
                "{}: a prompt's operations are those of its {:.0} chunks of at most {:.0} tokens.",
                contender.name,
                chunks.count.ceil(),
                chunks.tokens
            ));
        }
    }
    Ok((rows, comparison))
}

/// The operations of a step that runs so many times, by falling time.
fn phase(
    contender: &str,
    phase: &'static str,
    compiled: &Compiled,
    step: &Step,
    host: Seconds,
    times: f64,
) -> Vec<ExplainRow> {
    let total = compiled.step(step) + host;
    let mut rows: Vec<ExplainRow> = compiled
        .timed(step)
        .map(|(op, t)| ExplainRow {
            contender: contender.to_owned(),
            phase,
            op: if op.draft { format!("draft: {}", op.name) } else { op.name.to_owned() },
            class: op.class.name(),
            calls: op.calls * times,
            flop: t.flop.get() * times,
            bytes: t.bytes.get() * times,
            wire_bytes: t.wire.get() * times,
            time_us: (t.seconds + t.launch).get() * 1e6 * times,
            share: (t.seconds + t.launch) / total,
            binding: if t.launch > t.seconds { "host" } else { t.bound.name() },
        })
        .collect();
    if host > Seconds::ZERO {
        rows.push(ExplainRow {
            contender: contender.to_owned(),
            phase,
            op: "host".to_owned(),
            class: Class::Host.name(),
            calls: times,
            flop: 0.0,
            bytes: 0.0,
            wire_bytes: 0.0,
            time_us: host.get() * 1e6 * times,
            share: host / total,
            binding: "host",
        });
    }
    rows.sort_by(|a, b| b.time_us.total_cmp(&a.time_us));
    rows
}
