//! One operation of a forward pass: what it does as a function of the step, and how long that takes.
//!
//! t = ((F / (P e_c))^q + (B / (W e_m))^q + (waves k w)^q)^(1/q): compute, memory and the latency of one wave of
//! tiles blend smoothly; q, the efficiencies and w are constants of the kernel family. Times are per rank.

use super::calibration::Kernel;
use super::exchange::Exchange;
use super::machine::Machine;
use super::path::Path;

/// Tokens that pass through an instance in one step.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Step {
    /// Sequences that decode one token each, over the whole instance.
    pub decode: f64,
    /// Mean tokens already cached per decoding sequence.
    pub context: f64,
    /// Prompt tokens computed, over the whole instance.
    pub prefill: f64,
    /// Tokens of the same prompts that are already cached.
    pub past: f64,
    /// Prompts whose last token is in this step.
    pub prompts: f64,
    /// Tokens that each decoding sequence guesses beside its certain one.
    pub drafts: f64,
}

impl Step {
    /// Tokens that pass through every matrix.
    pub fn tokens(&self) -> f64 {
        self.generated() + self.prefill
    }

    /// One of two halves that run in turns on `ranks` data-parallel ranks: half of the sequences, and of the prompts; a
    /// prompt that is alone on its rank is cut in two. `None` where a rank has nothing to divide.
    pub fn half(&self, ranks: f64) -> Option<Self> {
        if self.prefill <= 0.0 && self.decode < 2.0 * ranks {
            return None;
        }
        let each = self.prefill / self.prompts.max(1.0);
        let cut = self.prefill > 0.0 && self.prompts < 2.0 * ranks;
        // Each half of a cut prompt sees what is before it: nothing more, or the other half.
        let past = if cut { self.past + each / 4.0 } else { self.past };
        let (prefill, prompts) = (self.prefill / 2.0, if cut { self.prompts } else { self.prompts / 2.0 });
        Some(Self { decode: self.decode / 2.0, prefill, prompts, past, ..*self })
    }

    /// Tokens of the decoding sequences, guessed ones included.
    fn generated(&self) -> f64 {
        self.decode * (1.0 + self.drafts)
    }
}

/// What is charged for an operation; the classes of the tuning debt, with `Host` for launches and scheduling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Projections, feed-forward layers, LM head, norms.
    Gemm,
    /// Attention over the cache, recurrences.
    Attention,
    /// Grouped expert GEMMs.
    Experts,
    /// All-reduce, dispatch, combine.
    Collectives,
    /// Launches and host time.
    Host,
}

impl Class {
    /// All classes, in the order of reports.
    pub const ALL: [Self; 5] = [Self::Gemm, Self::Attention, Self::Experts, Self::Collectives, Self::Host];

    /// The spelling used in scenarios and rows.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gemm => "gemm",
            Self::Attention => "attention",
            Self::Experts => "experts",
            Self::Collectives => "collectives",
            Self::Host => "host",
        }
    }
}

/// What limits an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bound {
    /// Arithmetic.
    Compute,
    /// Arithmetic of absorbed latent attention.
    MlaCompute,
    /// Device memory bandwidth.
    Memory,
    /// Scale-up link.
    Link,
    /// Scale-out network.
    Network,
    /// Host time and launches.
    Host,
}

impl Bound {
    /// The spelling used in rows.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Compute => "compute",
            Self::MlaCompute => "MLA compute",
            Self::Memory => "memory bandwidth",
            Self::Link => "link",
            Self::Network => "network",
            Self::Host => "host",
        }
    }
}

/// An operation, folded over the layers that have it.
#[derive(Debug, Clone, PartialEq)]
pub struct Op {
    /// What it is, such as `qkv` or `attention decode`.
    pub name: &'static str,
    /// What it is charged to.
    pub class: Class,
    /// How often a step runs it.
    pub calls: f64,
    /// What one call does.
    pub work: Work,
}

/// Which tokens an operation runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    /// The tokens of one data-parallel rank.
    Rank,
    /// One row per sequence that yields a token.
    Logits,
    /// Prompt tokens with those before them: the expansion of a latent cache.
    PromptCache,
    /// Decoding sequences only.
    Decode,
}

/// What one call does.
#[derive(Debug, Clone, PartialEq)]
pub enum Work {
    /// rows x k times k x n.
    Gemm {
        /// Columns of the result on this rank.
        n: f64,
        /// Length of the sum on this rank.
        k: f64,
        /// Tokens it runs on.
        rows: Rows,
        /// Its arithmetic.
        path: Path,
        /// Its constants.
        kernel: Kernel,
    },
    /// All matrices of the routed experts of one layer, on the busiest rank.
    Experts(Experts),
    /// Attention of decoding sequences over their caches.
    Decode(Attention),
    /// Causal attention of prompt tokens.
    Prefill(Attention),
    /// A recurrence with a state of fixed size.
    Recurrent {
        /// Bytes of the state per sequence on this rank.
        state_bytes: f64,
        /// FLOP per token on this rank.
        flop_per_token: f64,
        /// Its constants: the memory efficiency of decode, the compute efficiency of prefill.
        kernel: Kernel,
    },
    /// Norms, residuals, activations: passes over the hidden vectors, in several small kernels.
    Elementwise {
        /// Bytes read and written per token.
        bytes_per_token: f64,
        /// Kernels of one call.
        kernels: f64,
        /// Its constants.
        kernel: Kernel,
    },
    /// A reduction of the hidden vectors over ranks.
    Reduce {
        /// Bytes of one token's vector.
        bytes_per_token: f64,
    },
    /// A collective of next to nothing.
    Tiny,
    /// Gathering or scattering around experts whose ranks have tokens of their own: by half an all-reduce, or by
    /// sending each token to its experts or back, whichever is faster.
    Exchange {
        /// Bytes of one token's vector in 16 bit.
        bytes_per_token: f64,
        /// A token's way to its experts, or back.
        exchange: Exchange,
    },
}

/// Shapes of the routed experts of one layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Experts {
    /// Experts of the layer.
    pub count: f64,
    /// Experts of a token.
    pub topk: f64,
    /// Ranks the experts are spread over.
    pub ep: f64,
    /// Ranks that share one expert.
    pub tp: f64,
    /// Width of the vector an expert reads and writes.
    pub width: f64,
    /// Width inside an expert.
    pub inter: f64,
    /// Matrices of an expert.
    pub matrices: f64,
    /// Their arithmetic.
    pub path: Path,
    /// Their constants.
    pub kernel: Kernel,
}

impl Experts {
    /// Experts that the fullest rank holds: whole ones.
    fn local(&self) -> f64 {
        (self.count / self.ep).ceil()
    }
}

/// Shapes of attention on one rank.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Attention {
    /// FLOP per pair of a query token and a cached token.
    pub flop_per_pair: f64,
    /// Bytes of a cached token.
    pub bytes_per_cached: f64,
    /// Bytes of queries in and results out, per token.
    pub bytes_per_token: f64,
    /// Cached tokens seen.
    pub span: Span,
    /// The cache is latent: what binds is named apart.
    pub latent: bool,
    /// Peak rate of its arithmetic, FLOP/s.
    pub rate: f64,
    /// Its constants.
    pub kernel: Kernel,
}

/// Which cached tokens attention sees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span {
    /// Only so many latest tokens; infinite without a window.
    pub window: f64,
    /// Tokens per cached entry; 1 without compression.
    pub ratio: f64,
    /// Raw tokens seen beside compressed entries.
    pub raw: f64,
    /// At most so many entries, chosen by an indexer; infinite without one.
    pub chosen: f64,
    /// Bytes per entry the indexer reads to choose.
    pub index_bytes: f64,
}

impl Span {
    /// Every cached token.
    pub const FULL: Self =
        Self { window: f64::INFINITY, ratio: 1.0, raw: 0.0, chosen: f64::INFINITY, index_bytes: 0.0 };

    /// Entries before the indexer chooses, and entries seen, for `context` cached tokens.
    fn entries(&self, context: f64) -> (f64, f64) {
        let entries = (context / self.ratio).min(self.window);
        (entries, entries.min(self.chosen) + self.raw.min(context))
    }
}

/// What one operation costs in one step, all calls together, on the busiest rank.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Timed {
    /// Floating-point operations.
    pub flop: f64,
    /// Bytes through device memory.
    pub bytes: f64,
    /// Bytes through links.
    pub wire: f64,
    /// Seconds, launches not included.
    pub seconds: f64,
    /// Seconds of launches.
    pub launch: f64,
    /// What limits it.
    pub bound: Bound,
}

/// Rows of a tile of matrix kernels; partial tiles are computed whole.
const TILE: f64 = 128.0;
/// Rows of a tile of grouped expert kernels.
const EXPERT_TILE: f64 = 64.0;

impl Op {
    /// Kernels a step launches for this operation.
    pub fn kernels(&self) -> f64 {
        match self.work {
            Work::Elementwise { kernels, .. } => self.calls * kernels,
            _ => self.calls,
        }
    }

    /// Cost of this operation in a step; `None` where the step gives it nothing to do.
    pub fn time(&self, step: &Step, machine: &Machine) -> Option<Timed> {
        Some(self.one(step, machine)?.times(self.calls))
    }

    fn one(&self, step: &Step, machine: &Machine) -> Option<Timed> {
        let dp = machine.dp;
        match &self.work {
            Work::Gemm { n, k, rows, path, kernel } => {
                let m = rows.of(step, dp);
                (m > 0.0).then(|| gemm(m, *n, *k, path, kernel, machine))
            }
            Work::Experts(shape) => {
                let tokens = step.tokens();
                (tokens > 0.0).then(|| experts(tokens, shape, machine))
            }
            Work::Decode(shape) => (step.decode > 0.0).then(|| decode(step, shape, machine)),
            Work::Prefill(shape) => (step.prefill > 0.0).then(|| prefill(step, shape, machine)),
            Work::Recurrent { state_bytes, flop_per_token, kernel } => {
                let bytes = (step.decode + step.prompts) / dp * 2.0 * state_bytes;
                let flop = step.tokens() / dp * flop_per_token;
                // A chunked scan of a prompt keeps the state on chip; decode moves it for every token.
                let seconds = bytes / (machine.bandwidth * kernel.memory)
                    + step.prefill / dp * flop_per_token / (machine.wide_rate * kernel.compute);
                (seconds > 0.0).then(|| Timed::new(flop, bytes, seconds, kernel.launch, Bound::Memory))
            }
            Work::Elementwise { bytes_per_token, kernels, kernel } => {
                let bytes = step.tokens() / dp * bytes_per_token;
                let seconds = bytes / (machine.bandwidth * kernel.memory);
                Some(Timed::new(0.0, bytes, seconds, kernel.launch * kernels, Bound::Memory))
            }
            Work::Reduce { bytes_per_token } => {
                let size = step.tokens() * bytes_per_token;
                let (seconds, bound) = machine.reduce(size);
                Some(Timed { wire: size, ..Timed::new(0.0, 0.0, seconds, 0.0, bound) })
            }
            Work::Tiny => Some(Timed::new(0.0, 0.0, machine.latency(), 0.0, Bound::Link)),
            Work::Exchange { bytes_per_token, exchange } => {
                let tokens = step.tokens();
                let wire = tokens * bytes_per_token;
                let sent = machine.exchange(tokens / machine.ranks, exchange, step.prefill > 0.0);
                // Half an all-reduce gathers, the other half scatters.
                let (reduce, over) = machine.reduce(wire);
                let reduce = (reduce / 2.0, over);
                let (seconds, bound) = if sent.0 < reduce.0 { sent } else { reduce };
                Some(Timed { wire, ..Timed::new(0.0, 0.0, seconds, 0.0, bound) })
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

    fn new(flop: f64, bytes: f64, seconds: f64, launch: f64, bound: Bound) -> Self {
        Self { flop, bytes, wire: 0.0, seconds, launch, bound }
    }
}

impl Rows {
    fn of(self, step: &Step, dp: f64) -> f64 {
        match self {
            Self::Rank => step.tokens() / dp,
            Self::Logits => (step.generated() + step.prompts) / dp,
            Self::PromptCache => {
                if step.prefill > 0.0 {
                    step.prefill / dp + step.past
                } else {
                    0.0
                }
            }
            Self::Decode => step.generated() / dp,
        }
    }
}

/// Compute, memory and wave latency blended; the largest of the three names the bound.
fn blend(compute: f64, memory: f64, wave: f64, q: f64) -> f64 {
    // Scaled by the largest term, so that powers neither overflow nor vanish.
    let most = compute.max(memory).max(wave);
    if most == 0.0 {
        return 0.0;
    }
    let share = |t: f64| if t == most { 1.0 } else { (t / most).powf(q) };
    most * (share(compute) + share(memory) + share(wave)).powf(1.0 / q)
}

fn roofed(flop: f64, bytes: f64, wave: f64, rate: f64, kernel: &Kernel, machine: &Machine) -> Timed {
    let compute = flop / (rate * kernel.compute);
    let memory = bytes / (machine.bandwidth * kernel.memory);
    let bound = if compute >= memory { Bound::Compute } else { Bound::Memory };
    Timed::new(flop, bytes, blend(compute, memory, wave, kernel.blend), kernel.launch, bound)
}

fn gemm(m: f64, n: f64, k: f64, path: &Path, kernel: &Kernel, machine: &Machine) -> Timed {
    let flop = 2.0 * (m - kernel.free).max(0.0) * n * k;
    let bytes = m * k * path.activation_bytes + n * k * path.weight_bytes + 2.0 * m * n;
    let waves = ((m / TILE).ceil() * (n / TILE).ceil() / machine.units).ceil();
    // A measured device says what a batch of this size takes; elsewhere its kernels' constants do.
    let rate = machine.products(path.operand).map_or(path.rate, |products| flop / (products.excess_s(m, k) * n * k));
    roofed(flop, bytes, waves * k * kernel.wave, rate, kernel, machine)
}

fn experts(tokens: f64, e: &Experts, machine: &Machine) -> Timed {
    let local = e.local();
    let active = touched(tokens, e, machine.expert_skew).min(local);
    let rows = tokens * e.topk / e.ep * machine.expert_imbalance;
    // Mat-vec kernels compute single rows and have no tiles to fill.
    let tile = if e.kernel.wave > 0.0 { EXPERT_TILE } else { 1.0 };
    let padded = rows.max(active * tile * (rows / active / tile - 1e-9).ceil()) - e.kernel.free * active;
    let inter = e.inter / e.tp;
    let flop = 2.0 * e.matrices * padded.max(0.0) * e.width * inter;
    let bytes = active * e.matrices * e.width * inter * e.path.weight_bytes
        + rows * (e.width * (e.path.activation_bytes + 2.0) + e.matrices * inter * 2.0);
    let tiles = padded / EXPERT_TILE;
    let up = (tiles * ((e.matrices - 1.0) * inter / TILE).ceil() / machine.units).ceil() * e.width;
    let down = (tiles * (e.width / TILE).ceil() / machine.units).ceil() * inter;
    roofed(flop, bytes, (up + down) * e.kernel.wave, e.path.rate, &e.kernel, machine)
}

/// Experts of one rank that a batch touches: E (1 - (1 + s x)^(-1/s)) with x = tokens k / E, which for s towards 0
/// is the uniform E (1 - e^-x); s grows with the unevenness of routing.
fn touched(tokens: f64, e: &Experts, skew: f64) -> f64 {
    let local = e.local();
    let x = tokens * e.topk / e.count;
    let spread = local * (1.0 - (1.0 + skew * x).powf(-1.0 / skew));
    spread.max((e.topk / e.ep).min(local)).min(tokens * e.topk)
}

fn decode(step: &Step, a: &Attention, machine: &Machine) -> Timed {
    let sequences = step.decode / machine.dp;
    let (entries, seen) = a.span.entries(step.context);
    // Guessed tokens read the cache together with the certain one.
    let flop = step.generated() / machine.dp * seen * a.flop_per_pair;
    let index = sequences * entries * a.span.index_bytes;
    let bytes = sequences * (seen * a.bytes_per_cached + a.bytes_per_token) + index;
    // A kernel that is timed over and over on one buffer finds part of it in the cache.
    let hit = if machine.cache > 0.0 { (1.0 - bytes / machine.cache).max(0.0) } else { 0.0 };
    a.timed(flop, bytes * (1.0 - hit + hit / a.kernel.cached), machine)
}

fn prefill(step: &Step, a: &Attention, machine: &Machine) -> Timed {
    let tokens = step.prefill / machine.dp;
    let each = tokens / (step.prompts / machine.dp).max(1.0);
    let (_, seen) = a.span.entries(step.past + each / 2.0);
    let flop = tokens * seen * a.flop_per_pair;
    let bytes = tokens * a.bytes_per_token + (tokens + step.past) / a.span.ratio * a.bytes_per_cached;
    a.timed(flop, bytes, machine)
}

impl Attention {
    fn timed(&self, flop: f64, bytes: f64, machine: &Machine) -> Timed {
        let timed = roofed(flop, bytes, 0.0, self.rate, &self.kernel, machine);
        let bound = if self.latent && timed.bound == Bound::Compute { Bound::MlaCompute } else { timed.bound };
        Timed { bound, ..timed }
    }
}
