//! Commands that measure this machine. The measuring itself happens in a worker process of the same program.

use super::args::{Bench, Cli, Duel, Measure, Verify};
use super::failure::Failure;
use super::output::Output;
use super::progress::Bar;
use super::{adapters, context};
use crate::catalog::Catalog;
use crate::device::Profile;
use crate::measure::{self, BenchOptions, MeasureError, Selector, Several, VerifyOptions};
use crate::model::ModelSpec;
use crate::units::Seconds;
use anyhow::Context as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

impl From<MeasureError> for Failure {
    fn from(error: MeasureError) -> Self {
        match error {
            MeasureError::NoAdapter { .. } | MeasureError::Unsupported { .. } => Self::Usage(error.to_string()),
            MeasureError::Interrupted => Self::Interrupted,
            other => Self::Operational(other.into()),
        }
    }
}

pub fn program() -> Result<PathBuf, Failure> {
    Ok(std::env::current_exe().context("the program's own file cannot be found")?)
}

fn selector(measure: &Measure) -> Selector {
    let text = measure.adapter.as_deref().unwrap_or_default();
    // Reading a selector cannot fail: what is no index and no keyword is part of a name.
    text.parse().unwrap_or_default()
}

fn budget(seconds: f64) -> Result<Seconds, Failure> {
    if seconds.is_finite() && (1.0..=86_400.0).contains(&seconds) {
        Ok(Seconds::new(seconds))
    } else {
        Err(Failure::Usage(format!("--budget {seconds} is out of range: give 1 to 86400 seconds")))
    }
}

/// A flag that Ctrl-C raises; what was measured until then is kept.
pub fn interruptible() -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    let raised = Arc::clone(&stop);
    let handler = move || {
        if raised.swap(true, Ordering::Relaxed) {
            std::process::exit(130); // asked twice: not even the case under way is waited for
        }
    };
    ctrlc::set_handler(handler).context("Ctrl-C cannot be caught")?;
    Ok(stop)
}

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
pub fn bench(args: &Bench, cli: &Cli, catalog: &Catalog, output: &Output) -> Result<(), Failure> {
    let load =
        |name: &Option<String>| name.as_deref().map(|name| ModelSpec::load(catalog, name, Path::new(""))).transpose();
    let (model, shapes) = (load(&args.step)?, load(&args.shapes)?);
    let stop = interruptible()?;
    let options = BenchOptions {
        adapter: selector(&args.measure),
        budget: budget(args.budget)?,
        seed: cli.common.seed,
        thorough: args.thorough,
        stop: Arc::clone(&stop),
        ..BenchOptions::default()
    };
    if let Some(model) = model {
        return super::step::step(&model, args, options, cli, catalog, output);
    }
    if let Some(model) = shapes {
        return super::shapes::shapes(&model, args, options, cli, output);
    }
    let measured = {
        let bar = Bar::new(cli.common.quiet);
        measure::bench(&program()?, &options, &bar)?
    };
    output.write(&adapters::measured(&measured, catalog, cli.common.seed)?)?;
    if stop.load(Ordering::Relaxed) { Err(Failure::Interrupted) } else { Ok(()) }
}

/// `duel`: this adapter handicapped and with its best kernel, against the full one with lesser kernels.
pub fn duel(args: &Duel, cli: &Cli, output: &Output) -> Result<(), Failure> {
    let options = BenchOptions { adapter: selector(&args.measure), seed: cli.common.seed, ..BenchOptions::default() };
    let rows = {
        let bar = Bar::new(cli.common.quiet);
        measure::duel(&program()?, &options, &bar)?
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
pub fn verify(args: &Verify, cli: &Cli, output: &Output) -> Result<(), Failure> {
    let stop = interruptible()?;
    let options = VerifyOptions {
        adapter: selector(&args.measure),
        seed: cli.common.seed,
        runtime_checks: false,
        stop: Arc::clone(&stop),
    };
    let Several { results: rows, failures } = {
        let bar = Bar::new(cli.common.quiet);
        measure::verify(&program()?, &options, &bar)?
    };
    let notes = failures.iter().map(ToString::to_string).collect();
    let count = |result: &str| rows.iter().filter(|r| r.result == result).count();
    let sentence = format!(
        "{} of {} variants agree with their CPU twins; {} are not available here, {} are wrong, {} failed to run.",
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
    if count("wrong") + count("failed") + failures.len() > 0 || count("verified") == 0 {
        return Err(Failure::Unverified(sentence));
    }
    Ok(())
}

/// The profile of this machine: from the store, or measured now.
pub fn profile(args: &Measure, seconds: f64, cli: &Cli) -> Result<Profile, Failure> {
    let bar = Bar::new(cli.common.quiet);
    Ok(measure::local(&program()?, &selector(args), budget(seconds)?, &bar)?)
}

/// The measuring process.
pub fn worker() -> ExitCode {
    measure::worker_main()
}
