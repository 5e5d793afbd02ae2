//! A saved profile is read wholly or refused with the name of its field, and whatever is read can be estimated.

use assert_cmd::Command;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use underdog::catalog::Catalog;
use underdog::device::Profile;
use underdog::device::operand::Operand;
use underdog::estimate::{Calibration, Compiled};
use underdog::kernels::Dtype;
use underdog::model::{ModelSpec, Weights};
use underdog::precision::Precision;
use underdog::provenance::Provenance;
use underdog::setup::{Engine, Formats, Hardware, Layout, Limits, Load, Setup, Speed};

/// A made-up adapter with every number format: 20, 120, 80 and 18 TFLOP/s in f32, f16, i8 and q4, 700 GB/s.
const PROFILE: &str = include_str!("cases/profile.json");

fn value() -> Value {
    serde_json::from_str(PROFILE).expect("JSON")
}

/// What reading a file with this text gives.
fn load(text: &str) -> Result<Profile, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("profile.json");
    std::fs::write(&path, text).expect("written");
    Profile::load(&path).map_err(|why| why.to_string())
}

fn edited(path: &str, new: Value) -> String {
    let mut all = value();
    *all.pointer_mut(path).unwrap_or_else(|| panic!("{path} is in the profile")) = new;
    all.to_string()
}

#[test]
fn a_good_profile_is_read() {
    load(PROFILE).expect("a profile");
}

#[test]
fn every_malformed_profile_is_refused_by_the_name_of_its_field() {
    let cases: &[(&str, Value, &str)] = &[
        ("/adapter/name", json!(" "), "adapter.name is empty"),
        ("/adapter/subgroup", json!([64, 32]), "adapter.subgroup"),
        ("/roofs/gemm_f32_flop_s", json!(-1.0), "roofs.gemm_f32_flop_s"),
        ("/roofs/gemm_f32_flop_s", json!(0.0), "roofs.gemm_f32_flop_s"),
        ("/roofs/gemm_f32_flop_s", json!(1e25), "roofs.gemm_f32_flop_s"),
        ("/roofs/gemm_f32_flop_s", json!(9e13), "no case reaches"),
        ("/roofs/gemv_f32_byte_s", json!(9e12), "no case reaches"),
        ("/roofs/read_byte_s", json!(1.0), "roofs.read_byte_s"),
        ("/roofs/launch_s", json!(-1e-6), "roofs.launch_s"),
        ("/roofs/submit_s", json!(1e9), "roofs.submit_s"),
        ("/cases/3/kernel", json!(""), "cases[3].kernel"),
        ("/cases/3/m", json!(0), "cases[3].m"),
        ("/cases/3/n", json!(u64::MAX), "cases[3].n"),
        ("/cases/3/flop", json!(-1.0), "cases[3].flop"),
        ("/cases/3/bytes", json!(1e30), "cases[3].bytes"),
        ("/cases/3/time_s_median", json!(0.0), "cases[3].time_s_median"),
        ("/cases/3/time_s_median", json!(1.0), "samples_s lie"),
        ("/cases/3/samples_s", json!([]), "cases[3].samples_s is empty"),
        ("/cases/3/samples_s/0", json!(-1.0), "cases[3].samples_s[0]"),
        ("/cases/3/spread", json!(-0.1), "cases[3].spread"),
        ("/cases/3/clock", json!("sundial"), "cases[3].clock"),
        ("/cases/3/first_s", json!(-1.0), "cases[3].first_s"),
        ("/cases/7/flop", json!(1.0), "2 m n k"),
        ("/cases/7/bytes", json!(1.0), "cases[7].bytes"),
        ("/cases/9/m", json!(2), "cases[9].m is 2"),
        ("/curves/0/at", json!([]), "curves[0].at is empty"),
        ("/curves/0/at", json!([8.0, 64.0]), "time_s has 4 values for the 2"),
        ("/curves/0/time_s", json!([0.001]), "time_s has 1 values for the 4"),
        ("/curves/0/at", json!([8.0, 64.0, 64.0, 4096.0]), "curves[0].at[2]"),
        ("/curves/0/at", json!([64.0, 8.0, 1024.0, 4096.0]), "curves[0].at[1]"),
        ("/curves/0/at/0", json!(-8.0), "curves[0].at[0]"),
        ("/curves/0/time_s/1", json!(-1.0), "curves[0].time_s[1]"),
        ("/curves/0/time_s/1", json!(0.0), "curves[0].time_s[1]"),
        ("/curves/0/axis", json!("x"), "curves[0].axis"),
        ("/curves/0/m", json!(5), "curves[0].m is 5"),
        ("/curves/0/n", json!(0), "curves[0].n is 0"),
        ("/curves/0/n", json!(u64::MAX), "curves[0].n"),
        ("/curves/0/dtype", json!(""), "curves[0].dtype"),
        ("/ladder/1/time_s", json!(0.0), "ladder[1].time_s"),
        ("/ladder/1/rung", json!(""), "ladder[1].rung"),
        ("/ladder/1/shapes", json!(0), "ladder[1].shapes"),
        ("/ladder/1/flop_s", json!(-1.0), "ladder[1].flop_s"),
        ("/ladder/1/share_of_roof", json!(-1.0), "ladder[1].share_of_roof"),
        ("/ladder/1/gain_over_below", json!(0.0), "ladder[1].gain_over_below"),
        ("/anchor/0/time_s", json!(0.0), "anchor[0].time_s"),
        ("/anchor/1/at_s", json!(0.0), "anchor[1].at_s"),
        ("/record/duration_s", json!(-1.0), "record.duration_s"),
        ("/record/started", json!("yesterday"), "record.started"),
        ("/record/host_memory_bytes", json!(0), "record.host_memory_bytes"),
    ];
    for (path, new, expected) in cases {
        let why = load(&edited(path, new.clone())).expect_err(&format!("{path} = {new} is refused"));
        assert!(why.contains(expected) && why.contains("underdog bench"), "{path} = {new}: {why}");
    }
    // A number that JSON cannot hold is an error of the text.
    for text in
        [edited("/roofs/launch_s", json!(null)), PROFILE.replace("5e-05", "1e999"), PROFILE.replace("5e-05", "NaN")]
    {
        if text != PROFILE {
            let read = load(&text);
            assert!(read.is_err() || read.is_ok_and(|p| p.roofs.launch_s.is_none()), "{}", &text[..80]);
        }
    }
}

#[test]
fn the_program_says_so_with_the_code_of_a_wrong_input() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("profile.json"), edited("/curves/0/time_s", json!([0.001]))).expect("written");
    let scenario = folder.path().join("profile.toml");
    std::fs::copy("tests/cases/profile.toml", &scenario).expect("copied");
    let run = Command::cargo_bin("underdog").expect("built").arg("compare").arg(&scenario).output().expect("it starts");
    assert_eq!(run.status.code(), Some(2));
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.stdout.is_empty() && said.contains("curves[0].time_s has 1 values"), "{said}");
}

fn model() -> &'static Arc<ModelSpec> {
    static MODEL: OnceLock<Arc<ModelSpec>> = OnceLock::new();
    MODEL.get_or_init(|| {
        Arc::new(ModelSpec::load(&Catalog::embedded(), "llama-3.1-8b", Path::new("")).expect("a model"))
    })
}

fn calibration() -> &'static Calibration {
    static CALIBRATION: OnceLock<Calibration> = OnceLock::new();
    CALIBRATION.get_or_init(|| Calibration::load(&Catalog::embedded()).expect("constants"))
}

fn compiled(hardware: &Hardware, stored: Precision) -> Compiled {
    let setup = Setup {
        model: Arc::clone(model()),
        formats: Formats { weights: Weights::Uniform(stored), activations: None, kv_cache: Precision::Bf16 },
        hardware: hardware.clone(),
        layout: Layout::SINGLE,
        engine: Engine::Wgpu,
        limits: Limits::default(),
        speculation: None,
        speed: Speed::ONE,
    };
    Compiled::new(setup, calibration()).expect("an estimate")
}

/// Seconds of a prompt of 4096 tokens, and of a token of an answer.
fn times(profile: &Profile, stored: Precision) -> (f64, f64) {
    let hardware = Hardware::from_profile(profile).expect("a device");
    let compiled = compiled(&hardware, stored);
    (compiled.prompt_step(4096.0, 1.0).get(), compiled.decode_step(1.0, 500.0).get())
}

#[test]
fn a_curve_of_one_point_is_no_batch_curve_and_the_row_says_measured() {
    let mut all = value();
    for dtype in [0, 1] {
        all["curves"][dtype]["at"] = json!([1.0]);
        all["curves"][dtype]["time_s"] = json!([0.001]);
    }
    let single = load(&all.to_string()).expect("a profile");
    let hardware = Hardware::from_profile(&single).expect("a device");
    assert_eq!(hardware.provenance, Provenance::Measured);
    assert!(times(&single, Precision::Bf16).1 > 0.0);
    assert_eq!(
        Hardware::from_profile(&load(PROFILE).expect("a profile")).expect("a device").provenance,
        Provenance::Interpolated
    );
}

#[test]
fn operands_are_what_the_kernels_read() {
    for operand in Operand::ALL {
        let dtype = Dtype::ALL.into_iter().find(|d| d.name() == operand.name()).expect("a type of the kernels");
        assert_eq!(operand.weight_bytes(), dtype.weight_bytes(), "{dtype}");
        assert_eq!(operand.activation_bytes(), dtype.input_bytes(), "{dtype}");
    }
}

/// The weights of the model that a decode step streams and a prompt multiplies by, head apart.
#[test]
fn every_precision_is_priced_at_its_own_measured_kernels() {
    let profile = load(PROFILE).expect("a profile");
    let weights = 7.5e9;
    for (stored, flop_s, bytes) in [
        (Precision::F32, 2e13, 4.0),
        (Precision::Bf16, 1.2e14, 2.0),
        (Precision::F16, 1.2e14, 2.0),
        (Precision::Int8, 8e13, 1.0),
        (Precision::Fp8, 8e13, 1.0),
        (Precision::Q8_0, 8e13, 1.0),
        (Precision::Int4, 1.8e13, 0.625),
        (Precision::Q4_0, 1.8e13, 0.625),
        (Precision::Mxfp4, 1.8e13, 0.625),
    ] {
        let (prompt, token) = times(&profile, stored);
        let (compute, stream) = (2.0 * weights * 4096.0 / flop_s, weights * bytes / 7e11);
        // Attention, norms and the streaming of a prompt's weights are on top.
        assert!(prompt > 0.9 * compute && prompt < 1.2 * compute + 0.9, "{stored}: {prompt} s, {compute} of products");
        assert!(token > 0.95 * stream && token < 1.1 * stream + 0.012, "{stored}: {token} s, {stream} of weights");
    }
    let rates: Vec<f64> =
        [Precision::F32, Precision::Bf16, Precision::Int8, Precision::Int4].map(|p| times(&profile, p).1).into();
    assert!(rates.windows(2).all(|w| w[1] < w[0]), "fewer bytes are faster: {rates:?}");
}

#[test]
fn without_narrow_kernels_weights_stream_the_four_bytes_of_f32() {
    let mut profile = load(PROFILE).expect("a profile");
    profile.cases.retain(|c| !matches!(&*c.dtype, "f16" | "i8" | "q4"));
    let (single, half) = (times(&profile, Precision::F32), times(&profile, Precision::Bf16));
    assert!((single.1 / half.1 - 1.0).abs() < 0.01, "{single:?} and {half:?}");
    assert!((single.0 / half.0 - 1.0).abs() < 0.01, "{single:?} and {half:?}");
}

#[test]
fn rows_name_the_kernels_they_rest_on() {
    for (precision, gemm, gemv) in [
        ("f32", "gemm_registers/f32/x", "gemv_lanes/f32/x"),
        ("bf16", "gemm_matrix/f16/x", "gemv_lanes/f16/x"),
        ("int8", "gemm_dot/i8/x", "gemv_lanes/i8/x"),
        ("int4", "gemm_registers/q4/x", "gemv_lanes/q4/x"),
    ] {
        let edit = format!("model.precision={precision}");
        let run = Command::cargo_bin("underdog")
            .expect("built")
            .args(["compare", "tests/cases/profile.toml", "-f", "json", "--set", &edit])
            .output()
            .expect("it starts");
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        let run: Value = serde_json::from_slice(&run.stdout).expect("JSON");
        for row in run["rows"].as_array().expect("rows") {
            assert_eq!((&row["kernel"], &row["kernel_one_row"]), (&json!(gemm), &json!(gemv)), "{precision}");
        }
    }
    let table = Command::cargo_bin("underdog")
        .expect("built")
        .args(["compare", "tests/cases/profile.toml", "-v"])
        .output()
        .expect("it starts");
    assert!(String::from_utf8_lossy(&table.stdout).contains("gemm_matrix/f16/x"));
}

/// Every number, text and list of a value, by pointer.
fn places(at: &str, value: &Value, all: &mut Vec<String>) {
    match value {
        Value::Array(list) => {
            all.push(at.to_owned());
            list.iter().enumerate().for_each(|(i, v)| places(&format!("{at}/{i}"), v, all));
        }
        Value::Object(map) => map.iter().for_each(|(key, v)| places(&format!("{at}/{key}"), v, all)),
        _ => all.push(at.to_owned()),
    }
}

fn mutated(value: &mut Value, how: u8) {
    const NUMBERS: [f64; 12] = [0.0, -1.0, 1.0, 1e-300, 1e300, 1e-12, 1e5, 1e12, 0.5, 2.0, 1e19, 9.007e15];
    let number = NUMBERS[usize::from(how) % NUMBERS.len()];
    match value {
        Value::Array(list) => match how % 5 {
            0 => list.clear(),
            1 => list.truncate(1),
            2 => list.reverse(),
            3 => list.extend(list.first().cloned()),
            _ => drop(list.pop()),
        },
        Value::Number(n) if n.is_u64() => *value = json!(number.abs() as u64),
        Value::Number(n) => {
            let old = n.as_f64().unwrap_or(1.0);
            *value = json!(if how.is_multiple_of(2) { old * number } else { number });
        }
        Value::String(text) => {
            *text = ["", "f16", "f32", "gemm", "gemv", "attention", "m", "q4"][usize::from(how) % 8].to_owned();
        }
        Value::Bool(flag) => *flag = !*flag,
        Value::Null | Value::Object(_) => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Whatever a file holds, it is refused in words or gives times that are finite and above zero.
    #[test]
    fn no_profile_panics(edits in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..5)) {
        let mut all = value();
        for (at, how) in edits {
            let mut paths = Vec::new();
            places("", &all, &mut paths);
            let path = at.get(&paths).clone();
            if let Some(place) = all.pointer_mut(&path) {
                mutated(place, how);
            }
        }
        let Ok(profile) = load(&all.to_string()) else { return Ok(()) };
        let Ok(hardware) = Hardware::from_profile(&profile) else { return Ok(()) };
        for stored in [Precision::F32, Precision::Bf16, Precision::Int8, Precision::Int4] {
            let compiled = compiled(&hardware, stored);
            for concurrency in [1, 7, 300] {
                let load = Load { input_tokens: 1000.0, output_tokens: 100.0, concurrency, prefix_hit: 0.0 };
                let state = compiled.closed_loop(&load);
                let tpot = state.tpot.get();
                prop_assert!(tpot.is_finite() && tpot > 0.0, "{tpot}");
            }
        }
    }
}

/// What `bench --adapter cpu --budget 10` wrote on a host with two cores (of each case four samples are kept): f32 only,
/// so that every weight streams four bytes.
#[test]
fn a_profile_of_the_cpu_executor_prices_every_precision_in_f32() {
    let profile = load(include_str!("cases/profile-cpu.json")).expect("a profile");
    let hardware = Hardware::from_profile(&profile).expect("a device");
    assert_eq!((hardware.provenance, hardware.software), (Provenance::Interpolated, true));
    let single = times(&profile, Precision::F32);
    for stored in Precision::ALL {
        let compiled = compiled(&hardware, stored);
        let path = compiled.setup.measured_path().expect("kernels of its own");
        assert_eq!((path.operand, path.gemm.as_deref()), (Operand::F32, Some("cpu_gemm/f32")), "{stored}");
        let (prompt, token) = times(&profile, stored);
        assert!((prompt / single.0 - 1.0).abs() < 0.01 && (token / single.1 - 1.0).abs() < 0.01, "{stored}");
        // 7.5e9 weights of four bytes at what its GEMVs reach, 13.5 to 41.5 GB/s.
        assert!(token > 30e9 / 41.5e9 && token < 33e9 / 13.5e9, "{stored}: {token} s");
    }
}
