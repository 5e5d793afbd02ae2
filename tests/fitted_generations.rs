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
