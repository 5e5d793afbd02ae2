//! llama-bench (ggml-org/llama.cpp@08d0baa: `tools/llama-bench/README.md`): its JSON, JSON lines, CSV and Markdown.
//!
//! A row is a prompt (`pp512`), an answer (`tg128`), or both one after the other (`pp512+tg128`), behind a cache of so
//! many tokens (`@ d4096`).

use super::measured::{Measured, flag, number, text};
use crate::catalog::names::published;
use crate::device::{Device, matching};
use crate::precision::Precision;
use crate::validate::Point;
use serde_json::{Map, Value, json};

/// The micro-batch that the estimate has where a file says nothing (`n_ubatch`).
const MICRO_BATCH: u64 = 512;

/// Reads a row; `None` where the object is of another tool.
pub fn read(object: &Value, known: &[String], sheets: &[Device]) -> Option<Result<Measured, String>> {
    let own = ["n_prompt", "n_gen", "avg_ts"].iter().all(|key| object.get(key).is_some());
    own.then(|| row(object, known, sheets))
}

fn row(object: &Value, known: &[String], sheets: &[Device]) -> Result<Measured, String> {
    refuse(object)?;
    let rate = number(object, &["avg_ts"]).ok_or("`avg_ts` is missing or not above 0")?;
    let tokens = |key: &str| number(object, &[key]).unwrap_or(0.0);
    let (prompt, answer, depth) = (tokens("n_prompt"), tokens("n_gen"), tokens("n_depth"));
    let file = text(object, &["model_filename"]).unwrap_or_default();
    let label = text(object, &["model_type"]).unwrap_or_default();
    let names = published(file, known);
    let (weights, device, devices) = (format(label, names.format.as_deref()), device(object, sheets), cards(object)?);
    let mut point = Point {
        id: name(prompt, answer, depth),
        family: "llama-bench".to_owned(),
        engine: format!("llama.cpp {}", text(object, &["build_commit"]).unwrap_or_default()),
        engine_kind: "llama.cpp".to_owned(),
        model: names.model.unwrap_or_default(),
        precision: weights.map(|w| w.name().to_owned()).unwrap_or_default(),
        device: device.unwrap_or_default(),
        devices,
        pp: devices.filter(|n| *n > 1.0),
        input_tokens: Some(prompt),
        output_tokens: Some(answer),
        concurrency: Some(1.0),
        date: text(object, &["test_time"]).and_then(|t| t.get(..10)).unwrap_or_default().to_owned(),
        notes: format!("{label} {file}").trim().to_owned(),
        ..Point::default()
    };
    let mut not_predicted = None;
    let (mut input_tok_s, mut output_tok_s) = (None, None);
    if answer == 0.0 {
        point.phase = "prefill".to_owned();
        point.ttft_ms = Some(prompt / rate * 1e3);
        input_tok_s = Some(rate);
        if depth > 0.0 {
            not_predicted = Some(format!("`n_depth`: a prompt behind {depth} cached tokens is not predicted"));
        }
    } else if prompt == 0.0 {
        point.phase = "decode".to_owned();
        point.context_tokens = Some(depth + answer / 2.0);
        point.tpot_ms = Some(1e3 / rate);
        output_tok_s = Some(rate);
    } else {
        point.phase = "both".to_owned();
        output_tok_s = Some(rate * answer / (prompt + answer));
        if depth > 0.0 {
            not_predicted = Some(format!("`n_depth`: a prompt behind {depth} cached tokens is not predicted"));
        }
    }
    Ok(Measured {
        point,
        input_tok_s,
        output_tok_s,
        weights,
        kv_cache: cache(object)?,
        micro_batch: Some(micro_batch(object)),
        accepted: None,
        not_predicted,
    })
}

/// Tokens of a micro-batch, which no batch is smaller than.
fn micro_batch(object: &Value) -> u64 {
    let given = |key: &str| number(object, &[key]).map(|n| n as u64);
    given("n_ubatch").unwrap_or(MICRO_BATCH).min(given("n_batch").unwrap_or(u64::MAX))
}

/// What is not predicted, by the column that says it.
fn refuse(object: &Value) -> Result<(), String> {
    let flags = [
        ("embeddings", "embeddings are computed, no answers"),
        ("no_kv_offload", "the cache lies in the host's memory"),
    ];
    if let Some((key, why)) = flags.into_iter().find(|(key, _)| flag(object, key)) {
        return Err(format!("`{key}`: {why}, which is not predicted"));
    }
    let numbers = [("n_cpu_moe", "experts lie on the host"), ("fit_target", "what does not fit lies on the host")];
    if let Some((key, why)) = numbers.into_iter().find(|(key, _)| number(object, &[key]).is_some()) {
        return Err(format!("`{key}`: {why}, which is not predicted"));
    }
    let backends: Vec<&str> =
        text(object, &["backends"]).unwrap_or_default().split([',', '+']).map(str::trim).collect();
    if backends != [""] && backends.iter().all(|b| HOST.contains(b)) || backends.contains(&"RPC") {
        let which = backends.join(",");
        return Err(format!(
            "`backends`: {which}: what the host's processor or another host computes is not predicted"
        ));
    }
    if text(object, &["tensor_buft_overrides"]).is_some_and(|t| t != "none") {
        return Err("`tensor_buft_overrides`: tensors on the host are not predicted".to_owned());
    }
    // -1 is all layers; 99 the usual way to write that, and no model this is used for has as many as are left out.
    let layers = object.get("n_gpu_layers").or_else(|| object.get("ngl"));
    let layers = layers.and_then(|v| v.as_i64().or_else(|| v.as_str()?.trim().parse().ok()));
    match layers {
        Some(n) if (0..MANY_LAYERS).contains(&n) => {
            Err(format!("`n_gpu_layers`: {n} layers on the device and the rest on the host are not predicted"))
        }
        _ => Ok(()),
    }
}

/// Backends that compute on the host's processor.
const HOST: [&str; 2] = ["CPU", "BLAS"];

/// So many layers are all of them: deeper models (Llama-3.1-405B has 126) are run with -1 or 99 as well.
const MANY_LAYERS: i64 = 99;

/// The name llama-bench gives a test.
fn name(prompt: f64, answer: f64, depth: f64) -> String {
    let parts = [("pp", prompt), ("tg", answer)];
    let test: Vec<String> = parts.iter().filter(|(_, n)| *n > 0.0).map(|(kind, n)| format!("{kind}{n}")).collect();
    let behind = if depth > 0.0 { format!(" @ d{depth}") } else { String::new() };
    test.join("+") + &behind
}

/// The format of the weights: of the file's name, else of the label, such as `qwen2 7B Q4_K - Medium`.
fn format(label: &str, named: Option<&str>) -> Option<Precision> {
    let known = |name: &str| Precision::ALL.into_iter().find(|p| p.name() == name);
    let lower = label.to_lowercase().replace(" - small", "_s").replace(" - medium", "_m").replace(" - large", "_l");
    let word = lower.split(' ').filter_map(known).next();
    named.and_then(known).or(word)
}

fn cache(object: &Value) -> Result<Option<Precision>, String> {
    let of = |key: &str| text(object, &[key]).unwrap_or("f16");
    let (keys, values) = (of("type_k"), of("type_v"));
    if keys != values {
        return Err(format!("`type_v`: values in {values} beside keys in {keys} are not predicted"));
    }
    let known = Precision::ALL.into_iter().find(|p| p.name() == keys);
    known.map(Some).ok_or_else(|| format!("`type_k`: the format {keys} of the cache is not known"))
}

/// The cards of a run, one behind the other; all of one kind.
fn cards(object: &Value) -> Result<Option<f64>, String> {
    let names: Vec<&str> =
        text(object, &["gpu_info"]).unwrap_or_default().split(", ").filter(|n| !n.is_empty()).collect();
    let shares = text(object, &["tensor_split"]).unwrap_or_default().split('/').filter_map(|s| s.parse::<f64>().ok());
    let shares: Vec<f64> = shares.filter(|share| *share > 0.0).collect();
    if shares.iter().any(|share| *share != shares[0]) {
        return Err("`tensor_split`: a model divided unevenly is not predicted".to_owned());
    }
    if text(object, &["split_mode"]) == Some("none") {
        return Ok(Some(1.0));
    }
    match text(object, &["devices"]).unwrap_or("auto") {
        "auto" => {}
        "none" => return Err("`devices`: none: a run on the host's processor is not predicted".to_owned()),
        chosen => return Ok(Some(chosen.split('/').count() as f64)),
    }
    match names.iter().find(|name| **name != names[0]) {
        Some(other) => Err(format!("`gpu_info`: {} beside {other} in one engine is not predicted", names[0])),
        None => Ok(Some(names.len() as f64).filter(|n| *n > 0.0)),
    }
}

/// The catalogue's name of the card, where its name is that of one device.
fn device(object: &Value, sheets: &[Device]) -> Option<String> {
    let name = text(object, &["gpu_info"])?.split(", ").next()?;
    match matching::named(name, sheets).as_slice() {
        [one] => Some(one.id.clone()),
        _ => None,
    }
}

/// Rows of a Markdown table as the JSON has them.
///
/// # Errors
/// Names the column that is not known, or the cell that is not understood.
pub fn of_markdown(table: &str) -> Option<Result<Vec<Value>, String>> {
    let cells =
        |line: &str| -> Vec<String> { line.trim().trim_matches('|').split('|').map(|c| c.trim().to_owned()).collect() };
    let mut lines = table.lines().filter(|line| line.trim_start().starts_with('|')).map(cells);
    let header = lines.next()?;
    if !(header.iter().any(|h| h == "t/s") && header.iter().any(|h| h == "test")) {
        return None;
    }
    let rows = lines.filter(|cells| !cells.iter().all(|c| c.trim_matches([':', '-']).is_empty()) && *cells != header);
    Some(rows.map(|cells| markdown_row(&header, &cells)).collect())
}

/// Columns of the Markdown table, and what the JSON calls them.
const COLUMNS: [(&str, &str); 18] = [
    ("model", "model_type"),
    ("size", ""),
    ("params", ""),
    ("backend", "backends"),
    ("threads", ""),
    ("ngl", "n_gpu_layers"),
    ("n_batch", "n_batch"),
    ("n_ubatch", "n_ubatch"),
    ("type_k", "type_k"),
    ("type_v", "type_v"),
    ("fa", "flash_attn"),
    ("sm", "split_mode"),
    ("mmap", ""),
    ("nkvo", "no_kv_offload"),
    ("n_cpu_moe", "n_cpu_moe"),
    ("ts", "tensor_split"),
    ("embd", "embeddings"),
    ("dev", "devices"),
];

fn markdown_row(header: &[String], cells: &[String]) -> Result<Value, String> {
    let mut row = Map::new();
    for (column, cell) in header.iter().zip(cells) {
        match column.as_str() {
            "test" => {
                let (prompt, answer, depth) =
                    test(cell).ok_or_else(|| format!("`test`: \"{cell}\" is not understood"))?;
                row.extend(
                    [("n_prompt", prompt), ("n_gen", answer), ("n_depth", depth)]
                        .map(|(k, n)| (k.to_owned(), json!(n))),
                );
            }
            "t/s" => {
                let rate = cell.split('±').next().unwrap_or_default().trim().parse::<f64>();
                row.insert("avg_ts".to_owned(), json!(rate.map_err(|_| format!("`t/s`: \"{cell}\" is no number"))?));
            }
            other => match COLUMNS.iter().find(|(name, _)| *name == other) {
                Some((_, "")) => {}
                Some((_, key)) => drop(row.insert((*key).to_owned(), json!(cell))),
                None => return Err(format!("the column `{other}` is not known; `-o json` says more")),
            },
        }
    }
    Ok(Value::Object(row))
}

/// `pp512`, `tg 128`, `pp512+tg128 @ d4096`: tokens of the prompt, of the answer, and cached before.
fn test(cell: &str) -> Option<(u64, u64, u64)> {
    let plain: String = cell.chars().filter(|c| !c.is_whitespace()).collect();
    let (what, depth) =
        plain.split_once("@d").map_or((plain.as_str(), Some(0)), |(what, depth)| (what, depth.parse().ok()));
    let (mut prompt, mut answer) = (0, 0);
    for part in what.split('+') {
        match (part.strip_prefix("pp"), part.strip_prefix("tg")) {
            (Some(tokens), _) => prompt = tokens.parse().ok()?,
            (_, Some(tokens)) => answer = tokens.parse().ok()?,
            _ => return None,
        }
    }
    Some((prompt, answer, depth?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_and_labels_are_read_in_every_spelling() {
        assert_eq!(test("pp512"), Some((512, 0, 0)));
        assert_eq!(test("tg 128"), Some((0, 128, 0)));
        assert_eq!(test("pp512+tg128 @ d4096"), Some((512, 128, 4096)));
        assert_eq!(test("perplexity"), None);
        assert_eq!(format("qwen2 7B Q4_K - Medium", None), Some(Precision::Q4KM));
        assert_eq!(format("llama 8B mostly Q8_0", None), Some(Precision::Q8_0));
        assert_eq!(format("gpt-oss 20B MXFP4 MoE", None), Some(Precision::Mxfp4));
        assert_eq!(format("", Some("q4_0")), Some(Precision::Q4_0));
    }
}
