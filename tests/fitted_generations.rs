//! A generation counts as fitted exactly where kernels of its own devices are among the measured ones.

use std::collections::BTreeSet;
use std::path::Path;
use underdog::catalog::Catalog;
use underdog::device::Device;
use underdog::estimate::Calibration;
use underdog::estimate::constants::Kind;
use underdog::estimate::path::Family;
use underdog::precision::Precision;
use underdog::validate::read_kernels;

/// A unit of an H20 multiplies at a quarter of the rate of an H100's, so its kernels reach more of their peak; a device
/// with the units that were measured keeps its share, and so does one whose generation has an assumed one.
#[test]
fn a_cut_unit_reaches_more_of_its_peak() {
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
    // 148 TFLOP/s of 78 units beside 989 of 132.
    let density = (148.0 / 78.0) / (989.0 / 132.0);
    assert!((1.0 / h20 - 1.0 - (1.0 / measured - 1.0) * density).abs() < 1e-3, "{h20}");
    let (assumed, mi300x) = share("mi300x");
    assert!((assumed - mi300x).abs() < 1e-12);
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
