//! Llama and the models that keep its layer: attention, a gated feed-forward network or experts, two norms.
//!
//! Sources: the modelling code in transformers of each architecture named below.

use super::anatomy::{Anatomy, gated_experts};
use crate::diagnostic::Diagnostic;
use crate::model::config::Config;
use crate::model::draft::{Draft, Heads, fold, sliding};
use crate::model::spec::{Experts, Layer, Part};
use std::collections::BTreeSet;

/// What the members of the family share.
struct Base {
    hidden: u64,
    layers: u64,
    heads: Heads,
}

impl Base {
    fn read(c: &Config<'_>) -> Result<Self, Diagnostic> {
        let hidden = c.count("hidden_size")?;
        Ok(Self { hidden, layers: c.layers(&["num_hidden_layers"])?, heads: Heads::read(c, hidden)? })
    }

    /// Attention and two norms.
    fn layer(&self) -> Draft {
        Draft::with_norms(2 * self.hidden).attention(self.hidden, self.heads)
    }

    /// Biases of the query, key and value projections.
    fn qkv_bias(&self) -> u64 {
        self.heads.qkv()
    }

    /// Norms of query and key, one per head dimension.
    fn head_norms(&self) -> u64 {
        2 * self.heads.dim
    }

    fn anatomy(&self, layers: Vec<Layer>) -> Anatomy {
        Anatomy { hidden: self.hidden, layers, other_params: self.hidden, ..Anatomy::default() }
    }
}

/// Llama, and Mistral, which adds a sliding window.
pub fn llama(c: &Config<'_>) -> Result<Anatomy, Diagnostic> {
    let base = Base::read(c)?;
    let inter = c.count("intermediate_size")?;
    let mut draft = base.layer().gated(Part::Dense, base.hidden, inter);
    draft = draft.windowed(c.tokens("sliding_window").map(sliding));
    if c.flag("attention_bias")?.unwrap_or(false) {
        draft = draft.plus(base.qkv_bias() + base.hidden);
    }
    if c.flag("mlp_bias")?.unwrap_or(false) {
        draft = draft.plus(2 * inter + base.hidden);
    }
    Ok(base.anatomy(vec![Layer { count: base.layers, ..draft.layer() }]))
}

/// Mixtral: every layer has experts.
pub fn mixtral(c: &Config<'_>) -> Result<Anatomy, Diagnostic> {
    let base = Base::read(c)?;
    let experts = gated_experts(c, base.hidden, c.count("intermediate_size")?)?;
    let draft = base.layer().windowed(c.tokens("sliding_window").map(sliding)).experts(base.hidden, experts);
    Ok(base.anatomy(vec![Layer { count: base.layers, ..draft.layer() }]))
}

/// Qwen2: biases on query, key and value.
pub fn qwen2(c: &Config<'_>) -> Result<Anatomy, Diagnostic> {
    let base = Base::read(c)?;
    let inter = c.count("intermediate_size")?;
    let layer = base.layer().gated(Part::Dense, base.hidden, inter).plus(base.qkv_bias());
    Ok(base.anatomy(windowed_above(c, base.layers, layer)?))
}

/// Qwen3: norms on query and key instead of biases.
pub fn qwen3(c: &Config<'_>) -> Result<Anatomy, Diagnostic> {
    c.count("head_dim")?;
    let base = Base::read(c)?;
    let inter = c.count("intermediate_size")?;
    let mut layer = base.layer().gated(Part::Dense, base.hidden, inter).plus(base.head_norms());
    if c.flag("attention_bias")?.unwrap_or(false) {
        layer = layer.plus(base.qkv_bias() + base.hidden);
    }
    Ok(base.anatomy(windowed_above(c, base.layers, layer)?))
}

/// Qwen's sliding window holds for the layers from `max_window_layers` on, and only where it is switched on.
fn windowed_above(c: &Config<'_>, layers: u64, layer: Draft) -> Result<Vec<Layer>, Diagnostic> {
    if !c.flag("use_sliding_window")?.unwrap_or(false) {
        return Ok(vec![Layer { count: layers, ..layer.layer() }]);
    }
    let window = sliding(c.count("sliding_window")?);
    let full = c.number_or_zero("max_window_layers")?.min(layers);
    let rest = Layer { count: layers - full, ..layer.clone().windowed(Some(window)).layer() };
    let all = [Layer { count: full, ..layer.layer() }, rest];
    Ok(all.into_iter().filter(|layer| layer.count > 0).collect())
}

/// Qwen3 with experts in every `decoder_sparse_step`-th layer outside `mlp_only_layers`.
pub fn qwen3_moe(c: &Config<'_>) -> Result<Anatomy, Diagnostic> {
    let base = Base::read(c)?;
    if c.number_or_zero("shared_expert_intermediate_size")? > 0 {
        return Err(c.wrong("shared_expert_intermediate_size", "must be 0: Qwen3-MoE has no shared expert"));
    }
    let experts = gated_experts(c, base.hidden, c.count("moe_intermediate_size")?)?;
    let dense: BTreeSet<u64> = c.numbers("mlp_only_layers")?.unwrap_or_default().into_iter().collect();
    let step = c.count_if("decoder_sparse_step")?.unwrap_or(1);
    let inter = c.count_if("intermediate_size")?;
    let layer = |at: u64| {
        let draft = base.layer().plus(base.head_norms());
        if dense.contains(&at) || !(at + 1).is_multiple_of(step) {
            let inter = inter.ok_or_else(|| c.missing("intermediate_size"))?;
            Ok(draft.gated(Part::Dense, base.hidden, inter).layer())
        } else {
            Ok(draft.experts(base.hidden, experts).layer())
        }
    };
    let layers = (0..base.layers).map(layer).collect::<Result<Vec<_>, Diagnostic>>()?;
    Ok(base.anatomy(fold(layers)))
}

/// GLM-4.5 to 4.7: first dense layers, shared experts, a routing bias.
pub fn glm4_moe(c: &Config<'_>) -> Result<Anatomy, Diagnostic> {
    let base = Base::read(c)?;
    let inter = c.count("moe_intermediate_size")?;
    let experts = gated_experts(c, base.hidden, inter)?;
    let shared = c.number_or_zero("n_shared_experts")? * inter;
    let dense = c.number_or_zero("first_k_dense_replace")?.min(base.layers);
    let mut attention = base.layer();
    if c.flag("attention_bias")?.unwrap_or(false) {
        attention = attention.plus(base.qkv_bias());
    }
    if c.flag("use_qk_norm")?.unwrap_or(false) {
        attention = attention.plus(base.head_norms());
    }
    let sparse =
        attention.clone().gated(Part::Shared, base.hidden, shared).experts(base.hidden, experts).plus(experts.count);
    let first = attention.gated(Part::Dense, base.hidden, c.count("intermediate_size")?);
    let layers = [Layer { count: dense, ..first.layer() }, Layer { count: base.layers - dense, ..sparse.layer() }];
    let layers = layers.into_iter().filter(|layer| layer.count > 0).collect();
    Ok(Anatomy { mtp_layers: c.number_or_zero("num_nextn_predict_layers")?, ..base.anatomy(layers) })
}

/// MiniMax-M2: norms over all query and all key values, a routing bias.
pub fn minimax_m2(c: &Config<'_>) -> Result<Anatomy, Diagnostic> {
    let base = Base::read(c)?;
    if c.number_or_zero("shared_intermediate_size")? > 0 {
        return Err(c.wrong("shared_intermediate_size", "must be 0: shared experts of MiniMax are not understood"));
    }
    let experts = gated_experts(c, base.hidden, c.count("intermediate_size")?)?;
    let mut draft = base.layer().experts(base.hidden, experts);
    if c.flag("use_qk_norm")?.unwrap_or(false) {
        draft = draft.plus((base.heads.query + base.heads.kv) * base.heads.dim).jointly_normed();
    }
    if c.flag("use_routing_bias")?.unwrap_or(false) {
        draft = draft.plus(experts.count);
    }
    let mtp = if c.flag("use_mtp")?.unwrap_or(false) { c.number_or_zero("num_mtp_modules")? } else { 0 };
    Ok(Anatomy { mtp_layers: mtp, ..base.anatomy(vec![Layer { count: base.layers, ..draft.layer() }]) })
}

/// gpt-oss: biases everywhere, one attention sink a head, a sliding window in the layers that say so.
pub fn gpt_oss(c: &Config<'_>) -> Result<Anatomy, Diagnostic> {
    let base = Base::read(c)?;
    let inter = c.count("intermediate_size")?;
    let experts = Experts { bias: 2 * inter + base.hidden, ..gated_experts(c, base.hidden, inter)? };
    let mut draft = base.layer().experts(base.hidden, experts).plus(experts.count + base.heads.query);
    if c.flag("attention_bias")?.unwrap_or(true) {
        draft = draft.plus(base.qkv_bias() + base.hidden);
    }
    let window = sliding(c.count("sliding_window")?);
    let types = c.per_layer("layer_types", base.layers)?.ok_or_else(|| c.missing("layer_types"))?;
    let layer = |kind: &String| match kind.as_str() {
        "sliding_attention" => Ok(draft.clone().windowed(Some(window)).layer()),
        "full_attention" => Ok(draft.clone().layer()),
        _ => Err(c.wrong("layer_types", "must hold sliding_attention and full_attention only")),
    };
    let layers = types.iter().map(layer).collect::<Result<Vec<_>, _>>()?;
    Ok(base.anatomy(fold(layers)))
}
