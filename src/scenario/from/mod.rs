//! From a server's command line to a scenario: which model, on how many devices, configured how.
//!
//! Every flag is accounted for: a field of the scenario has it, no cost depends on it, no field says it, or it is
//! unknown. What a scenario needs and a command line never says, such as the device and the load, is a placeholder that is
//! named as one.

mod assumed;
mod command;
mod flags;
mod layout;
mod llama;
mod model;
mod problem;
mod serving;
mod sglang;
mod text;
mod told;
mod trtllm;
mod vllm;

use crate::catalog::Catalog;
use crate::diagnostic::Diagnostic;
use crate::setup::Engine;
use command::{Command, Server};
use flags::{Field, Group, Read, Says};
use model::Served;
use problem::Problem;
pub use serving::Meant;
use serving::Serving;
pub use told::{Given, Told, Translation};

/// Writes the scenario of a server's command line, `text`, which is split as a shell splits it.
///
/// # Errors
/// When it starts no known server, or a value is not one that the server accepts.
pub fn translate(text: &str, given: &Given, catalog: &Catalog) -> Result<Translation, Diagnostic> {
    let translated = || {
        let command = command::find(&command::split(text)?)?;
        scenario(text, &command, given, catalog)
    };
    translated().map_err(|problem| problem.within(text))
}

fn table(server: Server) -> (&'static [Group], Engine) {
    match server {
        Server::Vllm => (vllm::FLAGS, Engine::Vllm),
        Server::Sglang => (sglang::FLAGS, Engine::Sglang),
        Server::Trtllm => (trtllm::FLAGS, Engine::Trtllm),
        Server::Llama | Server::LlamaCli => (llama::FLAGS, Engine::LlamaCpp),
    }
}

fn scenario(text: &str, command: &Command, given: &Given, catalog: &Catalog) -> Result<Translation, Problem> {
    let server = command.server;
    let (table, engine) = table(server);
    let read = flags::read(table, &command.flags)?;
    let (id, words) = model_of(&read)?;
    let served = Served::of(&id, catalog)?;
    let mut serving = Serving::default();
    let mut told = Translation::default();
    around(&mut told, command);
    for (field, flag) in &read.fields {
        let meant = serving.take(server, *field, flag, &served)?;
        told.flags.push(Told { typed: flag.typed.clone(), meant: Some(meant) });
    }
    listed(&mut told, &read, words);
    let layout = layout::layout(server, &serving, served.has_experts(), given.count)?;
    // SGLang's bound is over all data-parallel ranks, a scenario's for one of them.
    if server == Server::Sglang {
        serving.max_sequences = serving.max_sequences.map(|n| (n / layout.dp).max(1));
        serving.batch_tokens = serving.batch_tokens.or(serving.prompt_tokens.filter(|_| uncut(&read)));
    }
    let unsaid = &mut told.placeholders;
    assumed::one_cache(&mut serving, unsaid);
    let workload = assumed::workload(&serving, server, given, unsaid)?;
    let draft = assumed::draft(server, &serving, given, unsaid);
    let device = assumed::device(engine, given, unsaid);
    let weights = assumed::weights(&read, &served, &serving, unsaid);
    assumed::cache(server, &serving, weights.as_deref(), unsaid);
    if let Some(how) = &served.unknown {
        unsaid.push(format!("model.config = \"{}\" is {how}", served.config));
    }
    let alone = (server == Server::LlamaCli).then_some("1");
    let parts = text::Parts {
        command: text,
        engine,
        serving: &serving,
        layout,
        config: &served.config,
        id: &served.id,
        weights: weights.as_deref(),
        workload,
        concurrency: given.concurrency.as_deref().or(alone),
        device: &device,
        draft,
    };
    told.scenario = text::write(&parts, &told);
    Ok(told)
}

/// Flags that are no fields, and words that are neither.
fn listed(told: &mut Translation, read: &Read, words: Vec<String>) {
    for (says, flag) in &read.others {
        let meant = says.map(|says| match says {
            Says::NoField(why) => Meant::NoField(why.to_owned()),
            Says::NoCost(why) => Meant::NoCost(why.to_owned()),
            // Fields are not among the others.
            Says::Field(_) => Meant::Used(String::new()),
        });
        told.flags.push(Told { typed: flag.typed.clone(), meant });
    }
    told.flags.extend(words.into_iter().map(|word| Told { typed: word, meant: None }));
}

/// The id of the model, and the words that are neither it nor of a flag.
fn model_of(read: &Read) -> Result<(String, Vec<String>), Problem> {
    let of =
        |wanted: Field| read.fields.iter().rev().find(|(f, _)| *f == wanted).and_then(|(_, flag)| flag.value.clone());
    // A file of a repository tells more than the repository does.
    let flagged = match (of(Field::Repository), of(Field::Model)) {
        (Some(repository), Some(file)) => Some(format!("{repository}/{file}")),
        (repository, file) => repository.or(file),
    };
    let mut words = read.words.clone();
    match flagged {
        Some(id) => Ok((id, words)),
        None if words.is_empty() => {
            Err(Problem::new("the command line names no model", "write its id behind the server's name"))
        }
        None => Ok((words.remove(0), words)),
    }
}

/// What stands around the server and its flags.
fn around(told: &mut Translation, command: &Command) {
    let mut push = |typed: String, why: &str| {
        told.flags.push(Told { typed, meant: Some(Meant::NoField(why.to_owned())) });
    };
    for assignment in &command.environment {
        let name = assignment.split('=').next().unwrap_or_default();
        let why = if name.ends_with("_VISIBLE_DEVICES") {
            "which devices; how many says --count"
        } else if name.starts_with("LLAMA_ARG_") {
            "a flag in the environment, which is not read: give it as a flag"
        } else {
            "an environment variable, which is not read: the engine's defaults are assumed"
        };
        push(assignment.clone(), why);
    }
    if !command.front.is_empty() {
        push(command.front.join(" "), "what starts the server is not read");
    }
    if !command.rest.is_empty() {
        push(command.rest.join(" "), "what follows the server is not read");
    }
}

/// SGLang was told not to cut prompts.
fn uncut(read: &Read) -> bool {
    read.fields.iter().any(|(field, flag)| *field == Field::BatchTokens && flag.value.as_deref() == Some("-1"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_flag_means_two_things() {
        for server in [Server::Vllm, Server::Sglang, Server::Trtllm, Server::Llama] {
            let mut seen = BTreeSet::new();
            for name in table(server).0.iter().flat_map(|group| group.names.split(' ')) {
                assert!(name.starts_with('-') && seen.insert(name), "{server:?}: {name}");
            }
        }
    }
}
