//! Commands that answer a scenario.

use super::args::{Cli, Compare, Scenario};
use super::failure::Failure;
use super::output::Output;
use super::{context, local, require};
use crate::catalog::Catalog;
use crate::diagnostic::Diagnostic;
use crate::estimate::Calibration;
use crate::run::Context;
use crate::scenario::{Draft, Local, Offer, Plan, Source, resolve};
use crate::solve;

/// A scenario ready to be answered.
struct Ready {
    plan: Plan,
    calibration: Calibration,
    context: Context,
}

/// `compare`: contenders side by side.
pub fn compare(args: &Compare, cli: &Cli, catalog: &Catalog, output: &Output) -> Result<(), Failure> {
    let ready = prepare(&args.scenario, cli, catalog)?;
    let answer = solve::compare(&ready.plan, &ready.calibration)?;
    let run = context::finished("compare", ready.context, answer.sentence, answer.notes, &answer.rows)?;
    output.write(&run)?;
    require::check(&args.requirements, &run.rows)
}

/// `explain`: the same, op by op.
pub fn explain(args: &Scenario, cli: &Cli, catalog: &Catalog, output: &Output) -> Result<(), Failure> {
    let ready = prepare(args, cli, catalog)?;
    let (rows, comparison) = solve::explain(&ready.plan, &ready.calibration)?;
    output.write(&context::finished("explain", ready.context, comparison.sentence, comparison.notes, &rows)?)
}

fn prepare(args: &Scenario, cli: &Cli, catalog: &Catalog) -> Result<Ready, Failure> {
    let source = Source::read(&args.scenario, &args.edits)?;
    let draft = source.draft()?;
    let (plan, adapter) = resolved(&draft, args, cli, |local| resolve(&source, &draft, catalog, local))?;
    let context = context_of(&source, &plan, adapter);
    Ok(Ready { plan, calibration: Calibration::load(catalog)?, context })
}

/// Resolves a scenario, after measuring this machine where it asks for that. Also names the adapter.
///
/// Everything that can be wrong with the scenario is found before a minute is spent on measuring.
pub fn resolved<P>(
    draft: &Draft,
    args: &Scenario,
    cli: &Cli,
    resolve: impl Fn(Local<'_>) -> Result<P, Diagnostic>,
) -> Result<(P, Option<String>), Failure> {
    let pending = resolve(Local::Pending)?;
    if !draft.needs_local() {
        return Ok((pending, None));
    }
    let profile = local::profile(&args.measure, args.budget, cli)?;
    let p = &profile.adapter;
    let adapter = format!("{} ({}, {})", p.name, p.backend, p.driver_info);
    Ok((resolve(Local::Measured(&profile))?, Some(adapter)))
}

/// Where, when and on what a scenario is answered.
pub fn context_of(source: &Source, plan: &Plan, adapter: Option<String>) -> Context {
    let mut context = context::here();
    context.scenario_hash = Some(context::hash(&source.text));
    context.adapter = adapter;
    context.sources = sources(plan);
    context
}

fn sources(plan: &Plan) -> Vec<String> {
    let mut sources = Vec::new();
    for contender in &plan.contenders {
        if let Offer::Devices { setup, .. } = &contender.offer {
            let sheet = &setup.hardware.sheet;
            let line = format!("{}: {} (retrieved {})", sheet.id, sheet.source, sheet.retrieved);
            if !sources.contains(&line) {
                sources.push(line);
            }
        }
    }
    sources
}
