//! Which arithmetic a quantised weight really runs on: (device, weights, activations, part) to rate and bytes.
//!
//! A format the device has no matrix units for is stored small and computed in 16 bit ("weight-only").

use crate::device::Device;
use crate::device::operand::Operand;
use crate::model::Stored;
use crate::precision::Precision;
use crate::units::FlopRate;

/// The arithmetic of one weight class on one device.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Path {
    /// Name of the kernel family, the key of its constants.
    pub family: Family,
    /// Peak rate.
    pub rate: FlopRate,
    /// Bytes of a stored weight.
    pub weight_bytes: f64,
    /// Bytes of an activation as the kernel reads it.
    pub activation_bytes: f64,
    /// The type of this program's own kernels, on a device that was measured with them.
    pub operand: Option<Operand>,
}

/// Kernel families by operand formats, named as kernel tables name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// 16-bit operands (32-bit where a device has nothing smaller).
    Bf16,
    /// 8-bit float, one scale per tensor or channel.
    Fp8,
    /// 8-bit float, scales per 128 x 128 block.
    Fp8Block,
    /// 8-bit integer weights and activations.
    Int8,
    /// 8-bit weights, 16-bit arithmetic.
    W8a16,
    /// 4-bit weights, 16-bit arithmetic.
    W4a16,
    /// 4-bit weights, 8-bit float arithmetic.
    W4a8,
    /// 4-bit float operands.
    Fp4,
}

impl Family {
    /// A kernel of its own turns activations into small numbers first.
    pub const fn quantises_activations(self) -> bool {
        matches!(self, Self::Fp8 | Self::Fp8Block | Self::Int8 | Self::W4a8 | Self::Fp4)
    }
}

/// FLOP per byte of bandwidth of a device whose data sheet names no rate; those of the catalogue have 15 to 30 in
/// 32 bit.
const FLOP_PER_BYTE: f64 = 20.0;

/// Peak 16-bit rate of a device; of what its data sheet has where that is missing.
pub fn wide_rate(sheet: &Device) -> FlopRate {
    let rates = &sheet.rates;
    let known = rates.bf16.or(rates.fp16).or(rates.fp8.map(|r| r / 2.0)).or(rates.fp32);
    known.unwrap_or(FlopRate::new(FLOP_PER_BYTE * sheet.bandwidth.get()))
}

/// The fastest arithmetic that a device has for operands no wider than a format allows: a bound, whatever engines use.
pub fn fastest(device: &Device, stored: Precision) -> FlopRate {
    let r = &device.rates;
    // Half the 8-bit rate is 16 bit with 16-bit sums.
    let mut all = vec![r.fp16, r.int8.map(|rate| rate / 2.0)];
    if stored.bits() < 16.0 {
        all.extend([r.fp8, r.int8]);
    }
    if stored.bits() < 8.0 {
        all.push(r.fp4);
    }
    all.into_iter().flatten().fold(wide_rate(device), FlopRate::max)
}

/// The arithmetic of a storage format on a device.
///
/// A rate the data sheet lacks is that of 16 bit.
pub fn of(device: &Device, stored: Stored, activations: Option<Precision>) -> Path {
    let rates = &device.rates;
    let wide = wide_rate(device);
    let weight_bytes = stored.bytes();
    let path = |family, rate, activation_bytes| Path { family, rate, weight_bytes, activation_bytes, operand: None };
    let small_activations = !matches!(activations, Some(Precision::Bf16 | Precision::F16 | Precision::F32));
    match stored.format {
        Precision::F32 => path(Family::Bf16, rates.fp32.unwrap_or(wide), 4.0),
        Precision::Bf16 | Precision::F16 => path(Family::Bf16, wide, 2.0),
        Precision::Fp8 => match rates.fp8 {
            Some(rate) if small_activations => {
                path(if stored.block_scaled { Family::Fp8Block } else { Family::Fp8 }, rate, 1.0)
            }
            _ => path(Family::W8a16, wide, 2.0),
        },
        Precision::Int8 | Precision::Q8_0 => match rates.int8 {
            Some(rate) if small_activations => path(Family::Int8, rate, 1.0),
            _ => path(Family::W8a16, wide, 2.0),
        },
        Precision::Fp4 | Precision::Mxfp4 => match (rates.fp4, rates.fp8) {
            // Measured kernels do not reach the FP4 rate that Blackwell Ultra adds beyond four times BF16.
            (Some(rate), _) if stored.format == Precision::Fp4 && activations.is_none_or(|a| a == Precision::Fp4) => {
                path(Family::Fp4, rate.min(wide * 4.0), Precision::Fp4.bytes())
            }
            (Some(_), Some(rate)) if small_activations => path(Family::W4a8, rate, 1.0),
            _ => path(Family::W4a16, wide, 2.0),
        },
        Precision::Int4 if matches!(activations, Some(Precision::Fp8 | Precision::Int8)) => {
            let whole = rates.int8.filter(|_| activations == Some(Precision::Int8));
            match whole.or(rates.fp8).or(rates.int8) {
                Some(rate) => path(Family::W4a8, rate, 1.0),
                None => path(Family::W4a16, wide, 2.0),
            }
        }
        // The rest is unpacked to 16 bit on the way to the matrix units, whatever its bits.
        _ => path(Family::W4a16, wide, 2.0),
    }
}
