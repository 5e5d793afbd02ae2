//! GGUF files: headers written here, read to the exact bytes of their tensors, and hostile ones refused at once.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use underdog::catalog::Catalog;
use underdog::model::{ModelSpec, Weights};
use underdog::precision::Precision;

/// Types of ggml: number, values and bytes of a block (ggml-common.h).
const F32: (u32, u64, u64) = (0, 1, 4);
const F16: (u32, u64, u64) = (1, 1, 2);
const Q5_0: (u32, u64, u64) = (6, 32, 22);
const Q8_0: (u32, u64, u64) = (8, 32, 34);
const Q4_K: (u32, u64, u64) = (12, 256, 144);
const Q6_K: (u32, u64, u64) = (14, 256, 210);
const IQ2_XXS: (u32, u64, u64) = (16, 256, 66);
const MXFP4: (u32, u64, u64) = (39, 32, 17);

/// A header while it is written.
#[derive(Default)]
struct Writer {
    metadata: Vec<u8>,
    entries: u64,
    tensors: Vec<u8>,
    count: u64,
    bytes: u64,
}

impl Writer {
    fn text(out: &mut Vec<u8>, text: &str) {
        out.extend((text.len() as u64).to_le_bytes());
        out.extend(text.as_bytes());
    }

    fn entry(mut self, key: &str, kind: u32, value: &[u8]) -> Self {
        Self::text(&mut self.metadata, key);
        self.metadata.extend(kind.to_le_bytes());
        self.metadata.extend(value);
        self.entries += 1;
        self
    }

    fn word(self, key: &str, word: &str) -> Self {
        let mut value = Vec::new();
        Self::text(&mut value, word);
        self.entry(key, 8, &value)
    }

    fn number(self, key: &str, number: u32) -> Self {
        self.entry(key, 4, &number.to_le_bytes())
    }

    /// An array of texts, as vocabularies are.
    fn words(self, key: &str, count: u64) -> Self {
        let mut value = 8_u32.to_le_bytes().to_vec();
        value.extend(count.to_le_bytes());
        (0..count).for_each(|word| Self::text(&mut value, &format!("word {word}")));
        self.entry(key, 9, &value)
    }

    fn tensor(&mut self, name: &str, sides: &[u64], (number, block, bytes): (u32, u64, u64)) {
        Self::text(&mut self.tensors, name);
        self.tensors.extend((sides.len() as u32).to_le_bytes());
        sides.iter().for_each(|side| self.tensors.extend(side.to_le_bytes()));
        self.tensors.extend(number.to_le_bytes());
        self.tensors.extend(self.bytes.to_le_bytes());
        let values: u64 = sides.iter().product();
        assert!(sides[0].is_multiple_of(block), "{name}");
        self.bytes += values / block * bytes;
        self.count += 1;
    }

    fn file(&self) -> Vec<u8> {
        let mut out = b"GGUF".to_vec();
        out.extend(3_u32.to_le_bytes());
        out.extend(self.count.to_le_bytes());
        out.extend(self.entries.to_le_bytes());
        out.extend(&self.metadata);
        out.extend(&self.tensors);
        out
    }
}

fn metadata(architecture: &str, numbers: &[(&str, u32)]) -> Writer {
    let plain = Writer::default().word("general.architecture", architecture).words("tokenizer.ggml.tokens", 1000);
    numbers.iter().fold(plain, |writer, (key, number)| writer.number(&format!("{architecture}.{key}"), *number))
}

/// Qwen2.5-0.5B as llama.cpp writes it: rows of 896 do not divide into blocks of 256, so that most of a Q4_K_M are of
/// 32; the down projection, 4864 long, is of K-quants.
fn qwen() -> Writer {
    let mut file = metadata(
        "qwen2",
        &[
            ("block_count", 24),
            ("context_length", 32_768),
            ("embedding_length", 896),
            ("feed_forward_length", 4864),
            ("attention.head_count", 14),
            ("attention.head_count_kv", 2),
        ],
    )
    .number("general.file_type", 15);
    file.tensor("token_embd.weight", &[896, 151_936], Q8_0);
    file.tensor("output_norm.weight", &[896], F32);
    for layer in 0..24 {
        let mut put = |name: &str, sides: &[u64], kind| file.tensor(&format!("blk.{layer}.{name}"), sides, kind);
        put("attn_norm.weight", &[896], F32);
        put("ffn_norm.weight", &[896], F32);
        put("attn_q.weight", &[896, 896], Q5_0);
        put("attn_q.bias", &[896], F32);
        for name in ["attn_k", "attn_v"] {
            put(&format!("{name}.weight"), &[896, 128], if name == "attn_v" { Q8_0 } else { Q5_0 });
            put(&format!("{name}.bias"), &[128], F32);
        }
        put("attn_output.weight", &[896, 896], Q5_0);
        put("ffn_gate.weight", &[896, 4864], Q5_0);
        put("ffn_up.weight", &[896, 4864], Q5_0);
        put("ffn_down.weight", &[4864, 896], if layer < 12 { Q6_K } else { Q4_K });
    }
    file
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn load(path: &Path) -> Result<ModelSpec, String> {
    let name = path.display().to_string();
    ModelSpec::load(&Catalog::embedded(), &name, Path::new(".")).map_err(|error| error.render(false))
}

#[test]
fn a_model_of_half_a_billion_is_read_to_its_exact_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let file = qwen();
    let model = load(&write(folder.path(), "qwen.gguf", &file.file())).unwrap_or_else(|error| panic!("{error}"));
    // The model card of Qwen2.5-0.5B: 0.49 B parameters.
    assert_eq!(model.parameters_total(), 494_032_768);
    assert_eq!(model.weight_bytes(Weights::Native).get().round() as u64, file.bytes);
    assert_eq!((model.layer_count(), model.hidden, model.max_context), (24, 896, Some(32_768)));
    assert!(model.tied_embeddings);
    // The same shapes as the configuration of the published model gives: 24 layers of 2 x 2 x 64 cached values.
    assert_eq!(model.kv_bytes(1, Precision::Bf16).get(), 24.0 * 2.0 * 2.0 * 64.0 * 2.0);
    assert_eq!(model.native.embedding.format, Precision::Q8_0);
    assert_eq!((model.native.embedding.bits, model.native.rest.bits), (8.5, 32.0));
    let halves = (6.5625 + 4.5) / 2.0;
    let dense = (2.0 * 5.5 + halves) / 3.0;
    assert!((model.native.dense.bits - dense).abs() < 1e-9, "{}", model.native.dense.bits);
}

#[test]
fn experts_and_their_vectors_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let (hidden, inter, experts, layers) = (2880_u64, 2880_u64, 32_u64, 4_u32);
    let mut file = metadata(
        "gpt-oss",
        &[
            ("block_count", layers),
            ("context_length", 131_072),
            ("embedding_length", hidden as u32),
            ("feed_forward_length", inter as u32),
            ("expert_feed_forward_length", inter as u32),
            ("attention.head_count", 64),
            ("attention.head_count_kv", 8),
            ("attention.key_length", 64),
            ("attention.value_length", 64),
            ("attention.sliding_window", 128),
            ("expert_count", experts as u32),
            ("expert_used_count", 4),
        ],
    );
    file.tensor("token_embd.weight", &[hidden, 201_088], Q8_0);
    file.tensor("output.weight", &[hidden, 201_088], Q8_0);
    file.tensor("output_norm.weight", &[hidden], F32);
    for layer in 0..layers {
        let mut put = |name: &str, sides: &[u64], kind| file.tensor(&format!("blk.{layer}.{name}"), sides, kind);
        put("attn_norm.weight", &[hidden], F32);
        put("post_attention_norm.weight", &[hidden], F32);
        for (name, width) in [("attn_q", 4096), ("attn_k", 512), ("attn_v", 512)] {
            put(&format!("{name}.weight"), &[hidden, width], Q8_0);
            put(&format!("{name}.bias"), &[width], F32);
        }
        put("attn_output.weight", &[4096, hidden], Q8_0);
        put("attn_output.bias", &[hidden], F32);
        put("attn_sinks.weight", &[64], F32);
        put("ffn_gate_inp.weight", &[hidden, experts], F32);
        put("ffn_gate_inp.bias", &[experts], F32);
        for (name, from, to) in
            [("ffn_gate_exps", hidden, inter), ("ffn_up_exps", hidden, inter), ("ffn_down_exps", inter, hidden)]
        {
            put(&format!("{name}.weight"), &[from, to, experts], MXFP4);
            put(&format!("{name}.bias"), &[to, experts], F32);
        }
    }
    let model = load(&write(folder.path(), "oss.gguf", &file.file())).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(model.weight_bytes(Weights::Native).get().round() as u64, file.bytes);
    assert_eq!((model.main_format(), model.native.router.format), (Precision::Mxfp4, Precision::F32));
    // Half of the layers slide.
    assert_eq!(model.kv_bytes(1000, Precision::Bf16).get(), 2.0 * 2.0 * 512.0 * 2.0 * (1000.0 + 128.0));
}

#[test]
fn parts_of_a_split_file_are_read_together() {
    let folder = tempfile::tempdir().unwrap();
    let whole = qwen();
    // All metadata in the first part, and the embedding; the layers in the second.
    let mut head = qwen_metadata().entry("split.count", 2, &2_u16.to_le_bytes());
    head.tensor("token_embd.weight", &[896, 151_936], Q8_0);
    let mut rest = Writer::default().entry("split.count", 2, &2_u16.to_le_bytes());
    let skip = tensor_length("token_embd.weight", 2);
    rest.tensors = whole.tensors[skip..].to_vec();
    rest.count = whole.count - 1;
    let one = write(folder.path(), "q-00001-of-00002.gguf", &head.file());
    let error = load(&one).expect_err("a part is missing");
    assert!(error.contains("q-00002-of-00002.gguf"), "{error}");
    let two = write(folder.path(), "q-00002-of-00002.gguf", &rest.file());
    for part in [one, two] {
        let model = load(&part).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(model.weight_bytes(Weights::Native).get().round() as u64, whole.bytes);
    }
}

fn qwen_metadata() -> Writer {
    let whole = qwen();
    Writer { metadata: whole.metadata, entries: whole.entries, ..Writer::default() }
}

/// Bytes of a tensor's description.
const fn tensor_length(name: &str, sides: usize) -> usize {
    8 + name.len() + 4 + 8 * sides + 4 + 8
}

#[test]
fn a_lie_about_counts_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let good = qwen().file();
    let with = |at: usize, bytes: &[u8]| {
        let mut all = good.clone();
        all[at..at + bytes.len()].copy_from_slice(bytes);
        all
    };
    let huge = |kind: u32, count: u64| {
        let mut value = kind.to_le_bytes().to_vec();
        value.extend(count.to_le_bytes());
        Writer::default().entry("general.lie", 9, &value).file()
    };
    let deep = {
        let mut value = Vec::new();
        for _ in 0..1000 {
            value.extend(9_u32.to_le_bytes());
            value.extend(1_u64.to_le_bytes());
        }
        Writer::default().entry("general.deep", 9, &value).file()
    };
    let mut sides = qwen_metadata();
    sides.tensor("token_embd.weight", &[1 << 40, 1 << 20], F16);
    let mut unknown = qwen();
    unknown.tensor("blk.0.altup_proj.weight", &[896, 896], F16);
    let mut type_99 = qwen();
    type_99.tensor("blk.0.attn_q.weight", &[896, 896], (99, 1, 1));
    let long_name = {
        let mut all = good[..24].to_vec();
        all.extend(u64::MAX.to_le_bytes());
        all
    };
    for (name, bytes, said) in [
        ("magic", with(0, b"GGML"), "no GGUF"),
        ("version 1", with(4, &1_u32.to_le_bytes()), "version 1"),
        ("big-endian", with(4, &3_u32.to_be_bytes()), "big-endian"),
        ("tensors", with(8, &u64::MAX.to_le_bytes()), "tensors"),
        ("entries", with(16, &u64::MAX.to_le_bytes()), "metadata entries"),
        ("a million entries", with(16, &100_000_u64.to_le_bytes()), ""),
        ("words", huge(8, u64::MAX), "claims"),
        ("a few million words", huge(8, 10_000_000), "cut short"),
        ("numbers", huge(4, 1 << 61), "claims"),
        ("deep arrays", deep, "arrays"),
        ("sides", sides.file(), "sides"),
        ("a part nobody knows", unknown.file(), "altup_proj"),
        ("a type nobody knows", type_99.file(), "type 99"),
        ("a long name", long_name, "bytes"),
        ("empty", Vec::new(), "cut short"),
        ("half", good[..good.len() / 2].to_vec(), "cut short"),
        ("without tensors", qwen_metadata().file(), "token_embd.weight"),
        (
            "another architecture",
            metadata("rwkv7", &[("block_count", 2), ("embedding_length", 64), ("attention.head_count", 1)]).file(),
            "",
        ),
    ] {
        let path = write(folder.path(), "lie.gguf", &bytes);
        let start = Instant::now();
        let error = load(&path).expect_err(name);
        assert!(error.contains(said) && error.contains("lie.gguf"), "{name}: {error}");
        assert!(start.elapsed() < Duration::from_secs(2), "{name} took {:?}", start.elapsed());
    }
}

#[test]
fn tensors_that_are_not_the_described_model_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut more = qwen();
    more.tensor("output.weight", &[896, 100_000], F16);
    let error = load(&write(folder.path(), "more.gguf", &more.file())).expect_err("two tables of different sizes");
    assert!(error.contains("parameters"), "{error}");
    let mut rwkv = metadata("rwkv7", &[("block_count", 2), ("embedding_length", 64), ("attention.head_count", 1)]);
    rwkv.tensor("token_embd.weight", &[256, 100], IQ2_XXS);
    let error = load(&write(folder.path(), "rwkv.gguf", &rwkv.file())).expect_err("rwkv");
    assert!(error.contains("rwkv7") && error.contains("qwen3moe"), "{error}");
}
