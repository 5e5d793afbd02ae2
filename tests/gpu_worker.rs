//! The worker, its death, its noise, and devices that lie; on the CPU executor, so that it runs everywhere.

#![allow(clippy::print_stderr)] // what is not tested here is said, not skipped in silence

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock};
use underdog::device::Profile;
use underdog::measure::{BenchOptions, FAULT_VARIABLE, MeasureError, Selector, Several, Store, adapters, bench, local};
use underdog::units::Seconds;

/// Environment variables belong to the whole process: tests that set them take turns.
static ENVIRONMENT: Mutex<()> = Mutex::new(());

fn exe() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_underdog"))
}

/// Only while [`ENVIRONMENT`] is held.
fn set(name: &str, value: &str) {
    // SAFETY: every test of this binary that reads or writes the environment holds the lock.
    #[allow(unsafe_code)]
    unsafe {
        std::env::set_var(name, value)
    }
}

fn with_environment<T>(variables: &[(&str, &str)], work: impl FnOnce() -> T) -> T {
    let _turn = ENVIRONMENT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let folder = tempfile::tempdir().expect("a folder");
    set("UNDERDOG_STORE", folder.path().to_str().expect("a path"));
    for (name, value) in variables {
        set(name, value);
    }
    let result = work();
    for (name, _) in variables {
        set(name, "");
    }
    result
}

fn options() -> BenchOptions {
    BenchOptions { adapter: Selector::Cpu, budget: Seconds::new(3.0), ..BenchOptions::default() }
}

fn one(profiles: Result<Several<Profile>, MeasureError>) -> Profile {
    profiles.expect("measures").results.pop().expect("one profile")
}

/// A whole profile of the CPU executor, measured once for all tests.
fn whole() -> &'static Profile {
    static WHOLE: OnceLock<Profile> = OnceLock::new();
    WHOLE.get_or_init(|| {
        // Enough for the points of the curves on a slow machine.
        let options = BenchOptions { budget: Seconds::new(20.0), ..options() };
        with_environment(&[], || one(bench(&exe(), &options, &())))
    })
}

#[test]
fn the_cpu_executor_yields_a_verified_profile() {
    let profile = whole();
    assert_eq!(profile.adapter.backend, "cpu");
    assert!(profile.adapter.software);
    for kernel in ["launch", "submit", "read", "gemv", "gemm"] {
        assert!(profile.cases.iter().any(|c| c.kernel == kernel), "{kernel} is missing");
    }
    assert!(profile.cases.iter().all(|c| c.verified && c.samples_s.len() >= 3 && c.time_s_median > 0.0));
    assert!(profile.curves.iter().any(|c| (c.kernel.as_str(), c.axis.as_str()) == ("gemm", "m") && c.at.len() >= 3));
    assert!(profile.verification.passed >= profile.cases.len() as u64 && profile.verification.wrong.is_empty());
    assert!(profile.anchor.len() >= 2 && profile.record.started < profile.record.ended);
    let roofs = [profile.roofs.gemm_f32_flop_s, profile.roofs.read_byte_s, profile.roofs.gemv_f32_byte_s];
    assert!(roofs.iter().all(|r| r.is_some_and(|r| r > 0.0)) && profile.roofs.launch_s.is_some());
}

#[test]
fn a_kernel_that_kills_its_worker_costs_one_result() {
    let profile = with_environment(&[(FAULT_VARIABLE, "abort:cpu_gemv/")], || one(bench(&exe(), &options(), &())));
    assert!(!profile.cases.iter().any(|c| c.kernel == "gemv"), "a number came out of a dead worker");
    assert!(profile.cases.iter().any(|c| c.kernel == "gemm"), "the death of one kernel took another with it");
    assert!(profile.verification.quarantined.iter().any(|q| q.starts_with("cpu_gemv/f32")));
    assert_eq!(
        profile.anomalies.iter().filter(|a| a.starts_with("cpu_gemv/f32: the driver's process ended")).count(),
        2
    );
}

#[test]
fn a_kernel_that_hangs_is_killed_and_named() {
    let options = BenchOptions { silence: Seconds::new(1.0), ..options() };
    let profile = with_environment(&[(FAULT_VARIABLE, "hang:cpu_read/")], || one(bench(&exe(), &options, &())));
    assert!(!profile.cases.iter().any(|c| c.kernel == "read") && profile.cases.iter().any(|c| c.kernel == "gemm"));
    assert!(
        profile.anomalies.iter().any(|a| a.starts_with("cpu_read/u32: no sign of life")),
        "{:?}",
        profile.anomalies
    );
}

#[test]
fn an_adapter_that_kills_every_worker_is_given_up() {
    let result = with_environment(&[(FAULT_VARIABLE, "abort:")], || bench(&exe(), &options(), &()));
    assert!(matches!(result, Err(MeasureError::GaveUp { .. })), "{result:?}");
}

#[test]
fn a_profile_that_was_cut_short_does_not_replace_a_whole_one() {
    with_environment(&[], || {
        let whole = one(bench(&exe(), &options(), &()));
        assert!(whole.roofs.complete(), "{:?}", whole.anomalies);
        let stopped = BenchOptions { stop: Arc::new(AtomicBool::new(true)), ..options() };
        assert!(matches!(bench(&exe(), &stopped, &()), Err(MeasureError::Interrupted)));
        let kept = Store::open().load(&whole.adapter).expect("is stored");
        assert_eq!(kept.record.started, whole.record.started);
        // Without its GEMM a profile serves no estimate.
        set(FAULT_VARIABLE, "abort:cpu_gemm/");
        let partial = one(bench(&exe(), &options(), &()));
        set(FAULT_VARIABLE, "");
        assert!(!partial.roofs.complete() && partial.anomalies.iter().any(|a| a.starts_with("Cut short")));
        assert_eq!(Store::open().load(&whole.adapter).expect("is stored").record.started, whole.record.started);
    });
}

#[test]
fn one_adapter_at_a_time_where_a_step_or_a_shape_is_asked_for() {
    let refused = output(&["bench", "--step", "qwen3-0.6b", "--adapter", "all", "-q"]);
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("one adapter"));
}

#[test]
fn a_driver_that_writes_to_the_pipes_disturbs_nothing() {
    let profile = with_environment(&[(FAULT_VARIABLE, "noise:")], || one(bench(&exe(), &options(), &())));
    assert!(
        profile.cases.len() >= 5
            && profile.verification.wrong.is_empty()
            && profile.verification.quarantined.is_empty(),
        "{:?}",
        profile.anomalies
    );
}

#[test]
fn the_second_call_of_local_measures_nothing() {
    with_environment(&[], || {
        let first = local(&exe(), &Selector::Cpu, Seconds::new(2.0), &()).expect("measures");
        let second = local(&exe(), &Selector::Cpu, Seconds::new(2.0), &()).expect("loads");
        assert_eq!((&first.record.started, first.cases.len()), (&second.record.started, second.cases.len()));
        let path = Store::open().path(&first.adapter);
        std::fs::write(&path, "{\"schema\": \"underdog.profile/2\", \"adap").expect("writes");
        assert!(Store::open().load(&first.adapter).is_none());
        assert!(path.with_extension("damaged").exists(), "a damaged file was not set aside");
    });
}

#[test]
fn a_driver_that_cannot_be_loaded_is_a_row_or_nothing_never_a_crash() {
    let rows = with_environment(&[("VK_DRIVER_FILES", "/nonexistent/icd.json")], || adapters(&exe()));
    assert!(rows.iter().all(|r| r.backend != "vulkan" || r.problem.is_some()));
    assert_eq!(rows.iter().filter(|r| r.backend == "cpu" && r.target.is_some()).count(), 1);
}

#[test]
fn an_unknown_adapter_is_an_error_that_names_the_known_ones() {
    let options = BenchOptions { adapter: Selector::Name("voodoo".into()), ..options() };
    let error = with_environment(&[], || bench(&exe(), &options, &())).expect_err("no such adapter");
    assert!(error.to_string().contains("\"voodoo\"") && error.to_string().contains("(cpu)"), "{error}");
}

#[test]
fn a_worker_without_a_parent_ends() {
    let child = Command::new(exe())
        .arg(underdog::measure::WORKER_SUBCOMMAND)
        .stdin(std::process::Stdio::null())
        .output()
        .expect("starts");
    assert!(child.status.success());
}

/// Runs the program. Its turn keeps the faults of other tests out of its environment.
fn output(args: &[&str]) -> std::process::Output {
    with_environment(&[], || Command::new(exe()).args(args).output().expect("starts"))
}

fn json(args: &[&str]) -> serde_json::Value {
    let run = output(args);
    assert!(run.status.success(), "{args:?}: {}", String::from_utf8_lossy(&run.stderr));
    serde_json::from_slice(&run.stdout).expect("one JSON object")
}

#[test]
fn saved_profiles_are_compared_shape_by_shape() {
    let profile = whole();
    let folder = tempfile::tempdir().expect("a folder");
    let save = |name: &str, profile: &Profile| {
        let path = folder.path().join(name);
        std::fs::write(&path, serde_json::to_string(profile).expect("writes")).expect("writes");
        path.to_str().expect("a path").to_owned()
    };
    let mut slower = profile.clone();
    slower.adapter.name = "a twentieth as fast".into();
    for case in &mut slower.cases {
        case.samples_s.iter_mut().for_each(|s| *s *= 20.0);
        case.time_s_median *= 20.0;
    }
    // A profile whose cases do not reach its roofs is refused.
    let roofs = &mut slower.roofs;
    let rates =
        [&mut roofs.gemm_f32_flop_s, &mut roofs.fma_f32_flop_s, &mut roofs.read_byte_s, &mut roofs.gemv_f32_byte_s];
    rates.into_iter().flatten().for_each(|rate| *rate /= 20.0);
    let [a, b] = [save("a.json", profile), save("b.json", &slower)];
    let run = json(&["compare-adapters", &a, &b, "-f", "json"]);
    let rows = run["rows"].as_array().expect("rows");
    let of_gemm: Vec<_> = rows.iter().filter(|r| r["kernel"] == "gemm").map(|r| r["verdict"].as_str()).collect();
    assert!(of_gemm.len() >= 4 && of_gemm.chunks(2).all(|v| v == [Some("reference"), Some("slower")]), "{of_gemm:?}");
    let same = json(&["compare-adapters", &a, &a, "-f", "json"]);
    let verdicts = same["rows"].as_array().expect("rows").iter().filter(|r| r["verdict"] == "cannot tell").count();
    assert_eq!(2 * verdicts, same["rows"].as_array().expect("rows").len());
}

#[test]
fn the_matrices_of_a_model_are_timed_by_name() {
    let args =
        ["bench", "--shapes", "qwen3-0.6b", "--adapter", "cpu", "--batch", "1,4", "--dtype", "f32,q4", "--budget"];
    let run = json(&[&args[..], &["20", "-f", "json"]].concat());
    let rows = run["rows"].as_array().expect("rows");
    let timed = |batch: u64| -> Vec<&str> {
        let own = rows.iter().filter(|r| r["batch"] == batch && r["dtype"] == "f32" && r["time_s"].is_f64());
        own.filter_map(|r| r["op"].as_str()).collect()
    };
    assert_eq!(timed(1), ["qkv", "o", "gate_up", "down", "lm_head"]);
    assert_eq!(timed(4), timed(1));
    let refused = rows.iter().filter(|r| r["dtype"] == "q4");
    assert!(refused.clone().count() == 10 && refused.clone().all(|r| r["reason"].is_string() && r["time_s"].is_null()));
}

/// The stream's variant that a profile chose; the kernel has several and every profile times it.
fn stream(profile: &Profile) -> String {
    let case = profile.cases.iter().find(|c| c.kernel == "read").expect("a stream");
    case.variant.clone()
}

#[test]
fn a_second_start_takes_choices_from_the_store_and_replaces_one_that_fails() {
    let options = BenchOptions { adapter: Selector::Default, budget: Seconds::new(1.0), ..options() };
    with_environment(&[], || {
        let first = one(bench(&exe(), &options, &()));
        if first.adapter.backend == "cpu" {
            eprintln!("no adapter: the CPU executor has nothing to choose, its store is not tested");
            return;
        }
        assert!(first.record.choices_searched > 0 && first.record.choices_stored == 0);
        let second = one(bench(&exe(), &options, &()));
        assert!(second.record.choices_stored > 0);
        assert_eq!(stream(&second), stream(&first));
        set(FAULT_VARIABLE, &format!("abort:{}", stream(&first)));
        let third = one(bench(&exe(), &options, &()));
        set(FAULT_VARIABLE, "");
        assert_ne!(stream(&third), stream(&first));
        assert!(third.verification.quarantined.iter().any(|q| q.starts_with(&stream(&first))));
        let fourth = one(bench(&exe(), &options, &()));
        assert_eq!(stream(&fourth), stream(&third));
    });
}

#[test]
fn a_step_of_a_real_model_runs_op_by_op_and_as_a_whole() {
    let step = ["bench", "--step", "qwen3-0.6b", "--layers", "1", "--budget", "5", "-f", "json"];
    let run = |adapter: &[&str]| output(&[&step, adapter].concat());
    let refused = run(&["--adapter", "cpu"]);
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("CPU executor"));
    let profile =
        with_environment(&[], || local(&exe(), &Selector::Default, Seconds::new(1.0), &()).expect("measures"));
    if profile.adapter.backend == "cpu" {
        eprintln!("no adapter: a step is not executed here");
        return;
    }
    let output = run(&[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let run: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    let rows = run["rows"].as_array().expect("rows");
    for phase in ["decode", "prefill"] {
        let of = |class: &str| rows.iter().find(|r| r["phase"] == phase && r["class"] == class).expect("a row");
        // qkv, o, gate_up and down; the head may be cut to the size of a binding.
        assert_eq!((of("projections")["ops"].as_u64(), of("attention")["ops"].as_u64()), (Some(4), Some(1)));
        for class in ["projections", "attention", "elementwise", "head", "total"] {
            let value = |field: &str| of(class)[field].as_f64().expect("a number");
            assert!(
                value("estimate_s") > 0.0 && value("measured_s") > 0.0 && value("alone_s") > 0.0,
                "{phase} {class}"
            );
            assert!((value("ratio") * value("measured_s") / value("estimate_s") - 1.0).abs() < 1e-9, "{phase} {class}");
        }
        let estimate = |class: &str| of(class)["estimate_s"].as_f64().expect("a number");
        assert!(estimate("total") > estimate("projections") + estimate("head"), "{phase}");
    }
}
