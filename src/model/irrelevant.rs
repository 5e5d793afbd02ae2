//! Fields of a `config.json` that change neither shapes nor bytes nor FLOP, by the reason.
//!
//! Names stand apart by blanks; a star stands for any text. A field that means a shape in one class and nothing in
//! another is not here but with the other class.

/// Reasons, and the fields of each.
const IRRELEVANT: [(&str, &str); 8] = [
    (
        "numbers of special tokens",
        "*_token_id *_token_ids *_token_index *_tokens_ids bad_words_ids begin_suppress_tokens suppress_tokens \
         ignore_index *_placeholder tokenizer_* sep_id pad_id im_start_id im_end_id im_newline_id mask_init_id \
         text_start_id text_end_id video_start_id video_end_id",
    ),
    (
        "what made the file and who reads it",
        "architectures model_type _name_or_path name_or_path transformers_version auto_map torch_dtype dtype \
         id2label label2id num_labels task_specific_params finetuning_task problem_type prefix is_decoder \
         return_dict output_attentions output_hidden_states output_router_logits output_scores torchscript \
         use_bfloat16 tf_legacy_loss pruned_heads chunk_size_feed_forward tie_encoder_decoder \
         _attn_implementation* attn_implementation _commit_hash summary_* is_causal _vllm_* unsloth_* license \
         base_model_*",
    ),
    (
        "training",
        "initializer_* init_std init_method* init_device *dropout* *_pdrop layerdrop *loss_coef* *loss_weight \
         *loss_scaling* aux_loss* *_aux_loss_coef z_loss* seq_aux *jitter* rescale_prenorm_residual \
         time_step_min time_step_max time_step_floor time_step_limit time_step_scale time_step_init_scheme \
         embedding_fraction *w_init_variance_scale *_init_scale init_config *_use_xavier_init pretraining_tp \
         use_recompute router_bias_update_rate  embedding_initializer* ",
    ),
    (
        "arithmetic on values whose number does not change",
        "*_eps *_epsilon *_norm_min hidden_act *_hidden_act hidden_activation activation activation_function \
         activation_situ_* activation_sparsity_pattern embedding_multiplier attention_multiplier \
         residual_multiplier key_multiplier attention_in_multiplier attention_out_multiplier ssm_in_multiplier \
         ssm_out_multiplier altup_lr_multiplier mlp_multipliers ssm_multipliers logits_scaling logit_scale \
         *softcapping *soft_cap query_pre_attn_scalar scale_emb scale_depth scale_attn_* \
         scale_attention_softmax_in_fp32 attention_softmax_in_fp32 attn_scale floor_scale \
         attn_temperature_tuning attention_value_scale mup_enabled dim_model_base clip_qkv swiglu_* \
         residual_in_fp32 apply_residual_connection_post_layernorm apply_query_key_layer_scaling *_alpha_factor \
         *_beta_factor layernorm_*_alpha layernorm_*_beta hc_eps hc_sinkhorn_iters altup_active_idx \
         altup_coef_clip altup_correct_scale mscale* lm_head_multiplier fp32_residual_connection",
    ),
    (
        "how positions are encoded without weights",
        "rope_theta rope_scaling rope_parameters rope_type rope_interleaved rope_ratio rope_pct \
         rope_local_base_freq *rope_interleave rotary_* *rotary_factor *rotary_factors *rope_theta \
         original_max_position_embeddings initial_context_length theta alibi alibi_* mla_use_nope mrope_* \
         *rotary_base interpolate_factor",
    ),
    (
        "how experts are scored, not how many",
        "norm_topk_prob scoring_func score_func* routed_scaling_factor route_scale moe_router_scaling_factor \
         moe_renormalize moe_router_activation_func moe_router_dtype moe_router_activation router_dtype \
         use_grouped_topk expert_gating_func moe_gate ep_size moe_capacity moe_use_aux_free moe_drop_tokens \
         moe_random_routing_dropped_token need_fp32_gate moe_shared_expert_overlap moe_dropout_prob",
    ),
    (
        "software and generation",
        "use_cache cache_implementation *_fusion verbose max_length min_length do_sample temperature top_k top_p \
         typical_p repetition_penalty length_penalty diversity_penalty no_repeat_ngram_size \
         encoder_no_repeat_ngram_size num_beams num_beam_groups num_return_sequences early_stopping \
         return_dict_in_generate num_logits_to_keep logits_to_keep max_new_tokens use_mamba_kernels use_mambapy \
         use_associative_scan use_mem_eff_path mamba_chunk_size use_flash_attn* use_flash_attention* \
         _flash_attn_2_enabled fused_* bf16 fp16 fp32 reorder_and_upcast_attn slow_but_exact \
         index_share_for_mtp_iteration gradient_checkpointing max_position_embeddings n_positions max_seq_len \
         seq_length max_sequence_length model_max_length n_ctx max_model_len",
    ),
    (
        "parts that see or hear: the text part alone is counted, and a note says so",
        "*vision_config audio_config speech_config image_* video_* vision_* audio_* speech_* img_* mm_* \
         *projector_* projection_dim spatial_merge_size num_image_tokens use_unified_vision_chunk text_config \
         llm_config language_config audio_tokenizer_config *_model_id understand_projector_stride projector_bias \
         select_layer downsample_ratio ps_version template dynamic_image_size *dynamic_patch use_thumbnail \
         force_image_size pad2square use_backbone_lora use_llm_lora boi_token eoi_token candidate_resolutions \
         global_view_pos tile_tag",
    ),
];

/// The same, beside a text part only: what joins it to the parts that see or hear.
const BESIDE: &str = "num_query_tokens qformer_config perceiver_config alignment_intermediate_size scale_factor \
    spatial_pool_* downsample_mode downsample_factor projection_* multimodal_* encoder_patch_size \
    deepstack_* pixel_shuffle* tokens_per_* vit_* patch_token_len insert_layer_id merge_mode \
    max_image_* use_image_* im_* aligner_config vq_config";

/// Whether a field is irrelevant wherever it stands.
pub fn irrelevant(key: &str) -> bool {
    IRRELEVANT.iter().any(|(_, names)| listed(names, key))
}

/// Whether a field is irrelevant beside a text part.
pub fn beside(key: &str) -> bool {
    irrelevant(key) || listed(BESIDE, key)
}

fn listed(names: &str, key: &str) -> bool {
    names.split_whitespace().any(|name| matches(name, key))
}

/// A name with stars for any text.
fn matches(pattern: &str, key: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = key.strip_prefix(first) else { return false };
    let Some(mut part) = parts.next() else { return rest.is_empty() };
    for next in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
        part = next;
    }
    rest.ends_with(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_around_stars() {
        assert!(matches("*_token_id", "bos_token_id") && matches("rotary_*", "rotary_pct"));
        assert!(matches("*dropout*", "attention_dropout") && matches("layernorm_*_beta", "layernorm_mlp_beta"));
        assert!(matches("bf16", "bf16") && !matches("bf16", "bf16x") && !matches("rotary_*", "no_rotary_layers"));
    }

    /// Fields that some class reads as a shape are in no list.
    #[test]
    fn no_shape_is_irrelevant() {
        let shapes = [
            "num_experts_per_token",
            "num_experts",
            "hidden_size",
            "n_shared_experts",
            "moe_intermediate_size",
            "sliding_window",
            "layer_types",
            "attention_bias",
            "head_dim",
            "time_step_rank",
            "mamba_d_state",
            "conv_L_cache",
            "use_qk_norm",
            "num_nextn_predict_layers",
            "attention_chunk_size",
            "qk_rope_head_dim",
            "num_kv_shared_layers",
            "ffn_dim_multiplier",
            "rope_head_dim",
            "nope_head_dim",
            "vocab_size_per_layer_input",
            "altup_num_inputs",
            "moe_topk",
            "block_size",
        ];
        let listed: Vec<&str> = shapes.into_iter().filter(|key| irrelevant(key)).collect();
        assert!(listed.is_empty(), "{listed:?}");
    }
}
