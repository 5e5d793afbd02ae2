//! What a host makes of its devices: how they reach each other and how much power they get, given or assumed.

use assert_cmd::Command;
use serde_json::Value;

const SCENARIO: &str = r#"
name = "cards in a host"
[model]
config = "qwen3-32b"
precision = "bf16"
[workload]
input_tokens = 1000
output_tokens = 500
concurrency = 32
[[contender]]
name = "cards"
device = "rtx-pro-6000"
count = 2
parallel = { tp = 2 }
engine = "vllm"
price = "2 USD/h"
"#;

fn run(edits: &[&str]) -> (i32, String, Option<Value>) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("cards.toml");
    std::fs::write(&path, SCENARIO).expect("written");
    let mut command = Command::cargo_bin("underdog").expect("built");
    command.arg("compare").arg(&path).args(["-f", "json"]);
    edits.iter().for_each(|edit| {
        command.args(["--set", edit]);
    });
    let said = command.output().expect("starts");
    let row = serde_json::from_slice::<Value>(&said.stdout).ok().map(|run| run["rows"][0].clone());
    (said.status.code().expect("no signal"), String::from_utf8_lossy(&said.stderr).into_owned(), row)
}

fn row(edits: &[&str]) -> Value {
    let (code, err, row) = run(edits);
    assert_eq!(code, 0, "{edits:?}: {err}");
    row.expect("a row")
}

fn number(row: &Value, field: &str) -> f64 {
    row[field].as_f64().unwrap_or_else(|| panic!("{field} is no number in {row}"))
}

#[test]
fn a_link_is_in_the_row_and_the_way_through_the_host_costs() {
    let (direct, host) = (row(&["contender.cards.link=pcie-p2p"]), row(&["contender.cards.link=pcie-host"]));
    assert_eq!((&direct["link"], &host["link"]), (&"pcie-p2p".into(), &"pcie-host".into()));
    // 128 all-reduces a step, at least 14 us each: twice 7 us for each of two ranks.
    assert!(number(&host, "tpot_ms") > number(&direct, "tpot_ms") + 128.0 * 0.014, "{host}");
}

#[test]
fn where_nobody_says_the_band_covers_both_ways() {
    let (open, direct) = (row(&[]), row(&["contender.cards.link=pcie-p2p"]));
    let host = row(&["contender.cards.link=pcie-host"]);
    assert_eq!(open["link"], "pcie-p2p (assumed)");
    assert_eq!(open["tpot_ms"], direct["tpot_ms"]);
    let width = |row: &Value| number(row, "tpot_ms_high") / number(row, "tpot_ms_low");
    assert!(width(&open) > 1.05 * width(&direct), "{} against {}", width(&open), width(&direct));
    assert!(number(&open, "tpot_ms_high") > number(&host, "tpot_ms"));
    // Prompts move more bytes at a time: their time is in doubt by more.
    let first = |row: &Value| number(row, "ttft_ms_high") / number(row, "ttft_ms");
    let each = |row: &Value| number(row, "tpot_ms_high") / number(row, "tpot_ms");
    assert!(first(&open) / first(&direct) > each(&open) / each(&direct));
    assert!(number(&open, "output_tok_s_per_device_low") < number(&host, "output_tok_s_per_device"));
}

#[test]
fn geforce_cards_go_through_the_host_and_bridges_are_bought_apart() {
    let geforce = row(&["contender.cards.device=rtx-4090", "contender.cards.count=8", "contender.cards.parallel.tp=8"]);
    assert_eq!(geforce["link"], "pcie-host (assumed)");
    let bridged = |link: &str| row(&["contender.cards.device=a100-pcie-80gb", &format!("contender.cards.link={link}")]);
    assert_eq!(row(&["contender.cards.device=a100-pcie-80gb"])["link"], "pcie-p2p (assumed)");
    assert!(number(&bridged("nvlink"), "tpot_ms") < number(&bridged("pcie-p2p"), "tpot_ms"));
    assert_eq!(row(&["contender.cards.device=h100-sxm-80gb"])["link"], "nvlink");
    assert!(row(&["contender.cards.count=1", "contender.cards.parallel.tp=1"]).get("link").is_none());
    // A bridge joins two; four share PCI Express whatever is said.
    let four = ["contender.cards.device=a100-pcie-80gb", "contender.cards.count=4", "contender.cards.parallel.tp=4"];
    assert_eq!(row(&[&four[..], &["contender.cards.link=nvlink"]].concat())["link"], "pcie-p2p");
    let (code, err, _) = run(&["contender.cards.link=nvlink"]);
    assert!(code == 2 && err.contains("no scale-up link"), "{err}");
}

/// A limit below the board's power slows prompts most and answers little (six RTX 3090 from 350 to 150 W); the energy is
/// that of the limit, and nothing calls the row calibrated.
#[test]
fn a_power_limit_slows_steps_and_one_above_the_board_does_not() {
    let single = ["contender.cards.count=1", "contender.cards.parallel.tp=1", "contender.cards.device=rtx-3090"];
    let small = ["model.config=qwen3-4b", "workload.concurrency=4"];
    let at = |limit: &str| {
        let limit = format!("contender.cards.power_limit={limit}");
        row(&[&single[..], &small[..], &[limit.as_str()]].concat())
    };
    let (free, held) = (at("400 W"), at("200 W"));
    let plain = row(&[&single[..], &small[..]].concat());
    assert_eq!(number(&free, "tpot_ms"), number(&plain, "tpot_ms"));
    let slower = |field: &str| number(&held, field) / number(&free, field);
    assert!((1.02..1.4).contains(&slower("tpot_ms")), "{}", slower("tpot_ms"));
    assert!((1.2..1.7).contains(&slower("ttft_ms")), "{}", slower("ttft_ms"));
    assert!(slower("joule_per_output_token") < 0.9, "{}", slower("joule_per_output_token"));
    assert_eq!(held["provenance"], "assumed");
    let (code, err, _) = run(&[&single[..], &small[..], &["contender.cards.power_limit=80 W"]].concat());
    assert!(code == 2 && err.contains("never measured"), "{code}: {err}");
}
