//! What the program says about published models, against what their makers and their papers say.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod parts;

use proptest::prelude::*;
use std::path::Path;
use underdog::catalog::{Catalog, Entry};
use underdog::model::{ModelRow, ModelSpec, Phase, Weights};
use underdog::precision::Precision;

fn load(name: &str) -> ModelSpec {
    match ModelSpec::load(&Catalog::embedded(), name, Path::new(".")) {
        Ok(model) => model,
        Err(error) => panic!("{}", error.render(false)),
    }
}

fn entry(name: &str) -> Entry {
    Catalog::embedded().model(name, Path::new(".")).unwrap().config().unwrap()
}

fn within(what: &str, found: f64, published: f64, tolerance: f64) {
    let error = (found / published - 1.0).abs();
    assert!(error <= tolerance, "{what}: {found} against {published}, off by {:.2} %", 100.0 * error);
}

/// Total and, where the maker counts as this program does, active parameters in billions.
const PUBLISHED: [(&str, f64, Option<f64>, &str); 43] = [
    ("bloom-176b", 176.25, None, "arXiv 2211.05100, table 5: 176,247,271,424"),
    ("deepseek-r1", 671.0, Some(36.6), "model card; active as vLLM and the V3 report's 37 B without embedding"),
    ("deepseek-v2", 236.0, None, "arXiv 2405.04434, abstract"),
    ("deepseek-v3", 671.0, Some(36.6), "arXiv 2412.19437, abstract"),
    ("deepseek-v3.1", 671.0, Some(36.6), "model card"),
    ("deepseek-v4-flash", 284.0, Some(13.27), "arXiv 2606.19348, abstract: 284 B, 13 B active"),
    ("deepseek-v4-pro", 1573.0, Some(48.85), "arXiv 2606.19348, abstract: 1.6 T, 49 B active"),
    ("falcon-180b", 180.0, None, "arXiv 2311.16867, abstract"),
    ("gemma-3-12b", 11.77, None, "arXiv 2503.19786, table 1: 1,012 M embedding, 10,759 M other"),
    ("gemma-3-27b", 27.01, None, "arXiv 2503.19786, table 1: 1,416 M embedding, 25,600 M other"),
    ("gemma-4-26b-a4b", 25.2, Some(3.8), "model card: 25.2 B, 3.8 B active"),
    ("glm-4.5", 355.0, None, "arXiv 2508.06471, table 1: 355 B"),
    ("glm-4.5-air", 106.0, None, "arXiv 2508.06471, table 1: 106 B"),
    ("glm-5", 743.0, None, "model card: 744 B, 40 B active"),
    ("gpt-j-6b", 6.05, None, "model card: 6,053,381,344"),
    ("gpt-oss-120b", 116.83, Some(5.13), "arXiv 2508.10925, table 1"),
    ("gpt-oss-20b", 20.91, Some(3.61), "arXiv 2508.10925, table 1"),
    ("kimi-k2", 1026.0, Some(31.7), "arXiv 2507.20534: 1.04 T with 32.6 B active, embedding included"),
    ("kimi-k2.5", 1026.0, None, "model card: 1 T, 32 B active"),
    ("kimi-k3", 2780.0, Some(104.2), "arXiv 2607.24653: 2.8 T, 104 B active"),
    ("llama-2-13b", 13.02, None, "arXiv 2307.09288; weights of the repository"),
    ("llama-2-70b", 68.98, None, "arXiv 2307.09288; weights of the repository"),
    ("llama-2-7b", 6.74, None, "arXiv 2307.09288; weights of the repository"),
    ("llama-3.1-405b", 405.8, None, "model card: 405.8 B"),
    ("llama-3.1-70b", 70.55, None, "model card: 70.6 B"),
    ("llama-3.1-8b", 8.03, None, "model card: 8.03 B"),
    ("llama-4-maverick", 400.7, None, "model card: 400 B, of which 0.9 B see images"),
    ("llama-4-scout", 107.8, None, "model card: 109 B, of which 0.9 B see images"),
    ("minimax-m2.5", 229.0, None, "model card: 229 B, 10 B active"),
    ("mistral-7b", 7.24, None, "arXiv 2310.06825; weights of the repository"),
    ("mixtral-8x22b", 140.6, None, "model card: 141 B, 39 B active"),
    ("mixtral-8x7b", 46.7, None, "arXiv 2401.04088: 47 B; weights of the repository 46.7 B"),
    ("nemotron-3-super-120b-a12b", 120.6, Some(12.2), "model card: 120 B, 12 B active"),
    ("qwen2.5-1.5b", 1.54, None, "arXiv 2412.15115, model cards"),
    ("qwen2.5-72b", 72.7, None, "model card: 72.7 B"),
    ("qwen2.5-7b", 7.61, None, "model card: 7.61 B"),
    ("qwen3-0.6b", 0.6, None, "arXiv 2505.09388, model card"),
    ("qwen3-235b-a22b", 235.09, None, "arXiv 2505.09388; weights of the repository"),
    ("qwen3-30b-a3b", 30.53, None, "arXiv 2505.09388: 30.5 B"),
    ("qwen3-32b", 32.8, None, "model card: 32.8 B"),
    ("qwen3-coder-480b-a35b", 480.2, None, "model card: 480 B, 35 B active"),
    ("qwen3.5-35b-a3b", 34.66, None, "model card: 35 B, 3 B active"),
    ("qwen3.5-397b-a17b", 397.0, None, "model card: 397 B, 17 B active"),
];

#[test]
fn totals_are_those_the_makers_publish() {
    for (name, total, active, source) in PUBLISHED {
        let model = load(name);
        within(&format!("{name} in total ({source})"), model.parameters_total() as f64 / 1e9, total, 0.01);
        if let Some(active) = active {
            within(&format!("{name} active ({source})"), model.parameters_active() as f64 / 1e9, active, 0.01);
        }
    }
}

#[test]
fn exact_counts_are_exact() {
    // Counted by the makers to the last parameter: BLOOM's report, the model cards of GPT-J (6,050,882,784 without
    // unused rows of the head) and Llama-3.1-8B, the technical report of gpt-oss.
    assert_eq!(load("bloom-176b").parameters_total(), 176_247_271_424);
    assert_eq!(load("llama-3.1-8b").parameters_total(), 8_030_261_248);
    assert_eq!(load("gpt-j-6b").parameters_total(), 6_050_882_784);
    assert_eq!(load("gpt-oss-20b").parameters_total(), 20_914_757_184);
    assert_eq!(load("gpt-oss-120b").parameters_total(), 116_829_156_672);
}

#[test]
fn every_catalogued_model_is_understood() {
    let catalog = Catalog::embedded();
    assert_eq!(catalog.models().len(), 60);
    for name in catalog.models() {
        let model = load(&name);
        let row = ModelRow::of(&model, Weights::Native, Precision::Bf16, 4096);
        assert!(row.parameters_active <= row.parameters_total, "{name}");
        assert!(row.kv_bytes > 0.0 && row.flop_per_token_prefill < row.flop_per_token_decode, "{name}");
        assert!(row.weight_bytes < 2.01 * row.parameters_total as f64, "{name}");
        assert!(model.derivation(Weights::Native, Precision::Bf16, 4096).len() > 3, "{name}");
    }
}

#[test]
fn cache_per_token_is_that_of_the_deepseek_v3_hardware_paper() {
    // arXiv 2505.09343, table 1, bf16: 70.272, 327.680 and 516.096 kB a token.
    for (name, bytes) in [("deepseek-v3", 70_272.0), ("qwen2.5-72b", 327_680.0), ("llama-3.1-405b", 516_096.0)] {
        assert_eq!(load(name).kv_bytes(1, Precision::Bf16).get(), bytes, "{name}");
    }
}

#[test]
fn flop_per_token_are_those_of_the_deepseek_v3_hardware_paper() {
    // arXiv 2505.09343, table 2: GFLOP per token of training at 4096 tokens, three times a forward pass in which
    // every token goes through the head.
    for (name, training) in [("deepseek-v2", 155.0), ("deepseek-v3", 250.0), ("llama-3.1-405b", 2448.0)] {
        let model = load(name);
        let head = 2.0 * model.embedding_params() as f64 * (1.0 - 1.0 / 4096.0);
        let forward = model.flop_per_token(4096, Phase::Prefill).get() + head;
        within(name, 3.0 * forward / 1e9, training, 0.02);
    }
}

#[test]
fn a_million_tokens_cost_deepseek_v4_what_its_report_says() {
    // arXiv 2606.19348, abstract: against V3.2 at one million tokens, V4-Pro takes 27 % of the FLOP of a token and
    // 10 % of the cache. The report keeps the cache in its own mixture of formats, this test in 8 bit throughout.
    let (old, new) = (load("deepseek-v3.2"), load("deepseek-v4-pro"));
    let flop = |m: &ModelSpec| m.flop_per_token(1_000_000, Phase::Decode).get();
    let cache = |m: &ModelSpec| m.kv_bytes(1_000_000, Precision::Fp8).get();
    within("FLOP", flop(&new) / flop(&old), 0.27, 0.03);
    within("cache", cache(&new) / cache(&old), 0.10, 0.16);
}

#[test]
fn windows_cap_the_cache() {
    let model = load("gpt-oss-120b");
    let each = 2.0 * 8.0 * 64.0 * 2.0;
    assert_eq!(model.kv_bytes(100, Precision::Bf16).get(), 36.0 * each * 100.0);
    assert_eq!(model.kv_bytes(10_000, Precision::Bf16).get(), 18.0 * each * (10_000.0 + 128.0));
}

#[test]
fn native_formats_follow_the_quantisation_block() {
    let kimi = load("kimi-k2.5").native;
    assert_eq!([kimi.attention, kimi.dense, kimi.shared].map(|s| s.format), [Precision::Bf16; 3]);
    // Groups of 32 with a 16-bit scale.
    assert_eq!((kimi.experts.format, kimi.experts.bits), (Precision::Int4, 4.5));
    let oss = load("gpt-oss-20b").native;
    assert_eq!(
        [oss.attention, oss.experts, oss.rest].map(|s| s.format),
        [Precision::Bf16, Precision::Mxfp4, Precision::Bf16]
    );
    let v4 = load("deepseek-v4-pro").native;
    assert_eq!(
        (v4.attention.format, v4.experts.format, v4.attention.block_scaled),
        (Precision::Fp8, Precision::Mxfp4, true)
    );
    // Sizes of the published repositories: 688.6 GB of DeepSeek-R1 with 14 B for multi-token prediction, 65.2 GB of
    // gpt-oss-120b.
    within("deepseek-r1", load("deepseek-r1").weight_bytes(Weights::Native).get() / 1e9, 688.6 - 14.0, 0.01);
    within("gpt-oss-120b", load("gpt-oss-120b").weight_bytes(Weights::Native).get() / 1e9, 65.2, 0.01);
    // llama.cpp prints 4.58 GiB for Llama-3.1-8B in Q4_K_M.
    let q4 = load("llama-3.1-8b").weight_bytes(Weights::Uniform(Precision::Q4KM)).get();
    within("llama-3.1-8b q4_k_m", q4 / f64::from(1 << 30), 4.58, 0.02);
}

fn parse(text: String) -> Result<ModelSpec, underdog::diagnostic::Diagnostic> {
    ModelSpec::parse(&Entry { name: "any".into(), file: "any.json".into(), text: text.into() })
}

#[test]
fn what_python_writes_is_read() {
    let text = entry("qwen3-8b").text.into_owned();
    let plain = parse(text.clone()).unwrap();
    assert_eq!(parse(format!("\u{feff}{text}")).unwrap(), plain, "a byte order mark");
    let bare = text.replacen(
        '{',
        "{ \"time_step_limit\": [0.0, Infinity, -Infinity, NaN], \"_name_or_path\": \"NaN \\\" Infinity\",",
        1,
    );
    assert_eq!(parse(bare).unwrap(), plain, "bare floats");
    let nested = parse(format!("{{ \"architectures\": [\"Qwen3ForCausalLM\"], \"text_config\": {text} }}")).unwrap();
    assert_eq!(ModelSpec { notes: plain.notes.clone(), ..nested }, plain);
}

fn any_value() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("null".to_owned()),
        Just("Infinity".to_owned()),
        Just("NaN".to_owned()),
        Just("[]".to_owned()),
        Just("{}".to_owned()),
        Just("[4, 0, 128]".to_owned()),
        any::<i64>().prop_map(|n| n.to_string()),
        (0u64..300).prop_map(|n| n.to_string()),
        any::<f64>().prop_map(|n| n.to_string()),
        Just("1048576".to_owned()),
        "\\PC{0,8}".prop_map(|s| format!("{s:?}")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// One to three values of a real file are replaced by anything: an answer or an error, never a panic.
    #[test]
    fn a_damaged_file_never_panics(
        which in 0usize..60,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any_value()), 1..4),
    ) {
        let catalog = Catalog::embedded();
        let entry = entry(&catalog.models()[which]);
        let mut text = entry.text.into_owned();
        for (index, value) in damage {
            let colons: Vec<usize> = text.match_indices(": ").map(|(at, _)| at + 2).collect();
            if colons.is_empty() { continue; }
            let start = colons[index.index(colons.len())];
            let end = start + text[start..].find([',', '\n', '}']).unwrap_or(0);
            text.replace_range(start..end, &value);
        }
        match parse(text) {
            Ok(model) => {
                let row = ModelRow::of(&model, Weights::Native, Precision::Fp8, 100_000);
                prop_assert!(row.parameters_total < 2_000_000_000_000_000 && row.kv_bytes.is_finite());
                prop_assert!(row.parameters_active <= row.parameters_total + model.embedding_params());
            }
            Err(error) => prop_assert!(error.render(false).contains("any.json")),
        }
    }

    #[test]
    fn any_text_is_an_answer_or_an_error(text in "\\PC{0,200}") {
        if let Err(error) = parse(text) {
            prop_assert!(!error.render(true).is_empty());
        }
    }
}
