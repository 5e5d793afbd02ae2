//! `simulate`: requests in time.

use super::args::Simulate;
use super::failure::Failure;
use super::measuring::interruptible;
use super::options::{Options, Question};
use super::output::Output;
use super::progress::Bar;
use super::{context, ready, require};
use crate::catalog::Catalog;
use crate::estimate::Calibration;
use crate::progress::Progress;
use crate::provenance::Provenance;
use crate::run::{Row, rows};
use crate::scenario::traffic::{Process, Shape, Traffic};
use crate::scenario::{Plan, Source, axis, resolve_in_time};
use crate::simulate::answer::loads;
use crate::simulate::export::{Export, REQUEST_COLUMNS, RequestFormat};
use crate::simulate::tally::Observer;
use crate::simulate::trace::Trace;
use crate::simulate::world::Watch;
use crate::simulate::{self, Load, SimulateError, Spectator};
use crate::solve::evidence::{self, AssumptionRow};
use anyhow::Context as _;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

impl From<SimulateError> for Failure {
    fn from(error: SimulateError) -> Self {
        match error {
            SimulateError::Input(diagnostic) => diagnostic.into(),
            other => Self::Usage(other.to_string()),
        }
    }
}

/// `simulate`: every contender under every load.
pub fn simulate(args: &Simulate, options: &Options, catalog: &Catalog, output: &Output) -> Result<(), Failure> {
    let asked = asked(args, options.seed)?;
    let question = Question::from(&args.scenario);
    let source = Source::read(&question.scenario, &question.edits)?;
    let draft = source.draft()?;
    let ((plan, traffic), profile) =
        ready::resolved(&draft, &question, options.quiet, |local| resolve_in_time(&source, &draft, catalog, local))?;
    let calibration = ready::calibration(&question, &plan, options.quiet, catalog)?;
    // A second handler is refused where measuring set one: its Ctrl-C then ends the program at once.
    let stop = interruptible().unwrap_or_default();
    let files = Files::create(args)?;
    let contenders = plan.contenders.len() as u64;
    let expected = loads(&traffic, &asked)?.iter().map(requests).sum::<u64>() * contenders;
    let bar = Arc::new(Bar::new(options.quiet));
    bar.stage("requests", expected);
    let threads = if files.wanted() { Some(1) } else { args.threads.map(usize::from) };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.unwrap_or(0)).build();
    let pool = pool.context("the threads cannot be started")?;
    let spectator = Live { files: &files, meter: Arc::new(Meter::new(Arc::clone(&bar), Arc::clone(&stop))) };
    let answer = pool.install(|| simulate::simulate(&plan, &traffic, &calibration, &asked, &spectator))?;
    drop(spectator);
    drop(bar);
    files.finish()?;
    let mut context = ready::context_of(&source, &plan, profile.as_deref());
    context.seed = Some(asked.seed);
    let run = context::finished("simulate", context, answer.sentence, answer.notes, &answer.rows)?;
    output.write_with_evidence(&run, || {
        let mut drawn = Vec::new();
        for detail in &answer.details {
            drawn.extend(rows(&detail.distribution)?);
            drawn.extend(rows(&detail.timeline)?);
        }
        drawn.extend(rows(&assumptions(&plan, &traffic, &calibration, &asked)?)?);
        Ok(drawn)
    })?;
    if stop.load(Ordering::Relaxed) {
        return Err(Failure::Interrupted);
    }
    required(&args.requirements, &run.rows)
}

/// What everything rests on: devices, models and prices as in a comparison, then load and scheduling.
fn assumptions(
    plan: &Plan,
    traffic: &Traffic,
    calibration: &Calibration,
    asked: &simulate::Options,
) -> Result<Vec<AssumptionRow>, Failure> {
    let mut all = evidence::assumptions(plan, calibration)?;
    all.retain(|row| row.contender.is_some());
    all.extend(simulate::assumed(plan, traffic, asked).into_iter().map(|a| AssumptionRow {
        kind: "assumption",
        contender: a.contender,
        about: a.about,
        value: a.value,
        provenance: Provenance::Assumed,
        date: None,
    }));
    Ok(all)
}

/// Conditions hold at every load: the first rows of all contenders, their second rows, and so on.
fn required(conditions: &[String], rows: &[Row]) -> Result<(), Failure> {
    let own: Vec<&[Row]> = rows.chunk_by(|a, b| a.get("contender") == b.get("contender")).collect();
    let loads = own.iter().map(|rows| rows.len()).max().unwrap_or(0);
    for load in 0..loads {
        let at: Vec<Row> = own.iter().filter_map(|rows| rows.get(load)).cloned().collect();
        require::check(conditions, &at).map_err(|failure| match failure {
            Failure::Unmet(mut unmet) if loads > 1 => {
                unmet.push(format!("at load {} of {loads}", load + 1));
                Failure::Unmet(unmet)
            }
            other => other,
        })?;
    }
    Ok(())
}

fn asked(args: &Simulate, seed: u64) -> Result<simulate::Options, Failure> {
    let rates = args.rate.as_deref().map_or(Ok(Vec::new()), axis::expand);
    let rates = rates.map_err(|why| Failure::Usage(format!("--rate: {why}")))?;
    let positive = |name: &str, value: Option<f64>| match value {
        Some(v) if !(v > 0.0 && v.is_finite()) => Err(Failure::Usage(format!("{name} {v}: give a number above 0"))),
        other => Ok(other),
    };
    for rate in &rates {
        positive("--rate", Some(*rate))?;
    }
    let (speed, until) = (positive("--speed", args.speed)?, positive("--until", args.until)?);
    Ok(simulate::Options { seed, rates, speed, until, size: args.size })
}

/// How many requests a load has: as drawn, as its rate says, or as its file's size lets one guess.
fn requests(load: &Load) -> u64 {
    match load {
        Load::Process(Process::Open(shape @ Shape::Ramp { seconds, .. }), ..) => (shape.rate() * seconds) as u64,
        Load::Process(_, _, requests, _) => *requests,
        Load::Trace(path, _) => Trace::guess(path),
    }
}

/// What runs write beside the rows.
struct Files {
    requests: Option<(Shared, RequestFormat)>,
    timeline: Option<Shared>,
}

/// One file for all runs, which then go one after the other, and the first error of writing it.
#[derive(Clone)]
struct Shared(Arc<Mutex<(BufWriter<File>, std::io::Result<()>)>>);

impl Shared {
    fn create(path: &Path, head: &str) -> Result<Self, Failure> {
        let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        let mut shared = Self(Arc::new(Mutex::new((BufWriter::new(file), Ok(())))));
        shared.write_all(head.as_bytes()).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(shared)
    }

    fn finish(&self, tail: &str) -> std::io::Result<()> {
        let mut shared = self.0.lock().map_err(|_| std::io::Error::other("a run ended in the middle of a line"))?;
        std::mem::replace(&mut shared.1, Ok(()))?;
        shared.0.write_all(tail.as_bytes())?;
        shared.0.flush()
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if let Ok(mut shared) = self.0.lock()
            && shared.1.is_ok()
        {
            let written = shared.0.write_all(bytes);
            shared.1 = written;
        }
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The first element of the timeline, so that every other one can start with a comma.
const TIMELINE_HEAD: &str =
    "[\n{\"name\":\"underdog\",\"ph\":\"i\",\"ts\":0,\"pid\":\"underdog\",\"tid\":0,\"s\":\"g\"}";

impl Files {
    fn create(args: &Simulate) -> Result<Self, Failure> {
        let requests = match &args.requests {
            None => None,
            Some(path) => Some(match path.extension().and_then(|e| e.to_str()) {
                Some("csv") => (Shared::create(path, REQUEST_COLUMNS)?, RequestFormat::Csv),
                Some("jsonl") => (Shared::create(path, "")?, RequestFormat::Jsonl),
                _ => return Err(Failure::Usage(format!("--requests {}: use .csv or .jsonl", path.display()))),
            }),
        };
        let timeline = args.timeline.as_ref().map(|path| Shared::create(path, TIMELINE_HEAD)).transpose()?;
        Ok(Self { requests, timeline })
    }

    const fn wanted(&self) -> bool {
        self.requests.is_some() || self.timeline.is_some()
    }

    fn finish(&self) -> Result<(), Failure> {
        let requests = self.requests.as_ref().map_or(Ok(()), |(file, _)| file.finish(""));
        let timeline = self.timeline.as_ref().map_or(Ok(()), |file| file.finish("\n]\n"));
        Ok(requests.and(timeline).context("cannot write the requests or the timeline")?)
    }
}

/// Shows how far the runs have come, and writes what was asked for.
struct Live<'a> {
    files: &'a Files,
    meter: Arc<Meter>,
}

impl Spectator for Live<'_> {
    fn observer(&self, contender: &str, load: usize) -> Box<dyn Observer> {
        if !self.files.wanted() {
            return Box::new(());
        }
        let requests = self.files.requests.clone();
        let timeline = self.files.timeline.clone();
        Box::new(Export { contender: contender.to_owned(), load, requests, timeline })
    }

    fn watch(&self) -> Box<dyn Watch> {
        Box::new(Run { meter: Arc::clone(&self.meter), arrived: 0, iterations: 0 })
    }
}

/// What all runs have done together.
struct Meter {
    bar: Arc<Bar>,
    stop: Arc<AtomicBool>,
    start: Instant,
    requests: AtomicU64,
    iterations: AtomicU64,
}

impl Meter {
    fn new(bar: Arc<Bar>, stop: Arc<AtomicBool>) -> Self {
        Self { bar, stop, start: Instant::now(), requests: AtomicU64::new(0), iterations: AtomicU64::new(0) }
    }
}

/// One run's share of it.
struct Run {
    meter: Arc<Meter>,
    arrived: u64,
    iterations: u64,
}

impl Watch for Run {
    fn tick(&mut self, arrived: u64, iterations: u64) -> bool {
        let meter = &self.meter;
        let new = arrived - self.arrived;
        let requests = meter.requests.fetch_add(new, Ordering::Relaxed) + new;
        let more = iterations - self.iterations;
        let steps = meter.iterations.fetch_add(more, Ordering::Relaxed) + more;
        (self.arrived, self.iterations) = (arrived, iterations);
        let seconds = meter.start.elapsed().as_secs_f64();
        let rate = |n: u64| n as f64 / seconds / 1e3;
        meter.bar.advance(new, &format!("{:.0} k requests/s, {:.0} k iterations/s", rate(requests), rate(steps)));
        !meter.stop.load(Ordering::Relaxed)
    }
}
