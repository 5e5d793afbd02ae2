//! What parent and worker say to each other, and how it survives drivers that write to the same pipe.
//!
//! A message is one line on the worker's stdout: a mark, the length and a checksum of the JSON, the JSON. Everything
//! else on that pipe is a driver talking and is ignored; a message damaged by it does not check and is ignored too.

use crate::device::profile::Case;
use crate::gpu::{Driver, Found};
use crate::isa::Judgement;
use crate::kernels::{Problem, Variant};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::rule::Rule;

/// What a worker works on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// The cores of the host.
    Cpu,
    /// An adapter of one driver.
    Adapter {
        /// The only driver the worker loads.
        driver: Driver,
        /// Its position among that driver's adapters.
        position: usize,
    },
}

/// One variant to be run on one problem.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// What to run.
    pub variant: Variant,
    /// On what.
    pub problem: Problem,
    /// Seed of the inputs.
    pub seed: u64,
    /// Compile bounds checks and loop bounds in.
    pub checks: bool,
    /// When to stop sampling.
    pub rule: Rule,
    /// The rung it stands for.
    pub rung: Option<String>,
}

/// One op of a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Op {
    /// The class it is counted in.
    pub class: String,
    /// What it took when it was chosen, s; sizes the submissions.
    pub expected_s: f64,
    /// What to run.
    pub job: Job,
}

/// What a step took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepTimes {
    /// Each op alone, in the order of the list, s: ops that only differ in their weights run one after the other, and
    /// each counts its share.
    pub alone_s: Vec<f64>,
    /// The ops of each class run one after the other without the rest, s.
    pub classes: BTreeMap<String, f64>,
    /// All ops in order, s.
    pub total_s: f64,
}

/// From parent to worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// The adapters of a backend.
    List(String),
    /// Opens the target; the first request of a measuring worker.
    Open(Target),
    /// Times and verifies.
    Time(Job),
    /// Verifies with exact and real inputs, without timing.
    Verify(Job),
    /// Runs many ops as one stream.
    Step(Vec<Op>),
    /// What the compiler of the driver's device at a position makes of a variant. Nothing is opened for work.
    Judge(usize, Variant),
}

/// From worker to parent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// Alive, and what is under way; any number of these precede an answer.
    At(String),
    /// Answer to `List`.
    Adapters(Vec<Found>),
    /// Answer to `Open`.
    Opened(Box<Found>),
    /// Answer to `Time`: verified.
    Case(Box<Case>),
    /// Answer to `Step`: every op verified.
    Step(StepTimes),
    /// Answer to `Verify`: every gate passed.
    Verified,
    /// Answer to `Judge`, where the compiler took the variant.
    Judged(Option<Box<Judgement>>),
    /// The adapter cannot run it. Not a fault.
    Unavailable(String),
    /// It ran and its output, a guard or an input is wrong.
    Wrong(String),
    /// The device failed; this worker should not be trusted any more.
    Failed(String),
}

/// A numbered reply; the number is the request's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Number of the request, from 1.
    pub id: u64,
    /// The content.
    pub reply: Reply,
}

const MARK: &str = "\u{1e}underdog ";

/// One message as bytes, to be written by one call. It begins with a line break, because a driver may have left the
/// line open.
pub fn encode(message: &Message) -> Vec<u8> {
    let json = serde_json::to_string(message).unwrap_or_default();
    format!("\n{MARK}{} {:08x} {json}\n", json.len(), checksum(json.as_bytes())).into_bytes()
}

/// The message in a line, if it holds a whole one.
pub fn decode(line: &[u8]) -> Option<Message> {
    let line = std::str::from_utf8(line).ok().or_else(|| {
        // Bytes a driver wrote before the mark may be no text at all.
        let at = line.iter().rposition(|&b| b == 0x1e)?;
        std::str::from_utf8(&line[at..]).ok()
    })?;
    let (_, framed) = line.rsplit_once(MARK)?;
    let (length, rest) = framed.split_once(' ')?;
    let (sum, json) = rest.split_once(' ')?;
    let json = json.get(..length.parse().ok()?)?;
    if u32::from_str_radix(sum, 16).ok()? != checksum(json.as_bytes()) {
        return None;
    }
    serde_json::from_str(json).ok()
}

/// FNV-1a, 32 bit.
pub(super) fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_survives_a_talking_driver() {
        let message = Message { id: 7, reply: Reply::At("compiling \"x\"\nline".into()) };
        let bytes = encode(&message);
        let line = bytes.strip_prefix(b"\n").and_then(|b| b.strip_suffix(b"\n")).expect("framed by line breaks");
        assert_eq!(decode(line), Some(message.clone()));
        let after_noise = [b"WARNING: \xff\xfe not conformant".as_slice(), line].concat();
        assert_eq!(decode(&after_noise), Some(message));
        let mut torn = line.to_vec();
        torn.insert(40, b'!');
        assert_eq!(decode(&torn), None);
        assert_eq!(decode(b"libEGL warning: x"), None);
        assert_eq!(decode(&line[..line.len() - 3]), None);
    }
}
