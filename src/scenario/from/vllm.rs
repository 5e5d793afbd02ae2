//! Flags of `vllm serve` (vLLM 0.33.0: `vllm/engine/arg_utils.py`, `vllm/entrypoints/common/cli_args.py`, and flags of
//! older releases that recipes still have).

use super::flags::{Field, Group, Takes, field, no_cost, no_field, why};
use Takes::{Many, Maybe, Nothing, One};

/// The table.
pub const FLAGS: &[Group] = &[
    field(Field::Model, One, "--model"),
    field(Field::Tensor, One, "--tensor-parallel-size -tp"),
    field(Field::Pipeline, One, "--pipeline-parallel-size -pp"),
    field(Field::Data, One, "--data-parallel-size -dp"),
    field(Field::SpreadExperts, Nothing, "--enable-expert-parallel -ep"),
    field(Field::MaxSequences, One, "--max-num-seqs"),
    field(Field::BatchTokens, One, "--max-num-batched-tokens"),
    field(Field::MemoryFraction, One, "--gpu-memory-utilization --device-memory-utilization"),
    field(Field::Quantisation, One, "--quantization -q"),
    field(Field::Kind, One, "--dtype"),
    field(Field::Cache, One, "--kv-cache-dtype"),
    field(Field::Eager, Nothing, "--enforce-eager"),
    field(Field::PrefixCache, Nothing, "--enable-prefix-caching"),
    field(Field::Chunks, Nothing, "--enable-chunked-prefill"),
    field(Field::Speculation, One, "--speculative-config -sc"),
    field(Field::Method, One, "--spec-method"),
    field(Field::Guesses, One, "--spec-tokens --num-speculative-tokens"),
    field(Field::DraftModel, One, "--spec-model --speculative-model"),
    field(Field::MaxLength, One, "--max-model-len"),
    no_cost(
        why::PLACE,
        One,
        "--host --port --grpc-port --uds --api-key --ssl-keyfile --ssl-certfile --ssl-ca-certs --ssl-cert-reqs \
         --ssl-ciphers --root-path --allowed-origins --allowed-methods --allowed-headers --middleware \
         --h11-max-incomplete-event-size --h11-max-header-count --allowed-media-domains --allowed-local-media-path",
    ),
    no_cost(
        why::PLACE,
        Nothing,
        "--allow-credentials --enable-ssl-refresh --enable-request-id-headers --disable-fastapi-docs \
         --enable-offline-docs --grpc",
    ),
    no_cost(
        why::LOGS,
        One,
        "--uvicorn-log-level --log-level --logging-config --log-config-file --max-log-len --otlp-traces-endpoint \
         --show-hidden-metrics-for-version --kv-cache-metrics-sample --disable-access-log-for-endpoints \
         --profiler-config --kv-events-config --watchdog-config",
    ),
    no_cost(why::LOGS, Many, "--collect-detailed-traces --custom-histogram-buckets"),
    no_cost(
        why::LOGS,
        Nothing,
        "--disable-log-requests --disable-log-stats --enable-log-requests --enable-log-outputs --enable-log-deltas \
         --disable-uvicorn-access-log --log-error-stack --aggregate-engine-logging --kv-cache-metrics \
         --cudagraph-metrics --enable-mfu-metrics --enable-logging-iteration-details --enable-server-load-tracking \
         --enable-per-request-metrics --enable-layerwise-nvtx-tracing --per-request-spec-decode-metrics",
    ),
    no_cost(why::FORM, Many, "--served-model-name"),
    no_cost(
        why::FORM,
        One,
        "--chat-template --chat-template-content-format --response-role --tool-call-parser --tool-parser-plugin \
         --tool-server --tool-strict-level --reasoning-parser --reasoning-parser-plugin --reasoning-config \
         --default-chat-template-kwargs --generation-config --override-generation-config --max-logprobs \
         --logprobs-mode --structured-outputs-config --guided-decoding-backend --sse-keep-alive-interval \
         --fingerprint-mode --fingerprint-value --io-processor-plugin",
    ),
    no_cost(
        why::FORM,
        Nothing,
        "--enable-auto-tool-choice --exclude-tools-when-tool-choice-none --trust-request-chat-template \
         --enable-prompt-tokens-details --enable-force-include-usage --enable-tokenizer-info-endpoint \
         --return-tokens-as-token-ids --enable-reasoning --tokens-only",
    ),
    no_cost(
        why::LOADING,
        One,
        "--tokenizer --tokenizer-mode --tokenizer-revision --revision --code-revision --download-dir --load-format \
         --config-format --hf-token --hf-config-path --model-impl --model-loader-extra-config \
         --safetensors-load-strategy --ignore-patterns --pt-load-map-location --seed \
         --safetensors-prefetch-num-threads --safetensors-prefetch-block-size --max-parallel-loading-workers",
    ),
    no_cost(
        why::LOADING,
        Nothing,
        "--trust-remote-code --skip-tokenizer-init --use-tqdm-on-load --enable-sleep-mode \
         --allow-deprecated-quantization",
    ),
    no_cost(
        why::START,
        One,
        "--distributed-executor-backend --master-addr --master-port --nnodes -n --node-rank -r \
         --distributed-timeout-seconds --cpu-distributed-timeout-seconds --data-parallel-rank -dpn \
         --data-parallel-start-rank -dpr --data-parallel-size-local -dpl --data-parallel-address -dpa \
         --data-parallel-rpc-port -dpp --data-parallel-backend -dpb --api-server-count -asc --worker-cls \
         --worker-extension-cls --renderer-num-workers --shutdown-timeout --data-parallel-supervisor-port",
    ),
    no_cost(
        why::START,
        Nothing,
        "--headless --data-parallel-hybrid-lb -dph --data-parallel-external-lb -dpe \
         --data-parallel-multi-port-external-lb -dpm --ray-workers-use-nsight --numa-bind \
         --disable-frontend-multiprocessing --fail-on-environ-validation",
    ),
    no_cost(why::START, Many, "--device-ids --numa-bind-nodes --numa-bind-cpus"),
    no_cost("text is all that is estimated, as this flag has it", Nothing, "--language-model-only"),
    no_cost("a limit on what waits, not on what runs", One, "--max-num-queued-reqs --max-num-queued-tokens"),
    no_field(why::UNREAD, One, "--config"),
    no_field(
        why::CONTEXT,
        One,
        "--decode-context-parallel-size -dcp --prefill-context-parallel-size -pcp --dcp-comm-backend \
         --cp-kv-cache-interleave-size --dcp-kv-cache-interleave-size",
    ),
    no_field(
        why::KERNELS,
        One,
        "--attention-backend --moe-backend --linear-backend --mamba-backend --all2all-backend --attention-config \
         -ac --kernel-config --gdn-prefill-backend --kda-prefill-backend --kda-decode-backend \
         --sparse-indexer-topk-backend --ir-op-priority --mamba-ssu-algorithm --performance-mode",
    ),
    no_field(
        why::KERNELS,
        Nothing,
        "--disable-custom-all-reduce --disable-cascade-attn --enable-flashinfer-autotune --monokernel",
    ),
    no_field(
        why::GRAPHS,
        One,
        "--compilation-config -cc --optimization-level -O --max-cudagraph-capture-size --max-seq-len-to-capture \
         --additional-config",
    ),
    no_field(why::GRAPHS, Many, "--cudagraph-capture-sizes --cuda-graph-sizes"),
    no_field(
        why::CACHE,
        One,
        "--block-size --num-gpu-blocks-override --kv-cache-memory-bytes --prefix-caching-hash-algo \
         --prefix-cache-retention-interval --mamba-cache-dtype --mamba-ssm-cache-dtype --mamba-block-size \
         --mamba-cache-mode --prefix-match-unit",
    ),
    no_field(why::CACHE, Many, "--kv-cache-dtype-skip-layers"),
    no_field(
        why::CACHE,
        Nothing,
        "--disable-hybrid-kv-cache-manager --disable-sliding-window --kv-sharing-fast-prefill --swa-bounded-replay \
         --calculate-kv-scales",
    ),
    no_field(
        why::HOST,
        One,
        "--swap-space --cpu-offload-gb --cpu-offload-params --kv-offloading-size --kv-offloading-backend \
         --offload-backend --offload-group-size --offload-num-in-group --offload-prefetch-step --offload-params",
    ),
    no_field(
        why::SCHEDULE,
        One,
        "--scheduling-policy --scheduler-cls --stream-interval --long-prefill-token-threshold \
         --max-num-scheduled-tokens --max-num-active-seqs --num-scheduler-steps --max-num-partial-prefills \
         --max-long-partial-prefills --prefill-schedule-interval --watermark --num-lookahead-slots \
         --preemption-mode",
    ),
    no_field(
        why::SCHEDULE,
        Nothing,
        "--async-scheduling --disable-chunked-mm-input --scheduler-reserve-full-isl \
         --enable-batch-sharded-sampling --use-v2-block-manager --multi-step-stream-outputs",
    ),
    no_field(why::EXPERTS, One, "--eplb-config --expert-placement-strategy --num-redundant-experts"),
    no_field(why::EXPERTS, Nothing, "--enable-eplb --enable-elastic-ep --enable-ep-weight-filter"),
    no_field(why::OVERLAP, One, "--dbo-decode-token-threshold --dbo-prefill-token-threshold --ubatch-size"),
    no_field(why::OVERLAP, Nothing, "--enable-dbo --disable-nccl-for-dp-synchronization"),
    no_field(why::POOLS, One, "--kv-transfer-config --ec-transfer-config"),
    no_field(
        why::ADAPTERS,
        One,
        "--max-loras --max-lora-rank --lora-dtype --max-cpu-loras --default-mm-loras --lora-extra-vocab-size",
    ),
    no_field(why::ADAPTERS, Many, "--lora-modules --lora-target-modules"),
    no_field(why::ADAPTERS, Nothing, "--enable-lora --fully-sharded-loras --enable-lora-bias"),
    no_field(
        why::PICTURES,
        One,
        "--limit-mm-per-prompt --media-io-kwargs --mm-processor-kwargs --mm-processor-cache-gb \
         --mm-processor-cache-type --mm-encoder-tp-mode --mm-encoder-attn-backend \
         --mm-shm-cache-max-object-size-mb --video-pruning-rate --video-pruning-method",
    ),
    no_field(
        why::PICTURES,
        Nothing,
        "--enable-mm-embeds --mm-encoder-only --skip-mm-profiling --interleave-mm-strings \
         --disable-mm-preprocessor-cache",
    ),
    no_field(
        why::OVERRIDE,
        One,
        "--hf-overrides --rope-scaling --rope-theta --quantization-config --model-class-overrides",
    ),
    no_field(
        why::GUESSING,
        One,
        "--speculative-draft-tensor-parallel-size --ngram-prompt-lookup-max --ngram-prompt-lookup-min \
         --speculative-disable-by-batch-size",
    ),
    no_field(
        why::OTHER,
        One,
        "--runner --convert --task --pooler-config --diffusion-config -dc --logits-processors --engram-config",
    ),
    no_field(why::OTHER, Maybe, "--enable-prompt-embeds --enable-return-routed-experts"),
];
