//! One card, a card and its host, or unlike cards: what people measured, against what is answered.
//!
//! Each case names its source. None of them was fitted on: constants come from scenarios/validation/points.csv and from
//! the published numbers that scenarios/calibration.toml names.
#![allow(clippy::print_stdout)] // what was found is a table

use std::fmt::Write;
use std::path::PathBuf;
use underdog::catalog::Catalog;
use underdog::estimate::Calibration;
use underdog::provenance::Provenance;
use underdog::scenario::{Local, Source, resolve};
use underdog::solve::{CompareRow, compare};

/// What a case measured.
#[derive(Clone, Copy, PartialEq)]
enum Of {
    /// Tokens of an answer per second, one stream, from a context of so many tokens.
    Writes(u64),
    /// Tokens of a prompt of 512 per second.
    Reads,
}

/// A published measurement.
struct Case {
    source: &'static str,
    what: &'static str,
    model: &'static str,
    contender: &'static str,
    of: Of,
    measured: f64,
}

const fn case(
    source: &'static str,
    what: &'static str,
    model: &'static str,
    contender: &'static str,
    of: Of,
    measured: f64,
) -> Case {
    Case { source, what, model, contender, of, measured }
}

const IPEX: &str = "intel/ipex-llm issue 12991";
const HALO: &str = "kyuz0/amd-strix-halo-toolboxes @d1a34be";
const FIT_778: &str = "AlexsJones/llmfit pull request 778";
const QWEN_7B: &str = "config = \"qwen2.5-7b\"\nprecision = \"q4_k_m\"";
const QWEN_1B: &str = "config = \"qwen2.5-1.5b\"\nprecision = \"q4_k_m\"";
const LLAMA_2: &str = "config = \"llama-2-7b\"\nprecision = \"q4_0\"";
const SYCL: &str = "device = \"arc-b580\"\nbackend = \"sycl\"";
const HALO_VULKAN: &str = "device = \"strix-halo\"\nbackend = \"vulkan\"";
const TURING: &str = "device = \"rtx-2080\"";

/// Hosts: i9-10900X with four channels that were measured at about 102 GB/s (llmfit pull request 755).
const CASES: [Case; 21] = [
    case(IPEX, "B580, R1-Qwen-7B, SYCL", QWEN_7B, SYCL, Of::Writes(0), 66.48),
    case(IPEX, "B580, R1-Qwen-7B, SYCL", QWEN_7B, SYCL, Of::Reads, 2336.0),
    case(IPEX, "B580, R1-Qwen-1.5B, SYCL", QWEN_1B, SYCL, Of::Writes(0), 100.7),
    case(IPEX, "B580, R1-Qwen-1.5B, Vulkan", QWEN_1B, "device = \"arc-b580\"\nbackend = \"vulkan\"", Of::Reads, 1079.0),
    case(HALO, "Strix Halo, Llama-2-7B, Vulkan", LLAMA_2, HALO_VULKAN, Of::Writes(0), 55.73),
    case(HALO, "Strix Halo, Llama-2-7B, Vulkan", LLAMA_2, HALO_VULKAN, Of::Reads, 1337.7),
    case(HALO, "Strix Halo, gpt-oss-120b, Vulkan", "config = \"gpt-oss-120b\"", HALO_VULKAN, Of::Writes(0), 56.6),
    case(HALO, "Strix Halo, gpt-oss-120b, Vulkan", "config = \"gpt-oss-120b\"", HALO_VULKAN, Of::Reads, 719.9),
    case(HALO, "Strix Halo, gpt-oss-20b, Vulkan", "config = \"gpt-oss-20b\"", HALO_VULKAN, Of::Writes(0), 79.8),
    case(HALO, "Strix Halo, gpt-oss-20b, Vulkan", "config = \"gpt-oss-20b\"", HALO_VULKAN, Of::Reads, 1692.0),
    case(
        HALO,
        "Strix Halo, Qwen3.6-35B-A3B BF16, ROCm",
        "config = \"qwen3.5-35b-a3b\"\nprecision = \"bf16\"",
        "device = \"strix-halo\"\nbackend = \"rocm\"",
        Of::Writes(0),
        25.9,
    ),
    case(
        HALO,
        "Strix Halo, gpt-oss-120b, 32,768 deep",
        "config = \"gpt-oss-120b\"",
        HALO_VULKAN,
        Of::Writes(32_768),
        43.01,
    ),
    case(
        FIT_778,
        "RTX 2080, Llama-3.2-1B",
        "config = \"./llama-3.2-1b.json\"\nprecision = \"q4_k_m\"",
        TURING,
        Of::Writes(0),
        304.3,
    ),
    case(
        FIT_778,
        "RTX 2080, Llama-3.2-3B",
        "config = \"./llama-3.2-3b.json\"\nprecision = \"q4_k_m\"",
        TURING,
        Of::Writes(0),
        140.3,
    ),
    case(FIT_778, "RTX 2080, Qwen2.5-7B", QWEN_7B, TURING, Of::Writes(0), 77.0),
    case(
        FIT_778,
        "RTX 2080, Qwen2.5-14B, 42 layers on it",
        "config = \"qwen2.5-14b\"\nprecision = \"q4_k_m\"",
        "device = \"rtx-2080\"\noffload = { gpu_layers = 42, host = \"core-i9-10900x\", bandwidth = \"102 GB/s\" }",
        Of::Writes(0),
        20.8,
    ),
    case(
        "AlexsJones/llmfit pull request 755",
        "RTX 2080, Qwen3-30B-A3B, the experts of 36 layers on the host",
        "config = \"qwen3-30b-a3b\"\nprecision = \"q4_k_m\"",
        "device = \"rtx-2080\"\noffload = { expert_layers = 36, host = \"core-i9-10900x\", bandwidth = \"102 GB/s\" }",
        Of::Writes(0),
        36.7,
    ),
    case(
        "ggml-org/llama.cpp issue 10981, its host not named: one of eight channels of DDR4-3200 assumed",
        "4 x RTX 3090, DeepSeek-V3, 7 layers on them",
        "config = \"deepseek-v3\"\nprecision = \"q4_k_m\"",
        "device = \"rtx-3090\"\ncount = 4\noffload = { gpu_layers = 7, host = \"epyc-7402\" }",
        Of::Writes(0),
        4.65,
    ),
    case(
        "ggml-org/llama.cpp pull request 23346",
        "RTX PRO 6000 Max-Q, DeepSeek-V3.2 Q8_0, experts on an EPYC 9374F",
        "config = \"deepseek-v3.2\"\nprecision = \"q8_0\"",
        "device = \"rtx-pro-6000-max-q\"\noffload = { experts = \"host\", host = \"epyc-9374f\" }",
        Of::Writes(0),
        10.91,
    ),
    case(
        "AlexsJones/llmfit pull request 808",
        "RX 7900 XT, Qwen3-32B, Vulkan",
        "config = \"qwen3-32b\"\nprecision = \"q4_k_m\"",
        "device = \"rx-7900-xt\"\nbackend = \"vulkan\"",
        Of::Writes(0),
        31.58,
    ),
    case(
        "AlexsJones/llmfit pull request 808",
        "RX 7900 XT, Qwen2.5-32B, Vulkan",
        "config = \"qwen2.5-32b\"\nprecision = \"q4_k_m\"",
        "device = \"rx-7900-xt\"\nbackend = \"vulkan\"",
        Of::Writes(0),
        31.13,
    ),
];

/// Published numbers of a model that lies partly on a host, none of them a case: what the constants of a host and its band
/// come from.
const HOSTED: [Case; 5] = [
    case(
        "AlexsJones/llmfit pull request 774",
        "RTX 2080, Qwen3-14B, 32 layers on it",
        "config = \"qwen3-14b\"\nprecision = \"q4_k_m\"",
        "device = \"rtx-2080\"\noffload = { gpu_layers = 32, host = \"core-i9-10900x\", bandwidth = \"102 GB/s\" }",
        Of::Writes(0),
        16.9,
    ),
    case(
        "AlexsJones/llmfit pull request 774",
        "RTX 2080, Gemma-3-12B, 44 layers on it",
        "config = \"gemma-3-12b\"\nprecision = \"q4_k_m\"",
        "device = \"rtx-2080\"\noffload = { gpu_layers = 44, host = \"core-i9-10900x\", bandwidth = \"102 GB/s\" }",
        Of::Writes(0),
        26.1,
    ),
    case(
        "AlexsJones/llmfit pull request 775",
        "RTX 2080, gpt-oss-20b, the experts of 12 layers on the host",
        "config = \"gpt-oss-20b\"",
        "device = \"rtx-2080\"\noffload = { expert_layers = 12, host = \"core-i9-10900x\", bandwidth = \"102 GB/s\" }",
        Of::Writes(0),
        36.4,
    ),
    case(
        "gokawiil.com/article/74814, its card not named",
        "RTX 3090, gpt-oss-120b, experts on a 14900K",
        "config = \"gpt-oss-120b\"",
        "device = \"rtx-3090\"\noffload = { experts = \"host\", host = \"core-i9-13900k\" }",
        Of::Writes(0),
        25.62,
    ),
    case(
        "gokawiil.com/article/74814, of another build",
        "RTX 3090, gpt-oss-120b, experts on a 14900K",
        "config = \"gpt-oss-120b\"",
        "device = \"rtx-3090\"\noffload = { experts = \"host\", host = \"core-i9-13900k\" }",
        Of::Writes(0),
        18.04,
    ),
];

/// The band of a host holds four of five published numbers.
#[test]
fn the_band_of_a_host_holds_what_was_published() {
    let mut inside = 0;
    for case in &HOSTED {
        let (rate, low, high, _) = answer(case).unwrap_or_else(|why| panic!("{}: {why}", case.what));
        println!("{:66} {:8.1} {rate:8.1} {low:8.1} {high:8.1} ({})", case.what, case.measured, case.source);
        inside += usize::from((low..=high).contains(&case.measured));
    }
    assert!(inside >= 4, "{inside} of {}", HOSTED.len());
}

fn row(model: &str, load: &str, contender: &str) -> Result<CompareRow, String> {
    let engine = if contender.contains("engine =") { "" } else { "engine = \"llama.cpp\"\n" };
    let text = format!(
        "name = \"a case\"\n[model]\n{model}\n[workload]\n{load}\nconcurrency = 1\n[[contender]]\nname = \"a\"\n{engine}{contender}\n"
    );
    let source = Source { file: "case.toml".to_owned(), text, folder: PathBuf::from("tests/cases/desk") };
    let catalog = Catalog::embedded();
    let draft = source.draft().map_err(|e| e.to_string())?;
    let plan = resolve(&source, &draft, &catalog, Local::Pending).map_err(|e| e.to_string())?;
    let calibration = Calibration::load(&catalog).expect("constants");
    let row = compare(&plan, &calibration).map_err(|e| e.to_string())?.rows.remove(0);
    match &row.reason {
        Some(why) => Err(why.clone()),
        None => Ok(row),
    }
}

/// What is answered, and both ends of its band.
fn answer(case: &Case) -> Result<(f64, f64, f64, Provenance), String> {
    let load = match case.of {
        Of::Writes(0) => "input_tokens = 1\noutput_tokens = 128".to_owned(),
        Of::Writes(depth) => format!("input_tokens = {depth}\noutput_tokens = 32\nprefix_hit = 1.0"),
        Of::Reads => "input_tokens = 512\noutput_tokens = 1".to_owned(),
    };
    let row = row(case.model, &load, case.contender)?;
    let (tokens, ms, low, high) = match case.of {
        Of::Writes(_) => (1.0, row.tpot_ms, row.tpot_ms_low, row.tpot_ms_high),
        Of::Reads => (512.0, row.ttft_ms, row.ttft_ms_low, row.ttft_ms_high),
    };
    let rate = |ms: Option<f64>| ms.map_or(f64::NAN, |ms| tokens * 1e3 / ms);
    Ok((rate(ms), rate(high), rate(low), row.provenance))
}

/// Every case is answered within 15 % (prompts, and a part on the host, 30 %) or in a band of at most 2.5 times; over all
/// of them the median error is at most 15 %, and two of three lie in their band.
#[test]
fn published_measurements_lie_where_they_are_said_to() {
    let (mut table, mut errors, mut inside, mut wrong) = (String::new(), Vec::new(), 0, Vec::new());
    for case in &CASES {
        let of = if case.of == Of::Reads { "reads" } else { "writes" };
        match answer(case) {
            Ok((rate, low, high, provenance)) => {
                let error = (rate / case.measured - 1.0).abs();
                let within = if case.of == Of::Reads || case.contender.contains("offload") { 0.3 } else { 0.15 };
                let banded = high / low <= 2.5 && (low..=high).contains(&case.measured);
                let verdict = match (error <= within, banded) {
                    (true, _) => "right",
                    (false, true) => "in its band",
                    (false, false) => "WRONG",
                };
                errors.push(error);
                inside += usize::from((low..=high).contains(&case.measured));
                writeln!(
                    table,
                    "{:66} {of:6} {:8.1} {rate:8.1} {low:8.1} {high:8.1} {provenance:10} {verdict}",
                    case.what, case.measured
                )
                .expect("text");
                if error > within && !banded {
                    wrong.push(format!("{} ({}): {of} {rate:.1}, measured {}", case.what, case.source, case.measured));
                }
            }
            Err(why) => wrong.push(format!("{}: {why}", case.what)),
        }
    }
    println!("{table}");
    errors.sort_by(f64::total_cmp);
    let median = errors[errors.len() / 2];
    println!("median error {median:.3}, {inside} of {} in their band", CASES.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(median <= 0.15, "{median}");
    assert!(inside * 3 >= CASES.len() * 2, "{inside} of {}", CASES.len());
}

const SHORT: &str = "input_tokens = 1\noutput_tokens = 2";
const LLAMA_8B: &str = "config = \"llama-3.1-8b\"\nprecision = \"q8_0\"";

fn tpot(model: &str, contender: &str) -> f64 {
    row(model, SHORT, contender).unwrap_or_else(|why| panic!("{contender}: {why}")).tpot_ms.expect("a time")
}

/// With nothing on the host a scenario is what it was without it; with everything there a token takes its weights over the
/// bandwidth of the host's memory, and between the two the time grows with every layer.
#[test]
fn layers_on_the_host_take_the_bandwidth_of_its_memory() {
    let on = |layers: u64, bandwidth: &str| {
        let host = format!("host = \"epyc-9374f\", bandwidth = \"{bandwidth}\"");
        tpot(LLAMA_8B, &format!("device = \"rtx-4090\"\noffload = {{ gpu_layers = {layers}, {host} }}"))
    };
    assert_eq!(on(33, "100 GB/s"), tpot(LLAMA_8B, "device = \"rtx-4090\""));
    // Llama-3.1-8B without its embedding: 32 layers of 218,112,000 values and a head of 4,096 x 128,256, 8.5 bits each.
    let share = Calibration::load(&Catalog::embedded()).expect("constants").llama().memory_cpu;
    let bytes = (32.0 * 218_112_000.0 + 4_096.0 * 128_256.0) * 8.5 / 8.0;
    for (bandwidth, rate) in [("100 GB/s", 100e9), ("50 GB/s", 50e9)] {
        let expected = bytes / (rate * share) * 1e3;
        let found = on(0, bandwidth);
        assert!((found / expected - 1.0).abs() < 0.02, "{found} ms where {expected} ms are expected");
    }
    let times: Vec<f64> = (0..=33).map(|layers| on(layers, "60 GB/s")).collect();
    assert!(times.windows(2).all(|pair| pair[1] < pair[0]), "{times:?}");
}

/// Experts on the host: their active weights over its memory's bandwidth come on top of what the device does, with a turn
/// to the host for every layer.
#[test]
fn experts_on_the_host_are_read_there() {
    let model = "config = \"qwen3-30b-a3b\"\nprecision = \"q8_0\"";
    let whole = tpot(model, "device = \"rtx-pro-6000\"");
    let of = |which: &str| {
        let host = "host = \"epyc-9374f\"";
        tpot(model, &format!("device = \"rtx-pro-6000\"\noffload = {{ {which}, {host} }}"))
    };
    let calibration = Calibration::load(&Catalog::embedded()).expect("constants");
    let llama = calibration.llama();
    // 48 layers, 8 experts of 3 x 2,048 x 768 values.
    let bytes = 48.0 * 8.0 * 3.0 * 2_048.0 * 768.0 * 8.5 / 8.0;
    let host = bytes / (460.8e9 * llama.memory_cpu) + 48.0 * llama.split_s;
    let device = bytes / (1792e9 * llama.memory_q8_0);
    let expected = whole + (host - device) * 1e3;
    let found = of("experts = \"host\"");
    assert!((found / expected - 1.0).abs() < 0.05, "{found} ms where {expected} ms are expected");
    assert_eq!(of("expert_layers = 48"), found);
    assert_eq!(of("expert_layers = 0"), whole);
}

/// Layers in two cards of one kind take as long as in one, but for the way between them; in unlike ones the time lies
/// between those of either, by their shares.
#[test]
fn unlike_cards_work_one_after_the_other() {
    let model = "config = \"qwen3-32b\"\nprecision = \"q4_k_m\"";
    let [fast, slow] = ["rtx-5090", "rtx-3090-ti"].map(|card| tpot(model, &format!("device = \"{card}\"")));
    let hop = Calibration::load(&Catalog::embedded()).expect("constants").llama().hop_s * 1e3;
    let mixed = |split: &str| tpot(model, &format!("device = [\"rtx-5090\", \"rtx-3090-ti\"]\n{split}"));
    for (split, share) in [("split = [2, 1]", 2.0 / 3.0), ("split = [1, 3]", 0.25), ("", 32.0 / 56.0)] {
        let expected = fast * share + slow * (1.0 - share) + hop;
        let found = mixed(split);
        // The LM head lies on the last card alone.
        assert!((found / expected - 1.0).abs() < 0.03, "{split}: {found} ms where {expected} ms are expected");
    }
    let twice = tpot(model, "device = [\"rtx-5090\", \"rtx-5090\"]");
    let same = tpot(model, "device = \"rtx-5090\"\ncount = 2");
    assert!((twice / same - 1.0).abs() < 1e-9, "{twice} and {same} ms");
}

/// "calibrated" is said of a backend on a generation that has points, and of nothing else.
#[test]
fn labels_say_what_was_fitted() {
    let label = |model: &str, contender: &str| {
        let row = row(model, SHORT, contender).unwrap_or_else(|why| panic!("{contender}: {why}"));
        (row.provenance, row.backend)
    };
    let dense = LLAMA_2;
    for (contender, expected, backend) in [
        ("device = \"rtx-4090\"", Provenance::Calibrated, "cuda (assumed)"),
        ("device = \"arc-b580\"", Provenance::Assumed, "sycl (assumed)"),
        ("device = \"arc-b580\"\nbackend = \"vulkan\"", Provenance::Assumed, "vulkan"),
        ("device = \"rtx-4080\"\nbackend = \"cuda\"", Provenance::Calibrated, "cuda"),
        ("device = \"rtx-4080\"\nbackend = \"vulkan\"", Provenance::Calibrated, "vulkan"),
        ("device = \"rtx-3080\"\nbackend = \"vulkan\"", Provenance::Assumed, "vulkan"),
        ("device = \"rx-9070-xt\"", Provenance::Calibrated, "rocm (assumed)"),
        ("device = \"epyc-9374f\"", Provenance::Assumed, "cpu (assumed)"),
        ("device = \"rtx-4080\"\nengine = \"exllama\"", Provenance::Assumed, ""),
        ("device = \"apple-m4-max-40c\"\nengine = \"mlx\"", Provenance::Assumed, ""),
        ("device = \"rtx-4080\"\nengine = \"lmdeploy\"", Provenance::Assumed, ""),
    ] {
        let (found, named) = label(dense, contender);
        assert_eq!((found, named.as_deref().unwrap_or("")), (expected, backend), "{contender}");
    }
    let experts = "config = \"gpt-oss-20b\"";
    assert_eq!(label(experts, "device = \"rtx-4080s\"").0, Provenance::Calibrated);
    assert_eq!(label(experts, "device = \"rx-9070-xt\"").0, Provenance::Assumed);
    let host = "device = \"rtx-4080\"\noffload = { gpu_layers = 10 }";
    assert_eq!(label(dense, host).0, Provenance::Assumed);
}

/// Memory of one server: a model that fills a card runs on it, one that is larger is refused, and the host takes the rest.
#[test]
fn a_server_of_one_user_fills_a_card() {
    let load = "input_tokens = 100\noutput_tokens = 300";
    let model = "config = \"qwen3-32b\"\nprecision = \"q4_k_m\"";
    assert!(row(model, load, "device = \"rx-7900-xt\"").is_ok());
    let why = row(model, load, "device = \"rtx-4080\"").expect_err("16 GiB are too few");
    assert!(why.starts_with("does not fit"), "{why}");
    assert!(row(model, load, "device = \"rtx-4080\"\noffload = { gpu_layers = 40 }").is_ok());
    let why = row(model, load, "device = \"rtx-4080\"\noffload = { gpu_layers = 40, memory = \"4 GiB\" }")
        .expect_err("so few");
    assert!(why.contains("on the host"), "{why}");
    let both = row(model, load, "device = [\"rtx-4080\", \"rtx-3060\"]").expect("28 GiB are enough");
    assert_eq!(both.devices, Some(2));
    assert_eq!(both.elsewhere.as_deref(), Some("43 % of the layers and the LM head on rtx-3060"));
}

/// What cannot be is refused with a reason.
#[test]
fn what_no_engine_does_is_refused() {
    for (contender, part) in [
        ("device = \"rtx-4080\"\nbackend = \"rocm\"", "rocm does not reach"),
        ("device = \"rtx-4080\"\nengine = \"vllm\"\nbackend = \"cuda\"", "one way to its device"),
        (
            "device = \"rtx-4080\"\nengine = \"vllm\"\noffload = { gpu_layers = 3 }",
            "leaves nothing of a model on the host",
        ),
        ("device = \"strix-halo\"\noffload = { gpu_layers = 3 }", "is the host's already"),
        ("device = \"rtx-4080\"\noffload = {}", "nothing is said"),
        ("device = \"rtx-4080\"\noffload = { experts = \"host\" }", "no routed experts"),
        ("device = \"rtx-4080\"\noffload = { gpu_layers = 3, host = \"rtx-4080\" }", "is no processor"),
        ("device = [\"rtx-4080\", \"rtx-3060\"]\nengine = \"vllm\"", "devices of one kind"),
        ("device = [\"rtx-4080\", \"rtx-3060\"]\ncount = 2", "one instance"),
        ("device = [\"rtx-4080\", \"rtx-3060\"]\nsplit = [1]", "1 shares for 2 devices"),
        ("device = \"rtx-4080\"\nengine = \"mlx\"", "runs on Apple"),
        ("device = \"rtx-4080\"\nsplit = [1, 2]", "one kind of device"),
        ("device = \"rtx-4080\"\nengine = \"vllm\"\nflash_attention = false", "no attention without it"),
    ] {
        let why = row(LLAMA_2, SHORT, contender).expect_err(contender);
        assert!(why.contains(part), "{contender}: {why}");
    }
}

/// Scores that pass through memory cost time, and more of it the longer the context.
#[test]
fn without_flash_attention_scores_pass_through_memory() {
    let at = |tokens: u64, flash: bool| {
        let contender = format!("device = \"rtx-4080\"\nflash_attention = {flash}");
        let load = format!("input_tokens = {tokens}\noutput_tokens = 64");
        let row = row("config = \"llama-3.1-8b\"\nprecision = \"q4_0\"", &load, &contender).expect("an answer");
        (row.ttft_ms.expect("a time"), row.tpot_ms.expect("a time"))
    };
    let ratio = |tokens: u64| {
        let (with, without) = (at(tokens, true), at(tokens, false));
        (without.0 / with.0, without.1 / with.1)
    };
    let (short, long) = (ratio(512), ratio(8192));
    assert!(short.0 > 1.0 && short.1 > 1.0 && long.0 > short.0 && long.1 > short.1, "{short:?} {long:?}");
    assert!(long.0 < 4.0 && long.1 < 1.5, "{long:?}");
}
