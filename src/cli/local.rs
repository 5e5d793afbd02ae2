//! Commands that measure this machine. The measuring itself happens in a worker process of the same program.

use super::args::{Bench, Duel, Verify};
use super::failure::Failure;
use super::measuring::{budget, interruptible, program};
use super::options::{Options, selector};
use super::output::Output;
use super::progress::Bar;
use super::{adapters, context, shapes, step};
use crate::catalog::Catalog;
use crate::measure::{self, BenchOptions, Several, StepOptions, VerifyOptions};
use crate::model::ModelSpec;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// `devices`: adapters found here.
pub fn devices(output: &Output) -> Result<(), Failure> {
    let rows = measure::adapters(&program()?);
    let hardware = rows.iter().filter(|r| !r.software && r.index.is_some()).count();
    let software = rows.iter().filter(|r| r.software && r.backend != "cpu").count();
    let sentence = format!(
        "{hardware} GPU adapters and {software} software adapters were found; the CPU fallback is always there. \
         `--adapter` of other commands takes the index or part of the name."
    );
    output.write(&context::finished("devices", context::here(), sentence, Vec::new(), &rows)?)
}

/// `bench`: measures adapters and stores their profiles.
pub fn bench(args: &Bench, options: &Options, catalog: &Catalog, output: &Output) -> Result<(), Failure> {
    let load =
        |name: &Option<String>| name.as_deref().map(|name| ModelSpec::load(catalog, name, Path::new(""))).transpose();
    let (whole, products) = (load(&args.step)?, load(&args.shapes)?);
    let stop = interruptible()?;
    let how = BenchOptions {
        adapter: selector(&args.measure),
        budget: budget(args.budget)?,
        seed: options.seed,
        thorough: args.thorough,
        stop: Arc::clone(&stop),
        ..BenchOptions::default()
    };
    if let Some(model) = whole {
        let how = StepOptions { bench: how, context: args.context, chunk: args.chunk };
        return step::step(&model, args.layers, &how, options, catalog, output);
    }
    if let Some(model) = products {
        let how = shapes::asked(how, &args.batch, &args.dtype)?;
        return shapes::shapes(&model, &how, options, output);
    }
    let measured = {
        let bar = Bar::new(options.quiet);
        measure::bench(&program()?, &how, &bar)?
    };
    output.write(&adapters::measured(&measured, catalog, options.seed)?)?;
    if stop.load(Ordering::Relaxed) { Err(Failure::Interrupted) } else { Ok(()) }
}

/// `duel`: this adapter handicapped and with its best kernel, against the full one with lesser kernels.
pub fn duel(args: &Duel, options: &Options, output: &Output) -> Result<(), Failure> {
    let how = BenchOptions {
        adapter: selector(&args.measure),
        budget: budget(args.budget)?,
        seed: options.seed,
        ..BenchOptions::default()
    };
    let rows = {
        let bar = Bar::new(options.quiet);
        measure::duel(&program()?, &how, &bar)?
    };
    let mut handicaps: Vec<&str> = rows.iter().map(|r| r.handicap.as_str()).collect();
    handicaps.dedup();
    let mut sentences: Vec<String> = handicaps.iter().map(|handicap| fought(&rows, handicap)).collect();
    let off = |r: &measure::DuelRow| (r.predicted_ratio / r.executed_ratio - 1.0).abs();
    if let Some(worst) = rows.iter().max_by(|a, b| off(a).total_cmp(&off(b))) {
        let close = rows.iter().filter(|r| off(r) <= 0.1).count();
        let (many, worst, rung) = (rows.len(), 100.0 * off(worst), &worst.rung);
        sentences.push(format!(
            "{close} of {many} predicted ratios are within 10 % of the executed ones; the worst is {worst:.0} % off ({rung})."
        ));
    }
    let sentence = sentences.join(" ");
    output.write(&context::finished("duel", context::here(), sentence, Vec::new(), &rows)?)
}

/// Which debt of the full adapter lets the handicapped one win.
fn fought(rows: &[measure::DuelRow], handicap: &str) -> String {
    let wins = rows.iter().filter(|r| r.handicap == handicap && r.executed_ratio > 1.0);
    match wins.min_by(|a, b| a.debt.total_cmp(&b.debt)) {
        Some(row) => format!(
            "With {handicap} as its handicap, the adapter with its best kernel should beat the full one from a debt of {:.2} on; executed, it does against a debt of {:.2} ({}).",
            row.breakeven_debt, row.debt, row.rung
        ),
        None => {
            format!("With {handicap} as its handicap, the adapter loses to the full one whatever kernel that runs.")
        }
    }
}

/// `verify`: every kernel variant against its CPU twin.
pub fn verify(args: &Verify, options: &Options, output: &Output) -> Result<(), Failure> {
    let stop = interruptible()?;
    let how = VerifyOptions {
        adapter: selector(&args.measure),
        budget: budget(args.budget)?,
        seed: options.seed,
        runtime_checks: false,
        stop: Arc::clone(&stop),
    };
    let Several { results: rows, failures } = {
        let bar = Bar::new(options.quiet);
        measure::verify(&program()?, &how, &bar)?
    };
    let notes = failures.iter().map(ToString::to_string).collect();
    let count = |result: &str| rows.iter().filter(|r| r.result == result).count();
    let left_out = match count("left out") {
        0 => String::new(),
        many => format!(" The budget left {many} out: give a longer --budget."),
    };
    let sentence = format!(
        "{} of {} variants agree with their CPU twins; {} are not available here, {} are wrong, {} failed to run.{left_out}",
        count("verified"),
        rows.len(),
        count("unavailable"),
        count("wrong"),
        count("failed")
    );
    output.write(&context::finished("verify", context::here(), sentence.clone(), notes, &rows)?)?;
    if stop.load(Ordering::Relaxed) {
        return Err(Failure::Interrupted);
    }
    if count("wrong") + count("failed") + count("left out") + failures.len() > 0 || count("verified") == 0 {
        return Err(Failure::Unverified(sentence));
    }
    Ok(())
}

/// The measuring process.
pub fn worker() -> ExitCode {
    measure::worker_main()
}
