//! Data sheets with one number changed: a device that differs from one of the catalogue in nothing else.

use std::sync::Arc;
use toml::{Table, Value};
use underdog::setup::Setup;

/// A number of a data sheet, or a group of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Field {
    Bandwidth,
    Rates,
    Link,
    Network,
    Memory,
}

impl Field {
    pub const ALL: [Self; 5] = [Self::Bandwidth, Self::Rates, Self::Link, Self::Network, Self::Memory];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Bandwidth => "bandwidth",
            Self::Rates => "rates",
            Self::Link => "link",
            Self::Network => "network",
            Self::Memory => "memory",
        }
    }

    /// The same setup on a device that has `factor` times as much of it; `None` where its data sheet has no such number.
    pub fn scaled(self, setup: &Setup, factor: f64) -> Option<Setup> {
        let mut other = setup.clone();
        let sheet = Arc::make_mut(&mut other.hardware.sheet);
        match self {
            Self::Bandwidth => sheet.bandwidth = sheet.bandwidth * factor,
            Self::Memory => sheet.memory = sheet.memory * factor,
            Self::Network => sheet.network = Some(sheet.network? * factor),
            Self::Link => {
                let mut link = sheet.link?;
                link.per_direction = link.per_direction * factor;
                sheet.link = Some(link);
            }
            Self::Rates => {
                let r = &mut sheet.rates;
                for rate in [&mut r.fp32, &mut r.tf32, &mut r.bf16, &mut r.fp16, &mut r.fp8, &mut r.int8, &mut r.fp4] {
                    *rate = rate.map(|r| r * factor);
                }
            }
        }
        Some(other)
    }

    /// The text of a data sheet with `factor` times as much of it.
    pub fn scaled_text(self, text: &str, factor: f64) -> Option<String> {
        let mut sheet: Table = text.parse().ok()?;
        match self {
            Self::Rates => {
                let rates = sheet.get_mut("rates")?.as_table_mut()?;
                rates.iter_mut().for_each(|(_, rate)| scale(rate, factor));
            }
            Self::Link => scale(sheet.get_mut("link")?.get_mut("per_direction")?, factor),
            other => scale(sheet.get_mut(other.name())?, factor),
        }
        Some(sheet.to_string())
    }
}

/// "3.35 TB/s" times a factor.
fn scale(value: &mut Value, factor: f64) {
    let Value::String(text) = value else { return };
    if let Some((number, unit)) = text.split_once(' ')
        && let Ok(number) = number.parse::<f64>()
    {
        *text = format!("{} {unit}", number * factor);
    }
}
