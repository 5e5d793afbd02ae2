//! The files the program knows by name, embedded at build time, and a user's folder laid over them.
//!
//! A folder given with `--catalog` has the layout of `scenarios/`: `devices/NAME.toml`, `models/NAME.json`,
//! `prices.toml`, `calibration.toml`. Its devices and models replace embedded ones of the same name; its prices come on top, its
//! constants replace the embedded ones.

mod checkpoint;
mod entry;
mod hub;
mod kept;
pub mod names;

pub use checkpoint::{Checkpoint, ModelFile, WAYS};
pub use entry::{Entry, read};

use crate::diagnostic::{Diagnostic, suggest};
use include_dir::{Dir, include_dir};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

static DEVICES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/scenarios/devices");
static MODELS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/scenarios/models");
static CALIBRATION: &str = include_str!("../../scenarios/calibration.toml");
static PRICES: &str = include_str!("../../scenarios/prices.toml");

/// Known devices, models and prices.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    devices: BTreeMap<String, PathBuf>,
    models: BTreeMap<String, PathBuf>,
    prices: Option<PathBuf>,
    calibration: Option<PathBuf>,
    /// What was made of its files.
    pub kept: kept::Kept,
}

impl Catalog {
    /// What the program was built with.
    pub fn embedded() -> Self {
        Self::default()
    }

    /// The embedded files with those of a folder laid over them.
    ///
    /// # Errors
    /// When the folder cannot be read or holds none of `devices/`, `models/`, `prices.toml`.
    pub fn with_overlay(dir: &Path) -> Result<Self, Diagnostic> {
        let file = |name: &str| Some(dir.join(name)).filter(|file| file.is_file());
        let (prices, calibration) = (file("prices.toml"), file("calibration.toml"));
        let (devices, models) = (dir.join("devices"), dir.join("models"));
        if prices.is_none() && calibration.is_none() && !devices.is_dir() && !models.is_dir() {
            let message = "this is not a catalog folder";
            return Err(Diagnostic::new(dir.display().to_string(), message)
                .hint("a catalog folder holds devices/NAME.toml, models/NAME.json, prices.toml or calibration.toml"));
        }
        Ok(Self {
            devices: listing(&devices, "toml")?,
            models: listing(&models, "json")?,
            prices,
            calibration,
            kept: kept::Kept::default(),
        })
    }

    /// A device file by catalogue name, or by path where `name` has a `/` or ends in `.toml`; a relative path starts
    /// at `base`.
    ///
    /// # Errors
    /// When there is none, with the nearest known name.
    pub fn device(&self, name: &str, base: &Path) -> Result<Entry, Diagnostic> {
        find(name, base, &self.devices, &DEVICES, Kind { what: "device", folder: "devices", extension: "toml" })
    }

    /// What describes a model: its `config.json` by catalogue name, or by path where `name` has a `/` or ends in
    /// `.json`; a checkpoint folder; a `.gguf` file; or a Hugging Face id in the local hub cache. A relative path starts
    /// at `base`.
    ///
    /// # Errors
    /// When there is none, with the nearest known name and the ways there are.
    pub fn model(&self, name: &str, base: &Path) -> Result<ModelFile, Diagnostic> {
        if let Some(found) = checkpoint::find(name, base)? {
            return Ok(found);
        }
        let kind = Kind { what: "model", folder: "models", extension: "json" };
        let entry = find(name, base, &self.models, &MODELS, kind)?;
        Ok(ModelFile::Config(Box::new(Checkpoint::alone(entry))))
    }

    /// The price files, the embedded one first.
    ///
    /// # Errors
    /// When the overlay's file cannot be read.
    pub fn prices(&self) -> Result<Vec<Entry>, Diagnostic> {
        let embedded = Entry { name: "prices".into(), file: "prices.toml".into(), text: PRICES.into() };
        let overlay = self.prices.iter().map(|file| read(file));
        std::iter::once(Ok(embedded)).chain(overlay).collect()
    }

    /// The constants of the estimate.
    ///
    /// # Errors
    /// When the overlay's file cannot be read.
    pub fn calibration(&self) -> Result<Entry, Diagnostic> {
        match &self.calibration {
            Some(file) => read(file),
            None => Ok(Entry { name: "calibration".into(), file: "calibration.toml".into(), text: CALIBRATION.into() }),
        }
    }

    /// Names of all devices, sorted.
    pub fn devices(&self) -> Vec<String> {
        names(&DEVICES, &self.devices)
    }

    /// Names of all models, sorted.
    pub fn models(&self) -> Vec<String> {
        names(&MODELS, &self.models)
    }
}

/// One of the two kinds of named files.
#[derive(Clone, Copy)]
struct Kind {
    what: &'static str,
    folder: &'static str,
    extension: &'static str,
}

fn find(
    name: &str,
    base: &Path,
    overlay: &BTreeMap<String, PathBuf>,
    embedded: &'static Dir<'static>,
    kind: Kind,
) -> Result<Entry, Diagnostic> {
    let suffix = format!(".{}", kind.extension);
    if name.contains(['/', '\\']) || name.ends_with(&suffix) {
        return read(&base.join(name));
    }
    if let Some(file) = overlay.get(name) {
        return read(file);
    }
    let file = format!("{name}{suffix}");
    if let Some(text) = embedded.get_file(&file).and_then(|file| file.contents_utf8()) {
        return Ok(Entry {
            name: name.to_owned(),
            file: format!("{}/{file}", kind.folder),
            text: text.trim_start_matches('\u{feff}').into(),
        });
    }
    let known = names(embedded, overlay);
    let near = suggest(name, known.iter().map(String::as_str));
    let ways = match kind.what {
        "model" => WAYS.to_owned(),
        _ => format!("a name with a slash or ending in {suffix} is read as a path"),
    };
    let message = format!("there is no {} named `{name}`", kind.what);
    Err(Diagnostic::new(format!("catalog {}", kind.folder), message).hint(format!("{near}; {ways}")))
}

fn listing(dir: &Path, extension: &str) -> Result<BTreeMap<String, PathBuf>, Diagnostic> {
    if !dir.is_dir() {
        return Ok(BTreeMap::new());
    }
    let fail = |error: std::io::Error| {
        Diagnostic::new(dir.display().to_string(), format!("the folder cannot be read: {error}"))
    };
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(dir).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        if path.extension().is_some_and(|it| it == extension)
            && let Some(stem) = path.file_stem()
        {
            found.insert(stem.to_string_lossy().into_owned(), path);
        }
    }
    Ok(found)
}

fn names(embedded: &Dir<'_>, overlay: &BTreeMap<String, PathBuf>) -> Vec<String> {
    let stems = embedded.files().filter_map(|file| file.path().file_stem());
    let mut all: Vec<String> = stems.map(|stem| stem.to_string_lossy().into_owned()).collect();
    all.extend(overlay.keys().cloned());
    all.sort();
    all.dedup();
    all
}
