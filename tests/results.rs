//! Result files of benchmarks as points and as anchors: every format, its load, and what is refused by name.

use assert_cmd::Command;
use serde_json::Value;
use std::path::Path;
use underdog::catalog::{self, Catalog};
use underdog::estimate::Calibration;
use underdog::scenario::{Local, Offer, Plan, Source, resolve};
use underdog::solve::{CompareRow, compare};
use underdog::validate::{self, On, Point};

const FOLDER: &str = "tests/results";

fn plan(file: &str, edits: &[&str]) -> Plan {
    let edits: Vec<String> = edits.iter().map(|e| (*e).to_owned()).collect();
    let source = Source::read(&Path::new(FOLDER).join(file), &edits).expect("a scenario");
    resolve(&source, &source.draft().expect("a draft"), &Catalog::embedded(), Local::Pending).expect("a plan")
}

fn on(plan: &Plan) -> On<'_> {
    match &plan.contenders[0].offer {
        Offer::Devices { setup, prefill, .. } => On { setup, prefill: *prefill },
        Offer::Api { .. } => panic!("devices"),
    }
}

fn calibration() -> Calibration {
    Calibration::load(&Catalog::embedded()).expect("constants")
}

fn text(file: &str) -> String {
    catalog::read(&Path::new(FOLDER).join(file)).expect("a file").text.into_owned()
}

/// Points of a file with their predictions, on a scenario where one is needed.
fn points(file: &str, scenario: Option<&str>) -> Vec<(Point, validate::Prediction)> {
    let plan = scenario.map(|s| plan(s, &[]));
    let rows = validate::read_results(file, &text(file), plan.as_ref().map(on), &Catalog::embedded()).expect(file);
    let predict = |(point, described): validate::ResultRow| {
        let described = described.unwrap_or_else(|why| panic!("{file}: {why}"));
        let prediction =
            validate::predict(&point, &described, &calibration()).unwrap_or_else(|why| panic!("{file}: {why}"));
        (point, prediction)
    };
    rows.into_iter().map(predict).collect()
}

/// Requests in flight, and the phase of each row.
#[test]
fn every_format_is_read_and_predicted() {
    for (file, scenario, expected) in [
        ("llama-bench.json", None, &[("prefill", 1.0), ("decode", 1.0)][..]),
        ("llama-bench.json", Some("rtx-4080.toml"), &[("prefill", 1.0), ("decode", 1.0)]),
        ("llama-bench.jsonl", None, &[("prefill", 1.0), ("decode", 1.0)]),
        ("llama-bench.csv", None, &[("prefill", 1.0), ("decode", 1.0)]),
        ("vllm-closed.json", Some("h100.toml"), &[("serve", 32.0)]),
        // 200 / 60.97 s times 2.1005 s and 216.8 gaps of 0.110 s.
        ("vllm-open.json", Some("a100.toml"), &[("serve", 85.1)]),
        ("sglang.jsonl", Some("h100.toml"), &[("serve", 32.0), ("serve", 12.8)]),
        ("aiperf.json", Some("h100.toml"), &[("serve", 32.0)]),
        // 14.2 requests/s that stay 2.23 s each.
        ("aiperf.csv", Some("h100.toml"), &[("serve", 31.67)]),
        ("genai-perf.json", Some("h100.toml"), &[("serve", 32.0)]),
        ("genai-perf.csv", Some("h100.toml"), &[("serve", 31.67)]),
        ("inferencex.json", None, &[("serve", 4.0), ("serve", 4.0)]),
    ] {
        let found = points(file, scenario);
        assert_eq!(found.len(), expected.len(), "{file}");
        for ((point, prediction), (phase, requests)) in found.iter().zip(expected) {
            assert_eq!(point.phase, *phase, "{file}");
            let flight = point.concurrency.expect("a load");
            assert!((flight / requests - 1.0).abs() < 0.002, "{file}: {flight} in flight");
            let pairs = [
                (point.ttft_ms, prediction.ttft_ms),
                (point.tpot_ms, prediction.tpot_ms),
                (point.output_tok_s_per_device, prediction.output_tok_s_per_device),
            ];
            let compared: Vec<f64> = pairs.iter().filter_map(|(m, p)| Some(p.as_ref()? / m.as_ref()?)).collect();
            assert!(!compared.is_empty(), "{file}: nothing is compared");
            assert!(compared.iter().all(|ratio| (0.2..5.0).contains(ratio)), "{file}: {compared:?} is a wrong unit");
        }
    }
}

/// A result is what the collected points have of the same run.
#[test]
fn a_row_of_inferencex_is_predicted_as_the_point_of_it_that_was_collected() {
    let collected = catalog::read(Path::new("scenarios/validation/points.csv")).expect("points");
    let collected = validate::read(&collected.file, &collected.text).expect("points");
    let catalog = Catalog::embedded();
    for ((point, prediction), id) in points("inferencex.json", None).iter().zip(["m02943", "m03049"]) {
        let same: Vec<Point> = collected.iter().filter(|p| p.id == id).cloned().collect();
        let other = validate::answer(&same, &catalog, &calibration()).remove(0).expect("a prediction");
        assert_eq!(prediction, &other, "{id}");
        assert_eq!(point.output_tok_s_per_device, same[0].output_tok_s_per_device, "{id}");
        let close = |a: Option<f64>, b: Option<f64>| match (a, b) {
            (Some(a), Some(b)) => (a / b - 1.0).abs() < 1e-3,
            (a, b) => a == b,
        };
        assert!(close(point.ttft_ms, same[0].ttft_ms) && close(point.tpot_ms, same[0].tpot_ms), "{id}");
    }
}

fn anchored(scenario: &str, file: &str, edits: &[&str]) -> Vec<CompareRow> {
    let plan = plan(scenario, edits);
    let mut calibration = calibration();
    let found =
        validate::anchors_of_results(file, &text(file), on(&plan), &Catalog::embedded(), &calibration).expect(file);
    assert!(!found.anchors.is_empty(), "{file}: {:?}", found.unused);
    calibration.add_anchors(found.anchors);
    compare(&plan, &calibration).expect("an estimate").rows
}

/// The run that anchors is answered as it was measured.
#[test]
fn an_anchor_moves_the_estimate_to_what_was_measured() {
    for (scenario, file, edits, tpot) in [
        ("h100.toml", "vllm-closed.json", &[][..], 10.1),
        ("h100.toml", "aiperf.json", &[], 10.2),
        ("h100.toml", "genai-perf.json", &[], 10.2),
        ("h100.toml", "aiperf.csv", &[], 10.2),
        ("h100.toml", "genai-perf.csv", &[], 10.2),
        ("a100.toml", "vllm-open.json", &["workload.concurrency=85"], 141.2),
        ("rtx-4080.toml", "llama-bench.json", &["workload.input_tokens=1"], 8.41),
        ("rtx-4080.toml", "llama-bench.jsonl", &["workload.input_tokens=1"], 8.41),
        ("rtx-4080.toml", "llama-bench.csv", &["workload.input_tokens=1"], 8.41),
        ("rtx-4080.toml", "llama-bench.md", &["workload.input_tokens=1"], 8.41),
    ] {
        let row = anchored(scenario, file, edits).remove(0);
        let found = row.tpot_ms.expect("a time");
        assert!((found / tpot - 1.0).abs() < 0.03, "{file}: {found} ms, measured {tpot}");
        // The data sheet and the price list are what is left that the row rests on.
        assert_eq!(row.provenance.to_string(), "catalogued", "{file}");
    }
}

/// What makes another measurement of a row is named.
#[test]
fn fields_that_matter_are_used_or_refused_by_name() {
    for (file, scenario, from, to, named) in [
        ("llama-bench.json", None, "\"n_gpu_layers\": -1", "\"n_gpu_layers\": 20", "n_gpu_layers"),
        ("llama-bench.json", None, "\"n_cpu_moe\": 0", "\"n_cpu_moe\": 8", "n_cpu_moe"),
        ("llama-bench.json", None, "\"type_v\": \"f16\"", "\"type_v\": \"q8_0\"", "type_v"),
        ("llama-bench.json", None, "\"no_kv_offload\": false", "\"no_kv_offload\": true", "no_kv_offload"),
        ("llama-bench.json", None, "\"backends\": \"CUDA\"", "\"backends\": \"BLAS,CPU\"", "backends"),
        ("llama-bench.json", None, "\"tensor_split\": \"0.00\"", "\"tensor_split\": \"3.00/1.00\"", "tensor_split"),
        ("llama-bench.md", Some("rtx-4080.toml"), "| ngl |", "| foo |", "foo"),
        (
            "vllm-closed.json",
            Some("h100.toml"),
            "\"burstiness\": 1.0",
            "\"ramp_up_strategy\": \"linear\"",
            "ramp_up_strategy",
        ),
        ("vllm-closed.json", Some("h100.toml"), "\"completed\": 320", "\"completed\": 0", "completed"),
        ("aiperf.json", Some("h100.toml"), "\"was_cancelled\": false", "\"was_cancelled\": true", "was_cancelled"),
        (
            "aiperf.json",
            Some("h100.toml"),
            "\"unit\": \"ms\", \"avg\": 205.0",
            "\"unit\": \"ly\", \"avg\": 205.0",
            "time_to_first_token",
        ),
        ("inferencex.json", None, "\"dcp_size\": 1", "\"dcp_size\": 2", "dcp_size"),
        ("inferencex.json", None, "mi355x-amd", "tpu-v9", "hw"),
        ("inferencex.json", None, "\"framework\": \"sglang\"", "\"framework\": \"what\"", "framework"),
    ] {
        let plan = scenario.map(|s| plan(s, &[]));
        let changed = text(file).replace(from, to);
        assert_ne!(changed, text(file), "{file} has no {from}");
        let refused = validate::read_results(file, &changed, plan.as_ref().map(on), &Catalog::embedded());
        let why = refused.expect_err(named).message;
        assert!(why.contains(named), "{file}: {why}");
    }
}

/// A file of another model, card, engine or format is not of the contender.
#[test]
fn a_file_of_something_else_is_no_measurement_of_the_contender() {
    for (file, scenario, edit, named) in [
        ("vllm-closed.json", "h100.toml", "model.config=llama-3.1-70b", "model"),
        ("llama-bench.json", "rtx-4080.toml", "contender.desk.device=rtx-4090", "device"),
        ("llama-bench.json", "rtx-4080.toml", "contender.desk.count=2", "number of devices"),
        ("llama-bench.json", "rtx-4080.toml", "contender.desk.engine=vllm", "engine"),
        ("llama-bench.json", "rtx-4080.toml", "model.precision=q8_0", "weights"),
        ("llama-bench.json", "rtx-4080.toml", "model.kv_cache=q8_0", "cache"),
    ] {
        let plan = plan(scenario, &[edit]);
        let rows = validate::read_results(file, &text(file), Some(on(&plan)), &Catalog::embedded()).expect("rows");
        assert!(rows.iter().all(|(_, d)| d.as_ref().is_err_and(|why| why.contains(named))), "{file} with {edit}");
    }
}

#[test]
fn a_file_of_no_known_tool_is_told_the_known_ones() {
    for unknown in ["{\"hello\": 1}", "{\"experiments\": []}", "a,b\n1,2\n", "hello", "[]"] {
        let error = validate::read_results("x.json", unknown, None, &Catalog::embedded()).expect_err(unknown);
        let hint = error.hint.unwrap_or_default();
        assert!(
            ["vllm bench serve", "sglang", "AIPerf", "llama-bench", "InferenceX"].iter().all(|t| hint.contains(t)),
            "{unknown}: {hint}"
        );
    }
    let points = "id,family,engine_kind,phase,colour\na,b,vllm,serve,red\n";
    let error = validate::read("p.csv", points).expect_err("an unknown column");
    assert!(error.message.contains("colour"), "{}", error.message);
}

fn run(args: &[&str]) -> (i32, String, String) {
    let run = Command::cargo_bin("underdog").expect("the program is built").args(args).output().expect("it starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (run.status.code().expect("no signal"), text(run.stdout), text(run.stderr))
}

/// One point is a row, whatever the smallest slice is.
#[test]
fn validate_prints_a_row_a_point() {
    let args = ["validate", "tests/results/vllm-open.json", "--on", "tests/results/a100.toml"];
    let (code, table, err) = run(&args);
    assert_eq!(code, 0, "{err}");
    assert!(table.contains("llama-3.3-70b") && table.contains("Little's law"), "{table}");
    let (_, json, _) = run(&[&args[..], &["-f", "json"]].concat());
    let json: Value = serde_json::from_str(&json).expect("JSON");
    let rows = json["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 1);
    for field in ["ttft_ms", "pred_ttft_ms", "error_ttft", "tpot_ms", "pred_tpot_ms", "error_tpot", "concurrency"] {
        assert!(rows[0][field].is_f64(), "{field} in {}", rows[0]);
    }
    let (code, _, err) = run(&["compare", "tests/results/a100.toml", "--anchor", "a=tests/results/vllm-open.json"]);
    assert!(code == 0 && err.contains("Little's law"), "{code} {err}");
    let (code, _, err) = run(&["validate", "tests/results/vllm-open.json"]);
    assert!(code == 0 && err.is_empty(), "{code} {err}");
}
