//! How a command can fail, the exit code of each way, and how a person is told.

use crate::diagnostic::Diagnostic;
use std::io::Write;
use std::process::ExitCode;

/// Why a command did not answer.
#[derive(Debug)]
pub enum Failure {
    /// Wrong input: exit 2.
    Input(Box<Diagnostic>),
    /// Wrong input that is in no file: exit 2.
    Usage(String),
    /// A file, a device or the system failed: exit 1.
    Operational(anyhow::Error),
    /// The answer is valid, but a `--require` is unmet: exit 3.
    Unmet(Vec<String>),
    /// A kernel gave a wrong result: exit 4.
    Unverified(String),
    /// Ctrl-C; partial results are saved: exit 130.
    Interrupted,
    /// The reader of standard output went away: exit 0.
    ClosedPipe,
}

impl Failure {
    /// Says what went wrong on standard error and returns the exit code.
    pub fn report(self, color: bool) -> ExitCode {
        let (text, code) = match self {
            Self::Input(diagnostic) => (diagnostic.render(color), 2),
            Self::Usage(message) => (format!("error: {message}"), 2),
            Self::Operational(error) => (format!("error: {error:#}"), 1),
            Self::Unmet(conditions) => (format!("not met: {}", conditions.join("; ")), 3),
            Self::Unverified(message) => (format!("error: {message}"), 4),
            Self::Interrupted => ("interrupted".to_owned(), 130),
            Self::ClosedPipe => return ExitCode::SUCCESS,
        };
        complain(&text);
        ExitCode::from(code)
    }
}

impl From<Diagnostic> for Failure {
    fn from(diagnostic: Diagnostic) -> Self {
        Self::Input(Box::new(diagnostic))
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Operational(error)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::Operational(error.into())
    }
}

impl From<crate::estimate::Unanswerable> for Failure {
    fn from(why: crate::estimate::Unanswerable) -> Self {
        Self::Usage(why.to_string())
    }
}

/// Prints a message for the user. Nothing can be done where standard error is gone.
pub fn complain(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
