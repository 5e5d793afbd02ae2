//! What is wrong with a command line, before its text is known.

use crate::diagnostic::Diagnostic;

/// An error about a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    word: Option<String>,
    message: String,
    hint: String,
}

impl Problem {
    /// About the line as a whole.
    pub fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { word: None, message: message.into(), hint: hint.into() }
    }

    /// About a word of it.
    pub fn at(word: &str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { word: Some(word.to_owned()), ..Self::new(message, hint) }
    }

    /// With the text, and the place in it.
    pub fn within(self, text: &str) -> Diagnostic {
        let all = Diagnostic::new("the command line", self.message).hint(self.hint);
        match self.word.and_then(|word| text.find(&word).map(|at| at..at + word.len())) {
            Some(span) => all.at(text, span),
            None => all,
        }
    }
}
