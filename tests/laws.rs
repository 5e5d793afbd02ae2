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

#[test]
#[ignore]
fn dbg() {
    let catalog = Catalog::embedded();
    let folder = tempfile::tempdir().expect("a folder");
    let calibration = calibration(&catalog);
    let generator = Generator::new();
    let seed = given("UNDERDOG_LAWS_SEED", 1);
    let case = Case::accept(generator.scenario(seed, given("UNDERDOG_LAWS_CASE", 0)), folder.path(), &catalog, calibration).unwrap();
    println!("{}\n{}", case.text.scenario, case.text.sheet.as_ref().map_or("", |s| &s.1));
    let users: Vec<u64> = std::env::var("USERS").unwrap().split(',').map(|u| u.parse().unwrap()).collect();
    let d = case.compiled().unwrap();
    println!("limits {:?} pipe {} most {}", d.setup.limits, d.pipeline(), d.most_sequences());
    let show = |name: &str, case: &Case| for &u in &users {
        let Some((s, _)) = case.state(u) else { println!("{name} {u} none"); continue };
        println!("{name} {u}: adm {:.3} run {:.3} sat {} ttft {:?} burst {:?} tpot {:.4e} rps {:.5e} prompt {:.4e} answer {:.4e} E {:.5e}", s.admitted, s.running, s.saturated, s.ttft, s.ttft_burst, s.tpot.get(), s.requests_per_s, s.prompt.get(), s.answer.get(), s.admitted / s.requests_per_s);
    };
    show("base", &case);
    show("out2x", &case.with(|c| c.workload.output_tokens *= 2));
    show("out+1", &case.with(|c| c.workload.output_tokens += 1));
    show("in2x", &case.with(|c| c.workload.input_tokens *= 2));
    show("sglang", &case.with(|c| c.setup.engine = underdog::setup::Engine::Sglang));
    show("hit+", &case.with(|c| c.workload.prefix_hit = 0.5 * (c.workload.prefix_hit + 1.0)));
}

#[test]
#[ignore]
fn ops() {
    let catalog = Catalog::embedded();
    let folder = tempfile::tempdir().expect("a folder");
    let calibration = calibration(&catalog);
    let generator = Generator::new();
    let seed = given("UNDERDOG_LAWS_SEED", 1);
    let case = Case::accept(generator.scenario(seed, given("UNDERDOG_LAWS_CASE", 0)), folder.path(), &catalog, calibration).unwrap();
    let d = case.compiled().unwrap();
    let r: f64 = std::env::var("R").unwrap().parse().unwrap();
    let t: f64 = std::env::var("T").unwrap().parse().unwrap();
    use underdog::estimate::step::*;
    let a = d.decoding(r, case.input() + 0.5 * case.output());
    let p = Step::of_prompts(1.0, t, 0.0);
    let m = Step { prefill: p.prefill, past: p.past, prompts: p.prompts, ..a };
    for (n, s) in [("decode", a), ("mixed", m)] {
        println!("{n} total {:?} host {:?} eager {:?}", d.step(&s), d.host(r), d.eager());
        for (op, t) in d.timed(&s) { println!("  {n} {:20} {:.4e} launch {:.2e} {:?}", op.name, t.seconds.get(), t.launch.get(), t.bound); }
    }
}
