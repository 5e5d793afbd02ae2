//! What commands that measure share: the program that measures, its time, Ctrl-C, and this machine's profile.

use super::failure::Failure;
use super::progress::Bar;
use crate::device::Profile;
use crate::measure::{self, MeasureError, Selector};
use crate::units::Seconds;
use anyhow::Context as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

impl From<MeasureError> for Failure {
    fn from(error: MeasureError) -> Self {
        match error {
            MeasureError::NoAdapter { .. } | MeasureError::Unsupported { .. } => Self::Usage(error.to_string()),
            MeasureError::Interrupted => Self::Interrupted,
            other => Self::Operational(other.into()),
        }
    }
}

/// The program itself, which is its own measuring process.
pub fn program() -> Result<PathBuf, Failure> {
    Ok(std::env::current_exe().context("the program's own file cannot be found")?)
}

/// Seconds to measure for, within reason.
pub fn budget(seconds: f64) -> Result<Seconds, Failure> {
    if seconds.is_finite() && (1.0..=86_400.0).contains(&seconds) {
        Ok(Seconds::new(seconds))
    } else {
        Err(Failure::Usage(format!("--budget {seconds} is out of range: give 1 to 86400 seconds")))
    }
}

/// A flag that Ctrl-C raises; what was measured until then is kept.
pub fn interruptible() -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    let raised = Arc::clone(&stop);
    let handler = move || {
        if raised.swap(true, Ordering::Relaxed) {
            std::process::exit(130); // asked twice: not even the case under way is waited for
        }
    };
    ctrlc::set_handler(handler).context("Ctrl-C cannot be caught")?;
    Ok(stop)
}

/// The profile of this machine: from the store, or measured now.
pub fn profile(adapter: &Selector, seconds: f64, quiet: bool) -> Result<Profile, Failure> {
    let bar = Bar::new(quiet);
    Ok(measure::local(&program()?, adapter, budget(seconds)?, &bar)?)
}
