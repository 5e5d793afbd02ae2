//! Flags of `sglang serve` and `python -m sglang.launch_server` (SGLang 0.5.23: `sglang/srt/arg_groups/fields`,
//! `sglang/srt/server_args.py`, and flags of older releases that recipes still have).

use super::flags::{Field, Group, Takes, field, no_cost, no_field, why};
use Takes::{Many, Nothing, One};

/// The table.
pub const FLAGS: &[Group] = &[
    field(Field::Model, One, "--model-path --model"),
    field(Field::Tensor, One, "--tp-size --tensor-parallel-size --tp"),
    field(Field::Pipeline, One, "--pp-size --pipeline-parallel-size --pp"),
    field(Field::Data, One, "--dp-size --data-parallel-size --dp"),
    field(Field::DataAttention, Nothing, "--enable-dp-attention"),
    field(Field::DataAttention, One, "--attn-dp-size --attention-data-parallel-size"),
    field(Field::Experts, One, "--ep-size --expert-parallel-size --ep"),
    field(Field::SpreadExperts, One, "--moe-a2a-backend"),
    field(Field::SpreadExperts, Nothing, "--enable-ep-moe --enable-deepep-moe"),
    field(Field::MaxSequences, One, "--max-running-requests"),
    field(Field::BatchTokens, One, "--chunked-prefill-size"),
    field(Field::PromptTokens, One, "--max-prefill-tokens"),
    field(Field::MemoryFraction, One, "--mem-fraction-static"),
    field(Field::CacheTokens, One, "--max-total-tokens"),
    field(Field::Quantisation, One, "--quantization"),
    field(Field::Kind, One, "--dtype"),
    field(Field::Cache, One, "--kv-cache-dtype"),
    field(Field::Eager, Nothing, "--disable-cuda-graph --disable-decode-cuda-graph"),
    field(Field::NoPrefixCache, Nothing, "--disable-radix-cache"),
    field(Field::Method, One, "--speculative-algorithm --speculative-algo"),
    field(Field::DraftModel, One, "--speculative-draft-model-path --speculative-draft-model --speculative-draft"),
    field(Field::Depth, One, "--speculative-num-steps"),
    field(Field::Breadth, One, "--speculative-eagle-topk"),
    field(Field::Guesses, One, "--speculative-num-draft-tokens"),
    field(Field::MaxLength, One, "--context-length"),
    no_cost(
        why::PLACE,
        One,
        "--host --port --grpc-port --api-key --admin-api-key --ssl-keyfile --ssl-certfile --ssl-ca-certs \
         --ssl-keyfile-password --fastapi-root-path --file-storage-path --allowed-media-domains",
    ),
    no_cost(
        why::PLACE,
        Nothing,
        "--smg-grpc-mode --grpc-mode --enable-http2 --enable-ssl-refresh --enable-http-worker-reuseport \
         --enable-response-store",
    ),
    no_cost(
        why::LOGS,
        One,
        "--log-level --log-level-http --log-requests-level --log-requests-format --log-requests-target \
         --decode-log-interval --crash-dump-folder --gc-warning-threshold-secs --kv-events-config \
         --otlp-traces-endpoint --otlp-service-name --trace-modules --extra-metric-labels \
         --export-metrics-to-file-dir --debug-tensor-dump-output-folder --expert-distribution-recorder-mode \
         --expert-distribution-recorder-buffer-size --load-publish-endpoint",
    ),
    no_cost(
        why::LOGS,
        Many,
        "--bucket-time-to-first-token --bucket-inter-token-latency --bucket-e2e-request-latency \
         --prompt-tokens-buckets --generation-tokens-buckets --uvicorn-access-log-exclude-prefixes",
    ),
    no_cost(
        why::LOGS,
        Nothing,
        "--log-requests --show-time-cost --enable-metrics --enable-mfu-metrics --enable-metrics-for-all-schedulers \
         --enable-request-time-stats-logging --enable-trace --export-metrics-to-file --enable-cache-report \
         --enable-expert-distribution-metrics --enable-forward-pass-metrics --enable-layerwise-nvtx-marker",
    ),
    no_cost(
        why::FORM,
        One,
        "--served-model-name --chat-template --hf-chat-template-name --completion-template \
         --default-chat-template-kwargs --tool-call-parser --tool-server --reasoning-parser --sampling-defaults \
         --preferred-sampling-params --grammar-backend --constrained-json-whitespace-pattern --weight-version \
         --batch-notify-size --stream-interval --stream-output",
    ),
    no_cost(
        why::FORM,
        Nothing,
        "--trust-request-chat-template --enable-strict-thinking --strip-thinking-cache \
         --constrained-json-disable-any-whitespace --allow-auto-truncate --incremental-streaming-output \
         --stream-response-default-include-usage --return-input-ids --return-output-ids \
         --disable-outlines-disk-cache",
    ),
    no_cost(
        why::LOADING,
        One,
        "--tokenizer-path --tokenizer-mode --tokenizer-backend --load-format --model-loader-extra-config \
         --revision --model-impl --download-dir --startup-weight-load-mode --weight-loader-prefetch-num-threads \
         --weight-cache-mode --random-seed --model-config-parser --model-checksum \
         --speculative-draft-model-revision --speculative-draft-load-format",
    ),
    no_cost(
        why::LOADING,
        Nothing,
        "--trust-remote-code --skip-tokenizer-init --skip-server-warmup --weight-loader-disable-mmap \
         --weight-loader-prefetch-checkpoints --weight-loader-drop-cache-after-load --delete-ckpt-after-loading \
         --enable-memory-saver",
    ),
    no_cost(
        why::START,
        One,
        "--nccl-port --dist-timeout --dist-init-addr --nccl-init-addr --nnodes --node-rank --base-gpu-id \
         --gpu-id-step --watchdog-timeout --soft-watchdog-timeout --tokenizer-worker-num --detokenizer-worker-num \
         --warmups --device --disaggregation-bootstrap-port",
    ),
    no_cost(why::START, Many, "--numa-node"),
    no_cost(
        why::START,
        Nothing,
        "--use-ray --sleep-on-idle --enable-p2p-check --pre-warm-nccl --enable-dynamic-batch-tokenizer \
         --enable-tokenizer-batch-encode --disable-tokenizer-batch-decode",
    ),
    no_cost(why::SAMPLING, One, "--sampling-backend"),
    no_cost("a limit on what waits, not on what runs", One, "--max-queued-requests"),
    no_field(why::UNREAD, One, "--config"),
    no_field(
        why::CONTEXT,
        One,
        "--dcp-size --decode-context-parallel-size --attn-cp-size --attention-context-parallel-size --cp-strategy \
         --dcp-comm-backend",
    ),
    no_field(
        why::CONTEXT,
        Nothing,
        "--enable-prefill-cp --enable-dp-lm-head --enable-tp-lm-head-all-to-all --enable-attn-tp-input-scattered",
    ),
    no_field(
        why::KERNELS,
        One,
        "--attention-backend --decode-attention-backend --prefill-attention-backend --moe-runner-backend \
         --fp8-gemm-backend --fp4-gemm-backend --bf16-gemm-backend --mamba-backend --linear-attn-backend \
         --mm-attention-backend --speculative-attention-mode --speculative-draft-attention-backend \
         --speculative-moe-runner-backend --triton-attention-num-kv-splits --dsa-prefill-backend \
         --dsa-decode-backend --dsv4-attn-backend --nsa-prefill-backend --nsa-decode-backend \
         --fp8-gemm-runner-backend --deepep-mode --deepep-config --deepep-v2-mode --flashinfer-mxfp4-moe-precision",
    ),
    no_field(
        why::KERNELS,
        Nothing,
        "--disable-custom-all-reduce --enable-mscclpp --enable-torch-symm-mem --enable-symm-mem --enable-nccl-nvls \
         --enable-flashinfer-allreduce-fusion --enable-aiter-allreduce-fusion --disable-shared-experts-fusion \
         --enable-flashinfer-mla --enable-flashmla --flashinfer-mla-disable-ragged --disable-flashinfer-autotune \
         --enable-flashinfer-cutlass-moe --enable-flashinfer-trtllm-moe --enable-fused-moe-sum-all-reduce \
         --triton-attention-reduce-in-fp32",
    ),
    no_field(
        why::GRAPHS,
        One,
        "--cuda-graph-max-bs --cuda-graph-max-bs-decode --cuda-graph-max-bs-prefill --cuda-graph-config \
         --cuda-graph-backend-decode --cuda-graph-backend-prefill --torch-compile-max-bs \
         --piecewise-cuda-graph-max-tokens",
    ),
    no_field(
        why::GRAPHS,
        Many,
        "--cuda-graph-bs --cuda-graph-bs-decode --cuda-graph-bs-prefill --piecewise-cuda-graph-tokens",
    ),
    no_field(
        why::GRAPHS,
        Nothing,
        "--enable-torch-compile --disable-cuda-graph-padding --enable-piecewise-cuda-graph \
         --disable-prefill-cuda-graph --disable-piecewise-cuda-graph --enable-profile-cuda-graph",
    ),
    no_field(
        why::CACHE,
        One,
        "--page-size --swa-full-tokens-ratio --radix-eviction-policy --max-mamba-cache-size \
         --mamba-full-memory-ratio --mamba-ssm-dtype --mamba-radix-cache-strategy --radix-cache-backend",
    ),
    no_field(
        why::CACHE,
        Nothing,
        "--disable-hybrid-swa-memory --disable-chunked-prefix-cache --enable-page-major-kv-layout \
         --enable-unified-memory",
    ),
    no_field(
        why::HOST,
        One,
        "--cpu-offload-gb --hicache-ratio --hicache-size --hicache-write-policy --hicache-io-backend \
         --hicache-mem-layout --hicache-storage-backend --hicache-storage-prefetch-policy \
         --hicache-storage-backend-extra-config --offload-group-size --offload-num-in-group \
         --offload-prefetch-step --offload-mode --kt-weight-path --kt-method --kt-cpuinfer --kt-threadpool-count \
         --kt-num-gpu-experts --kt-max-deferred-experts-per-token --lmcache-config-file",
    ),
    no_field(why::HOST, Nothing, "--enable-hierarchical-cache --enable-hicache --enable-lmcache"),
    no_field(
        why::SCHEDULE,
        One,
        "--schedule-policy --schedule-conservativeness --load-balance-method --num-continuous-decode-steps \
         --scheduler-recv-interval --prefill-max-requests --prefill-decode-interval --pp-max-micro-batch-size \
         --pp-async-batch-depth --priority-scheduling-preemption-threshold --retraction-policy",
    ),
    no_field(
        why::SCHEDULE,
        Nothing,
        "--enable-mixed-chunk --disable-overlap-schedule --enable-dynamic-chunking --enable-priority-scheduling \
         --enable-prefill-delayer",
    ),
    no_field(
        why::EXPERTS,
        One,
        "--ep-num-redundant-experts --ep-dispatch-algorithm --init-expert-location --eplb-algorithm \
         --eplb-rebalance-num-iterations --eplb-rebalance-layers-per-chunk --moe-dense-tp-size --moe-dp-size \
         --moe-data-parallel-size --eplb-min-rebalancing-utilization-threshold",
    ),
    no_field(why::EXPERTS, Nothing, "--enable-eplb --enable-shared-experts-attn-tp"),
    no_field(why::OVERLAP, One, "--tbo-token-distribution-threshold"),
    no_field(why::OVERLAP, Nothing, "--enable-two-batch-overlap --enable-single-batch-overlap"),
    no_field(
        why::POOLS,
        One,
        "--disaggregation-mode --disaggregation-transfer-backend --disaggregation-ib-device \
         --disaggregation-decode-polling-interval --num-reserved-decode-tokens --disaggregation-decode-tp \
         --disaggregation-decode-dp --disaggregation-prefill-pp",
    ),
    no_field(why::POOLS, Nothing, "--enable-pdmux --disaggregation-decode-enable-radix-cache"),
    no_field(
        why::ADAPTERS,
        One,
        "--max-lora-rank --max-loaded-loras --max-loras-per-batch --lora-eviction-policy --lora-backend \
         --max-lora-chunk-size",
    ),
    no_field(why::ADAPTERS, Many, "--lora-paths --lora-target-modules"),
    no_field(why::ADAPTERS, Nothing, "--enable-lora --enable-lora-overlap-loading"),
    no_field(
        why::PICTURES,
        One,
        "--mm-process-config --limit-mm-data-per-request --mm-processor-worker-num --image-processor-backend",
    ),
    no_field(
        why::PICTURES,
        Nothing,
        "--enable-multimodal --mm-enable-dp-encoder --language-only --encoder-only --disable-fast-image-processor \
         --keep-mm-feature-on-device",
    ),
    no_field(
        why::OVERRIDE,
        One,
        "--json-model-override-args --quantization-param-path --torchao-config --modelopt-quant",
    ),
    no_field(
        why::GUESSING,
        One,
        "--speculative-accept-threshold-single --speculative-accept-threshold-acc --speculative-token-map \
         --speculative-draft-model-quantization --speculative-ngram-min-bfs-breadth \
         --speculative-ngram-max-bfs-breadth --speculative-ngram-match-type --speculative-ngram-max-trie-depth \
         --speculative-ngram-capacity --speculative-adaptive-config --speculative-draft-kv-cache-dtype",
    ),
    no_field(
        why::GUESSING,
        Nothing,
        "--speculative-use-rejection-sampling --speculative-adaptive --enable-multi-layer-eagle",
    ),
    no_field(
        why::OTHER,
        Nothing,
        "--is-embedding --enable-deterministic-inference --enable-fp32-lm-head --enable-custom-logit-processor \
         --enable-return-hidden-states",
    ),
    no_field(why::OTHER, One, "--dllm-algorithm"),
];
