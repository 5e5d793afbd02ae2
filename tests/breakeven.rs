//! The break-even held against what it claims: put the value in, and the costs are equal.

use assert_cmd::Command;
use proptest::prelude::*;
use serde_json::Value;
use std::path::Path;
use underdog::catalog::Catalog;
use underdog::estimate::Calibration;
use underdog::scenario::{Local, Offer, Parts, Plan, Source, resolve};
use underdog::solve::breakeven::{Answer, Ask, Unknown, breakeven};
use underdog::solve::{sensitivity, waterfall};

const CUT: &str = "scenarios/h800-vs-h100.toml";

fn plan(scenario: &str, edits: &[&str]) -> Plan {
    let edits: Vec<String> = edits.iter().map(|e| (*e).to_owned()).collect();
    let source = Source::read(Path::new(scenario), &edits).expect("a scenario");
    let draft = source.draft().expect("a draft");
    resolve(&source, &draft, &Catalog::embedded(), Local::Pending).expect("a plan")
}

fn calibration() -> Calibration {
    Calibration::load(&Catalog::embedded()).expect("constants")
}

fn ask(unknown: Unknown) -> Ask {
    Ask { unknown, weaker: None, stronger: None, of: None }
}

fn solve(plan: &Plan, unknown: Unknown) -> Answer {
    breakeven(plan, &calibration(), &ask(unknown)).expect("an answer")
}

fn json(args: &[&str]) -> Value {
    let out = Command::cargo_bin("underdog").expect("built").args(args).output().expect("it starts");
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).expect("one JSON object")
}

/// The price at which the two differ enough for every kind of answer.
const CHEAPER_RIVAL: &str = "contender.stronger.price=1.60 USD/h";

#[test]
fn the_answer_has_the_promised_fields_and_compare_agrees_with_it() {
    let run = json(&["breakeven", CUT, "-f", "json", "--set", CHEAPER_RIVAL]);
    let answer = run["rows"].as_array().expect("rows").iter().find(|r| r["kind"] == "answer").expect("an answer");
    for field in ["answer", "unknown", "value", "low", "high", "plateau_from", "sentence", "reference"] {
        assert!(answer.get(field).is_some(), "{field} is missing in {answer}");
    }
    assert_eq!(answer["answer"], "at");
    let speed = format!("contender.weaker.speed={}", 1.0 / answer["value"].as_f64().expect("a value"));
    let compared = json(&["compare", CUT, "-f", "json", "--set", CHEAPER_RIVAL, "--set", &speed]);
    let cost = |name: &str| {
        let rows = compared["rows"].as_array().expect("rows");
        let row = rows.iter().find(|r| r["contender"] == name && r["chosen"] == true).expect("a chosen row");
        row["usd_per_mtok_output"].as_f64().expect("a cost")
    };
    let gap = 1.0 - cost("weaker") / cost("stronger");
    let stated = answer.get("below_target").and_then(Value::as_f64).unwrap_or(0.0);
    assert!((gap - stated).abs() < 0.005, "a gap of {gap}, {stated} stated");
}

#[test]
fn every_money_unknown_put_back_gives_equal_costs() {
    for (scenario, unknown) in [
        (CUT, Unknown::Price),
        ("scenarios/a100-keep-or-replace.toml", Unknown::Utilisation),
        ("scenarios/rtx-4090-vs-l40s.toml", Unknown::Price),
    ] {
        let plan = plan(scenario, &[]);
        let found = solve(&plan, unknown);
        let value = found.answer.value.unwrap_or_else(|| panic!("{scenario}: {}", found.answer.sentence));
        let mut changed = plan.clone();
        changed.contenders[0] = unknown.apply(&plan.contenders[0], value).expect("the field exists");
        let rows = underdog::solve::compare(&changed, &calibration()).expect("an estimate").rows;
        let cost = |name: &str| {
            rows.iter().find(|r| r.chosen && r.contender == name).and_then(|r| r.usd_per_mtok_output).expect("a cost")
        };
        let (a, b) = (cost(&plan.contenders[0].name), cost(&plan.contenders[1].name));
        assert!((a / b - 1.0).abs() < 1e-6, "{scenario}: {a} and {b}");
    }
}

#[test]
fn a_rival_far_below_is_impossible_and_says_what_would_do() {
    let found = solve(&plan(CUT, &["contender.stronger.price=0.05 USD/h"]), Unknown::Debt).answer;
    assert!(found.value.is_none() && found.needed_usd_per_device_hour.is_some(), "{}", found.sentence);
    assert!(found.sentence.contains("Impossible"), "{}", found.sentence);
}

#[test]
fn unlike_bases_are_compared_by_device_time_and_get_no_verdict() {
    let found = solve(&plan("scenarios/a100-keep-or-replace.toml", &[]), Unknown::Debt).answer;
    assert!(found.verdict.is_none() && found.usd_per_mtok.is_none() && found.device_hours_per_mtok.is_some());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// The weaker made identical to the stronger needs a debt of exactly its own.
    #[test]
    fn an_identical_rival_needs_the_own_debt(speed in 0.3..1.5f64) {
        let speed = format!("contender.weaker.speed={speed}");
        let mut plan = plan(CUT, &[&speed, "objective.ttft=60 s", "objective.tpot=1 s"]);
        let own = plan.contenders[0].offer.clone();
        plan.contenders[1].offer = own;
        let found = solve(&plan, Unknown::Debt).answer;
        prop_assert_eq!(found.value, found.now);
    }

    /// All prices times anything: the same answer.
    #[test]
    fn the_scale_of_prices_does_not_matter(by in 0.01..100.0f64) {
        let base = plan(CUT, &[CHEAPER_RIVAL]);
        let mut scaled = base.clone();
        for contender in &mut scaled.contenders {
            let Offer::Devices { price, .. } = &mut contender.offer else { continue };
            price.parts = price.parts.map(|p| Parts::hourly(p.standing * by));
        }
        let (a, b) = (solve(&base, Unknown::Debt).answer, solve(&scaled, Unknown::Debt).answer);
        prop_assert_eq!(a.answer, b.answer);
        prop_assert!((a.value.unwrap_or(0.0) / b.value.unwrap_or(1.0) - 1.0).abs() < 1e-5);
    }

    /// More debt never costs less, of any class.
    #[test]
    fn curves_of_debts_are_monotone(which in 0..6usize, price in 0.8..3.0f64) {
        let price = format!("contender.stronger.price={price} USD/h");
        let curve = solve(&plan(CUT, &[&price]), Unknown::ALL[which]).curve;
        let costs: Vec<f64> = curve.iter().map(|r| r.usd_per_mtok.unwrap_or(f64::INFINITY)).collect();
        prop_assert!(costs.len() > 20);
        for pair in costs.windows(2) {
            prop_assert!(pair[1] >= pair[0], "{} after {}", pair[1], pair[0]);
        }
    }
}

#[test]
fn the_shares_of_the_kernel_classes_sum_to_the_cost() {
    let plan = plan(CUT, &["workload.concurrency=512", "workload.input_tokens=64"]);
    let rows = sensitivity(&plan.contenders[0], &plan, &calibration()).expect("levers");
    let classes: f64 = rows.iter().filter(|r| r.saving_at_roof.is_some()).map(|r| r.share).sum();
    assert!((classes - 1.0).abs() < 0.05, "kernels and host carry {classes} of the cost");
    assert_eq!(rows.iter().filter(|r| r.tune_first).count(), 1);
    let price = rows.iter().find(|r| r.lever == "price").expect("a price");
    assert!((price.share - 1.0).abs() < 1e-9, "a price moves the cost in proportion, not {}", price.share);
}

#[test]
fn waterfall_steps_multiply_to_the_ratio() {
    for scenario in
        [CUT, "scenarios/h20-two-faces.toml", "scenarios/a100-keep-or-replace.toml", "scenarios/ascend-910c.toml"]
    {
        let plan = plan(scenario, &[]);
        let rows = underdog::solve::compare(&plan, &calibration()).expect("an estimate").rows;
        let priced = |name: &str| rows.iter().find(|r| r.chosen && r.contender == name).cloned();
        for a in &plan.contenders {
            for b in &plan.contenders {
                let steps = waterfall(a, b, &plan, &calibration()).expect("steps");
                let product: f64 = steps.iter().map(|s| s.ratio).product();
                let (Some(x), Some(y)) = (priced(&a.name), priced(&b.name)) else { panic!("{scenario}: no row") };
                let ratio = match (x.usd_per_mtok_output, y.usd_per_mtok_output) {
                    (Some(x), Some(y)) => y / x,
                    _ => y.device_hours_per_mtok.expect("a time") / x.device_hours_per_mtok.expect("a time"),
                };
                assert!(
                    (product / ratio - 1.0).abs() < 1e-9,
                    "{scenario}: {} to {}: {product} is not {ratio}",
                    a.name,
                    b.name
                );
            }
        }
    }
}

#[test]
fn a_layout_search_over_eight_contenders_is_fast_and_finds_a_front() {
    let mut plan = plan(CUT, &[]);
    let one = plan.contenders[0].clone();
    plan.contenders = (0..8).map(|i| underdog::scenario::Contender { name: format!("c{i}"), ..one.clone() }).collect();
    let started = std::time::Instant::now();
    let found = underdog::solve::optimize(&plan, &calibration()).expect("layouts");
    // The bound of the product is two seconds on a machine of its own; tests share theirs.
    assert!(started.elapsed().as_secs_f64() < 6.0, "{:?}", started.elapsed());
    assert!(found.tried > 100, "only {} layouts were tried", found.tried);
    assert_eq!(found.rows.iter().filter(|r| r.row.chosen).count(), 8);
    let front: Vec<_> = found.rows.iter().filter(|r| r.pareto && r.row.contender == "c0").collect();
    assert!(front.len() >= 3);
    for a in &front {
        let better = |b: &&&underdog::solve::LayoutRow| {
            b.output_tok_s_per_user > a.output_tok_s_per_user
                && b.row.output_tok_s_per_device > a.row.output_tok_s_per_device
        };
        assert!(!front.iter().any(|b| better(&b)), "a row of the front is beaten");
    }
    let devices = found.rows.iter().filter_map(|r| r.row.devices).max();
    assert!(devices.is_some_and(|n| n <= 320));
}

#[test]
fn sums_that_count_different_things_meet_without_a_verdict() {
    let found = solve(&plan("scenarios/a100-keep-or-replace.toml", &[]), Unknown::Utilisation).answer;
    assert!(found.verdict.is_none() && found.value.is_some());
    assert!(found.sentence.contains("sums meet") && !found.sentence.contains("cheaper"), "{}", found.sentence);
}

/// Two L40S at $0.3 an hour, cheaper than two H100 at $2 each: one alone holds no 256 requests, two do. Every count is
/// tried, so that the answer is not the next multiple of some step.
#[test]
fn the_fewest_devices_are_found_among_all_counts() {
    let plan = plan("tests/cases/two-devices-suffice.toml", &[]);
    let found = solve(&plan, Unknown::Count);
    assert_eq!(found.answer.value, Some(2.0), "{}", found.answer.sentence);
    let row = |count: u64| {
        let mut changed = plan.clone();
        changed.contenders[0] = Unknown::Count.apply(&plan.contenders[0], count as f64).expect("it grows");
        let rows = underdog::solve::compare(&changed, &calibration()).expect("an estimate").rows;
        rows.into_iter().find(|r| r.contender == "weaker").expect("a row")
    };
    assert!(!row(1).chosen && row(1).saturated == Some(true), "one device meets no target: {:?}", row(1).reason);
    assert!(row(2).chosen && row(2).usd_per_mtok_output < found.stronger_rows[0].usd_per_mtok_output);
    let curve: Vec<f64> = found.curve.iter().map(|r| r.value).collect();
    assert_eq!(curve[..4], [1.0, 2.0, 3.0, 4.0]);
    assert!(curve.len() <= 60 && curve.is_sorted(), "{curve:?}");
}

/// Instances of four devices grow by four, pools by their smallest pair.
#[test]
fn counts_are_every_multiple_of_what_must_stay_together() {
    let scenario = "tests/cases/two-devices-suffice.toml";
    let four = plan(scenario, &["contender.weaker.count=4", "contender.weaker.parallel={ tp = 4 }"]);
    let values = |plan: &Plan| solve(plan, Unknown::Count).curve.iter().map(|r| r.value).collect::<Vec<_>>();
    assert_eq!(values(&four)[..3], [4.0, 8.0, 12.0]);
}
