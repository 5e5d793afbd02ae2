//! What compilers say of the kernels: saved outputs, and GPUs that are not here where the tree of drivers is.
//!
//! `UNDERDOG_REQUIRE_GPUS=1` makes a missing tree a failure.
#![allow(clippy::print_stdout)] // one line says what was not tried

mod common;

use assert_cmd::Command;
use common::tree;
use std::io::Write;
use std::process::Stdio;
use underdog::gpu::Executable;
use underdog::isa::{IsaRow, VIRTUAL, judge};
use underdog::run::Run;

/// The drivers whose counts are known.
const KNOWN: &str = "Mesa 26.2.6-1";

/// `gemm_tiled/f32/bm16.bn16.bk16.tm1.tn1` as Mesa 26.2.6 compiles it for an RX 9070 XT and an RTX 4090: 16 steps of k.
#[test]
fn saved_machine_code_is_read() {
    let aco = Executable {
        subgroup: 64,
        statistics: [("VGPRs", 36.0), ("Spilled VGPRs", 0.0), ("Spilled SGPRs", 2.0), ("Subgroups per SIMD", 16.0)]
            .map(|(name, value)| (name.to_owned(), value))
            .to_vec(),
        texts: vec![
            ("ACO IR".to_owned(), String::new()),
            ("Assembly".to_owned(), include_str!("isa/aco.txt").to_owned()),
        ],
    };
    let told = judge(&aco);
    assert_eq!((told.registers, told.spills, told.resident_subgroups), (Some(36), Some(2), Some(16)));
    // The loop itself: what goes before it stands next to it in the text.
    assert_eq!((told.loop_instructions, told.loop_multiply_adds), (Some(83), Some(16)));
    // A step takes one value of A and one of B, 4 bytes each.
    assert_eq!(told.workgroup_bytes_per_multiply_add, Some(8.0));
    assert_eq!(told.global_bytes_per_multiply_add, Some(8.0 / 16.0));

    let nak = Executable {
        subgroup: 32,
        statistics: vec![("Number of GPRs".to_owned(), 24.0), ("Max warps/SM".to_owned(), 48.0)],
        texts: vec![("NAK assembly".to_owned(), include_str!("isa/nak.txt").to_owned())],
    };
    let told = judge(&nak);
    assert_eq!((told.registers, told.spills, told.resident_subgroups), (Some(24), None, Some(48)));
    assert_eq!((told.loop_instructions, told.loop_multiply_adds), (Some(82), Some(16)));
    assert_eq!(told.workgroup_bytes_per_multiply_add, Some(8.0));

    // A compiler without a parser still tells its numbers.
    let other = Executable { texts: Vec::new(), ..aco };
    assert_eq!((judge(&other).registers, judge(&other).density), (Some(36), None));
}

fn rows(args: &[&str]) -> Vec<IsaRow> {
    let run = Command::cargo_bin("underdog").expect("built").args(args).args(["-f", "json"]).output().expect("starts");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let run: Run = serde_json::from_slice(&run.stdout).expect("a run");
    run.rows.into_iter().map(|row| serde_json::from_value(row.into()).expect("a row")).collect()
}

#[test]
fn products_compile_for_gpus_that_are_not_here_without_spills() {
    let Some(tree) = tree() else { return };
    // Everything that the tuner would try.
    let all = ["--kernel", "gemm,few-rows,gemv,decode,prefill,experts", "--dtype", "f32,f16,i8,q4"];
    let rows = rows(&[&["isa", "--gpu", "rdna4,rdna3,ada,blackwell"][..], &all].concat());
    let told: Vec<&IsaRow> = rows.iter().filter(|row| row.reason.is_none()).collect();
    assert!(told.len() > 500, "only {} of {} programs were compiled", told.len(), rows.len());
    let spilling: Vec<_> = told.iter().filter(|row| row.judgement.spills != Some(0)).collect();
    assert!(spilling.is_empty(), "{spilling:#?}");
    // Counts hold for the compilers they were read from.
    if tree.version().as_deref() != Some(KNOWN) {
        println!("counts not compared: the drivers are {:?}, those known {KNOWN}", tree.version());
        return;
    }
    let products = |gpu: &str, dtype: &str| {
        let gpu = gpu.to_owned();
        let dtype = dtype.to_owned();
        told.iter().filter(move |row| {
            row.gpu.starts_with(&gpu) && row.kernel.as_deref() == Some("gemm") && row.dtype.as_ref() == Some(&dtype)
        })
    };
    let best = |gpu: &str, dtype: &str, least: f64| {
        let density = products(gpu, dtype).filter_map(|row| row.judgement.density).fold(0.0, f64::max);
        assert!(density >= least, "{gpu}, {dtype}: {density:.3}, not {least}");
    };
    for (gpu, f32, f16, i8) in [
        ("rdna4", 0.88, 0.90, 0.879),
        ("rdna3", 0.88, 0.90, 0.88),
        ("ada", 0.933, 0.88, 0.928),
        ("blackwell", 0.923, 0.88, 0.928),
    ] {
        best(gpu, "f32", f32);
        best(gpu, "f16", f16);
        best(gpu, "i8", i8);
        // Matrix units: the pipe is the limit, both operands come whole, and enough of them fit.
        let seeds = products(gpu, "f16").filter(|row| row.judgement.loop_matrix > Some(0));
        let good = seeds.filter(|row| {
            row.ceiling.is_some_and(|share| share >= 0.95) && row.judgement.registers.is_some_and(|all| all <= 168)
        });
        assert!(good.count() >= 3, "{gpu}");
    }
    for gpu in ["rdna4", "rdna3", "ada", "blackwell"] {
        // Weights that become halves on their way to the matrix units leave those the limit.
        for dtype in ["q4", "i8"] {
            let good = products(gpu, dtype).filter(|r| r.judgement.loop_matrix > Some(0) && r.ceiling >= Some(0.95));
            assert!(good.count() >= 3, "{gpu}, {dtype}");
        }
        // Decoding attention leaves room for four subgroups and more on a scheduler; its parts fill the GPU.
        let decode = |row: &&&IsaRow| {
            row.gpu.starts_with(gpu) && row.kernel.as_deref() == Some("attention") && row.variant.contains(".mr4.")
        };
        let all: Vec<_> = told.iter().filter(decode).collect();
        assert!(
            all.len() >= 8 && all.iter().all(|r| r.judgement.registers.is_some_and(|n| n <= 128)),
            "{gpu}: {all:#?}"
        );
        assert!(all.iter().any(|r| r.variant.contains(".sp128")), "{gpu}");
    }
    // Bytes of weights a cycle and SM by the slowest pipe beside the loads themselves, whose checks NAK repeats a word.
    let weights = |dtype: &str, share: f64| {
        let units = told.iter().filter(|r| r.gpu.starts_with("ada") && r.variant.starts_with("gemv_units"));
        let one = units.filter(|r| r.dtype.as_deref() == Some(dtype) && r.variant.ends_with("l32.r8.mb1"));
        let best = one.filter_map(|r| r.ceiling).fold(0.0, f64::max);
        // 128 multiply-adds a cycle and SM, one a weight.
        128.0 * best * share
    };
    let [f16, i8] = [weights("f16", 2.0), weights("i8", 4.0)];
    assert!(f16 >= 20.0 && i8 >= 20.0, "{f16:.1} and {i8:.1} bytes a cycle");
    // Neither transpositions of fragments nor loads of single halves.
    for (gpu, variant) in [
        ("ada", "gemm_cooperative/f16/cs16.l32.bm128.bn128.bk32.sm2.sn4.pf"),
        ("rdna4", "gemm_cooperative/f16/cs16.l64.bm128.bn128.bk32.sm2.sn4.pf"),
    ] {
        let run = Command::cargo_bin("underdog")
            .expect("built")
            .args(["isa", "--gpu", gpu, "--variant", variant, "--text"])
            .output()
            .expect("starts");
        let text = String::from_utf8_lossy(&run.stdout);
        assert!(text.contains("mma"), "{text}");
        for slow in ["movm", "ds_load_u16", "ds_read_u16", "ld.shared.strong.cta.u16"] {
            assert!(!text.contains(slow), "{gpu}: {slow}");
        }
    }
}

#[test]
fn every_gpu_that_is_not_here_answers() {
    if tree().is_none() {
        return;
    }
    let ids: Vec<_> = VIRTUAL.iter().map(|gpu| gpu.id).collect();
    let rows = rows(&["isa", "--gpu", &ids.join(","), "--variant", "gemm_tiled/f32/bm64.bn64.bk16.tm4.tn4.v4.ta"]);
    assert_eq!(rows.len(), ids.len());
    for (row, id) in rows.iter().zip(ids) {
        let told = &row.judgement;
        assert!(row.gpu.starts_with(id) && row.reason.is_none(), "{row:?}");
        assert!(told.instructions.is_some_and(|all| all > 300), "{row:?}");
        // Sixteen steps of k, sixteen products each: unrolled, or a part of it.
        let products = told.loop_multiply_adds.unwrap_or(0);
        assert!(id == "m1" || (products >= 16 && products.is_power_of_two()), "{row:?}");
    }
}

#[test]
fn machine_code_is_printed_and_a_foreign_shader_is_judged() {
    if tree().is_none() {
        return;
    }
    let variant = "gemm_tiled/f32/bm16.bn16.bk16.tm1.tn1";
    let run = Command::cargo_bin("underdog")
        .expect("built")
        .args(["isa", "--gpu", "ada", "--variant", variant, "--text"])
        .output()
        .expect("starts");
    let text = String::from_utf8_lossy(&run.stdout);
    assert!(text.starts_with("; ada (RTX 4090): gemm_tiled/") && text.matches("ffma").count() >= 16, "{text}");

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("foreign.spv");
    let source = underdog::kernels::sources(&variant.parse().expect("a variant")).expect("a source").remove(0).1;
    let words = underdog::gpu::spirv::of_wgsl(&source).expect("SPIR-V");
    std::fs::write(&path, words.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<_>>()).expect("written");
    let file = path.to_str().expect("a path");
    let foreign = rows(&["isa", "--gpu", "ada", "--spirv", file]);
    let own = rows(&["isa", "--gpu", "ada", "--variant", variant]);
    assert_eq!((foreign.len(), &foreign[0].judgement), (1, &own[0].judgement));

    std::fs::write(&path, b"no shader").expect("written");
    let reason = rows(&["isa", "--gpu", "ada", "--spirv", file]).remove(0).reason;
    assert!(reason.as_deref().is_some_and(|why| why.contains("SPIR-V")), "{reason:?}");
}

/// Runs in the tree of drivers, as [`nothing_is_timed_where_nothing_runs`] starts it.
#[test]
#[ignore = "runs where a GPU that is not here is"]
fn here_nothing_runs() {
    let found = underdog::gpu::list("vulkan");
    assert_eq!(found.iter().map(|f| f.identity.kind.as_str()).collect::<Vec<_>>(), ["no-op"]);
    let error = underdog::gpu::Gpu::open("vulkan", 0).err().expect("it must not open");
    assert!(error.to_string().contains("nothing that is submitted"), "{error}");
}

#[test]
fn nothing_is_timed_where_nothing_runs() {
    let Some(tree) = tree() else { return };
    for id in ["rdna4", "ada"] {
        let gpu = VIRTUAL.iter().find(|gpu| gpu.id == id).expect("known");
        let program = std::env::current_exe().expect("this test");
        let run =
            tree.command(gpu, &program).args(["--ignored", "--exact", "here_nothing_runs"]).output().expect("starts");
        let said = String::from_utf8_lossy(&run.stdout);
        assert!(
            run.status.success() && said.contains("1 passed"),
            "{id}: {said}{}",
            String::from_utf8_lossy(&run.stderr)
        );
    }
}

/// What the tuner asks before it times: a worker judges variants on a device that it cannot open for work.
#[test]
fn a_worker_judges_candidates() {
    let Some(tree) = tree() else { return };
    let gpu = VIRTUAL.iter().find(|gpu| gpu.id == "ada").expect("known");
    let program = assert_cmd::cargo::cargo_bin("underdog");
    let mut command = tree.command(gpu, &program);
    let command = command.arg(underdog::measure::WORKER_SUBCOMMAND).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut worker = command.spawn().expect("starts");
    let variants = ["gemv_units/f16/wx32.l32.r4.mb1", "gemm_tiled/f32/bm64.bn64.bk16.tm4.tn4.v4.ta.sk4"];
    let ask = |(id, variant)| format!("{}\n", serde_json::json!([id, { "judge": [0, variant] }]));
    let requests: String = (1..).zip(variants).map(ask).collect();
    worker.stdin.take().expect("piped").write_all(requests.as_bytes()).expect("written");
    let said = worker.wait_with_output().expect("ends");
    let text = String::from_utf8_lossy(&said.stdout);
    for id in 1..=variants.len() {
        let json = text.split_once(&format!("{{\"id\":{id}")).and_then(|(_, rest)| rest.lines().next());
        let json = format!("{{\"id\":{id}{}", json.unwrap_or_else(|| panic!("no answer: {text}")));
        let answer: serde_json::Value = serde_json::from_str(json.trim()).expect("JSON");
        let told = &answer["reply"]["judged"];
        assert!(told["registers"].as_u64().is_some_and(|r| r > 0) && told["spills"] == 0, "{answer}");
        assert!(told["density"].as_f64().is_some_and(|d| d > 0.0), "{answer}");
    }
}

#[test]
fn an_unknown_gpu_or_kernel_is_an_error_that_names_the_known_ones() {
    for (args, names) in
        [(["isa", "--gpu", "voodoo"], "rdna4 (RX 9070 XT)"), (["isa", "--kernel", "fft"], "gemm, few-rows, gemv")]
    {
        let run = Command::cargo_bin("underdog").expect("built").args(args).output().expect("starts");
        let error = String::from_utf8_lossy(&run.stderr);
        assert!(run.status.code() == Some(2) && error.contains(names), "{error}");
    }
}
