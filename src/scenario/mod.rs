//! From a scenario file to a plan: read, edit, look up, check. Nothing is estimated here.
//!
//! [`draft`] is what is typed, [`plan`] what it means; the rest of the program sees only the second.

pub mod axis;
mod checks;
mod date;
pub mod draft;
mod edit;
mod layout;
pub mod plan;
mod price;
mod resolve;
pub mod traffic;

pub use draft::Draft;
pub use plan::{Basis, Contender, Offer, Parts, Plan, Power, Price};
pub use resolve::{Local, resolve, resolve_in_time};

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
        edit::apply(&Self { file: entry.file, text: entry.text.into_owned(), folder }, edits)
    }

    /// The scenario as typed, every value checked by its type.
    ///
    /// # Errors
    /// Names the key that is unknown, missing or wrong, with its place.
    pub fn draft(&self) -> Result<Draft, Diagnostic> {
        toml::from_str(&self.text).map_err(|error| Diagnostic::from_toml(&self.file, &self.text, &error))
    }

    /// An error at bytes of the text.
    fn error(&self, span: Option<Range<usize>>, message: impl Into<String>) -> Diagnostic {
        let plain = Diagnostic::new(&self.file, message);
        match span {
            Some(span) => plain.at(&self.text, span),
            None => plain,
        }
    }

    /// An error about the value at a path such as `contender.0.parallel.tp`.
    fn error_at(&self, path: &str, message: impl Into<String>) -> Diagnostic {
        self.error(edit::locate(&self.text, path), message)
    }
}
