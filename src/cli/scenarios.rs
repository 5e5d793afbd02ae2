//! Commands that answer a scenario.

use super::args::{Cli, Compare, Scenario};
use super::failure::Failure;
use super::output::Output;
use super::{context, local, require};
use crate::catalog::Catalog;
use crate::estimate::Calibration;
use crate::run::Context;
use crate::scenario::{Local, Offer, Plan, Source, resolve};
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
    // Everything that can be wrong with the scenario is found before a minute is spent on measuring.
    let pending = resolve(&source, &draft, catalog, Local::Pending)?;
    let profile = if draft.needs_local() { Some(local::profile(&args.measure, args.budget, cli)?) } else { None };
    let plan = match &profile {
        Some(profile) => resolve(&source, &draft, catalog, Local::Measured(profile))?,
        None => pending,
    };
    let mut context = context::here();
    context.scenario_hash = Some(context::hash(&source.text));
    context.adapter = profile.map(|p| format!("{} ({}, {})", p.adapter.name, p.adapter.backend, p.adapter.driver_info));
    context.sources = sources(&plan);
    Ok(Ready { plan, calibration: Calibration::load(catalog)?, context })
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
