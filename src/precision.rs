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
    /// 6-bit integer weights, one 16-bit scale and a 6-bit zero point per 128 values.
    Int6,
    /// 5-bit integer weights, one 16-bit scale and a 5-bit zero point per 128 values.
    Int5,
    /// 4-bit integer weights, one 16-bit scale and a 4-bit zero point per 128 values (AWQ, GPTQ).
    Int4,
    /// 3-bit integer weights, one 16-bit scale and a 3-bit zero point per 128 values (GPTQ).
    Int3,
    /// 2-bit integer weights, one 16-bit scale and a 2-bit zero point per 128 values (GPTQ).
    Int2,
    /// bitsandbytes NF4: 4-bit indices into the quantiles of a normal distribution, one f32 maximum per 64 values.
    Nf4,
    /// llama.cpp Q8_0: 32 values of 8 bit and one f16 scale.
    #[serde(rename = "q8_0")]
    Q8_0,
    /// llama.cpp Q6_K: 256 values of 6 bit, 16 8-bit scales and one of f16.
    #[serde(rename = "q6_k")]
    Q6K,
    /// llama.cpp Q5_1: 32 values of 5 bit, one f16 scale and minimum.
    #[serde(rename = "q5_1")]
    Q5_1,
    /// llama.cpp Q5_0: 32 values of 5 bit and one f16 scale.
    #[serde(rename = "q5_0")]
    Q5_0,
    /// llama.cpp Q5_K_M: a mixture of Q5_K and Q6_K.
    #[serde(rename = "q5_k_m")]
    Q5KM,
    /// llama.cpp Q5_K_S: Q5_K nearly throughout.
    #[serde(rename = "q5_k_s")]
    Q5KS,
    /// llama.cpp Q4_1: 32 values of 4 bit, one f16 scale and minimum.
    #[serde(rename = "q4_1")]
    Q4_1,
    /// llama.cpp Q4_0: 32 values of 4 bit and one f16 scale.
    #[serde(rename = "q4_0")]
    Q4_0,
    /// llama.cpp Q4_K_M: a mixture of Q4_K and Q6_K.
    #[serde(rename = "q4_k_m")]
    Q4KM,
    /// llama.cpp Q4_K_S: Q4_K nearly throughout.
    #[serde(rename = "q4_k_s")]
    Q4KS,
    /// llama.cpp Q3_K_L: a mixture of Q3_K and Q5_K.
    #[serde(rename = "q3_k_l")]
    Q3KL,
    /// llama.cpp Q3_K_M: a mixture of Q3_K, Q4_K and Q5_K.
    #[serde(rename = "q3_k_m")]
    Q3KM,
    /// llama.cpp Q3_K_S: Q3_K nearly throughout.
    #[serde(rename = "q3_k_s")]
    Q3KS,
    /// llama.cpp Q2_K: a mixture of Q2_K and Q3_K.
    #[serde(rename = "q2_k")]
    Q2K,
    /// llama.cpp Q2_K_S: Q2_K nearly throughout.
    #[serde(rename = "q2_k_s")]
    Q2KS,
    /// llama.cpp IQ4_NL: 32 indices of 4 bit into a table and one f16 scale.
    #[serde(rename = "iq4_nl")]
    Iq4Nl,
    /// llama.cpp IQ4_XS: 256 indices of 4 bit into a table, 6-bit scales.
    #[serde(rename = "iq4_xs")]
    Iq4Xs,
    /// llama.cpp IQ3_M: a mixture of IQ3_S and larger ones.
    #[serde(rename = "iq3_m")]
    Iq3M,
    /// llama.cpp IQ3_S: IQ3_S nearly throughout.
    #[serde(rename = "iq3_s")]
    Iq3S,
    /// llama.cpp IQ3_XS: a mixture of IQ3_XXS and IQ3_S.
    #[serde(rename = "iq3_xs")]
    Iq3Xs,
    /// llama.cpp IQ3_XXS: IQ3_XXS nearly throughout.
    #[serde(rename = "iq3_xxs")]
    Iq3Xxs,
    /// llama.cpp IQ2_M: a mixture of IQ2_S and larger ones.
    #[serde(rename = "iq2_m")]
    Iq2M,
    /// llama.cpp IQ2_S: a mixture of IQ2_XS and IQ2_S.
    #[serde(rename = "iq2_s")]
    Iq2S,
    /// llama.cpp IQ2_XS: IQ2_XS nearly throughout.
    #[serde(rename = "iq2_xs")]
    Iq2Xs,
    /// llama.cpp IQ2_XXS: IQ2_XXS nearly throughout.
    #[serde(rename = "iq2_xxs")]
    Iq2Xxs,
    /// llama.cpp IQ1_M: IQ1_M nearly throughout.
    #[serde(rename = "iq1_m")]
    Iq1M,
    /// llama.cpp IQ1_S: IQ1_S nearly throughout.
    #[serde(rename = "iq1_s")]
    Iq1S,
    /// llama.cpp TQ2_0: 256 ternary values of 2 bit and one f16 scale.
    #[serde(rename = "tq2_0")]
    Tq2_0,
    /// llama.cpp TQ1_0: 256 ternary values, five a byte, and one f16 scale.
    #[serde(rename = "tq1_0")]
    Tq1_0,
}

impl Precision {
    /// Every format, in the order of the documentation.
    pub const ALL: [Self; 42] = [
        Self::F32,
        Self::Bf16,
        Self::F16,
        Self::Fp8,
        Self::Fp4,
        Self::Mxfp4,
        Self::Int8,
        Self::Int6,
        Self::Int5,
        Self::Int4,
        Self::Int3,
        Self::Int2,
        Self::Nf4,
        Self::Q8_0,
        Self::Q6K,
        Self::Q5_1,
        Self::Q5_0,
        Self::Q5KM,
        Self::Q5KS,
        Self::Q4_1,
        Self::Q4_0,
        Self::Q4KM,
        Self::Q4KS,
        Self::Q3KL,
        Self::Q3KM,
        Self::Q3KS,
        Self::Q2K,
        Self::Q2KS,
        Self::Iq4Nl,
        Self::Iq4Xs,
        Self::Iq3M,
        Self::Iq3S,
        Self::Iq3Xs,
        Self::Iq3Xxs,
        Self::Iq2M,
        Self::Iq2S,
        Self::Iq2Xs,
        Self::Iq2Xxs,
        Self::Iq1M,
        Self::Iq1S,
        Self::Tq2_0,
        Self::Tq1_0,
    ];

    /// Bits one value occupies in memory, scales included.
    ///
    /// The block formats follow their definitions (ggml-common.h; OCP MX v1.0; NVFP4 with an FP8 scale per 16; GPTQ and
    /// AWQ with groups of 128). Those of llama.cpp that mix blocks are means over a file: Q4_K_M is 3.80 GiB for the
    /// 6.74 billion weights of Llama-2-7B, the others are what llama.cpp's tools/quantize/README.md@311c2c9 measures on
    /// Llama-3.1-8B (Q3_K_M, not in it: 3.74 GiB by the table of quantize.cpp).
    pub const fn bits(self) -> f64 {
        match self {
            Self::F32 => 32.0,
            Self::Bf16 | Self::F16 => 16.0,
            Self::Fp8 | Self::Int8 => 8.0,
            Self::Fp4 | Self::Nf4 | Self::Q4_0 => 4.5,
            Self::Mxfp4 => 4.25,
            Self::Int6 => 6.0 + 22.0 / 128.0,
            Self::Int5 => 5.0 + 21.0 / 128.0,
            Self::Int4 => 4.0 + 20.0 / 128.0,
            Self::Int3 => 3.0 + 19.0 / 128.0,
            Self::Int2 => 2.0 + 18.0 / 128.0,
            Self::Q8_0 => 8.5,
            Self::Q6K => 6.5625,
            Self::Q5_1 => 6.0,
            Self::Q5_0 => 5.5,
            Self::Q5KM => 5.7036,
            Self::Q5KS => 5.5704,
            Self::Q4_1 => 5.0,
            Self::Q4KM => 4.85,
            Self::Q4KS => 4.6672,
            Self::Q3KL => 4.2979,
            Self::Q3KM => 4.0007,
            Self::Q3KS => 3.6429,
            Self::Q2K => 3.1593,
            Self::Q2KS => 2.9697,
            Self::Iq4Nl => 4.6818,
            Self::Iq4Xs => 4.4597,
            Self::Iq3M => 3.7628,
            Self::Iq3S => 3.6606,
            Self::Iq3Xs => 3.4977,
            Self::Iq3Xxs => 3.2548,
            Self::Iq2M => 2.9294,
            Self::Iq2S => 2.7403,
            Self::Iq2Xs => 2.5882,
            Self::Iq2Xxs => 2.3824,
            Self::Iq1M => 2.1460,
            Self::Iq1S => 2.0042,
            Self::Tq2_0 => 2.0625,
            Self::Tq1_0 => 1.6875,
        }
    }

    /// Bytes one value occupies, scales included.
    pub const fn bytes(self) -> f64 {
        self.bits() / 8.0
    }

    /// Whether the format is one of llama.cpp's files, whose bits are a mean over every tensor, embedding and head too.
    pub const fn is_of_a_file(self) -> bool {
        !matches!(
            self,
            Self::F32
                | Self::Bf16
                | Self::F16
                | Self::Fp8
                | Self::Fp4
                | Self::Mxfp4
                | Self::Int8
                | Self::Int6
                | Self::Int5
                | Self::Int4
                | Self::Int3
                | Self::Int2
                | Self::Nf4
        )
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
            Self::Int6 => "int6",
            Self::Int5 => "int5",
            Self::Int4 => "int4",
            Self::Int3 => "int3",
            Self::Int2 => "int2",
            Self::Nf4 => "nf4",
            Self::Q8_0 => "q8_0",
            Self::Q6K => "q6_k",
            Self::Q5_1 => "q5_1",
            Self::Q5_0 => "q5_0",
            Self::Q5KM => "q5_k_m",
            Self::Q5KS => "q5_k_s",
            Self::Q4_1 => "q4_1",
            Self::Q4_0 => "q4_0",
            Self::Q4KM => "q4_k_m",
            Self::Q4KS => "q4_k_s",
            Self::Q3KL => "q3_k_l",
            Self::Q3KM => "q3_k_m",
            Self::Q3KS => "q3_k_s",
            Self::Q2K => "q2_k",
            Self::Q2KS => "q2_k_s",
            Self::Iq4Nl => "iq4_nl",
            Self::Iq4Xs => "iq4_xs",
            Self::Iq3M => "iq3_m",
            Self::Iq3S => "iq3_s",
            Self::Iq3Xs => "iq3_xs",
            Self::Iq3Xxs => "iq3_xxs",
            Self::Iq2M => "iq2_m",
            Self::Iq2S => "iq2_s",
            Self::Iq2Xs => "iq2_xs",
            Self::Iq2Xxs => "iq2_xxs",
            Self::Iq1M => "iq1_m",
            Self::Iq1S => "iq1_s",
            Self::Tq2_0 => "tq2_0",
            Self::Tq1_0 => "tq1_0",
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
