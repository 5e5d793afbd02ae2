//! GPU work as data: what to compile, what to allocate, what to dispatch.

/// A complete piece of work. Running it once means running every step in order.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The variant's id; labels pipelines and errors.
    pub label: String,
    /// Shaders; a [`Step`] names one by its index.
    pub programs: Vec<Program>,
    /// Buffers and textures; a [`Step`] binds them by index.
    pub memory: Vec<Memory>,
    /// Dispatches in order.
    pub steps: Vec<Step>,
    /// Which entry of `memory` holds the result.
    pub output: usize,
}

/// One compute shader with the entry point `main`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Program {
    /// Name for errors.
    pub label: String,
    /// Finished WGSL.
    pub source: String,
}

/// One buffer or texture.
#[derive(Debug, Clone)]
pub enum Memory {
    /// Read by kernels, never written; checked to be unchanged afterwards.
    Input(Vec<u8>),
    /// An input as texels of four values, row by row; there are `4 * width * height` values.
    Texture {
        /// Texels in a row.
        width: u32,
        /// Rows.
        height: u32,
        /// Four values a texel.
        texels: Texels,
    },
    /// Written and read by kernels; starts as poison.
    Scratch(u64),
    /// The result, in bytes; starts as poison.
    Output(u64),
}

/// What a texture holds.
#[derive(Debug, Clone)]
pub enum Texels {
    /// `rgba32float`.
    Floats(Vec<f32>),
    /// `rgba32uint`.
    Words(Vec<u32>),
}

impl Texels {
    /// As they lie in memory.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Floats(values) => bytemuck::cast_slice(values),
            Self::Words(words) => bytemuck::cast_slice(words),
        }
    }
}

impl Memory {
    /// Size in bytes.
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Input(data) => data.len() as u64,
            Self::Texture { texels, .. } => texels.bytes().len() as u64,
            Self::Scratch(bytes) | Self::Output(bytes) => *bytes,
        }
    }

    /// Inputs are replicated so that repeated runs do not find them in a cache.
    pub fn is_input(&self) -> bool {
        matches!(self, Self::Input(_) | Self::Texture { .. })
    }
}

/// One dispatch. Its uniforms are binding 0, the memory follows as bindings 1, 2, ...
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Index into [`Plan::programs`].
    pub program: usize,
    /// The words of the uniform buffer.
    pub params: Vec<u32>,
    /// Workgroups in each dimension.
    pub grid: [u32; 3],
    /// Indices into [`Plan::memory`], in the order of the bindings.
    pub bindings: Vec<usize>,
}
