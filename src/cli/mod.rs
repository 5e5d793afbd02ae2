//! Arguments, progress, exit codes: the only room that prints, and the only one that sees all others.

mod adapters;
mod answers;
mod args;
mod calibrate;
mod context;
mod evidence;
mod failure;
mod from;
mod isa;
mod local;
mod measuring;
mod options;
mod output;
mod progress;
mod ready;
mod reports;
mod require;
mod scenarios;
mod shapes;
mod show;
mod simulate;
mod step;
mod sweep;

use crate::catalog::Catalog;
use args::{Cli, Command};
use clap::{CommandFactory, Parser};
use failure::Failure;
use options::Options;
use output::Output;
use std::process::ExitCode;

/// Runs the program: exit 0 for an answer, 1 for an operational failure, 2 for invalid input, 3 for an unmet
/// `--require`, 4 for a failed verification, 130 when interrupted.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Command::Worker(_) = &cli.command {
        return local::worker();
    }
    let options = Options::from(&cli.common);
    let color = output::color_of_errors(&options);
    match run(&cli, &options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(color),
    }
}

fn run(cli: &Cli, options: &Options) -> Result<(), Failure> {
    let output = Output::new(options, matches!(cli.command, Command::Calibrate(_) | Command::Scenario(_)))?;
    let catalog = match &cli.common.catalog {
        Some(folder) => Catalog::with_overlay(folder)?,
        None => Catalog::embedded(),
    };
    match &cli.command {
        Command::Compare(args) => scenarios::compare(args, options, &catalog, &output),
        Command::Explain(args) => answers::explain(args, options, &catalog, &output),
        Command::Breakeven(args) => answers::breakeven(args, options, &catalog, &output),
        Command::Sweep(args) => sweep::sweep(args, options, &catalog, &output),
        Command::Scenario(command) => from::scenario(command, options, &catalog),
        Command::Report(args) => reports::report(args, &output),
        Command::Simulate(args) => simulate::simulate(args, options, &catalog, &output),
        Command::Model(args) => show::model(args, &catalog, &output),
        Command::Catalog(args) => show::catalog(args, &catalog, &output),
        Command::Validate(args) => calibrate::validate(args, &catalog, &output),
        Command::Calibrate(args) => calibrate::calibrate(args, options, &catalog, &output),
        Command::Schema(args) => show::schema(args.of),
        Command::Devices => local::devices(&output),
        Command::Bench(args) => local::bench(args, options, &catalog, &output),
        Command::CompareAdapters(args) => adapters::compare_adapters(args, &output),
        Command::Duel(args) => local::duel(args, options, &output),
        Command::Isa(args) => isa::isa(args, &output),
        Command::Verify(args) => local::verify(args, options, &output),
        // Handled before anything is set up: its standard output is a protocol.
        Command::Worker(_) => Ok(()),
        Command::Completions(args) => {
            let mut script = Vec::new();
            clap_complete::generate(args.shell, &mut Cli::command(), "underdog", &mut script);
            output::print(&String::from_utf8_lossy(&script))
        }
        Command::Man => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut page).map_err(anyhow::Error::from)?;
            output::print(&String::from_utf8_lossy(&page))
        }
    }
}
