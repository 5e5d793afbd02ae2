//! An error in an input file: which file, where in it, what is wrong, what is accepted.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use std::fmt;
use std::ops::Range;

/// What is wrong with an input, written for someone who has never seen the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file as the user named it.
    pub file: String,
    /// Its text; empty where the file could not be read.
    pub text: String,
    /// The bytes of `text` that are wrong.
    pub span: Option<Range<usize>>,
    /// What is wrong.
    pub message: String,
    /// What is accepted, or what to do.
    pub hint: Option<String>,
}

/// Bytes of a line that are shown around the place; a minified file is one line of megabytes.
const CONTEXT: usize = 100;

impl Diagnostic {
    /// About a file as a whole.
    pub fn new(file: impl Into<String>, message: impl Into<String>) -> Self {
        Self { file: file.into(), text: String::new(), span: None, message: message.into(), hint: None }
    }

    /// Points at bytes of the file's text.
    #[must_use]
    pub fn at(mut self, text: &str, span: Range<usize>) -> Self {
        self.text = text.to_owned();
        self.span = Some(span);
        self
    }

    /// Adds what is accepted.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// From a TOML error; an unknown key gets a suggestion.
    pub fn from_toml(file: &str, text: &str, error: &toml::de::Error) -> Self {
        let (message, hint) = readable(error.message());
        let mut all = Self::new(file, message);
        all.hint = hint;
        match error.span() {
            Some(span) => all.at(text, span),
            None => all,
        }
    }

    /// From a JSON error, which knows line and column.
    pub fn from_json(file: &str, text: &str, error: &serde_json::Error) -> Self {
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or_default();
        let (message, hint) = readable(message);
        let start = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum::<usize>();
        let at = floor(text, (start + error.column().saturating_sub(1)).min(text.len()));
        let mut all = Self::new(file, message).at(text, at..at);
        all.hint = hint;
        all
    }

    /// Says what a file needs, where a key is missing and nothing better is known.
    #[must_use]
    pub fn hint_if_missing(mut self, needed: &str) -> Self {
        if self.hint.is_none() && self.message.starts_with("missing field") {
            self.hint = Some(needed.to_owned());
        }
        self
    }

    /// The message with the lines it is about, a caret, and the hint; the caller adds nothing.
    pub fn render(&self, colour: bool) -> String {
        let excerpt = self.span.as_ref().map(|span| Excerpt::of(&self.text, span));
        let title = Level::ERROR.primary_title(self.message.as_str());
        let mut group = match &excerpt {
            Some(part) => title.element(
                Snippet::source(part.text.as_str())
                    .path(self.file.as_str())
                    .line_start(part.line)
                    .annotation(AnnotationKind::Primary.span(part.span.clone())),
            ),
            None => title.element(Level::NOTE.message(format!("in {}", self.file))),
        };
        if let Some(hint) = &self.hint {
            group = group.element(Level::HELP.message(hint.as_str()));
        }
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        renderer.decor_style(DecorStyle::Ascii).render(&[group])
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.message)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, " ({hint})"))
    }
}

impl std::error::Error for Diagnostic {}

/// The line that holds the start of a span, cut around it.
struct Excerpt {
    text: String,
    line: usize,
    span: Range<usize>,
}

impl Excerpt {
    fn of(text: &str, span: &Range<usize>) -> Self {
        let start = floor(text, span.start.min(text.len()));
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let from = floor(text, line_start.max(start.saturating_sub(CONTEXT)));
        let to = floor(text, line_end.min(start + 2 * CONTEXT));
        let end = floor(text, span.end.clamp(start, to));
        Self {
            text: text[from..to].to_owned(),
            line: text[..start].matches('\n').count() + 1,
            span: start - from..end - from,
        }
    }
}

/// The nearest character boundary at or before a byte.
fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Turns serde's "unknown field `x`, expected one of ..." into a message and a hint with a suggestion.
fn readable(message: &str) -> (String, Option<String>) {
    let Some((what, expected)) = message.split_once(", expected ") else {
        return (message.to_owned(), None);
    };
    let unknown = what.strip_prefix("unknown field ").or_else(|| what.strip_prefix("unknown variant "));
    let Some(name) = unknown.map(|name| name.trim_matches('`')) else {
        return (message.to_owned(), None);
    };
    let known: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
    (what.to_owned(), Some(suggest(name, known.iter().copied())))
}

/// "did you mean ...?" for the name that begins alike or is nearest, else the list of what is known.
pub fn suggest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let all: Vec<&str> = known.collect();
    let wanted = name.to_lowercase();
    let alike = all.iter().copied().find(|it| !wanted.is_empty() && it.to_lowercase().starts_with(&wanted));
    let near = all.iter().copied().map(|it| (strsim::jaro_winkler(&wanted, &it.to_lowercase()), it));
    let nearest = near.filter(|(score, _)| *score > 0.85).max_by(|a, b| a.0.total_cmp(&b.0));
    match alike.or(nearest.map(|(_, best)| best)) {
        Some(best) => format!("did you mean `{best}`?"),
        None if all.is_empty() => "nothing is accepted here".to_owned(),
        None => format!("accepted: {}", all.join(", ")),
    }
}
