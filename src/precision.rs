//! Number formats of weights, activations and the KV cache, with what one value occupies.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A storage format of weights, activations or the KV cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// IEEE single precision.
    F32,
    /// bfloat16.
    Bf16,
    /// IEEE half precision.
    F16,
    /// 8-bit float, E4M3, with scales per tensor, channel or 128 x 128 block.
    Fp8,
    /// NVFP4: 4-bit float, one FP8 scale per 16 values.
    Fp4,
    /// OCP MXFP4: 4-bit float, one 8-bit exponent per 32 values.
    Mxfp4,
    /// 8-bit integer with a scale per channel.
    Int8,
    /// 4-bit integer weights, one 16-bit scale and a 4-bit zero point per 128 values (AWQ, GPTQ).
    Int4,
    /// llama.cpp Q8_0: 32 values of 8 bit and one f16 scale.
    #[serde(rename = "q8_0")]
    Q8_0,
    /// llama.cpp Q4_0: 32 values of 4 bit and one f16 scale.
    #[serde(rename = "q4_0")]
    Q4_0,
    /// llama.cpp Q4_K_M: a mixture of Q4_K and Q6_K.
    #[serde(rename = "q4_k_m")]
    Q4KM,
}

impl Precision {
    /// Every format, in the order of the documentation.
    pub const ALL: [Self; 11] = [
        Self::F32,
        Self::Bf16,
        Self::F16,
        Self::Fp8,
        Self::Fp4,
        Self::Mxfp4,
        Self::Int8,
        Self::Int4,
        Self::Q8_0,
        Self::Q4_0,
        Self::Q4KM,
    ];

    /// Bits one value occupies in memory, scales included.
    ///
    /// The block formats follow their definitions (ggml `block_q8_0`, `block_q4_0`; OCP MX v1.0; NVFP4 with an FP8
    /// scale per 16). Q4_K_M is 4.85, what llama.cpp's quantize table prints for Llama-3.1-8B.
    pub const fn bits(self) -> f64 {
        match self {
            Self::F32 => 32.0,
            Self::Bf16 | Self::F16 => 16.0,
            Self::Fp8 | Self::Int8 => 8.0,
            Self::Fp4 => 4.5,
            Self::Mxfp4 => 4.25,
            Self::Int4 => 4.0 + 20.0 / 128.0,
            Self::Q8_0 => 8.5,
            Self::Q4_0 => 4.5,
            Self::Q4KM => 4.85,
        }
    }

    /// Bytes one value occupies, scales included.
    pub const fn bytes(self) -> f64 {
        self.bits() / 8.0
    }

    /// The spelling used in scenarios and rows.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
            Self::Fp8 => "fp8",
            Self::Fp4 => "fp4",
            Self::Mxfp4 => "mxfp4",
            Self::Int8 => "int8",
            Self::Int4 => "int4",
            Self::Q8_0 => "q8_0",
            Self::Q4_0 => "q4_0",
            Self::Q4KM => "q4_k_m",
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
