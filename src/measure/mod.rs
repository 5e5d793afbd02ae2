//! Measuring an adapter: every number comes from a run whose own output was verified.
//!
//! The calling process never loads a driver. Adapters are listed by one short-lived child per driver, and measured by
//! a worker, the same executable under a hidden subcommand ([`worker_main`]); a driver that crashes or hangs costs one
//! result. Without any adapter the CPU executor is measured in the same way, with the same rows.

mod adapters;
mod anomalies;
mod bench;
mod beside;
mod case;
mod choices;
mod cpu;
mod curves;
mod device;
mod duel;
mod fault;
mod ladder;
mod problems;
mod protocol;
mod rows;
mod rule;
mod session;
mod shapes;
mod step;
mod store;
mod stream;
mod supervisor;
mod tuner;
mod verify;
mod worker;

pub use adapters::{AdapterRow, Selector, adapters};
pub use bench::{BenchOptions, bench, local};
pub use beside::{BesideRow, beside};
pub use duel::{DuelRow, duel};
pub use fault::VARIABLE as FAULT_VARIABLE;
pub use ladder::{LadderRow, ladder};
pub use protocol::{Job, Target};
pub use rows::{BenchRow, rows};
pub use rule::Rule;
pub use shapes::{ShapeRow, ShapesOptions, shapes};
pub use step::{Executed, ExecutedClass, StepOptions, step};
pub use store::Store;
pub use verify::{VerifyOptions, VerifyRow, verify};
pub use worker::{WORKER_SUBCOMMAND, worker_main};

/// What several adapters gave.
#[derive(Debug)]
pub struct Several<T> {
    /// Of the adapters that could be measured.
    pub results: Vec<T>,
    /// Why others could not, or not to the end.
    pub failures: Vec<MeasureError>,
}

impl<T> Default for Several<T> {
    fn default() -> Self {
        Self { results: Vec::new(), failures: Vec::new() }
    }
}

impl<T> Several<T> {
    /// An error where there is no result at all.
    fn any(mut self) -> Result<Self, MeasureError> {
        if self.results.is_empty() && !self.failures.is_empty() {
            return Err(self.failures.swap_remove(0));
        }
        Ok(self)
    }
}

/// Why nothing could be measured. Single cases that fail become anomalies of the profile instead.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    /// No adapter matches what was asked for.
    #[error("no adapter matches \"{asked}\"; {known}")]
    NoAdapter {
        /// The selector.
        asked: String,
        /// What there is, in words.
        known: String,
    },
    /// The worker cannot be started at all.
    #[error("the worker {exe} cannot be started: {why}")]
    Worker {
        /// The executable.
        exe: String,
        /// The system's words.
        why: String,
    },
    /// The adapter died too often.
    #[error("{adapter} was given up: {why}")]
    GaveUp {
        /// The adapter.
        adapter: String,
        /// The last death.
        why: String,
    },
    /// The store cannot be read or written.
    #[error("{path}: {source}")]
    Store {
        /// The file or folder.
        path: String,
        /// The system's words.
        source: std::io::Error,
    },
    /// Nothing that was measured could be verified.
    #[error("{adapter}: no case could be verified; {why}")]
    Nothing {
        /// The adapter.
        adapter: String,
        /// The first reason.
        why: String,
    },
    /// This cannot be executed.
    #[error("{what}: {why}")]
    Unsupported {
        /// The model or adapter.
        what: String,
        /// What is missing.
        why: String,
    },
    /// The user asked to stop before anything was measured.
    #[error("interrupted")]
    Interrupted,
}
