//! Metadata of a GGUF file as the `config.json` it was converted from would say it.
//!
//! Keys are those of gguf-py's `constants.py`, what each converter writes under them is in llama.cpp's
//! `convert_hf_to_gguf.py`; what a converter leaves out because the program has it built in (which layers slide) is as
//! in llama.cpp's `llama-model.cpp`.

use super::header::{Header, Tensor, Value};
use crate::diagnostic::Diagnostic;
use serde_json::{Map, json};

/// Architectures that are read; Mistral and Mixtral call themselves llama.
const KNOWN: [&str; 11] =
    ["deepseek2", "gemma", "gemma2", "gemma3", "gpt-oss", "llama", "phi3", "qwen2", "qwen2moe", "qwen3", "qwen3moe"];

/// The metadata of one architecture.
pub struct Settings<'h> {
    header: &'h Header,
    architecture: &'h str,
}

impl<'h> Settings<'h> {
    /// Finds the architecture.
    ///
    /// # Errors
    /// When the file names none, or is no language model.
    pub fn of(header: &'h Header) -> Result<Self, Diagnostic> {
        let text = |key: &str| match header.metadata.get(key) {
            Some(Value::Text(text)) => Some(text.as_str()),
            _ => None,
        };
        if let Some(kind) = text("general.type").filter(|kind| *kind != "model") {
            let message = format!("the file holds no model but \"{kind}\" (`general.type`)");
            return Err(Diagnostic::new(&header.file, message));
        }
        let architecture = text("general.architecture").ok_or_else(|| {
            Diagnostic::new(&header.file, "`general.architecture` is missing, so the tensors are not understood")
        })?;
        Ok(Self { header, architecture })
    }

    /// Layers of the model itself, without those that only guess tokens.
    ///
    /// # Errors
    /// When the count is missing.
    pub fn layers(&self) -> Result<u64, Diagnostic> {
        let all = self.need("block_count")?;
        Ok(all.saturating_sub(self.number("nextn_predict_layers").unwrap_or(0)).max(1))
    }

    /// The `config.json`.
    ///
    /// # Errors
    /// When the architecture is not one that is read, or a key it needs is missing or differs between layers.
    pub fn config(&self) -> Result<serde_json::Value, Diagnostic> {
        if !KNOWN.contains(&self.architecture) {
            return Err(self.unknown());
        }
        let (layers, hidden) = (self.layers()?, self.need("embedding_length")?);
        let mut all = self.common(layers, hidden)?;
        let mut put = |key: &str, value: serde_json::Value| _ = all.insert(key.to_owned(), value);
        let named = match self.architecture {
            "llama" if self.experts() => {
                self.routed(&mut put, "num_local_experts")?;
                ("MixtralForCausalLM", "mixtral")
            }
            "llama" => {
                put("attention_bias", json!(self.has("blk.0.attn_q.bias")));
                put("mlp_bias", json!(self.has("blk.0.ffn_gate.bias")));
                ("LlamaForCausalLM", "llama")
            }
            "qwen2" => ("Qwen2ForCausalLM", "qwen2"),
            "qwen3" => ("Qwen3ForCausalLM", "qwen3"),
            "qwen2moe" | "qwen3moe" => self.of_qwen(&mut put)?,
            "gemma" => ("GemmaForCausalLM", "gemma"),
            "gemma2" | "gemma3" => {
                let every = if self.architecture == "gemma2" { 2 } else { 6 };
                put("sliding_window", json!(self.need("attention.sliding_window")?));
                put("layer_types", json!(self.sliding(layers, |layer| (layer + 1) % every != 0)));
                if every == 2 { ("Gemma2ForCausalLM", "gemma2") } else { ("Gemma3ForCausalLM", "gemma3_text") }
            }
            "phi3" => {
                put("sliding_window", json!(self.number("attention.sliding_window")));
                ("Phi3ForCausalLM", "phi3")
            }
            "gpt-oss" => {
                self.routed(&mut put, "num_local_experts")?;
                put("intermediate_size", json!(self.expert_width()?));
                put("sliding_window", json!(self.need("attention.sliding_window")?));
                put("layer_types", json!(self.sliding(layers, |layer| layer % 2 == 0)));
                put("attention_bias", json!(true));
                ("GptOssForCausalLM", "gpt_oss")
            }
            "deepseek2" => self.latent(&mut put)?,
            _ => return Err(self.unknown()),
        };
        all.insert("architectures".into(), json!([named.0]));
        all.insert("model_type".into(), json!(named.1));
        Ok(serde_json::Value::Object(all))
    }

    fn unknown(&self) -> Diagnostic {
        let message = format!("the architecture `{}` of a GGUF file is not understood", self.architecture);
        Diagnostic::new(&self.header.file, message).hint(format!(
            "read are {}; the config.json of the model it was converted from, with `precision`, is another way",
            KNOWN.join(", ")
        ))
    }

    fn common(&self, layers: u64, hidden: u64) -> Result<Map<String, serde_json::Value>, Diagnostic> {
        let heads = self.need("attention.head_count")?;
        let mut all = Map::new();
        let mut put = |key: &str, value: u64| _ = all.insert(key.to_owned(), json!(value));
        put("hidden_size", hidden);
        put("num_hidden_layers", layers);
        put("num_attention_heads", heads);
        put("vocab_size", self.side("token_embd.weight", 1)?);
        // Latent attention has heads of its own and a cache of one; converters write 1.
        if self.architecture != "deepseek2" {
            put("num_key_value_heads", self.uniform("attention.head_count_kv")?.unwrap_or(heads));
            let dim = self.number("attention.key_length").unwrap_or(hidden / heads.max(1));
            if self.number("attention.value_length").is_some_and(|value| value != dim) {
                return Err(self.wrong("attention.value_length", "must be `attention.key_length`"));
            }
            // Phi-3's own configuration has no such field.
            if self.architecture != "phi3" {
                put("head_dim", dim);
            }
        }
        if let Some(inter) = self.uniform("feed_forward_length")? {
            put("intermediate_size", inter);
        }
        if let Some(context) = self.number("context_length") {
            put("max_position_embeddings", context);
        }
        let tied = !self.has("output.weight");
        all.insert("tie_word_embeddings".into(), json!(tied));
        all.insert("torch_dtype".into(), json!("bfloat16"));
        Ok(all)
    }

    fn of_qwen(
        &self,
        put: &mut impl FnMut(&str, serde_json::Value),
    ) -> Result<(&'static str, &'static str), Diagnostic> {
        self.routed(put, "num_experts")?;
        put("moe_intermediate_size", json!(self.expert_width()?));
        put("decoder_sparse_step", json!(1));
        if self.architecture == "qwen3moe" {
            return Ok(("Qwen3MoeForCausalLM", "qwen3_moe"));
        }
        put("shared_expert_intermediate_size", json!(self.side("blk.0.ffn_up_shexp.weight", 1)?));
        Ok(("Qwen2MoeForCausalLM", "qwen2_moe"))
    }

    fn latent(
        &self,
        put: &mut impl FnMut(&str, serde_json::Value),
    ) -> Result<(&'static str, &'static str), Diagnostic> {
        let rope = self.need("rope.dimension_count")?;
        let key = self.number("attention.key_length_mla").map_or_else(|| self.need("attention.key_length"), Ok)?;
        let value =
            self.number("attention.value_length_mla").map_or_else(|| self.need("attention.value_length"), Ok)?;
        let nope =
            key.checked_sub(rope).ok_or_else(|| self.wrong("rope.dimension_count", "must be less than a key"))?;
        put("kv_lora_rank", json!(self.need("attention.kv_lora_rank")?));
        put("q_lora_rank", json!(self.number("attention.q_lora_rank")));
        put("qk_rope_head_dim", json!(rope));
        put("qk_nope_head_dim", json!(nope));
        put("v_head_dim", json!(value));
        put("first_k_dense_replace", json!(self.number("leading_dense_block_count").unwrap_or(0)));
        put("moe_layer_freq", json!(1));
        put("moe_intermediate_size", json!(self.expert_width()?));
        put("n_shared_experts", json!(self.number("expert_shared_count").unwrap_or(0)));
        self.routed(put, "n_routed_experts")?;
        // The bias of the router came with V3.
        let bias = self.header.tensors.iter().any(|tensor| tensor.name.contains("exp_probs_b"));
        Ok(if bias { ("DeepseekV3ForCausalLM", "deepseek_v3") } else { ("DeepseekV2ForCausalLM", "deepseek_v2") })
    }

    fn routed(&self, put: &mut impl FnMut(&str, serde_json::Value), count: &str) -> Result<(), Diagnostic> {
        put(count, json!(self.need("expert_count")?));
        put("num_experts_per_tok", json!(self.need("expert_used_count")?));
        Ok(())
    }

    fn experts(&self) -> bool {
        self.number("expert_count").is_some_and(|count| count > 0)
    }

    /// Width inside an expert, as its tensor has it.
    fn expert_width(&self) -> Result<u64, Diagnostic> {
        match self.number("expert_feed_forward_length") {
            Some(width) => Ok(width),
            None => {
                let first = self.header.tensors.iter().find(|tensor| tensor.name.ends_with("ffn_up_exps.weight"));
                first
                    .and_then(|tensor| tensor.sides.get(1).copied())
                    .ok_or_else(|| self.missing("expert_feed_forward_length"))
            }
        }
    }

    fn sliding(&self, layers: u64, slides: impl Fn(u64) -> bool) -> Vec<&'static str> {
        (0..layers.min(4096)).map(|at| if slides(at) { "sliding_attention" } else { "full_attention" }).collect()
    }

    fn has(&self, tensor: &str) -> bool {
        self.header.tensors.iter().any(|own| own.name == tensor)
    }

    fn side(&self, tensor: &str, which: usize) -> Result<u64, Diagnostic> {
        let found: Option<&Tensor> = self.header.tensors.iter().find(|own| own.name == tensor);
        found.and_then(|own| own.sides.get(which).copied()).ok_or_else(|| {
            Diagnostic::new(&self.header.file, format!("the tensor `{tensor}` is missing or has too few dimensions"))
        })
    }

    fn key(&self, key: &str) -> String {
        format!("{}.{key}", self.architecture)
    }

    fn number(&self, key: &str) -> Option<u64> {
        match self.header.metadata.get(&self.key(key)) {
            Some(Value::Whole(number)) => Some(*number),
            _ => None,
        }
    }

    /// A number, or a list of one a layer that are all alike.
    fn uniform(&self, key: &str) -> Result<Option<u64>, Diagnostic> {
        match self.header.metadata.get(&self.key(key)) {
            Some(Value::List(list)) => match list.as_slice() {
                [first, rest @ ..] if rest.iter().all(|other| other == first) => Ok(Some(*first)),
                _ => Err(self.wrong(key, "must be the same in every layer")),
            },
            _ => Ok(self.number(key)),
        }
    }

    fn need(&self, key: &str) -> Result<u64, Diagnostic> {
        self.uniform(key)?.ok_or_else(|| self.missing(key))
    }

    fn missing(&self, key: &str) -> Diagnostic {
        Diagnostic::new(&self.header.file, format!("`{}` is missing in the metadata", self.key(key)))
            .hint("the architecture needs it, and a guessed dimension would give a wrong answer")
    }

    fn wrong(&self, key: &str, accepted: &str) -> Diagnostic {
        Diagnostic::new(&self.header.file, format!("`{}` {accepted}", self.key(key)))
    }
}
