//! A device's data sheet: dense peak rates, memory, links and power, with source, trust and date.
//!
//! The files live in `scenarios/devices/`; a user adds a device by writing one. Every rate is dense: a structured
//! sparsity figure is twice what a language model gets. Tensor rates of GeForce cards are those with 32-bit
//! accumulation. Memory is binary: the "80 GB" of an H100 are 80 GiB. A number that is not known is left out; what
//! needs it says which one is missing.

use crate::catalog::{Catalog, Entry};
use crate::diagnostic::Diagnostic;
use crate::precision::Precision;
use crate::units::{Bandwidth, Bytes, FlopRate, Watts};
use jiff::civil::Date;
use serde::{Deserialize, Deserializer, Serialize};
use std::path::Path;

/// What a maker or a trusted third party says a device can do.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// Catalogue name: the stem of the file.
    #[serde(skip)]
    pub id: String,
    /// The name people use.
    pub name: String,
    /// Maker.
    pub vendor: String,
    /// Generation, such as `hopper`; devices of one generation share constants.
    pub architecture: String,
    /// Year of introduction.
    #[serde(default)]
    pub year: Option<u16>,
    /// Board or package, such as `SXM5`.
    #[serde(default)]
    pub form_factor: Option<String>,
    /// Name of the manufacturing process in nanometres.
    #[serde(default)]
    pub process_nm: Option<f64>,
    /// Capacity of the device memory.
    #[serde(deserialize_with = "positive")]
    pub memory: Bytes,
    /// Peak bandwidth of the device memory.
    #[serde(deserialize_with = "positive")]
    pub bandwidth: Bandwidth,
    /// Last-level cache on the device.
    #[serde(default, deserialize_with = "some_positive")]
    pub l2: Option<Bytes>,
    /// The scale-up link (NVLink, Infinity Fabric, HCCS, ...).
    #[serde(default)]
    pub link: Option<Link>,
    /// Scale-out network per device and direction.
    #[serde(default, deserialize_with = "some_positive")]
    pub network: Option<Bandwidth>,
    /// What the source says about the link, in its words.
    #[serde(default)]
    pub interconnect: Option<String>,
    /// PCI Express generation and width.
    #[serde(default)]
    pub pcie: Option<String>,
    /// The maker's driver lets one such device reach another's memory over PCI Express; it does unless the sheet says no.
    #[serde(default = "yes")]
    pub pcie_peers: bool,
    /// Streaming multiprocessors, compute units, cores.
    #[serde(default)]
    pub compute_units: Option<u32>,
    /// It is a processor: its memory is the host's own, and `compute_units` are its cores.
    #[serde(default)]
    pub cpu: bool,
    /// Its memory is the host's: nothing is gained by leaving a part of a model there.
    #[serde(default)]
    pub shared_memory: bool,
    /// Channels of a processor's memory.
    #[serde(default)]
    pub channels: Option<u32>,
    /// Board power.
    #[serde(default, deserialize_with = "some_positive")]
    pub tdp: Option<Watts>,
    /// PCI vendor and device numbers of boards that are this device, such as "10de:2330".
    #[serde(default)]
    pub pci: Vec<PciId>,
    /// Dense peak rates by format.
    #[serde(default)]
    pub rates: Rates,
    /// What the maker's libraries or hand-written assembly were measured to reach.
    #[serde(default)]
    pub library: Vec<Library>,
    /// Where the numbers come from.
    pub source: String,
    /// How far to trust them.
    pub trust: Trust,
    /// The day they were looked up.
    #[serde(deserialize_with = "day")]
    pub retrieved: Date,
    /// What a reader should know.
    #[serde(default)]
    pub notes: Option<String>,
}

/// A kernel below or beside WGSL, as somebody measured it on this device.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Library {
    /// Kernel family: `gemm`.
    pub kernel: String,
    /// Type of the operands.
    pub dtype: Precision,
    /// Rows of the result.
    pub m: u64,
    /// Columns of the result.
    pub n: u64,
    /// Length of the sum.
    pub k: u64,
    /// Rate there.
    #[serde(deserialize_with = "positive")]
    pub rate: FlopRate,
    /// The access path: `library` or `PTX`, with its name and version.
    pub access: String,
    /// Where it was printed.
    pub source: String,
}

/// A PCI vendor and device number, written "10de:2330".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PciId {
    /// Vendor.
    pub vendor: u32,
    /// Device.
    pub device: u32,
}

impl<'de> Deserialize<'de> for PciId {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let number = |part: &str| u32::from_str_radix(part, 16).ok().filter(|_| part.len() == 4);
        let both = text.split_once(':').and_then(|(v, d)| Some(Self { vendor: number(v)?, device: number(d)? }));
        both.ok_or_else(|| serde::de::Error::custom(format!("\"{text}\" is no PCI id; write one like \"10de:2330\"")))
    }
}

const fn yes() -> bool {
    true
}

/// The scale-up link of a device.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// Bandwidth in one direction, all ports of the device together.
    #[serde(deserialize_with = "positive")]
    pub per_direction: Bandwidth,
    /// Devices that reach each other over it.
    pub domain: u32,
    /// It is a bridge that is bought apart: there only where a scenario says so.
    #[serde(default)]
    pub optional: bool,
    /// It is Ethernet from device to device: no switch adds up, and a message takes as long as over a network.
    #[serde(default)]
    pub ethernet: bool,
}

/// Dense peak rates; a multiply-add counts as two. An absent one is not known or does not exist.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rates {
    /// Scalar 32-bit float.
    #[serde(deserialize_with = "some_positive")]
    pub fp32: Option<FlopRate>,
    /// 32-bit float shortened to 19 bits in matrix units.
    #[serde(deserialize_with = "some_positive")]
    pub tf32: Option<FlopRate>,
    /// bfloat16 matrix units.
    #[serde(deserialize_with = "some_positive")]
    pub bf16: Option<FlopRate>,
    /// Half precision matrix units.
    #[serde(deserialize_with = "some_positive")]
    pub fp16: Option<FlopRate>,
    /// 8-bit float matrix units.
    #[serde(deserialize_with = "some_positive")]
    pub fp8: Option<FlopRate>,
    /// 8-bit integer matrix units, operations.
    #[serde(deserialize_with = "some_positive")]
    pub int8: Option<FlopRate>,
    /// 4-bit float matrix units.
    #[serde(deserialize_with = "some_positive")]
    pub fp4: Option<FlopRate>,
}

/// How far a source is to be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize, schemars::JsonSchema)]
pub enum Trust {
    /// First-party raw data or specification.
    A,
    /// First-party document.
    B,
    /// Second-hand or incomplete.
    C,
    /// Rumoured; never used in a verdict.
    D,
}

/// A number the data sheet of a device lacks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{device} has no {what} in its data sheet; add `{key}` to a copy of devices/{device}.toml and name that file")]
pub struct Missing {
    /// Catalogue name of the device.
    pub device: String,
    /// What is missing, in words.
    pub what: String,
    /// The key to add.
    pub key: &'static str,
}

impl Device {
    /// A board of it bears this PCI vendor and device number.
    pub fn bears(&self, [vendor, device]: [u32; 2]) -> bool {
        self.pci.iter().any(|p| [p.vendor, p.device] == [vendor, device])
    }

    /// Reads a device by catalogue name or path.
    ///
    /// # Errors
    /// When there is no such file, or it is no data sheet.
    pub fn load(catalog: &Catalog, name: &str, base: &Path) -> Result<Self, Diagnostic> {
        catalog.kept.or_make(name, base, || Self::parse(&catalog.device(name, base)?))
    }

    /// Every data sheet of the catalogue.
    ///
    /// # Errors
    /// When one of them is wrong.
    pub fn load_all(catalog: &Catalog) -> Result<Vec<Self>, Diagnostic> {
        catalog.devices().iter().map(|name| Self::load(catalog, name, Path::new(""))).collect()
    }

    /// Reads a data sheet.
    ///
    /// # Errors
    /// Names the key that is unknown, missing or wrong, with its place.
    pub fn parse(entry: &Entry) -> Result<Self, Diagnostic> {
        let needed = "a data sheet needs name, vendor, architecture, memory, bandwidth, source, trust and retrieved";
        let mut device: Self = toml::from_str(&entry.text)
            .map_err(|error| Diagnostic::from_toml(&entry.file, &entry.text, &error).hint_if_missing(needed))?;
        device.id.clone_from(&entry.name);
        Ok(device)
    }

    /// Peak rate of matrix multiplication with operands of a format.
    ///
    /// Formats that exist for storage only (`int4`, `q8_0`, `q4_0`, `q4_k_m`) have no rate of their own.
    ///
    /// # Errors
    /// When the data sheet has none.
    pub fn rate(&self, operand: Precision) -> Result<FlopRate, Missing> {
        let (rate, key) = self.rates.of(operand);
        rate.ok_or_else(|| self.missing(format!("rate for {operand}"), key))
    }

    /// Board power.
    ///
    /// # Errors
    /// When the data sheet has none.
    pub fn power(&self) -> Result<Watts, Missing> {
        self.tdp.ok_or_else(|| self.missing("power".into(), "tdp"))
    }

    fn missing(&self, what: String, key: &'static str) -> Missing {
        Missing { device: self.id.clone(), what, key }
    }

    /// Total processing performance as US export control defines it: dense TOP/s times bit length, the largest over
    /// the formats (15 CFR part 774, supplement 1, ECCN 3A090, technical note; threshold 4800). TF32 counts its 19
    /// bits and so never decides.
    pub fn total_processing_performance(&self) -> Option<f64> {
        let r = self.rates;
        [(r.fp32, 32.0), (r.tf32, 19.0), (r.bf16, 16.0), (r.fp16, 16.0), (r.fp8, 8.0), (r.int8, 8.0), (r.fp4, 4.0)]
            .into_iter()
            .filter_map(|(rate, bits)| rate.map(|rate| rate.get() / 1e12 * bits))
            .reduce(f64::max)
    }
}

impl Rates {
    /// The rate of a format, and the key it is written under.
    pub fn of(&self, operand: Precision) -> (Option<FlopRate>, &'static str) {
        match operand {
            Precision::F32 => (self.fp32, "rates.fp32"),
            Precision::Bf16 => (self.bf16, "rates.bf16"),
            Precision::F16 => (self.fp16, "rates.fp16"),
            Precision::Fp8 => (self.fp8, "rates.fp8"),
            Precision::Int8 => (self.int8, "rates.int8"),
            Precision::Fp4 | Precision::Mxfp4 => (self.fp4, "rates.fp4"),
            _ => (None, "rates.fp16"),
        }
    }
}

/// Refuses a zero where nothing works without the number.
fn positive<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default + PartialEq>(from: D) -> Result<T, D::Error> {
    let value = T::deserialize(from)?;
    if value == T::default() {
        return Err(serde::de::Error::custom(
            "must be greater than zero; leave the key out where the number is unknown",
        ));
    }
    Ok(value)
}

fn some_positive<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default + PartialEq>(
    from: D,
) -> Result<Option<T>, D::Error> {
    positive(from).map(Some)
}

fn day<'de, D: Deserializer<'de>>(from: D) -> Result<Date, D::Error> {
    let text = String::deserialize(from)?;
    let refuse = |_| serde::de::Error::custom(format!("\"{text}\" is not a day; write one like \"2026-11-23\""));
    text.parse().map_err(refuse)
}
