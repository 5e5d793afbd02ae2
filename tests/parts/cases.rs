//! Cases that people tried: each is right within 0.5 % or refused with its reason.

use super::{model, read};
use std::path::Path;
use underdog::catalog::Catalog;
use underdog::model::ModelSpec;

/// What was tried, the file, and billions of parameters.
const RIGHT: [(&str, &str, f64); 61] = [
    ("llama-3.2-1b", "llama-3.2-1b", 1.2358),
    ("mistral-nemo-12b", "mistral-nemo-12b", 12.248),
    ("mistral-large-2407", "mistral-large-2407", 122.61),
    ("qwen2.5-0.5b", "qwen2.5-0.5b", 0.494),
    ("r1-distill-qwen-1.5b", "r1-distill-qwen-1.5b", 1.777),
    ("falcon-7b", "falcon-7b", 6.922),
    ("falcon-40b", "falcon-40b", 41.303),
    ("falcon-11b", "falcon-11b", 11.103),
    ("falcon-rw-1b", "falcon-rw-1b", 1.3116),
    ("bloom-7b1", "bloom-7b1", 7.069),
    ("deepseek-v2-lite", "deepseek-v2-lite", 15.7065),
    ("moonlight-16b-a3b", "moonlight-16b-a3b", 15.96),
    ("gemma-3-1b-it", "gemma-3-1b-it", 0.99989),
    ("smollm2-1.7b", "smollm2-1.7b", 1.7114),
    ("yi-34b", "yi-34b", 34.389),
    ("Qwen3.5-122B-A10B, text part", "qwen3.5-122b-a10b", 122.1),
    ("Nemotron-3-Nano-30B-A3B", "nemotron-3-nano-30b-a3b", 31.6),
    ("gemma-3-4b-it as first published", "gemma-3-4b-it-original", 3.884),
    ("gemma-3-12b-it as first published", "gemma-3-12b-it-original", 11.771),
    ("gemma-3-27b-it as first published", "gemma-3-27b-it-original", 27.016),
    ("Nemotron-3-Ultra, layers in a list", "nemotron-3-ultra", 550.0),
    ("Qwen3.5-27B", "qwen3.5-27b", 27.0),
    ("Qwen3-VL 8B, text part", "qwen3-vl-8b", 8.1907),
    ("Qwen3-VL 235B, text part", "qwen3-vl-235b-a22b", 235.09),
    ("Qwen3-Next-80B-A3B", "qwen3-next-80b-a3b", 79.67),
    ("MiMo-7B", "mimo-7b", 7.6226),
    ("Step-3.5-Flash, built like 3.7", "step-3.5-flash", 196.81),
    ("Step-3, text part", "step3", 316.0),
    ("Phi-3", "phi-3-mini-4k", 3.8211),
    ("Phi-4", "phi-4", 14.6595),
    ("Command-R", "command-r-v01", 34.981),
    ("OLMo", "olmo-7b-hf", 6.8881),
    ("OLMo 2", "olmo-2-7b", 7.2986),
    ("OLMoE", "olmoe-1b-7b", 6.9192),
    ("Jamba", "jamba-v0.1", 51.57),
    ("Mamba-2", "mamba-codestral-7b", 7.2854),
    ("Qwen2-MoE", "qwen1.5-moe-a2.7b", 14.3158),
    ("InternLM2", "internlm2-20b", 19.8611),
    ("StarCoder2", "starcoder2-15b", 15.9579),
    ("MPT", "mpt-7b", 6.6493),
    ("GPT-NeoX", "gpt-neox-20b", 20.5546),
    ("OPT", "opt-6.7b", 6.6585),
    ("DBRX", "dbrx", 131.5965),
    ("Hunyuan", "hunyuan-a13b", 80.3932),
    ("ERNIE-4.5", "ernie-4.5-300b-a47b", 300.0),
    ("MiniMax-Text-01", "minimax-text-01", 456.0),
    ("LFM2", "lfm2-1.2b", 1.1703),
    ("SmolLM3", "smollm3-3b", 3.0751),
    ("EXAONE-4", "exaone-4.0-32b", 32.0032),
    ("Gemma 1", "gemma-7b", 8.538),
    ("Gemma 2", "gemma-2-9b", 9.242),
    ("Gemma 3n", "gemma-3n-e4b", 6.8352),
    ("Mistral3, text part", "mistral-small-3.1-24b", 23.572),
    ("Ministral-8B", "ministral-8b-2410", 8.0198),
    ("Seed-OSS", "seed-oss-36b", 36.151),
    ("LongCat", "longcat-flash", 560.0),
    ("BitNet", "bitnet-b1.58-2b-4t", 2.4128),
    ("LLaVA, text part", "llava-1.5-7b", 6.7389),
    ("what followed a hint from Jamba", "jamba-v0.1", 51.57),
    ("what followed a hint from Qwen3-Next", "qwen3-next-80b-a3b", 79.67),
    ("what followed a hint from Phi-3", "phi-3-mini-4k", 3.821),
];

/// What was tried, the file, and words that say why it is refused.
const REFUSED: [(&str, &str, &str); 9] = [
    ("BERT", "refused-bert", "it is an encoder"),
    ("ModernBERT", "refused-modernbert", "it is an encoder"),
    ("T5", "refused-t5", "it is an encoder-decoder"),
    ("Whisper", "refused-whisper", "it is an encoder-decoder"),
    ("RWKV", "refused-rwkv", "it is an RWKV"),
    ("Mllama", "refused-mllama", "attends to a picture"),
    ("LlamaModel", "refused-llama-embedding", "no LM head"),
    ("MistralModel", "refused-mistral-embedding", "no LM head"),
    ("a classifier", "refused-classifier", "classifies"),
];

#[test]
fn cases_are_right() {
    for (case, file, billions) in RIGHT {
        let found = model(file).parameters_total() as f64 / 1e9;
        assert!((found / billions - 1.0).abs() <= 0.005, "{case}: {found} where {billions} is right");
    }
    let glm = ModelSpec::load(&Catalog::embedded(), "glm-5.3", Path::new("")).expect("a model");
    assert!((glm.parameters_total() as f64 / 743e9 - 1.0).abs() <= 0.005, "GLM-5.2, built like 5.3");
}

#[test]
fn what_cannot_be_counted_is_refused_with_the_reason() {
    for (case, file, why) in REFUSED {
        let error = read(file).map(|m| m.parameters_total()).expect_err(case).render(false);
        assert!(error.contains(why) && error.contains('^'), "{case}: {error}");
    }
}

/// No message leads from one architecture to another that is spelled like it.
#[test]
fn no_hint_is_by_spelling() {
    for (name, like) in [("JambbaForCausalLM", "JambaForCausalLM"), ("Llama9ForCausalLM", "LlamaForCausalLM")] {
        let text = format!(r#"{{ "architectures": ["{name}"], "hidden_size": 4096 }}"#);
        let entry = underdog::catalog::Entry { name: "any".into(), file: "any.json".into(), text: text.into() };
        let error = ModelSpec::parse(&entry).expect_err("it is unknown").render(false);
        assert!(!error.contains(like) && !error.contains("did you mean") && error.contains("norms"), "{error}");
    }
}

/// The text part of a model that sees is counted, and a note says so; so are fields that a file leaves out.
#[test]
fn notes_say_what_is_left_out() {
    let notes = |file| model(file).notes.join("\n");
    assert!(notes("qwen3-vl-8b").contains("text part alone"));
    let gemma = notes("gemma-3-4b-it-original");
    for said in ["text part alone", "head_dim = 256", "num_attention_heads = 8", "vocab_size = 262208"] {
        assert!(gemma.contains(said), "{said}: {gemma}");
    }
    assert!(!notes("llama-3.2-1b").contains("leaves out"));
}
