//! A kernel variant: a family, a data type and its knobs, with an id that can be read back.

use super::Dtype;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// One way to compute a problem, such as `gemm_tiled/f32/bm64.bn64.bk16.tm8.tn8`.
///
/// The id is the cache key, the JSON field and the label in errors. Knobs without a number are switches (`pf`);
/// a knob that is absent is 0.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Variant {
    /// The family; also the name of the template in `shaders/`.
    pub family: Family,
    /// Type of the inputs.
    pub dtype: Dtype,
    knobs: Vec<(String, u32)>,
}

macro_rules! families {
    ($($(#[$doc:meta])* $name:ident = $text:literal),+ $(,)?) => {
        /// The kernel families. One file in `shaders/` each, except those that run on the CPU executor.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Family { $($(#[$doc])* $name),+ }
        impl Family {
            /// Every family.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];
            /// Name in ids and of the template.
            pub const fn name(self) -> &'static str { match self { $(Self::$name => $text),+ } }
        }
    };
}

families! {
    /// One invocation computes one element from global memory.
    GemmNaive = "gemm_naive",
    /// Tiles of A and B in workgroup memory, a block of C in the registers of each invocation.
    GemmTiled = "gemm_tiled",
    /// A block of C in registers straight from buffers or textures, no workgroup memory.
    GemmRegisters = "gemm_registers",
    /// A spread over the lanes of a subgroup and passed around by shuffles.
    GemmLanes = "gemm_lanes",
    /// Fragments multiplied by the adapter's matrix units.
    GemmCooperative = "gemm_cooperative",
    /// Weights streamed in units of 16 bytes along k against one or a few rows of inputs; every data type.
    GemvUnits = "gemv_units",
    /// Scores to memory, softmax, sums: three programs that share nothing.
    AttentionNaive = "attention_naive",
    /// Online softmax over chunks of the cache.
    Attention = "attention",
    /// The same with rows that share keys and values in one subgroup, keys by dimension, no workgroup memory.
    AttentionLanes = "attention_lanes",
    /// RMS norm, one workgroup a row.
    Norm = "norm",
    /// SwiGLU.
    Activation = "activation",
    /// Copies a buffer.
    StreamCopy = "stream_copy",
    /// Eight chains of multiply-adds per invocation.
    FmaChain = "fma_chain",
    /// One invocation computes one row.
    GemvRow = "gemv_row",
    /// One subgroup computes some rows, lanes along k.
    GemvLanes = "gemv_lanes",
    /// One workgroup computes some rows, reduced through workgroup memory.
    GemvShared = "gemv_shared",
    /// One invocation computes four rows of a weight matrix stored by column.
    GemvColumns = "gemv_columns",
    /// Folds a buffer.
    StreamRead = "stream_read",
    /// An (almost) empty dispatch.
    Empty = "empty",
    /// The `gemm` crate on every core of the host.
    CpuGemm = "cpu_gemm",
    /// Rows spread over the cores of the host.
    CpuGemv = "cpu_gemv",
    /// Folds a slice on every core of the host.
    CpuRead = "cpu_read",
    /// One task handed to another core of the host and waited for.
    CpuLaunch = "cpu_launch",
}

impl Family {
    /// It runs on the CPU executor and has no shader.
    pub const fn is_cpu(self) -> bool {
        matches!(self, Self::CpuGemm | Self::CpuGemv | Self::CpuRead | Self::CpuLaunch)
    }
}

impl Variant {
    /// From a family, a type and knobs in the order the id shows them; zeros are dropped.
    pub fn new(family: Family, dtype: Dtype, knobs: &[(&str, u32)]) -> Self {
        let knobs = knobs.iter().filter(|k| k.1 != 0).map(|&(name, value)| (name.to_string(), value)).collect();
        Self { family, dtype, knobs }
    }

    /// The same with one more knob.
    pub fn with(mut self, name: &str, value: u32) -> Self {
        self.knobs.push((name.to_string(), value));
        self
    }

    /// A knob's value; 0 where the id does not name it, 1 for a switch.
    pub fn knob(&self, name: &str) -> u32 {
        self.knobs.iter().find(|k| k.0 == name).map_or(0, |k| k.1)
    }

    /// The knobs in the order of the id.
    pub fn knobs(&self) -> impl Iterator<Item = (&str, u32)> {
        self.knobs.iter().map(|(name, value)| (name.as_str(), *value))
    }

    /// How often a product it adds up is rounded to a half: matrix units take what is no half as one, the scale of a 4-bit
    /// weight included.
    pub fn halves(&self) -> u32 {
        match self.dtype {
            _ if self.family != Family::GemmCooperative => 0,
            Dtype::Q4 => 3,
            Dtype::I8 => 2,
            _ => 0,
        }
    }

    /// The stable id.
    pub fn id(&self) -> String {
        self.to_string()
    }
}

/// Knobs that are mostly on or off; they stand in ids without a number where they are 1.
const SWITCHES: &[&str] = &["pf", "tex", "v4", "ta", "ex", "bc", "wd", "mt"];

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.family.name(), self.dtype)?;
        for (at, (name, value)) in self.knobs.iter().enumerate() {
            f.write_str(if at == 0 { "/" } else { "." })?;
            if *value == 1 && SWITCHES.contains(&name.as_str()) {
                write!(f, "{name}")?
            } else {
                write!(f, "{name}{value}")?
            }
        }
        Ok(())
    }
}

/// A text that is no variant id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not the id of a kernel variant")]
pub struct NoVariant(String);

impl FromStr for Variant {
    type Err = NoVariant;

    fn from_str(text: &str) -> Result<Self, NoVariant> {
        let no = || NoVariant(text.to_string());
        let mut parts = text.split('/');
        let family = parts.next().and_then(|n| Family::ALL.iter().find(|f| f.name() == n)).ok_or_else(no)?;
        let dtype = parts.next().and_then(|n| Dtype::ALL.into_iter().find(|d| d.name() == n)).ok_or_else(no)?;
        let mut knobs = Vec::new();
        for knob in parts.next().unwrap_or_default().split('.').filter(|k| !k.is_empty()) {
            if SWITCHES.contains(&knob) {
                knobs.push((knob.to_string(), 1));
                continue;
            }
            let digits = knob.find(|c: char| c.is_ascii_digit()).ok_or_else(no)?;
            knobs.push((knob[..digits].to_string(), knob[digits..].parse().map_err(|_| no())?));
        }
        let variant = Self { family: *family, dtype, knobs };
        if parts.next().is_none() && variant.to_string() == text { Ok(variant) } else { Err(no()) }
    }
}

impl Serialize for Variant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Variant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_as_the_variant_it_names() {
        let variant = Variant::new(Family::GemmTiled, Dtype::F32, &[("bm", 64), ("bn", 32), ("pad", 0), ("pf", 1)]);
        assert_eq!(variant.id(), "gemm_tiled/f32/bm64.bn32.pf");
        assert_eq!(variant.id().parse(), Ok(variant));
        for bad in
            ["", "gemm_tiled", "gemm_tiled/f33", "gemm_tiled/f32/bm", "gemm_tiled/f32/bm064", "x/f32", "empty/u32/a1/b"]
        {
            assert!(bad.parse::<Variant>().is_err(), "{bad:?} was read");
        }
    }
}
