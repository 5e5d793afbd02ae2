//! What is to be computed, whatever kernel computes it: an operation with its shape.

use serde::{Deserialize, Serialize};
use std::fmt;

/// An operation and its shape. Matrices are row-major; lengths count values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Problem {
    /// C[m, n] = A[m, k] B[k, n].
    Gemm {
        /// Rows of A and C.
        m: u64,
        /// Columns of B and C.
        n: u64,
        /// Columns of A, rows of B.
        k: u64,
    },
    /// `y[n] = W[n, k] x[k]`, one token through a weight matrix.
    Gemv {
        /// Rows of W.
        n: u64,
        /// Columns of W.
        k: u64,
    },
    /// Reads `words` 32-bit words once and folds them together.
    Read {
        /// Words read.
        words: u64,
    },
    /// Copies `words` 32-bit words.
    Copy {
        /// Words read, and written.
        words: u64,
    },
    /// `steps` dependent multiply-adds in each of `chains` independent values.
    Fma {
        /// Independent values.
        chains: u64,
        /// Multiply-adds on each.
        steps: u64,
    },
    /// Softmax attention of the last `queries` tokens over `context` cached ones, causal, grouped heads.
    Attention {
        /// Tokens that ask; 1 is a decode step.
        queries: u64,
        /// Tokens in the cache, those that ask included.
        context: u64,
        /// Query heads.
        heads: u64,
        /// Key/value heads.
        kv_heads: u64,
        /// Length of a head.
        head_dim: u64,
    },
    /// Rows of A sorted by expert, each times its expert's B[k, n].
    Experts {
        /// Rows of A over all experts.
        m: u64,
        /// Experts.
        experts: u64,
        /// Columns of an expert's matrix.
        n: u64,
        /// Rows of an expert's matrix.
        k: u64,
    },
    /// RMS norm of each row.
    Norm {
        /// Rows.
        rows: u64,
        /// Values in a row.
        width: u64,
    },
    /// SwiGLU of rows of 2 x `width` values.
    Activation {
        /// Rows.
        rows: u64,
        /// Values in a row of the result.
        width: u64,
    },
    /// One dispatch that writes one word, timed among many in one submission.
    Launch,
    /// The same dispatch, submitted and waited for alone.
    Submit,
}

/// Values along k that share one scale of 4-bit weights.
pub const GROUP: usize = 32;

/// The type of a problem's inputs. Sums are f32, or exact 32-bit integers for `I8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dtype {
    /// Single precision.
    F32,
    /// Half precision storage, f32 sums.
    F16,
    /// 8-bit integers with an f32 scale per row of A and column of B; in attention the cache alone, with a scale per token
    /// and key/value head.
    I8,
    /// A in f32, B in 4-bit integers with an f32 scale per 32 values along k.
    Q4,
    /// 32-bit words without arithmetic meaning.
    U32,
}

impl Problem {
    /// The name rows carry in `kernel`.
    pub const fn kernel(self) -> &'static str {
        match self {
            Self::Gemm { .. } => "gemm",
            Self::Gemv { .. } => "gemv",
            Self::Read { .. } => "read",
            Self::Copy { .. } => "copy",
            Self::Fma { .. } => "fma",
            Self::Attention { .. } => "attention",
            Self::Experts { .. } => "experts",
            Self::Norm { .. } => "norm",
            Self::Activation { .. } => "activation",
            Self::Launch => "launch",
            Self::Submit => "submit",
        }
    }

    /// Small integers make every partial sum exact. Not so where an exponential or a root is taken: those operations
    /// are judged by the real gate alone.
    pub const fn has_exact_inputs(self) -> bool {
        !matches!(self, Self::Attention { .. } | Self::Norm { .. } | Self::Activation { .. })
    }

    /// The types that kernels for it exist in.
    pub const fn types(self) -> &'static [Dtype] {
        match self {
            Self::Gemm { .. } | Self::Gemv { .. } => &[Dtype::F32, Dtype::F16, Dtype::I8, Dtype::Q4],
            Self::Attention { .. } => &[Dtype::F32, Dtype::F16, Dtype::I8],
            Self::Experts { .. } => &[Dtype::F32, Dtype::F16, Dtype::Q4],
            Self::Fma { .. } | Self::Norm { .. } | Self::Activation { .. } => &[Dtype::F32],
            Self::Read { .. } | Self::Copy { .. } | Self::Launch | Self::Submit => &[Dtype::U32],
        }
    }

    /// The same operation on a small shape whose every length leaves a tail behind any tile.
    pub fn odd(self) -> Self {
        match self {
            Self::Gemm { m, n, k } => Self::Gemm { m: m.min(131), n: n.min(129), k: k.min(67) },
            Self::Gemv { n, k } => Self::Gemv { n: n.min(257), k: k.min(259) },
            Self::Read { words } => Self::Read { words: words.min(4 * 65_537) },
            Self::Copy { words } => Self::Copy { words: words.min(4 * 65_537) },
            Self::Fma { chains, steps } => Self::Fma { chains: chains.min(1000), steps: steps.min(100) },
            Self::Attention { heads, kv_heads, head_dim, queries, .. } => Self::Attention {
                queries: queries.min(3),
                context: 259,
                heads: heads.min(4 * kv_heads),
                kv_heads: kv_heads.min(2),
                head_dim,
            }
            .whole_groups(),
            Self::Experts { experts, .. } => Self::Experts { m: 131, experts: experts.min(5), n: 129, k: 67 },
            Self::Norm { rows, width } => Self::Norm { rows: rows.min(3), width: width.min(1031) },
            Self::Activation { rows, width } => Self::Activation { rows: rows.min(3), width: width.min(1031) },
            Self::Launch | Self::Submit => self,
        }
    }

    /// The same with fewer rows than experts, some of which then have nothing to do.
    pub fn sparse(self) -> Option<Self> {
        match self {
            Self::Experts { experts: experts @ 2.., n, k, .. } => Some(Self::Experts { m: experts - 1, experts, n, k }),
            _ => None,
        }
    }

    /// Every key/value head serves a whole number of query heads.
    fn whole_groups(self) -> Self {
        match self {
            Self::Attention { queries, context, heads, kv_heads, head_dim } => {
                Self::Attention { queries, context, heads: heads.next_multiple_of(kv_heads), kv_heads, head_dim }
            }
            other => other,
        }
    }

    /// (m, n, k) as rows carry them: a GEMV has m = 1, a stream counts words in n.
    pub const fn mnk(self) -> [u64; 3] {
        match self {
            Self::Gemm { m, n, k } => [m, n, k],
            Self::Gemv { n, k } => [1, n, k],
            Self::Read { words } | Self::Copy { words } => [1, words, 1],
            Self::Fma { chains, steps } => [1, chains, steps],
            Self::Attention { queries, context, heads, head_dim, .. } => [queries, heads * head_dim, context],
            Self::Experts { m, n, k, .. } => [m, n, k],
            Self::Norm { rows, width } | Self::Activation { rows, width } => [rows, width, 1],
            Self::Launch | Self::Submit => [1, 1, 1],
        }
    }

    /// Floating-point operations of one run; a multiply-add counts as two.
    pub const fn flop(self) -> f64 {
        match self {
            Self::Read { .. } | Self::Copy { .. } | Self::Launch | Self::Submit => 0.0,
            // Every query sees the tokens up to itself, twice 2 d operations each.
            Self::Attention { queries, context, heads, head_dim, .. } => {
                let seen = queries as f64 * (context as f64 - (queries as f64 - 1.0) / 2.0);
                4.0 * seen * heads as f64 * head_dim as f64
            }
            Self::Norm { rows, width } | Self::Activation { rows, width } => 4.0 * rows as f64 * width as f64,
            other => {
                let [m, n, k] = other.mnk();
                2.0 * m as f64 * n as f64 * k as f64
            }
        }
    }

    /// Bytes one run must move: every input once, the output once.
    pub fn bytes(self, dtype: Dtype) -> f64 {
        let [m, n, k] = self.mnk().map(|x| x as f64);
        match self {
            Self::Gemm { .. } | Self::Gemv { .. } => {
                dtype.input_bytes() * m * k + dtype.weight_bytes() * k * n + 4.0 * m * n + dtype.scale_bytes(m, n)
            }
            Self::Read { .. } => 4.0 * n,
            Self::Copy { .. } => 8.0 * n,
            Self::Fma { .. } => 8.0 * n,
            Self::Attention { queries, context, heads, kv_heads, head_dim } => {
                let cached = (2 * context * kv_heads) as f64;
                let row = dtype.weight_bytes() * head_dim as f64 + if dtype == Dtype::I8 { 4.0 } else { 0.0 };
                cached * row + 4.0 * (2 * queries * heads * head_dim) as f64
            }
            Self::Experts { experts, .. } => {
                let weights = experts.min(m as u64) as f64 * k * n;
                dtype.input_bytes() * m * k + dtype.weight_bytes() * weights + 4.0 * m * n
            }
            Self::Norm { .. } => 4.0 * (2.0 * m * n + n),
            Self::Activation { .. } => 12.0 * m * n,
            Self::Launch | Self::Submit => 0.0,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [m, n, k] = self.mnk();
        match self {
            Self::Gemm { .. } => write!(f, "gemm {m} x {n} x {k}"),
            Self::Gemv { .. } => write!(f, "gemv {n} x {k}"),
            Self::Read { words } | Self::Copy { words } => write!(f, "{} {} MiB", self.kernel(), (words * 4) >> 20),
            Self::Attention { queries, context, heads, kv_heads, head_dim } => {
                write!(f, "attention {queries} over {context}, {heads}/{kv_heads} heads of {head_dim}")
            }
            Self::Experts { experts, .. } => write!(f, "experts {experts} of {m} x {n} x {k}"),
            Self::Norm { .. } | Self::Activation { .. } => write!(f, "{} {m} x {n}", self.kernel()),
            Self::Fma { .. } => write!(f, "fma {n} x {k}"),
            Self::Launch | Self::Submit => f.write_str(self.kernel()),
        }
    }
}

impl Dtype {
    /// Every type, in the order of the documentation.
    pub const ALL: [Self; 5] = [Self::F32, Self::F16, Self::I8, Self::Q4, Self::U32];

    /// The spelling in ids and rows.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::I8 => "i8",
            Self::Q4 => "q4",
            Self::U32 => "u32",
        }
    }

    /// Bytes of one value of A or x.
    pub const fn input_bytes(self) -> f64 {
        match self {
            Self::F32 | Self::Q4 | Self::U32 => 4.0,
            Self::F16 => 2.0,
            Self::I8 => 1.0,
        }
    }

    /// Bytes of one value of B or W, group scales included.
    pub const fn weight_bytes(self) -> f64 {
        match self {
            Self::F32 | Self::U32 => 4.0,
            Self::F16 => 2.0,
            Self::I8 => 1.0,
            Self::Q4 => 0.5 + 4.0 / GROUP as f64,
        }
    }

    /// Bytes of the scales per row and column.
    fn scale_bytes(self, m: f64, n: f64) -> f64 {
        if self == Self::I8 { 4.0 * (m + n) } else { 0.0 }
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
