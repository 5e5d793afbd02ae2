//! Choices of the tuner that outlive the process: an append-only file, one checked record a line.
//!
//! Concurrent processes take turns by an advisory lock on a file beside it, which the system drops with its holder. A
//! process killed in the middle leaves at most one line that does not check and is skipped. When most lines are
//! superseded or damaged, the live ones are written to a new file that replaces the old one whole; damaged lines are
//! set aside, never deleted.

use super::protocol::checksum;
use crate::device::profile::Adapter;
use crate::gpu::Found;
use crate::kernels::{Dtype, Problem, Variant, template};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// What compiles and runs the kernels.
pub(super) const LIBRARIES: [&str; 2] = ["wgpu 30.0.1", "naga 30.0.1"];

/// What was chosen for a bucket of problems on an adapter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// Adapter, driver version, backend, features, libraries, kernel sources, problem bucket, rung and checks, as one key.
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

/// The profile's description of what was opened.
pub(super) fn adapter(found: &Found) -> Adapter {
    let identity = found.identity.clone();
    Adapter {
        name: identity.name,
        backend: identity.backend,
        driver: identity.driver,
        driver_info: identity.driver_info,
        kind: identity.kind,
        vendor_id: identity.pci[0],
        device_id: identity.pci[1],
        bus: identity.bus,
        software: found.caps.software,
        subgroup: identity.subgroup,
        features: identity.features,
    }
}

/// Shapes within a factor of two share a choice. With runtime checks the same source compiles to other code.
pub fn key(adapter: &Adapter, problem: Problem, dtype: Dtype, rung: &str, runtime_checks: bool) -> String {
    let extent: Vec<u64> = match problem {
        Problem::Attention { queries, context, heads, kv_heads, head_dim } => {
            vec![queries, context, heads, kv_heads, head_dim]
        }
        Problem::Experts { m, experts, n, k } => vec![m, experts, n, k],
        other => other.mnk().to_vec(),
    };
    let bucket: Vec<String> = extent.iter().map(|&x| (x.max(1) as f64).log2().round().to_string()).collect();
    let checks = if runtime_checks { "checked" } else { "unchecked" };
    let features = adapter.features.join("+");
    let adapter =
        [&adapter.name, &adapter.driver, &adapter.driver_info, &adapter.backend, &features].map(String::as_str);
    let libraries = LIBRARIES.join("+");
    let kind = [problem.kernel(), dtype.name(), &bucket.join("."), rung, checks].join("|");
    [&adapter.join("|"), &libraries, &template::source_hash(), &kind].map(String::as_str).join("|")
}

impl Choices {
    /// Reads `choices.jsonl` of a folder. Lines that do not check are skipped, later records replace earlier ones.
    pub fn load(folder: &Path) -> Self {
        let path = folder.join("choices.jsonl");
        let (known, lines) = read(&path);
        if lines > WASTE * (known.len() + 1) {
            // A file that cannot be replaced is only longer than it needs to be.
            let _ = compact(&path);
        }
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

/// Lines a live record may stand for before the file is written anew.
const WASTE: usize = 64;

/// The live records of a file, and how many lines it has.
fn read(path: &Path) -> (HashMap<String, Choice>, usize) {
    let text = std::fs::read(path).unwrap_or_default();
    let lines = || text.split(|&b| b == b'\n').filter(|l| !l.is_empty());
    (lines().filter_map(decode).map(|c| (c.key.clone(), c)).collect(), lines().count())
}

/// Held while the file is written; another process waits.
fn lock(path: &Path) -> std::io::Result<File> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let lock = File::create(path.with_extension("lock"))?;
    lock.lock()?;
    Ok(lock)
}

/// Writes the live records to a new file, sync, and puts it in the place of the old one.
fn compact(path: &Path) -> std::io::Result<()> {
    let _turn = lock(path)?;
    let text = std::fs::read(path)?;
    let mut damaged = text.split(|&b| b == b'\n').filter(|l| !l.is_empty() && decode(l).is_none()).peekable();
    if damaged.peek().is_some() {
        let mut aside = File::options().append(true).create(true).open(path.with_extension("damaged"))?;
        aside.write_all(&damaged.collect::<Vec<_>>().join(&b'\n'))?;
    }
    let mut file = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(Path::new(".")))?;
    let mut live: Vec<Choice> = read(path).0.into_values().collect();
    live.sort_by(|a, b| a.key.cmp(&b.key));
    file.write_all(&live.iter().flat_map(encode).collect::<Vec<u8>>())?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|e| e.error)?;
    Ok(())
}

fn append(path: &Path, line: &[u8]) -> std::io::Result<()> {
    let _turn = lock(path)?;
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
    fn a_file_of_superseded_and_damaged_records_is_replaced_by_the_live_ones() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("choices.jsonl");
        let mut bytes: Vec<u8> = (0..400).flat_map(|at| encode(&choice(["a", "b"][at % 2], 1 + at as u32))).collect();
        bytes.extend_from_slice(b"\n12345678 {\"key\": \"torn");
        std::fs::write(&path, &bytes).expect("writes");
        let read = Choices::load(folder.path());
        assert_eq!((read.get("a"), read.get("b")), (Some(&choice("a", 399)), Some(&choice("b", 400))));
        assert!(std::fs::metadata(&path).expect("is there").len() < bytes.len() as u64 / 50);
        let aside = std::fs::read_to_string(path.with_extension("damaged")).expect("set aside");
        assert!(aside.contains("torn"));
        assert_eq!(Choices::load(folder.path()).known, read.known);
    }

    /// What the child of the next test does: appends until it is killed, and replaces the file now and then.
    #[test]
    #[ignore = "runs as a child process of another test"]
    fn append_until_killed() {
        let Some(folder) = std::env::var_os("UNDERDOG_TEST_FOLDER").map(PathBuf::from) else { return };
        let me = std::process::id();
        for at in 0..100_000 {
            Choices::load(&folder).put(choice(&format!("{me}.{}", at % 3), 1 + at));
            if at % 20 == 19 {
                compact(&folder.join("choices.jsonl")).expect("replaces");
            }
        }
    }

    /// kill -9 at any moment, several times over, while another process writes: what was written before stays.
    #[test]
    fn killed_processes_damage_nothing_that_was_written() {
        let folder = tempfile::tempdir().expect("a folder");
        Choices::load(folder.path()).put(choice("mine", 77));
        let child = || {
            std::process::Command::new(std::env::current_exe().expect("this test"))
                .args(["--ignored", "--exact", "measure::choices::tests::append_until_killed"])
                .env("UNDERDOG_TEST_FOLDER", folder.path())
                .stdout(std::process::Stdio::null())
                .spawn()
                .expect("starts")
        };
        for round in 0..4 {
            let mut children = [child(), child()];
            let ids = children.each_ref().map(std::process::Child::id);
            let has = |id| Choices::load(folder.path()).known.keys().any(|k| k.starts_with(&format!("{id}.")));
            let start = std::time::Instant::now();
            while !ids.iter().all(|&id| has(id)) && start.elapsed().as_secs() < 20 {
                std::thread::sleep(std::time::Duration::from_millis(7 + 3 * round));
            }
            children.iter_mut().for_each(|c| c.kill().and_then(|()| c.wait().map(|_| ())).expect("is killed"));
            assert!(ids.iter().all(|&id| has(id)), "a process wrote nothing that could be read");
            let key = format!("after.{round}");
            Choices::load(folder.path()).put(choice(&key, 5));
            let now = Choices::load(folder.path());
            assert_eq!((now.get("mine"), now.get(&key)), (Some(&choice("mine", 77)), Some(&choice(&key, 5))));
        }
        assert_eq!(Choices::load(folder.path()).known.keys().filter(|k| k.starts_with("after.")).count(), 4);
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
