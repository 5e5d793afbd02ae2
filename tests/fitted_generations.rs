//! A generation counts as fitted exactly where kernels of its own devices are among the measured ones.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use underdog::catalog::Catalog;
use underdog::device::Device;
use underdog::estimate::Calibration;
use underdog::estimate::constants::Kind;
use underdog::estimate::path::Family;
use underdog::precision::Precision;
use underdog::validate::{Described, Describer, read, read_kernels};

/// The matrix units of an H20 have a quarter of an H100's rate beside its other units, so its kernels reach more of their
/// peak; a device like the measured one keeps its share, and so does one whose generation has an assumed one.
#[test]
fn slower_matrix_units_are_reached_better() {
    let catalog = Catalog::embedded();
    let calibration = Calibration::load(&catalog).expect("constants");
    let share = |device: &str| {
        let sheet = Device::load(&catalog, device, Path::new("")).expect("a data sheet");
        let (kernel, _) = calibration.kernel(Kind::Gemm, &sheet.architecture, Family::Bf16, Precision::Bf16);
        (kernel.compute, calibration.on(kernel, &sheet).compute)
    };
    let (measured, h100) = share("h100-sxm-80gb");
    let (same, h20) = share("h20-96g");
    assert!((measured - same).abs() < 1e-12 && (measured / h100 - 1.0).abs() < 1e-3, "{measured} and {h100}");
    // 148 over 44 TFLOP/s beside 989 over 66.9.
    let slower = (148.0 / 44.0) / (989.0 / 66.9);
    assert!((1.0 / h20 - 1.0 - (1.0 / measured - 1.0) * slower).abs() < 1e-3, "{h20}");
    let (assumed, mi300x) = share("mi300x");
    assert!((assumed - mi300x).abs() < 1e-12);
    // Of two GeForce cards of one generation neither gains on the other.
    let ((_, small), (_, large)) = (share("rtx-4080"), share("rtx-4090"));
    assert!((small / large - 1.0).abs() < 0.01, "{small} and {large}");
}

#[test]
fn the_table_of_generations_agrees_with_the_measured_kernels() {
    let catalog = Catalog::embedded();
    let calibration = Calibration::load(&catalog).expect("constants");
    let file = "scenarios/validation/kernels.csv";
    let rows = read_kernels(file, &std::fs::read_to_string(file).expect("the file is there")).expect("rows");
    let names: BTreeSet<String> = rows.into_iter().map(|row| row.device).collect();
    let generation = |name: &String| Device::load(&catalog, name, Path::new("")).expect("a data sheet").architecture;
    let measured: BTreeSet<String> = names.iter().map(generation).collect();
    for sheet in Device::load_all(&catalog).expect("data sheets") {
        let own = measured.contains(&sheet.architecture);
        assert_eq!(calibration.fitted(&sheet.architecture), own, "{} of {}", sheet.architecture, sheet.id);
        let (_, known) = calibration.kernel(Kind::Gemm, &sheet.architecture, Family::Bf16, Precision::Bf16);
        assert_eq!(known, own, "{}", sheet.id);
    }
    // B300 and GB300 were measured, and share their constants with B200.
    assert!(measured.contains("blackwell-ultra") && calibration.fitted("blackwell-ultra"));
    assert_eq!(calibration.generation("blackwell-ultra"), Some("blackwell"));
}

/// "calibrated" is said of llama.cpp through a backend on a generation exactly where such points were fitted, of models
/// with experts and of others apart.
#[test]
fn the_table_of_llama_points_agrees_with_the_points() {
    let catalog = Catalog::embedded();
    let calibration = Calibration::load(&catalog).expect("constants");
    let file = "scenarios/validation/points.csv";
    let points = read(file, &std::fs::read_to_string(file).expect("the file is there")).expect("points");
    let mut describer = Describer::new(&catalog);
    let mut counted: BTreeMap<(&str, String, bool), u64> = BTreeMap::new();
    for point in points.iter().filter(|p| p.engine_kind == "llama.cpp" && p.suspect.is_none()) {
        let Ok(Described::One(setup)) = describer.point(point) else { continue };
        let sheet = &setup.hardware.sheet;
        let key = (setup.backend(sheet).name(), sheet.architecture.clone(), setup.model.has_experts());
        *counted.entry(key).or_default() += 1;
    }
    let listed = calibration.llama_points().iter();
    let table = listed.map(|p| ((p.backend.name(), p.generation.clone(), p.experts), p.points)).collect();
    assert_eq!(counted, table);
}
