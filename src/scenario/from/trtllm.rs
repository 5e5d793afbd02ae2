//! Flags of `trtllm-serve` (NVIDIA/TensorRT-LLM@00209af: `tensorrt_llm/commands/serve.py`).

use super::flags::{Field, Group, Takes, field, no_cost, no_field, why};
use Takes::{Nothing, One};

/// The table.
pub const FLAGS: &[Group] = &[
    field(Field::Model, One, "--model"),
    field(Field::Tensor, One, "--tensor_parallel_size --tp_size"),
    field(Field::Pipeline, One, "--pipeline_parallel_size --pp_size"),
    field(Field::Experts, One, "--moe_expert_parallel_size --ep_size"),
    field(Field::MaxSequences, One, "--max_batch_size"),
    field(Field::BatchTokens, One, "--max_num_tokens"),
    field(Field::MemoryFraction, One, "--free_gpu_memory_fraction --kv_cache_free_gpu_memory_fraction"),
    field(Field::Cache, One, "--kv_cache_dtype"),
    field(Field::Chunks, Nothing, "--enable_chunked_prefill"),
    field(Field::MaxLength, One, "--max_seq_len"),
    no_cost(why::PLACE, One, "--host --port"),
    no_cost(why::LOGS, One, "--log_level --otlp_traces_endpoint"),
    no_cost(why::FORM, One, "--reasoning_parser --tool_parser --chat_template --served_model_name"),
    no_cost(why::LOADING, One, "--tokenizer --custom_tokenizer --revision --custom_module_dirs"),
    no_cost(why::LOADING, Nothing, "--trust_remote_code"),
    no_cost(why::START, One, "--gpus_per_node --num_postprocess_workers"),
    no_cost("refuses to start where one sequence does not fit", Nothing, "--fail_fast_on_attention_window_too_large"),
    no_field(why::UNREAD, One, "--config --extra_llm_api_options"),
    no_field(why::CONTEXT, One, "--context_parallel_size --cp_size"),
    no_field(why::EXPERTS, One, "--moe_cluster_parallel_size --cluster_size"),
    no_field(why::KERNELS, One, "--backend"),
    no_field(why::POOLS, One, "--server_role --metadata_server_config_file --disagg_cluster_uri"),
    no_field(why::PICTURES, One, "--media_io_kwargs"),
    no_field("several answers kept for a request are not estimated", One, "--max_beam_width"),
];
