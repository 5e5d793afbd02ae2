//! Commands that answer a scenario.

use super::args::{Cli, Compare, Scenario};
use super::failure::Failure;
use super::output::Output;
use super::{answers, context, local, require};
use crate::catalog::{self, Catalog};
use crate::device::Profile;
use crate::diagnostic::Diagnostic;
use crate::estimate::Calibration;
use crate::run::Context;
use crate::scenario::{Draft, Local, Offer, Plan, Source, resolve};
use crate::solve;
use crate::validate;
use std::path::Path;

/// A scenario ready to be answered.
pub struct Ready {
    /// Contenders, load and targets.
    pub plan: Plan,
    /// Constants of the estimate.
    pub calibration: Calibration,
    /// Where and when it is run.
    pub context: Context,
    /// What was measured on this machine, where a contender is this machine.
    pub profile: Option<Profile>,
    /// What was measured on the contenders' devices, by name of the contender: here, or saved earlier.
    pub profiles: Vec<(String, Profile)>,
}

/// `compare`: contenders side by side.
pub fn compare(args: &Compare, cli: &Cli, catalog: &Catalog, output: &Output) -> Result<(), Failure> {
    let ready = prepare(&args.scenario, cli, catalog)?;
    if args.optimize {
        return optimized(args, ready, catalog, output);
    }
    let answer = solve::compare(&ready.plan, &ready.calibration)?;
    let mut notes = answer.notes;
    if ready.profile.as_ref().is_some_and(|p| p.adapter.backend == "cpu") {
        notes.insert(0, "No GPU adapter was found or asked for: the CPU fallback was measured.".to_owned());
    }
    let run = context::finished("compare", ready.context, answer.sentence, notes, &answer.rows)?;
    output
        .write_with_evidence(&run, || answers::evidence(&ready.plan, &ready.calibration, &ready.profiles, catalog))?;
    require::check(&args.requirements, &run.rows)
}

/// `compare --optimize`: every contender in its best layout.
fn optimized(args: &Compare, ready: Ready, catalog: &Catalog, output: &Output) -> Result<(), Failure> {
    let found = solve::optimize(&ready.plan, &ready.calibration)?;
    // The sentence and its verdict come from the same rows and rules as those of a comparison.
    let rows: Vec<_> = found.rows.iter().map(|r| r.row.clone()).collect();
    let (sentence, mut notes) = solve::answer(&found.plan, &rows, &ready.calibration);
    notes.push(format!(
        "{} layouts fit; rows marked pareto are those that no other beats both in tokens/s per device and per user. The search chooses its own concurrencies.",
        found.tried
    ));
    let run = context::finished("compare", ready.context, sentence, notes, &found.rows)?;
    output
        .write_with_evidence(&run, || answers::evidence(&found.plan, &ready.calibration, &ready.profiles, catalog))?;
    require::check(&args.requirements, &run.rows)
}

/// Reads, checks and measures what a scenario needs.
///
/// # Errors
/// When the scenario is wrong or this machine cannot be measured.
pub fn prepare(args: &Scenario, cli: &Cli, catalog: &Catalog) -> Result<Ready, Failure> {
    let source = Source::read(&args.scenario, &args.edits)?;
    let draft = source.draft()?;
    let (plan, profile) = resolved(&draft, args, cli, |local| resolve(&source, &draft, catalog, local))?;
    let context = context_of(&source, &plan, profile.as_ref());
    let calibration = calibration(args, &plan, catalog)?;
    let profiles = profiles(&source, &draft, profile.as_ref())?;
    Ok(Ready { plan, calibration, context, profile, profiles })
}

/// The profiles behind the contenders that name one, or this machine.
fn profiles(source: &Source, draft: &Draft, local: Option<&Profile>) -> Result<Vec<(String, Profile)>, Failure> {
    let mut found = Vec::new();
    for contender in &draft.contender {
        let profile = match contender.device.as_deref() {
            Some("local") => local.cloned(),
            Some(name) if name.ends_with(".json") => Some(Profile::load(&source.folder.join(name))?),
            _ => None,
        };
        found.extend(profile.map(|p| (contender.name.clone(), p)));
    }
    Ok(found)
}

/// Resolves a scenario, after measuring this machine where it asks for that.
///
/// Everything that can be wrong with the scenario is found before a minute is spent on measuring.
pub fn resolved<P>(
    draft: &Draft,
    args: &Scenario,
    cli: &Cli,
    resolve: impl Fn(Local<'_>) -> Result<P, Diagnostic>,
) -> Result<(P, Option<Profile>), Failure> {
    let pending = resolve(Local::Pending)?;
    if !draft.needs_local() {
        return Ok((pending, None));
    }
    let profile = local::profile(&args.measure, args.budget, cli)?;
    Ok((resolve(Local::Measured(&profile))?, Some(profile)))
}

/// Where, when and on what a scenario is answered.
pub fn context_of(source: &Source, plan: &Plan, profile: Option<&Profile>) -> Context {
    let mut context = context::here();
    context.scenario_hash = Some(context::hash(&source.text));
    context.adapter = profile.map(|p| format!("{} ({}, {})", p.adapter.name, p.adapter.backend, p.adapter.driver_info));
    context.sources = sources(plan);
    context
}

/// The constants of the estimate, with the user's own measurements in them.
pub fn calibration(args: &Scenario, plan: &Plan, catalog: &Catalog) -> Result<Calibration, Failure> {
    let mut calibration = Calibration::load(catalog)?;
    for anchor in &args.anchors {
        add_anchor(anchor, plan, catalog, &mut calibration)?;
    }
    Ok(calibration)
}

/// Reads `[CONTENDER=]FILE` and adds what it measured.
fn add_anchor(text: &str, plan: &Plan, catalog: &Catalog, calibration: &mut Calibration) -> Result<(), Failure> {
    let (name, path) = text.split_once('=').map_or((None, text), |(name, path)| (Some(name), path));
    let entry = catalog::read(Path::new(path))?;
    let anchors = if path.ends_with(".csv") {
        let points = validate::read(&entry.file, &entry.text)?;
        validate::anchors_of_points(&points, catalog, calibration)
    } else {
        let named = plan.contenders.iter().find(|c| Some(c.name.as_str()) == name);
        let Some(Offer::Devices { setup, prefill, .. }) = named.map(|c| &c.offer) else {
            let message =
                format!("--anchor {text}: a result file is of one contender; write --anchor CONTENDER={path}");
            return Err(Failure::Usage(message));
        };
        validate::anchors_of_results(&entry.file, &entry.text, setup, *prefill, calibration)?
    };
    if anchors.is_empty() {
        return Err(Failure::Usage(format!("--anchor {text}: the file holds no run with TTFT and TPOT")));
    }
    calibration.add_anchors(anchors);
    Ok(())
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
