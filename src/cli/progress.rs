//! Progress on standard error: a bar on a terminal, warnings everywhere, nothing when asked to be quiet.

use super::failure::complain;
use crate::progress::Progress;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::sync::Mutex;

/// Draws the progress of long work.
pub struct Bar {
    bar: Mutex<Option<ProgressBar>>,
    terminal: bool,
    quiet: bool,
}

impl Bar {
    /// Progress as this terminal can show it.
    pub fn new(quiet: bool) -> Self {
        Self { bar: Mutex::new(None), terminal: std::io::stderr().is_terminal(), quiet }
    }

    fn with(&self, act: impl FnOnce(&mut Option<ProgressBar>)) {
        if let Ok(mut bar) = self.bar.lock() {
            act(&mut bar);
        }
    }
}

impl Bar {
    /// So many steps of the stage are done.
    pub fn advance(&self, steps: u64, what: &str) {
        self.with(|bar| {
            if let Some(bar) = bar {
                bar.set_message(what.to_owned());
                bar.inc(steps);
            }
        });
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.with(|bar| {
            if let Some(bar) = bar.take() {
                bar.finish_and_clear();
            }
        });
    }
}

impl Progress for Bar {
    fn stage(&self, name: &str, total: u64) {
        if self.quiet || !self.terminal {
            return;
        }
        self.with(|bar| {
            if let Some(old) = bar.take() {
                old.finish_and_clear();
            }
            let style = ProgressStyle::with_template("{prefix} [{bar:24}] {human_pos}/{human_len} {wide_msg}")
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            *bar = Some(ProgressBar::new(total).with_style(style).with_prefix(name.to_owned()));
        });
    }

    fn step(&self, what: &str) {
        self.advance(1, what);
    }

    fn warn(&self, message: &str) {
        if self.quiet {
            return;
        }
        self.with(|bar| match bar {
            Some(bar) => bar.suspend(|| complain(&format!("warning: {message}"))),
            None => complain(&format!("warning: {message}")),
        });
    }
}
