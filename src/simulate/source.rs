//! Where requests come from: a trace, a random process, or users who wait for their answers.

use super::lengths::Lengths;
use super::request::Request;
use crate::diagnostic::Diagnostic;
use crate::scenario::traffic::{Process, Shape};
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;
use rand_distr::{Distribution, Exp1, Gamma};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Requests in the order of their arrival.
pub trait Source {
    /// When the next one arrives, s; `None` when no more will, or the next depends on an answer that is not there.
    ///
    /// # Errors
    /// When the source is a file and a line of it is wrong.
    fn peek(&mut self) -> Result<Option<f64>, Diagnostic>;

    /// The next one.
    ///
    /// # Errors
    /// As [`Source::peek`].
    fn next(&mut self) -> Result<Option<Request>, Diagnostic>;

    /// A user got the last token of an answer at a time, s.
    fn finished(&mut self, _at: f64) {}
}

/// Requests drawn at random. The generator is ChaCha12, so a seed means the same on every machine and in every
/// version.
#[derive(Debug, Clone)]
pub struct Drawn {
    random: ChaCha12Rng,
    process: Process,
    lengths: Lengths,
    left: u64,
    drawn: u64,
    next: Option<f64>,
    clock: f64,
    /// Users of a closed loop who may ask again, by the time of their last answer.
    ready: BinaryHeap<Reverse<u64>>,
}

impl Drawn {
    /// Requests of a process.
    pub fn new(process: Process, lengths: Lengths, requests: u64, seed: u64) -> Self {
        let mut ready = BinaryHeap::new();
        if let Process::Closed { concurrency } = process {
            ready.extend((0..concurrency.min(requests)).map(|_| Reverse(0f64.to_bits())));
        }
        let random = ChaCha12Rng::seed_from_u64(seed);
        Self { random, process, lengths, left: requests, drawn: 0, next: None, clock: 0.0, ready }
    }

    /// Time from the last arrival to the next, s.
    fn gap(&mut self, shape: Shape) -> f64 {
        match shape {
            Shape::Poisson { rate } => self.exponential() / rate,
            // Mean 1 / rate; the smaller the shape, the more bursty. 1 is Poisson.
            Shape::Gamma { rate, burstiness } => match Gamma::new(burstiness, 1.0 / (burstiness * rate)) {
                Ok(gamma) => gamma.sample(&mut self.random),
                Err(_) => 1.0 / rate,
            },
            Shape::Ramp { from, to, seconds } => {
                // Exponential in the integral of the rate, which is a quadratic in time.
                let slope = (to - from) / seconds;
                let rate = from + slope * self.clock;
                let need = self.exponential();
                if slope.abs() * need < 1e-9 * rate * rate {
                    return need / rate;
                }
                let root = rate * rate + 2.0 * slope * need;
                if root > 0.0 { (root.sqrt() - rate) / slope } else { f64::INFINITY }
            }
        }
    }

    fn exponential(&mut self) -> f64 {
        Exp1.sample(&mut self.random)
    }
}

impl Source for Drawn {
    fn peek(&mut self) -> Result<Option<f64>, Diagnostic> {
        if self.left == 0 {
            return Ok(None);
        }
        if self.next.is_none() {
            self.next = match self.process {
                Process::Closed { .. } => self.ready.peek().map(|Reverse(bits)| f64::from_bits(*bits)),
                Process::Open(shape) => {
                    let at = self.clock + self.gap(shape);
                    let over = matches!(shape, Shape::Ramp { seconds, .. } if at > seconds);
                    self.clock = at;
                    (!over && at.is_finite()).then_some(at)
                }
            };
            if self.next.is_none() && matches!(self.process, Process::Open(_)) {
                self.left = 0;
            }
        }
        Ok(self.next)
    }

    fn next(&mut self) -> Result<Option<Request>, Diagnostic> {
        let Some(arrival) = self.peek()? else { return Ok(None) };
        if let Process::Closed { .. } = self.process {
            self.ready.pop();
        }
        self.next = None;
        self.left -= 1;
        self.drawn += 1;
        let (input, output) = self.lengths.draw(&mut self.random);
        Ok(Some(Request { arrival, input, output, blocks: Box::default() }))
    }

    fn finished(&mut self, at: f64) {
        if let Process::Closed { .. } = self.process {
            self.ready.push(Reverse(at.to_bits()));
            // An earlier answer may have come in before a later one was asked for.
            self.next = None;
        }
    }
}
