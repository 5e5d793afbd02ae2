//! A `config.json` as its author meant it: typed access to fields, each error with its place.
//!
//! Python writes bare `Infinity` and `NaN`, which JSON does not know; they are read as `null`. A count is a whole
//! number from 1 to 1,048,576; nothing is defaulted here.

use crate::diagnostic::Diagnostic;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

/// The largest count that is believed: four times the largest in any known model, a vocabulary of 262,208. Products
/// of three counts and a small factor fit into 64 bits, which the families rely on.
const MAX_COUNT: u64 = 1 << 20;

/// The most layers that are believed; per-layer lists are walked.
pub const MAX_LAYERS: u64 = 4096;

/// One JSON object of the file.
#[derive(Debug, Clone)]
pub struct Config<'t> {
    file: &'t str,
    text: &'t str,
    source: &'t str,
    object: BTreeMap<String, &'t RawValue>,
    place: Range<usize>,
}

impl<'t> Config<'t> {
    /// Reads the whole file; `text` is `source` after [`without_bare_floats`].
    ///
    /// # Errors
    /// When it is no JSON object.
    pub fn parse(file: &'t str, text: &'t str, source: &'t str) -> Result<Self, Diagnostic> {
        let object = serde_json::from_str(text).map_err(|error| {
            let mut all = Diagnostic::from_json(file, source, &error);
            all.message.insert_str(0, "this is not a JSON object: ");
            all.hint("a model is described by the config.json of its Hugging Face repository")
        })?;
        Ok(Self { file, text, source, object, place: 0..0 })
    }

    /// The object under a key, where there is one.
    ///
    /// # Errors
    /// When the value is no object.
    pub fn object(&self, key: &str) -> Result<Option<Self>, Diagnostic> {
        let Some(raw) = self.raw(key) else { return Ok(None) };
        let object = serde_json::from_str(raw.get()).map_err(|_| self.wrong(key, "must be an object"))?;
        Ok(Some(Self { object, place: self.span(raw), ..*self }))
    }

    /// Whether the key is there and not null.
    pub fn has(&self, key: &str) -> bool {
        self.raw(key).is_some()
    }

    /// Names of all fields.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.object.keys().map(String::as_str)
    }

    /// A required count.
    ///
    /// # Errors
    /// When it is missing or no whole number from 1 to 1,048,576.
    pub fn count(&self, key: &str) -> Result<u64, Diagnostic> {
        self.count_if(key)?.ok_or_else(|| self.missing(key))
    }

    /// A required count that goes by several names.
    ///
    /// # Errors
    /// As [`Self::count`].
    pub fn count_of(&self, names: &[&str]) -> Result<u64, Diagnostic> {
        let named = names.iter().find(|name| self.has(name)).copied();
        self.count(named.or(names.first().copied()).unwrap_or_default())
    }

    /// A count that may be absent or null.
    ///
    /// # Errors
    /// When it is no whole number from 1 to 1,048,576.
    pub fn count_if(&self, key: &str) -> Result<Option<u64>, Diagnostic> {
        match self.number(key)? {
            Some(0) => Err(self.wrong(key, &format!("must be a whole number from 1 to {MAX_COUNT}"))),
            other => Ok(other),
        }
    }

    /// A number that may be zero; absent and null count as zero.
    ///
    /// # Errors
    /// When it is no whole number up to 1,048,576.
    pub fn number_or_zero(&self, key: &str) -> Result<u64, Diagnostic> {
        Ok(self.number(key)?.unwrap_or(0))
    }

    fn number(&self, key: &str) -> Result<Option<u64>, Diagnostic> {
        let believed = |number: &u64| *number <= MAX_COUNT;
        let Some(raw) = self.raw(key) else { return Ok(None) };
        match serde_json::from_str::<u64>(raw.get()).ok().filter(believed) {
            Some(number) => Ok(Some(number)),
            None => Err(self.wrong(key, &format!("must be a whole number from 1 to {MAX_COUNT}"))),
        }
    }

    /// A number of tokens, which may be far larger than a count; none where it is absent or out of range.
    pub fn tokens(&self, key: &str) -> Option<u64> {
        self.raw(key).and_then(|raw| serde_json::from_str::<u64>(raw.get()).ok()).filter(|n| (1..1 << 40).contains(n))
    }

    /// A required number of layers.
    ///
    /// # Errors
    /// When it is missing or no whole number from 1 to 4096.
    pub fn layers(&self, names: &[&str]) -> Result<u64, Diagnostic> {
        let layers = self.count_of(names)?;
        if layers > MAX_LAYERS {
            let key = names.iter().find(|name| self.has(name)).copied().unwrap_or_default();
            return Err(self.wrong(key, &format!("must be a whole number from 1 to {MAX_LAYERS}")));
        }
        Ok(layers)
    }

    /// A switch; none where it is absent or null.
    ///
    /// # Errors
    /// When it is neither true nor false.
    pub fn flag(&self, key: &str) -> Result<Option<bool>, Diagnostic> {
        self.value(key, "must be true or false")
    }

    /// A text; none where it is absent or null.
    ///
    /// # Errors
    /// When it is no text.
    pub fn word(&self, key: &str) -> Result<Option<String>, Diagnostic> {
        self.value(key, "must be a text")
    }

    /// A list of texts; none where it is absent or null.
    ///
    /// # Errors
    /// When it is no such list.
    pub fn words(&self, key: &str) -> Result<Option<Vec<String>>, Diagnostic> {
        self.value(key, "must be a list of texts")
    }

    /// A list of numbers; none where it is absent or null.
    ///
    /// # Errors
    /// When it is no list of whole numbers.
    pub fn numbers(&self, key: &str) -> Result<Option<Vec<u64>>, Diagnostic> {
        self.value(key, "must be a list of whole numbers")
    }

    /// A list with one text a layer; none where it is absent or null.
    ///
    /// # Errors
    /// When its length is not the number of layers.
    pub fn per_layer(&self, key: &str, layers: u64) -> Result<Option<Vec<String>>, Diagnostic> {
        let Some(list) = self.words(key)? else { return Ok(None) };
        if list.len() as u64 != layers {
            return Err(
                self.wrong(key, &format!("must have one entry for each of the {layers} layers, not {}", list.len()))
            );
        }
        Ok(Some(list))
    }

    fn value<T: DeserializeOwned>(&self, key: &str, accepted: &str) -> Result<Option<T>, Diagnostic> {
        let read = |raw: &RawValue| serde_json::from_str(raw.get()).map_err(|_| self.wrong(key, accepted));
        self.raw(key).map(read).transpose()
    }

    /// An error about a field that is there.
    pub fn wrong(&self, key: &str, accepted: &str) -> Diagnostic {
        let span = self.raw(key).map_or(self.place.clone(), |raw| self.span(raw));
        let found = self.source.get(span.clone()).unwrap_or_default();
        let shown: String = found.chars().take(40).collect();
        let message = if shown.is_empty() { format!("`{key}` is wrong") } else { format!("`{key}` is {shown}") };
        Diagnostic::new(self.file, message).at(self.source, span).hint(format!("`{key}` {accepted}"))
    }

    /// An error about a field that is not there.
    pub fn missing(&self, key: &str) -> Diagnostic {
        Diagnostic::new(self.file, format!("`{key}` is missing"))
            .hint("this architecture needs it, and a guessed dimension would give a wrong answer")
    }

    fn raw(&self, key: &str) -> Option<&'t RawValue> {
        self.object.get(key).copied().filter(|raw| raw.get() != "null")
    }

    /// Where a value stands: raw values are slices of the text.
    fn span(&self, raw: &RawValue) -> Range<usize> {
        let start = (raw.get().as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        start..start + raw.get().len()
    }
}

/// Writes bare `Infinity`, `-Infinity` and `NaN` as something JSON knows, without moving a byte.
pub fn without_bare_floats(text: &str) -> Cow<'_, str> {
    if !text.contains("Infinity") && !text.contains("NaN") {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let (mut quoted, mut rest) = (false, text);
    while let Some(c) = rest.chars().next() {
        let bare = ["-Infinity", "Infinity", "NaN"].into_iter().find(|word| !quoted && rest.starts_with(word));
        // A three-letter NaN has no room for null; a number with a fraction is refused wherever a count is wanted.
        let length = match bare {
            Some("NaN") => push(&mut out, "0.0", 3),
            Some(word) => push(&mut out, "null", word.len()),
            None => push(&mut out, &rest[..c.len_utf8()], c.len_utf8()),
        };
        if quoted && c == '\\' {
            let escaped = rest[length..].chars().next().map_or(0, char::len_utf8);
            out.push_str(&rest[length..length + escaped]);
            rest = &rest[length + escaped..];
            continue;
        }
        quoted ^= c == '"';
        rest = &rest[length..];
    }
    Cow::Owned(out)
}

fn push(out: &mut String, text: &str, width: usize) -> usize {
    out.push_str(text);
    (text.len()..width).for_each(|_| out.push(' '));
    width
}
