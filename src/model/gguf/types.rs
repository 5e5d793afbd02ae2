//! The storage types of ggml: how many values a block has and how many bytes it takes (ggml-common.h; numbers as in
//! gguf-py 0.19, `GGMLQuantizationType` and `GGML_QUANT_SIZES`).

use crate::precision::Precision;

/// A storage type of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// Its number in the file.
    pub number: u32,
    /// ggml's name.
    pub name: &'static str,
    /// Values of a block.
    pub block: u64,
    /// Bytes of a block.
    pub bytes: u64,
    /// The format whose kernels it runs through.
    pub format: Precision,
}

const fn kind(number: u32, name: &'static str, block: u64, bytes: u64, format: Precision) -> Kind {
    Kind { number, name, block, bytes, format }
}

/// Every type that weights come in.
pub const KINDS: [Kind; 27] = [
    kind(0, "F32", 1, 4, Precision::F32),
    kind(1, "F16", 1, 2, Precision::F16),
    kind(2, "Q4_0", 32, 18, Precision::Q4_0),
    kind(3, "Q4_1", 32, 20, Precision::Q4_1),
    kind(6, "Q5_0", 32, 22, Precision::Q5_0),
    kind(7, "Q5_1", 32, 24, Precision::Q5_1),
    kind(8, "Q8_0", 32, 34, Precision::Q8_0),
    kind(10, "Q2_K", 256, 84, Precision::Q2K),
    kind(11, "Q3_K", 256, 110, Precision::Q3KM),
    kind(12, "Q4_K", 256, 144, Precision::Q4KM),
    kind(13, "Q5_K", 256, 176, Precision::Q5KM),
    kind(14, "Q6_K", 256, 210, Precision::Q6K),
    kind(16, "IQ2_XXS", 256, 66, Precision::Iq2Xxs),
    kind(17, "IQ2_XS", 256, 74, Precision::Iq2Xs),
    kind(18, "IQ3_XXS", 256, 98, Precision::Iq3Xxs),
    kind(19, "IQ1_S", 256, 50, Precision::Iq1S),
    kind(20, "IQ4_NL", 32, 18, Precision::Iq4Nl),
    kind(21, "IQ3_S", 256, 110, Precision::Iq3S),
    kind(22, "IQ2_S", 256, 82, Precision::Iq2S),
    kind(23, "IQ4_XS", 256, 136, Precision::Iq4Xs),
    kind(24, "I8", 1, 1, Precision::Int8),
    kind(29, "IQ1_M", 256, 56, Precision::Iq1M),
    kind(30, "BF16", 1, 2, Precision::Bf16),
    kind(34, "TQ1_0", 256, 54, Precision::Tq1_0),
    kind(35, "TQ2_0", 256, 66, Precision::Tq2_0),
    kind(39, "MXFP4", 32, 17, Precision::Mxfp4),
    kind(40, "NVFP4", 64, 36, Precision::Fp4),
];

impl Kind {
    /// The type of a number.
    pub fn of(number: u32) -> Option<Self> {
        KINDS.into_iter().find(|kind| kind.number == number)
    }
}
