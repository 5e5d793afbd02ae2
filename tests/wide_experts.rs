//! Wide expert parallelism against what its makers published, and the rules its parts obey.

use std::path::Path;
use underdog::catalog::Catalog;
use underdog::estimate::step::{Each, Step, Whole};
use underdog::estimate::{Calibration, Compiled};
use underdog::scenario::{Local, Offer, Plan, Source, resolve};
use underdog::setup::{Layout, Setup};
use underdog::solve::{compare, explain, optimize};

const CUT: &str = "scenarios/what-the-cut-cost.toml";

fn plan(scenario: &str, edits: &[&str]) -> Plan {
    let edits: Vec<String> = edits.iter().map(|e| (*e).to_owned()).collect();
    let source = Source::read(Path::new(scenario), &edits).expect("a scenario");
    resolve(&source, &source.draft().expect("a draft"), &Catalog::embedded(), Local::Pending).expect("a plan")
}

fn calibration() -> Calibration {
    Calibration::load(&Catalog::embedded()).expect("constants")
}

fn setup(contender: &str, ranks: u64, units: Option<u64>) -> Setup {
    let plan = plan(CUT, &[]);
    let found = plan.contenders.into_iter().find(|c| c.name == contender).expect("a contender");
    let Offer::Devices { setup, .. } = found.offer else { panic!("it runs on devices") };
    let mut setup = *setup;
    setup.layout = Layout { dp: ranks, ep: ranks, replicas: 1, ..Layout::SINGLE };
    setup.limits.communication_units = units;
    setup
}

fn compiled(contender: &str, ranks: u64, units: Option<u64>) -> Compiled {
    Compiled::new(setup(contender, ranks, units), &calibration()).expect("an estimate")
}

/// Prompt tokens per second and device, 16,384 tokens a rank in prompts of 4,096. Published: DeepSeek's profile on H800
/// 7,839, SGLang on H100 with perfectly balanced experts 7,417 (CloudMatrix384, arXiv 2506.12708, and lm-sys blog of
/// 2025-05-05). Nothing was fitted on either.
#[test]
fn prompts_are_read_at_the_rate_that_was_published() {
    for (contender, published) in [("h800-ep32-u20", 7839.0), ("h100-ep32-u20", 7417.0)] {
        let seconds = compiled(contender, 32, None).prompt_step(4096.0, 4.0 * 32.0).get();
        let rate = 16_384.0 / seconds;
        assert!((rate / published - 1.0).abs() < 0.10, "{contender}: {rate:.0} against {published}");
    }
}

/// Answer tokens per second and device at 256 sequences a rank and 2,000 cached tokens: SGLang, 72 H100, 22,282 a node
/// (lm-sys blog of 2025-05-05).
#[test]
fn answers_are_written_at_the_rate_that_was_published() {
    let seconds = compiled("h100-ep144-u0", 72, None).decode_step(256.0 * 72.0, 2000.0).get();
    let rate = 256.0 / seconds;
    assert!((rate / 2785.0 - 1.0).abs() < 0.20, "{rate:.0} against 2785");
}

#[test]
fn a_step_is_never_shorter_than_its_compute_and_units_never_help() {
    for ranks in [32, 144] {
        let free = compiled("h800-ep144-u0", ranks, Some(0));
        let paid = compiled("h800-ep144-u20", ranks, Some(20));
        for sequences in [1.0, 8.0, 64.0, 256.0] {
            let step = Step { decode: Whole(sequences * ranks as f64), context: Each(4000.0), ..Step::default() };
            let parts: f64 = free.timed(&step).map(|(_, t)| (t.seconds + t.launch).get()).sum();
            let whole = free.step(&step).get();
            // What explain shows, op by op, is what the step takes.
            assert!((parts / whole - 1.0).abs() < 1e-9, "{parts} s of parts, {whole} s");
            assert!(paid.step(&step).get() >= whole, "EP{ranks}: 20 units made {sequences} sequences faster");
        }
    }
}

#[test]
fn the_cut_costs_where_the_link_carries_the_tokens_and_wide_is_cheaper_than_narrow() {
    let rows = compare(&plan(CUT, &[]), &calibration()).expect("an estimate").rows;
    let cost = |name: &str| {
        let row = rows.iter().find(|r| r.chosen && r.contender == name).unwrap_or_else(|| panic!("{name}"));
        row.usd_per_mtok_output.expect("a cost")
    };
    assert!(cost("h800-tp16") > 1.02 * cost("h100-tp16"));
    assert!((cost("h800-ep144-u0") / cost("h100-ep144-u0") - 1.0).abs() < 0.01);
    assert!(cost("h800-ep144-u20") > cost("h800-ep144-u0"));
    // At one load wider ranks hold fewer experts each, so that a token comes sooner.
    let load = rows.iter().find(|r| r.chosen && r.contender == "h800-ep144-u0").expect("a row").concurrency;
    let tpot = |name: &str| {
        let row = rows.iter().find(|r| r.contender == name && r.concurrency == load).expect("a row");
        row.tpot_ms.expect("a time")
    };
    assert!(tpot("h800-ep144-u0") < tpot("h800-ep32-u0"));
    assert!(cost("h800-ep32-u0") < cost("h800-tp16") / 4.0);
}

#[test]
fn op_by_op_prompts_stand_on_the_pool_that_reads_them() {
    let (rows, _) = explain(&plan(CUT, &[]), &calibration()).expect("rows");
    let experts = |phase: &str| {
        let row = rows.iter().find(|r| r.contender == "h800-ep144-u0" && r.phase == phase && r.op == "experts");
        row.expect("experts").bytes
    };
    // A rank of the prefill pool of 32 holds eight experts a layer, one of the decode pool of 144 holds two, which two
    // half batches read twice.
    assert!(experts("prefill") > 1.5 * experts("decode"), "{} and {}", experts("prefill"), experts("decode"));
}

#[test]
fn the_layout_search_matches_pools_and_no_layout_beats_its_choice() {
    let found = optimize(&plan("scenarios/h800-vs-h100.toml", &[]), &calibration()).expect("layouts");
    let pooled = |r: &&underdog::solve::LayoutRow| r.row.parallel.as_ref().is_some_and(|p| p.contains('|'));
    assert!(found.rows.iter().filter(pooled).any(|r| r.pareto), "no pools on the front");
    let chosen = found.rows.iter().find(|r| r.row.chosen && r.row.contender == "weaker").expect("a choice");
    let least = chosen.row.usd_per_mtok_output.expect("a cost");
    let met = found.rows.iter().filter(|r| r.row.contender == "weaker" && r.row.reason.is_none());
    assert!(met.clone().count() > 3);
    for other in met {
        assert!(other.row.usd_per_mtok_output.is_none_or(|c| c >= least * (1.0 - 1e-9)));
    }
    // The chosen spread is what the contender then has: compared alone it costs the same.
    let rows = compare(&found.plan, &calibration()).expect("an estimate").rows;
    let again = rows.iter().find(|r| r.chosen && r.contender == "weaker").expect("a row");
    assert!((again.usd_per_mtok_output.expect("a cost") / least - 1.0).abs() < 0.005);
}
