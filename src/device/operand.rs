//! The number formats that this program's kernels compute in, as profiles name them.

use crate::precision::Precision;

/// The type of a kernel's operands, as profiles name it; what a kernel of it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operand {
    /// Single precision.
    F32,
    /// Half precision, f32 sums; matrix units are among its kernels.
    F16,
    /// 8-bit integers, activations too, a scale per row and column.
    I8,
    /// 4-bit integers with an f32 scale per 32 values, activations in f32.
    Q4,
}

impl Operand {
    /// Every type, the widest first.
    pub const ALL: [Self; 4] = [Self::F32, Self::F16, Self::I8, Self::Q4];

    /// The type a profile names so.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operand| operand.name() == name)
    }

    /// The spelling in profiles.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::I8 => "i8",
            Self::Q4 => "q4",
        }
    }

    /// Bytes of a weight as a kernel of this type reads it, group scales included.
    pub const fn weight_bytes(self) -> f64 {
        match self {
            Self::F32 => 4.0,
            Self::F16 => 2.0,
            Self::I8 => 1.0,
            Self::Q4 => 0.5 + 4.0 / 32.0,
        }
    }

    /// Bytes of an activation as a kernel of this type reads it.
    pub const fn activation_bytes(self) -> f64 {
        match self {
            Self::F32 | Self::Q4 => 4.0,
            Self::F16 => 2.0,
            Self::I8 => 1.0,
        }
    }

    /// Whether a weight stored so may run through kernels of this type: none is narrower than the weight, and 8-bit
    /// kernels need activations that may be rounded to 8 bits. A bfloat16 weight is taken to fit half precision.
    pub fn holds(self, stored: Precision, activations: Option<Precision>) -> bool {
        let bits = stored.bits();
        match self {
            Self::F32 => true,
            Self::F16 => bits <= 16.0,
            Self::I8 => {
                let wide = matches!(activations, Some(Precision::F32 | Precision::Bf16 | Precision::F16));
                bits < 9.0 && !wide
            }
            Self::Q4 => bits < 5.0,
        }
    }
}
