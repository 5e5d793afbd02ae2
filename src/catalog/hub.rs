//! The local cache of the Hugging Face hub: an id `org/name` to the folder of its files. Nothing is downloaded.
//!
//! Layout of `huggingface_hub` ("Manage your cache"): `models--org--name/refs/main` holds a revision,
//! `snapshots/REVISION/` the files.

use crate::diagnostic::Diagnostic;
use std::path::{Path, PathBuf};

/// Where the cache is: `HF_HUB_CACHE`, else `hub` in `HF_HOME`, else in `huggingface` of the user's cache folder.
pub fn cache() -> Option<PathBuf> {
    let set = |key: &str| std::env::var_os(key).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || set("HOME").or_else(|| set("USERPROFILE"));
    let caches = || set("XDG_CACHE_HOME").or_else(|| Some(home()?.join(".cache")));
    set("HF_HUB_CACHE")
        .or_else(|| set("HUGGINGFACE_HUB_CACHE"))
        .or_else(|| Some(set("HF_HOME").or_else(|| Some(caches()?.join("huggingface")))?.join("hub")))
}

/// Whether a name has the form of an id: two words with one slash between.
pub fn is_id(name: &str) -> bool {
    let word = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    name.split_once('/').is_some_and(|(org, name)| word(org) && word(name))
}

/// The folder of an id's files; `None` where the cache has nothing of it.
///
/// # Errors
/// When the cache has revisions of it and none is the one of `main`.
pub fn snapshot(cache: &Path, id: &str) -> Result<Option<PathBuf>, Diagnostic> {
    let folder = cache.join(format!("models--{}", id.replace('/', "--")));
    let snapshots = folder.join("snapshots");
    if let Ok(revision) = std::fs::read_to_string(folder.join("refs").join("main")) {
        let found = snapshots.join(revision.trim());
        if revision.trim().chars().all(|c| c.is_ascii_alphanumeric()) && found.is_dir() {
            return Ok(Some(found));
        }
    }
    let Ok(entries) = std::fs::read_dir(&snapshots) else { return Ok(None) };
    let mut all: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|p| p.is_dir()).collect();
    all.sort();
    match all.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(one.clone())),
        _ => {
            let message = format!("the cache has {} revisions of {id} and none is that of `main`", all.len());
            Err(Diagnostic::new(snapshots.display().to_string(), message).hint("give the folder of one of them"))
        }
    }
}
