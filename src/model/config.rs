//! A `config.json` as its author meant it: typed access to fields, each error with its place.
//!
//! Python writes bare `Infinity` and `NaN`, which JSON does not know; they are read as `null`. A count is a whole
//! number from 1 to 1,048,576. Every question is recorded, so that afterwards the fields nobody asked for are known;
//! a field that is left out takes the value that its class has, and that is recorded too.
//!
//! Longer than other files: one way to ask for each kind of value, and what is said of a wrong one, stand together.

use crate::diagnostic::Diagnostic;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::rc::Rc;

/// The largest count that is believed: four times the largest in any known model, a vocabulary of 262,208. Products
/// of three counts and a small factor fit into 64 bits, which the families rely on.
const MAX_COUNT: u64 = 1 << 20;

/// The most layers that are believed; per-layer lists are walked.
pub const MAX_LAYERS: u64 = 4096;

/// Fields of an object by name.
type Fields<'t> = BTreeMap<String, &'t RawValue>;

/// One JSON object of the file.
#[derive(Debug, Clone)]
pub struct Config<'t> {
    file: &'t str,
    text: &'t str,
    source: &'t str,
    object: Fields<'t>,
    place: Range<usize>,
    defaults: Fields<'t>,
    record: Rc<RefCell<Record>>,
}

/// What was asked, shared by all objects of one file.
#[derive(Debug, Default)]
struct Record {
    /// Start of the object and name of the field.
    asked: BTreeSet<(usize, String)>,
    /// Fields that were left out, and the value of the class that stands for each.
    defaulted: BTreeMap<String, String>,
    /// Objects that were read: start of the one they stand in, and name.
    opened: BTreeSet<(usize, String)>,
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
        Ok(Self { file, text, source, object, place: 0..0, defaults: Fields::new(), record: Rc::default() })
    }

    /// The object under a key, where there is one.
    ///
    /// # Errors
    /// When the value is no object.
    pub fn object(&self, key: &str) -> Result<Option<Self>, Diagnostic> {
        let Some(raw) = self.raw(key) else { return Ok(None) };
        let object = serde_json::from_str(raw.get()).map_err(|_| self.wrong(key, "must be an object"))?;
        let place = self.span(raw).unwrap_or(self.place.clone());
        self.record.borrow_mut().opened.insert((self.place.start, key.to_owned()));
        Ok(Some(Self { object, place, defaults: Fields::new(), record: Rc::clone(&self.record), ..*self }))
    }

    /// The objects of a list, where there is one.
    ///
    /// # Errors
    /// When the value is no list of objects.
    pub fn objects(&self, key: &str) -> Result<Option<Vec<Self>>, Diagnostic> {
        const ACCEPTED: &str = "must be a list of objects";
        let Some(raw) = self.raw(key) else { return Ok(None) };
        let list: Vec<&'t RawValue> = serde_json::from_str(raw.get()).map_err(|_| self.wrong(key, ACCEPTED))?;
        self.record.borrow_mut().opened.insert((self.place.start, key.to_owned()));
        let one = |raw: &'t RawValue| {
            let object = serde_json::from_str(raw.get()).map_err(|_| self.wrong(key, ACCEPTED))?;
            let place = self.span(raw).unwrap_or(self.place.clone());
            Ok(Self { object, place, defaults: Fields::new(), record: Rc::clone(&self.record), ..*self })
        };
        list.into_iter().map(one).collect::<Result<Vec<_>, Diagnostic>>().map(Some)
    }

    /// With values for the fields that the file leaves out; `null` in the file stays null. Later ones win.
    ///
    /// # Errors
    /// When the defaults are no JSON object.
    pub fn with_defaults(mut self, json: &'static str) -> Result<Self, Diagnostic> {
        let more: Fields<'static> = serde_json::from_str(json)
            .map_err(|error| Diagnostic::new(self.file, format!("the defaults of its class are wrong: {error}")))?;
        self.defaults.extend(more);
        Ok(self)
    }

    /// Whether the key is there, or has a default, and is not null. Not a question: the value is still unread.
    pub fn has(&self, key: &str) -> bool {
        self.peek(key).is_some()
    }

    /// Whether the file itself gives the key, whatever its value.
    pub fn gives(&self, key: &str) -> bool {
        self.object.contains_key(key)
    }

    /// Says that fields mean nothing for this class, whatever their value.
    pub fn unused(&self, keys: &[&str]) {
        keys.iter().for_each(|key| self.ask(key));
    }

    /// Names of the fields of the file that nobody asked for and that are not null.
    pub fn unasked(&self) -> Vec<&str> {
        let record = self.record.borrow();
        let asked = |key: &String| record.asked.contains(&(self.place.start, key.clone()));
        self.object.iter().filter(|(k, raw)| raw.get() != "null" && !asked(k)).map(|(k, _)| k.as_str()).collect()
    }

    /// Objects in this one that were read.
    pub fn opened(&self) -> Vec<(String, Self)> {
        let here = |key: &&String| self.record.borrow().opened.contains(&(self.place.start, key.to_string()));
        let keys: Vec<String> = self.object.keys().filter(here).cloned().collect();
        let children = |key: &String| match self.written(key).is_some_and(|text| text.starts_with('[')) {
            true => self.objects(key).ok().flatten().unwrap_or_default(),
            false => self.object(key).ok().flatten().into_iter().collect(),
        };
        keys.iter().flat_map(|key| children(key).into_iter().map(|child| (key.clone(), child))).collect()
    }

    /// The text of a field's value in the file, for comparison; not a question.
    pub fn written(&self, key: &str) -> Option<&'t str> {
        self.object.get(key).map(|raw| raw.get())
    }

    /// Fields that were asked for and left out, with the value of the class that was taken.
    pub fn defaulted(&self) -> Vec<(String, String)> {
        self.record.borrow().defaulted.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// Names of all fields of the file.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.object.keys().map(String::as_str)
    }

    /// The one of several names for the same thing that is used. Where the file gives more than one, they must agree.
    ///
    /// # Errors
    /// When two names have different values.
    pub fn one_of<'n>(&self, names: &[&'n str]) -> Result<Option<&'n str>, Diagnostic> {
        let mut given = names.iter().filter(|name| self.own(name).is_some());
        let Some(first) = given.next() else {
            return Ok(names.iter().find(|name| self.has(name)).copied());
        };
        for other in given {
            if self.written(first) != self.written(other) {
                return Err(self.wrong(other, &format!("must say the same as `{first}`, another name for it")));
            }
            self.ask(other);
        }
        Ok(Some(first))
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
        self.count(self.one_of(names)?.or(names.first().copied()).unwrap_or_default())
    }

    /// A count that goes by several names and may be absent or null.
    ///
    /// # Errors
    /// When it is no whole number from 1 to 1,048,576, or two names disagree.
    pub fn count_of_if(&self, names: &[&str]) -> Result<Option<u64>, Diagnostic> {
        self.one_of(names)?.map_or(Ok(None), |name| self.count_if(name))
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
            let key = self.one_of(names)?.unwrap_or_default();
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

    /// A positive factor; none where it is absent or null.
    ///
    /// # Errors
    /// When it is no number above 0 and up to 1000.
    pub fn factor(&self, key: &str) -> Result<Option<f64>, Diagnostic> {
        const ACCEPTED: &str = "must be a number above 0 and up to 1000";
        let factor: Option<f64> = self.value(key, ACCEPTED)?;
        match factor {
            Some(factor) if !(factor > 0.0 && factor <= 1000.0) => Err(self.wrong(key, ACCEPTED)),
            other => Ok(other),
        }
    }

    /// A text; none where it is absent or null.
    ///
    /// # Errors
    /// When it is no text.
    pub fn word(&self, key: &str) -> Result<Option<String>, Diagnostic> {
        self.value(key, "must be a text")
    }

    /// A number, or a list with the same number for every layer; none where it is absent or null.
    ///
    /// # Errors
    /// When it is neither, or the layers differ.
    pub fn uniform(&self, key: &str) -> Result<Option<u64>, Diagnostic> {
        if !self.peek(key).is_some_and(|raw| raw.get().starts_with('[')) {
            return self.number(key);
        }
        let list = self.numbers(key)?.unwrap_or_default();
        match list.first() {
            Some(first) if *first <= MAX_COUNT && list.iter().all(|n| n == first) => Ok(Some(*first)),
            _ => Err(self.wrong(key, "must be one number, or a list with the same one for every layer")),
        }
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

    /// Lists of texts, or one list of them; none where it is absent or null.
    ///
    /// # Errors
    /// When it is neither.
    pub fn word_lists(&self, key: &str) -> Result<Option<Vec<Vec<String>>>, Diagnostic> {
        match self.value(key, "must be lists of texts") {
            Ok(lists) => Ok(lists),
            Err(wrong) => Ok(Some(vec![self.words(key).map_err(|_| wrong)?.unwrap_or_default()])),
        }
    }

    /// A number, fractions and signs among them; none where it is absent or null.
    ///
    /// # Errors
    /// When it is no number.
    pub fn real(&self, key: &str) -> Result<Option<f64>, Diagnostic> {
        self.value(key, "must be a number")
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
        let own = self.object.get(key).and_then(|raw| self.span(raw));
        let span = own.unwrap_or(self.place.clone());
        let found = self.source.get(span.clone()).unwrap_or_default();
        let shown: String = match self.gives(key) {
            true => found.chars().take(40).collect(),
            false => self.defaults.get(key).map_or(String::new(), |raw| format!("{} by default", raw.get())),
        };
        let message = if shown.is_empty() { format!("`{key}` is wrong") } else { format!("`{key}` is {shown}") };
        Diagnostic::new(self.file, message).at(self.source, span).hint(format!("`{key}` {accepted}"))
    }

    /// An error about a field that is not there.
    pub fn missing(&self, key: &str) -> Diagnostic {
        Diagnostic::new(self.file, format!("`{key}` is missing"))
            .hint("this architecture needs it, and a guessed dimension would give a wrong answer")
    }

    fn own(&self, key: &str) -> Option<&'t RawValue> {
        self.object.get(key).copied().filter(|raw| raw.get() != "null")
    }

    fn peek(&self, key: &str) -> Option<&'t RawValue> {
        match self.gives(key) {
            true => self.own(key),
            false => self.defaults.get(key).copied().filter(|raw| raw.get() != "null"),
        }
    }

    fn ask(&self, key: &str) {
        self.record.borrow_mut().asked.insert((self.place.start, key.to_owned()));
    }

    /// The value of a field or of its class, recorded.
    fn raw(&self, key: &str) -> Option<&'t RawValue> {
        self.ask(key);
        let found = self.peek(key)?;
        if !self.gives(key) {
            self.record.borrow_mut().defaulted.insert(key.to_owned(), found.get().to_owned());
        }
        Some(found)
    }

    /// Where a value stands: raw values of the file are slices of the text.
    fn span(&self, raw: &RawValue) -> Option<Range<usize>> {
        let start = (raw.get().as_ptr() as usize).checked_sub(self.text.as_ptr() as usize)?;
        (start < self.text.len()).then(|| start..start + raw.get().len())
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
