//! Configurations as their makers published them (`tests/models/`), against what the makers say of their models.

mod cases;
mod fields;
mod published;

use std::path::{Path, PathBuf};
use underdog::catalog::{self, Entry};
use underdog::diagnostic::Diagnostic;
use underdog::model::ModelSpec;

/// The folder of configurations.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/models")
}

/// A configuration by its stem; its messages do not say where the repository lies.
fn entry(name: &str) -> Entry {
    let file = format!("{name}.json");
    Entry { file: file.clone(), ..catalog::read(&folder().join(file)).expect("a file") }
}

fn read(name: &str) -> Result<ModelSpec, Diagnostic> {
    ModelSpec::parse(&entry(name))
}

fn model(name: &str) -> ModelSpec {
    read(name).unwrap_or_else(|error| panic!("{}", error.render(false)))
}

/// Names of all configurations that are read, and of all that are refused.
fn names(refused: bool) -> Vec<String> {
    let files = std::fs::read_dir(folder()).expect("a folder").map(|file| file.expect("a file").path());
    let stems = files.map(|file| file.file_stem().expect("a name").to_string_lossy().into_owned());
    let mut all: Vec<String> = stems.filter(|name| name.starts_with("refused-") == refused).collect();
    all.sort();
    all
}
