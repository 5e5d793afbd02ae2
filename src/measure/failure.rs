//! Why an adapter could not be measured, and what several of them gave.

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
    pub(super) fn any(mut self) -> Result<Self, MeasureError> {
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
