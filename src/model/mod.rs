//! What a model is: from a Hugging Face `config.json` to shapes, parameters, bytes and FLOP.

pub mod spec;

pub use spec::ModelSpec;
