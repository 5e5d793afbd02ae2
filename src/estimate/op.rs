//! The operations of a forward pass: what each does, as shapes on one rank.

use super::bound::Class;
use super::constants::Kernel;
use super::exchange::Exchange;
use super::path::Path;
use crate::model::mixing::Span;
use crate::units::FlopRate;

/// Bytes of a 16-bit activation.
pub const WIDE: f64 = 2.0;

/// An operation, folded over the layers that have it.
#[derive(Debug, Clone, PartialEq)]
pub struct Op {
    /// What it is, such as `qkv` or `attention decode`.
    pub name: &'static str,
    /// It guesses tokens: part of the draft, which runs once for each of them.
    pub draft: bool,
    /// Which of the instance's unlike devices runs it; 0 is the first, or each of equal ones.
    pub place: usize,
    /// What it is charged to.
    pub class: Class,
    /// How often a step runs it.
    pub calls: f64,
    /// What one call does.
    pub work: Work,
}

impl Op {
    /// An operation that is no part of a draft.
    pub const fn new(name: &'static str, class: Class, calls: f64, work: Work) -> Self {
        Self { name, draft: false, place: 0, class, calls, work }
    }

    /// Kernels a step launches for this operation.
    pub fn kernels(&self) -> f64 {
        match self.work {
            Work::Elementwise { kernels, .. } => self.calls * kernels,
            _ => self.calls,
        }
    }
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

/// The arithmetic of a kernel, and its constants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Arithmetic {
    /// Rate and bytes.
    pub path: Path,
    /// What of them is reached.
    pub kernel: Kernel,
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
        /// How it is computed.
        by: Arithmetic,
        /// Another kernel, for more rows; the faster one runs.
        or: Option<Arithmetic>,
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
        /// What a token takes whatever moves, s: work that one thread does after the other.
        token_s: f64,
        /// Kernels of one call.
        kernels: f64,
        /// Its constants.
        kernel: Kernel,
    },
    /// A reduction of the hidden vectors over the tensor-parallel ranks of one data-parallel rank.
    Reduce {
        /// Bytes of one token's vector.
        bytes_per_token: f64,
    },
    /// A collective of next to nothing over the same ranks.
    Tiny,
    /// Gathering or scattering around experts whose ranks have tokens of their own: all tokens everywhere, or each token
    /// to its experts and back where that can be and is faster.
    Exchange {
        /// Bytes of one token's vector in 16 bit.
        bytes_per_token: f64,
        /// A token's way to its experts, or back.
        exchange: Exchange,
    },
    /// Weights that come from the host's memory over the device's link, whatever the tokens.
    Copy {
        /// Their bytes.
        bytes: f64,
        /// Share of PCI Express that such a copy reaches.
        share: f64,
    },
    /// Hidden vectors handed from one pipeline stage to the next.
    Send {
        /// Bytes of one token's vector that one rank sends.
        bytes_per_token: f64,
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
    /// How they are computed.
    pub by: Arithmetic,
    /// Another kernel, for more rows; the faster one runs.
    pub or: Option<Arithmetic>,
}

impl Experts {
    /// Experts that the fullest rank holds: whole ones.
    pub fn local(&self) -> f64 {
        (self.count / self.ep).ceil()
    }
}

/// Shapes of attention on one rank.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Attention {
    /// FLOP per pair of a token and an entry it attends to.
    pub flop_per_pair: f64,
    /// FLOP per pair of a token and an entry that an indexer scores; 0 without one.
    pub index_flop: f64,
    /// Bytes of a cached entry.
    pub bytes_per_cached: f64,
    /// Bytes of an index key; 0 without an indexer.
    pub index_bytes: f64,
    /// Bytes of queries in and results out, per token.
    pub bytes_per_token: f64,
    /// Bytes of scores that pass through memory, per pair of a token and an entry; 0 where one kernel computes them all.
    pub score_bytes: f64,
    /// Entries seen.
    pub span: Span,
    /// The cache is latent: what binds is named apart.
    pub latent: bool,
    /// Peak rate of its arithmetic.
    pub rate: FlopRate,
    /// Its constants.
    pub kernel: Kernel,
}
