//! Laws that hold for every scenario that is accepted, tried on random ones with a fixed seed.
//!
//! `UNDERDOG_LAWS` is the number of scenarios, `UNDERDOG_LAWS_SEED` the seed; `UNDERDOG_LAWS_CASE` is the number of the one
//! scenario to try.
#![allow(clippy::print_stdout)] // what was found is a table

#[path = "laws/mod.rs"]
mod law;

use law::case::Case;
use law::generator::Generator;
use law::{both, judge, laws, table};
use rayon::prelude::*;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use underdog::catalog::Catalog;
use underdog::estimate::Calibration;

/// Scenarios that are tried where the environment says no other number.
const SCENARIOS: u64 = 4000;

fn given(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// Numbers of the scenarios to try.
fn cases(scenarios: u64) -> std::ops::Range<u64> {
    match given("UNDERDOG_LAWS_CASE", u64::MAX) {
        u64::MAX => 0..scenarios,
        case => case..case + 1,
    }
}

fn calibration(catalog: &Catalog) -> &'static Calibration {
    static ONCE: OnceLock<Calibration> = OnceLock::new();
    ONCE.get_or_init(|| Calibration::load(catalog).expect("constants"))
}

#[test]
fn laws_hold_for_every_accepted_scenario() {
    let (scenarios, seed) = (given("UNDERDOG_LAWS", SCENARIOS), given("UNDERDOG_LAWS_SEED", 1));
    let (catalog, generator) = (Catalog::embedded(), Generator::new());
    let folder = tempfile::tempdir().expect("a folder");
    let calibration = calibration(&catalog);
    let cases = cases(scenarios);
    let laws = laws(folder.path(), &catalog);
    let (refused, numbered) = (AtomicU64::new(0), AtomicU64::new(0));
    let one = |index: u64| match Case::accept(generator.scenario(seed, index), folder.path(), &catalog, calibration) {
        Some(case) => {
            numbered.fetch_add(u64::from(case.numbered().next().is_some()), Ordering::Relaxed);
            judge(&laws, &case, index)
        }
        None => {
            refused.fetch_add(1, Ordering::Relaxed);
            Vec::new()
        }
    };
    let found = cases.clone().into_par_iter().map(one).reduce(Vec::new, both);
    let (refused, numbered) = (refused.into_inner(), numbered.into_inner());
    let (text, broken) = table(&laws, &found);
    let tried = cases.end - cases.start;
    println!("{tried} scenarios of seed {seed}: {refused} refused, {numbered} with numbers\n{text}");
    assert!(refused * 2 < tried, "{refused} of {tried} scenarios were refused");
    assert!(numbered * 2 > tried, "only {numbered} of {tried} scenarios have numbers");
    assert!(broken == 0, "{broken} of {} laws are broken", laws.len());
}
