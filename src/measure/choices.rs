//! Choices of the tuner that outlive the process: an append-only file, one checked record a line.
//!
//! Appending one short line is atomic on every system this runs on, so concurrent processes cannot mix their records,
//! and a process killed in the middle leaves at most one line that does not check and is skipped.

use super::protocol::checksum;
use crate::device::profile::Adapter;
use crate::kernels::{Dtype, Problem, Variant, template};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};

/// What was chosen for a bucket of problems on an adapter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// Adapter, driver version, backend, features, kernel sources, problem bucket and rung, as one key.
    pub key: String,
    /// The winner.
    pub variant: Variant,
    /// Its time when it was chosen, s. Informative; it is measured and verified again whenever it is used.
    pub time_s: f64,
}

/// The stored choices of one store folder.
#[derive(Debug, Default)]
pub struct Choices {
    path: Option<PathBuf>,
    known: HashMap<String, Choice>,
}

/// Shapes within a factor of two share a choice.
pub fn key(adapter: &Adapter, problem: Problem, dtype: Dtype, rung: &str) -> String {
    let bucket: Vec<String> = problem.mnk().iter().map(|&x| (x.max(1) as f64).log2().round().to_string()).collect();
    let features = adapter.features.join("+");
    let adapter =
        [&adapter.name, &adapter.driver, &adapter.driver_info, &adapter.backend, &features].map(String::as_str);
    [&adapter.join("|"), &template::source_hash(), problem.kernel(), dtype.name(), &bucket.join("."), rung].join("|")
}

impl Choices {
    /// Reads `choices.jsonl` of a folder. Lines that do not check are skipped, later records replace earlier ones.
    pub fn load(folder: &Path) -> Self {
        let path = folder.join("choices.jsonl");
        let text = std::fs::read(&path).unwrap_or_default();
        let known = text.split(|&b| b == b'\n').filter_map(decode).map(|c| (c.key.clone(), c)).collect();
        Self { path: Some(path), known }
    }

    /// The choice for a key.
    pub fn get(&self, key: &str) -> Option<&Choice> {
        self.known.get(key)
    }

    /// Remembers a choice and appends it to the file. A file that cannot be written costs the next start a search.
    pub fn put(&mut self, choice: Choice) {
        if let Some(path) = &self.path {
            let _ = append(path, &encode(&choice));
        }
        self.known.insert(choice.key.clone(), choice);
    }
}

fn append(path: &Path, line: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path)?;
    file.write_all(line)?;
    file.sync_data()
}

/// A line break first: a torn line before it must not take this one along.
fn encode(choice: &Choice) -> Vec<u8> {
    let json = serde_json::to_string(choice).unwrap_or_default();
    format!("\n{:08x} {json}\n", checksum(json.as_bytes())).into_bytes()
}

fn decode(line: &[u8]) -> Option<Choice> {
    let (sum, json) = std::str::from_utf8(line).ok()?.split_once(' ')?;
    let sound = u32::from_str_radix(sum, 16).ok()? == checksum(json.as_bytes());
    if sound { serde_json::from_str(json).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Family;

    fn choice(key: &str, wx: u32) -> Choice {
        Choice { key: key.into(), variant: Variant::new(Family::GemvRow, Dtype::F32, &[("wx", wx)]), time_s: 1.0 }
    }

    #[test]
    fn a_torn_or_altered_record_costs_only_itself() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut choices = Choices::load(folder.path());
        choices.put(choice("a", 32));
        choices.put(choice("b", 64));
        choices.put(choice("a", 128));
        let path = folder.path().join("choices.jsonl");
        let mut bytes = std::fs::read(&path).expect("reads");
        // A kill in the middle of a record, then another process.
        bytes.extend_from_slice(&encode(&choice("c", 8))[..20]);
        bytes.extend_from_slice(&encode(&choice("d", 16)));
        std::fs::write(&path, &bytes).expect("writes");
        let read = Choices::load(folder.path());
        assert_eq!(read.get("a"), Some(&choice("a", 128)));
        assert_eq!(
            (read.get("b"), read.get("c"), read.get("d")),
            (Some(&choice("b", 64)), None, Some(&choice("d", 16)))
        );
        let altered = String::from_utf8(bytes).expect("text").replace("wx64", "wx65");
        std::fs::write(&path, altered).expect("writes");
        assert_eq!(Choices::load(folder.path()).get("b"), None);
    }

    #[test]
    fn processes_that_append_at_once_lose_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let path = folder.path();
                scope.spawn(move || {
                    let mut choices = Choices::load(path);
                    (0..20).for_each(|at| choices.put(choice(&format!("{thread}.{at}"), 1 + at)));
                });
            }
        });
        assert_eq!(Choices::load(folder.path()).known.len(), 160);
    }
}
