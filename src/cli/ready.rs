//! A scenario made ready to be answered: read, looked up, this machine measured where it asks for that, and the
//! constants of the estimate with the user's own measurements in them.

use super::failure::{Failure, complain};
use super::options::Question;
use super::{context, measuring};
use crate::catalog::{self, Catalog};
use crate::device::Profile;
use crate::diagnostic::Diagnostic;
use crate::estimate::Calibration;
use crate::estimate::anchor::Anchor;
use crate::run::Context;
use crate::scenario::{Draft, Local, Offer, Plan, Source, resolve};
use crate::solve;
use crate::validate::{self, On};
use std::path::Path;
use std::sync::Arc;

/// A scenario ready to be answered.
pub struct Ready {
    /// Contenders, load and targets.
    pub plan: Plan,
    /// Constants of the estimate.
    pub calibration: Calibration,
    /// Where and when it is run.
    pub context: Context,
    /// What was measured on this machine, where a contender is this machine.
    pub profile: Option<Arc<Profile>>,
}

/// Reads, checks and measures what a scenario needs.
///
/// # Errors
/// When the scenario is wrong or this machine cannot be measured.
pub fn prepare(question: &Question, quiet: bool, catalog: &Catalog) -> Result<Ready, Failure> {
    let source = Source::read(&question.scenario, &question.edits)?;
    let draft = source.draft()?;
    let (plan, profile) = resolved(&draft, question, quiet, |local| resolve(&source, &draft, catalog, local))?;
    let context = context_of(&source, &plan, profile.as_deref());
    let calibration = calibration(question, &plan, quiet, catalog)?;
    let plan = solve::sized(&plan, &calibration)?;
    Ok(Ready { plan, calibration, context, profile })
}

/// Resolves a scenario, after measuring this machine where it asks for that.
///
/// Everything that can be wrong with the scenario is found before a minute is spent on measuring.
pub fn resolved<P>(
    draft: &Draft,
    question: &Question,
    quiet: bool,
    resolve: impl Fn(Local<'_>) -> Result<P, Diagnostic>,
) -> Result<(P, Option<Arc<Profile>>), Failure> {
    let pending = resolve(Local::Pending)?;
    if !draft.needs_local() {
        return Ok((pending, None));
    }
    let profile = Arc::new(measuring::profile(&question.adapter, question.budget, quiet)?);
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
pub fn calibration(question: &Question, plan: &Plan, quiet: bool, catalog: &Catalog) -> Result<Calibration, Failure> {
    let mut calibration = Calibration::load(catalog)?;
    // Each is compared with the estimate as it is without any.
    let read = |anchor: &String| anchors(anchor, plan, quiet, catalog, &calibration);
    let all: Vec<Anchor> = question.anchors.iter().map(read).collect::<Result<Vec<_>, _>>()?.concat();
    calibration.add_anchors(all);
    Ok(calibration)
}

/// Reads `[CONTENDER=]FILE`: what it measured.
fn anchors(
    text: &str,
    plan: &Plan,
    quiet: bool,
    catalog: &Catalog,
    calibration: &Calibration,
) -> Result<Vec<Anchor>, Failure> {
    let (name, path) = text.split_once('=').map_or((None, text), |(name, path)| (Some(name), path));
    let entry = catalog::read(Path::new(path))?;
    let found = if validate::is_points(&entry.text) {
        let points = validate::read(&entry.file, &entry.text)?;
        validate::anchors_of_points(&points, catalog, calibration)
    } else {
        let on = measured(plan, name)
            .map_err(|why| Failure::Usage(format!("--anchor {text}: {why}; write --anchor CONTENDER={path}")))?;
        validate::anchors_of_results(&entry.file, &entry.text, on, catalog, calibration)?
    };
    if found.anchors.is_empty() {
        let why = found.unused.first().map_or("the file holds no run with TTFT and TPOT", String::as_str);
        return Err(Failure::Usage(format!("--anchor {text}: no row is used: {why}")));
    }
    if !quiet {
        found.unused.iter().for_each(|why| complain(&format!("--anchor {path}: not used: {why}")));
        found.notes.iter().for_each(|note| complain(&format!("--anchor {path}: {note}")));
    }
    Ok(found.anchors)
}

/// The contender that a result file is of: the one named, or the only one.
pub fn measured<'a>(plan: &'a Plan, name: Option<&str>) -> Result<On<'a>, String> {
    let mut devices = plan.contenders.iter().filter_map(|c| match &c.offer {
        Offer::Devices { setup, prefill, .. } => Some((c.name.as_str(), On { setup, prefill: *prefill })),
        Offer::Api { .. } => None,
    });
    match name {
        Some(name) => {
            let found = devices.find(|(own, _)| *own == name).map(|(_, on)| on);
            found.ok_or_else(|| format!("there is no contender \"{name}\" with devices"))
        }
        None => match (devices.next(), devices.next()) {
            (Some((_, on)), None) => Ok(on),
            _ => Err("a result file is of one contender".to_owned()),
        },
    }
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
