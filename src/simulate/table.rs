//! Step times of one setup as a table: what the estimate says, within 0.1 % of it, in tens of nanoseconds.
//!
//! An operation depends on few numbers of a step, so the op list is cut into groups, each asked through the estimate
//! itself: work on all tokens (their number), the LM head (sequences that yield a token), attention over caches
//! (sequences and mean context), and prompt attention, of which there is so little that it is asked every time.
//! Tokens and sequences are whole numbers and their tables exact; the context is cut into pieces that are straight to
//! 1 part in 10,000 of the step. Tables fill as they are asked. In a stretch of n steps the mean context grows by the
//! same amount each step, and the sum of a straight line at n points is its integral over n intervals around them:
//! a stretch costs two look-ups whatever its length.

use crate::estimate::Compiled;
use crate::estimate::op::{Op, Rows, Step, Work};

/// Entries a table of whole numbers may have; beyond, the estimate is asked.
const MOST_ENTRIES: usize = 1 << 20;

/// Share of a step's time that a straight piece may differ in its middle.
const STRAIGHT: f64 = 1e-4;

/// Steps on which the groups are tried: a small one and a large one of everything, one with prompts alone.
const PROBES: [Step; 3] = [
    Step { decode: 3.0, context: 700.0, prefill: 300.0, past: 100.0, prompts: 2.0 },
    Step { decode: 200.0, context: 5000.0, prefill: 4000.0, past: 2000.0, prompts: 5.0 },
    Step { decode: 0.0, context: 0.0, prefill: 2048.0, past: 0.0, prompts: 1.0 },
];

/// Where the first piece of context ends, tokens; each further one ends at twice the last.
const FIRST_PIECE: f64 = 64.0;

/// Step times of one instance, s.
#[derive(Debug, Clone)]
pub struct Steps {
    source: Source,
    by_tokens: Vec<f64>,
    by_yield: Vec<f64>,
    rows: Vec<Option<Box<CacheRow>>>,
    stages: f64,
}

#[derive(Debug, Clone)]
enum Source {
    Estimate(Box<Groups>),
    /// Every step takes the same time: queues with closed forms.
    Uniform(f64),
}

/// The op list by what its times depend on.
#[derive(Debug, Clone)]
struct Groups {
    tokens: Compiled,
    yields: Compiled,
    prompts: Compiled,
    whole: Compiled,
    /// The groups add up to the whole; where they overlap, steps with prompts are asked as a whole.
    add_up: bool,
}

/// A batch of one size: its decode step over the context.
#[derive(Debug, Clone)]
struct CacheRow {
    /// Host time.
    host: f64,
    /// Part of the step that is not attention over the cache.
    flat: f64,
    /// Ends of straight pieces: context, time, and the integral of the time from 0.
    knots: Vec<[f64; 3]>,
}

/// A step that computes prompt tokens, over one instance.
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
        let part = |keep: fn(&Op) -> bool| {
            let mut part = compiled.clone();
            part.ops.retain(keep);
            part
        };
        let mut groups = Groups {
            tokens: part(|op| group(op) == Group::Tokens),
            yields: part(|op| group(op) == Group::Yields),
            prompts: part(|op| group(op) == Group::Prompts),
            whole: compiled.clone(),
            add_up: true,
        };
        let caches = part(|op| group(op) == Group::Caches);
        groups.add_up = PROBES.iter().all(|step| {
            let parts = [&groups.tokens, &groups.yields, &groups.prompts, &caches].map(|p| p.step(step));
            (parts.iter().sum::<f64>() / compiled.step(step) - 1.0).abs() < 1e-6
        });
        Self { stages: compiled.pipeline(), ..Self::from(Source::Estimate(Box::new(groups))) }
    }

    /// Steps of one time whatever they do, s: the queue of a textbook.
    pub fn uniform(seconds: f64) -> Self {
        Self::from(Source::Uniform(seconds))
    }

    fn from(source: Source) -> Self {
        Self { source, by_tokens: Vec::new(), by_yield: Vec::new(), rows: Vec::new(), stages: 1.0 }
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
    pub fn mixed(&mut self, batch: usize, context: f64, prompts: &Prompts) -> f64 {
        let groups = match &self.source {
            Source::Uniform(seconds) => return *seconds,
            Source::Estimate(groups) => groups,
        };
        let decode = batch as f64;
        let step = Step { decode, context, prefill: prompts.tokens, past: prompts.past, prompts: prompts.count };
        let besides = groups.whole.host(decode) + groups.whole.eager();
        if !groups.add_up {
            return groups.whole.step(&step) + besides;
        }
        let direct = groups.prompts.step(&step) + besides;
        let attention = if batch > 0 {
            let row = self.row(batch, context);
            row.at(context) - row.flat
        } else {
            0.0
        };
        direct + attention + self.tokens(decode, prompts.tokens) + self.yields(decode, prompts.count)
    }

    /// Engine time a prompt costs beside its steps, s.
    pub fn prompt_overhead(&self, tokens: f64) -> f64 {
        match &self.source {
            Source::Uniform(_) => 0.0,
            Source::Estimate(g) => g.whole.engine.request_s + g.whole.engine.request_token_s * tokens,
        }
    }

    /// Time between an engine's first token and the user's, s.
    pub fn delivery(&self) -> f64 {
        match &self.source {
            Source::Uniform(_) => 0.0,
            Source::Estimate(g) => g.whole.engine.first_s,
        }
    }

    /// Pipeline stages: a prompt's work leaves the first one after this share of its time.
    pub const fn stages(&self) -> f64 {
        self.stages
    }

    /// Work on every token. Decode is divided over pipeline stages, so entries are in tokens per stage.
    fn tokens(&mut self, decode: f64, prefill: f64) -> f64 {
        let Source::Estimate(groups) = &self.source else { return 0.0 };
        let step = Step { decode, prefill, ..Step::default() };
        cached(&mut self.by_tokens, decode + prefill * self.stages, || groups.tokens.step(&step))
    }

    fn yields(&mut self, decode: f64, prompts: f64) -> f64 {
        let Source::Estimate(groups) = &self.source else { return 0.0 };
        let step = Step { decode, prompts, ..Step::default() };
        cached(&mut self.by_yield, decode + prompts * self.stages, || groups.yields.step(&step))
    }

    /// The row of a batch size, straight pieces laid up to `context`.
    fn row(&mut self, batch: usize, context: f64) -> &CacheRow {
        if self.rows.len() <= batch {
            self.rows.resize(batch + 1, None);
        }
        let missing = self.rows[batch].as_ref().is_none_or(|row| row.end() < context);
        if missing {
            self.lay(batch, context);
        }
        self.rows[batch].get_or_insert_with(|| Box::new(CacheRow { host: 0.0, flat: 0.0, knots: Vec::new() }))
    }

    #[cold]
    fn lay(&mut self, batch: usize, context: f64) {
        let decode = batch as f64;
        let flat = self.tokens(decode, 0.0) + self.yields(decode, 0.0);
        let Source::Estimate(groups) = &self.source else { return };
        let alone = |context: f64| Step { decode, context, ..Step::default() };
        let row = self.rows[batch].get_or_insert_with(|| {
            let flat = flat + groups.prompts.step(&alone(0.0));
            Box::new(CacheRow { host: groups.whole.host(decode), flat, knots: Vec::new() })
        });
        row.extend(context, &|context| groups.whole.step(&alone(context)));
    }
}

impl CacheRow {
    fn end(&self) -> f64 {
        self.knots.last().map_or(-1.0, |k| k[0])
    }

    /// Lays pieces until `context` lies in one.
    fn extend(&mut self, context: f64, time: &dyn Fn(f64) -> f64) {
        if self.knots.is_empty() {
            self.knots.push([0.0, time(0.0), 0.0]);
        }
        while self.end() < context {
            let from = self.end();
            let to = if from < FIRST_PIECE { FIRST_PIECE } else { 2.0 * from };
            // Four pieces at least, so that a bend cannot hide from the test in the middle.
            for quarter in 1..=4 {
                let to = from + (to - from) * f64::from(quarter) / 4.0;
                self.piece(to, time(to), time, 12);
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

/// The entry of a table of whole numbers, asked once.
fn cached(table: &mut Vec<f64>, index: f64, ask: impl FnOnce() -> f64) -> f64 {
    let at = index as usize;
    if at >= MOST_ENTRIES || index.fract() != 0.0 {
        return ask();
    }
    if at >= table.len() {
        table.resize(at + 1, f64::NAN);
    }
    if table[at].is_nan() {
        table[at] = ask();
    }
    table[at]
}

#[derive(PartialEq, Eq)]
enum Group {
    Tokens,
    Yields,
    Caches,
    Prompts,
}

fn group(op: &Op) -> Group {
    match &op.work {
        Work::Gemm { rows: Rows::Logits, .. } => Group::Yields,
        Work::Gemm { rows: Rows::Decode, .. } | Work::Decode(_) => Group::Caches,
        Work::Gemm { rows: Rows::PromptCache, .. } | Work::Prefill(_) | Work::Recurrent { .. } => Group::Prompts,
        _ => Group::Tokens,
    }
}
