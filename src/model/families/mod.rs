//! One function per family of architectures: from the fields of its `config.json` to layers.
//!
//! A family reads what it needs and refuses what it does not understand; it never invents a dimension.

mod anatomy;
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
use anatomy::Anatomy;

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
