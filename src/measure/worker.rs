//! The worker: the only process that loads a driver. It answers requests until its input ends.

use super::case;
use super::cpu::{self, CpuSession};
use super::device::{GpuSession, Refusal, Session};
use super::protocol::{Job, Message, Reply, Request, Target, encode};
use super::stream;
use crate::gpu::{Checks, Compiler, Gpu};
use crate::isa;
use crate::kernels::twin::{self, Truth};
use crate::kernels::{Data, Dtype, Fill, Problem, gate, legal};
use std::io::{BufRead, Write};
use std::process::ExitCode;
use std::time::Instant;

/// The hidden subcommand under which `cli` must call [`worker_main`].
pub const WORKER_SUBCOMMAND: &str = "__worker";

/// Inputs are rotated through this much memory, more than any last-level cache holds (256 MiB on an MI300X).
const ROTATE: u64 = 512 << 20;

/// Runs the worker on stdin and stdout. Returns when the parent closes the pipe.
pub fn worker_main() -> ExitCode {
    // Deep expressions of unrolled kernels overflow a main thread's stack inside naga.
    let worker = std::thread::Builder::new().stack_size(64 << 20).spawn(|| Worker::default().serve());
    match worker.map(std::thread::JoinHandle::join) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

#[derive(Default)]
struct Worker {
    device: Option<Device>,
    id: u64,
    reference: Option<Reference>,
}

enum Device {
    Cpu,
    Gpu(Box<Gpu>),
}

/// The last problem's inputs and values; candidates for one problem come one after the other.
struct Reference {
    key: (Problem, Dtype, Fill, u64),
    data: Data,
    truth: Truth,
}

impl Worker {
    fn serve(&mut self) {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            let reply = match serde_json::from_str::<(u64, Request)>(&line) {
                Ok((id, request)) => {
                    self.id = id;
                    self.answer(request)
                }
                Err(error) => {
                    self.id += 1;
                    Reply::Failed(format!("not a request: {error}"))
                }
            };
            self.send(reply);
        }
    }

    fn send(&self, reply: Reply) {
        // One write call, so that another thread's output lands before or after it, not inside.
        let mut out = std::io::stdout().lock();
        let sent = out.write_all(&encode(&Message { id: self.id, reply })).and_then(|()| out.flush());
        if sent.is_err() {
            std::process::exit(1); // the parent is gone
        }
    }

    fn answer(&mut self, request: Request) -> Reply {
        match request {
            Request::List(backend) => {
                let found = crate::gpu::list(&backend);
                let why = if found.is_empty() && backend == "vulkan" { crate::gpu::unloadable() } else { None };
                why.map_or(Reply::Adapters(found), Reply::Failed)
            }
            Request::Open(Target::Cpu) => {
                self.device = Some(Device::Cpu);
                Reply::Opened(Box::new(cpu::found()))
            }
            Request::Open(Target::Adapter { driver, position }) => match Gpu::open(&driver.backend, position) {
                Ok(gpu) => {
                    let found = gpu.found().clone();
                    self.device = Some(Device::Gpu(Box::new(gpu)));
                    Reply::Opened(Box::new(found))
                }
                Err(error) => Reply::Failed(error.to_string()),
            },
            Request::Judge(position, variant) => match Compiler::open(position) {
                Ok(compiler) => Reply::Judged(isa::of_variant(&compiler, &variant).map(Box::new)),
                Err(why) => Reply::Unavailable(why.to_string()),
            },
            Request::Time(job) => reply(self.job(&job, true)),
            Request::Verify(job) => reply(self.job(&job, false)),
            Request::Step(ops) => match &self.device {
                Some(Device::Gpu(gpu)) => {
                    let say = |what: &str| self.send(Reply::At(what.into()));
                    reply(stream::run(gpu, &ops, &say).map(Reply::Step))
                }
                _ => Reply::Unavailable("a step runs on an adapter, not on the CPU executor".into()),
            },
        }
    }

    fn job(&mut self, job: &Job, timed: bool) -> Result<Reply, Refusal> {
        self.send(Reply::At(format!("{}: verifying a small shape", job.variant)));
        super::fault::inject(&job.variant);
        let device = self.device.take().ok_or_else(|| Refusal::Failed("no device is open".into()))?;
        let result = self.on(&device, job, timed);
        self.device = Some(device);
        result
    }

    fn on(&mut self, device: &Device, job: &Job, timed: bool) -> Result<Reply, Refusal> {
        if let Device::Gpu(gpu) = device {
            legal::legal(&job.variant, job.problem, &gpu.found().caps).map_err(Refusal::Unavailable)?;
        }
        // Exact inputs on a shape with odd tails; this first dispatch also compiles.
        let small = if timed { job.problem.odd() } else { job.problem };
        let started = Instant::now();
        let first_s = self.gate(device, job, small, Fill::Exact, started)?;
        if let Some(sparse) = small.sparse() {
            self.gate(device, job, sparse, Fill::Exact, started)?;
        }
        if !timed {
            self.gate(device, job, small, Fill::Real, started)?;
            return Ok(Reply::Verified);
        }
        let fill = twin::timed_fill(job.problem);
        if fill == Fill::Exact {
            // The timed run will show that no term is missing; that rounding stays within its bound shows here.
            self.gate(device, job, small, Fill::Real, started)?;
        }
        self.refer(job.problem, job.variant.dtype, fill, job.seed);
        let reference = self.reference.take().ok_or_else(|| Refusal::Failed("no reference".into()))?;
        let mut stage = |what: &str| self.send(Reply::At(format!("{}: {what}", job.variant)));
        stage("uploading");
        // Candidates are chosen as they will be timed: on inputs that left the caches. A host's cores share theirs with
        // everything else, and there a quick look stays quick.
        let quick = job.rung.is_none() && !matches!(device, Device::Gpu(gpu) if !gpu.found().caps.software);
        let cold = if quick { 0 } else { ROTATE };
        let result = session(device, job, job.problem, &reference.data, cold)
            .and_then(|mut s| case::time(job, s.as_mut(), &reference.truth, first_s, &mut stage));
        self.reference = Some(reference);
        result.map(|case| Reply::Case(Box::new(case)))
    }

    /// Runs once on poisoned memory and judges. Returns the seconds until the run was done.
    fn gate(
        &mut self,
        device: &Device,
        job: &Job,
        problem: Problem,
        fill: Fill,
        from: Instant,
    ) -> Result<f64, Refusal> {
        let fill = if problem.has_exact_inputs() { fill } else { Fill::Real };
        let data = Data::new(problem, job.variant.dtype, fill, job.seed);
        let truth = twin::truth(problem, job.variant.dtype, &data);
        let mut session = session(device, job, problem, &data, 0)?;
        session.cut(1)?;
        session.poison()?;
        session.run(1)?;
        let first_s = from.elapsed().as_secs_f64();
        gate::judge(&session.output()?, &truth, fill, job.variant.halves())
            .map_err(|why| Refusal::Wrong(format!("{problem}: {why}")))?;
        match session.damage()? {
            Some(damage) => Err(Refusal::Wrong(format!("{problem}: {damage}"))),
            None => Ok(first_s),
        }
    }

    fn refer(&mut self, problem: Problem, dtype: Dtype, fill: Fill, seed: u64) {
        let key = (problem, dtype, fill, seed);
        if self.reference.as_ref().is_none_or(|r| r.key != key) {
            self.send(Reply::At(format!("reference of {problem}")));
            let data = Data::new(problem, dtype, fill, seed);
            let truth = twin::timed_truth(problem, dtype, &data, seed);
            self.reference = Some(Reference { key, data, truth });
        }
    }
}

/// `rotate`: inputs exist often enough to fill so many bytes.
fn session<'a>(
    device: &'a Device,
    job: &Job,
    problem: Problem,
    data: &Data,
    rotate: u64,
) -> Result<Box<dyn Session + 'a>, Refusal> {
    match device {
        Device::Cpu => Ok(Box::new(CpuSession::new(&job.variant, problem, data)?)),
        Device::Gpu(gpu) => {
            let checks = if job.checks { Checks::On } else { Checks::Off };
            Ok(Box::new(GpuSession::new(gpu, &job.variant, problem, data, checks, rotate)?))
        }
    }
}

fn reply(result: Result<Reply, Refusal>) -> Reply {
    match result {
        Ok(reply) => reply,
        Err(Refusal::Unavailable(why)) => Reply::Unavailable(why),
        Err(Refusal::Wrong(why)) => Reply::Wrong(why),
        Err(Refusal::Failed(why)) => Reply::Failed(why),
    }
}
