//! The kernels on the software adapters of this host, verified through the worker.
//!
//! `UNDERDOG_REQUIRE_ADAPTERS=lavapipe,swiftshader,gl` makes a missing adapter a failure. Without it the adapters that
//! exist are used, and the CPU executor where there is none.

#![allow(clippy::print_stderr)] // what is not tested here is said, not skipped in silence

use std::path::PathBuf;
use std::sync::OnceLock;
use underdog::measure::{AdapterRow, BenchOptions, Selector, VerifyOptions, adapters, bench, verify};
use underdog::units::Seconds;

fn exe() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_underdog"))
}

/// Where browsers put SwiftShader; it is in no folder that the Vulkan loader reads.
const SWIFTSHADER: [&str; 3] = [
    "/usr/lib/chromium/vk_swiftshader_icd.json",
    "/usr/lib/chromium-browser/vk_swiftshader_icd.json",
    "/opt/google/chrome/vk_swiftshader_icd.json",
];

/// The adapters of this host, SwiftShader included, once for all tests of this binary.
fn rows() -> &'static [AdapterRow] {
    static ROWS: OnceLock<Vec<AdapterRow>> = OnceLock::new();
    ROWS.get_or_init(|| {
        let found = SWIFTSHADER.into_iter().find(|p| std::path::Path::new(p).exists());
        let lavapipe = "/usr/share/vulkan/icd.d/lvp_icd.x86_64.json";
        if let Some(swiftshader) = found.filter(|_| std::env::var_os("VK_DRIVER_FILES").is_none()) {
            // SAFETY: nothing has read the environment yet: every test of this binary comes through here first.
            #[allow(unsafe_code)]
            unsafe {
                std::env::set_var("VK_DRIVER_FILES", format!("{lavapipe}:{swiftshader}"));
            }
        }
        adapters(&exe())
    })
}

/// The selectors of the adapters under test; panics when a required one is missing.
fn under_test() -> Vec<(&'static str, Selector)> {
    let required = std::env::var("UNDERDOG_REQUIRE_ADAPTERS").unwrap_or_default();
    let mut found = Vec::new();
    for name in ["lavapipe", "swiftshader", "gl"] {
        let row = rows().iter().find(|r| match name {
            "gl" => r.backend == "gl",
            "lavapipe" => r.backend == "vulkan" && r.name.contains("llvmpipe"),
            _ => r.name.to_lowercase().contains(name),
        });
        match row.and_then(|r| r.index) {
            Some(index) => found.push((name, Selector::Index(index))),
            None => {
                assert!(!required.split(',').any(|r| r.trim() == name), "{name} is required and not here: {:?}", rows())
            }
        }
    }
    if found.is_empty() {
        eprintln!("no software adapter here: testing the CPU executor");
        found.push(("cpu", Selector::Cpu));
    }
    found
}

#[test]
fn every_variant_of_the_ladders_agrees_with_its_twin() {
    // Each in a process of its own, at the same time: a driver compiles on one core. With runtime checks the same sources
    // compile to other code, which `gpu_covering` runs on all of their shapes.
    std::thread::scope(|scope| {
        for (name, adapter) in under_test() {
            scope.spawn(move || {
                let budget = Seconds::new(3600.0);
                let options =
                    VerifyOptions { adapter, budget, seed: 11, runtime_checks: false, stop: Default::default() };
                let rows = verify(&exe(), &options, &()).expect("verifies").results;
                for row in &rows {
                    assert!(matches!(row.result.as_str(), "verified" | "unavailable"), "{name}: {row:?}");
                }
                let verified = rows.iter().filter(|r| r.result == "verified").count();
                assert!(verified >= if name == "cpu" { 6 } else { 20 }, "{name}: only {verified} verified");
            });
        }
    });
}

#[test]
fn a_short_bench_gives_verified_rows_and_roofs() {
    let store = tempfile::tempdir().expect("a folder");
    rows();
    // SAFETY: the other test of this binary never reads this variable.
    #[allow(unsafe_code)]
    unsafe {
        std::env::set_var("UNDERDOG_STORE", store.path());
    }
    for (name, adapter) in under_test() {
        let options = BenchOptions { adapter, budget: Seconds::new(1.0), ..BenchOptions::default() };
        let profiles = bench(&exe(), &options, &()).expect("measures");
        let profile = &profiles.results[0];
        assert!(profile.cases.iter().all(|c| c.verified && c.time_s_median > 0.0), "{name}");
        assert!(profile.roofs.gemm_f32_flop_s.is_some_and(|r| r > 0.0), "{name}: {:?}", profile.anomalies);
        assert!(profile.roofs.gemv_f32_byte_s.is_some_and(|r| r > 0.0), "{name}: {:?}", profile.anomalies);
    }
}
