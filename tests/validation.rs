//! The estimate against other people's measurements. The bounds are what the program promises; a change that makes
//! the estimate worse than that fails here.

use assert_cmd::Command;
use serde_json::Value;

fn summary(args: &[&str]) -> (String, Vec<Value>) {
    let run = Command::cargo_bin("underdog")
        .expect("the program is built")
        .args(["validate", "-f", "json"])
        .args(args)
        .output()
        .expect("it starts");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let run: Value = serde_json::from_slice(&run.stdout).expect("JSON");
    (run["sentence"].as_str().expect("a sentence").to_owned(), run["rows"].as_array().expect("rows").clone())
}

fn median(rows: &[Value], slice: &str, quantity: &str) -> f64 {
    let row = rows.iter().find(|r| r["slice"] == slice && r["quantity"] == quantity);
    row.unwrap_or_else(|| panic!("no slice {slice} {quantity}"))["median"].as_f64().expect("a median")
}

#[test]
fn measured_runs_are_predicted_as_well_as_promised() {
    let (sentence, rows) = summary(&["scenarios/validation/points.csv", "--smallest", "1"]);
    assert!(sentence.contains("of 3923 points are answered"), "{sentence}");
    for (slice, quantity, bound) in [
        ("silicon", "tpot", 0.08),
        ("silicon", "ttft", 0.20),
        ("trtllm", "throughput", 0.18),
        ("mlperf", "throughput", 0.18),
        ("inferencex", "throughput", 0.18),
        ("llamacpp-apple decode", "tpot", 0.12),
        ("llamacpp-gpu decode", "tpot", 0.12),
        ("llamacpp-gptoss decode", "tpot", 0.12),
        ("xiongjiedai decode", "tpot", 0.12),
        ("dgx-spark decode", "tpot", 0.12),
        ("llamacpp-apple prefill", "throughput", 0.20),
        ("llamacpp-gpu prefill", "throughput", 0.20),
        ("llamacpp-gptoss prefill", "throughput", 0.20),
        ("xiongjiedai prefill", "throughput", 0.20),
    ] {
        let found = median(&rows, slice, quantity);
        assert!(found <= bound, "{slice} {quantity}: median error {found:.3} is above {bound}");
    }
}

#[test]
fn measured_kernels_are_predicted_as_well_as_promised() {
    let (sentence, rows) = summary(&["scenarios/validation/kernels.csv", "--kernels"]);
    assert!(sentence.starts_with("11696 of 11696"), "{sentence}");
    for (slice, bound) in [
        ("gemm bfloat16", 0.08),
        ("gemm fp8", 0.15),
        ("gemm fp8_block", 0.15),
        ("gemm nvfp4", 0.15),
        ("attn_decode", 0.15),
        ("attn_prefill_causal", 0.15),
        ("mla_decode", 0.15),
        ("moe_grouped_gemm", 0.20),
    ] {
        let found = median(&rows, slice, "latency");
        assert!(found <= bound, "{slice}: median error {found:.3} is above {bound}");
    }
}
