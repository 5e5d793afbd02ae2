//! Every field of a file is used, known to be irrelevant, or refused: made-up fields of consequence are put into
//! every configuration.

use super::{entry, names};
use std::path::Path;
use underdog::catalog::{Catalog, Entry, ModelFile};
use underdog::diagnostic::Diagnostic;
use underdog::model::ModelSpec;

/// Fields that change what is counted where they mean something, known to some class or to none.
const MADE_UP: [(&str, &str); 20] = [
    ("n_shared_widgets", "4"),
    ("num_experts", "7"),
    ("num_local_experts", "7"),
    ("num_shared_experts", "3"),
    ("moe_intermediate_size", "512"),
    ("shared_expert_intermediate_size", "4096"),
    ("first_k_dense_replace", "5"),
    ("sliding_window", "777"),
    ("attention_chunk_size", "777"),
    ("layer_kinds", "[\"wide\", \"narrow\"]"),
    ("mixer_layers", "[1, 2, 3]"),
    ("kv_lora_rank", "99"),
    ("index_topk", "99"),
    ("mamba_d_state", "16"),
    ("linear_num_value_heads", "8"),
    ("num_nextn_predict_layers", "5"),
    ("cross_attention_layers", "[3, 7]"),
    ("adapter_block", "{ \"hidden_size\": 64 }"),
    ("memory_tokens_per_layer", "64"),
    ("extra_norm", "true"),
];

/// Where a class is known to leave a field unused, and why: the field, the beginning of the file's name.
const UNUSED: [(&str, &[&str]); 1] = [
    // Qwen's window holds only where `use_sliding_window` is true.
    ("sliding_window", &["qwen2.5-", "qwen3-14b", "qwen3-4b"]),
];

/// Every configuration that is read: those here and those of the catalogue.
fn all() -> Vec<Entry> {
    let catalog = Catalog::embedded();
    let embedded = catalog.models().into_iter().map(|name| catalog.model(&name, Path::new("")).expect("a model"));
    let embedded = embedded.filter_map(ModelFile::config);
    names(false).iter().map(|name| entry(name)).chain(embedded).collect()
}

fn parse(entry: &Entry, text: String) -> Result<ModelSpec, Diagnostic> {
    ModelSpec::parse(&Entry { text: text.into(), ..entry.clone() })
}

/// The text with a field put at the beginning of its language part, or of the whole.
fn with(text: &str, key: &str, value: &str, inside: bool) -> Option<String> {
    let start = match inside {
        true => text.find("\"text_config\"").and_then(|at| Some(at + text[at..].find('{')?))?,
        false => text.find('{')?,
    };
    Some(format!("{}{{ \"{key}\": {value}, {}", &text[..start], &text[start + 1..]))
}

#[test]
fn a_made_up_field_is_never_ignored() {
    let files = all();
    assert!(files.len() >= 100, "only {} files", files.len());
    let (mut tried, mut ignored) = (0, String::new());
    for file in &files {
        let plain = parse(file, file.text.to_string()).expect("a model");
        for (key, value) in MADE_UP {
            let unused = UNUSED.iter().any(|(k, names)| *k == key && names.iter().any(|n| file.name.starts_with(n)));
            if file.text.contains(&format!("\"{key}\":")) || unused {
                continue;
            }
            for inside in [false, true] {
                let Some(text) = with(&file.text, key, value, inside) else { continue };
                tried += 1;
                // Read as a part the class has, it changes the model; else it is refused by name.
                match parse(file, text) {
                    Ok(model) if model != plain => {}
                    Ok(_) => ignored += &format!("{}: {key}, inside {inside}\n", file.name),
                    Err(error) => {
                        let message = error.render(false);
                        if !message.contains(key) || !message.contains('^') {
                            ignored += &format!("{}: {key} is not named in: {message}\n", file.name);
                        }
                    }
                }
            }
        }
    }
    assert!(ignored.is_empty(), "{ignored}");
    assert!(tried > 2000, "only {tried} tries");
}

/// Fields that say nothing pass, whatever their name.
#[test]
fn what_says_nothing_passes() {
    let file = entry("llama-3.2-1b");
    let plain = parse(&file, file.text.to_string()).expect("a model");
    for value in ["null", "false", "0", "0.0", "\"\"", "[]", "{}"] {
        let text = with(&file.text, "num_widgets", value, false).expect("an object");
        assert_eq!(parse(&file, text).expect("nothing is said"), plain, "{value}");
    }
    for value in ["true", "1", "\"yes\"", "[0]", "{ \"a\": 0 }"] {
        let text = with(&file.text, "num_widgets", value, false).expect("an object");
        assert!(parse(&file, text).is_err(), "{value}");
    }
}

/// Two names of one thing may stand side by side where they agree.
#[test]
fn names_of_one_thing_must_agree() {
    let file = entry("qwen2-57b-a14b");
    let try_with = |value| parse(&file, with(&file.text, "n_routed_experts", value, false).expect("an object"));
    assert!(try_with("64").is_ok());
    let error = try_with("32").expect_err("it contradicts `num_experts`").render(false);
    assert!(error.contains("num_experts") && error.contains("n_routed_experts"), "{error}");
}

/// A file that names one class by its architecture and another by its type is refused: so is a file of one class
/// under the name of another.
#[test]
fn a_file_is_not_read_as_another_class() {
    let jamba = entry("jamba-v0.1");
    for name in ["LlamaForCausalLM", "MixtralForCausalLM", "Qwen3ForCausalLM"] {
        let error = parse(&jamba, jamba.text.replace("JambaForCausalLM", name)).expect_err(name).render(false);
        assert!(error.contains("is not a field this architecture is known to have"), "{error}");
    }
    let next = entry("qwen3-next-80b-a3b");
    let error = parse(&next, next.text.replace("Qwen3NextForCausalLM", "Qwen3ForCausalLM")).expect_err("another class");
    assert!(error.render(false).contains("model_type"));
}

/// A file written by `to_dict`, which names no architecture, is read by its type.
#[test]
fn the_type_stands_in_for_the_architecture() {
    let file = entry("phi-4");
    let plain = parse(&file, file.text.to_string()).expect("a model");
    let text = file.text.replacen("\"Phi3ForCausalLM\"", "", 1).replacen("\"architectures\"", "\"bad_words_ids\"", 1);
    let read = parse(&file, text).expect("a model");
    assert_eq!((read.layers, read.architecture.as_str()), (plain.layers, "Phi3ForCausalLM"));
}
