//! A closed loop in its steady state: how the devices' time divides between prompts and answers.
//!
//! Work is conserved: in one round B requests need B prefills s and O decode steps tau, so a request stays
//! E2E = B s + O tau. The split follows: TTFT = first token's own prefill plus a share of the others', TPOT is the
//! rest over the remaining tokens. Decode runs at the mean batch B TPOT O / E2E, found by iteration.

use super::Compiled;
use super::op::Step;
use crate::setup::{Engine, Load};

/// What one instance does under a load.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Loop {
    /// Requests an instance is given.
    pub offered: f64,
    /// Requests it holds at a time.
    pub admitted: f64,
    /// Mean sequences that decode in a step.
    pub running: f64,
    /// More requests are offered than fit.
    pub saturated: bool,
    /// Mean time to the first token, s; absent past saturation, where it is the queue's and has no bound.
    pub ttft: Option<f64>,
    /// Mean time per further token, s.
    pub tpot: f64,
    /// Requests per second.
    pub requests_per_s: f64,
    /// Device time of one request's prompt, s.
    pub prompt_s: f64,
    /// Device time of one request's answer, s: its share of the decode steps.
    pub answer_s: f64,
    /// Time of one decode step, s.
    pub step_s: f64,
    /// The decode step at the mean batch.
    pub step: Step,
}

/// Iterations after which the mean batch has settled to less than a per mille.
const ITERATIONS: usize = 12;

/// Steady state of one instance under its share of a load.
pub fn closed_loop(compiled: &Compiled, load: &Load) -> Loop {
    let setup = &compiled.setup;
    let engine = &compiled.engine;
    let offered = load.concurrency as f64 / setup.layout.replicas as f64;
    let limit = setup.limits.max_sequences.map_or(f64::INFINITY, |m| (m * setup.layout.dp) as f64);
    let admits = compiled.memory.admits(load.input_tokens, load.output_tokens);
    let capacity = if setup.hardware.memory_known { admits } else { f64::INFINITY }.min(limit);
    let admitted = offered.min(capacity).max(offered.min(1.0));
    let context = load.input_tokens + load.output_tokens / 2.0;
    let further = (load.output_tokens - 1.0).max(1.0);

    let mut running = admitted.min(1.0).max(admitted * 0.9);
    let mut result = (0.0, 0.0, 0.0, 0.0);
    for _ in 0..ITERATIONS {
        let step_s = compiled.decode_step(running, context);
        let prompt = Prompt::of(compiled, load, admitted, &compiled.decoding(running, context), step_s);
        let prompt_s = prompt.added_s;
        let token_s = step_s / compiled.accepted();
        let total = admitted * prompt_s + load.output_tokens * token_s;
        let waits = engine.wait_share * (admitted - 1.0).max(0.0) / 2.0 * prompt_s;
        let ttft = engine.first_s + engine.first_scale * prompt.own_s + waits;
        let tpot = ((total - ttft.min(0.9 * total)) / further).max(token_s);
        result = (ttft, tpot, step_s, prompt_s);
        let next = (admitted * load.output_tokens * tpot / (ttft + load.output_tokens * tpot)).max(admitted.min(1.0));
        let settled = (next / running - 1.0).abs() < 1e-3;
        running = 0.5 * (running + next);
        if settled {
            break;
        }
    }
    let (mut ttft, mut tpot, mut step_s, mut prompt_s) = result;
    if let Some(measured) = &compiled.correction {
        (ttft, tpot) = (ttft * measured.ttft, tpot * measured.tpot);
        (step_s, prompt_s) = (step_s * measured.tpot, prompt_s * measured.tpot);
    }
    let saturated = offered > capacity * 1.001;
    Loop {
        offered,
        admitted,
        running,
        saturated,
        ttft: (!saturated).then_some(ttft),
        tpot,
        requests_per_s: admitted / (ttft + further * tpot),
        prompt_s,
        answer_s: load.output_tokens * step_s / compiled.accepted() / running,
        step_s,
        step: compiled.decoding(running, context),
    }
}

/// The prompt of one request, cut into chunks, with those that share its steps.
struct Prompt {
    /// What it takes from the engine: what its chunks add to the decode steps they ride on, s.
    added_s: f64,
    /// Time from its first chunk to its first token, s.
    own_s: f64,
}

impl Prompt {
    fn of(compiled: &Compiled, load: &Load, admitted: f64, decoding: &Step, step_s: f64) -> Self {
        let budget = compiled.setup.limits.batch_tokens as f64;
        let fresh = (load.input_tokens * (1.0 - load.prefix_hit)).max(1.0);
        let reused = load.input_tokens - fresh;
        let chunks = (fresh / budget).max(1.0);
        let chunk = fresh.min(budget);
        // Every chunk sees what came before it: on average half of the rest of the prompt.
        let past = reused + (fresh - chunk).max(0.0) / 2.0;
        // As many prompts share a step as arrive during one and fit its budget; every data-parallel rank reads its own.
        let arriving = (decoding.decode / load.output_tokens).clamp(1.0, (budget / fresh).max(1.0));
        let together = (arriving * compiled.machine.dp).min(admitted).max(1.0);
        let alone = Step { prefill: chunk * together, past, prompts: together, ..Step::default() };
        let engine = &compiled.engine;
        // SGLang runs prompts in steps of their own; the others mix them into decode steps.
        let (added, each) = if compiled.setup.engine == Engine::Sglang {
            let each = compiled.step(&alone) + engine.step_s + compiled.eager();
            (each, each)
        } else {
            let Step { decode, context, drafts, .. } = *decoding;
            let mixed = Step { decode, context, drafts, ..alone };
            let each = compiled.step(&mixed) + compiled.host(decode) + compiled.eager();
            ((each - step_s).max(0.0), each.max(step_s))
        };
        let fixed = engine.request_s + engine.request_token_s * fresh;
        Self { added_s: added * chunks / (compiled.pipeline() * together) + fixed, own_s: each * chunks + fixed }
    }
}
