//! Softmax attention and routed experts: Mixtral, GLM-4.5, gpt-oss, MiniMax-M2 and what is built alike.

use super::anatomy::Anatomy;
use super::class::{Class, Said, class};
use super::experts::{Moe, Shared, Sparse, gated_experts};
use super::llama::HUNYUAN_UNUSED;
use super::sight::{Sight, windows};
use super::stack::{Attention, Feed, Habits, HeadNorms, PLAIN, stack};
use crate::diagnostic::Diagnostic;
use crate::model::config::Config;
use crate::model::draft::{Draft, Heads, fold};
use crate::model::spec::{Experts, Layer};

/// Experts in every layer, as wide as `intermediate_size` says.
const EVERY: Moe =
    Moe { inter: "intermediate_size", sparse: Sparse::Every, shared: Shared::None, routing_bias: Said::No };
/// Dense layers first, experts beside shared ones after them.
const AFTER: Moe = Moe {
    inter: "moe_intermediate_size",
    sparse: Sparse::After,
    shared: Shared::Times(&["n_shared_experts", "num_shared_experts"]),
    routing_bias: Said::Yes,
};
const ATTENTION_BIAS: Habits =
    Habits { qkv_bias: Said::By("attention_bias"), out_bias: Said::By("attention_bias"), ..PLAIN };

/// The classes.
pub const CLASSES: &[Class] = &[
    class(&["MixtralForCausalLM"], &["mixtral"], GROUPED, |c| {
        stack(c, &Habits { feed: Feed::Experts(EVERY), sight: Sight::Sliding, ..PLAIN })
    }),
    class(&["OlmoeForCausalLM"], &["olmoe"], UNTIED, |c| {
        let head_norms = HeadNorms::Joint(Said::Yes);
        stack(c, &Habits { feed: Feed::Experts(EVERY), head_norms, ..ATTENTION_BIAS })
    }),
    class(&["GraniteMoeForCausalLM"], &["granitemoe"], UNTIED, |c| {
        stack(c, &Habits { feed: Feed::Experts(EVERY), ..ATTENTION_BIAS })
    }),
    class(&["GraniteMoeSharedForCausalLM"], &["granitemoeshared"], UNTIED, |c| {
        let shared = Shared::Width("shared_intermediate_size");
        stack(c, &Habits { feed: Feed::Experts(Moe { shared, ..EVERY }), ..ATTENTION_BIAS })
    }),
    // Norms with a bias.
    class(&["PhimoeForCausalLM", "PhiMoEForCausalLM"], &["phimoe"], PHIMOE, |c| {
        stack(
            c,
            &Habits {
                norms: 4,
                outer_norms: 2,
                feed: Feed::Experts(EVERY),
                sight: Sight::Sliding,
                head_bias: Said::By("lm_head_bias"),
                ..ATTENTION_BIAS
            },
        )
    }),
    class(&["DeepseekForCausalLM"], &["deepseek"], UNTIED, |c| {
        stack(c, &Habits { feed: Feed::Experts(Moe { routing_bias: Said::No, ..AFTER }), ..ATTENTION_BIAS })
    }),
    class(&["Glm4MoeForCausalLM"], &["glm4_moe"], GLM, |c| {
        stack(c, &Habits { out_bias: Said::No, head_norms: HeadNorms::Each(Said::By("use_qk_norm")), ..SHARING })
    }),
    class(
        &["Glm4vMoeForConditionalGeneration"],
        &["glm4v_moe", "glm4v_moe_text"],
        r#"{"attention_bias": true, "first_k_dense_replace": 1, "tie_word_embeddings": false}"#,
        |c| stack(c, &Habits { out_bias: Said::No, ..SHARING }),
    ),
    class(
        &["SolarOpenForCausalLM"],
        &["solar_open"],
        r#"{"head_dim": 128, "num_key_value_heads": 8, "tie_word_embeddings": false}"#,
        |c| stack(c, &Habits { out_bias: Said::No, ..SHARING }),
    ),
    class(
        &["Dots1ForCausalLM"],
        &["dots1"],
        r#"{"sliding_window": 4096, "max_window_layers": 62, "tie_word_embeddings": false}"#,
        |c| stack(c, &Habits { head_norms: HeadNorms::Each(Said::Yes), sight: Sight::Switched, ..SHARING }),
    )
    .fixed(&[("topk_method", "\"noaux_tc\"")]),
    class(
        &["ExaoneMoEForCausalLM", "ExaoneMoeForCausalLM"],
        &["exaone_moe"],
        r#"{"sliding_window": 4096, "sliding_window_pattern": 4, "first_k_dense_replace": 1,
            "tie_word_embeddings": false}"#,
        |c| {
            let head_norms = HeadNorms::Each(Said::Yes);
            stack(c, &Habits { qkv_bias: Said::No, out_bias: Said::No, head_norms, sight: Sight::Every, ..SHARING })
        },
    ),
    class(&["FlexOlmoForCausalLM"], &["flex_olmo"], UNTIED, |c| {
        let head_norms = HeadNorms::Joint(Said::Yes);
        stack(c, &Habits { feed: Feed::Experts(EVERY), head_norms, ..ATTENTION_BIAS })
    }),
    class(
        &["AfmoeForCausalLM"],
        &["afmoe"],
        r#"{"head_dim": 128, "sliding_window": 1024, "sliding_window_pattern": 4, "num_dense_layers": 1,
            "tie_word_embeddings": false}"#,
        |c| {
            let head_norms = HeadNorms::Each(Said::Yes);
            stack(c, &Habits { norms: 4, gated: true, head_norms, sight: Sight::Every, ..SHARING })
        },
    ),
    class(
        &["HYV3ForCausalLM"],
        &["hy_v3"],
        r#"{"head_dim": 128, "first_k_dense_replace": 1, "tie_word_embeddings": false}"#,
        |c| stack(c, &Habits { head_norms: HeadNorms::Each(Said::Yes), ..SHARING }),
    )
    .unused(&["enable_moe_fp32_combine", "router_scaling_factor"]),
    class(&["AriaTextForCausalLM"], &["aria_text"], UNTIED, |c| {
        let shared = Shared::Times(&["moe_num_shared_experts"]);
        stack(c, &Habits { feed: Feed::Experts(Moe { shared, ..EVERY }), ..ATTENTION_BIAS })
    }),
    // modeling_bailing_moe_v2.py of inclusionAI/Ling-mini-2.0.
    class(
        &["BailingMoeV2ForCausalLM"],
        &["bailing_moe"],
        r#"{"use_qk_norm": true, "moe_router_enable_expert_bias": true, "tie_word_embeddings": false}"#,
        |c| {
            let inter = c.count("moe_intermediate_size")?;
            if c.count_if("moe_shared_expert_intermediate_size")?.is_some_and(|width| width != inter) {
                let accepted = format!("must be the width {inter} of a routed expert");
                return Err(c.wrong("moe_shared_expert_intermediate_size", &accepted));
            }
            stack(
                c,
                &Habits {
                    qkv_bias: Said::By("use_qkv_bias"),
                    out_bias: Said::By("use_bias"),
                    head_norms: HeadNorms::Each(Said::By("use_qk_norm")),
                    feed: Feed::Experts(Moe { routing_bias: Said::By("moe_router_enable_expert_bias"), ..AFTER }),
                    ..SHARING
                },
            )
        },
    )
    .unused(&["max_window_layers", "topk_method"])
    .fixed(&[("use_rmsnorm", "true")]),
    class(&["Ernie4_5_MoeForCausalLM"], &["ernie4_5_moe"], ERNIE, |c| {
        let moe = Moe {
            inter: "moe_intermediate_size",
            sparse: Sparse::Between,
            shared: Shared::Times(&["moe_num_shared_experts"]),
            routing_bias: Said::Yes,
        };
        let bias = Said::By("use_bias");
        let mtp = &["num_nextn_predict_layers"];
        stack(c, &Habits { feed: Feed::Experts(moe), qkv_bias: bias, out_bias: bias, head_bias: bias, mtp, ..PLAIN })
    })
    .fixed(&[("use_rmsnorm", "true")]),
    class(&["HunYuanMoEV1ForCausalLM"], &["hunyuan_v1_moe", "hunyuan"], HUNYUAN, hunyuan)
        .unused(HUNYUAN_UNUSED)
        .fixed(&[("norm_type", "\"rms\""), ("use_cla", "false"), ("use_rotary_pos_emb", "true")]),
    class(&["MiniMaxM2ForCausalLM"], &["minimax_m2", "minimax"], MINIMAX, |c| {
        if c.numbers("attn_type_list")?.unwrap_or_default().contains(&0) {
            return Err(c.wrong("attn_type_list", "must hold 1 only: the class has softmax attention in every layer"));
        }
        if c.number_or_zero("shared_intermediate_size")? > 0 {
            return Err(c.wrong("shared_intermediate_size", "must be 0: the class has no shared experts"));
        }
        stack(
            c,
            &Habits {
                feed: Feed::Experts(Moe { routing_bias: Said::By("use_routing_bias"), ..EVERY }),
                head_norms: HeadNorms::Joint(Said::By("use_qk_norm")),
                mtp: if c.flag("use_mtp")?.unwrap_or(false) { &["num_mtp_modules"] } else { &[] },
                ..PLAIN
            },
        )
    })
    .unused(&["num_mtp_modules", "mtp_transformer_layers"])
    .fixed(&[("qk_norm_type", "\"per_layer\"")]),
    class(&["GptOssForCausalLM"], &["gpt_oss"], GPT_OSS, gpt_oss),
    class(&["DbrxForCausalLM"], &["dbrx"], UNTIED, dbrx),
];

/// GLM-4.5 and its like.
const SHARING: Habits = Habits { feed: Feed::Experts(AFTER), mtp: &["num_nextn_predict_layers"], ..ATTENTION_BIAS };

/// gpt-oss: biases everywhere, one attention sink a head, a sliding window in every other layer.
fn gpt_oss(c: &Config<'_>) -> Result<Anatomy, Diagnostic> {
    let hidden = c.count("hidden_size")?;
    let layers = c.layers(&["num_hidden_layers"])?;
    let heads = Heads::read(c, hidden)?;
    let inter = c.count("intermediate_size")?;
    let experts = Experts { bias: 2 * inter + hidden, ..gated_experts(c, hidden, inter)? };
    let attention = Attention::read(c, hidden, heads, &ATTENTION_BIAS)?;
    let layer = |window| {
        let draft = attention.add(Draft::with_norms(2 * hidden)).windowed(window);
        draft.experts(hidden, experts).plus(experts.count + heads.query).layer()
    };
    let built = windows(c, layers, Sight::Every)?.into_iter().map(layer);
    Ok(Anatomy { hidden, layers: fold(built), other_params: hidden, ..Anatomy::default() })
}

/// Hunyuan-A13B: lists with one number a layer for what is the same in every layer; the first names are those of
/// its own code (tencent/Hunyuan-A13B-Instruct, modeling_hunyuan.py).
fn hunyuan(c: &Config<'_>) -> Result<Anatomy, Diagnostic> {
    let shared = match c.flag("use_mixed_mlp_moe")?.unwrap_or(true) {
        true => Shared::Times(&["num_shared_expert"]),
        false => Shared::None,
    };
    let inter = if c.has("moe_intermediate_size") { "moe_intermediate_size" } else { "intermediate_size" };
    let moe = Moe { inter, sparse: Sparse::After, shared, routing_bias: Said::No };
    stack(
        c,
        &Habits {
            feed: Feed::Experts(moe),
            head_norms: HeadNorms::Each(Said::By("use_qk_norm")),
            feed_bias: Said::No,
            ..ATTENTION_BIAS
        },
    )
}

/// DBRX: names of its own, in two nested objects; norms without bias.
fn dbrx(c: &Config<'_>) -> Result<Anatomy, Diagnostic> {
    let hidden = c.count("d_model")?;
    let missing = |key| move || c.missing(key);
    let attention = c.object("attn_config")?.ok_or_else(missing("attn_config"))?;
    let feed = c.object("ffn_config")?.ok_or_else(missing("ffn_config"))?;
    let query = c.count("n_heads")?;
    let kv = attention.count("kv_n_heads")?;
    if c.count_if("num_key_value_heads")?.is_some_and(|heads| heads != kv) {
        return Err(c.wrong("num_key_value_heads", &format!("must be the {kv} of `attn_config`")));
    }
    if !hidden.is_multiple_of(query) || !query.is_multiple_of(kv) {
        return Err(c.wrong("n_heads", &format!("must divide {hidden} and be a multiple of the {kv} key/value heads")));
    }
    let heads = Heads { query, kv, dim: hidden / query, value: hidden / query };
    let experts = gated_experts(&feed, hidden, feed.count("ffn_hidden_size")?)?;
    feed.unused(&["hidden_size", "moe_normalize_expert_weights", "ffn_act_fn"]);
    let layer = Draft::with_norms(2 * hidden).attention(hidden, heads).experts(hidden, experts).layer();
    let layers = vec![Layer { count: c.layers(&["n_layers"])?, ..layer }];
    Ok(Anatomy { hidden, layers, other_params: hidden, ..Anatomy::default() })
}

const UNTIED: &str = r#"{"tie_word_embeddings": false}"#;
const GROUPED: &str = r#"{"num_key_value_heads": 8, "num_experts_per_tok": 2, "num_local_experts": 8,
    "tie_word_embeddings": false}"#;
const PHIMOE: &str = r#"{"num_key_value_heads": 8, "num_experts_per_tok": 2, "num_local_experts": 16,
    "tie_word_embeddings": false}"#;
const GLM: &str = r#"{"num_key_value_heads": 8, "first_k_dense_replace": 1, "tie_word_embeddings": false}"#;
const ERNIE: &str = r#"{"moe_num_shared_experts": 2, "moe_layer_start_index": 1,
    "moe_layer_interval": 1, "tie_word_embeddings": true}"#;
const HUNYUAN: &str = r#"{"use_qk_norm": true, "tie_word_embeddings": false}"#;
const MINIMAX: &str = r#"{"head_dim": 128, "num_key_value_heads": 8, "use_qk_norm": true, "use_routing_bias": true,
    "tie_word_embeddings": false}"#;
const GPT_OSS: &str = r#"{"attention_bias": true, "head_dim": 64, "sliding_window": 128, "sliding_window_pattern": 2,
    "tie_word_embeddings": false}"#;
