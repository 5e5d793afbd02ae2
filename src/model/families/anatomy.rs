//! What every class hands back, and the names that a few fields go by.

use crate::model::spec::Layer;

/// What a class makes of a file.
#[derive(Debug, Clone, Default)]
pub struct Anatomy {
    /// Width of the residual stream.
    pub hidden: u64,
    /// Layers, equal ones folded.
    pub layers: Vec<Layer>,
    /// Parameters outside the layers that are neither embedding nor head.
    pub other_params: u64,
    /// Parameters of further tables of which a token reads a row: learned positions, embeddings per layer.
    pub table_params: u64,
    /// Layers for multi-token prediction.
    pub mtp_layers: u64,
    /// What was unusual.
    pub notes: Vec<String>,
}

/// Names of the width of the residual stream.
pub const HIDDEN: [&str; 4] = ["hidden_size", "n_embd", "n_embed", "d_model"];
/// Names of the number of layers.
pub const LAYERS: [&str; 4] = ["num_hidden_layers", "n_layer", "n_layers", "num_layers"];
/// Names of the size of the vocabulary.
pub const VOCAB: [&str; 2] = ["vocab_size", "padded_vocab_size"];
