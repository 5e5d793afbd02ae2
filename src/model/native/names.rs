//! Names of modules as quantisation blocks give them: plain, with wildcards, or as regular expressions.
//!
//! Engines differ in how they match (fnmatch, `re.match`, parts of a name), and prefixes differ by how a model is
//! wrapped, so that a name is compared from its layer on. A plain name means what it names and everything below. Each
//! name must match something or be known to mean something that is not counted: a list that was read past is an error.

use super::modules::Module;
use regex::{RegexSet, RegexSetBuilder};
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

/// The most patterns with wildcards that are read; real files have one a layer at most.
const MOST_PATTERNS: usize = 8192;

/// A list of names.
#[derive(Debug)]
pub struct Names {
    texts: Vec<String>,
    /// Names with a layer number, from the layer on.
    exact: HashMap<String, usize>,
    /// Names without one: parts that follow one another anywhere in a module's name.
    loose: Vec<(usize, Vec<String>)>,
    patterns: RegexSet,
    pattern_at: Vec<usize>,
    expressions: RegexSet,
    expression_at: Vec<usize>,
    used: RefCell<Vec<bool>>,
}

impl Names {
    /// Reads a list.
    ///
    /// # Errors
    /// A sentence about the entry that is no name or pattern.
    pub fn new(texts: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let texts: Vec<String> = texts.into_iter().collect();
        let (mut exact, mut loose) = (HashMap::new(), Vec::new());
        let (mut patterns, mut pattern_at) = (Vec::new(), Vec::new());
        let (mut expressions, mut expression_at) = (Vec::new(), Vec::new());
        for (at, text) in texts.iter().enumerate() {
            if let Some(expression) = text.strip_prefix("re:") {
                expressions.push(format!("^(?:{expression})"));
                expression_at.push(at);
            } else if text.contains(['\\', '(', '^', '$', '|', '+']) {
                expressions.push(text.clone());
                expression_at.push(at);
            } else if text.contains(['*', '?', '[']) {
                patterns.push(wildcards(unwrapped(text)));
                pattern_at.push(at);
            } else {
                let name = unwrapped(text).trim_end_matches('.').trim_end_matches(".weight");
                match layer_number(name) {
                    Some(_) => _ = exact.entry(name.to_owned()).or_insert(at),
                    None => loose.push((at, name.split('.').map(str::to_owned).collect())),
                }
            }
        }
        if patterns.len() + expressions.len() > MOST_PATTERNS {
            return Err(format!("has more than {MOST_PATTERNS} patterns"));
        }
        let set = |all: &[String]| {
            let built = RegexSetBuilder::new(all).size_limit(64 << 20).build();
            built.map_err(|_| "has an entry that is no regular expression, or one far too long".to_owned())
        };
        let used = RefCell::new(vec![false; texts.len()]);
        let (patterns, expressions) = (set(&patterns)?, set(&expressions)?);
        Ok(Self { exact, loose, patterns, pattern_at, expressions, expression_at, used, texts })
    }

    /// The first entry that means this module.
    pub fn hit(&self, module: &Module) -> Option<usize> {
        let mut found: Option<usize> = None;
        let mut take = |at: usize| {
            self.used.borrow_mut()[at] = true;
            found = Some(found.map_or(at, |first| first.min(at)));
        };
        for name in module.names.iter() {
            let full = module.layer.map_or_else(|| name.clone(), |layer| format!("layers.{layer}.{name}"));
            if !self.exact.is_empty() {
                let ends = full.match_indices('.').map(|(end, _)| end).chain([full.len()]);
                ends.filter_map(|end| self.exact.get(&full[..end]).copied()).for_each(&mut take);
            }
            let parts: Vec<&str> = full.split('.').collect();
            let loose =
                self.loose.iter().filter(|(_, wanted)| parts.windows(wanted.len()).any(|w| w == wanted.as_slice()));
            loose.for_each(|(at, _)| take(*at));
            self.patterns.matches(&full).iter().for_each(|i| take(self.pattern_at[i]));
            if !self.expression_at.is_empty() {
                for prefix in PREFIXES {
                    let hits = self.expressions.matches(&format!("{prefix}{full}"));
                    hits.iter().for_each(|i| take(self.expression_at[i]));
                }
            }
        }
        found
    }

    /// Whether an entry tells experts of a layer apart.
    pub fn tells_experts_apart(&self) -> bool {
        self.texts.iter().any(|text| {
            let numbered = |rest: &str| rest.trim_start_matches(['.', '\\']).starts_with(|c: char| c.is_ascii_digit());
            text.match_indices("experts").any(|(at, word)| numbered(&text[at + word.len()..]))
        })
    }

    /// The first entry that names a layer beyond those of the model.
    pub fn beyond(&self, layers: u64) -> Option<usize> {
        self.texts.iter().position(|text| layer_number(unwrapped(text)).is_some_and(|layer| layer >= layers))
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
    let mut out = String::from("^(?:model\\.)?");
    if glob.starts_with('*') {
        out.truncate(1);
    }
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
