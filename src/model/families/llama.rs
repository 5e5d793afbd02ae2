//! Classes whose layer is Llama's, but for norms, biases and windows: dense, softmax attention, a gate.

use super::class::{Class, Said, class};
use super::sight::Sight;
use super::stack::{Feed, Habits, HeadNorms, PLAIN, stack};

/// Two matrices without a gate, of the usual name.
const UNGATED: Feed = Feed::Plain(&["intermediate_size"]);
/// Biases of all four projections of attention, and of the feed-forward network, where switches say so.
const SWITCHED: Habits = Habits {
    qkv_bias: Said::By("attention_bias"),
    out_bias: Said::By("attention_bias"),
    feed_bias: Said::By("mlp_bias"),
    ..PLAIN
};
const ATTENTION_BIAS: Habits = Habits { feed_bias: Said::No, ..SWITCHED };
const USE_BIAS: Habits =
    Habits { qkv_bias: Said::By("use_bias"), out_bias: Said::By("use_bias"), feed_bias: Said::By("use_bias"), ..PLAIN };

/// The classes.
pub const CLASSES: &[Class] = &[
    class(&["LlamaForCausalLM", "LLaMAForCausalLM"], &["llama"], UNTIED, |c| stack(c, &SWITCHED)).nested(
        r#"{"hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32,
            "vocab_size": 32000}"#,
    ),
    // The default window is that of the first Mistral-7B.
    class(
        &["MistralForCausalLM"],
        &["mistral"],
        r#"{"sliding_window": 4096, "num_key_value_heads": 8, "tie_word_embeddings": false}"#,
        |c| stack(c, &Habits { sight: Sight::Sliding, ..PLAIN }),
    )
    .nested(MISTRAL_SIZES),
    class(
        &["MinistralForCausalLM"],
        &["ministral"],
        r#"{"sliding_window": 4096, "num_key_value_heads": 8, "tie_word_embeddings": false}"#,
        |c| stack(c, &Habits { sight: Sight::Sliding, ..PLAIN }),
    )
    .nested(MISTRAL_SIZES),
    class(
        &["Ministral3ForCausalLM"],
        &["ministral3"],
        r#"{"num_key_value_heads": 8, "head_dim": 128, "tie_word_embeddings": false}"#,
        |c| stack(c, &Habits { sight: Sight::Sliding, ..PLAIN }),
    )
    .nested(
        r#"{"hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 34, "num_attention_heads": 32,
            "vocab_size": 131072}"#,
    ),
    class(&["ApertusForCausalLM"], &["apertus"], UNTIED, |c| {
        stack(c, &Habits { feed: UNGATED, head_norms: HeadNorms::Each(Said::Yes), ..ATTENTION_BIAS })
    })
    .fixed(&[("qk_norm", "true"), ("post_norm", "false"), ("hidden_act", "\"xielu\"")]),
    class(&["CwmForCausalLM"], &["cwm"], r#"{"tie_word_embeddings": false, "sliding_window": 8192}"#, |c| {
        stack(c, &Habits { feed_bias: Said::By("mlp_bias"), sight: Sight::Sliding, ..PLAIN })
    }),
    class(&["SmolLM3ForCausalLM"], &["smollm3"], TIED, |c| stack(c, &Habits { sight: Sight::Switched, ..SWITCHED }))
        .unused(&["no_rope_layers", "no_rope_layer_interval"]),
    class(&["GraniteForCausalLM"], &["granite"], UNTIED, |c| stack(c, &SWITCHED)),
    class(&["HeliumForCausalLM"], &["helium"], UNTIED, |c| stack(c, &SWITCHED)),
    class(&["ArceeForCausalLM"], &["arcee"], UNTIED, |c| stack(c, &Habits { feed: UNGATED, ..SWITCHED })),
    // Modelling code of its repositories (internlm/internlm2-chat-7b, modeling_internlm2.py): one switch for both
    // projections of attention.
    class(&["InternLM2ForCausalLM"], &["internlm2"], UNTIED, |c| {
        stack(c, &Habits { qkv_bias: Said::By("bias"), out_bias: Said::By("bias"), ..PLAIN })
    })
    .nested(
        r#"{"hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32,
            "vocab_size": 103168}"#,
    ),
    // modeling_internlm.py of internlm/internlm-7b.
    class(&["InternLMForCausalLM"], &["internlm"], r#"{"bias": true, "tie_word_embeddings": false}"#, |c| {
        stack(c, &Habits { qkv_bias: Said::By("bias"), out_bias: Said::By("bias"), ..PLAIN })
    }),
    // modeling_internlm3.py of internlm/internlm3-8b-instruct.
    class(&["InternLM3ForCausalLM"], &["internlm3"], UNTIED, |c| {
        stack(
            c,
            &Habits {
                qkv_bias: Said::By("qkv_bias"),
                out_bias: Said::By("bias"),
                feed_bias: Said::By("bias"),
                ..PLAIN
            },
        )
    }),
    // modeling_exaone.py of LGAI-EXAONE/EXAONE-3.5-7.8B-Instruct.
    class(&["ExaoneForCausalLM"], &["exaone"], UNTIED, |c| stack(c, &PLAIN)),
    class(
        &["Exaone4ForCausalLM"],
        &["exaone4"],
        r#"{"sliding_window": 4096, "sliding_window_pattern": 4, "tie_word_embeddings": false}"#,
        |c| stack(c, &Habits { head_norms: HeadNorms::Each(Said::Yes), sight: Sight::Every, ..PLAIN }),
    ),
    class(
        &["SeedOssForCausalLM"],
        &["seed_oss"],
        r#"{"attention_bias": true, "head_dim": 128, "num_key_value_heads": 8, "tie_word_embeddings": false}"#,
        |c| stack(c, &Habits { out_bias: Said::By("attention_out_bias"), ..SWITCHED }),
    ),
    class(&["Phi3ForCausalLM"], &["phi3"], UNTIED, |c| stack(c, &Habits { sight: Sight::Sliding, ..PLAIN }))
        .unused(&["full_attn_mod"])
        .nested(
            r#"{"hidden_size": 3072, "intermediate_size": 8192, "num_hidden_layers": 32, "num_attention_heads": 32,
                "vocab_size": 32064}"#,
        ),
    // Attention and network side by side behind one norm without bias.
    class(&["CohereForCausalLM"], &["cohere"], TIED, |c| {
        stack(c, &Habits { norms: 1, head_norms: HeadNorms::PerHead(Said::By("use_qk_norm")), ..ATTENTION_BIAS })
    }),
    class(
        &["Cohere2ForCausalLM"],
        &["cohere2"],
        r#"{"sliding_window": 4096, "sliding_window_pattern": 4, "tie_word_embeddings": true}"#,
        |c| stack(c, &Habits { norms: 1, sight: Sight::Every, ..ATTENTION_BIAS }),
    )
    .unused(&["layer_switch", "use_embedding_sharing", "use_parallel_embedding"])
    .fixed(&[
        ("order_of_interleaved_layers", "\"local_attn_first\""),
        ("position_embedding_type", "\"rope_gptj\""),
        ("use_gated_activation", "true"),
        ("use_parallel_block", "true"),
    ])
    .nested(
        r#"{"hidden_size": 8192, "intermediate_size": 22528, "num_hidden_layers": 40, "num_attention_heads": 64,
            "vocab_size": 256000}"#,
    ),
    // Norms without weights.
    class(&["OlmoForCausalLM"], &["olmo"], UNTIED, |c| {
        stack(c, &Habits { norms: 0, outer_norms: 0, ..ATTENTION_BIAS })
    }),
    class(&["Olmo2ForCausalLM"], &["olmo2"], UNTIED, |c| {
        stack(c, &Habits { head_norms: HeadNorms::Joint(Said::Yes), ..ATTENTION_BIAS })
    }),
    class(
        &["Olmo3ForCausalLM"],
        &["olmo3"],
        r#"{"sliding_window": 4096, "sliding_window_pattern": 4, "tie_word_embeddings": false}"#,
        |c| stack(c, &Habits { head_norms: HeadNorms::Joint(Said::Yes), sight: Sight::Every, ..ATTENTION_BIAS }),
    ),
    // A norm of the values before the output projection beside the usual two.
    class(&["BitNetForCausalLM", "BitnetForCausalLM"], &["bitnet"], UNTIED, |c| {
        stack(c, &Habits { norms: 3, feed: Feed::GatedNormed, ..ATTENTION_BIAS })
    }),
    class(
        &["HunYuanDenseV1ForCausalLM"],
        &["hunyuan_v1_dense"],
        r#"{"use_qk_norm": true, "tie_word_embeddings": false}"#,
        |c| stack(c, &Habits { head_norms: HeadNorms::Each(Said::By("use_qk_norm")), ..ATTENTION_BIAS }),
    )
    .unused(HUNYUAN_UNUSED)
    .fixed(&[("norm_type", "\"rms\""), ("use_cla", "false"), ("use_rotary_pos_emb", "true")]),
    class(&["Ernie4_5ForCausalLM", "Ernie4_5_ForCausalLM"], &["ernie4_5"], ERNIE, |c| stack(c, &USE_BIAS))
        .fixed(&[("use_rmsnorm", "true")]),
    class(&["GlmForCausalLM"], &["glm"], GLM, |c| stack(c, &Habits { qkv_bias: Said::By("attention_bias"), ..PLAIN })),
    class(
        &["Glm4vForConditionalGeneration", "Glm46VForConditionalGeneration"],
        &["glm4v", "glm46v", "glm4v_text", "glm46v_text"],
        r#"{"num_key_value_heads": 2, "tie_word_embeddings": false}"#,
        |c| stack(c, &Habits { norms: 4, qkv_bias: Said::Yes, ..PLAIN }),
    )
    .fixed(&[("attention_bias", "true")])
    .nested(
        r#"{"hidden_size": 4096, "intermediate_size": 13696, "num_hidden_layers": 40, "num_attention_heads": 32,
            "vocab_size": 151552}"#,
    ),
    class(
        &["HyperCLOVAXForCausalLM"],
        &["hyperclovax"],
        r#"{"use_post_norm": true, "tie_word_embeddings": false}"#,
        |c| {
            let norms = if c.flag("use_post_norm")?.unwrap_or(false) { 4 } else { 2 };
            stack(c, &Habits { norms, ..SWITCHED })
        },
    ),
    // modeling_minicpm.py of openbmb/MiniCPM4-8B, without its sparse attention.
    class(&["MiniCPMForCausalLM"], &["minicpm"], TIED, |c| stack(c, &ATTENTION_BIAS)),
    class(&["Glm4ForCausalLM"], &["glm4"], GLM, |c| {
        stack(c, &Habits { norms: 4, qkv_bias: Said::By("attention_bias"), ..PLAIN })
    }),
    // Norms with a bias, no gate.
    class(&["NemotronForCausalLM"], &["nemotron"], UNTIED, |c| {
        stack(c, &Habits { norms: 4, outer_norms: 2, feed: UNGATED, ..SWITCHED })
    }),
    class(
        &["Starcoder2ForCausalLM"],
        &["starcoder2"],
        r#"{"use_bias": true, "num_key_value_heads": 2, "tie_word_embeddings": true}"#,
        |c| stack(c, &Habits { norms: 4, outer_norms: 2, feed: UNGATED, sight: Sight::Sliding, ..USE_BIAS }),
    )
    .fixed(&[("mlp_type", "\"default\""), ("norm_type", "\"layer_norm\"")]),
    class(&["StableLmForCausalLM", "StableLMEpochForCausalLM"], &["stablelm", "stablelm_epoch"], UNTIED, |c| {
        let one_norm = c.flag("use_parallel_residual")?.unwrap_or(false);
        stack(
            c,
            &Habits {
                norms: if one_norm { 2 } else { 4 },
                outer_norms: 2,
                qkv_bias: Said::By("use_qkv_bias"),
                ..PLAIN
            },
        )
    }),
    // modeling_baichuan.py of baichuan-inc/Baichuan2-7B-Base: every head has keys and values of its own.
    class(&["BaichuanForCausalLM", "BaiChuanForCausalLM"], &["baichuan"], UNTIED, |c| stack(c, &PLAIN)),
];

/// What Hunyuan's files say of heads for other tasks, and of a part that is switched off.
pub const HUNYUAN_UNUSED: &[&str] = &[
    "attention_head_dim",
    "cla_share_factor",
    "dense_list",
    "class_num",
    "pool_type",
    "enable_lm_head_fp32",
    "org_vocab_size",
    "add_classification_head",
];
const UNTIED: &str = r#"{"tie_word_embeddings": false}"#;
const TIED: &str = r#"{"tie_word_embeddings": true}"#;
const MISTRAL_SIZES: &str = r#"{"hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
    "num_attention_heads": 32, "vocab_size": 32000}"#;
const ERNIE: &str = r#"{"head_dim": 128, "num_key_value_heads": 2, "tie_word_embeddings": true}"#;
const GLM: &str =
    r#"{"attention_bias": true, "head_dim": 128, "num_key_value_heads": 2, "tie_word_embeddings": false}"#;
