//! `scenario from`: a server's command line as a scenario file.

use super::args::{From, ScenarioCommand};
use super::failure::{Failure, complain};
use super::options::Options;
use super::output;
use crate::catalog::Catalog;
use crate::scenario::from::{Given, Meant, Translation, translate};
use crate::scenario::{Local, Source, resolve};
use anyhow::Context as _;
use std::io::Read;
use std::path::PathBuf;

/// `scenario`.
pub fn scenario(command: &ScenarioCommand, options: &Options, catalog: &Catalog) -> Result<(), Failure> {
    let ScenarioCommand::From(args) = command;
    let text = text(args)?;
    let told = translate(&text, &given(args), catalog)?;
    let mut written = false;
    for path in &options.outputs {
        if path.extension().is_none_or(|e| e != "toml") {
            return Err(Failure::Usage(format!("-o {}: a scenario is a .toml file", path.display())));
        }
        output::save(path, &told.scenario)?;
        written = true;
    }
    if !options.quiet {
        tell(&told);
        refused(&told, catalog);
        options.outputs.iter().for_each(|path| complain(&format!("wrote {}", path.display())));
    }
    if written { Ok(()) } else { output::print(&told.scenario) }
}

/// The command line: one quoted word, words as the shell left them, or standard input.
fn text(args: &From) -> Result<String, Failure> {
    match args.command.as_slice() {
        [word] if word == "-" => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
            Ok(text)
        }
        [text] => Ok(text.clone()),
        words => shlex::try_join(words.iter().map(String::as_str))
            .map_err(|error| Failure::Usage(format!("the command line cannot be read: {error}"))),
    }
}

fn given(args: &From) -> Given {
    Given {
        device: args.device.clone(),
        count: args.count,
        input_tokens: args.input_tokens,
        output_tokens: args.output_tokens,
        concurrency: args.concurrency.clone(),
        acceptance: args.acceptance,
    }
}

/// What a reader has to know before using the scenario.
fn tell(told: &Translation) {
    let inert = |text: &str| text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
    for placeholder in &told.placeholders {
        complain(&format!("placeholder: {}", inert(placeholder)));
    }
    for flag in &told.flags {
        match &flag.meant {
            Some(Meant::NoField(why)) => complain(&format!("no field: {}: {}", inert(&flag.typed), inert(why))),
            None => complain(&format!("not known: {}", inert(&flag.typed))),
            Some(_) => {}
        }
    }
}

/// Says what `compare` would refuse, with the place in the scenario.
fn refused(told: &Translation, catalog: &Catalog) {
    let source = Source { file: "the scenario".to_owned(), text: told.scenario.clone(), folder: PathBuf::new() };
    let checked = source.draft().and_then(|draft| resolve(&source, &draft, catalog, Local::Pending));
    if let Err(why) = checked {
        complain(&format!("as it stands, `underdog compare` refuses it:\n{}", why.render(false)));
    }
}
