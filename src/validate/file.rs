//! Writes fitted constants into the text of a calibration file, so that its comments survive.

use crate::estimate::calibration::Calibration;
use crate::estimate::constants::{EngineConstants, KernelEntry};
use crate::estimate::llama::Llama;
use crate::setup::Engine;
use serde::Serialize;
use serde_json::{Map, Value};
use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, TomlError};

/// The text of a calibration file with new constants in it.
///
/// # Errors
/// When the text is no TOML.
pub fn with_constants(text: &str, kernels: &[KernelEntry], calibration: &Calibration) -> Result<String, TomlError> {
    let mut document: DocumentMut = text.parse()?;
    if let Some(tables) = document["kernel"].as_array_of_tables_mut() {
        for (table, entry) in tables.iter_mut().zip(kernels) {
            set(table, entry, &["kind", "generation", "family", "cache"]);
        }
    }
    if let Some(tables) = document["engine"].as_array_of_tables_mut() {
        for table in tables.iter_mut() {
            let name = table["name"].as_str().unwrap_or_default().to_owned();
            let engines = [Engine::Vllm, Engine::Sglang, Engine::Trtllm];
            if let Some(engine) = engines.into_iter().find(|e| e.name() == name) {
                let constants: EngineConstants = calibration.engine(engine);
                set(table, &constants, &[]);
            }
        }
    }
    document["shared"]["pair_error"] = toml_edit::value(short(calibration.shared().pair_error));
    let mut bands = ArrayOfTables::new();
    for band in calibration.bands() {
        let mut table = Table::new();
        for (name, value) in fields(band) {
            match value {
                Value::String(text) => table[&name] = toml_edit::value(text),
                Value::Number(number) if number.is_u64() => {
                    table[&name] = toml_edit::value(number.as_i64().unwrap_or(0))
                }
                other => table[&name] = toml_edit::value(short(other.as_f64().unwrap_or(1.0))),
            }
        }
        bands.push(table);
    }
    document["band"] = Item::ArrayOfTables(bands);
    if let Some(table) = document["llama"].as_table_mut() {
        let constants: &Llama = calibration.llama();
        set(table, constants, &[]);
    }
    Ok(document.to_string())
}

/// Writes the numbers of `values`, four digits each, which is more than any of them is known to.
fn set(table: &mut Table, values: &impl Serialize, keep: &[&str]) {
    for (name, value) in fields(values) {
        if keep.contains(&name.as_str()) {
            continue;
        }
        if let Some(count) = value.as_u64() {
            table[&name] = toml_edit::value(count as i64);
            continue;
        }
        let Some(number) = value.as_f64() else { continue };
        if table.contains_key(&name) || short(number) != 1.0 {
            table[&name] = toml_edit::value(short(number));
        }
    }
}

fn fields(values: &impl Serialize) -> Map<String, Value> {
    serde_json::to_value(values).ok().and_then(|v| v.as_object().cloned()).unwrap_or_default()
}

/// Four digits.
fn short(number: f64) -> f64 {
    format!("{number:.3e}").parse().unwrap_or(number)
}
