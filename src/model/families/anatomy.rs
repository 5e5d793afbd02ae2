//! What every family hands back, and the experts that most of them read alike.

use crate::diagnostic::Diagnostic;
use crate::model::config::Config;
use crate::model::spec::{Experts, Layer};

/// What a family makes of a file.
#[derive(Debug, Clone, Default)]
pub struct Anatomy {
    /// Width of the residual stream.
    pub hidden: u64,
    /// Layers, equal ones folded.
    pub layers: Vec<Layer>,
    /// Parameters outside the layers that are neither embedding nor head.
    pub other_params: u64,
    /// Whether the head shares the embedding where the file does not say.
    pub tied_by_default: bool,
    /// Layers for multi-token prediction.
    pub mtp_layers: u64,
    /// What was unusual.
    pub notes: Vec<String>,
}

/// Experts with a gate that read and write the residual stream, by the two names of each field in use.
///
/// # Errors
/// When a field is missing, or more experts are chosen than there are.
pub fn gated_experts(c: &Config<'_>, hidden: u64, inter: u64) -> Result<Experts, Diagnostic> {
    let count = c.count_of(&["n_routed_experts", "num_experts", "num_local_experts"])?;
    let chosen = ["num_experts_per_tok", "num_experts_per_token", "top_k_experts", "experts_per_token"];
    let topk = c.count_of(&chosen)?;
    if topk > count {
        let key = chosen.iter().find(|key| c.has(key)).copied().unwrap_or_default();
        return Err(c.wrong(key, &format!("must be at most the {count} experts there are")));
    }
    let groups = c.number_or_zero("n_group")?.max(1);
    let groups_chosen = match c.number_or_zero("topk_group")? {
        0 => groups,
        chosen => chosen.min(groups),
    };
    Ok(Experts { count, topk, groups, groups_chosen, width: hidden, inter, matrices: 3, bias: 0 })
}
