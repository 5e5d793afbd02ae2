//! The text of a scenario: read, edited, parsed, and the place in it that an error is about.

use super::draft::Draft;
use super::edit;
use crate::diagnostic::Diagnostic;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// The text of a scenario and where it came from.
#[derive(Debug, Clone)]
pub struct Source {
    /// The file as the user named it.
    pub file: String,
    /// Its text, edits included.
    pub text: String,
    /// The folder that relative paths start from.
    pub folder: PathBuf,
}

impl Source {
    /// Reads a scenario file and applies `path=value` edits to its text.
    ///
    /// # Errors
    /// When the file cannot be read, is no TOML, or an edit names nothing.
    pub fn read(path: &Path, edits: &[String]) -> Result<Self, Diagnostic> {
        let entry = crate::catalog::read(path)?;
        let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
        let text = edit::apply(&entry.file, &entry.text, edits)?;
        Ok(Self { file: entry.file, text, folder })
    }

    /// The scenario as typed, every value checked by its type.
    ///
    /// # Errors
    /// Names the key that is unknown, missing or wrong, with its place.
    pub fn draft(&self) -> Result<Draft, Diagnostic> {
        toml::from_str(&self.text).map_err(|error| Diagnostic::from_toml(&self.file, &self.text, &error))
    }

    /// An error at bytes of the text.
    pub(super) fn error(&self, span: Option<Range<usize>>, message: impl Into<String>) -> Diagnostic {
        let plain = Diagnostic::new(&self.file, message);
        match span {
            Some(span) => plain.at(&self.text, span),
            None => plain,
        }
    }

    /// An error about the value at a path such as `contender.0.parallel.tp`.
    pub(super) fn error_at(&self, path: &str, message: impl Into<String>) -> Diagnostic {
        self.error(edit::locate(&self.text, path), message)
    }
}
