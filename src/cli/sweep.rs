//! `sweep`: every combination of the axes, on all cores, resumed where it was interrupted.
//!
//! Finished points go to a journal beside the first `-o` file; the key of a point is the text of its scenario, so a
//! changed scenario is computed again. The journal is removed when the sweep is complete.

use super::args::Sweep;
use super::context;
use super::failure::{Failure, complain};
use super::measuring::interruptible;
use super::options::{Options, Question};
use super::output::Output;
use super::progress::Bar;
use super::ready::{Ready, prepare};
use crate::catalog::Catalog;
use crate::progress::Progress;
use crate::run::{Row, Run, SCHEMA, rows};
use crate::scenario::{Local, Source, resolve};
use crate::solve::sweep::{SweepAxis, combinations, point};
use anyhow::Context as _;
use rayon::prelude::*;
use serde_json::Value;
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::Ordering;

/// Answers every combination; the rows are in the order of the axes whatever the cores do.
pub fn sweep(args: &Sweep, options: &Options, catalog: &Catalog, output: &Output) -> Result<(), Failure> {
    let axes: Result<Vec<SweepAxis>, String> = args.axes.iter().map(|a| SweepAxis::parse(a)).collect();
    let axes = axes.map_err(Failure::Usage)?;
    let all = combinations(&axes).map_err(Failure::Usage)?;
    let question = Question::from(&args.scenario);
    let ready = prepare(&question, options.quiet, catalog)?;
    let journal = Journal::open(options.outputs.first())?;
    let stop = interruptible()?;
    let bar = Bar::new(options.quiet);
    bar.stage("sweep", all.len() as u64);
    let one = |edits: &Vec<String>| -> Result<Option<Vec<Row>>, Failure> {
        if stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let done = answer(&question, edits, catalog, &ready, &journal)?;
        bar.step(&edits.join(" "));
        Ok(Some(done))
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(args.threads).build().map_err(anyhow::Error::from)?;
    let answers: Vec<Option<Vec<Row>>> = pool.install(|| all.par_iter().map(one).collect::<Result<_, _>>())?;
    drop(bar);
    let missing = answers.iter().filter(|a| a.is_none()).count();
    if missing > 0 {
        complain(&format!("{missing} of {} points are left; run the same command to go on", all.len()));
        return Err(Failure::Interrupted);
    }
    let sentence = format!("{} combinations of {} axes are answered.", all.len(), axes.len());
    let run = Run {
        schema: SCHEMA.to_owned(),
        command: "sweep".to_owned(),
        context: ready.context,
        sentence,
        notes: Vec::new(),
        rows: answers.into_iter().flatten().flatten().collect(),
    };
    output.write(&run)?;
    journal.remove();
    Ok(())
}

/// The rows of one combination, its axes as the first columns.
fn answer(
    question: &Question,
    edits: &[String],
    catalog: &Catalog,
    ready: &Ready,
    journal: &Journal,
) -> Result<Vec<Row>, Failure> {
    let every: Vec<String> = question.edits.iter().chain(edits).cloned().collect();
    let source = Source::read(&question.scenario, &every)?;
    let key = context::hash(&format!("{}\n{}", env!("CARGO_PKG_VERSION"), source.text));
    if let Some(rows) = journal.known.get(&key) {
        return Ok(rows.clone());
    }
    let local = ready.profile.as_ref().map_or(Local::Pending, Local::Measured);
    let plan = resolve(&source, &source.draft()?, catalog, local)?;
    let mut answered = Vec::new();
    for row in rows(&point(&plan, &ready.calibration)?)? {
        let mut full = Row::new();
        for edit in edits {
            let (path, value) = edit.split_once('=').unwrap_or((edit, ""));
            let number = value.parse::<f64>().ok().and_then(serde_json::Number::from_f64).map(Value::Number);
            full.insert(path.to_owned(), number.unwrap_or_else(|| Value::String(value.to_owned())));
        }
        full.extend(row);
        answered.push(full);
    }
    journal.add(&key, &answered)?;
    Ok(answered)
}

/// Finished points, one JSON line each.
struct Journal {
    path: Option<PathBuf>,
    file: Option<Mutex<File>>,
    known: HashMap<String, Vec<Row>>,
}

impl Journal {
    fn open(output: Option<&PathBuf>) -> Result<Self, Failure> {
        let Some(output) = output else { return Ok(Self { path: None, file: None, known: HashMap::new() }) };
        let path = beside(output);
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        // A line that was torn by the interruption is computed again.
        let known = text.lines().filter_map(|l| serde_json::from_str::<(String, Vec<Row>)>(l).ok()).collect();
        let open = || -> std::io::Result<File> {
            let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
            if !text.is_empty() && !text.ends_with('\n') {
                writeln!(file)?;
            }
            Ok(file)
        };
        let file = open().with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { path: Some(path), file: Some(Mutex::new(file)), known })
    }

    fn add(&self, key: &str, rows: &[Row]) -> Result<(), Failure> {
        let Some(file) = &self.file else { return Ok(()) };
        let line = serde_json::to_string(&(key, rows))? + "\n";
        let mut file = file.lock().map_err(|_| anyhow::anyhow!("a worker failed while it wrote the journal"))?;
        Ok(file.write_all(line.as_bytes()).context("cannot write the journal")?)
    }

    fn remove(self) {
        drop(self.file);
        if let Some(path) = self.path {
            // What is left behind only saves time the next time.
            let _ = std::fs::remove_file(path);
        }
    }
}

fn beside(output: &Path) -> PathBuf {
    let mut name = output.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    output.with_file_name(name)
}
