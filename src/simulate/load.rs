//! What a run is given from outside: the requests of a load, and who looks on.

use super::Lengths;
use super::source::{Drawn, Source};
use super::tally::Observer;
use super::trace::Trace;
use super::world::Watch;
use crate::diagnostic::Diagnostic;
use crate::scenario::traffic::Process;
use std::path::PathBuf;

/// A load that every contender gets, made anew for each: the same requests for all.
#[derive(Debug, Clone)]
pub enum Load {
    /// A file and how many times as fast it runs.
    Trace(PathBuf, f64),
    /// A process of so many requests.
    Process(Process, Lengths, u64, u64),
}

/// Requests of a load, from a trace or drawn.
pub enum Requests {
    /// Read from a file.
    Trace(Box<Trace>),
    /// Drawn at random.
    Drawn(Box<Drawn>),
}

impl Requests {
    /// The source of requests.
    pub fn source(&mut self) -> &mut dyn Source {
        match self {
            Self::Trace(trace) => trace.as_mut(),
            Self::Drawn(drawn) => drawn.as_mut(),
        }
    }
}

impl Load {
    /// The requests from the first on.
    ///
    /// # Errors
    /// When the trace cannot be opened.
    pub fn open(&self) -> Result<Requests, Diagnostic> {
        Ok(match self {
            Self::Trace(path, speed) => Requests::Trace(Box::new(Trace::open(path, *speed)?)),
            Self::Process(process, lengths, requests, seed) => {
                Requests::Drawn(Box::new(Drawn::new(*process, *lengths, *requests, *seed)))
            }
        })
    }
}

/// What a caller wants beside the rows; each run asks for its own.
pub trait Spectator: Sync {
    /// Sees everything of one run.
    fn observer(&self, _contender: &str, _load: usize) -> Box<dyn Observer> {
        Box::new(())
    }
    /// Sees how far one run has come.
    fn watch(&self) -> Box<dyn Watch> {
        Box::new(())
    }
}

impl Spectator for () {}
