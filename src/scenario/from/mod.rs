//! From a server's command line to a scenario: which model, on how many devices, configured how.
//!
//! Every flag is accounted for: a field of the scenario has it, no cost depends on it, no field says it, or it is
//! unknown. What a scenario needs and a command line never says, such as the device and the load, is a placeholder that is
//! named as one.

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

/// Prompts and answers of a load that nobody described.
const TOKENS: u64 = 1000;
/// A device that nobody named: the one most recipes are written for, and a desk's for llama.cpp.
const SERVER_DEVICE: &str = "h100-sxm-80gb";
const DESK_DEVICE: &str = "rtx-4090";
/// The share of the tokens after the next one that DeepSeek-V3's own module guesses right is 85 to 90 % (arXiv
/// 2412.19437, section 5.4.3).
const OWN_MODULE: f64 = 0.85;
/// EAGLE's draft model guesses 0.68 to 0.79 of the tokens right (arXiv 2401.15077, section 4.1).
const DRAFT_MODEL: f64 = 0.7;

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
        Server::LlamaServer | Server::LlamaCli => (llama::FLAGS, Engine::LlamaCpp),
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
    let layout = layout::layout(server, &serving, served.has_experts(), given.count)?;
    // SGLang's bound is over all data-parallel ranks, a scenario's for one of them.
    if server == Server::Sglang {
        serving.max_sequences = serving.max_sequences.map(|n| (n / layout.dp).max(1));
        serving.batch_tokens = serving.batch_tokens.or(serving.prompt_tokens.filter(|_| uncut(&read)));
    }
    one_cache(&mut serving, &mut told);
    let workload = workload(&serving, server, given, &mut told)?;
    let draft = draft(server, &serving, given, &mut told);
    let device = given.device.clone().unwrap_or_else(|| {
        let name = if engine == Engine::LlamaCpp { DESK_DEVICE } else { SERVER_DEVICE };
        told.placeholders
            .push(format!("device = \"{name}\"; give --device NAME (`underdog catalog devices` lists them)"));
        name.to_owned()
    });
    if let Some(how) = &served.unknown {
        told.placeholders.push(format!("model.config = \"{}\" is {how}", served.config));
    }
    let unsaid = || of_repository(&read, &served, &mut told);
    let weights = serving.weights.clone().or_else(|| served.format.clone()).or_else(unsaid);
    if server == Server::Trtllm && serving.cache.is_none() && matches!(weights.as_deref(), Some("fp8" | "fp4")) {
        let where_told = "hf_quant_config.json of the checkpoint says; with kv_cache_quant_algo FP8 it is fp8";
        told.placeholders.push(format!("model.kv_cache is 16 bit here: {where_told}"));
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

/// The id of the model, and the words that are neither it nor of a flag.
fn model_of(read: &Read) -> Result<(String, Vec<String>), Problem> {
    let of =
        |wanted: Field| read.fields.iter().rev().find(|(f, _)| *f == wanted).and_then(|(_, flag)| flag.value.clone());
    let flagged = of(Field::Repository).or_else(|| of(Field::Model));
    let mut words = read.words.clone();
    match flagged {
        Some(id) => Ok((id, words)),
        None if words.is_empty() => {
            Err(Problem::new("the command line names no model", "write its id behind the server's name"))
        }
        None => Ok((words.remove(0), words)),
    }
}

/// The format of a repository of GGUF files of which the command names none: llama.cpp takes Q4_K_M, and the first file
/// where there is no such one, as of models that are published in 4 bits (`tools/server/README.md`, `--hf-repo`).
fn of_repository(read: &Read, served: &Served, told: &mut Translation) -> Option<String> {
    let given = |wanted: Field| read.fields.iter().any(|(field, _)| *field == wanted);
    let wide = served.spec.as_ref().is_none_or(|spec| spec.main_format().bits() >= 16.0);
    (given(Field::Repository) && !given(Field::Model) && wide).then(|| {
        let what = "what llama.cpp takes of a repository where the command names no file";
        told.placeholders.push(format!("model.precision = \"q4_k_m\": {what}"));
        "q4_k_m".to_owned()
    })
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

/// A scenario has one format for keys and values.
fn one_cache(serving: &mut Serving, told: &mut Translation) {
    let plain = || "f16".to_owned();
    if serving.cached_values.is_none() {
        return;
    }
    let keys = serving.cache.clone().unwrap_or_else(plain);
    let values = serving.cached_values.clone().unwrap_or_else(plain);
    if keys != values {
        told.placeholders.push(format!("kv_cache = \"{keys}\" is that of the keys; values are in {values}"));
    }
    serving.cache = Some(keys);
}

/// Tokens of a prompt and of an answer, within what the server takes.
fn workload(serving: &Serving, server: Server, given: &Given, told: &mut Translation) -> Result<[u64; 2], Problem> {
    // llama-server's slots share its context.
    let slots = if server == Server::LlamaServer { serving.max_sequences.unwrap_or(1) } else { 1 };
    let most = serving.max_length.map(|tokens| tokens / slots);
    let output = given.output_tokens.or(serving.answer);
    let fitting = |other: Option<u64>| match (most, other) {
        (Some(most), Some(other)) => TOKENS.min(most.saturating_sub(other)).max(1),
        (Some(most), None) => TOKENS.min(most / 2).max(1),
        (None, _) => TOKENS,
    };
    let chosen =
        [given.input_tokens.unwrap_or_else(|| fitting(output)), output.unwrap_or_else(|| fitting(given.input_tokens))];
    if let Some(most) = most.filter(|most| chosen[0] + chosen[1] > *most) {
        let message = format!(
            "{} tokens of prompt and {} of answer exceed the {most} that the server takes",
            chosen[0], chosen[1]
        );
        return Err(Problem::new(message, "shorten --in or --out"));
    }
    for (key, flag, absent) in
        [("input_tokens", "--in", given.input_tokens.is_none()), ("output_tokens", "--out", output.is_none())]
    {
        if absent {
            told.placeholders.push(format!("workload.{key}: how long the users' texts are; give {flag} TOKENS"));
        }
    }
    Ok(chosen)
}

/// Tokens guessed a step, and how many of them are accepted.
fn draft(server: Server, serving: &Serving, given: &Given, told: &mut Translation) -> Option<(u64, f64)> {
    if serving.method.is_none() && !serving.draft_model && serving.guesses.is_none() {
        return None;
    }
    // A step of SGLang checks the last certain token beside the guesses.
    let guessed = match server {
        Server::Sglang => serving.depth.or_else(|| serving.guesses.map(|n| n.saturating_sub(1).max(1))),
        _ => serving.guesses,
    };
    let tokens = guessed.unwrap_or_else(|| {
        told.placeholders.push("draft.tokens = 3: how many tokens a step guesses is the engine's choice".to_owned());
        3
    });
    let acceptance = given.acceptance.unwrap_or_else(|| {
        let method = serving.method.as_deref().unwrap_or_default().to_lowercase();
        let own = ["mtp", "nextn"].iter().any(|name| method.contains(name)) && tokens == 1;
        let share = if own { OWN_MODULE } else { DRAFT_MODEL };
        let hint = "give --acceptance SHARE as the server logs it";
        told.placeholders.push(format!("draft.acceptance = {share}: how many guesses are accepted; {hint}"));
        share
    });
    Some((tokens, acceptance))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_flag_means_two_things() {
        for server in [Server::Vllm, Server::Sglang, Server::Trtllm, Server::LlamaServer] {
            let mut seen = BTreeSet::new();
            for name in table(server).0.iter().flat_map(|group| group.names.split(' ')) {
                assert!(name.starts_with('-') && seen.insert(name), "{server:?}: {name}");
            }
        }
    }
}
