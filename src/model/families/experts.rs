//! Routed experts: how many, how wide, in which layers, and which stand beside them.

use super::class::Said;
use crate::diagnostic::Diagnostic;
use crate::model::config::Config;
use crate::model::draft::Draft;
use crate::model::spec::{Experts, Part, Shard};
use std::collections::BTreeSet;

/// How the files of a class describe experts.
#[derive(Debug, Clone, Copy)]
pub struct Moe {
    /// Field with the width inside an expert.
    pub inter: &'static str,
    /// Which layers have experts.
    pub sparse: Sparse,
    /// Experts that every token goes through.
    pub shared: Shared,
    /// One value per expert that corrects the routing.
    pub routing_bias: Said,
}

/// Which layers have experts. A list `mlp_layer_types` goes before any rule.
#[derive(Debug, Clone, Copy)]
pub enum Sparse {
    /// All.
    Every,
    /// Those after `first_k_dense_replace` or `num_dense_layers` dense ones, every `moe_layer_freq`-th (DeepSeek).
    After,
    /// Every `decoder_sparse_step`-th outside `mlp_only_layers` (Qwen).
    Stepped,
    /// From `moe_layer_start_index` to `moe_layer_end_index`, every `moe_layer_interval`-th (ERNIE 4.5).
    Between,
    /// Every `expert_layer_period`-th from `expert_layer_offset` on (Jamba).
    Period,
}

/// Experts that every token goes through.
#[derive(Debug, Clone, Copy)]
pub enum Shared {
    /// None.
    None,
    /// As many as a field says, each as wide as a routed one.
    Times(&'static [&'static str]),
    /// One of the width a field says.
    Width(&'static str),
    /// One of the width a field says, with a gate of its own.
    Gated(&'static str),
}

/// Dense and sparse feed-forward networks of the layers of a file.
#[derive(Debug, Clone)]
pub struct Feeds {
    hidden: u64,
    sparse: Vec<bool>,
    dense: u64,
    experts: Experts,
    shared: u64,
    gate: bool,
    routing_bias: u64,
}

impl Feeds {
    /// Reads the fields of experts, and of dense layers where there are any.
    ///
    /// # Errors
    /// When a field is missing or wrong.
    pub fn read(c: &Config<'_>, hidden: u64, layers: u64, moe: &Moe) -> Result<Self, Diagnostic> {
        Self::read_in(c, hidden, sparse_layers(c, layers, moe.sparse)?, moe)
    }

    /// As [`Self::read`], with experts in the layers that are said to have them.
    ///
    /// # Errors
    /// When a field is missing or wrong.
    pub fn read_in(c: &Config<'_>, hidden: u64, sparse: Vec<bool>, moe: &Moe) -> Result<Self, Diagnostic> {
        let inter = c.uniform(moe.inter)?.ok_or_else(|| c.missing(moe.inter))?;
        let experts = gated_experts(c, hidden, inter)?;
        let (shared, gate) = shared(c, moe.shared, inter)?;
        let dense = if sparse.contains(&false) { c.count("intermediate_size")? } else { 0 };
        if dense == 0 {
            c.unused(&["intermediate_size"]);
        }
        let routing_bias = moe.routing_bias.times(c, experts.count)?;
        Ok(Self { hidden, sparse, dense, experts, shared, gate, routing_bias })
    }

    /// Adds the network of one layer.
    pub fn add(&self, at: u64, draft: Draft) -> Draft {
        if !self.sparse.get(at as usize).copied().unwrap_or(false) {
            return draft.gated(Part::Dense, self.hidden, self.dense);
        }
        let draft = draft.gated(Part::Shared, self.hidden, self.shared);
        let draft = draft.experts(self.hidden, self.experts).plus(self.routing_bias);
        match self.gate {
            true => draft.linear("shared_gate", Part::Router, self.hidden, 1, Shard::Replicated),
            false => draft,
        }
    }
}

/// Width of all shared experts together, and whether a gate weighs them.
fn shared(c: &Config<'_>, shared: Shared, inter: u64) -> Result<(u64, bool), Diagnostic> {
    Ok(match shared {
        Shared::None => (0, false),
        Shared::Times(names) => match c.one_of(names)? {
            Some(name) => (c.uniform(name)?.unwrap_or(0) * inter, false),
            None => (0, false),
        },
        Shared::Width(key) => (c.number_or_zero(key)?, false),
        Shared::Gated(key) => {
            let width = c.number_or_zero(key)?;
            (width, width > 0)
        }
    })
}

/// Whether each layer has experts.
///
/// # Errors
/// When a list has other entries, or contradicts `first_k_dense_replace`.
pub fn sparse_layers(c: &Config<'_>, layers: u64, rule: Sparse) -> Result<Vec<bool>, Diagnostic> {
    let first = ["first_k_dense_replace", "num_dense_layers", "moe_first_k_dense_replace"];
    let listed = listed(c, layers)?;
    let every = |rule: &dyn Fn(u64) -> bool| (0..layers).map(rule).collect::<Vec<_>>();
    let ruled = match rule {
        Sparse::Every => return Ok(listed.unwrap_or_else(|| every(&|_| true))),
        Sparse::After => {
            let named = c.one_of(&first)?;
            let dense = named.map_or(Ok(0), |name| c.number_or_zero(name))?;
            match (switches(c, "moe_layer_freq", layers)?, named) {
                (Some(list), Some(name)) if list != every(&|at| at >= dense) => {
                    return Err(c.wrong(name, "must agree with `moe_layer_freq` in the same file"));
                }
                (Some(list), _) => list,
                (None, _) => {
                    let step = c.count_if("moe_layer_freq")?.unwrap_or(1);
                    every(&|at| at >= dense && at.is_multiple_of(step))
                }
            }
        }
        Sparse::Stepped => {
            let dense: BTreeSet<u64> = c.numbers("mlp_only_layers")?.unwrap_or_default().into_iter().collect();
            let step = c.count_if("decoder_sparse_step")?.unwrap_or(1);
            every(&|at| !dense.contains(&at) && (at + 1).is_multiple_of(step))
        }
        Sparse::Between => {
            let start = c.uniform("moe_layer_start_index")?.unwrap_or(0);
            let end = match c.written("moe_layer_end_index") {
                Some("-1") => {
                    c.unused(&["moe_layer_end_index"]);
                    layers
                }
                _ => c.uniform("moe_layer_end_index")?.unwrap_or(layers),
            };
            let step = c.count_if("moe_layer_interval")?.unwrap_or(1);
            every(&|at| (start..=end).contains(&at) && (at + 1).is_multiple_of(step))
        }
        Sparse::Period => {
            let (period, offset) = (c.count("expert_layer_period")?, c.number_or_zero("expert_layer_offset")?);
            every(&|at| at % period == offset)
        }
    };
    match listed {
        Some(list) if list != ruled && first.iter().any(|key| c.gives(key)) => {
            Err(c.wrong("mlp_layer_types", "must agree with the number of dense layers in the same file"))
        }
        Some(list) => Ok(list),
        None => Ok(ruled),
    }
}

/// A list with a 1 for a layer with experts and a 0 for one without; none where the field is no list.
fn switches(c: &Config<'_>, key: &str, layers: u64) -> Result<Option<Vec<bool>>, Diagnostic> {
    if !c.written(key).is_some_and(|text| text.starts_with('[')) {
        return Ok(None);
    }
    let list = c.numbers(key)?.unwrap_or_default();
    if list.len() as u64 != layers || list.iter().any(|switch| *switch > 1) {
        return Err(c.wrong(key, &format!("must hold a 0 or a 1 for each of the {layers} layers")));
    }
    Ok(Some(list.iter().map(|switch| *switch == 1).collect()))
}

fn listed(c: &Config<'_>, layers: u64) -> Result<Option<Vec<bool>>, Diagnostic> {
    let Some(kinds) = c.per_layer("mlp_layer_types", layers)? else { return Ok(None) };
    if kinds.iter().any(|kind| kind != "dense" && kind != "sparse") {
        return Err(c.wrong("mlp_layer_types", "must hold dense and sparse only"));
    }
    Ok(Some(kinds.iter().map(|kind| kind == "sparse").collect()))
}

/// Names of the number of experts a token goes through.
const CHOSEN: [&str; 7] = [
    "num_experts_per_tok",
    "num_experts_per_token",
    "top_k_experts",
    "experts_per_token",
    "moe_topk",
    "moe_k",
    "moe_top_k",
];

/// Experts with a gate that read and write vectors of `width`.
///
/// # Errors
/// When a field is missing, or more experts are chosen than there are.
pub fn gated_experts(c: &Config<'_>, width: u64, inter: u64) -> Result<Experts, Diagnostic> {
    let count = c.count_of(&["n_routed_experts", "num_experts", "num_local_experts", "moe_num_experts"])?;
    let chosen = c.one_of(&CHOSEN)?.unwrap_or(CHOSEN[0]);
    let topk = c.uniform(chosen)?.filter(|topk| *topk > 0).ok_or_else(|| c.missing(chosen))?;
    if topk > count {
        return Err(c.wrong(chosen, &format!("must be at most the {count} experts there are")));
    }
    let groups = c.one_of(&["n_group", "num_expert_group"])?.map_or(Ok(1), |name| c.number_or_zero(name))?.max(1);
    let groups_chosen = match c.number_or_zero("topk_group")? {
        0 => groups,
        chosen => chosen.min(groups),
    };
    Ok(Experts { count, topk, groups, groups_chosen, width, inter, matrices: 3, bias: 0 })
}
