//! What a scenario needs and a command line does not say: each is a placeholder, and named as one.

use super::command::Server;
use super::flags::{Field, Read};
use super::model::Served;
use super::problem::Problem;
use super::serving::Serving;
use super::told::Given;
use crate::setup::Engine;

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

/// Tokens of a prompt and of an answer, within what the server takes.
pub fn workload(
    serving: &Serving,
    server: Server,
    given: &Given,
    unsaid: &mut Vec<String>,
) -> Result<[u64; 2], Problem> {
    // llama-server's slots share its context.
    let slots = if server == Server::Llama { serving.max_sequences.unwrap_or(1) } else { 1 };
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
            unsaid.push(format!("workload.{key}: how long the users' texts are; give {flag} TOKENS"));
        }
    }
    Ok(chosen)
}

/// Tokens guessed a step, and how many of them are accepted.
pub fn draft(server: Server, serving: &Serving, given: &Given, unsaid: &mut Vec<String>) -> Option<(u64, f64)> {
    if serving.method.is_none() && !serving.draft_model && serving.guesses.is_none() {
        return None;
    }
    // A step of SGLang checks the last certain token beside the guesses.
    let guessed = match server {
        Server::Sglang => serving.depth.or_else(|| serving.guesses.map(|n| n.saturating_sub(1).max(1))),
        _ => serving.guesses,
    };
    let tokens = guessed.unwrap_or_else(|| {
        unsaid.push("draft.tokens = 3: how many tokens a step guesses is the engine's choice".to_owned());
        3
    });
    let acceptance = given.acceptance.unwrap_or_else(|| {
        let method = serving.method.as_deref().unwrap_or_default().to_lowercase();
        let own = ["mtp", "nextn"].iter().any(|name| method.contains(name)) && tokens == 1;
        let share = if own { OWN_MODULE } else { DRAFT_MODEL };
        let hint = "give --acceptance SHARE as the server logs it";
        unsaid.push(format!("draft.acceptance = {share}: how many guesses are accepted; {hint}"));
        share
    });
    Some((tokens, acceptance))
}

/// The format of a repository of GGUF files of which the command names none: llama.cpp takes Q4_K_M, and the first file
/// where there is no such one, as of models that are published in 4 bits (`tools/server/README.md`, `--hf-repo`).
fn of_repository(read: &Read, served: &Served, unsaid: &mut Vec<String>) -> Option<String> {
    let given = |wanted: Field| read.fields.iter().any(|(field, _)| *field == wanted);
    let wide = served.spec.as_ref().is_none_or(|spec| spec.main_format().bits() >= 16.0);
    (given(Field::Repository) && !given(Field::Model) && wide).then(|| {
        let what = "what llama.cpp takes of a repository where the command names no file";
        unsaid.push(format!("model.precision = \"q4_k_m\": {what}"));
        "q4_k_m".to_owned()
    })
}

/// A scenario has one format for keys and values.
pub fn one_cache(serving: &mut Serving, unsaid: &mut Vec<String>) {
    let plain = || "f16".to_owned();
    if serving.cached_values.is_none() {
        return;
    }
    let keys = serving.cache.clone().unwrap_or_else(plain);
    let values = serving.cached_values.clone().unwrap_or_else(plain);
    if keys != values {
        unsaid.push(format!("kv_cache = \"{keys}\" is that of the keys; values are in {values}"));
    }
    serving.cache = Some(keys);
}

/// The device that the user names, or a placeholder.
pub fn device(engine: Engine, given: &Given, unsaid: &mut Vec<String>) -> String {
    given.device.clone().unwrap_or_else(|| {
        let name = if engine == Engine::LlamaCpp { DESK_DEVICE } else { SERVER_DEVICE };
        unsaid.push(format!("device = \"{name}\"; give --device NAME (`underdog catalog devices` lists them)"));
        name.to_owned()
    })
}

/// The format of the weights: of the flags, else of the name, else what llama.cpp takes of a repository.
pub fn weights(read: &Read, served: &Served, serving: &Serving, unsaid: &mut Vec<String>) -> Option<String> {
    let told = serving.weights.clone().or_else(|| served.format.clone());
    told.or_else(|| of_repository(read, served, unsaid))
}

/// Says where the format of a cache stands that TensorRT-LLM takes from the checkpoint.
pub fn cache(server: Server, serving: &Serving, weights: Option<&str>, unsaid: &mut Vec<String>) {
    if server == Server::Trtllm && serving.cache.is_none() && matches!(weights, Some("fp8" | "fp4")) {
        let where_told = "hf_quant_config.json of the checkpoint says; with kv_cache_quant_algo FP8 it is fp8";
        unsaid.push(format!("model.kv_cache is 16 bit here: {where_told}"));
    }
}
