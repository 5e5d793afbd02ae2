//! Faults on demand, so that tests can see the parent survive them.

use crate::kernels::Variant;
use std::io::Write;

/// `UNDERDOG_FAULT=<kind>:<start of a variant id>` makes the worker misbehave when that variant begins: `abort` kills
/// it, `hang` never answers, `noise` writes what a talkative driver might and goes on.
pub const VARIABLE: &str = "UNDERDOG_FAULT";

pub(super) fn inject(variant: &Variant) {
    let Ok(fault) = std::env::var(VARIABLE) else { return };
    let Some((kind, prefix)) = fault.split_once(':') else { return };
    if !variant.id().starts_with(prefix) {
        return;
    }
    match kind {
        "abort" => std::process::abort(),
        "hang" => loop {
            std::thread::sleep(std::time::Duration::from_secs(1));
        },
        "noise" => {
            let noise = b"WARNING: \xff is not a conformant driver\n{\"id\":1}\nhalf a line";
            let _ = std::io::stdout().lock().write_all(noise);
            let _ = std::io::stderr().lock().write_all(noise);
        }
        _ => {}
    }
}
