//! One prompt on an engine: what it takes from the engine, and how long it takes itself.
//!
//! A prompt is read in chunks of what a step has room for. Each chunk rides on a step of the sequences that decode, or
//! has one of its own; those that come during one step share the next.

use super::compiled::Compiled;
use super::step::{Step, Whole};
use crate::setup::{Engine, Load};
use crate::units::Seconds;

/// The prompt of one request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prompt {
    /// Engine time it takes: what its chunks add to the steps they ride on, shared by those that come together.
    pub added: Seconds,
    /// From its first chunk to its first token.
    pub own: Seconds,
    /// A step with one of its chunks.
    pub step: Seconds,
}

/// A prompt in chunks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Chunks {
    /// Tokens computed of the prompt.
    pub fresh: f64,
    /// Tokens of one chunk.
    pub tokens: f64,
    /// Chunks; the last one may be a part.
    pub count: f64,
    /// Tokens before a chunk, on average: what was found in the cache, and half of the chunks.
    pub past: f64,
}

impl Chunks {
    /// Of a load's prompts, beside `decoding` tokens that decode on each rank.
    pub fn of(compiled: &Compiled, load: &Load, decoding: f64) -> Self {
        let room = (compiled.setup.limits.batch_tokens as f64 - decoding).max(1.0);
        // The last token of a prompt is always computed: the first one of the answer follows from it.
        let fresh = (load.input_tokens * (1.0 - load.prefix_hit)).max(1.0);
        let tokens = fresh.min(room);
        Self { fresh, tokens, count: fresh / tokens, past: load.input_tokens - fresh + (fresh - tokens) / 2.0 }
    }
}

impl Prompt {
    /// Beside `running` sequences that decode, `base` being the step of those alone; `together` prompts of the
    /// instance are read at once.
    pub fn of(compiled: &Compiled, load: &Load, decoding: &Step, base: Seconds, together: f64) -> Self {
        let engine = &compiled.engine;
        // SGLang runs prompts in steps of their own; the others mix them into decode steps.
        let beside = if compiled.setup.engine == Engine::Sglang { Whole(0.0) } else { decoding.decode };
        let chunks = Chunks::of(compiled, load, beside.0 * (1.0 + decoding.drafts.0) / compiled.machine.dp);
        let alone = Step::of_prompts(together, chunks.tokens, chunks.past);
        let Step { context, drafts, .. } = *decoding;
        let mixed = Step { decode: beside, context, drafts, ..alone };
        let step = compiled.step(&mixed) + compiled.host(beside.0) + compiled.eager();
        let base = if beside.0 > 0.0 { base } else { Seconds::ZERO };
        let added = (step - base).max(Seconds::ZERO);
        let fixed = Seconds::new(engine.request_s + engine.request_token_s * chunks.fresh);
        let stages = compiled.pipeline();
        // The next chunk follows when the first stage is free; the last one has to pass all of them.
        let passes = chunks.count / stages + 1.0 - 1.0 / stages;
        Self {
            added: added * (chunks.count / (stages * together)) + fixed,
            own: added * passes + base * chunks.count + fixed,
            step,
        }
    }

    /// Most prompts that one step of an instance has room for.
    pub fn most_together(compiled: &Compiled, load: &Load) -> f64 {
        let chunks = Chunks::of(compiled, load, 0.0);
        let room = (compiled.setup.limits.batch_tokens as f64 / chunks.fresh).max(1.0) * compiled.machine.dp;
        room.min(compiled.most_sequences())
    }
}
