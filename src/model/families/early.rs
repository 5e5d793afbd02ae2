//! Models from before there was a habit: field names of their own, norms and projections with biases, no gate.

use super::anatomy::{Anatomy, HIDDEN, LAYERS};
use super::class::{Class, Said, class};
use super::stack::{Feed, Habits, PLAIN, stack, stack_of};
use crate::diagnostic::Diagnostic;
use crate::model::config::Config;
use crate::model::draft::{Draft, Heads};
use crate::model::spec::{Layer, Part};

/// Biases in all norms and projections.
const BIASED: Habits = Habits {
    norms: 4,
    outer_norms: 2,
    qkv_bias: Said::Yes,
    out_bias: Said::Yes,
    feed: Feed::Plain(&["intermediate_size", "n_inner", "ffn_dim"]),
    feed_bias: Said::Yes,
    ..PLAIN
};
/// One norm, behind which attention and network stand side by side, and a head with a bias (GPT-J).
const BESIDE: Habits = Habits { norms: 2, qkv_bias: Said::No, out_bias: Said::No, head_bias: Said::Yes, ..BIASED };

/// The classes.
pub const CLASSES: &[Class] = &[
    class(&["GPT2LMHeadModel"], &["gpt2"], TIED, |c| {
        refuse_cross_attention(c)?;
        let hidden = c.count_of(&HIDDEN)?;
        stack_of(c, &Habits { positions: Some((&["n_positions"], 0)), ..BIASED }, hidden, Heads::each(c, hidden)?)
    })
    .unused(&["n_ctx"]),
    class(&["GPTBigCodeForCausalLM"], &["gpt_bigcode"], r#"{"multi_query": true, "tie_word_embeddings": true}"#, |c| {
        refuse_cross_attention(c)?;
        let hidden = c.count_of(&HIDDEN)?;
        let heads = match c.flag("multi_query")?.unwrap_or(true) {
            true => Heads { kv: 1, ..Heads::read(c, hidden)? },
            false => Heads::each(c, hidden)?,
        };
        stack_of(c, &Habits { positions: Some((&["n_positions"], 0)), ..BIASED }, hidden, heads)
    }),
    class(&["GPTJForCausalLM"], &["gptj"], UNTIED, |c| {
        let hidden = c.count_of(&HIDDEN)?;
        stack_of(c, &BESIDE, hidden, Heads::each(c, hidden)?)
    }),
    class(&["CodeGenForCausalLM"], &["codegen"], UNTIED, |c| {
        let hidden = c.count_of(&HIDDEN)?;
        stack_of(c, &BESIDE, hidden, Heads::each(c, hidden)?)
    })
    .unused(&["n_ctx"]),
    class(&["GPTNeoXForCausalLM"], &["gpt_neox"], r#"{"attention_bias": true, "tie_word_embeddings": false}"#, |c| {
        let bias = Said::By("attention_bias");
        stack(c, &Habits { qkv_bias: bias, out_bias: bias, ..BIASED })
    })
    .unused(&["use_parallel_residual"]),
    class(&["OPTForCausalLM"], &["opt"], OPT, opt).nested(
        r#"{"hidden_size": 768, "ffn_dim": 3072, "num_hidden_layers": 12, "num_attention_heads": 12,
            "max_position_embeddings": 2048, "vocab_size": 50272}"#,
    ),
    class(&["PhiForCausalLM"], &["phi"], UNTIED, |c| stack(c, &Habits { norms: 2, head_bias: Said::Yes, ..BIASED })),
    class(&["PersimmonForCausalLM"], &["persimmon"], r#"{"qk_layernorm": true, "tie_word_embeddings": false}"#, |c| {
        let read = stack(c, &BIASED)?;
        let small = if c.flag("qk_layernorm")?.unwrap_or(false) { 4 * Heads::read(c, read.hidden)?.dim } else { 0 };
        let grown = |layer: Layer| Layer { other_params: layer.other_params + small, ..layer };
        Ok(Anatomy { layers: read.layers.into_iter().map(grown).collect(), ..read })
    }),
    class(
        &["MptForCausalLM", "MPTForCausalLM"],
        &["mpt"],
        r#"{"expansion_ratio": 4, "tie_word_embeddings": true}"#,
        mpt,
    )
    .unused(&["fc_type"])
    .fixed(&[("norm_type", "\"low_precision_layernorm\"")]),
    class(
        &["FalconForCausalLM", "RWForCausalLM"],
        &["falcon", "RefinedWeb", "RefinedWebModel"],
        r#"{"multi_query": true, "parallel_attn": true, "tie_word_embeddings": true}"#,
        falcon,
    ),
    class(&["ChatGLMModel", "ChatGLMForConditionalGeneration"], &["chatglm"], CHATGLM, chatglm)
        .unused(&["original_rope", "fp32_residual_connection", "quantization_bit", "pre_seq_len", "prefix_projection"])
        .fixed(&[("rmsnorm", "true"), ("post_layer_norm", "true"), ("multi_query_attention", "true")]),
    class(&["QWenLMHeadModel"], &["qwen"], UNTIED, qwen)
        .unused(&["use_dynamic_ntk", "use_logn_attn", "softmax_in_fp32", "use_cache_kernel", "use_cache_quantization"])
        .fixed(&[("no_bias", "true")]),
    // A norm after the embedding.
    class(&["BloomForCausalLM"], &["bloom"], TIED, |c| {
        let hidden = c.count_of(&HIDDEN)?;
        stack_of(c, &Habits { outer_norms: 4, ..BIASED }, hidden, Heads::each(c, hidden)?)
    })
    .unused(&["skip_bias_add", "skip_bias_add_qkv", "offset_alibi"]),
];

fn refuse_cross_attention(c: &Config<'_>) -> Result<(), Diagnostic> {
    match c.flag("add_cross_attention")?.unwrap_or(false) {
        true => Err(c.wrong("add_cross_attention", "must be false: attention to an encoder is not understood")),
        false => Ok(()),
    }
}

/// OPT: positions are learned, with two rows beside those of the context. The 350M model's embedding is narrower than
/// its stream and its norms stand behind: it is refused.
fn opt(c: &Config<'_>) -> Result<Anatomy, Diagnostic> {
    let hidden = c.count("hidden_size")?;
    if c.count_if("word_embed_proj_dim")?.is_some_and(|width| width != hidden) {
        return Err(c.wrong("word_embed_proj_dim", &format!("must be the hidden size {hidden}")));
    }
    for key in ["do_layer_norm_before", "layer_norm_elementwise_affine"] {
        if !c.flag(key)?.unwrap_or(true) {
            return Err(c.wrong(key, "must be true: the other order of norms is not understood"));
        }
    }
    let bias = Said::By("enable_bias");
    let outer_norms = if c.flag("_remove_final_layer_norm")?.unwrap_or(false) { 0 } else { 2 };
    let positions = Some((["max_position_embeddings"].as_slice(), 2));
    stack(c, &Habits { outer_norms, qkv_bias: bias, out_bias: bias, feed_bias: bias, positions, ..BIASED })
}

/// MPT: norms without bias, no biases at all, positions by a slope or learned.
fn mpt(c: &Config<'_>) -> Result<Anatomy, Diagnostic> {
    let hidden = c.count("d_model")?;
    let mut heads = Heads::each(c, hidden)?;
    let mut learned = c.flag("learned_pos_emb")?.unwrap_or(true);
    if let Some(attention) = c.object("attn_config")? {
        match attention.word("attn_type")?.as_deref() {
            None | Some("multihead_attention") => {}
            Some("multiquery_attention") => heads.kv = 1,
            Some("grouped_query_attention") => heads.kv = attention.count("kv_n_heads")?,
            Some(_) => {
                return Err(attention.wrong("attn_type", "must be multihead, multiquery or grouped_query attention"));
            }
        }
        learned &= !attention.flag("alibi")?.unwrap_or(true);
        learned &= !attention.flag("rope")?.unwrap_or(false);
        attention.unused(&["attn_impl", "alibi_bias_max", "attn_pdrop", "rope_theta", "rope_impl"]);
        attention.unused(&["rope_dail_config", "rope_hf_config", "model_type", "softmax_scale", "id2label"]);
        attention.unused(&["label2id", "return_dict"]);
    } else {
        learned = false;
    }
    if !c.flag("no_bias")?.unwrap_or(true) {
        return Err(c.wrong("no_bias", "must be true: no code for a file with biases is known"));
    }
    if let Some(feed) = c.object("ffn_config")? {
        feed.unused(&["fc_type"]);
        if feed.word("ffn_type")?.is_some_and(|kind| kind != "mptmlp") {
            return Err(feed.wrong("ffn_type", "must be mptmlp"));
        }
    }
    let layer = Draft::with_norms(2 * hidden)
        .attention(hidden, heads)
        .plain(Part::Dense, hidden, c.count("expansion_ratio")? * hidden)
        .layer();
    let table_params = if learned { hidden * c.count("max_seq_len")? } else { 0 };
    let layers = vec![Layer { count: c.layers(&LAYERS)?, ..layer }];
    Ok(Anatomy { hidden, layers, other_params: hidden, table_params, ..Anatomy::default() })
}

/// Falcon: one key/value head, or `num_kv_heads` in the decoder of the 40B and 180B models, which has two norms.
fn falcon(c: &Config<'_>) -> Result<Anatomy, Diagnostic> {
    let hidden = c.count_of(&HIDDEN)?;
    let each = Heads::each(c, hidden)?;
    let kv_names = ["num_kv_heads", "n_head_kv"];
    let grouped = c.flag("new_decoder_architecture")?;
    // Files of the first code have no switch: they name key/value heads where there are groups.
    let grouped = grouped.unwrap_or(kv_names.iter().any(|name| c.has(name)));
    let kv = match (grouped, c.flag("multi_query")?.unwrap_or(true)) {
        (true, _) => c.count_of(&kv_names)?,
        (false, true) => 1,
        (false, false) => each.query,
    };
    c.unused(&kv_names);
    if !each.query.is_multiple_of(kv) {
        let accepted = format!("must be a multiple of the {kv} key/value heads");
        return Err(c.wrong("num_attention_heads", &accepted));
    }
    let factor = c.count_if("ff_factor")?;
    let inter = c.count_of_if(&["intermediate_size", "ffn_hidden_size"])?.unwrap_or(factor.unwrap_or(4) * hidden);
    if factor.is_some_and(|factor| factor * hidden != inter) {
        return Err(c.wrong("ff_factor", &format!("must agree with the width {inter} of the network")));
    }
    let parallel = c.flag("parallel_attn")?.unwrap_or(true);
    // Attention and network side by side share a norm, but in the larger decoder unless the file says one (Falcon 2).
    let norms = match (grouped, c.count_if("num_ln_in_parallel_attn")?) {
        (true, Some(1)) => 2,
        (false, _) if parallel => 2,
        _ => 4,
    };
    let heads = Heads { kv, ..each };
    let mut draft = Draft::with_norms(norms * hidden).attention(hidden, heads).plain(Part::Dense, hidden, inter);
    if c.flag("bias")?.unwrap_or(false) {
        draft = draft.plus(heads.qkv() + inter + 2 * hidden);
    }
    let layers = vec![Layer { count: c.layers(&LAYERS)?, ..draft.layer() }];
    Ok(Anatomy { hidden, layers, other_params: 2 * hidden, ..Anatomy::default() })
}

/// ChatGLM 2 to GLM-4 (modeling_chatglm.py of THUDM/glm-4-9b-chat): Llama's layer with biases on query, key and value.
fn chatglm(c: &Config<'_>) -> Result<Anatomy, Diagnostic> {
    let hidden = c.count("hidden_size")?;
    let (query, kv, dim) =
        (c.count("num_attention_heads")?, c.count("multi_query_group_num")?, c.count("kv_channels")?);
    if !query.is_multiple_of(kv) {
        return Err(c.wrong("multi_query_group_num", &format!("must divide the {query} attention heads")));
    }
    let heads = Heads { query, kv, dim, value: dim };
    let inter = c.count("ffn_hidden_size")?;
    let all = c.flag("add_bias_linear")?.unwrap_or(false);
    let query_bias = if all || c.flag("add_qkv_bias")?.unwrap_or(false) { heads.qkv() } else { 0 };
    let biases = query_bias + if all { 2 * inter + 2 * hidden } else { 0 };
    let layer = Draft::with_norms(2 * hidden).attention(hidden, heads).gated(Part::Dense, hidden, inter).plus(biases);
    let layers = vec![Layer { count: c.layers(&LAYERS)?, ..layer.layer() }];
    Ok(Anatomy { hidden, layers, other_params: hidden, ..Anatomy::default() })
}

/// Qwen 1 (modeling_qwen.py of Qwen/Qwen-7B): biases on query, key and value; the file names the width of gate and
/// value together.
fn qwen(c: &Config<'_>) -> Result<Anatomy, Diagnostic> {
    let hidden = c.count("hidden_size")?;
    let heads = Heads::each(c, hidden)?;
    if c.count_if("kv_channels")?.is_some_and(|dim| dim != heads.dim) {
        return Err(c.wrong("kv_channels", &format!("must be {}, the hidden size over the heads", heads.dim)));
    }
    let inter = c.count("intermediate_size")? / 2;
    let layer = Draft::with_norms(2 * hidden).attention(hidden, heads).gated(Part::Dense, hidden, inter);
    let layers = vec![Layer { count: c.layers(&LAYERS)?, ..layer.plus(heads.qkv()).layer() }];
    Ok(Anatomy { hidden, layers, other_params: hidden, ..Anatomy::default() })
}

const UNTIED: &str = r#"{"tie_word_embeddings": false}"#;
const TIED: &str = r#"{"tie_word_embeddings": true}"#;
const OPT: &str = r#"{"enable_bias": true, "max_position_embeddings": 2048, "tie_word_embeddings": true}"#;
const CHATGLM: &str = r#"{"add_bias_linear": false, "tie_word_embeddings": false}"#;
