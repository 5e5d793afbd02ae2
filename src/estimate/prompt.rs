//! One prompt on an engine: what it takes from the engine, and how long it takes itself.
//!
//! A prompt is read in chunks of what a step has room for. Each chunk rides on a step of the sequences that decode, or
//! has one of its own; the prompts that come during one step share the next. They come at random, so that where x come
//! on average, a step that has any has k = x / (1 - e^-x).

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
    /// From its first chunk to its first token.
    pub own: Seconds,
    /// Its share of the steps it rides on: no round is shorter than those of all its prompts.
    pub steps: Seconds,
}

/// Prompts of a load on an engine at a decoding batch: a step's time over the number of prompts in it.
#[derive(Debug, Clone, Copy)]
pub struct Prompts {
    chunks: Chunks,
    /// The step of the sequences that decode alone.
    base: f64,
    fixed: f64,
    stages: f64,
    /// Numbers of prompts in a step, and its time; straight in between, since each prompt adds the same.
    knots: [(f64, f64); 3],
}

impl Prompts {
    /// Beside the sequences of `decoding`, whose step alone takes `base`; never more than `most` in a step.
    pub fn of(compiled: &Compiled, load: &Load, decoding: &Step, base: Seconds, most: f64) -> Self {
        let engine = &compiled.engine;
        let beside = decoding.decode;
        let ranks = compiled.machine.dp;
        let chunks = Chunks::of(compiled, load, beside.0 * (1.0 + decoding.drafts.0) / ranks);
        let host = compiled.host(beside.0) + compiled.eager();
        let time = |together: f64| {
            let alone = Step::of_prompts(together, chunks.tokens, chunks.past);
            let Step { context, drafts, .. } = *decoding;
            (compiled.step(&Step { decode: beside, context, drafts, ..alone }) + host).get()
        };
        let room = (chunks.room / chunks.tokens).max(1.0) * ranks;
        let most = room.min(compiled.most_sequences()).min(most).max(1.0);
        // Each rank has a prompt of its own before any has two.
        let middle = ranks.min(most);
        let first = (1.0, time(1.0));
        let second = if middle > 1.0 { (middle, time(middle)) } else { first };
        let third = if most > middle { (most, time(most)) } else { second };
        let base = if beside.0 > 0.0 { base.get() } else { 0.0 };
        let fixed = engine.request_s + engine.request_token_s * chunks.fresh;
        Self { chunks, base, fixed, stages: compiled.pipeline(), knots: [first, second, third] }
    }

    /// Most prompts of a step.
    pub const fn most(&self) -> f64 {
        self.knots[2].0
    }

    /// Where so many share a step.
    pub fn at(&self, together: f64) -> Prompt {
        let [a, b, c] = self.knots;
        let ((x0, y0), (x1, y1)) = if together <= b.0 { (a, b) } else { (b, c) };
        let share = if x1 > x0 { ((together - x0) / (x1 - x0)).clamp(0.0, 1.0) } else { 0.0 };
        let step = y0 + (y1 - y0) * share;
        let (added, count) = ((step - self.base).max(0.0), self.chunks.count);
        // The next chunk follows when the first stage is free; the last one has to pass all of them.
        let passes = count / self.stages + 1.0 - 1.0 / self.stages;
        Prompt {
            together,
            added: Seconds::new(added * (count / (self.stages * together)) + self.fixed),
            once: Seconds::new(self.fixed),
            own: Seconds::new(added * passes + self.base * count + self.fixed),
            steps: Seconds::new((added / self.stages + self.base) * (count / together)),
        }
    }

    /// With as many in a step as come during one, at a rate that depends on how many do, requests/s.
    pub fn coming(&self, rate: impl Fn(&Prompt) -> f64) -> Prompt {
        let gap = |together: f64| {
            let prompt = self.at(together);
            let x = rate(&prompt) * (prompt.steps + prompt.once).get() * together;
            // x / (1 - e^-x), which is 1 for none.
            let share = if x > 1e-9 { x / -(-x).exp_m1() } else { 1.0 };
            share - together
        };
        let (mut low, mut high) = (1.0, self.most());
        if high <= 1.0 || gap(high) >= 0.0 {
            return self.at(high);
        }
        for _ in 0..40 {
            let middle = 0.5 * (low + high);
            if gap(middle) >= 0.0 {
                low = middle;
            } else {
                high = middle;
            }
            if high - low < 1e-4 * high {
                break;
            }
        }
        self.at(low)
    }
}
