//! Names of modules as quantisation blocks give them: plain, with wildcards, or as regular expressions.
//!
//! Engines differ in how they match (fnmatch, `re.match`, parts of a name), and prefixes differ by how a model is
//! wrapped, so that a name is compared from its layer on. A plain name means what it names and everything below. Each
//! name must match something or be known to mean something that is not counted: a list that was read past is an error.

use super::modules::Module;
use regex::{Regex, RegexBuilder};
use std::cell::RefCell;
use std::collections::HashMap;

/// What models are wrapped in.
const WRAPPERS: [&str; 7] =
    ["model.", "language_model.", "backbone.", "transformer.", "text_model.", "base_model.", "decoder."];

/// Full names a regular expression may have been written against.
const PREFIXES: [&str; 5] = ["model.", "model.language_model.", "language_model.model.", "backbone.", ""];

/// Parts of names that mean nothing counted as a quantised matrix: other towers, layers that only guess tokens, and
/// small parameters, which no method packs. Heads and embeddings are modules of their own where they exist.
const NOT_COUNTED: [&str; 26] = [
    "vision",
    "visual",
    "image",
    "img",
    "audio",
    "speech",
    "projector",
    "multi_modal",
    "mm_",
    "patch_merge",
    "mtp",
    "eagle",
    "nextn",
    "draft",
    "norm",
    "bias",
    "rotary",
    "conv1d",
    "embed",
    "wte",
    "head",
    "router",
    "gate",
    "hnorm",
    "eh_proj",
    "sinks",
];

/// The most expressions and patterns with wildcards inside that are read; real files have a dozen.
const MOST_EXPRESSIONS: usize = 2048;

/// A list of names.
#[derive(Debug)]
pub struct Names {
    texts: Vec<String>,
    /// Names with a layer number, from the layer on.
    exact: HashMap<String, usize>,
    /// What names of a layer begin with, by the layer where it is told wholly.
    beginnings: HashMap<Option<u64>, Vec<(usize, String)>>,
    /// Names without a layer: parts that follow one another anywhere in a module's name.
    loose: Vec<(usize, Vec<String>)>,
    expressions: Vec<Expression>,
    used: RefCell<Vec<bool>>,
    /// What expressions without a number say of a name, which they say in every layer.
    known: RefCell<HashMap<String, Vec<usize>>>,
}

/// A regular expression.
#[derive(Debug)]
struct Expression {
    at: usize,
    regex: Regex,
    /// Beginnings of full names that are tried; one where the expression begins anywhere.
    prefixes: &'static [&'static str],
    /// No digit in it, so that it says the same of every layer.
    everywhere: bool,
}

impl Names {
    /// Reads a list.
    ///
    /// # Errors
    /// A sentence about the entry that is no name or pattern.
    pub fn new(texts: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let texts: Vec<String> = texts.into_iter().collect();
        let used = RefCell::new(vec![false; texts.len()]);
        let mut all = Self {
            exact: HashMap::new(),
            beginnings: HashMap::new(),
            loose: Vec::new(),
            expressions: Vec::new(),
            used,
            known: RefCell::default(),
            texts: Vec::new(),
        };
        for (at, text) in texts.iter().enumerate() {
            all.add(at, text)?;
        }
        all.texts = texts;
        Ok(all)
    }

    fn add(&mut self, at: usize, text: &str) -> Result<(), String> {
        if let Some(expression) = text.strip_prefix("re:") {
            // `re.match` starts at the beginning of a name and may end before its end.
            return self.expression(at, expression, true);
        }
        if text.contains(['\\', '(', '^', '$', '|', '+']) {
            return self.expression(at, text, false);
        }
        let name = unwrapped(text);
        match name.strip_suffix('*') {
            Some(start) if !start.contains(['*', '?', '[']) && start.starts_with("layers.") => {
                let told = layer_number(start).filter(|number| start.len() > format!("layers.{number}").len());
                self.beginnings.entry(told).or_default().push((at, start.to_owned()));
            }
            _ if name.contains(['*', '?', '[']) => return self.expression(at, &wildcards(name), false),
            _ => {
                let name = name.trim_end_matches('.').trim_end_matches(".weight");
                match layer_number(name) {
                    Some(_) => _ = self.exact.entry(name.to_owned()).or_insert(at),
                    None => self.loose.push((at, name.split('.').map(str::to_owned).collect())),
                }
            }
        }
        Ok(())
    }

    fn expression(&mut self, at: usize, text: &str, anchored: bool) -> Result<(), String> {
        if self.expressions.len() >= MOST_EXPRESSIONS {
            return Err(format!("has more than {MOST_EXPRESSIONS} patterns"));
        }
        // What begins and ends anywhere is a search.
        let whole = !alternates(text);
        let anywhere = whole && text.starts_with(".*");
        let inner = if anywhere { text.trim_start_matches(".*") } else { text };
        let inner = match inner.strip_suffix(".*") {
            Some(rest) if whole && !rest.ends_with('\\') => rest,
            _ => inner,
        };
        let written = if anchored && !anywhere { format!("^(?:{inner})") } else { inner.to_owned() };
        let regex = RegexBuilder::new(&written).size_limit(1 << 20).build();
        let regex = regex.map_err(|_| format!("has an entry that is no regular expression that is read: {text}"))?;
        let prefixes: &[&str] = if anchored && !anywhere { &PREFIXES } else { &PREFIXES[..1] };
        let everywhere = !text.contains(|c: char| c.is_ascii_digit()) && !text.contains("\\d");
        self.expressions.push(Expression { at, regex, prefixes, everywhere });
        Ok(())
    }

    /// The first entry that means this module.
    pub fn hit(&self, module: &Module) -> Option<usize> {
        let mut all: Vec<usize> = Vec::new();
        for name in module.names.iter() {
            let full = module.layer.map_or_else(|| name.clone(), |layer| format!("layers.{layer}.{name}"));
            if !self.exact.is_empty() {
                let ends = full.match_indices('.').map(|(end, _)| end).chain([full.len()]);
                all.extend(ends.filter_map(|end| self.exact.get(&full[..end])));
            }
            for key in [module.layer, None] {
                let starts = self.beginnings.get(&key).into_iter().flatten();
                all.extend(starts.filter(|(_, start)| full.starts_with(start)).map(|(at, _)| at));
            }
            if !self.loose.is_empty() {
                let parts: Vec<&str> = full.split('.').collect();
                let follow = |wanted: &[String]| parts.windows(wanted.len()).any(|w| w == wanted);
                all.extend(self.loose.iter().filter(|(_, wanted)| follow(wanted)).map(|(at, _)| at));
            }
            if !self.expressions.is_empty() {
                let known = self.known.borrow().get(name).cloned();
                let everywhere = known.unwrap_or_else(|| {
                    let found = self.expressed(&full, true);
                    self.known.borrow_mut().insert(name.clone(), found.clone());
                    found
                });
                all.extend(everywhere);
                all.extend(self.expressed(&full, false));
            }
        }
        let mut used = self.used.borrow_mut();
        all.iter().for_each(|at| used[*at] = true);
        all.into_iter().min()
    }

    fn expressed(&self, full: &str, everywhere: bool) -> Vec<usize> {
        let own = self.expressions.iter().filter(|e| e.everywhere == everywhere);
        let says = |e: &&Expression| e.prefixes.iter().any(|prefix| e.regex.is_match(&format!("{prefix}{full}")));
        own.filter(says).map(|e| e.at).collect()
    }

    /// Whether an entry tells experts of a layer apart.
    pub fn tells_experts_apart(&self) -> bool {
        self.texts.iter().any(|text| {
            let numbered = |rest: &str| rest.trim_start_matches(['.', '\\']).starts_with(|c: char| c.is_ascii_digit());
            text.match_indices("experts").any(|(at, word)| numbered(&text[at + word.len()..]))
        })
    }

    /// The first entry that means the whole of a layer beyond those of the model.
    pub fn beyond(&self, layers: u64) -> Option<usize> {
        self.texts.iter().position(|text| {
            let name = unwrapped(text).trim_end_matches(['.', '*']);
            layer_number(name).is_some_and(|layer| layer >= layers && name == format!("layers.{layer}"))
        })
    }

    /// Whether an entry names what guesses tokens by a name of its own.
    pub fn guessing(&self) -> bool {
        self.texts.iter().any(|text| text.contains("mtp") || text.contains("nextn"))
    }

    /// The first entry that matched nothing and is not known to mean something that is not counted, in a model of so
    /// many layers.
    pub fn unread(&self, layers: u64) -> Option<&str> {
        let used = self.used.borrow();
        let unread = self.texts.iter().zip(used.iter()).filter(|(_, used)| !**used).map(|(text, _)| text.as_str());
        unread.into_iter().find(|text| {
            let beyond = layer_number(unwrapped(text)).is_some_and(|layer| layer >= layers);
            !beyond && !NOT_COUNTED.iter().any(|word| text.contains(word))
        })
    }
}

/// Whether an expression has alternatives outside of all brackets.
fn alternates(text: &str) -> bool {
    let (mut depth, mut escaped) = (0_i64, false);
    for c in text.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            '|' if depth <= 0 => return true,
            _ => {}
        }
    }
    false
}

/// A name without what the model is wrapped in.
fn unwrapped(name: &str) -> &str {
    let mut rest = name;
    while let Some(shorter) = WRAPPERS.iter().find_map(|wrapper| rest.strip_prefix(wrapper)) {
        rest = shorter;
    }
    rest
}

/// The layer a name starts with.
fn layer_number(name: &str) -> Option<u64> {
    let rest = name.strip_prefix("layers.")?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

/// A pattern of a shell as a regular expression over names and what is below them.
fn wildcards(glob: &str) -> String {
    let mut out = String::from(if glob.starts_with('*') { "^" } else { "^(?:model\\.)?" });
    let mut set = false;
    for c in glob.chars() {
        match c {
            '*' if !set => out.push_str(".*"),
            '?' if !set => out.push('.'),
            '[' | ']' => {
                set = c == '[';
                out.push(c);
            }
            '!' if set && out.ends_with('[') => out.push('^'),
            c if set => out.push(c),
            c => out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
        }
    }
    out + "(?:\\..*)?$"
}
