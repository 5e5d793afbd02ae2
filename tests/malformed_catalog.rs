//! What a person is told about a wrong device file, `config.json` or price list: every file of `tests/malformed/`
//! against a snapshot of the message.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use underdog::catalog::{self, Entry};
use underdog::device::{Device, PriceList};
use underdog::diagnostic::Diagnostic;
use underdog::model::ModelSpec;

/// The message for each file of a folder, under the name of the file.
fn messages(folder: &str, read: fn(&Entry) -> Option<Diagnostic>) -> usize {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/malformed").join(folder);
    let mut files: Vec<PathBuf> = std::fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for path in &files {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        // The message must not depend on where the repository lies.
        let entry = Entry { file: format!("{folder}/{name}"), ..catalog::read(path).unwrap() };
        let error = read(&entry).unwrap_or_else(|| panic!("{name} was accepted"));
        insta::assert_snapshot!(format!("{folder}_{name}"), error.render(false));
    }
    files.len()
}

#[test]
fn a_wrong_data_sheet_is_explained() {
    assert_eq!(messages("device", |entry| Device::parse(entry).err()), 13);
}

#[test]
fn a_wrong_config_is_explained() {
    assert_eq!(messages("model", |entry| ModelSpec::parse(entry).err()), 24);
}

#[test]
fn a_wrong_price_list_is_explained() {
    assert_eq!(messages("prices", |entry| PriceList::parse(entry).err()), 4);
}
