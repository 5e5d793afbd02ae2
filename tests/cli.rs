//! The program as a user runs it: exit codes, formats, and the fields that others build on.

use assert_cmd::Command;
use serde_json::Value;
use std::fs;

fn underdog(args: &[&str]) -> (i32, String, String) {
    let run = Command::cargo_bin("underdog").expect("the program is built").args(args).output().expect("it starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (run.status.code().expect("no signal"), text(run.stdout), text(run.stderr))
}

fn json(args: &[&str]) -> Value {
    let (code, out, err) = underdog(args);
    assert_eq!(code, 0, "{args:?}: {err}");
    serde_json::from_str(&out).expect("standard output is one JSON object")
}

const CUT: &str = "scenarios/h800-vs-h100.toml";

/// Grams of CO2 are the joules times PUE and carbon intensity: 1 J is 1/3.6e6 kWh.
#[test]
fn grams_of_co2_follow_from_the_joules_and_the_grid() {
    let row = |edits: &[&str]| {
        let run = json(&[&["compare", "scenarios/rtx-4090-vs-h100.toml", "-f", "json"], edits].concat());
        run["rows"].as_array().expect("rows").iter().find(|r| r["chosen"] == true).expect("a chosen row").clone()
    };
    assert!(row(&[]).get("gram_co2_per_mtok_output").is_none(), "no grid was given");
    let owned = row(&["--set", "grid=350 g/kWh"]);
    let joule = owned["joule_per_output_token"].as_f64().expect("joules");
    let pue = 1.2;
    let with_pue =
        row(&["--set", "contender.owned-4090.own.pue=1.2", "--set", "contender.owned-4090.grid=0.35 kg/kWh"]);
    let grams = with_pue["gram_co2_per_mtok_output"].as_f64().expect("grams");
    assert!((grams / (joule * 1e6 / 3.6e6 * pue * 350.0) - 1.0).abs() < 1e-9, "{grams} g");
}

#[test]
fn compare_gives_the_promised_fields() {
    let run = json(&["compare", CUT, "-f", "json"]);
    for key in ["schema", "context", "sentence", "rows"] {
        assert!(run.get(key).is_some(), "{key} is missing");
    }
    let rows = run["rows"].as_array().expect("rows");
    let row = rows.iter().find(|r| r["chosen"] == true).expect("a chosen row");
    for field in [
        "contender",
        "device",
        "devices",
        "precision",
        "concurrency",
        "running_batch",
        "fits",
        "saturated",
        "binding",
        "ttft_ms",
        "tpot_ms",
        "input_tok_s_per_device",
        "output_tok_s_per_device",
        "device_hours_per_mtok",
        "usd_per_mtok_input",
        "usd_per_mtok_output",
        "usd_per_mtok_total",
        "price_basis",
        "price_date",
        "joule_per_output_token",
        "provenance",
    ] {
        assert!(row.get(field).is_some(), "{field} is missing in {row}");
    }
    assert!(
        rows.iter().all(|r| r.as_object().expect("an object").values().all(|v| !v.is_null())),
        "a null was written"
    );
}

#[test]
fn a_saturated_row_has_no_time_to_first_token() {
    let run = json(&["compare", CUT, "-f", "json", "--set", "workload.concurrency=1000000"]);
    for row in run["rows"].as_array().expect("rows") {
        assert_eq!(row["saturated"], true);
        assert!(row.get("ttft_ms").is_none(), "{row}");
    }
}

#[test]
fn what_does_not_fit_is_said_and_not_estimated() {
    let edits = ["--set", "contender.weaker.count=8", "--set", "contender.weaker.parallel={ tp = 8 }"];
    let run = json(&[&["compare", CUT, "-f", "json"], &edits[..]].concat());
    let weaker: Vec<&Value> =
        run["rows"].as_array().expect("rows").iter().filter(|r| r["contender"] == "weaker").collect();
    assert!(!weaker.is_empty());
    for row in weaker {
        assert_eq!(row["fits"], false);
        assert!(row.get("tpot_ms").is_none() && row.get("usd_per_mtok_output").is_none(), "{row}");
    }
}

#[test]
fn rows_are_the_same_bytes_every_time() {
    let rows = || json(&["compare", CUT, "-f", "json"])["rows"].to_string();
    assert_eq!(rows(), rows());
}

#[test]
fn every_format_holds_the_same_rows() {
    let rows = json(&["compare", CUT, "-f", "json"])["rows"].as_array().expect("rows").len();
    let (_, lines, _) = underdog(&["compare", CUT, "-f", "jsonl"]);
    assert_eq!(lines.lines().count(), rows);
    let (_, table, _) = underdog(&["compare", CUT, "-f", "csv"]);
    assert_eq!(table.lines().count(), rows + 1);
}

#[test]
fn files_are_written_by_extension_and_not_at_all_on_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (code, ..) =
        underdog(&["compare", CUT, "-q", "-o", &path("a.json"), "-o", &path("a.csv"), "-o", &path("a.md")]);
    assert_eq!(code, 0);
    let saved: Value = serde_json::from_str(&fs::read_to_string(path("a.json")).expect("written")).expect("JSON");
    assert_eq!(saved["command"], "compare");
    assert!(fs::read_to_string(path("a.md")).expect("written").contains("| --- |"));
    let (code, out, _) = underdog(&["compare", CUT, "-o", &path("b.docx")]);
    assert!(code == 2 && out.is_empty());
    let (code, ..) = underdog(&["compare", "tests/malformed/scenario/unknown-key.toml", "-o", &path("c.json")]);
    assert_eq!(code, 2);
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 3);
}

#[test]
fn an_unmet_requirement_is_exit_3_with_the_answer_still_printed() {
    let (code, out, err) = underdog(&["compare", CUT, "--require", "weaker.tpot_ms < 0.001"]);
    assert_eq!(code, 3);
    assert!(!out.is_empty() && err.contains("weaker.tpot_ms < 0.001"), "{err}");
    assert_eq!(underdog(&["compare", CUT, "--require", "weaker.tpot_ms > 0.001"]).0, 0);
    assert_eq!(underdog(&["compare", CUT, "--require", "nonsense"]).0, 2);
}

#[test]
fn all_scenarios_without_a_local_contender_are_answered() {
    let mut answered = 0;
    for entry in fs::read_dir("scenarios").expect("scenarios") {
        let path = entry.expect("an entry").path();
        let text = fs::read_to_string(&path).unwrap_or_default();
        let in_time = text.contains("\ntrace = ");
        let unmeasured = text.contains("\"local\"");
        if path.extension().is_none_or(|e| e != "toml") || !text.contains("[[contender]]") || unmeasured || in_time {
            continue;
        }
        let run = json(&["compare", &path.display().to_string(), "-f", "json"]);
        let rows = run["rows"].as_array().expect("rows");
        assert!(rows.iter().any(|r| r["chosen"] == true), "{}: nothing meets the targets", path.display());
        assert!(text.starts_with("# "), "{}: the header says which question it answers", path.display());
        answered += 1;
    }
    assert!(answered >= 5);
}

#[test]
fn explain_adds_up_to_the_step() {
    let run = json(&["explain", CUT, "-f", "json"]);
    for phase in ["decode", "prefill"] {
        let share: f64 = run["rows"]
            .as_array()
            .expect("rows")
            .iter()
            .filter(|r| r["contender"] == "weaker" && r["phase"] == phase)
            .map(|r| r["share"].as_f64().expect("a share"))
            .sum();
        assert!((share - 1.0).abs() < 1e-9, "{phase}: the shares sum to {share}");
    }
}

#[test]
fn model_has_one_row_with_the_promised_fields() {
    let run = json(&["model", "deepseek-r1", "-f", "json"]);
    let rows = run["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 1);
    for field in ["parameters_total", "parameters_active", "weight_bytes", "kv_bytes"] {
        assert!(rows[0][field].as_f64().is_some_and(|v| v > 0.0), "{field}");
    }
    assert_eq!(underdog(&["model", "deepseek-r9"]).0, 2);
}

#[test]
fn the_catalogue_shows_devices_models_prices_and_one_of_them() {
    assert!(json(&["catalog", "-f", "json"])["rows"].as_array().is_some_and(|r| r.len() >= 137));
    assert!(json(&["catalog", "models", "-f", "json"])["rows"].as_array().is_some_and(|r| r.len() >= 60));
    assert!(json(&["catalog", "prices", "-f", "json"])["rows"].as_array().is_some_and(|r| r.len() >= 100));
    assert_eq!(json(&["catalog", "h800", "-f", "json"])["rows"][0]["device"], "h800");
    assert_eq!(underdog(&["catalog", "h801"]).0, 2);
}

#[test]
fn schemas_completions_and_the_manual_are_printed() {
    for format in ["scenario", "run", "compare", "explain", "model", "simulate", "distribution", "timeline"] {
        let schema = json(&["schema", format]);
        assert!(schema.get("$schema").is_some(), "{format}");
    }
    assert!(underdog(&["completions", "bash"]).1.contains("underdog"));
    assert!(underdog(&["man"]).1.starts_with(".ie"));
}

#[test]
fn wrong_usage_is_exit_2() {
    assert_eq!(underdog(&["compare"]).0, 2);
    assert_eq!(underdog(&["compare", "no-such-file.toml"]).0, 2);
    assert_eq!(underdog(&["compare", CUT, "--set", "contender.nobody.count=1"]).0, 2);
    assert_eq!(underdog(&["model", "llama-3.1-8b", "--precision", "fp9"]).0, 2);
}
