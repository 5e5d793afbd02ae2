//! What is counted while the clock runs: times of requests, work of engines, and integrals over time.

use super::percentile::{Histogram, Percentiles};
use super::request::Flights;
use super::timeline::{Levels, Timeline};

/// A piece of an engine's time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slice {
    /// Which engine.
    pub replica: u32,
    /// Start, s.
    pub start: f64,
    /// Length, s.
    pub seconds: f64,
    /// Sequences that decode.
    pub batch: usize,
    /// Prompt tokens computed.
    pub prompt_tokens: u64,
    /// Iterations of the engine.
    pub steps: u64,
    /// Mean blocks of cache in use.
    pub used: f64,
    /// The engine decodes: it is none of a pool that only reads prompts.
    pub decodes: bool,
    /// Requests in front of it for which it had no memory or no place when the piece began.
    pub refused: usize,
}

/// A request that got all its tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Finished {
    /// Its number in the order of arrival, from 0.
    pub id: u64,
    /// When it arrived, s.
    pub arrival: f64,
    /// When an engine took it up, s.
    pub admitted: f64,
    /// When its first token was there, s.
    pub first: f64,
    /// When its last token was there, s.
    pub end: f64,
    /// Tokens of its prompt.
    pub input: u32,
    /// Of these, found in the cache when it was first taken up.
    pub found: u32,
    /// Tokens of its answer.
    pub output: u32,
    /// Times it was preempted.
    pub preemptions: u32,
    /// Engine that finished it.
    pub replica: u32,
}

impl Finished {
    /// Time to the first token, s.
    pub fn ttft(&self) -> f64 {
        self.first - self.arrival
    }

    /// Mean time per further token, s; absent for an answer of one token.
    pub fn tpot(&self) -> Option<f64> {
        (self.output > 1).then(|| (self.end - self.first) / f64::from(self.output - 1))
    }

    /// Time from arrival to the last token, s.
    pub fn latency(&self) -> f64 {
        self.end - self.arrival
    }
}

/// Who wants to see everything, not only its sums.
pub trait Observer: Send {
    /// A request got all its tokens.
    fn finished(&mut self, _request: &Finished) {}
    /// An engine worked.
    fn worked(&mut self, _slice: &Slice) {}
}

impl Observer for () {}

/// A number that changes over time, and its integral.
#[derive(Debug, Clone, Copy, Default)]
pub struct Level {
    now: i64,
    since: f64,
    integral: f64,
    most: i64,
}

impl Level {
    /// It changes at a time, s.
    pub fn change(&mut self, at: f64, by: i64) {
        let at = at.max(self.since);
        self.integral += self.now as f64 * (at - self.since);
        self.since = at;
        self.now += by;
        self.most = self.most.max(self.now);
    }

    /// Its mean from 0 to a time, s, that is no earlier than its last change.
    pub fn mean(&self, until: f64) -> f64 {
        (self.integral + self.now as f64 * (until - self.since).max(0.0)) / until
    }

    /// The highest value.
    pub const fn most(&self) -> i64 {
        self.most
    }
}

/// Targets a request meets or misses, s.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Targets {
    /// Most time to the first token.
    pub ttft: Option<f64>,
    /// Most mean time per further token.
    pub tpot: Option<f64>,
}

/// Counts and sums of a run.
pub struct Tally<'a> {
    /// Requests that arrived.
    pub arrived: u64,
    /// Requests that got all their tokens.
    pub finished: u64,
    /// Requests that fit no engine.
    pub rejected: u64,
    /// Finished requests that met the targets.
    pub good: u64,
    /// Prompt tokens of finished requests.
    pub input_tokens: u64,
    /// Answer tokens of finished requests.
    pub output_tokens: u64,
    /// Prompt tokens of admitted requests, and those of them found in a cache.
    pub looked_up: u64,
    /// Prompt tokens found in a cache.
    pub found: u64,
    /// Preemptions.
    pub preemptions: u64,
    /// Engine iterations.
    pub iterations: u64,
    /// Time engines worked, all together, s.
    pub busy_s: f64,
    /// Of it, that of engines that decode.
    pub decoding_s: f64,
    /// Of it, for prompts.
    pub prompt_s: f64,
    /// Of it, of steps in which any sequence decodes, s.
    pub writing_s: f64,
    /// Integral of the decoding sequences over time.
    pub batch_s: f64,
    /// Integral of blocks in use over time.
    pub used_s: f64,
    /// Integral over time of the requests that waited for memory or a place, not for their turn.
    pub refused_s: f64,
    /// Requests in the system.
    pub present: Level,
    /// Requests that wait for admission.
    pub queue: Level,
    /// Times to the first token, s.
    pub ttft: Percentiles,
    /// Mean times per further token, s.
    pub tpot: Percentiles,
    /// Times from arrival to the last token, s.
    pub latency: Percentiles,
    /// Times from arrival to admission, s.
    pub wait: Percentiles,
    /// Times between tokens, s.
    pub gaps: Histogram,
    /// What went on when.
    pub timeline: Timeline,
    /// Time of the last token of all, s.
    pub last: f64,
    first_arrival: f64,
    last_arrival: f64,
    queue_at_last: i64,
    targets: Targets,
    observer: &'a mut dyn Observer,
}

impl<'a> Tally<'a> {
    /// Nothing counted yet.
    pub fn new(targets: Targets, observer: &'a mut dyn Observer) -> Self {
        Self {
            arrived: 0,
            finished: 0,
            rejected: 0,
            good: 0,
            input_tokens: 0,
            output_tokens: 0,
            looked_up: 0,
            found: 0,
            preemptions: 0,
            iterations: 0,
            busy_s: 0.0,
            decoding_s: 0.0,
            writing_s: 0.0,
            prompt_s: 0.0,
            batch_s: 0.0,
            used_s: 0.0,
            refused_s: 0.0,
            present: Level::default(),
            queue: Level::default(),
            ttft: Percentiles::default(),
            tpot: Percentiles::default(),
            latency: Percentiles::default(),
            wait: Percentiles::default(),
            gaps: Histogram::default(),
            timeline: Timeline::default(),
            last: 0.0,
            first_arrival: f64::INFINITY,
            last_arrival: 0.0,
            queue_at_last: 0,
            targets,
            observer,
        }
    }

    /// A request arrived and waits.
    pub fn came(&mut self, at: f64) {
        self.present.change(at, 1);
        self.wait(at, 1);
        self.first_arrival = self.first_arrival.min(at);
        self.last_arrival = at;
        self.queue_at_last = self.queue.now;
    }

    /// Mean rate from the first arrival to the last, requests/s; absent where all came at one moment.
    pub fn arrival_rate(&self) -> Option<f64> {
        let seconds = self.last_arrival - self.first_arrival;
        (seconds > 0.0).then(|| (self.arrived - 1) as f64 / seconds)
    }

    /// When the last request arrived, s.
    pub const fn last_arrival(&self) -> f64 {
        self.last_arrival
    }

    /// Requests that waited when the last one arrived.
    pub const fn queue_at_last(&self) -> f64 {
        self.queue_at_last as f64
    }

    /// When the number of requests in the system last changed, s.
    pub const fn last_event(&self) -> f64 {
        self.present.since
    }

    /// The queue grows or shrinks.
    fn wait(&mut self, at: f64, by: i64) {
        let Level { now, since, .. } = self.queue;
        if now > 0 && at > since {
            self.timeline.add(since, at - since, Levels { waiting: now as f64, ..Levels::default() });
        }
        self.queue.change(at, by);
    }

    /// An engine takes up a request, for the first time or again; `found` tokens of it are cached.
    pub fn admitted(&mut self, now: f64, slot: u32, found: u32, flights: &mut Flights) {
        self.wait(now, -1);
        let at = slot as usize;
        if flights.admitted[at] < 0.0 {
            flights.admitted[at] = now;
            flights.found[at] = found;
            self.looked_up += u64::from(flights.input[at]);
            self.found += u64::from(found);
        }
    }

    /// A request came to a decode pool and waits.
    pub fn handed(&mut self, now: f64) {
        self.wait(now, 1);
    }

    /// A decode pool takes a request over.
    pub fn taken_over(&mut self, now: f64) {
        self.wait(now, -1);
    }

    /// A sequence lost its memory and waits again.
    pub fn preempted(&mut self, now: f64) {
        self.preemptions += 1;
        self.wait(now, 1);
    }

    /// So many tokens came `seconds` after the ones before them.
    pub fn gap(&mut self, seconds: f64, tokens: u64) {
        self.gaps.add(seconds, tokens);
    }

    /// An engine worked.
    pub fn worked(&mut self, slice: &Slice) {
        self.busy_s += slice.seconds;
        if slice.decodes {
            self.decoding_s += slice.seconds;
        }
        if slice.batch > 0 {
            self.writing_s += slice.seconds;
        }
        let levels = Levels { decoding: slice.batch as f64, blocks: slice.used, waiting: 0.0 };
        self.timeline.add(slice.start, slice.seconds, levels);
        self.iterations += slice.steps;
        self.batch_s += slice.seconds * slice.batch as f64;
        self.used_s += slice.seconds * slice.used;
        self.refused_s += slice.seconds * slice.refused as f64;
        self.observer.worked(slice);
    }

    /// A request got its last token at the engine at `now`; the user has it at `request.end`.
    pub fn done(&mut self, now: f64, request: &Finished) {
        self.present.change(now, -1);
        self.finished += 1;
        self.input_tokens += u64::from(request.input);
        self.output_tokens += u64::from(request.output);
        let (ttft, tpot) = (request.ttft(), request.tpot());
        let met = |value: f64, most: Option<f64>| most.is_none_or(|most| value <= most);
        if met(ttft, self.targets.ttft) && tpot.is_none_or(|t| met(t, self.targets.tpot)) {
            self.good += 1;
        }
        self.ttft.add(ttft);
        if let Some(tpot) = tpot {
            self.tpot.add(tpot);
        }
        self.latency.add(request.latency());
        self.wait.add(request.admitted - request.arrival);
        self.last = self.last.max(request.end);
        self.observer.finished(request);
    }
}
