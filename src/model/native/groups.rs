//! Bits of a weight with what its group or block shares.

use crate::diagnostic::Diagnostic;
use crate::model::config::Config;
use crate::model::stored::Stored;
use crate::precision::Precision;

/// Integers packed in groups that share a scale and more.
#[derive(Debug, Clone, Copy)]
pub struct Integers {
    /// Bits of the number format.
    pub bits: u64,
    /// Bits a value takes as packed: more where values do not straddle words.
    pub packed: f64,
    /// Values that share; `None` for a whole column, whose share is under 0.02 bits in any model.
    pub group: Option<u64>,
    /// Bits a group shares.
    pub shared: f64,
}

impl Integers {
    /// Values packed without a gap, with a 16-bit scale and a zero point a group, as AWQ and GPTQ write.
    pub const fn with_zeros(bits: u64, group: Option<u64>) -> Self {
        Self { bits, packed: bits as f64, group, shared: 16.0 + bits as f64 }
    }

    /// As many whole values as fit into a 32-bit word.
    pub const fn in_words(bits: u64, group: Option<u64>, shared: f64) -> Self {
        Self { bits, packed: 32.0 / (32 / bits) as f64, group, shared }
    }

    /// The storage; weights of 8 bit that come alone are computed in 16 bit.
    pub fn stored(self) -> Option<Stored> {
        let bits = self.packed + self.group.map_or(0.0, |group| self.shared / group as f64);
        Some(Stored::with_bits(integer(self.bits)?, bits).on(Precision::Bf16))
    }
}

/// The format of integers of so many bits.
pub const fn integer(bits: u64) -> Option<Precision> {
    Some(match bits {
        1 | 2 => Precision::Int2,
        3 => Precision::Int3,
        4 => Precision::Int4,
        5 => Precision::Int5,
        6 => Precision::Int6,
        7 | 8 => Precision::Int8,
        _ => return None,
    })
}

/// A group size; `None` for one scale a column, written -1, 0 or null.
///
/// # Errors
/// When it is no whole number.
pub fn size(block: &Config<'_>, key: &str) -> Result<Option<u64>, Diagnostic> {
    match block.real(key)? {
        None => Ok(None),
        Some(number) if number == -1.0 || number == 0.0 => Ok(None),
        Some(number) if number.fract() == 0.0 && (1.0..=65_536.0).contains(&number) => Ok(Some(number as u64)),
        Some(_) => Err(block.wrong(key, "must be a whole number of values, or -1 for a column")),
    }
}

/// 8-bit floats with one scale per block of so many weights.
pub fn in_blocks(weights: u64) -> Stored {
    Stored { block_scaled: true, ..Stored::with_bits(Precision::Fp8, 8.0 + 32.0 / weights as f64) }
}
