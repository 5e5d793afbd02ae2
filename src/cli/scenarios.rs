//! `compare`: the contenders of a scenario side by side, as they are or each in its best layout.

use super::args::Compare;
use super::evidence::evidence;
use super::failure::Failure;
use super::options::{Options, Question};
use super::output::Output;
use super::ready::{Ready, prepare};
use super::{context, require};
use crate::catalog::Catalog;
use crate::solve;

/// `compare`: contenders side by side.
pub fn compare(args: &Compare, options: &Options, catalog: &Catalog, output: &Output) -> Result<(), Failure> {
    let ready = prepare(&Question::from(&args.scenario), options.quiet, catalog)?;
    if args.optimize {
        return optimized(args, ready, catalog, output);
    }
    let answer = solve::compare(&ready.plan, &ready.calibration)?;
    let mut notes = answer.notes;
    if ready.profile.as_ref().is_some_and(|p| p.adapter.backend == "cpu") {
        notes.insert(0, "No GPU adapter was found or asked for: the CPU fallback was measured.".to_owned());
    }
    let run = context::finished("compare", ready.context, answer.sentence, notes, &answer.rows)?;
    output.write_with_evidence(&run, || evidence(&ready.plan, &ready.calibration, catalog))?;
    require::check(&args.requirements, &run.rows)
}

/// `compare --optimize`: every contender in its best layout.
fn optimized(args: &Compare, ready: Ready, catalog: &Catalog, output: &Output) -> Result<(), Failure> {
    let found = solve::optimize(&ready.plan, &ready.calibration)?;
    // The sentence and its verdict come from the same rows and rules as those of a comparison.
    let rows: Vec<_> = found.rows.iter().map(|r| r.row.clone()).collect();
    let (sentence, mut notes) = solve::answer(&found.plan, &rows, &ready.calibration);
    let load = &ready.plan.workload;
    let loads = match (load.users(), load.rate) {
        (Some(users), _) => format!("Every layout is offered the {users} requests at a time of the scenario."),
        (None, Some(_)) => "Every layout has as many copies as the scenario's requests take.".to_owned(),
        _ => "The search chooses its own concurrencies.".to_owned(),
    };
    notes.push(format!(
        "{} layouts fit; rows marked pareto are those that no other beats both in tokens/s per device and per user. {loads}",
        found.tried
    ));
    let run = context::finished("compare", ready.context, sentence, notes, &found.rows)?;
    output.write_with_evidence(&run, || evidence(&found.plan, &ready.calibration, catalog))?;
    require::check(&args.requirements, &run.rows)
}
