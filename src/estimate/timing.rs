//! How long an operation takes.
//!
//! t = ((F / (P e_c))^q + (B / (W e_m))^q + (waves k w)^q)^(1/q): compute, memory and the latency of one wave of
//! tiles blend smoothly; q, the efficiencies and w are constants of the kernel family. Times are per rank; FLOP are
//! those the model needs there, without what tiles are padded with.

use super::bound::Bound;
use super::constants::Kernel;
use super::machine::Machine;
use super::op::{Arithmetic, Attention, Experts, Op, Rows, Work};
use super::step::RankStep;
use crate::units::{Bytes, Flop, FlopRate, Seconds};

/// What one operation costs in one step, all calls together, on the busiest rank.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Timed {
    /// Floating-point operations.
    pub flop: Flop,
    /// Bytes through device memory.
    pub bytes: Bytes,
    /// Bytes through links.
    pub wire: Bytes,
    /// Launches not included.
    pub seconds: Seconds,
    /// Of launches.
    pub launch: Seconds,
    /// What limits it.
    pub bound: Bound,
}

/// Rows of a tile of matrix kernels; partial tiles are computed whole.
const TILE: f64 = 128.0;
/// Rows of a tile of grouped expert kernels.
const EXPERT_TILE: f64 = 64.0;

impl Op {
    /// Cost of this operation in a step; `None` where the step gives it nothing to do.
    pub fn time(&self, step: &RankStep, machine: &Machine) -> Option<Timed> {
        Some(self.one(step, machine)?.times(self.calls))
    }

    fn one(&self, step: &RankStep, machine: &Machine) -> Option<Timed> {
        match &self.work {
            Work::Gemm { n, k, rows, by, or } => {
                let m = rows.of(step);
                let run = |a: &Arithmetic| gemm(m, *n, *k, a, machine);
                (m > 0.0).then(|| match or {
                    Some(other) if m > by.kernel.most => run(other),
                    other => faster(run(by), other.as_ref().map(run)),
                })
            }
            Work::Experts(shape) => {
                let tokens = step.instance.0;
                let run = |a: &Arithmetic| experts(tokens, shape, a, machine);
                (tokens > 0.0).then(|| faster(run(&shape.by), shape.or.as_ref().map(run)))
            }
            Work::Decode(shape) => (step.sequences.0 > 0.0).then(|| decode(step, shape, machine)),
            Work::Prefill(shape) => (step.prompts.0 > 0.0).then(|| prefill(step, shape, machine)),
            Work::Recurrent { state_bytes, flop_per_token, kernel } => {
                recurrent(step, *state_bytes, *flop_per_token, kernel, machine)
            }
            Work::Elementwise { bytes_per_token, token_s, kernels, kernel } => {
                let bytes = Bytes::new(step.tokens().0 * bytes_per_token);
                let in_turn = Seconds::new(step.prompt_tokens().0 * token_s);
                let seconds = bytes / (machine.bandwidth * kernel.memory) + in_turn;
                Some(Timed::new(Flop::ZERO, bytes, seconds, kernel.launch * kernels, Bound::Memory))
            }
            Work::Reduce { bytes_per_token } => {
                let size = Bytes::new(step.tokens().0 * bytes_per_token);
                Some(Timed::sent(size, machine.reduce(size, machine.tp)))
            }
            Work::Tiny => Some(Timed::sent(Bytes::ZERO, (machine.latency_of(machine.tp), Bound::Link))),
            Work::Exchange { bytes_per_token, exchange } => {
                let size = Bytes::new(step.instance.0 * bytes_per_token);
                let all = machine.gather(size, machine.ranks);
                // Whoever holds the busiest experts receives, and sends back, as many more.
                let tokens = step.instance.0 / machine.ranks * machine.expert_imbalance;
                let copies = || machine.exchange(tokens, exchange, step.prompts.0 > 0.0);
                let sent = if machine.sends_copies() { Some(copies()) } else { None };
                Some(Timed::sent(size, sent.filter(|sent| sent.0 < all.0).unwrap_or(all)))
            }
            Work::Copy { bytes, share } => {
                let size = Bytes::new(*bytes);
                Some(Timed::sent(size, (size / (machine.pcie() * *share), Bound::Link)))
            }
            Work::Send { bytes_per_token } => {
                let size = Bytes::new(step.tokens().0 * bytes_per_token);
                Some(Timed::sent(size, machine.send(size)))
            }
        }
    }
}

impl Timed {
    /// The same so many times over.
    pub fn times(self, times: f64) -> Self {
        Self {
            flop: self.flop * times,
            bytes: self.bytes * times,
            wire: self.wire * times,
            seconds: self.seconds * times,
            launch: self.launch * times,
            bound: self.bound,
        }
    }

    /// Both, one after the other; the longer one names the bound.
    pub fn and(self, other: &Self) -> Self {
        Self {
            flop: self.flop + other.flop,
            bytes: self.bytes + other.bytes,
            wire: self.wire + other.wire,
            seconds: self.seconds + other.seconds,
            launch: self.launch + other.launch,
            bound: if other.seconds > self.seconds { other.bound } else { self.bound },
        }
    }

    fn new(flop: Flop, bytes: Bytes, seconds: Seconds, launch: f64, bound: Bound) -> Self {
        Self { flop, bytes, wire: Bytes::ZERO, seconds, launch: Seconds::new(launch), bound }
    }

    fn sent(wire: Bytes, (seconds, bound): (Seconds, Bound)) -> Self {
        Self { wire, ..Self::new(Flop::ZERO, Bytes::ZERO, seconds, 0.0, bound) }
    }
}

impl Rows {
    fn of(self, step: &RankStep) -> f64 {
        match self {
            Self::Rank => step.tokens().0,
            Self::Logits => step.generated.0 + step.prompts.0,
            Self::PromptCache => step.prompt_tokens().0 + step.prompt_past().0,
            Self::Decode => step.generated.0,
        }
    }
}

/// The faster of two kernels.
fn faster(one: Timed, other: Option<Timed>) -> Timed {
    match other {
        Some(other) if other.seconds + other.launch < one.seconds + one.launch => other,
        _ => one,
    }
}

/// Compute, memory and wave latency blended.
fn blend(compute: f64, memory: f64, wave: f64, q: f64) -> Seconds {
    // Scaled by the largest term, so that powers neither overflow nor vanish.
    let most = compute.max(memory).max(wave);
    if most == 0.0 {
        return Seconds::ZERO;
    }
    let share = |t: f64| if t == most { 1.0 } else { (t / most).powf(q) };
    Seconds::new(most * (share(compute) + share(memory) + share(wave)).powf(1.0 / q))
}

/// An operation of `needed` FLOP that computes for a while at the peak, moves bytes, and runs in waves of tiles.
fn blended(needed: f64, compute: Seconds, bytes: f64, wave: f64, kernel: &Kernel, machine: &Machine) -> Timed {
    let compute = compute / kernel.compute;
    let bytes = Bytes::new(bytes);
    let memory = bytes / (machine.bandwidth * kernel.memory);
    let bound = if compute >= memory { Bound::Compute } else { Bound::Memory };
    let seconds = blend(compute.get(), memory.get(), wave, kernel.blend);
    Timed::new(Flop::new(needed), bytes, seconds, kernel.launch, bound)
}

/// The same, whose rows that ride on the load of the weights are computed no faster than at the peak.
fn roofed(
    needed: f64,
    rate: FlopRate,
    compute: Seconds,
    bytes: f64,
    wave: f64,
    kernel: &Kernel,
    machine: &Machine,
) -> Timed {
    let timed = blended(needed, compute, bytes, wave, kernel, machine);
    Timed { seconds: timed.seconds.max(at(needed, rate)), ..timed }
}

fn at(flop: f64, rate: FlopRate) -> Seconds {
    Flop::new(flop.max(0.0)) / rate
}

fn gemm(m: f64, n: f64, k: f64, by: &Arithmetic, machine: &Machine) -> Timed {
    let Arithmetic { path, kernel } = by;
    let bytes = m * k * path.activation_bytes + n * k * path.weight_bytes + 2.0 * m * n;
    let waves = ((m / TILE).ceil() * (n / TILE).ceil() / machine.units).ceil();
    // A measured device says what a batch of this size takes; elsewhere its kernels' constants do.
    let compute = match machine.products(path.operand) {
        Some(products) => Seconds::new(products.excess_s(m, k) * n * k),
        None => at(2.0 * (m.max(kernel.least) - kernel.free) * n * k, path.rate),
    };
    let needed = 2.0 * m * n * k;
    roofed(needed, path.rate, compute, bytes, waves * k * kernel.wave, kernel, machine)
}

fn experts(tokens: f64, e: &Experts, by: &Arithmetic, machine: &Machine) -> Timed {
    let Arithmetic { path, kernel } = by;
    let local = e.local();
    let active = touched(tokens, e, machine.expert_skew).min(local);
    let rows = tokens * e.topk / e.ep * machine.expert_imbalance;
    let inter = e.inter / e.tp;
    // Mat-vec kernels compute single rows and have no tiles to fill.
    let tile = if kernel.wave > 0.0 { EXPERT_TILE } else { kernel.least };
    let padded = if tile > 0.0 { active * tile * tiles(rows / active / tile) } else { rows };
    let compute = at(2.0 * e.matrices * (padded - kernel.free * active) * e.width * inter, path.rate);
    let bytes = active * e.matrices * e.width * inter * path.weight_bytes
        + rows * (e.width * (path.activation_bytes + 2.0) + e.matrices * inter * 2.0);
    let tiles = padded / EXPERT_TILE;
    let up = (tiles * ((e.matrices - 1.0) * inter / TILE).ceil() / machine.units).ceil() * e.width;
    let down = (tiles * (e.width / TILE).ceil() / machine.units).ceil() * inter;
    let needed = 2.0 * e.matrices * rows * e.width * inter;
    roofed(needed, path.rate, compute, bytes, (up + down) * kernel.wave, kernel, machine)
}

/// Tiles of an expert whose rows fill `mean` of them on average. Routing spreads rows unevenly; where they are spread
/// exponentially, the mean of the next whole number is 1 / (1 - e^(-1 / mean)): one tile for few rows, half a tile more
/// than the rows fill for many.
fn tiles(mean: f64) -> f64 {
    1.0 / -(-1.0 / mean).exp_m1()
}

/// Experts of one rank that a batch touches: E (1 - (1 + s x)^(-1/s)) with x = tokens k / E, which for s towards 0
/// is the uniform E (1 - e^-x); s grows with the unevenness of routing.
fn touched(tokens: f64, e: &Experts, skew: f64) -> f64 {
    let local = e.local();
    let x = tokens * e.topk / e.count;
    let spread = local * (1.0 - (1.0 + skew * x).powf(-1.0 / skew));
    spread.max((e.topk / e.ep).min(local)).min(tokens * e.topk)
}

fn decode(step: &RankStep, a: &Attention, machine: &Machine) -> Timed {
    let (sequences, generated) = (step.sequences.0, step.generated.0);
    let seen = a.span.after(step.context.0);
    let flop = generated * (seen.attended * a.flop_per_pair + seen.scored * a.index_flop);
    // Guessed tokens read the cache together with the certain one.
    let bytes = sequences * (seen.attended * a.bytes_per_cached + a.bytes_per_token + seen.scored * a.index_bytes)
        + generated * seen.attended * a.score_bytes;
    // A kernel that is timed over and over on one buffer finds part of it in the cache.
    let cache = machine.cache.get();
    let hit = if cache > 0.0 { (1.0 - bytes / cache).max(0.0) } else { 0.0 };
    a.timed(flop, bytes * (1.0 - hit + hit / a.kernel.cached), machine)
}

fn prefill(step: &RankStep, a: &Attention, machine: &Machine) -> Timed {
    let tokens = step.prompt_tokens().0;
    let seen = a.span.over(step.past.0, step.fresh.0);
    let flop = tokens * (seen.attended * a.flop_per_pair + seen.scored * a.index_flop);
    // Of what came before, a window lets only its own length be read.
    let reach =
        a.span.reach.map_or(f64::INFINITY, |w| if a.index_flop > 0.0 { f64::INFINITY } else { w.tokens as f64 });
    let entries = (tokens + step.prompt_past().0.min(step.prompts.0 * reach)) / a.span.ratio;
    let scores = tokens * seen.attended * a.score_bytes;
    a.timed(flop, tokens * a.bytes_per_token + entries * (a.bytes_per_cached + a.index_bytes) + scores, machine)
}

/// A chunked scan of a prompt keeps the state on chip; decode moves it for every token.
fn recurrent(step: &RankStep, state: f64, per_token: f64, kernel: &Kernel, machine: &Machine) -> Option<Timed> {
    let bytes = Bytes::new((step.sequences.0 + step.prompts.0) * 2.0 * state);
    let scan = Flop::new(step.prompt_tokens().0 * per_token);
    let seconds = bytes / (machine.bandwidth * kernel.memory) + scan / (machine.wide_rate * kernel.compute);
    let flop = Flop::new(step.tokens().0 * per_token);
    let seconds = seconds.max(flop / machine.wide_rate);
    (seconds.get() > 0.0).then(|| Timed::new(flop, bytes, seconds, kernel.launch, Bound::Memory))
}

impl Attention {
    fn timed(&self, flop: f64, bytes: f64, machine: &Machine) -> Timed {
        let timed = blended(flop, at(flop, self.rate), bytes, 0.0, &self.kernel, machine);
        let bound = if self.latent && timed.bound == Bound::Compute { Bound::MlaCompute } else { timed.bound };
        Timed { bound, ..timed }
    }
}
