//! Scenarios that showed an error of arithmetic, with the right answer and its reason.

use std::path::Path;
use underdog::catalog::Catalog;
use underdog::estimate::Calibration;
use underdog::estimate::step::{Each, Step, Whole};
use underdog::estimate::{Compiled, Pools};
use underdog::scenario::{Contender, Local, Offer, Plan, Source, resolve};
use underdog::setup::Setup;
use underdog::solve::{CompareRow, compare, explain};

fn plan(file: &str, edits: &[&str]) -> Plan {
    let edits: Vec<String> = edits.iter().map(|e| (*e).to_owned()).collect();
    let source = Source::read(&Path::new("tests/cases").join(file), &edits).expect("a scenario");
    resolve(&source, &source.draft().expect("a draft"), &Catalog::embedded(), Local::Pending).expect("a plan")
}

fn calibration() -> Calibration {
    Calibration::load(&Catalog::embedded()).expect("constants")
}

fn rows(file: &str, edits: &[&str]) -> Vec<CompareRow> {
    compare(&plan(file, edits), &calibration()).expect("an estimate").rows
}

fn row<'a>(rows: &'a [CompareRow], name: &str) -> &'a CompareRow {
    rows.iter().find(|r| r.contender == name).unwrap_or_else(|| panic!("no row of {name}"))
}

fn setup(plan: &Plan, name: &str) -> Setup {
    let found = plan.contenders.iter().find(|c| c.name == name).map(|c: &Contender| &c.offer);
    let Some(Offer::Devices { setup, .. }) = found else { panic!("{name} runs on devices") };
    (**setup).clone()
}

/// What one user waits per token is what decode steps take: the length of the answer moves the context alone.
#[test]
fn a_token_takes_what_a_step_takes_whatever_the_length_of_the_answer() {
    let tpot = |output: u64| {
        let edits = [format!("workload.output_tokens={output}")];
        let rows = rows("tpot-long-prompt-short-answer.toml", &[&edits[0]]);
        (rows[0].tpot_ms.expect("a time"), rows[0].ttft_ms.expect("a time"))
    };
    let ((short, first), (long, same)) = (tpot(8), tpot(512));
    assert!((short / long - 1.0).abs() < 0.01, "{short} and {long} ms");
    assert!((first / same - 1.0).abs() < 0.001, "{first} and {same} ms");
}

/// Without captured graphs the host launches every kernel of a decode step too, and of a step with a prompt once.
#[test]
fn an_eager_engine_launches_every_kernel_of_every_step_once() {
    let plan = plan("tpot-long-prompt-short-answer.toml", &[]);
    let captured = setup(&plan, &plan.contenders[0].name);
    let mut eager = captured.clone();
    eager.limits.eager = true;
    let [captured, eager] = [captured, eager].map(|s| Compiled::new(s, &calibration()).expect("an estimate"));
    // A long chunk runs without graphs; a short one in pieces of them, with attention alone launched in between.
    let (chunk, few) = (Step::of_prompts(1.0, 2048.0, 0.0), Step::of_prompts(1.0, 8.0, 0.0));
    let launches = captured.eager(&chunk).get();
    assert!(launches > 0.0 && eager.eager(&chunk).get() == 0.0);
    let pieces = captured.eager(&few).get() / launches;
    assert!(pieces > 0.0 && pieces < 0.25, "{pieces}");
    let longer = eager.decode_step(4.0, 1000.0).get() - captured.decode_step(4.0, 1000.0).get();
    assert!((longer / launches - 1.0).abs() < 1e-9, "{longer} and {launches} s");
    let prompt = eager.prompt_step(2048.0, 1.0).get() / captured.prompt_step(2048.0, 1.0).get();
    assert!((prompt - 1.0).abs() < 1e-12, "{prompt}");
}

/// Four groups of eight ranks each reduce their own tokens: no more than one group of eight does.
#[test]
fn an_all_reduce_spans_the_tensor_parallel_ranks_alone() {
    let plan = plan("ar.toml", &[]);
    let reduce = |name: &str, sequences: f64| {
        let compiled = Compiled::new(setup(&plan, name), &calibration()).expect("an estimate");
        let step = Step { decode: Whole(sequences), context: Each(1500.0), ..Step::default() };
        let found = compiled.timed(&step).find(|(op, _)| op.name == "all-reduce attention").expect("an all-reduce");
        found.1.seconds.get()
    };
    let (one, four) = (reduce("tp8", 64.0), reduce("tp8dp4", 256.0));
    assert!((four / one - 1.0).abs() < 1e-9, "{four} and {one} s for 64 tokens a group");
}

/// The indexer of DeepSeek-V3.2 scores all 128,000 entries with 64 heads of 128 values: 2 x 64 x 128 x 128,500 FLOP a
/// layer and token, 61 layers, two sequences a rank.
#[test]
fn an_indexer_is_counted() {
    let plan = plan("idx.toml", &[]);
    let compiled = Compiled::new(setup(&plan, "a"), &calibration()).expect("an estimate");
    let step = compiled.decoding(64.0, 128_500.0);
    let flop: f64 =
        compiled.timed(&step).filter(|(op, _)| op.name == "attention decode").map(|(_, t)| t.flop.get()).sum();
    let indexer = 2.0 * 61.0 * 2.0 * 64.0 * 128.0 * 128_500.0;
    assert!(flop > indexer && flop < 2.0 * indexer, "{flop:.3e} FLOP, the indexer alone {indexer:.3e}");
}

/// What is found in a cache need not be read again, where prompts have a pool of their own too.
#[test]
fn a_reused_prefix_relieves_the_pool_that_reads() {
    let rate = |hit: &str| {
        let edits = [format!("workload.prefix_hit={hit}")];
        row(&rows("dayp.toml", &[&edits[0]]), "pools").input_tok_s_per_device.expect("a rate")
    };
    let (none, half, most) = (rate("0.0"), rate("0.563"), rate("0.9"));
    assert!(half > 1.5 * none && most > half, "{none}, {half}, {most} tokens/s");
}

/// Four sequences a rank on 32 ranks are 128 at a time, in pools as in one.
#[test]
fn limits_hold_in_pools() {
    let rows = rows("lim.toml", &[]);
    assert!(row(&rows, "pools").running_batch.expect("a batch") <= 128.0);
    assert_eq!(row(&rows, "pools").saturated, Some(true));
    assert!(row(&rows, "pools-nolimit").running_batch.expect("a batch") > 128.0);
}

/// 671 GB of weights do not fit on the one device that reads.
#[test]
fn the_pool_that_reads_has_to_hold_the_model() {
    let rows = rows("poolfit.toml", &[]);
    assert!(rows.iter().all(|r| r.fits == Some(false) && r.output_tok_s_per_device.is_none()));
}

/// Two cards of one host hand caches over PCI Express: 524 MB of a 4,000-token prompt at 31.5 GB/s are 17 ms.
#[test]
fn caches_travel_where_no_network_is_known() {
    let plan = plan("nonet.toml", &[]);
    let Offer::Devices { setup, prefill: Some(layout), .. } = &plan.contenders[0].offer else { panic!("pools") };
    let pools = Pools::new((**setup).clone(), *layout, &calibration()).expect("a way");
    let seconds = pools.transfer.of(4000.0).get();
    assert!((seconds / (4000.0 * 131_072.0 / 31.5e9) - 1.0).abs() < 0.01, "{seconds} s");
}

/// Two stages read prompts at about the rate of one twice as wide, not at half of it.
#[test]
fn stages_of_a_pool_work_at_the_same_time() {
    let rows = rows("pp.toml", &[]);
    let rate = |name| row(&rows, name).input_tok_s_per_device.expect("a rate");
    let ratio = rate("prefill-pp2") / rate("prefill-pp1");
    assert!((0.8..1.3).contains(&ratio), "{ratio}");
}

/// Eight stages hand the hidden vectors over seven times a step.
#[test]
fn stages_pay_for_what_they_hand_over() {
    let plan = plan("pp8.toml", &[]);
    let compiled = Compiled::new(setup(&plan, "mixed-pp2"), &calibration()).expect("an estimate");
    let found =
        compiled.timed(&compiled.decoding(8.0, 4000.0)).any(|(op, t)| op.name == "hand over" && t.seconds.get() > 0.0);
    assert!(found, "the hand-over is free");
}

/// A guess that is never right costs its draft and its check, and five cost more than one.
#[test]
fn guesses_cost_something() {
    let rows = rows("spec.toml", &[]);
    let tpot = |name| row(&rows, name).tpot_ms.expect("a time");
    assert!(tpot("draft1-acc0.0001") > 1.01 * tpot("plain"));
    assert!(tpot("draft5-acc0.0001") > 1.03 * tpot("draft1-acc0.0001"));
}

/// Op by op, a prompt of which 98.75 % is cached is its 100 new tokens.
#[test]
fn op_by_op_a_reused_prefix_is_not_read_again() {
    let (ops, _) = explain(&plan("past.toml", &[]), &calibration()).expect("rows");
    let gemm = ops.iter().find(|o| o.phase == "prefill" && o.op == "gate_up").expect("an operation");
    let expected = 32.0 * 2.0 * 100.0 * 4096.0 * 28_672.0;
    assert!((gemm.flop / expected - 1.0).abs() < 1e-6, "{} and {expected}", gemm.flop);
}

/// 64 copies of an engine do nothing for its one user.
#[test]
fn idle_replicas_change_no_time() {
    for model in ["mixtral-8x7b", "llama-3.1-8b", "gpt-oss-120b", "deepseek-v3"] {
        let rows = rows(&format!("replicas-{model}.toml"), &[]);
        let (one, all) = (row(&rows, "x1"), row(&rows, "x64"));
        assert_eq!(one.tpot_ms, all.tpot_ms, "{model}");
        assert_eq!(one.ttft_ms, all.ttft_ms, "{model}");
    }
}

/// Tiles of experts fill at different batches: no step of the load falls off an edge.
#[test]
fn throughput_rises_with_the_load() {
    let rows = rows("sawtooth.toml", &[]);
    let rates: Vec<f64> = rows.iter().filter_map(|r| r.output_tok_s_per_device).collect();
    assert!(rates.len() > 5 && rates.windows(2).all(|w| w[1] >= 0.99 * w[0]), "{rates:?}");
}

/// Peak rates are a bound.
#[test]
fn the_ideal_engine_is_never_slower() {
    let rows = rows("floor.toml", &["contender.a.limits={ batch_tokens = 512 }"]);
    let rate = |name| row(&rows, name).output_tok_s_per_device.expect("a rate");
    assert!(rate("ideal") >= rate("a") && rate("ideal") >= rate("b"));
}

/// A bridge that joins no two devices leaves PCI Express, which joins those of a host.
#[test]
fn stages_in_one_host_need_no_network() {
    assert!(rows("bridge.toml", &[])[0].output_tok_s_per_device.is_some());
}
