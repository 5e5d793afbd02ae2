//! `bench --step`: a decode step and a prefill chunk of a real model, executed, against the estimate from the profile.
//!
//! The estimate is the one that prices tokens: the same op list, the same formulas, the adapter's profile. It never
//! sees the execution.

use super::context;
use super::failure::Failure;
use super::measuring::program;
use super::options::Options;
use super::output::Output;
use super::progress::Bar;
use crate::catalog::Catalog;
use crate::estimate::bound::Class;
use crate::estimate::op::{Op, Work};
use crate::estimate::step::Step;
use crate::estimate::{Calibration, Compiled};
use crate::measure::{self, Executed, StepOptions};
use crate::model::{ModelSpec, Weights};
use crate::precision::Precision;
use crate::setup::{Engine, Formats, Hardware, Layout, Limits, Setup, Speed};
use crate::units::Seconds;
use anyhow::anyhow;
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::Arc;

/// An op class of one phase, or the phase's total.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct StepRow {
    /// `decode` or `prefill`.
    pub phase: String,
    /// `projections`, `attention`, `elementwise` (norms, activations), `head` or `total`.
    pub class: String,
    /// Dispatched ops.
    pub ops: u64,
    /// From the op list and the adapter's profile, s.
    pub estimate_s: f64,
    /// The ops run together, every output verified, s.
    pub measured_s: f64,
    /// Estimate over measurement.
    pub ratio: f64,
    /// The sum of what each kind of op takes alone, s: what is lost or won by running them together.
    pub alone_s: f64,
}

/// Executes the step, estimates it from the profile measured around it, and compares class by class.
pub fn step(
    model: &ModelSpec,
    layers: Option<u64>,
    how: &StepOptions,
    options: &Options,
    catalog: &Catalog,
    output: &Output,
) -> Result<(), Failure> {
    let model = Arc::new(first_layers(model, layers));
    let executed = {
        let bar = Bar::new(options.quiet);
        measure::step(&program()?, &model, how, &bar)?
    };
    let compiled = compiled(Arc::clone(&model), &executed, catalog)?;
    let rows = rows(&compiled, how, &executed);
    let say = |phase: &str| {
        rows.iter().find(|r| r.phase == phase && r.class == "total").map_or(String::new(), |r| {
            format!("{phase} takes {:.0} ms, {:.0} ms estimated", 1e3 * r.measured_s, 1e3 * r.estimate_s)
        })
    };
    let sentence = format!("{}: {}; {}.", model.name, say("decode"), say("prefill"));
    let mut context = context::here();
    let adapter = &executed.profile.adapter;
    context.adapter = Some(format!("{} ({}, {})", adapter.name, adapter.backend, adapter.driver_info));
    output.write(&context::finished("bench-step", context, sentence, executed.profile.anomalies, &rows)?)
}

/// The model with its first layers only, where a number is given: what is executed and what is estimated.
fn first_layers(model: &ModelSpec, layers: Option<u64>) -> ModelSpec {
    let mut model = model.clone();
    let mut left = layers.unwrap_or(u64::MAX);
    for layer in &mut model.layers {
        layer.count = layer.count.min(left);
        left -= layer.count;
    }
    model.layers.retain(|layer| layer.count > 0);
    model
}

/// The executed model, in 32 bit, on the measured adapter.
fn compiled(model: Arc<ModelSpec>, executed: &Executed, catalog: &Catalog) -> Result<Compiled, Failure> {
    let hardware = Hardware::from_profile(&executed.profile).map_err(|why| Failure::Operational(anyhow!(why)))?;
    let setup = Setup {
        model,
        formats: Formats { weights: Weights::Uniform(Precision::F32), activations: None, kv_cache: Precision::F32 },
        hardware,
        layout: Layout::SINGLE,
        engine: Engine::Wgpu,
        limits: Limits::default(),
        speculation: None,
        speed: Speed::ONE,
    };
    Compiled::new(setup, &Calibration::load(catalog)?).map_err(|why| Failure::Operational(anyhow!(why.to_string())))
}

fn rows(compiled: &Compiled, options: &StepOptions, executed: &Executed) -> Vec<StepRow> {
    let row = |of: &measure::ExecutedClass| {
        let step = match of.phase {
            "decode" => compiled.decoding(1.0, options.context as f64),
            _ => {
                let past = options.context.saturating_sub(options.chunk);
                Step::of_prompts(1.0, options.chunk as f64, past as f64)
            }
        };
        let timed =
            compiled.timed(&step).filter(|(op, _)| class(op).is_some_and(|c| of.class == c || of.class == "total"));
        let device = timed.map(|(_, t)| t.seconds + t.launch).sum::<Seconds>();
        let estimate_s = device.get() + compiled.engine.step_s;
        StepRow {
            phase: of.phase.to_owned(),
            class: of.class.clone(),
            ops: of.ops,
            estimate_s,
            measured_s: of.measured_s,
            ratio: estimate_s / of.measured_s,
            alone_s: of.alone_s,
        }
    };
    executed.classes.iter().map(row).collect()
}

/// The executed class of an operation; `None` for what is not executed: embedding and sampling.
fn class(op: &Op) -> Option<&'static str> {
    match (&op.work, op.class) {
        (_, Class::Attention) => Some("attention"),
        (Work::Gemm { .. }, _) if op.name == "LM head" => Some("head"),
        (Work::Gemm { .. }, _) => Some("projections"),
        (Work::Elementwise { bytes_per_token, .. }, _) if *bytes_per_token > 0.0 => Some("elementwise"),
        _ => None,
    }
}
