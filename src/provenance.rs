//! Where a number comes from, from the strongest kind to the weakest.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The kind of evidence a number rests on. The order is the ranking: a row is as strong as its weakest part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Provenance {
    /// Timed and verified on this machine.
    Measured,
    /// Between measured points of the same device.
    Interpolated,
    /// An estimate corrected by the user's own measurements.
    Anchored,
    /// A data sheet or a price list, with source and date.
    Catalogued,
    /// Through constants fitted on other people's measurements.
    Calibrated,
    /// A bound: peak rates without any loss.
    Roofline,
    /// Somebody's assumption, named where it is made.
    Assumed,
}

impl Provenance {
    /// The weaker of two: what a result that uses both rests on.
    pub fn weakest(self, other: Self) -> Self {
        self.max(other)
    }
}

impl fmt::Display for Provenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Measured => "measured",
            Self::Interpolated => "interpolated",
            Self::Anchored => "anchored",
            Self::Catalogued => "catalogued",
            Self::Calibrated => "calibrated",
            Self::Roofline => "roofline",
            Self::Assumed => "assumed",
        })
    }
}
