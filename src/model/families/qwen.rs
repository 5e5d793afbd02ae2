//! Qwen 2 and 3, dense and with experts, and what follows them: MiMo-7B.

use super::class::{Class, Said, class};
use super::experts::{Moe, Shared, Sparse};
use super::sight::Sight;
use super::stack::{Feed, Habits, HeadNorms, PLAIN, stack};

/// Biases on query, key and value.
const QWEN2: Habits = Habits { qkv_bias: Said::Yes, sight: Sight::Switched, ..PLAIN };
/// Norms on query and key instead.
const QWEN3: Habits = Habits {
    qkv_bias: Said::By("attention_bias"),
    out_bias: Said::By("attention_bias"),
    head_norms: HeadNorms::Each(Said::Yes),
    sight: Sight::Switched,
    ..PLAIN
};
const EXPERTS: Moe =
    Moe { inter: "moe_intermediate_size", sparse: Sparse::Stepped, shared: Shared::None, routing_bias: Said::No };

/// The classes.
pub const CLASSES: &[Class] = &[
    class(&["Qwen2ForCausalLM"], &["qwen2"], WINDOWED, |c| stack(c, &QWEN2)).nested(SIZES).fixed(BIASED),
    // The text part of the vision models; older files have its fields beside the vision part.
    class(
        &["Qwen2VLForConditionalGeneration", "Qwen2_5_VLForConditionalGeneration"],
        &["qwen2_vl", "qwen2_5_vl", "qwen2_vl_text", "qwen2_5_vl_text"],
        WINDOWED,
        |c| stack(c, &QWEN2),
    ),
    class(&["Qwen3ForCausalLM"], &["qwen3"], QWEN3_DEFAULTS, |c| stack(c, &QWEN3)).nested(SIZES),
    class(
        &["Qwen3VLForConditionalGeneration", "Qwen3VLForCausalLM"],
        &["qwen3_vl", "qwen3_vl_text"],
        r#"{"head_dim": 128, "num_key_value_heads": 32, "tie_word_embeddings": false}"#,
        |c| stack(c, &Habits { sight: Sight::All, ..QWEN3 }),
    )
    .nested(SIZES),
    class(&["MiMoForCausalLM"], &["mimo"], WINDOWED, |c| {
        stack(c, &Habits { mtp: &["num_nextn_predict_layers"], ..QWEN2 })
    })
    .fixed(BIASED),
    class(
        &["Qwen2MoeForCausalLM"],
        &["qwen2_moe"],
        r#"{"use_sliding_window": false, "sliding_window": 4096, "max_window_layers": 28, "qkv_bias": true,
            "tie_word_embeddings": false}"#,
        |c| {
            let shared = Shared::Gated("shared_expert_intermediate_size");
            let feed = Feed::Experts(Moe { shared, ..EXPERTS });
            stack(c, &Habits { qkv_bias: Said::By("qkv_bias"), feed, ..QWEN2 })
        },
    ),
    class(
        &["Qwen3MoeForCausalLM"],
        &["qwen3_moe"],
        r#"{"use_sliding_window": false, "sliding_window": 4096, "max_window_layers": 28, "num_key_value_heads": 4,
            "tie_word_embeddings": false}"#,
        |c| stack(c, &Habits { feed: Feed::Experts(EXPERTS), ..QWEN3 }),
    )
    .fixed(&[("use_qk_norm", "true"), ("qkv_bias", "false"), ("shared_expert_intermediate_size", "0")]),
    class(
        &["Qwen3VLMoeForConditionalGeneration", "Qwen3VLMoeForCausalLM"],
        &["qwen3_vl_moe", "qwen3_vl_moe_text"],
        r#"{"num_key_value_heads": 16, "tie_word_embeddings": false}"#,
        |c| stack(c, &Habits { feed: Feed::Experts(EXPERTS), sight: Sight::All, ..QWEN3 }),
    ),
];

const BIASED: &[(&str, &str)] = &[("attention_bias", "true")];
const WINDOWED: &str = r#"{"use_sliding_window": false, "sliding_window": 4096, "max_window_layers": 28,
    "tie_word_embeddings": false}"#;
const QWEN3_DEFAULTS: &str = r#"{"use_sliding_window": false, "sliding_window": 4096, "max_window_layers": 28,
    "head_dim": 128, "tie_word_embeddings": false}"#;
const SIZES: &str = r#"{"hidden_size": 4096, "intermediate_size": 22016, "num_hidden_layers": 32,
    "num_attention_heads": 32, "vocab_size": 151936}"#;
