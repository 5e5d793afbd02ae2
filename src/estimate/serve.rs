//! A closed loop in its steady state: how the devices' time divides between prompts and answers.
//!
//! N requests are in the loop. Each takes its own prompt s, and further tokens at tau each; meanwhile the engine reads
//! the prompts of the N - 1 others, once each a round E, at p of its time. All that time is work, and a request waits
//! through it wherever it is: a share rho = (N - 1) p / E of the engine's time is the others', so that
//!
//!     E = f + (s + (O - 1) tau) / (1 - rho),  hence  (E - f) (E - (N - 1) p) = (s + (O - 1) tau) E,
//!
//! where f is what a first token takes outside the engine. The decoding batch is R = N times the share of E that a
//! request decodes, and tau, s and p depend on R: one equation in one unknown, solved to a relative 1e-4.

use super::compiled::Compiled;
use super::prompt::Prompt;
use super::settle::settle;
use super::step::Step;
use crate::setup::Load;
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
    /// Prompts that share a step, as the last evaluation found.
    together: f64,
    most_together: f64,
}

impl Compiled {
    /// Steady state of one instance under its share of a load.
    pub fn closed_loop(&self, load: &Load) -> Loop {
        let users = load.concurrency as f64;
        let active = users.min(self.setup.layout.replicas as f64);
        let offered = users / active;
        let capacity = self.holds(load).max(1.0);
        let admitted = offered.min(capacity);
        let most_together = Prompt::most_together(self, load).min(admitted).max(1.0);
        let mut solver = Solver {
            compiled: self,
            load,
            offered,
            admitted,
            active,
            context: load.input_tokens + load.output_tokens / 2.0,
            further: (load.output_tokens - 1.0).max(0.0),
            // Prompts that meet once keep meeting: of several steady states the fullest steps are looked for.
            together: most_together,
            most_together,
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
    fn at(&mut self, running: f64) -> Point {
        let (compiled, load) = (self.compiled, self.load);
        let decoding = compiled.decoding(running, self.context);
        let step = compiled.decode_step(running, self.context);
        // Who is alone has nobody decoding beside the own prompt.
        let others = (self.admitted - 1.0).min(1.0);
        let (beside, base) = if others >= 1.0 {
            (decoding, step)
        } else {
            let beside = compiled.decoding(running * others, self.context);
            (beside, if others > 0.0 { compiled.decode_step(running * others, self.context) } else { Seconds::ZERO })
        };
        let prompt = Prompt::of(compiled, load, &beside, base, self.together);
        let tau = step.get() / compiled.accepted();
        // A request comes while a step runs, and the scheduler may have planned the next one already.
        let waits = (0.5 + compiled.steps_ahead()) * others * step.get();
        let (first, all) = (compiled.engine.first_s + waits, (self.admitted - 1.0) * prompt.added.get());
        let own = prompt.own.get() + self.further * tau;
        let sum = first + all + own;
        let round = 0.5 * (sum + (sum * sum - 4.0 * first * all).max(0.0).sqrt());
        // As many prompts share a step as come during one.
        let coming = self.admitted / round * prompt.step.get();
        self.together = coming.clamp(1.0, self.most_together);
        let next =
            (self.admitted * (1.0 - (first + self.reading(round, &prompt, tau)) / round)).clamp(1.0, self.admitted);
        Point { tau, prompt, round, first, next }
    }

    /// Time from the first chunk's turn to the first token, waiting included.
    ///
    /// A prompt waits for those before it. Where the loop does nothing but read, for all of them; where it mostly
    /// decodes, prompts come at random and find one half read (M/D/1): half of that.
    fn reading(&self, round: f64, prompt: &Prompt, tau: f64) -> f64 {
        let rho = (self.admitted - 1.0) * prompt.added.get() / round;
        let own = prompt.own.get();
        let decodes = self.further * tau / (own + self.further * tau);
        own * (1.0 + (1.0 - 0.5 * decodes) * rho / (1.0 - rho))
    }

    fn finish(&self, running: f64, p: &Point, saturated: bool) -> Loop {
        let (compiled, load) = (self.compiled, self.load);
        let waves = compiled.engine.waves;
        let steady = p.first + self.reading(p.round, &p.prompt, p.tau);
        let burst = p.first + p.prompt.own.get() + (self.admitted - 1.0) / 2.0 * p.prompt.added.get();
        let mut ttft = steady + waves * (burst - steady).max(0.0);
        let rest = (p.round - ttft).max(self.further * p.tau);
        let mut tpot = if self.further > 0.0 { rest / self.further } else { p.tau };
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
