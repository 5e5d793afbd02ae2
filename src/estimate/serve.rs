//! A closed loop in its steady state: how the devices' time divides between prompts and answers.
//!
//! N requests are in the loop. Each takes its own prompt s, and O - 1 further tokens at tau each; meanwhile the engine
//! reads the prompts of the N - k others that do not share its steps, once each a round E, at p of its time each. All that
//! time is work, and a request waits through it wherever it is: a share rho = (N - k) p / E of the engine's time is the
//! others', so that
//!
//!     E = f + (s + (O - 1) tau) / (1 - rho),  hence  (E - f) (E - (N - k) p) = (s + (O - 1) tau) E,
//!
//! where f is what a first token takes outside the engine. What time is left beside all prompts is decode steps: with
//! E - N p of them a round, R = N (O - 1) tau / (E - N p) sequences decode in one. tau, s and p depend on R: one equation
//! in one unknown.

use super::compiled::Compiled;
use super::prompt::{Prompt, Prompts, in_a_step};
use super::settle::settle;
use super::step::Step;
use crate::setup::{Engine, Load};
use crate::units::Seconds;

/// What one instance does under a load.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Loop {
    /// Requests an instance is given.
    pub offered: f64,
    /// Requests it holds at a time.
    pub admitted: f64,
    /// Mean sequences that decode at a time, over the time in which any do.
    pub running: f64,
    /// Instances that have work: no more than there are requests.
    pub active: f64,
    /// More requests are offered than fit.
    pub saturated: bool,
    /// Mean time to the first token; absent past saturation, where it is the queue's and has no bound.
    pub ttft: Option<Seconds>,
    /// The same where all prompts come at once.
    pub ttft_burst: Option<Seconds>,
    /// Mean time per further token.
    pub tpot: Seconds,
    /// Requests per second of one instance that has work.
    pub requests_per_s: f64,
    /// Device time of one request's prompt.
    pub prompt: Seconds,
    /// Device time of one request's answer: its share of the decode steps.
    pub answer: Seconds,
    /// The decode step at the mean batch.
    pub step: Step,
}

impl Loop {
    /// Mean time to the first token of a finite run of so many requests per slot, the first of which come all at once.
    pub fn ttft_in_run(&self, rounds: f64) -> Option<Seconds> {
        let (steady, burst) = (self.ttft?, self.ttft_burst?);
        Some(steady + (burst - steady).max(Seconds::ZERO) / rounds)
    }
}

/// One evaluation at a decoding batch.
#[derive(Clone, Copy)]
struct Point {
    tau: f64,
    prompt: Prompt,
    /// Time of a round.
    round: f64,
    first: f64,
    /// Time in the queue for room in a step.
    queued: f64,
    /// The batch this one leads to.
    next: f64,
}

/// A loop being solved.
struct Solver<'a> {
    compiled: &'a Compiled,
    load: &'a Load,
    offered: f64,
    admitted: f64,
    active: f64,
    context: f64,
    further: f64,
}

impl Compiled {
    /// Steady state of one instance under its share of a load.
    pub fn closed_loop(&self, load: &Load) -> Loop {
        let users = load.concurrency as f64;
        let active = users.min(self.setup.layout.replicas as f64);
        let offered = users / active;
        let capacity = self.holds(load).max(1.0);
        let admitted = offered.min(capacity);
        let solver = Solver {
            compiled: self,
            load,
            offered,
            admitted,
            active,
            context: load.input_tokens + load.output_tokens / 2.0,
            further: (load.output_tokens - 1.0).max(0.0),
        };
        let start = (0.9 * admitted).max(1.0);
        let (running, point) = settle(1.0, admitted, start, |running| {
            let point = solver.at(running);
            (point.next, point)
        });
        solver.finish(running, &point, offered > capacity * 1.001)
    }
}

impl Solver<'_> {
    fn at(&self, running: f64) -> Point {
        // SGLang runs prompts in steps of their own; the others mix them into decode steps. A bound does what is better.
        match self.compiled.setup.engine {
            Engine::Sglang => self.with(running, 0.0),
            Engine::Ideal => {
                let (mixed, apart) = (self.with(running, 1.0), self.with(running, 0.0));
                if apart.round < mixed.round { apart } else { mixed }
            }
            _ => self.with(running, 1.0),
        }
    }

    /// One evaluation; of the sequences that decode, a share `mixed` does so beside prompts.
    fn with(&self, running: f64, mixed: f64) -> Point {
        let (compiled, load) = (self.compiled, self.load);
        let step = compiled.decode_step(running, self.context);
        // Who is alone has nobody decoding beside the own prompt, nor have prompts that are all of a request.
        let others = (self.admitted - 1.0).min(self.further).min(1.0);
        let beside = running * others * mixed;
        let base = match beside {
            0.0 => Seconds::ZERO,
            all if all == running => step,
            part => compiled.decode_step(part, self.context),
        };
        let beside = compiled.decoding(beside, self.context);
        let prompts = Prompts::of(compiled, load, &beside, base, self.admitted);
        let tau = step.get() / compiled.accepted();
        // A request comes while a step runs, and the scheduler may have planned the next one already.
        let waits = (0.5 + compiled.steps_ahead()) * others * step.get();
        let first = compiled.engine.first_s + waits;
        // A decode step ends R / (O - 1) answers, whose users come with the next prompts: each is there for its chunks.
        let coming = running * compiled.accepted() / self.further * prompts.chunks.count;
        let prompt = prompts.at(in_a_step(coming).min(prompts.most));
        let unhindered = self.round(first, &prompt, tau);
        // Steps have room for so many prompts beside the sequences that decode; where all are full, requests queue.
        let full = prompt.together >= prompts.most;
        let queued = if full { (self.admitted * prompt.steps.get() - unhindered).max(0.0) } else { 0.0 };
        let round = unhindered + queued;
        let left = round - self.admitted * prompt.added.get();
        let next = self.admitted * self.further * tau / left.max(f64::MIN_POSITIVE);
        Point { tau, prompt, round, first, queued, next: next.clamp(1.0, self.admitted) }
    }

    /// Time of the others' prompts in a round.
    fn others(&self, prompt: &Prompt) -> f64 {
        let alone = (self.admitted - 1.0).max(0.0) * prompt.once.get();
        (self.admitted - prompt.together).max(0.0) * (prompt.added - prompt.once).get() + alone
    }

    /// Time of a round: the larger root.
    fn round(&self, first: f64, prompt: &Prompt, tau: f64) -> f64 {
        let others = self.others(prompt);
        let sum = first + others + prompt.own.get() + self.further * tau;
        0.5 * (sum + (sum * sum - 4.0 * first * others).max(0.0).sqrt())
    }

    /// Time from the first chunk's turn to the first token, waiting included.
    ///
    /// A prompt waits for those before it. Where the loop does nothing but read, for all of them; where it mostly
    /// decodes, prompts come at random and find one half read (M/D/1): half of that.
    fn reading(&self, round: f64, prompt: &Prompt, tau: f64) -> f64 {
        let rho = self.others(prompt) / round;
        let own = prompt.own.get();
        let decodes = self.further * tau / (own + self.further * tau);
        own * (1.0 + (1.0 - 0.5 * decodes) * rho / (1.0 - rho))
    }

    fn finish(&self, running: f64, p: &Point, saturated: bool) -> Loop {
        let (compiled, load) = (self.compiled, self.load);
        let waves = compiled.engine.waves;
        let steady = p.first + p.queued + self.reading(p.round - p.queued, &p.prompt, p.tau);
        let burst = p.first + p.prompt.own.get() + (self.admitted - 1.0) / 2.0 * p.prompt.added.get();
        // What more is waited for before the first token is waited less after it.
        let most = p.round - self.further * p.tau;
        let mut ttft = (steady + waves * (burst - steady).max(0.0)).min(most).max(steady);
        let mut tpot = if self.further > 0.0 { (p.round - ttft) / self.further } else { p.tau };
        let (mut prompt, mut tau, mut burst) = (p.prompt.added, p.tau, burst);
        if let Some(measured) = &compiled.correction {
            (ttft, burst, tpot) = (ttft * measured.ttft, burst * measured.ttft, tpot * measured.tpot);
            (prompt, tau) = (prompt * measured.tpot, tau * measured.tpot);
        }
        let known = !saturated;
        Loop {
            offered: self.offered,
            admitted: self.admitted,
            active: self.active,
            saturated,
            running,
            ttft: known.then(|| Seconds::new(ttft)),
            ttft_burst: known.then(|| Seconds::new(burst)),
            tpot: Seconds::new(tpot),
            requests_per_s: self.admitted / (ttft + self.further * tpot),
            prompt,
            answer: Seconds::new(load.output_tokens * tau / running),
            step: compiled.decoding(running, self.context),
        }
    }
}
