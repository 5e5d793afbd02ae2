//! The parent's side of a worker: deadlines, deaths, quarantine. It never loads a driver itself.

use super::MeasureError;
use super::protocol::{Job, Message, Op, Reply, Request, StepTimes, Target, decode};
use crate::device::profile::{Case, Verification};
use crate::gpu::Found;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Silence after which a worker counts as hung. Compiling one kernel on a slow driver takes seconds, not this.
pub const DEADLINE: Duration = Duration::from_secs(60);
/// Silence after which a driver that is asked for its adapters counts as hung.
pub const PROBE_DEADLINE: Duration = Duration::from_secs(10);
/// Deaths in a row after which an adapter is given up, and deaths after which a kernel is quarantined.
const DEATHS: u32 = 5;
const KILLS: u32 = 2;

/// One worker process.
pub struct Worker {
    child: Child,
    stdin: ChildStdin,
    messages: Receiver<Message>,
    stderr: Arc<Mutex<Vec<u8>>>,
    id: u64,
}

/// How a worker ended, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Death(pub String);

impl Worker {
    /// Starts `exe` as a worker that sees only the target's driver.
    pub fn start(exe: &Path, target: &Target, environment: &[(String, String)]) -> Result<Self, MeasureError> {
        let mut command = Command::new(exe);
        command.arg(super::WORKER_SUBCOMMAND).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Target::Adapter { driver, .. } = target
            && let Some(manifest) = &driver.manifest
        {
            command.env("VK_DRIVER_FILES", manifest).env_remove("VK_ICD_FILENAMES");
        }
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        let failed = |why: String| MeasureError::Worker { exe: exe.display().to_string(), why };
        apart(&mut command);
        let mut child = command.spawn().map_err(|e| failed(e.to_string()))?;
        let (Some(stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(failed("no pipes".into()));
        };
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            let mut reader = BufReader::new(stdout);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
                let text = line.strip_suffix(b"\n").unwrap_or(&line);
                if let Some(message) = decode(text)
                    && sender.send(message).is_err()
                {
                    return;
                }
                line.clear();
            }
        });
        let kept: Arc<Mutex<Vec<u8>>> = Arc::default();
        let tail = Arc::clone(&kept);
        std::thread::spawn(move || keep_tail(stderr, &tail));
        Ok(Self { child, stdin, messages, stderr: kept, id: 0 })
    }

    /// Sends a request and waits for its answer, at most `deadline` after the worker's last word.
    pub fn ask(&mut self, request: &Request, deadline: Duration) -> Result<Reply, Death> {
        self.id += 1;
        let line = serde_json::to_string(&(self.id, request)).unwrap_or_default();
        // A failed write means it is dead already; the receiver below finds out how.
        let _ = writeln!(self.stdin, "{line}").and_then(|()| self.stdin.flush());
        let mut at = String::from("starting");
        loop {
            match self.messages.recv_timeout(deadline) {
                Ok(Message { id, .. }) if id != self.id => {}
                Ok(Message { reply: Reply::At(stage), .. }) => at = stage,
                Ok(Message { reply, .. }) => return Ok(reply),
                Err(RecvTimeoutError::Timeout) => {
                    let _ = self.child.kill();
                    let _ = self.child.wait();
                    return Err(Death(format!("no sign of life for {} s at {at}", deadline.as_secs())));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    let status = self.child.wait().map_or_else(|e| e.to_string(), |s| s.to_string());
                    return Err(Death(format!("the driver's process ended ({status}) at {at}{}", self.last_words())));
                }
            }
        }
    }

    fn last_words(&self) -> String {
        let bytes = self.stderr.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&bytes);
        let line = text.lines().rev().find(|l| !l.trim().is_empty()).unwrap_or_default();
        // Drivers write terminal escapes; only plain text goes on into profiles.
        let plain: String = line.chars().filter(|c| !c.is_control()).take(200).collect();
        if plain.is_empty() { plain } else { format!(": {plain}") }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Ctrl-C in a terminal reaches every process of a group. The worker has its own, so that the case under way is finished.
fn apart(command: &mut Command) {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    #[cfg(windows)]
    std::os::windows::process::CommandExt::creation_flags(command, 0x200); // CREATE_NEW_PROCESS_GROUP
}

fn keep_tail(mut pipe: impl Read, tail: &Mutex<Vec<u8>>) {
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = pipe.read(&mut buffer) {
        let mut kept = tail.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(&buffer[..read]);
        let surplus = kept.len().saturating_sub(16 << 10);
        kept.drain(..surplus);
    }
}

/// What became of a job.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Timed and verified.
    Case(Box<Case>),
    /// Verified without timing.
    Verified,
    /// A whole step, every op verified.
    Step(StepTimes),
    /// The adapter cannot run it.
    Unavailable(String),
    /// It computes something else.
    Wrong(String),
    /// It killed workers, or the device failed under it.
    Failed(String),
}

/// A target with as many workers, one after the other, as it takes.
pub struct Supervisor {
    exe: PathBuf,
    target: Target,
    deadline: Duration,
    environment: Vec<(String, String)>,
    worker: Option<Worker>,
    found: Found,
    deaths: u32,
    kills: HashMap<String, u32>,
    /// Why each quarantined variant is, and every death, for the profile's anomalies.
    pub anomalies: Vec<String>,
    /// What the gates said so far.
    pub verification: Verification,
}

impl Supervisor {
    /// Starts a worker and opens the target.
    pub fn open(exe: &Path, target: &Target, deadline: Duration) -> Result<Self, MeasureError> {
        Self::open_with(exe, target, deadline, Vec::new())
    }

    /// The same with further environment variables for the worker.
    pub fn open_with(
        exe: &Path,
        target: &Target,
        deadline: Duration,
        environment: Vec<(String, String)>,
    ) -> Result<Self, MeasureError> {
        let (worker, found) = start(exe, target, deadline, &environment)?;
        Ok(Self {
            environment,
            exe: exe.into(),
            target: target.clone(),
            deadline,
            worker: Some(worker),
            found,
            deaths: 0,
            kills: HashMap::new(),
            anomalies: Vec::new(),
            verification: Verification::default(),
        })
    }

    /// What was opened.
    pub fn found(&self) -> &Found {
        &self.found
    }

    /// Times and verifies a job. `Err` only when the adapter is given up.
    pub fn time(&mut self, job: Job) -> Result<Outcome, MeasureError> {
        self.run(job.variant.id(), &Request::Time(job))
    }

    /// Verifies a job. `Err` only when the adapter is given up.
    pub fn verify(&mut self, job: Job) -> Result<Outcome, MeasureError> {
        self.run(job.variant.id(), &Request::Verify(job))
    }

    /// Runs many ops as one stream.
    pub fn step(&mut self, ops: Vec<Op>) -> Result<StepTimes, MeasureError> {
        let adapter = self.found.identity.name.clone();
        match self.run("step".into(), &Request::Step(ops))? {
            Outcome::Step(times) => Ok(times),
            Outcome::Unavailable(why) => Err(MeasureError::Unsupported { what: adapter, why }),
            Outcome::Wrong(why) | Outcome::Failed(why) => Err(MeasureError::Nothing { adapter, why }),
            Outcome::Case(_) | Outcome::Verified => {
                Err(MeasureError::Nothing { adapter, why: "the worker answered something else".into() })
            }
        }
    }

    fn run(&mut self, variant: String, request: &Request) -> Result<Outcome, MeasureError> {
        loop {
            if self.kills.get(&variant).is_some_and(|&k| k >= KILLS) {
                return Ok(Outcome::Failed("quarantined: it killed two workers".into()));
            }
            let worker = match self.worker.take() {
                Some(worker) => self.worker.insert(worker),
                None => self.worker.insert(start(&self.exe, &self.target, self.deadline, &self.environment)?.0),
            };
            let answer = worker.ask(request, self.deadline);
            // A process that answers lives, whatever it says; only silence and an end count against the adapter.
            self.deaths = if answer.is_ok() { 0 } else { self.deaths + 1 };
            let why = match answer {
                Ok(Reply::Case(case)) => {
                    self.verification.passed += 1;
                    return Ok(Outcome::Case(case));
                }
                Ok(Reply::Verified) => return Ok(Outcome::Verified),
                Ok(Reply::Step(times)) => return Ok(Outcome::Step(times)),
                Ok(Reply::Unavailable(why)) => {
                    self.verification.unavailable += 1;
                    return Ok(Outcome::Unavailable(why));
                }
                Ok(Reply::Wrong(why)) => {
                    self.verification.wrong.push(format!("{variant}: {why}"));
                    self.anomalies.push(format!("{variant} is wrong here: {why}"));
                    return Ok(Outcome::Wrong(why));
                }
                Ok(Reply::Failed(why)) => why,
                Ok(other) => format!("answered {other:?}"),
                Err(Death(why)) => why,
            };
            self.worker = None;
            let kills = self.kills.entry(variant.clone()).or_default();
            *kills += 1;
            if *kills == KILLS {
                self.verification.quarantined.push(format!("{variant}: {why}"));
            }
            self.anomalies.push(format!("{variant}: {why}"));
            if self.deaths >= DEATHS {
                return Err(MeasureError::GaveUp { adapter: self.found.identity.name.clone(), why });
            }
        }
    }
}

fn start(
    exe: &Path,
    target: &Target,
    deadline: Duration,
    environment: &[(String, String)],
) -> Result<(Worker, Found), MeasureError> {
    let mut worker = Worker::start(exe, target, environment)?;
    let why = match worker.ask(&Request::Open(target.clone()), deadline) {
        Ok(Reply::Opened(found)) => return Ok((worker, *found)),
        Ok(Reply::Failed(why)) | Err(Death(why)) => why,
        Ok(other) => format!("answered {other:?}"),
    };
    Err(MeasureError::GaveUp { adapter: format!("{target:?}"), why })
}
