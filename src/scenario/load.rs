//! What is to be served: lengths, users at a time, requests a day, and where the fewest devices for it are asked for.

use super::Source;
use super::draft::{ContenderDraft, Devices, Draft, Tokens, WorkloadDraft};
use super::plan::{Fewest, Workload};
use crate::diagnostic::Diagnostic;

/// Concurrencies of a scenario that names none: from one user to what a large batch needs.
const DEFAULT_CONCURRENCY: [u64; 10] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];

/// What the users do.
///
/// # Errors
/// Names what a closed loop needs and is missing, or a load that has no cost per token.
pub fn workload(source: &Source, draft: &Draft) -> Result<Workload, Diagnostic> {
    let typed = &draft.workload;
    let tokens = |value: Option<Tokens>, key: &str| {
        // A trace has the lengths of its requests.
        value.map(|t| t.0).or(typed.trace.as_ref().map(|_| 1)).ok_or_else(|| {
            source
                .error_at("workload", format!("the workload has no {key}"))
                .hint(format!("a closed loop needs it: {key} = 1000"))
        })
    };
    Ok(Workload {
        input_tokens: tokens(typed.input_tokens, "input_tokens")?,
        output_tokens: tokens(typed.output_tokens, "output_tokens")?,
        concurrency: typed.concurrency.as_ref().map_or(DEFAULT_CONCURRENCY.to_vec(), |axis| axis.0.clone()),
        concurrency_given: typed.concurrency.is_some(),
        rate: rate(source, typed)?,
        prefix_hit: typed.prefix_hit.map_or(0.0, |f| f.get()),
        reasoning: reasoning(source, typed)?,
    })
}

fn rate(source: &Source, typed: &WorkloadDraft) -> Result<Option<f64>, Diagnostic> {
    match typed.rate.map(|r| r.get()) {
        Some(0.0) => {
            let hint = "write how many requests come, such as rate = \"20000 /day\"";
            Err(source.error_at("workload.rate", "a load of no requests has no cost per token").hint(hint))
        }
        rate => Ok(rate),
    }
}

fn reasoning(source: &Source, typed: &WorkloadDraft) -> Result<f64, Diagnostic> {
    match typed.reasoning.map_or(0.0, |f| f.get()) {
        1.0 => Err(source
            .error_at("workload.reasoning", "an answer that is all reasoning shows nothing")
            .hint("write the share of output_tokens that is reasoning, below 1")),
        share => Ok(share),
    }
}

/// Whether the fewest devices are to be found, and in which layouts.
///
/// # Errors
/// When there is not one load that they are to serve, or pools have counts of their own.
pub fn fewest(
    source: &Source,
    load: &WorkloadDraft,
    typed: &ContenderDraft,
    at: &str,
) -> Result<Option<Fewest>, Diagnostic> {
    if typed.count != Some(Devices::Auto) {
        return Ok(None);
    }
    let refuse = |why: &str, hint: &str| Err(source.error_at(&format!("{at}.count"), why).hint(hint));
    if typed.prefill.is_some() || typed.decode.is_some() {
        return refuse("the pools have counts of their own", "leave out count");
    }
    if load.rate.is_none() && load.concurrency.as_ref().is_none_or(|axis| axis.0.len() != 1) {
        let hint = "write concurrency = 200, the users at a time, or rate = \"20000 /day\"";
        return refuse("the fewest devices serve a load, and there is not one", hint);
    }
    Ok(Some(if typed.parallel.is_some() { Fewest::Instances } else { Fewest::Layouts }))
}
