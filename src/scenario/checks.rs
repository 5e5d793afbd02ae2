//! What a contender's single values must be beside their types: a price's date, an engine's limits, a PUE, a context.

use super::draft::{ContenderDraft, Draft, LimitsDraft, Tokens};
use super::money::Currency;
use super::{Source, date};
use crate::diagnostic::Diagnostic;
use crate::model::ModelSpec;
use crate::setup::{Backend, Engine, Hardware, Limits};

/// Tokens of a block of the KV cache: no batching engine computes in smaller steps (vLLM's `block_size`).
const BLOCK: u64 = 16;

/// Tokens of a micro-batch of llama.cpp (`n_ubatch`).
const MICRO_BATCH: u64 = 512;

/// Share of a device's memory that a server takes which reserves nothing: what its driver and its context leave. CUDA
/// shows llama.cpp 97,247 of the 98,304 MiB of an RTX PRO 6000 before a context of some 300 MiB (ggml-org/llama.cpp pull
/// request 23346).
const ONE_SERVER: f64 = 0.98;

/// The date of a contender's price.
pub fn price_date(source: &Source, typed: &ContenderDraft, at: &str) -> Result<Option<String>, Diagnostic> {
    let Some(date::Dated(text)) = &typed.price_date else { return Ok(None) };
    match date::refused(text, today()) {
        Some(why) => Err(source.error_at(&format!("{at}.price_date"), why).hint(date::ACCEPTED)),
        None => Ok(Some(text.clone())),
    }
}

/// The currency of the scenario, its rate of a day that exists.
pub fn currency(source: &Source, typed: Option<&Currency>) -> Result<Option<Currency>, Diagnostic> {
    match typed.and_then(|currency| date::refused(&currency.date.0, today())) {
        Some(why) => Err(source.error_at("currency.date", why).hint(date::ACCEPTED)),
        None => Ok(typed.cloned()),
    }
}

fn today() -> jiff::civil::Date {
    jiff::tz::Offset::UTC.to_datetime(jiff::Timestamp::now()).date()
}

/// The interface llama.cpp was built for, where it reaches every device.
pub fn backend(
    source: &Source,
    typed: &ContenderDraft,
    hardware: &Hardware,
    engine: Engine,
    at: &str,
) -> Result<Option<Backend>, Diagnostic> {
    let Some(backend) = typed.backend else { return Ok(None) };
    let field = format!("{at}.backend");
    if engine != Engine::LlamaCpp || hardware.measured.is_some() {
        let message = format!("{} has one way to its device", engine.name());
        return Err(source.error_at(&field, message).hint("backends are llama.cpp's; leave it out"));
    }
    let cards = hardware.others.iter().filter(|h| !h.host).map(|h| &h.hardware.sheet);
    match std::iter::once(&hardware.sheet).chain(cards).find(|sheet| !backend.reaches(sheet)) {
        Some(sheet) => {
            let message = format!("{} does not reach {}", backend.name(), sheet.name);
            let usual = format!("its usual backend is {}", Backend::usual(sheet).name());
            Err(source.error_at(&field, message).hint(usual))
        }
        None => Ok(Some(backend)),
    }
}

/// Whether attention is one kernel.
pub fn flash_attention(source: &Source, typed: &ContenderDraft, engine: Engine, at: &str) -> Result<bool, Diagnostic> {
    match typed.flash_attention {
        Some(false) if engine != Engine::LlamaCpp => {
            let message = format!("{} has no attention without it", engine.name());
            Err(source.error_at(&format!("{at}.flash_attention"), message).hint("leave it out"))
        }
        given => Ok(given.unwrap_or(true)),
    }
}

/// Limits that an engine would start with.
pub fn limits(source: &Source, typed: LimitsDraft, engine: Engine, at: &str) -> Result<Limits, Diagnostic> {
    let default = if engine.single_user() {
        Limits { batch_tokens: MICRO_BATCH, memory_fraction: ONE_SERVER, ..Limits::default() }
    } else {
        Limits::default()
    };
    let max_sequences = typed.max_sequences.map(|c| c.0);
    // llama.cpp's micro-batches are independent of its slots.
    if let Some(tokens) = typed.batch_tokens.map(|c| c.0).filter(|_| !engine.single_user()) {
        let sequences = max_sequences.unwrap_or(1);
        let least = sequences.max(BLOCK);
        if tokens < least {
            let why = if sequences > BLOCK {
                format!(
                    "at least {least}: each of max_sequences = {sequences} running sequences takes one token a step"
                )
            } else {
                format!("at least {least}, one block of the cache")
            };
            let message = format!("{} takes no steps of at most {tokens} tokens", engine.name());
            return Err(source.error_at(&format!("{at}.limits.batch_tokens"), message).hint(why));
        }
    }
    Ok(Limits {
        max_sequences: max_sequences.or(default.max_sequences),
        batch_tokens: typed.batch_tokens.map_or(default.batch_tokens, |c| c.0),
        memory_fraction: typed.memory_fraction.map_or(default.memory_fraction, |f| f.get()),
        eager: typed.eager.unwrap_or(default.eager),
        ..default
    })
}

/// Facility power over device power; 1 where none is given.
pub fn pue(source: &Source, typed: &ContenderDraft, at: &str) -> Result<f64, Diagnostic> {
    let pue = typed.own.as_ref().and_then(|own| own.pue).map_or(1.0, |p| p.get());
    if pue >= 1.0 {
        return Ok(pue);
    }
    let message = format!("with a PUE of {pue} a facility would draw less power than its devices");
    let hint = "PUE is facility power over device power, at least 1";
    Err(source.error_at(&format!("{at}.own.pue"), message).hint(hint))
}

/// Prompt and answer stay within what the model was made for. A trace has lengths of its own.
pub fn context(source: &Source, draft: &Draft, model: &ModelSpec) -> Result<(), Diagnostic> {
    let typed = &draft.workload;
    let Some(most) = model.max_context.filter(|_| typed.trace.is_none()) else { return Ok(()) };
    let count = |t: Option<Tokens>| t.map_or(0, |t| t.0);
    let (input, output) = (count(typed.input_tokens), count(typed.output_tokens));
    if input + output <= most {
        return Ok(());
    }
    let key = if input >= output { "input_tokens" } else { "output_tokens" };
    let message =
        format!("{input} tokens of prompt and {output} of answer exceed the context of {}: {most} tokens", model.name);
    let hint = "shorten them; a model served with scaled positions needs a copy of its config.json with the larger max_position_embeddings";
    Err(source.error_at(&format!("workload.{key}"), message).hint(hint))
}
