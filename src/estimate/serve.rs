//! A closed loop in its steady state: how the devices' time divides between prompts and answers.
//!
//! N requests are in the loop. Each takes its own prompt s, and O - 1 further tokens at tau each; meanwhile the engine
//! reads the prompts of the N - k others that do not share its steps, once each a round E, at p of its time each. All that
//! time is work, and a request waits through it wherever it is: a share rho = (N - k) p / E of the engine's time is the
//! others', so that
//!
//! ```text
//! E = f + (s + (O - 1) tau) / (1 - rho),  hence  (E - f) (E - (N - k) p) = (s + (O - 1) tau) E,
//! ```
//!
//! where f is what a first token takes outside the engine. What time is left beside all prompts is decode steps: with
//! E - N p of them a round, R = N (O - 1) tau / (E - N p) sequences decode in one. tau, s and p depend on R: one equation
//! in one unknown. Prompts alone have nothing to spread them, and follow one on the other.

use super::compiled::Compiled;
use super::prompt::{Beside, Prompt, Prompts, in_a_step};
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
    /// The faster of two ways to serve a load, with the sooner first token of the two.
    fn or_better(self, other: &Self, further: f64) -> Self {
        let (best, second) = if other.requests_per_s > self.requests_per_s { (*other, &self) } else { (self, other) };
        let sooner = |one: Option<Seconds>, two: Option<Seconds>| one.zip(two).map(|(a, b)| a.min(b));
        let ttft = sooner(best.ttft, second.ttft);
        let later = best.ttft.zip(ttft).map_or(Seconds::ZERO, |(own, least)| own - least);
        let tpot = if further > 0.0 { best.tpot + later / further } else { best.tpot };
        Self { ttft, ttft_burst: sooner(best.ttft_burst, second.ttft_burst), tpot, ..best }
    }

    /// Mean time to the first token of a finite run of so many requests per slot, the first of which come all at once.
    pub fn ttft_in_run(&self, rounds: f64) -> Option<Seconds> {
        let (steady, burst) = (self.ttft?, self.ttft_burst?);
        Some(steady + (burst - steady).max(Seconds::ZERO) / rounds)
    }
}

/// How near a batch is to one that leads to itself.
const SETTLED: f64 = 1e-3;

/// Share of the time that prompts of others take at most, where steps are full.
const MOST_BUSY: f64 = 0.999;

/// One evaluation at a decoding batch.
#[derive(Clone, Copy)]
struct Point {
    tau: f64,
    prompt: Prompt,
    /// Time of a round in which no steps are full.
    unhindered: f64,
    /// Time of a round.
    round: f64,
    /// Steps have no room for more prompts.
    queues: bool,
    first: f64,
    convoy: f64,
    /// The batch this one leads to.
    next: f64,
}

/// A loop being solved.
struct Solver<'a> {
    compiled: &'a Compiled,
    load: &'a Load,
    /// Prompts run in steps of their own, as SGLang does; the others mix them into decode steps.
    apart: bool,
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
        let saturated = offered > capacity * 1.001;
        let (context, further) = (load.context(), load.further());
        let solve = |apart: bool| {
            let solver = Solver { compiled: self, load, apart, offered, admitted, active, context, further };
            solver.solve(saturated)
        };
        match self.setup.engine {
            Engine::Sglang => solve(true),
            // A bound is the better of both ways.
            Engine::Ideal => solve(false).or_better(&solve(true), further),
            _ => solve(false),
        }
    }
}

impl Solver<'_> {
    fn solve(&self, saturated: bool) -> Loop {
        let start = (0.9 * self.admitted).max(1.0);
        let (running, point) = settle(1.0, self.admitted, start, |running| {
            let point = self.at(running);
            (point.next, point)
        });
        self.finish(running, &point, saturated)
    }

    fn at(&self, running: f64) -> Point {
        let (compiled, load) = (self.compiled, self.load);
        let step = compiled.decode_step(running, self.context);
        // Who is alone has nobody decoding beside the own prompt.
        let others = (self.admitted - 1.0).min(1.0);
        let beside = if self.apart {
            Beside::default()
        } else {
            let decoding = compiled.decoding(running, self.context);
            let answer = self.further / compiled.accepted();
            Beside { decoding, base: step, answer, always: (running - 1.0).min(1.0), others }
        };
        // Stages that work on prompts of their own want as many batches of them.
        let prompts = Prompts::of(compiled, load, beside, self.admitted / compiled.pipeline());
        let tau = step.get() / compiled.accepted();
        // A decode step ends R / (O - 1) answers, whose users come with the next prompts: each is there for its chunks.
        let coming = running * compiled.accepted() / self.further * prompts.chunks.count;
        let mut prompt = prompts.at(in_a_step(coming).min(prompts.most));
        let mut convoy = if self.apart { self.convoy(&prompt, tau) } else { 0.0 };
        if convoy > 0.0 && prompt.together < prompts.most {
            // Whoever gathers shares steps, until prompts no longer take longer than answers.
            prompt = prompts.at((prompt.together / (1.0 - convoy)).min(prompts.most));
            convoy = self.convoy(&prompt, tau);
        }
        // A request comes while others' steps run, and the scheduler may have planned the next one already.
        let writes = self.further * tau;
        let met = ((self.admitted - 1.0) * writes / (writes + prompt.own.get())).min(others);
        let waits = (0.5 + compiled.steps_ahead()) * met * step.get();
        let first = compiled.engine.first_s + prompt.lag.get() + waits;
        let unhindered = self.round(first, &prompt, tau);
        // Steps have room for so many prompts beside the sequences that decode; where all are full, requests queue.
        let full = self.admitted * (prompt.steps + prompt.once).get();
        let round = if prompt.together >= prompts.most { unhindered.max(full) } else { unhindered };
        let queues = prompt.together >= prompts.room;
        let left = round - self.admitted * prompt.added.get();
        let next = self.admitted * self.further * tau / left.max(f64::MIN_POSITIVE);
        Point { tau, prompt, unhindered, round, queues, first, convoy, next: next.clamp(1.0, self.admitted) }
    }

    /// How far an engine that reads before it writes drives all requests together: it writes when there is nothing to
    /// read, so that where reading everybody's prompts takes longer than writing an answer, all write at once.
    fn convoy(&self, prompt: &Prompt, tau: f64) -> f64 {
        (1.0 - self.further * tau / (self.admitted * prompt.added.get())).max(0.0)
    }

    /// Time of the others' prompts in a round.
    fn others(&self, prompt: &Prompt) -> f64 {
        let alone = (self.admitted - 1.0).max(0.0) * prompt.once.get();
        (self.admitted - prompt.together).max(0.0) * (prompt.added - prompt.once).get() + alone
    }

    /// Time of a round: the larger root. Prompts alone follow one on the other.
    fn round(&self, first: f64, prompt: &Prompt, tau: f64) -> f64 {
        if self.further <= 0.0 {
            return (first + prompt.own.get()).max(self.admitted * prompt.added.get());
        }
        let others = self.others(prompt);
        let sum = first + others + prompt.own.get() + self.further * tau;
        0.5 * (sum + (sum * sum - 4.0 * first * others).max(0.0).sqrt())
    }

    /// Time from a prompt's arrival at the engine to its first token, in a round without the time outside of it.
    ///
    /// Requests end with decode steps, one by one, so that a prompt finds hardly more than one before it. Where steps are
    /// full, prompts queue, and a token waits for what prompts add to its step alone. In a convoy half of the prompts
    /// are read before one's own; a weak one falls apart again.
    fn reading(&self, round: f64, prompt: &Prompt, tau: f64, queues: bool, convoy: f64) -> f64 {
        let (own, others, writes) = (prompt.own.get(), self.others(prompt), self.further * tau);
        let rho = others / round;
        if writes == 0.0 {
            return round;
        }
        let found = own + (own * rho).max(convoy * convoy * others / 2.0);
        let queued = if queues { round - writes / (1.0 - rho.min(MOST_BUSY)) } else { 0.0 };
        found.max(queued).min((round - writes).max(0.0))
    }

    fn finish(&self, running: f64, p: &Point, saturated: bool) -> Loop {
        let (compiled, load) = (self.compiled, self.load);
        let waves = compiled.engine.waves;
        let decoding = self.admitted * self.further * p.tau / running;
        // Where steps fill up at some batch, that batch is what the time leaves, not the time what the batch leads to.
        let balanced = self.admitted * p.prompt.added.get() + decoding;
        let round = if running > 1.0 + SETTLED { balanced } else { p.round };
        let queues = p.queues && round > p.unhindered * (1.0 + SETTLED);
        let steady = p.first + self.reading(round - p.first, &p.prompt, p.tau, queues, p.convoy);
        let burst = p.first + p.prompt.own.get() + (self.admitted - 1.0) / 2.0 * p.prompt.added.get();
        // What more is waited for before the first token is waited less after it.
        let most = round - self.further * p.tau;
        let mut ttft = (steady + waves * (burst - steady).max(0.0)).min(most).max(steady);
        let mut tpot = if self.further > 0.0 { (round - ttft) / self.further } else { p.tau };
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
