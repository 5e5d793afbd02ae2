//! Which device of the catalogue a measured adapter is: wgpu tells neither memory nor power, a data sheet does.
//!
//! The PCI numbers must be among the sheet's, the name must agree up to the model number and in every suffix that makes
//! another card of it (XT, Ti, SUPER, Laptop, ...: AMD gives one number to several cards, and a laptop part bears a
//! desktop part's name), and what was measured must be what such a device can do. Without PCI numbers the name alone
//! decides. Anything else is no match: a wrong memory size is worse than none.

use super::{Device, Profile};

/// What the catalogue says about an adapter.
#[derive(Debug, Clone, PartialEq)]
pub enum Match<'a> {
    /// It is this device.
    Is(&'a Device),
    /// It may be any of these; their catalogue names.
    Several(Vec<&'a str>),
    /// Number and name fit, what was measured does not; catalogue name and reason.
    Differs(&'a str, String),
    /// None of the catalogue.
    Unknown,
}

/// Words behind the model number that make another device of it.
const SUFFIXES: &[&str] =
    &["xt", "xtx", "gre", "m", "ti", "super", "d", "laptop", "mobile", "max", "q", "pro", "ada", "sff", "ultra", "duo"];
/// Measured over catalogued bandwidth: reads reach 0.7 to 0.95 of it on most devices and never pass it by more than
/// a rounding of clocks; under half of it, it is a smaller part or a slice of one.
const READ: std::ops::RangeInclusive<f64> = 0.5..=1.1;
/// No kernel passes the peak rate by more than boost clocks allow.
const COMPUTE: f64 = 1.1;

/// Finds a measured adapter among data sheets.
pub fn find<'a>(profile: &Profile, sheets: &'a [Device]) -> Match<'a> {
    let adapter = &profile.adapter;
    if adapter.software {
        return Match::Unknown;
    }
    let numbered = adapter.device_id != 0;
    let number = [adapter.vendor_id, adapter.device_id];
    let fits = |d: &&Device| same_name(&adapter.name, &d.name) && (d.bears(number) || !numbered || d.pci.is_empty());
    let candidates: Vec<&Device> = sheets.iter().filter(fits).collect();
    match candidates.as_slice() {
        [] => Match::Unknown,
        [one] => match disagreement(profile, one) {
            Some(why) => Match::Differs(&one.id, why),
            None => Match::Is(one),
        },
        several => Match::Several(several.iter().map(|d| d.id.as_str()).collect()),
    }
}

/// Data sheets of a name as drivers tell it, where nothing else is known of the adapter.
pub fn named<'a>(name: &str, sheets: &'a [Device]) -> Vec<&'a Device> {
    sheets.iter().filter(|sheet| same_name(name, &sheet.name)).collect()
}

/// The words up to the model number all occur, and the suffixes behind it are the same.
fn same_name(adapter: &str, sheet: &str) -> bool {
    let (own, theirs) = (tokens(adapter), tokens(sheet));
    let Some(number) = theirs.iter().position(|t| t.starts_with(|c: char| c.is_ascii_digit())) else { return false };
    let Some(place) = own.iter().position(|t| *t == theirs[number]) else { return false };
    let suffixes = |tokens: &[String]| -> Vec<&str> {
        let mut all: Vec<&str> = SUFFIXES.iter().copied().filter(|s| tokens.iter().any(|t| t == s)).collect();
        all.sort_unstable();
        all
    };
    theirs[..number].iter().all(|t| own[..place].contains(t)) && suffixes(&own[place..]) == suffixes(&theirs[number..])
}

/// Lower-case runs of letters and of digits; the short forms of the catalogue in full.
fn tokens(name: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let mut kind = None;
    for c in name.chars() {
        let now = c.is_ascii_alphanumeric().then(|| c.is_ascii_digit());
        if let Some(digit) = now {
            if kind != Some(digit) {
                all.push(String::new());
            }
            if let Some(last) = all.last_mut() {
                last.push(c.to_ascii_lowercase());
            }
        }
        kind = now;
    }
    all.into_iter().map(|t| if t == "s" { "super".into() } else { t }).collect()
}

fn disagreement(profile: &Profile, sheet: &Device) -> Option<String> {
    let share = |measured: Option<f64>, peak: f64| measured.map(|m| m / peak);
    if let Some(read) = share(profile.roofs.read_byte_s, sheet.bandwidth.get()).filter(|s| !READ.contains(s)) {
        return Some(format!("it reads {read:.2} times as fast as that device's memory"));
    }
    let peak = sheet.rates.fp32?.get();
    let compute = share(profile.roofs.gemm_f32_flop_s, peak).filter(|s| *s > COMPUTE);
    compute.map(|s| format!("its f32 GEMM runs at {s:.2} times that device's peak"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;
    use crate::device::profile::{Adapter, Profile, Roofs};
    use std::path::Path;

    fn sheets() -> Vec<Device> {
        let catalog = Catalog::embedded();
        let load = |name: &String| Device::load(&catalog, name, Path::new("")).expect("a data sheet");
        catalog.devices().iter().map(load).collect()
    }

    fn profile(name: &str, [vendor_id, device_id]: [u32; 2], read_byte_s: f64) -> Profile {
        let adapter = Adapter { name: name.into(), vendor_id, device_id, ..Adapter::default() };
        Profile { adapter, roofs: Roofs { read_byte_s: Some(read_byte_s), ..Roofs::default() }, ..Profile::default() }
    }

    #[test]
    fn number_and_name_decide() {
        let sheets = sheets();
        for (name, pci, read, expected) in [
            ("NVIDIA H200", [0x10de, 0x2335], 4.4e12, Some("h200-sxm")),
            ("NVIDIA H100 80GB HBM3", [0x10de, 0x2330], 3.0e12, Some("h100-sxm-80gb")),
            ("NVIDIA A100-SXM4-80GB", [0x10de, 0x20b2], 1.8e12, Some("a100-sxm-80gb")),
            ("NVIDIA GeForce RTX 4090", [0x10de, 0x2684], 9.3e11, Some("rtx-4090")),
            ("NVIDIA GeForce RTX 4090 Laptop GPU", [0x10de, 0x2717], 5.3e11, Some("rtx-4090-laptop")),
            // A laptop part that a driver numbers like the desktop one.
            ("NVIDIA GeForce RTX 4090 Laptop GPU", [0x10de, 0x2684], 5.3e11, Some("rtx-4090-laptop")),
            ("NVIDIA GeForce RTX 4080 SUPER", [0x10de, 0x2702], 6.6e11, Some("rtx-4080s")),
            ("AMD Radeon RX 7900 XTX (RADV NAVI31)", [0x1002, 0x744c], 8.6e11, Some("rx-7900-xtx")),
            ("AMD Radeon RX 7900 XT (RADV NAVI31)", [0x1002, 0x744c], 7.2e11, Some("rx-7900-xt")),
            ("AMD Radeon RX 7900 GRE (RADV NAVI31)", [0x1002, 0x744c], 5.2e11, Some("rx-7900-gre")),
            ("AMD Radeon RX 6800 (RADV NAVI21)", [0x1002, 0x73bf], 4.6e11, None),
            ("AMD Radeon AI PRO R9700 (RADV GFX1201)", [0x1002, 0x7551], 5.8e11, Some("r9700")),
            ("NVIDIA RTX 6000 Ada Generation", [0x10de, 0x26b1], 8.5e11, Some("rtx-6000-ada")),
            ("Apple M2 Ultra", [0, 0], 7.0e11, None),
            ("Intel(R) Arc(TM) B580 Graphics", [0x8086, 0xe20b], 4.0e11, Some("arc-b580")),
        ] {
            let found = match find(&profile(name, pci, read), &sheets) {
                Match::Is(device) => Some(device.id.clone()),
                _ => None,
            };
            assert_eq!(found.as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn what_was_measured_must_agree() {
        let sheets = sheets();
        // A seventh of an H200, as its partitions are.
        let slice = profile("NVIDIA H200", [0x10de, 0x2335], 4.4e12 / 7.0);
        assert!(matches!(find(&slice, &sheets), Match::Differs("h200-sxm", _)));
        let mut fast = profile("NVIDIA GeForce RTX 3060", [0x10de, 0x2504], 3.3e11);
        fast.roofs.gemm_f32_flop_s = Some(40e12);
        assert!(matches!(find(&fast, &sheets), Match::Differs("rtx-3060", _)));
    }

    #[test]
    fn one_name_of_several_devices_and_software_are_no_match() {
        let sheets = sheets();
        let apple = profile("Apple M4 Max", [0, 0], 5.0e11);
        assert!(matches!(find(&apple, &sheets), Match::Several(names) if names.len() == 2));
        let mut software = profile("NVIDIA H200", [0x10de, 0x2335], 4.4e12);
        software.adapter.software = true;
        assert_eq!(find(&software, &sheets), Match::Unknown);
    }
}
