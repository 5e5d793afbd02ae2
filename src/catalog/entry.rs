//! A text file of the user or of the program.

use crate::diagnostic::Diagnostic;
use std::borrow::Cow;
use std::path::Path;

/// The longest file that is read, bytes. A real one has a few kilobytes, with lists of a name a layer some megabytes.
pub const MAX_BYTES: u64 = 8 << 20;

/// A file found by name or by path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The file's stem.
    pub name: String,
    /// What to call the file in a message.
    pub file: String,
    /// Its text, without a byte order mark.
    pub text: Cow<'static, str>,
}

/// Reads a text file of the user.
///
/// # Errors
/// When it cannot be read, is no UTF-8 or is far longer than any such file.
pub fn read(path: &Path) -> Result<Entry, Diagnostic> {
    read_up_to(path, MAX_BYTES)
}

/// The same for a file of at most so many bytes.
///
/// # Errors
/// As [`read`].
pub fn read_up_to(path: &Path, most: u64) -> Result<Entry, Diagnostic> {
    let file = path.display().to_string();
    let fail = |error: std::io::Error| Diagnostic::new(&file, format!("the file cannot be read: {error}"));
    let length = std::fs::metadata(path).map_err(fail)?.len();
    if length > most {
        return Err(Diagnostic::new(&file, format!("the file has {length} bytes"))
            .hint(format!("at most {most} bytes are read; such a file is far shorter")));
    }
    let bytes = std::fs::read(path).map_err(fail)?;
    let text = String::from_utf8(bytes).map_err(|_| {
        Diagnostic::new(&file, "the file is not UTF-8 text")
            .hint("save it as UTF-8; a model's weights are not its config")
    })?;
    let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
    let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(Entry { name, file, text: text.into() })
}
