//! `simulate` as a user runs it: fields, formats, order, measured logs, malformed traces.

use assert_cmd::Command;
use serde_json::Value;
use std::fs;
use std::path::Path;

fn underdog(args: &[&str]) -> (i32, String, String) {
    let run = Command::cargo_bin("underdog").expect("the program is built").args(args).output().expect("it starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (run.status.code().expect("no signal"), text(run.stdout), text(run.stderr))
}

fn rows(args: &[&str]) -> Vec<Value> {
    let (code, out, err) = underdog(&[&["simulate"], args, &["-f", "json"]].concat());
    assert_eq!(code, 0, "{args:?}: {err}");
    let run: Value = serde_json::from_str(&out).expect("standard output is one JSON object");
    run["rows"].as_array().expect("rows").clone()
}

fn number(row: &Value, field: &str) -> f64 {
    row[field].as_f64().unwrap_or_else(|| panic!("{field} is no number in {row}"))
}

const AZURE: &str = "scenarios/azure-conversation.toml";
const DRAWN: &str = "tests/simulate/drawn.toml";

#[test]
fn the_azure_hour_has_the_promised_fields() {
    let rows = rows(&[AZURE]);
    assert!(rows.len() >= 2);
    let row = rows.iter().find(|r| r["saturated"] == false).expect("one contender serves it");
    for field in [
        "contender",
        "device",
        "requests",
        "requests_finished",
        "requests_rejected",
        "iterations",
        "ttft_ms_p50",
        "ttft_ms_p90",
        "ttft_ms_p99",
        "tpot_ms_p99",
        "itl_ms_p99",
        "e2e_ms_p99",
        "queue_requests_mean",
        "throughput_requests_s",
        "goodput_requests_s",
        "kv_occupancy",
        "preemptions",
        "prefix_hit",
        "energy_kwh",
        "joule_per_output_token",
        "usd_per_mtok_input",
        "usd_per_mtok_output",
        "usd_per_mtok_total",
        "utilisation",
        "provenance",
    ] {
        assert!(row.get(field).is_some(), "{field} is missing in {row}");
    }
    for row in &rows {
        assert_eq!(row["requests"], 19_366);
        assert!(row.as_object().expect("an object").values().all(|v| !v.is_null()), "a null was written");
        let parts = ["requests_finished", "requests_running", "requests_queued", "requests_rejected"];
        assert_eq!(parts.iter().map(|p| number(row, p)).sum::<f64>(), 19_366.0);
        let left = number(row, "requests_running") + number(row, "requests_queued");
        assert_eq!(row["saturated"] == true && left > 0.0, row.get("ttft_ms_p99").is_none(), "{row}");
    }
}

#[test]
fn rows_are_the_same_bytes_for_any_number_of_threads_and_differ_by_seed() {
    let run = |threads: &str, seed: &str| {
        serde_json::to_string(&rows(&[DRAWN, "--rates", "1-8*2", "--threads", threads, "--seed", seed])).expect("JSON")
    };
    assert_eq!(run("1", "5"), run("7", "5"));
    assert_ne!(run("1", "5"), run("1", "6"));
    // A saved run also holds what charts are drawn from: of each contender one load, in few rows.
    let folder = tempfile::tempdir().expect("a folder");
    let saved = |threads: &str| {
        let path = folder.path().join(format!("{threads}.json")).display().to_string();
        rows(&[DRAWN, "--rates", "1-8*2", "--threads", threads, "-q", "-o", &path]);
        let run: Value = serde_json::from_str(&fs::read_to_string(path).expect("written")).expect("JSON");
        run["rows"].as_array().expect("rows").clone()
    };
    let all = saved("1");
    assert_eq!(all, saved("7"));
    let of = |kind: &str| all.iter().filter(|r| r["kind"] == kind).count();
    assert_eq!(of("distribution"), 53);
    assert!((100..=200).contains(&of("timeline")), "{}", of("timeline"));
}

#[test]
fn the_timeline_and_the_distribution_hold_what_the_row_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("run.json").display().to_string();
    let row = &rows(&[DRAWN, "-q", "-o", &path])[0];
    let run: Value = serde_json::from_str(&fs::read_to_string(path).expect("written")).expect("JSON");
    let of = |kind: &str| -> Vec<&Value> {
        run["rows"].as_array().expect("rows").iter().filter(|r| r["kind"] == kind).collect()
    };
    let close = |a: f64, b: f64, what: &str| assert!((a / b - 1.0).abs() < 1e-9, "{what}: {a} against {b}");
    let mean = |field: &str| {
        let pieces = of("timeline");
        let sum: f64 = pieces.iter().map(|r| number(r, field) * number(r, "seconds")).sum();
        sum / pieces.iter().map(|r| number(r, "seconds")).sum::<f64>()
    };
    close(mean("queue_requests"), number(row, "queue_requests_mean"), "queue");
    close(mean("kv_occupancy"), number(row, "kv_occupancy"), "cache");
    // Of the time engines work, a little goes to steps in which nobody decodes: they lower the mean over time alone.
    let decoding = mean("batch") / (number(row, "running_batch") * number(row, "utilisation"));
    assert!((0.99..=1.0 + 1e-9).contains(&decoding), "{decoding}");
    for (share, p) in [(0.5, "p50"), (0.9, "p90"), (0.99, "p99")] {
        let rows = of("distribution");
        let at = rows.iter().find(|r| number(r, "share") == share).expect("a share");
        for field in ["ttft_ms", "tpot_ms", "e2e_ms"] {
            close(number(at, field), number(row, &format!("{field}_{p}")), field);
        }
    }
}

#[test]
fn more_load_waits_longer_and_more_devices_wait_less() {
    let rising = |rows: &[Value], field: &str| {
        let values: Vec<f64> = rows.iter().map(|r| number(r, field)).collect();
        assert!(values.windows(2).all(|w| w[0] <= w[1] * 1.001), "{field}: {values:?}");
        assert!(values[0] < values[values.len() - 1], "{field} does not move: {values:?}");
    };
    let by_rate = rows(&[AZURE, "--rates", "1,2,3,4", "--set", "contender.h20.count=16"]);
    let own: Vec<Value> = by_rate.into_iter().filter(|r| r["contender"] == "h100").collect();
    for field in ["tpot_ms_mean", "ttft_ms_mean", "running_batch", "utilisation"] {
        rising(&own, field);
    }
    let by_count: Vec<Value> = ["32", "16", "8", "4"]
        .iter()
        .map(|n| rows(&[AZURE, "--set", &format!("contender.h100.count={n}")])[0].clone())
        .collect();
    for field in ["tpot_ms_mean", "ttft_ms_mean", "in_system_requests_mean"] {
        rising(&by_count, field);
    }
}

#[test]
fn the_smallest_size_meets_the_targets_and_one_less_does_not() {
    let sized = &rows(&[AZURE, "--size", "--set", "contender.h20.count=4"])[0];
    assert_eq!((&sized["smallest"], &sized["slo_met"]), (&Value::Bool(true), &Value::Bool(true)));
    let devices = number(sized, "devices") as u64;
    let at = |count: u64| rows(&[AZURE, "--set", &format!("contender.h100.count={count}")])[0]["slo_met"] == true;
    assert!(at(devices));
    assert!(devices == 4 || !at(devices - 4), "{devices} is not the smallest");
}

#[test]
fn conditions_hold_at_every_load() {
    let code = |condition: &str| underdog(&["simulate", DRAWN, "--rates", "1,4", "--require", condition]).0;
    assert_eq!(code("one.ttft_ms_p99 < 100000"), 0);
    assert_eq!(code("one.utilisation > 0.99"), 3);
    let by_load = rows(&[DRAWN, "--rates", "1,4"]);
    let between = (number(&by_load[0], "running_batch") + number(&by_load[1], "running_batch")) / 2.0;
    assert_eq!(code(&format!("one.running_batch < {between}")), 3);
}

#[test]
fn a_full_engine_costs_what_the_steady_state_says() {
    // The requests of the trace differ in length by three decades; the steady state knows their mean.
    for row in rows(&[AZURE, "--rate", "50"]) {
        assert_eq!(row["saturated"], true);
        let error = number(&row, "usd_per_mtok_output") / number(&row, "usd_per_mtok_output_saturated") - 1.0;
        assert!(error.abs() < 0.05, "{row}: {error}");
    }
    let at_load = &rows(&[AZURE])[0];
    assert!(number(at_load, "usd_per_mtok_output") > 2.0 * number(at_load, "usd_per_mtok_output_saturated"));
}

#[test]
fn past_capacity_it_says_saturated() {
    let stopped = rows(&[DRAWN, "--rate", "500", "--until", "1"]);
    assert!(number(&stopped[0], "requests_queued") > 0.0 && stopped[0].get("ttft_ms_p99").is_none());
    let rows = rows(&[DRAWN, "--rate", "500"]);
    assert_eq!(rows[0]["saturated"], true);
    assert!(rows[0]["reason"].as_str().is_some_and(|r| r.starts_with("saturated")));
    // All of these requests were served in the end, and their times are known.
    assert_eq!(rows[0]["requests"], rows[0]["requests_finished"]);
    assert!(number(&rows[0], "ttft_ms_p99") > number(&rows[0], "ttft_ms_p50"));
}

#[test]
fn requests_with_common_prefixes_find_them_in_the_cache() {
    let hit = |edits: &[&str]| {
        let folder = tempfile::tempdir().expect("a folder");
        let lines: String = (0..200)
            .map(|i| {
                let own = 1000 + i;
                format!("{{\"timestamp\": {}, \"input_length\": 2048, \"output_length\": 10, \"hash_ids\": [1, 2, {}, {own}]}}\n", i * 500, 3 + i % 2)
            })
            .collect();
        let path = folder.path().join("mooncake.jsonl");
        fs::write(&path, lines).expect("written");
        let trace = format!("workload.trace={}", path.display());
        let mut args = vec!["tests/simulate/prefix.toml", "--set", &trace];
        edits.iter().for_each(|edit| args.extend(["--set", edit]));
        number(&rows(&args)[0], "prefix_hit")
    };
    // Three of four blocks, except for the first requests.
    let with = hit(&["contender.one.scheduler.prefix_cache=true"]);
    assert!((0.73..0.75).contains(&with), "{with}");
    assert_eq!(hit(&["contender.one.scheduler.prefix_cache=false"]), 0.0);
    // Replicas share nothing, so the router decides: the two kinds of prompts go to engines of their own.
    let four = ["contender.one.count=4", "contender.one.parallel.tp=1"];
    let routed = |how: &str| hit(&[&four[..], &[&format!("contender.one.scheduler.routing={how}")]].concat());
    let (aware, blind) = (routed("prefix_aware"), routed("round_robin"));
    assert!(aware > blind, "{aware} against {blind}");
}

/// The first turn leaves two blocks of its prompt and one of its answer (1,024 + 600 tokens, the last unread); the second
/// continues it. Someone who shares the start alone finds the start alone.
#[test]
fn the_next_turn_of_a_conversation_finds_the_answer_before_it() {
    let found = |input: u32, names: &str| {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("turns.jsonl");
        let first = r#"{"timestamp": 0, "input_length": 1024, "output_length": 600, "hash_ids": [1, 2]}"#;
        let second =
            format!(r#"{{"timestamp": 600000, "input_length": {input}, "output_length": 10, "hash_ids": {names}}}"#);
        fs::write(&path, format!("{first}\n{second}\n")).expect("written");
        let trace = format!("workload.trace={}", path.display());
        let cache = "contender.one.scheduler.prefix_cache=true";
        let rows = rows(&["tests/simulate/prefix.toml", "--set", &trace, "--set", cache]);
        (number(&rows[0], "prefix_hit") * f64::from(1024 + input)).round()
    };
    assert_eq!(found(2136, "[1, 2, 3, 4]"), 1536.0);
    assert_eq!(found(1030, "[1, 2, 5]"), 1024.0);
}

#[test]
fn every_request_and_the_timeline_are_written_on_demand() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (csv, jsonl, timeline) = (path("r.csv"), path("r.jsonl"), path("t.json"));
    rows(&[DRAWN, "--requests", &csv, "--timeline", &timeline]);
    rows(&[DRAWN, "--requests", &jsonl]);
    let lines = fs::read_to_string(&csv).expect("written");
    assert_eq!(lines.lines().count(), 2001);
    assert_eq!(fs::read_to_string(&jsonl).expect("written").lines().count(), 2000);
    let columns = lines.lines().next().expect("a header").split(',').count();
    assert!(lines.lines().all(|l| l.split(',').count() == columns));
    let events: Value = serde_json::from_str(&fs::read_to_string(&timeline).expect("written")).expect("JSON");
    assert!(events.as_array().expect("events").len() > 2000);
}

#[test]
fn separate_pools_serve_the_same_requests_with_steadier_tokens() {
    let rows = rows(&["tests/simulate/pools.toml"]);
    assert_eq!((&rows[0]["devices"], &rows[1]["devices"]), (&8.into(), &8.into()));
    assert_eq!(rows[0]["requests"], rows[1]["requests"]);
    assert_eq!(rows[1]["requests_finished"], rows[1]["requests"]);
    assert!(number(&rows[1], "itl_ms_p99") < number(&rows[0], "itl_ms_p99"));
    let (code, _, err) = underdog(&["compare", "tests/simulate/pools.toml"]);
    assert!(code == 2 && err.contains("underdog simulate"), "{err}");
}

/// Mean and 99th percentile of samples.
fn summary(mut samples: Vec<f64>) -> (f64, f64) {
    samples.sort_by(f64::total_cmp);
    let mean = samples.iter().sum::<f64>() / samples.len() as f64;
    (mean, samples[(samples.len() - 1) * 99 / 100])
}

#[test]
fn vllm_s_own_logs_are_replayed() {
    // Errors of the mean and of the 99th percentile that are allowed. On the RTX 4090 a queue of a minute stands in
    // front of full memory, which adds up what a decode step is off.
    let logs = [
        ("vllm-rtx-4090.toml", "vllm_requests_RTX4090_Llama-3.1-8B.jsonl", (0.15, 0.25)),
        ("vllm-rtx-pro-6000.toml", "vllm_requests_RTXPRO6000_Llama-3.1-8B.jsonl", (0.15, 0.25)),
    ];
    for (scenario, log, targets) in logs {
        let folder = tempfile::tempdir().expect("a folder");
        let out = folder.path().join("requests.jsonl").display().to_string();
        rows(&[&format!("scenarios/validation/{scenario}"), "--requests", &out]);
        let read = |path: &str| -> Vec<Value> {
            let text = fs::read_to_string(path).expect("readable");
            text.lines().map(|l| serde_json::from_str(l).expect("JSON")).collect()
        };
        let measured = read(&format!("scenarios/validation/{log}"));
        let simulated = read(&out);
        assert_eq!(measured.len(), simulated.len());
        let real = |f: &dyn Fn(&Value) -> f64| summary(measured.iter().map(f).collect());
        let at = |r: &Value, key: &str| number(r, key) * 1e3;
        let ttft = real(&|r| at(r, "first_token_ts") - at(r, "queued_ts"));
        let e2e = real(&|r| at(r, "last_token_ts") - at(r, "queued_ts"));
        let further = |r: &Value| number(r, "output_toks") - 1.0;
        let tpot = real(&|r| (at(r, "last_token_ts") - at(r, "first_token_ts")) / further(r));
        for (field, (mean, p99)) in [("ttft_ms", ttft), ("tpot_ms", tpot), ("e2e_ms", e2e)] {
            let ours = summary(simulated.iter().map(|r| number(r, field)).collect());
            let errors = (ours.0 / mean - 1.0, ours.1 / p99 - 1.0);
            assert!(errors.0.abs() < targets.0, "{scenario}: mean {field} is off by {:.3}", errors.0);
            assert!(errors.1.abs() < targets.1, "{scenario}: p99 {field} is off by {:.3}", errors.1);
        }
    }
}

#[test]
fn malformed_traces_are_refused_with_a_message_that_helps() {
    let mut files: Vec<_> = fs::read_dir(Path::new("tests/malformed/trace"))
        .expect("the folder is there")
        .map(|e| e.expect("an entry").path())
        .collect();
    files.sort();
    assert!(files.len() >= 12, "only {} files were found", files.len());
    for file in files {
        let trace =
            format!("workload.trace=../malformed/trace/{}", file.file_name().expect("a name").to_string_lossy());
        let (code, out, err) =
            underdog(&["simulate", "tests/simulate/prefix.toml", "--color", "never", "--set", &trace]);
        assert_eq!(code, 2, "{}: {err}", file.display());
        assert!(out.is_empty(), "{}: {out}", file.display());
        insta::assert_snapshot!(file.file_name().expect("a name").to_string_lossy().into_owned(), err);
    }
}

#[test]
fn a_torn_last_line_is_counted_and_a_missing_newline_is_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let notes = |text: &str| {
        let path = folder.path().join("t.csv");
        fs::write(&path, text).expect("written");
        let trace = format!("workload.trace={}", path.display());
        let (code, out, err) = underdog(&["simulate", "tests/simulate/prefix.toml", "-f", "json", "--set", &trace]);
        assert_eq!(code, 0, "{err}");
        let run: Value = serde_json::from_str(&out).expect("JSON");
        (run["rows"][0]["requests"].as_u64().expect("a count"), run["notes"].to_string())
    };
    let whole = "TIMESTAMP,ContextTokens,GeneratedTokens\r\n2023-11-16 18:15:46.6805900,374,44\r\n2023-11-16 18:15:50.9951690,396,109";
    let (requests, text) = notes(whole);
    assert!(requests == 2 && !text.contains("torn"), "{text}");
    let (requests, text) = notes(&whole[..whole.len() - 4]);
    assert!(requests == 1 && text.contains("torn"), "{text}");
    let burst = "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n5,ChatGPT,472,18,490,Conversation log\n45,GPT-4,1087,0,1087,API log\n";
    let (requests, text) = notes(burst);
    assert!(requests == 1 && text.contains("Left out: 1 request "), "{text}");
}

#[test]
fn the_batch_is_that_of_steps_that_decode() {
    // A closed loop of 32 users under prompts first: nearly all of them decode whenever anybody does.
    let row = rows(&["tests/simulate/closed.toml"]).remove(0);
    let (batch, present) = (number(&row, "running_batch"), number(&row, "in_system_requests_mean"));
    assert!(batch > 0.8 * present && batch <= 32.0, "{batch} of {present}: {row}");
}

#[test]
fn who_was_turned_away_is_no_success() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("t.csv");
    // A third of the requests is longer than the memory of an engine.
    let line = |i: usize| format!("{},{},8\n", i, if i.is_multiple_of(3) { 50_000_000 } else { 100 });
    let lines: String = (0..150).map(line).collect();
    fs::write(&path, format!("arrival_s,input_tokens,output_tokens\n{lines}")).expect("written");
    let trace = format!("workload.trace={}", path.display());
    let row = rows(&["tests/simulate/prefix.toml", "--set", &trace, "--set", "objective.ttft=10 s"]).remove(0);
    assert_eq!(row["requests_rejected"], 50);
    assert!((number(&row, "goodput_share") - 2.0 / 3.0).abs() < 1e-9, "{row}");
}

#[test]
fn timestamps_without_a_unit_are_said_to_be_taken_as_milliseconds() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("t.jsonl");
    let run = |time: fn(usize) -> String| {
        let line = |i| format!("{{\"timestamp\": {}, \"input_length\": 100, \"output_length\": 10}}\n", time(i));
        fs::write(&path, (0..15).map(line).collect::<String>()).expect("written");
        let trace = format!("workload.trace={}", path.display());
        underdog(&["simulate", "tests/simulate/prefix.toml", "-f", "json", "--set", &trace])
    };
    let (code, out, err) = run(|i| i.to_string());
    assert!(code == 0 && out.contains("taken as milliseconds") && out.contains("arrival_s"), "{out}{err}");
    // Parts of a millisecond are none of Mooncake's.
    let (code, _, err) = run(|i| format!("{i}.25"));
    assert!(code == 2 && err.contains("no whole number of milliseconds") && err.contains("arrival_s"), "{err}");
}
