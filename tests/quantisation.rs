//! How published checkpoints store their weights: bytes by hand arithmetic or by the size of the repository.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use underdog::catalog::{Catalog, Entry};
use underdog::model::{ModelSpec, Weights};
use underdog::precision::Precision;

/// Weights of the matrices of Llama-3.1-8B: 32 layers of (4096 x 6144) + (4096 x 4096) + 3 (4096 x 14336).
const MATRICES: f64 = 6_979_321_856.0;
/// Embedding and head, 128256 x 4096 each.
const TABLE: f64 = 525_336_576.0;
/// 65 norms of 4096.
const NORMS: f64 = 266_240.0;

/// Llama-3.1-8B with more fields.
fn llama(more: &str) -> String {
    format!(
        r#"{{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 4096, "intermediate_size": 14336,
        "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256,
        "tie_word_embeddings": false, "max_position_embeddings": 131072, {more}}}"#
    )
}

fn parse(text: String) -> Result<ModelSpec, String> {
    let entry = Entry { name: "any".into(), file: "any.json".into(), text: text.into() };
    ModelSpec::parse(&entry).map_err(|error| error.render(false))
}

fn file(name: &str) -> ModelSpec {
    let path = format!("tests/cases/quantised/{name}");
    match ModelSpec::load(&Catalog::embedded(), &path, Path::new(".")) {
        Ok(model) => model,
        Err(error) => panic!("{}", error.render(false)),
    }
}

fn bytes(model: &ModelSpec) -> f64 {
    model.weight_bytes(Weights::Native).get()
}

fn within(what: &str, found: f64, right: f64, tolerance: f64) {
    let error = (found / right - 1.0).abs();
    assert!(
        error <= tolerance,
        "{what}: {:.3} GB against {:.3}, off by {:.2} %",
        found / 1e9,
        right / 1e9,
        100.0 * error
    );
}

/// Bits of a matrix weight, of the head and of the embedding.
type Bits = (f64, f64, f64);

/// Methods with the bits that the code which writes them packs a weight of Llama-3.1-8B into.
const METHODS: [(&str, &str, Bits); 33] = [
    // A maximum of 32 bit per 64 values; in 8 bit with a 32-bit maximum per 256 of them where quantised twice.
    ("nf4", r#""load_in_4bit": true, "bnb_4bit_quant_type": "nf4", "quant_method": "bitsandbytes""#, (4.5, 16.0, 16.0)),
    (
        "nf4 twice",
        r#""_load_in_4bit": true, "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": true,
        "quant_method": "bitsandbytes""#,
        (4.0 + 8.0 / 64.0 + 32.0 / 16384.0, 16.0, 16.0),
    ),
    (
        "int8 of bitsandbytes",
        r#""load_in_8bit": true, "llm_int8_threshold": 6.0, "quant_method": "bitsandbytes""#,
        (8.0, 16.0, 16.0),
    ),
    // A 16-bit scale and a zero point a group.
    (
        "awq",
        r#""bits": 4, "group_size": 128, "zero_point": true, "version": "gemm", "quant_method": "awq""#,
        (4.0 + 20.0 / 128.0, 16.0, 16.0),
    ),
    ("awq 64", r#""w_bit": 4, "q_group_size": 64, "quant_method": "awq""#, (4.0 + 20.0 / 64.0, 16.0, 16.0)),
    (
        "gptq 4",
        r#""bits": 4, "group_size": 128, "desc_act": true, "sym": true, "damp_percent": 0.1, "quant_method": "gptq""#,
        (4.0 + 20.0 / 128.0, 16.0, 16.0),
    ),
    ("gptq 3", r#""bits": 3, "group_size": 128, "quant_method": "gptq""#, (3.0 + 19.0 / 128.0, 16.0, 16.0)),
    ("gptq 2", r#""bits": 2, "group_size": 64, "quant_method": "gptq""#, (2.0 + 18.0 / 64.0, 16.0, 16.0)),
    ("gptq 8", r#""bits": 8, "group_size": -1, "quant_method": "gptq""#, (8.0, 16.0, 16.0)),
    (
        "gptq with its head",
        r#""bits": 4, "group_size": 32, "lm_head": true, "quant_method": "gptq""#,
        (4.0 + 20.0 / 32.0, 4.0 + 20.0 / 32.0, 16.0),
    ),
    (
        "auto-round",
        r#""bits": 4, "group_size": 128, "sym": true, "data_type": "int", "iters": 200, "nsamples": 128,
        "packing_format": "auto_round:auto_gptq", "quant_method": "auto-round", "autoround_version": "0.5.1""#,
        (4.0 + 20.0 / 128.0, 16.0, 16.0),
    ),
    (
        "auto-round in MXFP4",
        r#""bits": 4, "group_size": 32, "data_type": "mx_fp", "act_bits": 4, "act_data_type": "mx_fp",
        "quant_method": "auto-round""#,
        (4.25, 16.0, 16.0),
    ),
    // A scale and a zero of 16 bit a group; 3 bits take ten values a word.
    (
        "hqq 4",
        r#""quant_config": {"weight_quant_params": {"nbits": 4, "group_size": 64, "axis": 1}, "scale_quant_params": null,
        "zero_quant_params": null, "offload_meta": false}, "skip_modules": ["lm_head"], "quant_method": "hqq""#,
        (4.5, 16.0, 16.0),
    ),
    (
        "hqq 3",
        r#""quant_config": {"weight_quant_params": {"nbits": 3, "group_size": 64}}, "quant_method": "hqq""#,
        (3.7, 16.0, 16.0),
    ),
    (
        "torchao int4",
        r#""quant_type": "int4_weight_only", "quant_type_kwargs": {"group_size": 128}, "modules_to_not_convert": null,
        "quant_method": "torchao""#,
        (4.25, 16.0, 16.0),
    ),
    (
        "torchao int8",
        r#""quant_type": {"default": {"_type": "Int8WeightOnlyConfig", "_version": 1, "_data": {"group_size": null}}},
        "quant_method": "torchao""#,
        (8.0, 16.0, 16.0),
    ),
    (
        "torchao float8",
        r#""quant_type": "float8_dynamic_activation_float8_weight", "quant_method": "torchao""#,
        (8.0, 16.0, 16.0),
    ),
    (
        "exl2",
        r#""bits": 4.65, "head_bits": 6, "version": "0.0.20", "calibration": {"rows": 115}, "quant_method": "exl2""#,
        (4.65, 6.0, 16.0),
    ),
    (
        "fp8 a tensor",
        r#""activation_scheme": "static", "quant_method": "fp8", "ignored_layers": ["lm_head"]"#,
        (8.0, 16.0, 16.0),
    ),
    (
        "fp8 in blocks",
        r#""activation_scheme": "dynamic", "fmt": "e4m3", "quant_method": "fp8", "weight_block_size": [128, 128]"#,
        (8.0 + 32.0 / 16384.0, 16.0, 16.0),
    ),
    ("fbgemm", r#""quant_method": "fbgemm_fp8", "activation_scale_ub": 1200.0"#, (8.0, 16.0, 16.0)),
    (
        "w4a16 of llm-compressor",
        r#""config_groups": {"group_0": {"targets": ["Linear"], "input_activations": null, "weights": {"num_bits": 4, "type": "int",
        "group_size": 128, "strategy": "group", "symmetric": true}}}, "format": "pack-quantized", "ignore": ["lm_head"],
        "quant_method": "compressed-tensors", "quantization_status": "frozen""#,
        (4.0 + 16.0 / 128.0, 16.0, 16.0),
    ),
    (
        "w4a16 with zero points",
        r#""config_groups": {"group_0": {"targets": ["Linear"], "weights": {"num_bits": 4, "type": "int", "group_size": 32,
        "symmetric": false}}}, "format": "pack-quantized", "ignore": ["lm_head"], "quant_method": "compressed-tensors""#,
        (4.0 + 20.0 / 32.0, 16.0, 16.0),
    ),
    (
        "w8a8 in fp8",
        r#""config_groups": {"group_0": {"targets": ["Linear"], "input_activations": {"num_bits": 8, "type": "float", "dynamic": true},
        "weights": {"num_bits": 8, "type": "float", "strategy": "channel"}}}, "format": "float-quantized",
        "ignore": ["lm_head"], "quant_method": "compressed-tensors""#,
        (8.0, 16.0, 16.0),
    ),
    (
        "quark int4",
        r#""global_quant_config": {"weight": {"dtype": "uint4", "qscheme": "per_group", "group_size": 128, "symmetric": true}},
        "exclude": ["lm_head"], "quant_method": "quark""#,
        (4.25, 16.0, 16.0),
    ),
    (
        "quark mxfp4",
        r#""global_quant_config": {"weight": {"dtype": "fp4", "qscheme": "per_group", "group_size": 32,
        "scale_format": "e8m0"}, "input_tensors": {"dtype": "fp4"}}, "exclude": ["lm_head"], "layer_quant_config": {},
        "export": {"pack_method": "reorder", "weight_format": "real_quantized"}, "quant_method": "quark""#,
        (4.25, 16.0, 16.0),
    ),
    ("modelopt fp8", r#""quant_algo": "FP8", "quant_method": "modelopt", "ignore": ["lm_head"]"#, (8.0, 16.0, 16.0)),
    (
        "modelopt nvfp4",
        r#""quant_algo": "NVFP4", "quant_method": "modelopt", "exclude_modules": ["lm_head"], "kv_cache_quant_algo": "FP8""#,
        (4.5, 16.0, 16.0),
    ),
    (
        "modelopt w4a8",
        r#""quant_algo": "W4A8_AWQ", "group_size": 128, "has_zero_point": false, "pre_quant_scale": true,
        "quant_method": "modelopt""#,
        (4.0 + 16.0 / 128.0, 16.0, 16.0),
    ),
    (
        "modelopt without a method",
        r#""quant_algo": "FP8", "producer": {"name": "modelopt"}, "ignore": ["lm_head"], "kv_cache_scheme": "FP8""#,
        (8.0, 16.0, 16.0),
    ),
    // Everything that is a table or a matrix, with a scale and a bias of 16 bit a group.
    ("mlx 3", r#""bits": 3, "group_size": 64"#, (3.5, 3.5, 3.5)),
    ("mlx mxfp4", r#""bits": 4, "group_size": 32, "mode": "mxfp4""#, (4.25, 4.25, 4.25)),
    ("eetq", r#""quant_method": "eetq", "weights": "int8""#, (8.0, 16.0, 16.0)),
];

#[test]
fn every_method_takes_the_bits_it_packs_a_weight_into() {
    for (name, block, (matrix, head, embedding)) in METHODS {
        let text = llama(&format!(r#""torch_dtype": "bfloat16", "quantization_config": {{{block}}}"#));
        let model = parse(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let right = (MATRICES * matrix + TABLE * (head + embedding) + NORMS * 16.0) / 8.0;
        within(name, bytes(&model), right, 1e-6);
    }
}

#[test]
fn repositories_of_llama_8b_have_their_published_sizes() {
    // Sizes of the weight files on the hub: unsloth's bnb-4bit 5.70 GB, mlx-community's 4bit 4.52 GB, AMD's FP8 9.08 GB;
    // every tensor in 8 bit is a byte a parameter.
    for (name, gigabytes) in [("q-bnb-nf4", 5.70), ("q-mlx-4bit", 4.52), ("q-quark-fp8", 9.08), ("dtype-float8", 8.03)]
    {
        within(name, bytes(&file(&format!("{name}.json"))), gigabytes * 1e9, 0.005);
    }
}

#[test]
fn files_beside_the_configuration_are_read() {
    // Published sizes: NVIDIA's repositories on the hub.
    for (name, gigabytes, main) in [
        ("DeepSeek-V3.1-NVFP4", 415.0, Precision::Fp4),
        ("Llama-3.1-70B-Instruct-FP8", 72.7, Precision::Fp8),
        ("Qwen3-235B-A22B-NVFP4", 134.0, Precision::Fp4),
        ("NVIDIA-Nemotron-3-Super-120B-A12B-FP8", 124.0, Precision::Fp8),
        ("NVIDIA-Nemotron-3-Nano-30B-A3B-NVFP4", 19.0, Precision::Fp4),
    ] {
        let model = file(name);
        assert_eq!((model.name.as_str(), model.main_format()), (name, main));
        // NVIDIA leaves DeepSeek's layer that only guesses tokens in 16 bit; the repository holds it.
        within(name, bytes(&model) + model.mtp_bytes().get(), gigabytes * 1e9, 0.03);
        // By its file as by its folder.
        assert_eq!(bytes(&file(&format!("{name}/config.json"))), bytes(&model), "{name}");
    }
}

#[test]
fn a_layer_left_alone_stays_one_layer() {
    let model = file("exclude-one-layer.json");
    // 16 layers of 2048 x (2048 + 1024) + 2048 x 2048 in attention and 3 x 2048 x 8192 in the network, a tied table.
    let (attention, network) = (2048.0 * 5120.0, 3.0 * 2048.0 * 8192.0);
    let packed = (15.0 * attention + 16.0 * network) * 4.5 / 8.0;
    let right = packed + 2.0 * (attention + 128_256.0 * 2048.0 + 33.0 * 2048.0);
    within("one layer of NVFP4", bytes(&model), right, 1e-9);
    assert_eq!(
        (model.native.attention.format, model.native.attention.bits),
        (Precision::Fp4, (15.0 * 4.5 + 16.0) / 16.0)
    );
}

#[test]
fn layers_of_a_mixture_are_counted_as_each_is_stored() {
    // Qwen3.6-35B-A3B: attention and delta nets in FP8, experts, shared experts and head in NVFP4 (weights alone).
    let native = file("Qwen3.6-35B-A3B-NVFP4").native;
    assert_eq!((native.experts.format, native.experts.bits), (Precision::Fp4, 4.5));
    assert_eq!((native.experts.activations, native.head.format), (Some(Precision::Bf16), Precision::Fp4));
    assert_eq!((native.attention.format, native.embedding.format), (Precision::Fp8, Precision::Bf16));
    // The small projections of the delta nets' decays stay in 16 bit.
    assert!(native.attention.bits > 8.0 && native.attention.bits < 8.2, "{}", native.attention.bits);

    // MiniMax-M2.5: attention and head in 16 bit in every layer, experts in NVFP4.
    let native = file("MiniMax-M2.5-NVFP4").native;
    let bits = [native.attention, native.head, native.router, native.experts].map(|stored| stored.bits);
    assert_eq!(bits, [16.0, 16.0, 16.0, 4.5]);

    let fp8 = r#"{"num_bits": 8, "type": "float", "strategy": "channel"}"#;
    let int4 = r#"{"num_bits": 4, "type": "int", "group_size": 128, "symmetric": true}"#;
    let groups = format!(
        r#""a": {{"targets": ["re:.*self_attn.*"], "weights": {fp8}}}, "b": {{"targets": ["Linear"], "weights": {int4}}}"#
    );
    let text = llama(&format!(
        r#""dtype": "bfloat16", "quantization_config": {{"quant_method": "compressed-tensors", "format": "mixed-precision",
        "ignore": ["lm_head", "re:.*layers\\.3\\.mlp\\.down_proj"], "config_groups": {{{groups}}}}}"#
    ));
    let model = parse(text).unwrap();
    let (attention, network) = (32.0 * 4096.0 * 10_240.0, 32.0 * 3.0 * 4096.0 * 14_336.0);
    let alone = 4096.0 * 14_336.0;
    let right = attention + (network - alone) * 4.125 / 8.0 + 2.0 * (alone + 2.0 * TABLE + NORMS);
    within("two groups", bytes(&model), right, 1e-9);
}

#[test]
fn exceptions_by_name_are_those_modules() {
    let one = 4096.0 * 14_336.0;
    let base = |matrix: f64, table: f64| (MATRICES * matrix + 2.0 * TABLE * table + NORMS * 16.0) / 8.0;
    let with = |block: &str| {
        let text = llama(&format!(r#""torch_dtype": "bfloat16", {block}"#));
        bytes(&parse(text).unwrap_or_else(|error| panic!("{block}: {error}")))
    };
    let mlx = r#""quantization": {"bits": 4, "group_size": 64, "model.layers.3.mlp.down_proj": {"bits": 8, "group_size": 64},
        "model.layers.4.mlp.down_proj": false}"#;
    within("mlx", with(mlx), base(4.5, 4.5) + one * (4.0 + 11.5) / 8.0, 1e-9);
    let gptq = r#""quantization_config": {"quant_method": "gptq", "bits": 4, "group_size": 128,
        "dynamic": {"-:.*layers\\.0\\..*down_proj": {}, "+:.*layers\\.1\\..*down_proj": {"bits": 8}}}"#;
    let (four, eight) = (4.0 + 20.0 / 128.0, 8.0 + 24.0 / 128.0);
    within("gptq", with(gptq), base(four, 16.0) + one * (16.0 - four + eight - four) / 8.0, 1e-9);
    let round = r#""quantization_config": {"quant_method": "auto-round", "bits": 4, "group_size": 128, "data_type": "int", "sym": true,
        "extra_config": {"model.layers.31.mlp.up_proj": {"bits": 16, "group_size": -1, "data_type": "fp"}}}"#;
    within("auto-round", with(round), base(four, 16.0) + one * (16.0 - four) / 8.0, 1e-9);
    let quark = r#""quantization_config": {"quant_method": "quark", "exclude": ["lm_head"], "global_quant_config": {"weight":
        {"dtype": "fp4", "group_size": 32, "scale_format": "e8m0"}}, "layer_quant_config": {"*self_attn*": {"weight":
        {"dtype": "fp8_e4m3", "qscheme": "per_channel"}}}}"#;
    within("quark", with(quark), base(4.25, 16.0) + 32.0 * 4096.0 * 10_240.0 * 3.75 / 8.0, 1e-9);
    let fp8 = r#""quantization_config": {"quant_method": "fp8", "ignored_layers": ["model.layers.2.mlp", "lm_head"]}"#;
    within("fp8", with(fp8), base(8.0, 16.0) + 3.0 * one, 1e-9);
}

#[test]
fn what_is_not_understood_is_an_error_that_names_it() {
    for (block, said) in [
        (r#""quantization_config": {"quant_method": "vptq"}"#, "vptq"),
        (
            r#""quantization_config": {"quant_method": "awq", "bits": 4, "group_size": 128, "sparsity": 0.5}"#,
            "sparsity",
        ),
        (r#""quantization_config": {"quant_method": "gptq", "bits": 9, "group_size": 128}"#, "bits"),
        (r#""quantization_config": {"bits": 4}"#, "quant_method"),
        (r#""quantization_config": {"quant_method": "modelopt", "quant_algo": "FP6"}"#, "quant_algo"),
        (r#""quantization_config": {"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION"}"#, "quantized_layers"),
        (r#""quantization_config": {"quant_method": "fp8", "ignored_layers": ["model.layers.2.mlq"]}"#, "mlq"),
        (r#""quantization_config": {"quant_method": "torchao", "quant_type": "autoquant"}"#, "quant_type"),
        (
            r#""quantization_config": {"quant_method": "hqq", "quant_config": {"weight_quant_params": {"nbits": 5}}}"#,
            "nbits",
        ),
        (
            r#""quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": true, "bnb_4bit_quant_type": "nf3"}"#,
            "bnb_4bit_quant_type",
        ),
        (
            r#""quantization_config": {"quant_method": "compressed-tensors", "format": "marlin-24", "config_groups": {}}"#,
            "marlin-24",
        ),
        (r#""quantization": {"bits": 4, "group_size": 64, "mode": "ternary"}"#, "mode"),
    ] {
        let error = parse(llama(&format!(r#""torch_dtype": "bfloat16", {block}"#))).expect_err(block);
        assert!(error.contains(said), "{block}: {error}");
    }
    let auto = parse(llama(r#""torch_dtype": "auto""#)).expect_err("no data type");
    assert!(auto.contains("auto") && auto.contains("bfloat16"), "{auto}");
}

#[test]
fn an_index_must_agree_with_what_was_counted() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let load = || {
        let name = format!("{}/", folder.path().display());
        ModelSpec::load(&Catalog::embedded(), &name, Path::new(".")).map_err(|error| error.render(false))
    };
    write("config.json", &llama(r#""torch_dtype": "bfloat16""#));
    write(
        "model.safetensors.index.json",
        r#"{"metadata": {"total_size": 16060522496}, "weight_map": {"lm_head.weight": "a"}}"#,
    );
    let model = load().unwrap();
    assert!(model.notes.iter().any(|note| note.contains("16.06 GB")), "{:?}", model.notes);
    write("model.safetensors.index.json", r#"{"metadata": {"total_size": 9081000000}, "weight_map": {}}"#);
    let error = load().expect_err("another size");
    assert!(error.contains("9.08 GB") && error.contains("16.06 GB"), "{error}");
    // The quantisation that explains it.
    write("hf_quant_config.json", r#"{"producer": {"name": "modelopt"}, "quantization": {"quant_algo": "FP8"}}"#);
    assert_eq!(load().unwrap().main_format(), Precision::Fp8);
}

#[test]
fn every_format_of_a_scenario_has_a_name_of_its_own_and_fewer_bits_than_the_wider_one() {
    let all = Precision::ALL;
    let names: std::collections::BTreeSet<&str> = all.iter().map(|p| p.name()).collect();
    assert_eq!(names.len(), all.len());
    let files: Vec<f64> =
        all.iter().filter(|p| p.is_of_a_file() && p.name().starts_with('q')).map(|p| p.bits()).collect();
    assert!(files.len() > 10 && files.iter().all(|bits| (2.0..9.0).contains(bits)));
    for precision in all {
        let text = serde_json::to_string(&precision).unwrap();
        assert_eq!(text, format!("\"{precision}\""), "one spelling");
    }
}

#[test]
fn a_hub_id_is_found_in_the_local_cache() {
    let cache = tempfile::tempdir().unwrap();
    let run = |id: &str| {
        let mut command = assert_cmd::Command::cargo_bin("underdog").unwrap();
        let run = command.args(["model", id, "-f", "json"]).env("HF_HUB_CACHE", cache.path()).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (run.status.code().unwrap(), text(run.stdout), text(run.stderr))
    };
    let folder = cache.path().join("models--maker--eight");
    let put = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let (code, _, error) = run("maker/eight");
    assert_eq!(code, 2, "{error}");
    assert!(error.contains("hub cache") && error.contains("hf download maker/eight"), "{error}");
    put("snapshots/0ld/config.json", "{}");
    put("snapshots/n3w/config.json", &llama(r#""torch_dtype": "bfloat16""#));
    let (code, _, error) = run("maker/eight");
    assert_eq!(code, 2, "two revisions and none of them main: {error}");
    put("refs/main", "n3w\n");
    put(
        "snapshots/n3w/hf_quant_config.json",
        r#"{"quantization": {"quant_algo": "FP8", "exclude_modules": ["lm_head"]}}"#,
    );
    let (code, out, error) = run("maker/eight");
    assert_eq!(code, 0, "{error}");
    let row = &serde_json::from_str::<serde_json::Value>(&out).unwrap()["rows"][0];
    assert_eq!(row["model"], "eight");
    within("in 8 bit", row["weight_bytes"].as_f64().unwrap(), MATRICES + 4.0 * TABLE + 2.0 * NORMS, 1e-9);
}
