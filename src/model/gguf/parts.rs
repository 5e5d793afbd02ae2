//! A GGUF file that is split: `-00001-of-00003.gguf`; the first part has the metadata, each lists its own tensors.

use super::header::{Header, Value};
use crate::diagnostic::Diagnostic;
use std::path::{Path, PathBuf};

/// The most parts that are read.
const MOST_PARTS: u64 = 1000;

/// The header of the whole, from any part.
///
/// # Errors
/// When a part is missing or broken.
pub fn whole(path: &Path) -> Result<Header, Diagnostic> {
    let count = |header: &Header| match header.metadata.get("split.count") {
        Some(Value::Whole(count)) => *count,
        _ => 1,
    };
    let own = Header::read(path)?;
    let parts = count(&own);
    if parts <= 1 {
        return Ok(own);
    }
    let wrong = |message: String| Diagnostic::new(path.display().to_string(), message);
    if parts > MOST_PARTS {
        return Err(wrong(format!("the file claims to be one of {parts} parts")));
    }
    let named = |part: u64| -> Option<PathBuf> {
        let name = path.file_name()?.to_str()?;
        let start = name.rfind(&format!("-of-{parts:05}.gguf"))?.checked_sub(6)?;
        let stem = name.get(..start).filter(|_| name[start..].starts_with('-'))?;
        Some(path.with_file_name(format!("{stem}-{part:05}-of-{parts:05}.gguf")))
    };
    let mut all: Option<Header> = None;
    for part in 1..=parts {
        let file = named(part).ok_or_else(|| {
            wrong(format!("the file is one of {parts} parts, but not named like -00001-of-{parts:05}.gguf"))
        })?;
        if !file.is_file() {
            return Err(wrong(format!("the file is one of {parts} parts, and {} is missing", file.display())));
        }
        let header = Header::read(&file)?;
        if count(&header) != parts {
            return Err(wrong(format!("{} is not one of the same {parts} parts", file.display())));
        }
        match &mut all {
            None => all = Some(header),
            Some(first) => first.tensors.extend(header.tensors),
        }
    }
    all.ok_or_else(|| wrong("the file has no parts".into()))
}
