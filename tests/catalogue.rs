//! Every embedded data sheet and price is readable, and a user's folder lies over them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use underdog::catalog::Catalog;
use underdog::device::prices::Tier;
use underdog::device::{Device, DeviceRow, PriceList};
use underdog::precision::Precision;

fn device(name: &str) -> Device {
    Device::load(&Catalog::embedded(), name, Path::new(".")).unwrap()
}

#[test]
fn every_data_sheet_loads() {
    let catalog = Catalog::embedded();
    assert_eq!(catalog.devices().len(), 213);
    for name in catalog.devices() {
        let sheet = Device::load(&catalog, &name, Path::new(".")).unwrap_or_else(|e| panic!("{}", e.render(false)));
        assert_eq!(sheet.id, name);
        assert!(!sheet.source.is_empty() && sheet.retrieved.year() == 2026, "{name}");
    }
}

#[test]
fn a_data_sheet_says_what_the_maker_prints() {
    // NVIDIA H100 SXM5: 989 and 1979 TFLOP/s dense, 80 GB (binary), 3.35 TB/s, 450 GB/s of NVLink a direction.
    let h100 = device("h100-sxm-80gb");
    assert_eq!(h100.rate(Precision::Bf16).unwrap().get(), 989e12);
    assert_eq!(h100.rate(Precision::Fp8).unwrap().get(), 1979e12);
    assert_eq!(h100.memory.get(), 80.0 * 1024f64.powi(3));
    assert_eq!(h100.link.unwrap().per_direction.get(), 450e9);
}

/// A processor's bandwidth is that of its channels: 8 bytes a transfer, or the width its source names.
#[test]
fn a_processor_says_its_cores_and_channels() {
    let catalog = Catalog::embedded();
    let all: Vec<Device> = Device::load_all(&catalog).unwrap().into_iter().filter(|d| d.cpu).collect();
    assert!(all.len() >= 15, "{}", all.len());
    for sheet in all {
        assert!(sheet.compute_units.is_some_and(|c| c >= 4) && sheet.rates.fp32.is_some(), "{}", sheet.id);
        let each = sheet.bandwidth.get() / f64::from(sheet.channels.unwrap());
        assert!((10e9..=60e9).contains(&each), "{}: {each} a channel", sheet.id);
    }
    let epyc = device("epyc-9374f");
    assert_eq!((epyc.compute_units, epyc.channels, epyc.bandwidth.get()), (Some(32), Some(12), 12.0 * 4.8e9 * 8.0));
    for shared in
        ["apple-m4-max-40c", "strix-halo", "dgx-spark-gb10", "jetson-agx-thor", "adreno-x1-85-snapdragon-x-elite"]
    {
        assert!(device(shared).shared_memory, "{shared}");
    }
    assert!(!device("rtx-4090").shared_memory && !device("epyc-9374f").shared_memory);
}

#[test]
fn a_gap_names_the_missing_number() {
    let old = device("gtx-1080-ti");
    let missing = old.rate(Precision::Bf16).unwrap_err().to_string();
    assert!(missing.contains("gtx-1080-ti") && missing.contains("rates.bf16"), "{missing}");
    assert!(device("ascend-910c").power().unwrap_err().to_string().contains("tdp"));
}

#[test]
fn export_control_figures_are_those_of_the_rule() {
    // BIS, 88 FR 73458 (October 2023): H100 at 15,824 lies above the threshold of 4,800, H20 at 2,368 below it.
    assert_eq!(device("h100-sxm-80gb").total_processing_performance().map(f64::round), Some(15_832.0));
    assert_eq!(device("h20-96g").total_processing_performance(), Some(2_368.0));
    assert!(DeviceRow::from(&device("m40")).total_processing_performance.is_some_and(|tpp| tpp < 4_800.0));
}

#[test]
fn prices_are_the_newest_on_demand_rents() {
    let list = PriceList::load(&Catalog::embedded()).unwrap();
    assert_eq!(list.rows().len(), 151);
    let offer = list.offer("h100-sxm-80gb", Tier::OnDemand).unwrap();
    // 2.29, 2.95, 2.99, 3.49, 3.49 and 3.99 USD/h in 2026.
    assert_eq!((offer.count, offer.date.as_str()), (6, "2026"));
    assert_eq!((offer.low.get(), offer.high.get()), (2.29, 3.99));
    assert!((offer.median.get() - 3.24).abs() < 1e-9);
    assert_eq!(list.offer("h800", Tier::OnDemand), None, "DeepSeek assumed a rent; nobody offered one");
}

/// MI355X has no on-demand rent here, B200 has: what both have is the contract, 2.10 and 2.60 USD/h of August 2026.
#[test]
fn devices_are_compared_at_a_tier_all_of_them_have() {
    let list = PriceList::load(&Catalog::embedded()).unwrap();
    assert_eq!(list.offer("mi355x", Tier::OnDemand), None);
    let tier = list.shared_tier(["mi355x", "b200"].into_iter()).unwrap();
    assert_eq!(tier, Tier::Contract);
    let rent = |device| list.offer(device, tier).map(|o| (o.median.get(), o.date)).unwrap();
    assert_eq!((rent("mi355x"), rent("b200")), ((2.1, "2026-08".to_owned()), (2.6, "2026-08".to_owned())));
    assert_eq!(list.shared_tier(["h100-sxm-80gb", "b200"].into_iter()), Some(Tier::OnDemand));
    assert_eq!(list.shared_tier(["h800"].into_iter()), None);
}

#[test]
fn a_users_folder_lies_over_the_embedded_one() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("devices")).unwrap();
    let mine = "name = \"Mine\"\nvendor = \"Me\"\narchitecture = \"ada\"\nmemory = \"10 GiB\"\nbandwidth = \"1 TB/s\"\n\
                source = \"me\"\ntrust = \"C\"\nretrieved = \"2026-01-02\"\n";
    fs::write(dir.path().join("devices/mine.toml"), mine).unwrap();
    fs::write(dir.path().join("devices/h800.toml"), mine).unwrap();
    let price = "[[rent]]\nof = \"h100-sxm-80gb\"\ntier = \"on-demand\"\nvalue = \"1 USD/h\"\ndate = \"2020\"\n\
                 source = \"me\"\ntrust = \"A\"\n";
    fs::write(dir.path().join("prices.toml"), price).unwrap();
    let catalog = Catalog::with_overlay(dir.path()).unwrap();
    let load = |name: &str| Device::load(&catalog, name, dir.path()).unwrap();
    assert_eq!((load("mine").name.as_str(), load("h800").name.as_str()), ("Mine", "Mine"));
    assert_eq!(load("devices/mine.toml").id, "mine", "a path is read relative to the base");
    assert_eq!(load("h200-sxm").name, "H200 SXM");
    assert_eq!(catalog.devices().len(), 214);
    let list = PriceList::load(&catalog).unwrap();
    let offer = list.offer("h100-sxm-80gb", Tier::OnDemand);
    assert_eq!(offer.map(|o| (o.count, o.median.get())), Some((1, 1.0)));
    assert!(list.offer("h200-sxm", Tier::OnDemand).is_some());
    assert!(Catalog::with_overlay(&dir.path().join("devices")).is_err());
}

#[test]
fn a_misspelt_name_gets_a_suggestion() {
    let catalog = Catalog::embedded();
    let error = catalog.device("h100-sxm", Path::new(".")).unwrap_err().to_string();
    assert!(error.contains("did you mean `h100-sxm-80gb`?"), "{error}");
    let error = catalog.model("deepsek-r1", Path::new(".")).unwrap_err().to_string();
    assert!(error.contains("did you mean `deepseek-r1`?"), "{error}");
}
