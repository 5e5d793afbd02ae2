//! Step times of one setup: what the estimate says, within 0.1 % of it, in tens of nanoseconds.
//!
//! Nearly all steps do nothing but decode. Their time depends on the number of sequences, which is whole, and on the
//! mean context, which is cut into pieces that are straight to 1 part in 10,000: a table that fills as it is asked.
//! In a stretch of n steps the mean context grows by the same amount each step, and the sum of a straight line at n
//! points is its integral over n intervals around them: a stretch costs two look-ups whatever its length. Steps with
//! prompt tokens come about once a request and are asked of the estimate itself.

use crate::estimate::Compiled;
use crate::estimate::step::Step;

/// Share of a step's time that a straight piece may differ in its middle.
const STRAIGHT: f64 = 1e-4;

/// Where the first piece of context ends, tokens; each further one ends at twice the last.
const FIRST_PIECE: f64 = 64.0;

/// Step times of one instance, s.
#[derive(Debug, Clone)]
pub struct Steps {
    source: Source,
    /// Measured over estimated time, where the user's own runs tell.
    scale: f64,
    rows: Vec<Option<Box<Row>>>,
}

#[derive(Debug, Clone)]
enum Source {
    Estimate(Box<Compiled>),
    /// Every step takes the same time: queues with closed forms.
    Uniform(f64),
}

/// A batch of one size: its decode step over the context.
#[derive(Debug, Clone)]
struct Row {
    /// Host time.
    host: f64,
    /// Ends of straight pieces: context, time, and the integral of the time from 0.
    knots: Vec<[f64; 3]>,
}

/// Prompt tokens of a step, over one instance.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Prompts {
    /// Prompt tokens computed.
    pub tokens: f64,
    /// Tokens before them that are already cached: of the prompts together, as their attention counts.
    pub past: f64,
    /// Prompts they belong to.
    pub count: f64,
}

impl Steps {
    /// The table of a setup.
    pub fn new(compiled: &Compiled) -> Self {
        let scale = compiled.correction.map_or(1.0, |measured| measured.tpot);
        Self { source: Source::Estimate(Box::new(compiled.clone())), scale, rows: Vec::new() }
    }

    /// Steps of one time whatever they do, s: the queue of a textbook.
    pub const fn uniform(seconds: f64) -> Self {
        Self { source: Source::Uniform(seconds), scale: 1.0, rows: Vec::new() }
    }

    /// Time of `steps` decode steps in a row, host included, s, the first at a mean context that then grows by
    /// `growth` tokens a step.
    pub fn stretch(&mut self, batch: usize, context: f64, growth: f64, steps: u64) -> f64 {
        if let Source::Uniform(seconds) = self.source {
            return seconds * steps as f64;
        }
        let (from, to) = (context - growth / 2.0, context + growth * (steps as f64 - 0.5));
        let row = self.row(batch, to.max(context));
        row.host * steps as f64 + (row.integral(to) - row.integral(from)) / growth
    }

    /// Time of one decode step, host included, s.
    pub fn decode(&mut self, batch: usize, context: f64) -> f64 {
        if let Source::Uniform(seconds) = self.source {
            return seconds;
        }
        let row = self.row(batch, context);
        row.host + row.at(context)
    }

    /// Time of a step with prompt tokens and `batch` decoding sequences, host and missing graphs included, s.
    pub fn mixed(&self, batch: usize, context: f64, prompts: &Prompts) -> f64 {
        match &self.source {
            Source::Uniform(seconds) => *seconds,
            Source::Estimate(compiled) => {
                let decode = batch as f64;
                let Step { decode: running, context, drafts, .. } = compiled.decoding(decode, context);
                let alone = Step::of_prompts(prompts.count, prompts.tokens / prompts.count, prompts.past);
                let step = Step { decode: running, context, drafts, ..alone };
                (compiled.step(&step) + compiled.host(decode) + compiled.eager(&step)).get() * self.scale
            }
        }
    }

    /// Engine time a prompt costs beside its steps, s.
    pub fn prompt_overhead(&self, tokens: f64) -> f64 {
        match &self.source {
            Source::Uniform(_) => 0.0,
            Source::Estimate(compiled) => compiled.engine.request_s + compiled.engine.request_token_s * tokens,
        }
    }

    /// Time between an engine's first token and the user's, s.
    pub fn delivery(&self) -> f64 {
        match &self.source {
            Source::Uniform(_) => 0.0,
            Source::Estimate(compiled) => compiled.engine.first_s,
        }
    }

    /// Steps that the scheduler plans ahead of the one that runs.
    pub const fn ahead(&self) -> f64 {
        match &self.source {
            Source::Uniform(_) => 0.0,
            Source::Estimate(compiled) => compiled.steps_ahead(),
        }
    }

    /// Pipeline stages: a prompt's work leaves the first one after this share of its time.
    pub fn stages(&self) -> f64 {
        match &self.source {
            Source::Uniform(_) => 1.0,
            Source::Estimate(compiled) => compiled.pipeline(),
        }
    }

    /// The row of a batch size, straight pieces laid up to `context`.
    fn row(&mut self, batch: usize, context: f64) -> &Row {
        if self.rows.len() <= batch {
            self.rows.resize(batch + 1, None);
        }
        let row = self.rows[batch].get_or_insert_with(|| Box::new(Row { host: 0.0, knots: Vec::new() }));
        if let (true, Source::Estimate(compiled)) = (row.end() < context, &self.source) {
            row.lay(context, batch as f64, self.scale, compiled);
        }
        row
    }
}

impl Row {
    fn end(&self) -> f64 {
        self.knots.last().map_or(-1.0, |k| k[0])
    }

    /// Lays pieces until `context` lies in one.
    #[cold]
    fn lay(&mut self, context: f64, batch: f64, scale: f64, compiled: &Compiled) {
        let time = |context: f64| compiled.step(&compiled.decoding(batch, context)).get() * scale;
        if self.knots.is_empty() {
            self.host = compiled.host(batch).get() * scale;
            self.knots.push([0.0, time(0.0), 0.0]);
        }
        while self.knots.len() < 2 || self.end() < context {
            let from = self.end();
            let length = if from < FIRST_PIECE { FIRST_PIECE } else { from };
            // Four pieces at least, so that a bend cannot hide from the test in the middle.
            for quarter in 1..=4 {
                let to = from + length * f64::from(quarter) / 4.0;
                self.piece(to, time(to), &time, 12);
            }
        }
    }

    /// One piece to `to`, halved until it is straight.
    fn piece(&mut self, to: f64, value: f64, time: &dyn Fn(f64) -> f64, halvings: u32) {
        let Some(&[from, first, integral]) = self.knots.last() else { return };
        let middle = 0.5 * (from + to);
        let there = time(middle);
        let off = (there - 0.5 * (first + value)).abs();
        if halvings > 0 && off > STRAIGHT * there {
            self.piece(middle, there, time, halvings - 1);
            self.piece(to, value, time, halvings - 1);
        } else {
            self.knots.push([to, value, integral + 0.5 * (first + value) * (to - from)]);
        }
    }

    /// The knots around a context.
    fn around(&self, context: f64) -> ([f64; 3], [f64; 3]) {
        let above = self.knots.partition_point(|k| k[0] < context).clamp(1, self.knots.len() - 1);
        (self.knots[above - 1], self.knots[above])
    }

    fn at(&self, context: f64) -> f64 {
        let ([from, first, _], [to, last, _]) = self.around(context);
        first + (last - first) * (context - from) / (to - from)
    }

    /// Integral of the attention time over the context, from 0; below 0 the first piece goes on.
    fn integral(&self, context: f64) -> f64 {
        let ([from, first, before], [to, last, _]) = self.around(context);
        let way = context - from;
        before + way * (first + 0.5 * (last - first) * way / (to - from))
    }
}
