//! How weights are stored: a format, and the true mean of the bits a weight takes in it.

use crate::precision::Precision;

/// Storage of one class of weights.
///
/// One excluded layer of sixteen, groups of 32 instead of 128, a few tensors kept wider: all show as bits. The format
/// is that of most weights, since kernels are chosen by it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stored {
    /// The format of most of them.
    pub format: Precision,
    /// Mean bits of one weight, scales, zero points and exceptions included.
    pub bits: f64,
    /// 8-bit weights have one scale per block of both dimensions, as DeepSeek's have per 128 x 128.
    pub block_scaled: bool,
    /// What activations are computed in, where the checkpoint says so (weights only, or 8 bit on 4-bit weights).
    pub activations: Option<Precision>,
}

impl Stored {
    /// A format as it is defined.
    pub const fn plain(format: Precision) -> Self {
        Self::with_bits(format, format.bits())
    }

    /// A format whose values take so many bits.
    pub const fn with_bits(format: Precision, bits: f64) -> Self {
        Self { format, bits, block_scaled: false, activations: None }
    }

    /// The same with activations in a format of their own.
    #[must_use]
    pub const fn on(self, activations: Precision) -> Self {
        Self { activations: Some(activations), ..self }
    }

    /// Bytes of one weight.
    pub const fn bytes(self) -> f64 {
        self.bits / 8.0
    }
}

impl std::fmt::Display for Stored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if (self.bits - self.format.bits()).abs() < 0.005 {
            return self.format.fmt(f);
        }
        write!(f, "{} ({:.2} bits a weight)", self.format, self.bits)
    }
}
