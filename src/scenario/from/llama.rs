//! Flags of `llama-server` and `llama-cli` (ggml-org/llama.cpp@00dc805: `tools/server/README.md`, written from
//! `common/arg.cpp`, and flags of older builds that recipes still have).

use super::flags::{Field, Group, Takes, field, no_cost, no_field, why};
use Takes::{Maybe, Nothing, One};

/// The table.
pub const FLAGS: &[Group] = &[
    field(Field::Model, One, "-m --model -mu --model-url -hff --hf-file"),
    field(Field::Repository, One, "-hf -hfr --hf-repo -dr --docker-repo"),
    field(Field::MaxSequences, One, "-np --parallel"),
    field(Field::BatchTokens, One, "-ub --ubatch-size"),
    field(Field::Cache, One, "-ctk --cache-type-k"),
    field(Field::CachedValues, One, "-ctv --cache-type-v"),
    field(Field::MaxLength, One, "-c --ctx-size"),
    field(Field::Answer, One, "-n --predict --n-predict"),
    field(Field::DeviceLayers, One, "-ngl --gpu-layers --n-gpu-layers"),
    field(Field::HostExperts, Nothing, "-cmoe --cpu-moe"),
    field(Field::HostExpertLayers, One, "-ncmoe --n-cpu-moe"),
    field(Field::FlashAttention, Maybe, "-fa --flash-attn"),
    field(Field::Division, One, "-sm --split-mode"),
    field(Field::Shares, One, "-ts --tensor-split"),
    field(Field::Devices, One, "-dev --device"),
    field(Field::DraftModel, One, "-md --model-draft --spec-draft-model -hfd -hfrd --hf-repo-draft --spec-draft-hf"),
    field(Field::Method, One, "--spec-type"),
    field(Field::Guesses, One, "--spec-draft-n-max --draft-max --draft --draft-n"),
    field(Field::NoPrefixCache, Nothing, "--no-cache-prompt"),
    field(Field::PrefixCache, Nothing, "--cache-prompt"),
    no_cost(
        why::PLACE,
        One,
        "--host --port --path --api-key --api-key-file --api-prefix --ssl-key-file --ssl-cert-file --cors-origins \
         --cors-methods --cors-headers -to --timeout --threads-http --sse-ping-interval --media-path --tools \
         --mcp-servers-config --mcp-servers-json",
    ),
    no_cost(
        why::PLACE,
        Nothing,
        "--reuse-port --cors-credentials --ui --no-ui --webui --no-webui --props --slots --no-slots -ag --agent \
         --offline",
    ),
    no_cost(why::LOGS, One, "--log-file --log-colors -lv --verbosity --log-verbosity --log-prompts-dir"),
    no_cost(
        why::LOGS,
        Nothing,
        "--log-disable -v --verbose --log-verbose --log-prefix --no-log-prefix --log-timestamps --metrics --perf \
         --no-perf --no-display-prompt --simple-io --verbose-prompt",
    ),
    no_cost(
        why::FORM,
        One,
        "-a --alias --tags --chat-template --chat-template-file --chat-template-kwargs --reasoning-format \
         --reasoning-budget -rea --reasoning --reasoning-effort --grammar --grammar-file -j --json-schema -jf \
         --json-schema-file -r --reverse-prompt -sys --system-prompt -sysf --system-prompt-file --in-prefix \
         --in-suffix --embd-normalize",
    ),
    no_cost(
        why::FORM,
        Nothing,
        "--jinja --no-jinja -sp --special -e --escape --no-escape -cnv --conversation -no-cnv --no-conversation \
         -st --single-turn -i --interactive -co --color --multiline-input -mli --prefill-assistant \
         --no-prefill-assistant --spm-infill",
    ),
    no_cost(
        "a text; how long prompts are says workload.input_tokens",
        One,
        "-p --prompt -f --file -bf \
     --binary-file",
    ),
    no_cost(
        why::SAMPLING,
        One,
        "--samplers --sampler-seq --sampling-seq -s --seed --temp --temperature --top-k --top-p --min-p \
         --top-nsigma --top-n-sigma --xtc-probability --xtc-threshold --typical --typical-p --repeat-last-n \
         --repeat-penalty --presence-penalty --frequency-penalty --dry-multiplier --dry-base --dry-allowed-length \
         --dry-penalty-last-n --dry-sequence-breaker --dynatemp-range --dynatemp-exp --mirostat --mirostat-lr \
         --mirostat-ent -l --logit-bias",
    ),
    no_cost(why::SAMPLING, Nothing, "--ignore-eos"),
    no_cost(
        why::LOADING,
        One,
        "-hft --hf-token -lm --load-mode -lzm --lazy-mode --override-kv --models-dir --models-preset --models-max",
    ),
    no_cost(why::LOADING, Nothing, "--mlock --no-mmap --mmap --check-tensors --warmup --no-warmup --direct-io"),
    no_cost(
        "tokens of a step before it is cut into micro-batches, by which steps are estimated",
        One,
        "-b --batch-size",
    ),
    no_cost("the tokens kept when a context is full", One, "--keep"),
    no_cost("requests of several users share a step, as is estimated", Nothing, "-cb --cont-batching"),
    no_field(
        why::HOST,
        One,
        "-t --threads -tb --threads-batch -C --cpu-mask -Cr --cpu-range --cpu-strict --prio --poll --numa -ot \
         --override-tensor -ncffn --n-cpu-ffn --moe-cache-mib -cram --cache-ram --rpc -fitt \
         --fit-target -fitc --fit-ctx",
    ),
    no_field(why::HOST, Nothing, "-nkvo --no-kv-offload --no-op-offload --no-host -nr --no-repack"),
    no_field(why::HOST, Maybe, "-fit --fit"),
    no_field(
        why::CACHE,
        One,
        "--cache-reuse --slot-save-path -sps --slot-prompt-similarity -ctxcp --ctx-checkpoints --swa-checkpoints \
         --kv-unified-per-slot -dt --defrag-thold",
    ),
    no_field(why::CACHE, Nothing, "-kvu --kv-unified --swa-full --context-shift --no-context-shift"),
    no_field(why::SCHEDULE, Nothing, "-nocb --no-cont-batching"),
    no_field(
        why::OVERRIDE,
        One,
        "--rope-scaling --rope-scale --rope-freq-base --rope-freq-scale --yarn-orig-ctx --yarn-ext-factor \
         --yarn-attn-factor --yarn-beta-slow --yarn-beta-fast",
    ),
    no_field(why::ADAPTERS, One, "--lora --lora-scaled --control-vector --control-vector-scaled"),
    no_field(
        why::PICTURES,
        One,
        "-mm --mmproj -mmu --mmproj-url --image --audio --image-min-tokens --image-max-tokens",
    ),
    no_field(why::PICTURES, Nothing, "--no-mmproj --no-mmproj-offload --mmproj-auto"),
    no_field(
        why::GUESSING,
        One,
        "--spec-draft-n-min --draft-min --draft-n-min --spec-draft-p-min --draft-p-min --spec-draft-p-split \
         --draft-p-split -ngld --gpu-layers-draft --n-gpu-layers-draft --spec-draft-ngl -devd --device-draft \
         --spec-draft-device -cd --ctx-size-draft -ctkd --cache-type-k-draft -ctvd --cache-type-v-draft",
    ),
    no_field("which device bears what is not divided has no field", One, "-mg --main-gpu"),
    no_field(why::OTHER, One, "--pooling"),
    no_field(why::OTHER, Nothing, "--embedding --embeddings --rerank --reranking"),
];
