//! One prompt on an engine: what it takes from the engine, and how long it takes itself.
//!
//! A prompt is read in chunks of what a step has room for. Each chunk rides on a step of the sequences that decode, or
//! has one of its own; prompts that come together share it.

use super::compiled::Compiled;
use super::step::Step;
use crate::setup::Load;
use crate::units::Seconds;

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
    /// Prompt tokens that a step has room for on each rank.
    pub room: f64,
}

impl Chunks {
    /// Of a load's prompts, beside `decoding` tokens that decode on each rank.
    pub fn of(compiled: &Compiled, load: &Load, decoding: f64) -> Self {
        let room = (compiled.setup.limits.batch_tokens as f64 - decoding).max(1.0);
        // The last token of a prompt is always computed: the first one of the answer follows from it.
        let fresh = (load.input_tokens * (1.0 - load.prefix_hit)).max(1.0);
        let tokens = fresh.min(room);
        let past = load.input_tokens - fresh + (fresh - tokens) / 2.0;
        Self { fresh, tokens, count: fresh / tokens, past, room }
    }
}

/// The prompt of one request, `together` of which share a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prompt {
    /// Prompts that share its steps, itself included.
    pub together: f64,
    /// Engine time it takes: what its chunks add to the steps they ride on, shared by those that come together, and
    /// what a request costs once.
    pub added: Seconds,
    /// Of it, what a request costs once.
    pub once: Seconds,
    /// Its chunks in the first stage, steps of those that decode beside it included.
    pub own: Seconds,
    /// From there through the further stages, while the engine goes on.
    pub lag: Seconds,
    /// Its share of the steps it rides on: no round is shorter than those of all its prompts.
    pub steps: Seconds,
}

/// What decodes beside prompts.
#[derive(Debug, Clone, Copy, Default)]
pub struct Beside {
    /// The sequences that do.
    pub decoding: Step,
    /// Time of their step alone.
    pub base: Seconds,
    /// Steps in which one answer decodes.
    pub answer: f64,
    /// Share of the time in which anybody does, were there no prompts.
    pub always: f64,
    /// Share of the prompts that others are there for.
    pub others: f64,
}

impl Beside {
    /// Share of the prompts' steps that carry decoding sequences, where a prompt takes so many: where only one sequence
    /// decodes at a time, no more than its answer has.
    fn share(&self, steps: f64) -> f64 {
        let carrying = (self.answer / steps).min(1.0);
        (carrying + (1.0 - carrying) * self.always).min(self.others)
    }
}

/// Prompts of a load on an engine at a decoding batch.
#[derive(Debug, Clone, Copy)]
pub struct Prompts<'a> {
    compiled: &'a Compiled,
    beside: Beside,
    /// How each is cut.
    pub chunks: Chunks,
    /// So many that a step has room for.
    pub room: f64,
    /// Most in a step: no more than there are.
    pub most: f64,
}

impl<'a> Prompts<'a> {
    /// Beside sequences that decode; never more than `most` in a step.
    pub fn of(compiled: &'a Compiled, load: &Load, beside: Beside, most: f64) -> Self {
        let ranks = compiled.machine.dp;
        let Step { decode, drafts, .. } = beside.decoding;
        let chunks = Chunks::of(compiled, load, decode.0 * (1.0 + drafts.0) / ranks);
        let room = ((chunks.room / chunks.tokens).max(1.0) * ranks).min(compiled.most_sequences());
        Self { compiled, beside, chunks, room, most: room.min(most).max(1.0) }
    }

    /// Where so many share a step.
    pub fn at(&self, together: f64) -> Prompt {
        let (compiled, chunks, engine) = (self.compiled, &self.chunks, &self.compiled.engine);
        let share = self.beside.share(chunks.count / together);
        let added = self.added(together, chunks.past, share);
        let base = self.beside.base * share;
        let once = Seconds::new(engine.request_s + engine.request_token_s * chunks.fresh);
        let stages = compiled.pipeline();
        // The last chunk has all others before it.
        let last = if stages > 1.0 && chunks.count > 1.0 {
            self.added(together, chunks.past + (chunks.fresh - chunks.tokens) / 2.0, share)
        } else {
            added
        };
        Prompt {
            together,
            added: added * (chunks.count / (stages * together)) + once,
            once,
            own: (added / stages + base) * chunks.count + once,
            lag: last * (1.0 - 1.0 / stages),
            steps: (added / stages + base) * (chunks.count / together),
        }
    }

    /// What a chunk of each of `together` prompts, after so many tokens, adds to the step it rides on: a `share` of them
    /// carries decoding sequences.
    fn added(&self, together: f64, past: f64, share: f64) -> Seconds {
        let alone = Step::of_prompts(together, self.chunks.tokens, past);
        let mut added = Seconds::ZERO;
        if share > 0.0 {
            let Step { decode, context, drafts, .. } = self.beside.decoding;
            let mixed = self.step(&Step { decode, context, drafts, ..alone });
            added += (mixed - self.beside.base).max(Seconds::ZERO) * share;
        }
        if share < 1.0 {
            added += self.step(&alone) * (1.0 - share);
        }
        added
    }

    /// Time of a step with prompt tokens.
    fn step(&self, step: &Step) -> Seconds {
        self.compiled.step(step) + self.compiled.host(step.decode.0) + self.compiled.eager(step)
    }

    /// With as many in a step as come during one at random, at a rate in requests/s: of x on average, a step that has any
    /// has x / (1 - e^-x).
    pub fn coming(&self, rate: f64) -> Prompt {
        let mut prompt = self.at(1.0);
        for _ in 0..ROUNDS {
            let x = rate * (prompt.steps + prompt.once).get() * prompt.together;
            let next = in_a_step(x).clamp(prompt.together, self.most);
            if next < prompt.together * (1.0 + 1e-4) {
                break;
            }
            prompt = self.at(next);
        }
        prompt
    }
}

/// Rounds in which the number of prompts in a step has settled, or grown to the most.
const ROUNDS: usize = 100;

/// Prompts of a step that has any, where `coming` come to one at random.
pub fn in_a_step(coming: f64) -> f64 {
    if coming > 1e-9 { coming / -(-coming).exp_m1() } else { 1.0 }
}
