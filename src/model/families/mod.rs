//! One function per family of architectures: from the fields of its `config.json` to layers.
//!
//! A family reads what it needs and refuses what it does not understand; it never invents a dimension.

mod deepseek;
mod deepseek_v4;
mod early;
mod gemma;
mod hybrid;
mod kimi;
mod llama;
mod llama4;

use crate::diagnostic::Diagnostic;
use crate::model::config::Config;
use crate::model::spec::Layer;

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

/// Reads the text part of a file.
pub type Family = fn(&Config<'_>) -> Result<Anatomy, Diagnostic>;

/// Every architecture that is understood, as `architectures` spells it.
pub const FAMILIES: [(&str, Family); 29] = [
    ("BloomForCausalLM", early::bloom),
    ("DeepseekV2ForCausalLM", deepseek::latent),
    ("DeepseekV32ForCausalLM", deepseek::sparse),
    ("DeepseekV3ForCausalLM", deepseek::latent),
    ("DeepseekV4ForCausalLM", deepseek_v4::read),
    ("FalconForCausalLM", early::falcon),
    ("GPTJForCausalLM", early::gpt_j),
    ("Gemma3ForCausalLM", gemma::gemma3),
    ("Gemma3ForConditionalGeneration", gemma::gemma3),
    ("Gemma4ForCausalLM", gemma::gemma4),
    ("Gemma4ForConditionalGeneration", gemma::gemma4),
    ("Glm4MoeForCausalLM", llama::glm4_moe),
    ("GlmMoeDsaForCausalLM", deepseek::sparse),
    ("GptOssForCausalLM", llama::gpt_oss),
    ("KimiK25ForConditionalGeneration", deepseek::latent),
    ("KimiK3ForConditionalGeneration", kimi::linear),
    ("KimiLinearForCausalLM", kimi::linear),
    ("Llama4ForCausalLM", llama4::read),
    ("Llama4ForConditionalGeneration", llama4::read),
    ("LlamaForCausalLM", llama::llama),
    ("MiniMaxM2ForCausalLM", llama::minimax_m2),
    ("MistralForCausalLM", llama::llama),
    ("MixtralForCausalLM", llama::mixtral),
    ("NemotronHForCausalLM", hybrid::nemotron_h),
    ("Qwen2ForCausalLM", llama::qwen2),
    ("Qwen3ForCausalLM", llama::qwen3),
    ("Qwen3MoeForCausalLM", llama::qwen3_moe),
    ("Qwen3_5MoeForCausalLM", hybrid::qwen3_5_moe),
    ("Qwen3_5MoeForConditionalGeneration", hybrid::qwen3_5_moe),
];

/// Experts with a gate that read and write the residual stream, by the two names of each field in use.
///
/// # Errors
/// When a field is missing, or more experts are chosen than there are.
fn gated_experts(c: &Config<'_>, hidden: u64, inter: u64) -> Result<crate::model::spec::Experts, Diagnostic> {
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
    Ok(crate::model::spec::Experts { count, topk, groups, groups_chosen, width: hidden, inter, matrices: 3, bias: 0 })
}
