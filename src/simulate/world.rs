//! The clock: arrivals, engines and transfers in the order of time.
//!
//! The next event is an arrival, the end of what an engine does, or a cache that reached its decode pool. Arrivals
//! go first where times are equal, so that requests of one moment share a step. Everything is one thread and one
//! order: the same requests give the same run.

use super::replica::{Outcome, Replica};
use super::request::Flights;
use super::routing::Router;
use super::source::Source;
use super::table::Steps;
use super::tally::{Finished, Tally};
use crate::diagnostic::Diagnostic;
use crate::estimate::Transfer;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Requests that wait in memory; past that, arrivals stay in their file until the queue is shorter.
pub const MOST_WAITING: usize = 500_000;

/// Engines of one kind behind a router.
pub struct Pool {
    /// The engines.
    pub replicas: Vec<Replica>,
    /// Their step times.
    pub steps: Steps,
    /// Who gets a request.
    pub router: Router,
}

/// A system that serves requests: one pool, or one for prompts and one for decoding.
pub struct World {
    pools: Vec<Pool>,
    transfer: Transfer,
    flights: Flights,
    /// Time (as ordered bits), engine or [`HANDED`], version or slot.
    events: BinaryHeap<Reverse<(u64, u32, u32)>>,
    /// Of every engine: which of its events is the last planned one.
    versions: Vec<u32>,
    /// Requests that wait for admission.
    waiting: usize,
    out: Vec<(u32, Outcome, f64)>,
}

/// In place of an engine: a cache arrived at the decode pool.
const HANDED: u32 = u32::MAX;

/// How far a run has come, told now and then.
pub trait Watch {
    /// So many requests arrived and iterations ran. `false` stops the clock.
    fn tick(&mut self, arrived: u64, iterations: u64) -> bool;
}

impl Watch for () {
    fn tick(&mut self, _: u64, _: u64) -> bool {
        true
    }
}

/// Requests between two ticks.
pub const TICK: u64 = 16_384;

impl World {
    /// A system at time 0.
    pub fn new(pools: Vec<Pool>, transfer: Transfer) -> Self {
        let engines = pools.iter().map(|p| p.replicas.len()).sum();
        Self {
            pools,
            transfer,
            flights: Flights::default(),
            events: BinaryHeap::new(),
            versions: vec![0; engines],
            waiting: 0,
            out: Vec::new(),
        }
    }

    /// Runs until everything is served, or to `horizon`, s.
    ///
    /// # Errors
    /// When the source of requests has an error.
    pub fn run(
        &mut self,
        source: &mut dyn Source,
        horizon: f64,
        tally: &mut Tally<'_>,
        watch: &mut dyn Watch,
    ) -> Result<(), Diagnostic> {
        loop {
            let arrival = if self.waiting < MOST_WAITING { source.peek()? } else { None };
            let event = self.events.peek().map(|Reverse((bits, ..))| f64::from_bits(*bits));
            let next = match (arrival, event) {
                (None, None) => return Ok(()),
                (Some(a), Some(e)) => a.min(e),
                (Some(t), None) | (None, Some(t)) => t,
            };
            if next > horizon {
                return Ok(());
            }
            if arrival == Some(next) || arrival.is_some_and(|a| a < next) {
                self.arrive(source, tally)?;
                if tally.arrived.is_multiple_of(TICK) && !watch.tick(tally.arrived, tally.iterations) {
                    return Ok(());
                }
            } else if let Some(Reverse((_, who, what))) = self.events.pop() {
                if who == HANDED {
                    self.hand_over(next, what, tally);
                } else if self.versions[who as usize] == what {
                    self.end(who, next, source, tally);
                }
            }
        }
    }

    /// Requests in the system that run.
    pub fn running(&self) -> u64 {
        (self.flights.len() - self.queued() as usize) as u64
    }

    /// Requests in the system that wait for admission.
    pub fn queued(&self) -> u64 {
        self.pools.iter().flat_map(|p| &p.replicas).map(|r| r.queued() as u64).sum()
    }

    fn arrive(&mut self, source: &mut dyn Source, tally: &mut Tally<'_>) -> Result<(), Diagnostic> {
        let Some(request) = source.next()? else { return Ok(()) };
        let now = request.arrival;
        let id = tally.arrived;
        tally.arrived += 1;
        let last = self.pools.len() - 1;
        let fits = |pool: &Pool, output| pool.replicas[0].could_hold(request.input, output);
        if !(fits(&self.pools[0], if last > 0 { 1 } else { request.output }) && fits(&self.pools[last], request.output))
        {
            tally.rejected += 1;
            source.finished(now);
            return Ok(());
        }
        tally.came(now);
        let slot = self.flights.board(id, request);
        self.enqueue(0, slot, now);
        Ok(())
    }

    /// A request reaches a pool: the router picks an engine, which is woken, or cuts its stretch.
    fn enqueue(&mut self, pool: usize, slot: u32, now: f64) {
        self.waiting += 1;
        let first = if pool == 0 { 0 } else { self.pools[0].replicas.len() };
        let Pool { replicas, steps, router } = &mut self.pools[pool];
        let chosen = router.choose(replicas, &self.flights.blocks[slot as usize]);
        let replica = &mut replicas[chosen];
        let who = (first + chosen) as u32;
        let idle = replica.enqueue(slot);
        let wake = if idle { Some(now) } else { replica.interrupt(now, &self.flights, steps) };
        if let Some(at) = wake {
            self.plan(who, at);
        }
    }

    /// What an engine plans replaces what it planned before.
    fn plan(&mut self, who: u32, at: f64) {
        let version = &mut self.versions[who as usize];
        *version = version.wrapping_add(1);
        self.events.push(Reverse((at.to_bits(), who, *version)));
    }

    fn hand_over(&mut self, now: f64, slot: u32, tally: &mut Tally<'_>) {
        tally.handed(now);
        self.enqueue(1, slot, now);
    }

    /// An engine's step or stretch ends, and the next one begins.
    fn end(&mut self, who: u32, now: f64, source: &mut dyn Source, tally: &mut Tally<'_>) {
        let first = self.pools[0].replicas.len();
        let (pool, index) = if (who as usize) < first { (0, who as usize) } else { (1, who as usize - first) };
        let Pool { replicas, steps, .. } = &mut self.pools[pool];
        let replica = &mut replicas[index];
        let mut out = std::mem::take(&mut self.out);
        replica.complete(now, &mut self.flights, steps, tally, &mut out);
        let delivery = steps.delivery();
        let queued = replica.queued();
        let next = replica.begin(now, &mut self.flights, steps, tally);
        self.waiting = self.waiting + replica.queued() - queued;
        if let Some(at) = next {
            self.plan(who, at);
        }
        for (slot, outcome, at) in out.drain(..) {
            match outcome {
                Outcome::Finished => {
                    let request = self.record(slot, at, delivery);
                    tally.done(now, &request);
                    source.finished(request.end);
                    self.flights.leave(slot);
                }
                Outcome::Handed => {
                    let tokens = f64::from(self.flights.input[slot as usize]);
                    let ready = at + self.flights.lag[slot as usize];
                    let at = ready + self.transfer.of(tokens).get();
                    // Who asked hears of the first token once the writers have it.
                    self.flights.first[slot as usize] = at;
                    self.flights.lag[slot as usize] = 0.0;
                    self.events.push(Reverse((at.to_bits(), HANDED, slot)));
                }
            }
        }
        self.out = out;
    }

    fn record(&self, slot: u32, end: f64, delivery: f64) -> Finished {
        let (f, at) = (&self.flights, slot as usize);
        let later = delivery + f.lag[at];
        Finished {
            id: f.id[at],
            arrival: f.arrival[at],
            admitted: f.admitted[at],
            first: f.first[at] + later,
            end: end + later,
            input: f.input[at],
            found: f.found[at],
            output: f.output[at],
            preemptions: f.preemptions[at],
            replica: f.replica[at],
        }
    }

    /// Blocks of cache in all pools, where they are known.
    pub fn blocks(&self) -> Option<u64> {
        self.pools.iter().flat_map(|p| &p.replicas).map(Replica::blocks).sum()
    }
}
