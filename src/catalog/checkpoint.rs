//! What describes a model: a `config.json` with what lies beside it, or a GGUF file.

use super::entry::{Entry, MAX_BYTES, read, read_up_to};
use super::hub;
use crate::diagnostic::Diagnostic;
use std::path::{Path, PathBuf};

/// The ways to name a model, for messages.
pub const WAYS: &str = "a model is a name of the catalogue, a path of a config.json, of a checkpoint folder or of a .gguf file (with a slash), or \
                        a Hugging Face id org/name whose config.json is in the local hub cache";

/// The longest index of tensors that is read; that of a model with a thousand billion parameters has 20 MB.
const MAX_INDEX_BYTES: u64 = 64 << 20;

/// A model's description, found by name or path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelFile {
    /// A `config.json`.
    Config(Box<Checkpoint>),
    /// A GGUF file, or the first part of one that is split.
    Gguf(PathBuf),
}

impl ModelFile {
    /// The `config.json`, where it is one.
    pub fn config(self) -> Option<Entry> {
        match self {
            Self::Config(found) => Some(found.config),
            Self::Gguf(_) => None,
        }
    }
}

/// A `config.json` and the files of its folder that say more about the weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The `config.json`.
    pub config: Entry,
    /// `hf_quant_config.json`.
    pub quantisation: Option<Entry>,
    /// `model.safetensors.index.json`.
    pub index: Option<Entry>,
}

impl Checkpoint {
    /// A file by itself.
    pub const fn alone(config: Entry) -> Self {
        Self { config, quantisation: None, index: None }
    }

    /// A folder of files as the hub has it.
    fn folder(folder: &Path) -> Result<Self, Diagnostic> {
        let config = folder.join("config.json");
        if !config.is_file() {
            let mut ggufs: Vec<String> = std::fs::read_dir(folder)
                .into_iter()
                .flatten()
                .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
                .filter(|name| name.ends_with(".gguf"))
                .collect();
            ggufs.sort();
            let hint = match ggufs.first() {
                Some(one) => {
                    format!("name one of its {} GGUF files, such as {}", ggufs.len(), folder.join(one).display())
                }
                None => WAYS.to_owned(),
            };
            return Err(Diagnostic::new(folder.display().to_string(), "the folder has no config.json").hint(hint));
        }
        let mut all = Self::file(&config)?;
        if let Some(name) = folder.file_name() {
            all.config.name = name.to_string_lossy().into_owned();
        }
        Ok(all)
    }

    /// A file, with its neighbours where it is named as the hub names it.
    fn file(path: &Path) -> Result<Self, Diagnostic> {
        let config = read(path)?;
        if path.file_name().is_none_or(|name| name != "config.json") {
            return Ok(Self::alone(config));
        }
        let beside = |name: &str, most| {
            let file = path.with_file_name(name);
            file.is_file().then(|| read_up_to(&file, most)).transpose()
        };
        Ok(Self {
            config,
            quantisation: beside("hf_quant_config.json", MAX_BYTES)?,
            index: beside("model.safetensors.index.json", MAX_INDEX_BYTES)?,
        })
    }
}

/// A model by path or hub id; `None` where the name is neither, but one of the catalogue.
///
/// # Errors
/// When there is nothing of the name, or it cannot be read.
pub fn find(name: &str, base: &Path) -> Result<Option<ModelFile>, Diagnostic> {
    let path = base.join(name);
    if name.to_ascii_lowercase().ends_with(".gguf") {
        return Ok(Some(ModelFile::Gguf(path)));
    }
    if !name.contains(['/', '\\']) && !name.ends_with(".json") {
        return Ok(None);
    }
    let config = |found: Checkpoint| Ok(Some(ModelFile::Config(Box::new(found))));
    if path.is_dir() {
        return config(Checkpoint::folder(&path)?);
    }
    if path.is_file() || !hub::is_id(name) {
        return config(Checkpoint::file(&path).map_err(|error| match error.hint {
            Some(_) => error,
            None => error.hint(WAYS),
        })?);
    }
    let cache = hub::cache();
    if let Some(folder) = cache.as_deref().map(|cache| hub::snapshot(cache, name)).transpose()?.flatten() {
        let mut found = Checkpoint::folder(&folder)?;
        name.rsplit('/').next().unwrap_or(name).clone_into(&mut found.config.name);
        return config(found);
    }
    let message = format!("there is no file `{}`, and no config.json of `{name}` in the hub cache", path.display());
    let place = cache.map_or_else(|| "no hub cache".to_owned(), |cache| cache.display().to_string());
    Err(Diagnostic::new(place, message).hint(format!("`hf download {name} config.json` fetches it; {WAYS}")))
}
