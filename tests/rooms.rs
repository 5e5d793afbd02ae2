//! Data flows one way: which room may import which, and no circle of files inside a room, checked on the source text.

mod circles;

use circles::circles;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Rooms in the order of the flow, each with what it may import. Leaves import nothing.
const LEAVES: &[&str] = &["units", "stats", "provenance", "progress", "precision", "diagnostic", "run"];
const ROOMS: &[(&str, &[&str])] = &[
    ("catalog", &[]),
    ("model", &["catalog"]),
    ("device", &["catalog"]),
    ("setup", &["model", "device"]),
    ("scenario", &["catalog", "model", "device", "setup"]),
    ("estimate", &["catalog", "model", "device", "setup"]),
    ("solve", &["catalog", "model", "device", "setup", "scenario", "estimate", "simulate"]),
    ("simulate", &["catalog", "model", "device", "setup", "scenario", "estimate"]),
    ("validate", &["catalog", "model", "device", "setup", "estimate"]),
    ("gpu", &[]),
    ("kernels", &["gpu"]),
    ("isa", &["gpu", "kernels"]),
    ("measure", &["catalog", "model", "device", "kernels", "gpu", "isa"]),
    ("report", &[]),
];

#[test]
fn every_room_imports_only_what_it_may() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let rooms = fs::read_dir(&source).expect("src is there").map(|e| e.expect("a readable entry").path());
    let mut checked = BTreeSet::new();
    let mut wrong = Vec::new();
    for path in rooms {
        let room = path.file_stem().expect("a name").to_string_lossy().into_owned();
        if matches!(room.as_str(), "lib" | "main" | "cli") {
            continue;
        }
        let allowed: &[&str] = match ROOMS.iter().find(|(name, _)| *name == room) {
            Some((_, allowed)) => allowed,
            None if LEAVES.contains(&room.as_str()) => &[],
            None => panic!("src/{room} is no room this test knows: add it to the order of the flow"),
        };
        let leaf = LEAVES.contains(&room.as_str());
        for file in files(&path) {
            let text = fs::read_to_string(&file).expect("readable source");
            for import in imports(&text) {
                if import != room && !allowed.contains(&import.as_str()) && (leaf || !LEAVES.contains(&import.as_str()))
                {
                    wrong.push(format!("{} imports {import}", file.display()));
                }
            }
        }
        checked.insert(room);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(checked.len() >= LEAVES.len() + 7, "only {checked:?} were found");
}

#[test]
fn no_circle_of_files_is_in_a_room() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let read = |file: std::path::PathBuf| {
        let name = file.strip_prefix(&source).expect("below src").to_string_lossy().replace('\\', "/");
        (name, fs::read_to_string(&file).expect("readable source"))
    };
    let found = circles(&files(&source).into_iter().map(read).collect());
    assert!(found.is_empty(), "files import each other:\n{}", found.join("\n"));
}

#[test]
fn circles_are_found_through_every_form_of_import() {
    let files: BTreeMap<String, String> = [
        ("a/mod.rs", "mod b; mod c; mod d; mod e; pub use b::{B, helper as h}; pub use d::D; pub struct Own;"),
        ("a/b.rs", "use super::c; pub struct B; fn helper() { c::f() }"),
        ("a/c.rs", "// super::d::D\npub fn f(_: super::B) {}\n#[cfg(test)]\nmod tests { use crate::a::d::D; }"),
        ("a/d.rs", "use crate::a::{Own, e::E}; pub struct D; const TEXT: &str = \"super::c::f\";"),
        ("a/e.rs", "use super::h; pub struct E; fn f<'a>(_: &'a str) -> char { '\"' }"),
        ("f/mod.rs", "mod g; pub struct Own; fn f() { g::g(); }"),
        ("f/g.rs", "use super::Own; pub fn g() {}"),
    ]
    .map(|(name, text)| (name.to_owned(), text.to_owned()))
    .into();
    assert_eq!(circles(&files), ["a/b.rs -> a/c.rs -> a/b.rs", "f/g.rs -> f/mod.rs -> f/g.rs"]);
}

fn files(path: &Path) -> Vec<std::path::PathBuf> {
    if path.is_file() {
        return vec![path.to_path_buf()];
    }
    let entries = fs::read_dir(path).expect("a readable folder");
    entries.flat_map(|e| files(&e.expect("a readable entry").path())).collect()
}

/// First segments after `crate::`, in paths and in grouped imports.
fn imports(text: &str) -> BTreeSet<String> {
    let word = |s: &str| s.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let code = text.lines().filter(|l| !l.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    code.split("crate::")
        .skip(1)
        .flat_map(|rest| match rest.strip_prefix('{') {
            Some(group) => group.split('}').next().unwrap_or("").split(',').map(|p| word(p.trim())).collect(),
            None => vec![word(rest)],
        })
        .filter(|name| name.starts_with(|c: char| c.is_lowercase()))
        .collect()
}
