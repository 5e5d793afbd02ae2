//! Rows of `underdog catalog`: one data sheet a row, one price a row.

use crate::device::prices::{PriceList, Quote, Tier};
use crate::device::sheet::{Device, Trust};
use crate::units::FlopRate;
use schemars::JsonSchema;
use serde::Serialize;

/// A data sheet. A number that is not known is absent.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct DeviceRow {
    /// Catalogue name.
    pub device: String,
    /// The name people use.
    pub name: String,
    /// Maker.
    pub vendor: String,
    /// Generation.
    pub architecture: String,
    /// Year of introduction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub year: Option<u16>,
    /// Device memory.
    pub memory_bytes: f64,
    /// Peak memory bandwidth.
    pub bandwidth_byte_s: f64,
    /// Dense peak rate of 32-bit float.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fp32_flop_s: Option<f64>,
    /// Dense peak rate of TF32.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tf32_flop_s: Option<f64>,
    /// Dense peak rate of bfloat16.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bf16_flop_s: Option<f64>,
    /// Dense peak rate of half precision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fp16_flop_s: Option<f64>,
    /// Dense peak rate of 8-bit float.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fp8_flop_s: Option<f64>,
    /// Dense peak rate of 8-bit integers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub int8_op_s: Option<f64>,
    /// Dense peak rate of 4-bit float.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fp4_flop_s: Option<f64>,
    /// Scale-up link in one direction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link_byte_s: Option<f64>,
    /// Devices on the scale-up link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link_domain: Option<u32>,
    /// Scale-out network per device and direction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_byte_s: Option<f64>,
    /// Last-level cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub l2_bytes: Option<f64>,
    /// Multiprocessors, compute units or cores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compute_units: Option<u32>,
    /// It is a processor, and `compute_units` are its cores.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cpu: bool,
    /// Its memory is the host's.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub shared_memory: bool,
    /// Channels of a processor's memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<u32>,
    /// Board power.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tdp_w: Option<f64>,
    /// Total processing performance by US export control (ECCN 3A090): TOP/s times bits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_processing_performance: Option<f64>,
    /// Where the numbers come from.
    pub source: String,
    /// How far to trust them.
    pub trust: Trust,
    /// The day they were looked up.
    pub retrieved: String,
    /// What a reader should know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
}

impl From<&Device> for DeviceRow {
    fn from(device: &Device) -> Self {
        let rate = |rate: Option<FlopRate>| rate.map(FlopRate::get);
        Self {
            device: device.id.clone(),
            name: device.name.clone(),
            vendor: device.vendor.clone(),
            architecture: device.architecture.clone(),
            year: device.year,
            memory_bytes: device.memory.get(),
            bandwidth_byte_s: device.bandwidth.get(),
            fp32_flop_s: rate(device.rates.fp32),
            tf32_flop_s: rate(device.rates.tf32),
            bf16_flop_s: rate(device.rates.bf16),
            fp16_flop_s: rate(device.rates.fp16),
            fp8_flop_s: rate(device.rates.fp8),
            int8_op_s: rate(device.rates.int8),
            fp4_flop_s: rate(device.rates.fp4),
            link_byte_s: device.link.map(|link| link.per_direction.get()),
            link_domain: device.link.map(|link| link.domain),
            network_byte_s: device.network.map(|rate| rate.get()),
            l2_bytes: device.l2.map(|size| size.get()),
            compute_units: device.compute_units,
            cpu: device.cpu,
            shared_memory: device.shared_memory,
            channels: device.channels,
            tdp_w: device.tdp.map(|power| power.get()),
            total_processing_performance: device.total_processing_performance(),
            source: device.source.clone(),
            trust: device.trust,
            retrieved: device.retrieved.to_string(),
            notes: device.notes.clone(),
        }
    }
}

/// A price.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct PriceRow {
    /// `rent`, `own`, `purchase`, `power`, `electricity`, `pue`, `running_share` or `api`.
    pub basis: &'static str,
    /// The device, region or model that is priced.
    pub of: String,
    /// Which kind of rent, owner or token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<Tier>,
    /// The number.
    pub value: f64,
    /// Its unit.
    pub unit: &'static str,
    /// When it held.
    pub date: String,
    /// Where it was printed.
    pub source: String,
    /// How far to trust it.
    pub trust: Trust,
    /// What a reader should know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
}

impl PriceList {
    /// Every price as a row, by basis in the order of the documentation.
    pub fn rows(&self) -> Vec<PriceRow> {
        let mut all = rows("rent", "USD/h", &self.rent, |v| v.get());
        all.extend(rows("own", "USD/h", &self.own, |v| v.get()));
        all.extend(rows("purchase", "USD", &self.purchase, |v| v.get()));
        all.extend(rows("power", "W", &self.power, |v| v.get()));
        all.extend(rows("electricity", "USD/kWh", &self.electricity, |v| v.get()));
        all.extend(rows("pue", "ratio", &self.pue, |v| v.get()));
        all.extend(rows("running_share", "ratio", &self.running_share, |v| v.get()));
        all.extend(rows("api", "USD/Mtok", &self.api, |v| v.get()));
        all
    }
}

fn rows<T>(basis: &'static str, unit: &'static str, quotes: &[Quote<T>], value: fn(&T) -> f64) -> Vec<PriceRow> {
    let row = |quote: &Quote<T>| PriceRow {
        basis,
        of: quote.of.clone(),
        tier: quote.tier,
        value: value(&quote.value),
        unit,
        date: quote.date.to_string(),
        source: quote.source.clone(),
        trust: quote.trust,
        notes: quote.notes.clone(),
    };
    quotes.iter().map(row).collect()
}
