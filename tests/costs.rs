//! Costs as people pay them, each held against arithmetic by hand or against what somebody was billed.

use assert_cmd::Command;
use std::path::Path;
use underdog::catalog::Catalog;
use underdog::estimate::Calibration;
use underdog::scenario::{Local, Plan, Source, resolve};
use underdog::solve::breakeven::{Ask, Unknown, breakeven};
use underdog::solve::{CompareRow, Comparison, compare, optimize};

const PART_TIME: &str = "tests/cases/rent-utilisation.toml";
const CACHE: &str = "tests/cases/cache-write.toml";

fn planned(scenario: &str, edits: &[&str]) -> Result<Plan, String> {
    let edits: Vec<String> = edits.iter().map(|e| (*e).to_owned()).collect();
    let source = Source::read(Path::new(scenario), &edits).map_err(|e| e.to_string())?;
    let draft = source.draft().map_err(|e| e.to_string())?;
    resolve(&source, &draft, &Catalog::embedded(), Local::Pending).map_err(|e| e.to_string())
}

fn plan(scenario: &str, edits: &[&str]) -> Plan {
    planned(scenario, edits).unwrap_or_else(|why| panic!("{scenario}: {why}"))
}

fn calibration() -> Calibration {
    Calibration::load(&Catalog::embedded()).expect("constants")
}

fn compared(scenario: &str, edits: &[&str]) -> Comparison {
    compare(&plan(scenario, edits), &calibration()).expect("an estimate")
}

fn chosen(comparison: &Comparison, name: &str) -> CompareRow {
    let row = comparison.rows.iter().find(|r| r.chosen && r.contender == name);
    row.cloned().unwrap_or_else(|| panic!("{name}: {}", comparison.sentence))
}

fn near(found: Option<f64>, right: f64, within: f64) {
    let found = found.unwrap_or(f64::NAN);
    assert!((found / right - 1.0).abs() < within, "{found} is not {right}");
}

/// 538 prompt tokens at 0.25 USD, 2208 cached at 0.025, 197 of answer at 2.00 are 0.000584 USD, which over 2943 tokens is
/// 0.1983 USD per million (pydantic/logfire#1316); 64 of the answer's were reasoning.
#[test]
fn cached_tokens_and_reasoning_cost_what_was_billed() {
    let edits = [
        "contender.sonnet.api={ input = \"0.25 USD/Mtok\", cached_input = \"0.025 USD/Mtok\", output = \"2 USD/Mtok\" }",
        "workload.input_tokens=2746",
        "workload.output_tokens=197",
        "workload.prefix_hit=0.8040786598689002",
        "workload.reasoning=0.3248730964467005",
    ];
    let row = chosen(&compared(CACHE, &edits), "sonnet");
    near(row.usd_per_mtok_total, 0.1983, 1e-3);
    near(row.usd_per_request, 538.0 * 0.25e-6 + 2208.0 * 0.025e-6 + 197.0 * 2e-6, 1e-9);
    near(row.usd_per_mtok_shown, 2.0 * 197.0 / 133.0, 1e-9);
}

/// 10000 prompt tokens, 8000 of them read from the cache and 1000 written to it, 1000 of answer, half of it reasoning, 100
/// requests a day (BerriAI/litellm#40174): 3000 + 2400 + 3750 + 15000 millionths a request at Sonnet's prices.
#[test]
fn cache_writes_have_their_price_and_days_their_requests() {
    let at_once = "contender.sonnet.api={ input = \"$3/MTok\", cached_input = \"$0.30/MTok\", cache_write = \"$3.75/MTok\", output = \"$15/MTok\" }";
    let day = ["workload.rate=100 /day", "workload.prefix_write=0.1", "workload.reasoning=0.5"];
    let row = chosen(&compared(CACHE, &[&[at_once], &day[..]].concat()), "sonnet");
    near(row.usd_per_request, 0.02415, 1e-9);
    near(row.usd_per_day, 2.415, 1e-9);
    near(row.usd_per_month, 2.415 * 730.5 / 24.0, 1e-9);
    near(row.usd_per_mtok_shown, 30.0, 1e-9);
    // The file as it is: half the price for everything in batches (BerriAI/litellm#38341), and nothing said of what is
    // written, so that all that is not found is: (2400 + 7500 + 15000) / 2 millionths.
    let row = chosen(&compared(CACHE, &[]), "sonnet");
    near(row.usd_per_request, 0.01245, 1e-9);
    near(row.usd_per_mtok_cached_input, 0.15, 1e-9);
    near(row.usd_per_mtok_cache_write, 1.875, 1e-9);
    assert_eq!(row.price_tier.as_deref(), Some("batch"));
    // Devices that come after a service are compared with it as those are that come before.
    let after = compared("scenarios/cache-writes-in-batches.toml", &[]).sentence;
    assert!(after.contains("rented (2 x h100-sxm-80gb) is dearer") && after.contains("requests a day ("), "{after}");
    let why = planned(CACHE, &["workload.prefix_write=0.3"]).expect_err("0.8 and 0.3 are more than the prompt");
    assert!(why.contains("more than the prompt"), "{why}");
}

/// Busy a tenth of the time, a rented device costs ten times as much a token, and the break-even lies where its day costs
/// what the day's tokens would (dreaming.press and others): 24 h at 2.50 USD over 1300 tokens at 0.88 USD per million.
#[test]
fn a_rented_device_that_is_busy_a_tenth_of_the_time() {
    let (full, part) = (compared(PART_TIME, &[]), compared(PART_TIME, &["contender.h100.utilisation=0.1"]));
    let (always, tenth) = (chosen(&full, "h100"), chosen(&part, "h100"));
    near(tenth.usd_per_mtok_total, 10.0 * always.usd_per_mtok_total.expect("a cost"), 1e-9);
    near(tenth.usd_per_device_hour, 25.0, 1e-12);
    assert_eq!((tenth.utilisation, always.utilisation), (Some(0.1), None));
    let requests = 24.0 * 2.5 / (1300.0 * 0.88e-6);
    assert!(part.sentence.contains("52000 requests a day"), "{requests}: {}", part.sentence);
    assert!(part.sentence.contains("rent, busy 10 % of the time"), "{}", part.sentence);
    let ask = Ask { unknown: Unknown::Utilisation, weaker: Some("h100".to_owned()), stronger: None, of: None };
    let found = breakeven(&plan(PART_TIME, &["contender.h100.utilisation=0.1"]), &calibration(), &ask).expect("found");
    near(found.answer.requests_per_day, requests, 1e-9);
    near(found.answer.value, requests / (86_400.0 * tenth.requests_per_s.expect("a rate")), 1e-9);
    assert_eq!(found.answer.now, Some(0.1));
    assert!(found.answer.set.is_some_and(|set| set.contains("contender.h100.utilisation=")));
}

/// The same said in requests: 20000 a day cost 24 h at 2.50 USD, whatever share of the hours they take.
#[test]
fn requests_a_day_are_paid_by_the_day() {
    let row = chosen(&compared(PART_TIME, &["workload.rate=20000 /day"]), "h100");
    near(row.usd_per_day, 60.0, 1e-9);
    near(row.usd_per_request, 60.0 / 20_000.0, 1e-9);
    near(row.utilisation, 20_000.0 / 86_400.0 / row.requests_per_s.expect("a rate"), 1e-9);
    let sentence = compared(PART_TIME, &["workload.rate=20000000 /day"]).sentence;
    assert!(sentence.contains("requests a day at most"), "{sentence}");
    let ask = Ask { unknown: Unknown::Utilisation, weaker: Some("h100".to_owned()), stronger: None, of: None };
    let found = breakeven(&plan(PART_TIME, &["workload.rate=20000 /day"]), &calibration(), &ask).expect("found");
    near(found.answer.requests_per_day, 24.0 * 2.5 / (1300.0 * 0.88e-6), 1e-9);
    near(found.answer.now, row.utilisation.expect("a share"), 1e-9);
}

/// 730.5 USD a month are 1 USD an hour, 0.0005 USD/s are 1.80, 700 EUR at 1.08 are 756 USD; people share the hours.
#[test]
fn prices_are_typed_as_people_are_billed() {
    let hour = |edits: &[&str]| chosen(&compared(PART_TIME, edits), "h100").usd_per_device_hour;
    let euro = "currency={ code = \"EUR\", usd = 1.08, date = 2026-08-01 }";
    near(hour(&["contender.h100.price=730.5 USD/month"]), 1.0, 1e-12);
    near(hour(&["contender.h100.price=0.0005 USD/s"]), 1.8, 1e-12);
    near(hour(&["contender.h100.price=$2.49/hr"]), 2.49, 1e-12);
    near(hour(&["contender.h100.price=$2.49/GPU-hr"]), 2.49, 1e-12);
    near(hour(&["contender.h100.price=700 EUR/month", euro]), 756.0 / 730.5, 1e-12);
    near(hour(&["contender.h100.people=4000 USD/month"]), 2.5 + 4000.0 / 730.5, 1e-12);
    let two = ["contender.h100.people=4000 USD/month", "contender.h100.count=2", "contender.h100.utilisation=0.5"];
    near(hour(&two), (2.5 + 2000.0 / 730.5) / 0.5, 1e-12);
    let sentence = compared(PART_TIME, &["contender.h100.price=700 EUR/month", euro]).sentence;
    assert!(
        sentence.ends_with("Prices in EUR are counted in US dollars, 1 EUR = 1.08 USD of 2026-08-01."),
        "{sentence}"
    );
    let why = planned(PART_TIME, &["contender.h100.price=700 EUR/month"]).expect_err("no rate is given");
    assert!(why.contains("currency = { code = \"EUR\""), "{why}");
    let other = planned(PART_TIME, &["contender.h100.price=£2/h", euro]).expect_err("another currency");
    assert!(other.contains("GBP") && other.contains("EUR"), "{other}");
}

/// A day needs no quotes, in a file and in `--set`; one that does not exist is refused as before.
#[test]
fn dates_need_no_quotes() {
    for date in ["2026-08-15", "2026-08", "2026", "\"2026-08-15\""] {
        let edit = format!("contender.h100.price_date={date}");
        let row = chosen(&compared(PART_TIME, &[&edit]), "h100");
        assert_eq!(row.price_date.as_deref(), Some(date.trim_matches('"')));
    }
    assert!(planned(PART_TIME, &["contender.h100.price_date=2026-02-30"]).is_err());
}

/// Spot, contract and on-demand are named; costs differ as the prices do.
#[test]
fn tiers_are_named_and_never_mixed_in_silence() {
    let b200 = |tier: &str| {
        let edit = format!("contender.b200.price_tier={tier}");
        chosen(&compared("scenarios/mi355x-vs-b200.toml", &[&edit]), "b200")
    };
    let (demand, spot) = (b200("on-demand"), b200("spot"));
    let ratio = spot.usd_per_device_hour.expect("a price") / demand.usd_per_device_hour.expect("a price");
    near(spot.usd_per_mtok_total, demand.usd_per_mtok_total.expect("a cost") * ratio, 1e-9);
    assert_eq!((demand.price_tier.as_deref(), spot.price_tier.as_deref()), (Some("on-demand"), Some("spot")));
    // Neither names a price: both are priced at the tier both have.
    let same = compared("scenarios/mi355x-vs-b200.toml", &[]);
    let (mi, b) = (chosen(&same, "mi355x"), chosen(&same, "b200"));
    assert_eq!((mi.price_tier.as_deref(), b.price_tier.as_deref()), (Some("3-year contract"), Some("3-year contract")));
    assert_eq!((mi.usd_per_device_hour, b.usd_per_device_hour), (Some(2.1), Some(2.6)));
    assert!(same.sentence.contains("(rent, 3-year contract)"), "{}", same.sentence);
    assert!(!same.notes.iter().any(|n| n.contains("unlike tiers")), "{:?}", same.notes);
    let mixed = compared("scenarios/mi355x-vs-b200.toml", &["contender.b200.price_tier=spot"]);
    assert!(mixed.notes.iter().any(|n| n.contains("unlike tiers")), "{:?}", mixed.notes);
    let why = planned("scenarios/mi355x-vs-b200.toml", &["contender.mi355x.price_tier=spot"]).expect_err("none known");
    assert!(why.contains("3-year contract"), "{why}");
}

/// Five people with 128 k of context each: 327,680 bytes of cache a token (80 layers, 8 heads of 128, keys and values in 16
/// bit) are 5 x 131,000 x 327,680 = 215 GB, beside 71 GB of weights: 286 GB over 0.9 of 85.9 GB each are four H100, not
/// three, which the 64 heads would not divide among either (vllm#12400).
#[test]
fn the_fewest_cards_for_five_people() {
    let scenario = "scenarios/how-many-cards.toml";
    let found = compared(scenario, &[]);
    let h100 = chosen(&found, "h100");
    assert_eq!(h100.devices, Some(4), "{}", found.sentence);
    assert!(found.sentence.starts_with("The fewest that serve 5 users within"), "{}", found.sentence);
    // One less does not, in any layout of whole heads.
    let fewer = planned(scenario, &["contender.h100.count=3", "contender.h100.parallel={ pp = 3 }"]).expect("a plan");
    let rows = compare(&fewer, &calibration()).expect("an estimate").rows;
    assert!(rows.iter().all(|r| r.contender != "h100" || !r.chosen), "three serve it too");
    // The layout search serves the five of the scenario and no others.
    let best = optimize(&plan(scenario, &["contender.*.count=1"]), &calibration()).expect("layouts");
    assert!(best.rows.iter().all(|r| r.row.concurrency == 5));
    assert!(best.rows.iter().any(|r| r.row.chosen && r.row.contender == "h100"));
    let why = planned(scenario, &["workload.concurrency=1-8*2"]).expect_err("no one load");
    assert!(why.contains("the fewest devices serve a load"), "{why}");
}

/// A number that is found is that of the search: one less fails, and so does every layout of it.
#[test]
fn requests_a_day_tell_the_fewest_devices() {
    let edits = ["workload.rate=400000 /day", "contender.h100.count=auto"];
    let found = compared(PART_TIME, &edits);
    let row = chosen(&found, "h100");
    let devices = row.devices.expect("devices");
    assert!(devices > 1 && row.requests_per_s.is_some_and(|most| most * 86_400.0 >= 400_000.0), "{}", found.sentence);
    let count = format!("contender.h100.count={}", devices - 1);
    let fewer = compared(PART_TIME, &["workload.rate=400000 /day", &count, "contender.h100.parallel={ tp = 1 }"]);
    assert!(fewer.rows.iter().all(|r| r.contender != "h100" || !r.chosen), "{}", fewer.sentence);
    assert!(
        found.sentence.starts_with("The fewest h100-sxm-80gb that serve 400000 requests a day"),
        "{}",
        found.sentence
    );
}

/// vLLM "can handle a load of about 64 queries" of Llama-2-13B on an A100 (h2oai/h2ogpt#997), its context 4096 tokens: 819,200
/// bytes of cache a token, 0.9 x 85.9 GB less 26 GB of weights hold some 60,000 tokens, 64 of about 950.
#[test]
fn how_many_requests_an_a100_holds() {
    let edits = [
        "model.config=llama-2-13b",
        "model.precision=native",
        "workload.input_tokens=700",
        "workload.output_tokens=250",
        "contender.h100.device=a100-sxm-80gb",
        "workload.concurrency=100",
    ];
    let full = compared(PART_TIME, &edits);
    let row = full.rows.iter().find(|r| r.contender == "h100").expect("a row");
    let running = row.running_batch.expect("a batch");
    assert!(row.saturated == Some(true) && (51.0..80.0).contains(&running), "{running} of 64");
    let auto = compared(PART_TIME, &[&edits[..], &["contender.h100.count=auto"]].concat());
    assert_eq!(chosen(&auto, "h100").devices, Some(2), "{}", auto.sentence);
}

/// What a service or a basis does not have is refused, with what to do.
#[test]
fn what_cannot_be_counted_is_refused() {
    for (edit, word) in [
        ("contender.api.utilisation=0.5", "no utilisation"),
        ("contender.api.people=1 USD/h", "no people"),
        ("contender.h100.utilisation=0", "never works"),
        ("contender.h100.count=many", "auto"),
        ("workload.rate=0 /day", "no requests"),
        ("workload.reasoning=1", "all reasoning"),
        ("currency={ code = \"USD\", usd = 1, date = \"2026\" }", "US dollars need no rate"),
        ("currency={ code = \"EUR\", usd = 1.1, date = \"2026-13\" }", "no day"),
    ] {
        let why = planned(PART_TIME, &[edit]).expect_err(edit);
        assert!(why.contains(word), "{edit}: {why}");
    }
    let source = Source::read(Path::new("scenarios/rtx-4090-vs-h100.toml"), &[]).expect("a scenario");
    let text = source.text.replace("engine = \"vllm\"\n# Card", "engine = \"vllm\"\nutilisation = 0.5\n# Card");
    let changed = Source { text, ..source };
    let why = resolve(&changed, &changed.draft().expect("typed"), &Catalog::embedded(), Local::Pending);
    assert!(why.expect_err("two shares").to_string().contains("in own"));
}

fn answered(args: &[&str]) -> serde_json::Value {
    let out = Command::cargo_bin("underdog").expect("built").args(args).output().expect("it starts");
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    let run: serde_json::Value = serde_json::from_slice(&out.stdout).expect("one JSON object");
    run["rows"].clone()
}

/// `simulate` lets 20000 requests a day come at random and pays every second: a day's rent over a day's tokens, as the
/// steady state has it, up to how long 10000 requests that come at random take.
#[test]
fn requests_a_day_cost_the_same_in_time() {
    let rows = answered(&["simulate", PART_TIME, "-q", "-f", "json", "--set", "workload.rate=20000 /day"]);
    let row = rows.as_array().expect("rows").iter().find(|r| r["contender"] == "h100").expect("a row");
    near(row["arrival_requests_s"].as_f64(), 20_000.0 / 86_400.0, 0.05);
    near(row["usd_per_mtok_total"].as_f64(), 60.0 / (20_000.0 * 1300.0) * 1e6, 0.05);
    assert_eq!(row["usd_per_device_hour"].as_f64(), Some(2.5));
}

/// The flag is the edit.
#[test]
fn count_auto_is_an_option_too() {
    let one = ["compare", PART_TIME, "-f", "json", "--set", "workload.concurrency=200"];
    let flag = answered(&[&one[..], &["--count", "auto"]].concat());
    let edit = answered(&[&one[..], &["--set", "contender.h100.count=auto"]].concat());
    assert_eq!(flag, edit);
    assert_eq!(flag[0]["devices"], 3);
}
