//! What an operation is charged to, and what limits it.

/// What is charged for an operation; the classes of the tuning debt, with `Host` for launches and scheduling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Projections, feed-forward layers, LM head, norms.
    Gemm,
    /// Attention over the cache, recurrences.
    Attention,
    /// Grouped expert GEMMs.
    Experts,
    /// All-reduce, dispatch, combine, activations between pipeline stages.
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
