//! From a template in `shaders/` and knobs to finished WGSL.

use super::Variant;
use fnv::FnvHasher;
use include_dir::{Dir, include_dir};
use minijinja::{Environment, Value};
use std::collections::{BTreeMap, HashMap};
use std::hash::Hasher;
use std::sync::{Mutex, OnceLock, PoisonError};

static SHADERS: Dir = include_dir!("$CARGO_MANIFEST_DIR/shaders");

fn environment() -> &'static Environment<'static> {
    static ENVIRONMENT: OnceLock<Environment<'static>> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
        for file in SHADERS.files() {
            let (Some(name), Some(text)) = (file.path().file_name().and_then(|n| n.to_str()), file.contents_utf8())
            else {
                continue;
            };
            // A template that does not parse is missing, and the test that renders every variant says which.
            let _ = environment.add_template(name, text);
        }
        environment
    })
}

/// Renders `<name>.wgsl` with the variant's knobs, every knob in `defaults` that it does not name, `dtype`, and `extra`.
///
/// Errors carry the template's name and line; they are defects of this crate, never of an input.
pub fn render(name: &str, variant: &Variant, defaults: &[&str], extra: &[(&str, u32)]) -> Result<String, String> {
    // Shapes are uniforms, so a source serves every plan of its variant; filling in an unrolled kernel takes milliseconds.
    static FINISHED: OnceLock<Mutex<HashMap<String, String>>> = OnceLock::new();
    let finished = || FINISHED.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    let key = format!("{name} {variant} {extra:?}");
    if let Some(source) = finished().get(&key) {
        return Ok(source.clone());
    }
    let source = fill(name, variant, defaults, extra)?;
    finished().insert(key, source.clone());
    Ok(source)
}

fn fill(name: &str, variant: &Variant, defaults: &[&str], extra: &[(&str, u32)]) -> Result<String, String> {
    let mut values: BTreeMap<&str, Value> = defaults.iter().map(|&name| (name, Value::from(0))).collect();
    values.extend(variant.knobs().map(|(name, value)| (name, Value::from(value))));
    values.extend(extra.iter().map(|&(name, value)| (name, Value::from(value))));
    values.insert("dtype", Value::from(variant.dtype.name()));
    let template = environment().get_template(&format!("{name}.wgsl")).map_err(|e| e.to_string())?;
    template.render(values).map_err(|e| format!("{name}.wgsl: {e:#}"))
}

/// A hash of every template, part of the key of stored results: an edited kernel is a new kernel.
pub fn source_hash() -> String {
    let mut files: Vec<_> = SHADERS.files().collect();
    files.sort_by_key(|f| f.path());
    // Stable across platforms and versions, and nobody attacks it.
    let mut hasher = FnvHasher::default();
    files.iter().for_each(|f| hasher.write(f.contents()));
    format!("{:016x}", hasher.finish())
}
