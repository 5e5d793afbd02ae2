//! The row of `underdog model` and of the models in `underdog catalog`.

use crate::model::count::{Phase, Weights};
use crate::model::spec::ModelSpec;
use crate::precision::Precision;
use schemars::JsonSchema;
use serde::Serialize;

/// What a model occupies and costs, at one context and in one set of formats.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ModelRow {
    /// Catalogue name or file stem.
    pub model: String,
    /// First entry of `architectures`.
    pub architecture: String,
    /// `native`, or the one format of attention, feed-forward layers and experts.
    pub precision: String,
    /// Format of the cache.
    pub kv_precision: Precision,
    /// Tokens in the context the cache and the FLOP are counted at.
    pub context_tokens: u64,
    /// All parameters, without multi-token prediction and vision parts.
    pub parameters_total: u64,
    /// Parameters a token goes through: without the input embedding, with the LM head.
    pub parameters_active: u64,
    /// Bytes of all weights.
    pub weight_bytes: f64,
    /// Bytes of the cache of one sequence of `context_tokens`.
    pub kv_bytes: f64,
    /// `kv_bytes` over `context_tokens`.
    pub kv_bytes_per_token: f64,
    /// Bytes one sequence holds whatever its length.
    pub state_bytes: f64,
    /// Mean FLOP per token of a prompt of `context_tokens`.
    pub flop_per_token_prefill: f64,
    /// FLOP of the token after `context_tokens` others.
    pub flop_per_token_decode: f64,
    /// Layers.
    pub layers: u64,
    /// Width of the residual stream.
    pub hidden: u64,
    /// Size of the vocabulary.
    pub vocab: u64,
    /// Routed experts of a layer, where there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub experts: Option<u64>,
    /// Routed experts a token goes through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub experts_per_token: Option<u64>,
    /// Longest context the file allows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_context_tokens: Option<u64>,
}

impl ModelRow {
    /// Counts a model.
    pub fn of(model: &ModelSpec, weights: Weights, kv: Precision, context: u64) -> Self {
        let experts = model.layers.iter().find_map(|layer| layer.experts);
        let kv_bytes = model.kv_bytes(context, kv).get();
        Self {
            model: model.name.clone(),
            architecture: model.architecture.clone(),
            precision: weights.to_string(),
            kv_precision: kv,
            context_tokens: context,
            parameters_total: model.parameters_total(),
            parameters_active: model.parameters_active(),
            weight_bytes: model.weight_bytes(weights).get(),
            kv_bytes,
            kv_bytes_per_token: kv_bytes / context.max(1) as f64,
            state_bytes: model.state_bytes().get(),
            flop_per_token_prefill: model.flop_per_token(context, Phase::Prefill).get(),
            flop_per_token_decode: model.flop_per_token(context, Phase::Decode).get(),
            layers: model.layer_count(),
            hidden: model.hidden,
            vocab: model.vocab,
            experts: experts.map(|e| e.count),
            experts_per_token: experts.map(|e| e.topk),
            max_context_tokens: model.max_context,
        }
    }
}
