//! Every field of a file is used, known to be irrelevant, or an error.
//!
//! What nobody asked for is looked up here. A field that says nothing (`null`, `false`, 0, an empty list) passes
//! whatever its name; so does one that repeats what the text part says.

use crate::diagnostic::Diagnostic;
use crate::model::config::Config;
use crate::model::irrelevant::{beside, irrelevant};
use serde_json::Value;

/// Blocks that say how weights are stored, which are read where storage is.
const STORAGE: [&str; 3] = ["quantization_config", "compression_config", "quantization"];

/// Looks at every field that nobody asked for, in the file and in its text part.
///
/// # Errors
/// Names the first one that may change what is counted.
pub fn check(outer: &Config<'_>, text: &Config<'_>, nested: bool) -> Result<(), Diagnostic> {
    let spoken = |part: &Config<'_>, key: &str| part.written(key).is_some_and(|value| !says_nothing(value));
    if let Some(key) = text.unasked().into_iter().find(|key| !settled(key) && spoken(text, key)) {
        return Err(unknown(text, key));
    }
    if nested {
        // What both say alike has been asked for once.
        let repeated = |key: &str| text.written(key).is_some() && text.written(key) == outer.written(key);
        let known = |key: &str| settled(key) || beside(key) || repeated(key);
        if let Some(key) = outer.unasked().into_iter().find(|key| !known(key) && spoken(outer, key)) {
            return Err(unknown(outer, key));
        }
    }
    inside(text)
}

/// Looks at the objects that were read, and at those in them.
fn inside(part: &Config<'_>) -> Result<(), Diagnostic> {
    for (key, part) in part.opened() {
        if settled(&key) {
            continue;
        }
        let spoken = |key: &&str| !settled(key) && part.written(key).is_some_and(|value| !says_nothing(value));
        let unread = part.unasked().into_iter().find(spoken);
        if let Some(key) = unread {
            return Err(unknown(&part, key));
        }
        inside(&part)?;
    }
    Ok(())
}

fn unknown(part: &Config<'_>, key: &str) -> Diagnostic {
    let mut error = part.wrong(key, "");
    error.message = format!("`{key}` is not a field this architecture is known to have");
    error.hint(format!(
        "what it stands for would be left out of the count; take it out if it changes neither shapes nor cache, or name \
         the architecture in `architectures` whose code reads `{key}`"
    ))
}

/// Whether a field is in the list, or a block that is read elsewhere.
fn settled(key: &str) -> bool {
    STORAGE.contains(&key) || irrelevant(key)
}

/// Values that switch a thing off.
fn says_nothing(text: &str) -> bool {
    match serde_json::from_str(text) {
        Ok(Value::Null | Value::Bool(false)) => true,
        Ok(Value::Number(number)) => number.as_f64() == Some(0.0),
        Ok(Value::String(text)) => text.is_empty(),
        Ok(Value::Array(list)) => list.is_empty(),
        Ok(Value::Object(object)) => object.is_empty(),
        _ => false,
    }
}
