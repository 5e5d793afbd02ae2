//! Physical quantities as newtypes in SI units, read from and shown as strings with units.
//!
//! A value is finite and not negative; the parser says what spelling it accepts. Rates are decimal (TB/s is
//! 1e12 B/s), memory is given in either spelling (GB is 1e9 bytes, GiB is 2^30).

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::ops::{Add, AddAssign, Div, Mul, Sub};
use std::str::FromStr;

/// Why a text is not a quantity. The message shows the accepted spelling.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct QuantityError(String);

/// One row of a unit table: spelling and factor to the SI unit.
type Unit = (&'static str, f64);

/// Hours of a year, leap years included.
pub const HOURS_PER_YEAR: f64 = 8766.0;

/// Where the number at the start of a text ends and its unit begins.
pub fn split(text: &str) -> (&str, &str) {
    let ends = text
        .char_indices()
        .find(|&(at, c)| !(c.is_ascii_digit() || matches!(c, '.' | '_' | '+' | '-') || is_exponent(text, at)))
        .map_or(text.len(), |(at, _)| at);
    let (number, unit) = text.split_at(ends);
    (number, unit.trim())
}

fn parse(text: &str, what: &str, example: &str, units: &[Unit]) -> Result<f64, QuantityError> {
    let text = text.trim();
    let (number, unit) = split(text);
    let number = number.replace('_', "");
    let spelling = || {
        let names: Vec<&str> = units.iter().map(|u| u.0).collect();
        format!("write {what} like \"{example}\" (units: {})", names.join(", "))
    };
    let value: f64 = number
        .parse()
        .map_err(|_| QuantityError(format!("\"{text}\" does not start with a number; {}", spelling())))?;
    if unit.is_empty() {
        return Err(QuantityError(format!("\"{text}\" has no unit; {}", spelling())));
    }
    let factor = units
        .iter()
        .find(|u| u.0 == unit)
        .ok_or_else(|| QuantityError(format!("\"{unit}\" is not a unit of {what}; {}", spelling())))?
        .1;
    check(value * factor, what).map_err(QuantityError)
}

/// An `e` belongs to the number only between a digit and an exponent ("1e12"), so that "3 eV" keeps its unit.
fn is_exponent(text: &str, at: usize) -> bool {
    let bytes = text.as_bytes();
    let after = bytes.get(at + 1).copied().unwrap_or(b' ');
    matches!(bytes[at], b'e' | b'E')
        && at > 0
        && (bytes[at - 1].is_ascii_digit() || bytes[at - 1] == b'.')
        && (after.is_ascii_digit() || matches!(after, b'+' | b'-'))
}

fn check(value: f64, what: &str) -> Result<f64, String> {
    if !value.is_finite() {
        Err(format!("{what} must be a finite number"))
    } else if value < 0.0 {
        Err(format!("{what} must not be negative"))
    } else {
        Ok(value)
    }
}

macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident, $what:literal, $example:literal, [$(($unit:literal, $factor:expr)),+ $(,)?]) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default)]
        pub struct $name(f64);

        impl $name {
            const UNITS: &'static [Unit] = &[$(($unit, $factor)),+];
            /// Nothing of it.
            pub const ZERO: Self = Self(0.0);

            /// From a value in the SI unit. The caller vouches for a finite value; text goes through `FromStr`.
            pub const fn new(si: f64) -> Self {
                Self(si)
            }
            /// The value in the SI unit.
            pub const fn get(self) -> f64 {
                self.0
            }
            /// The larger of two.
            pub fn max(self, other: Self) -> Self {
                Self(self.0.max(other.0))
            }
            /// The smaller of two.
            pub fn min(self, other: Self) -> Self {
                Self(self.0.min(other.0))
            }
        }

        impl FromStr for $name {
            type Err = QuantityError;
            fn from_str(text: &str) -> Result<Self, QuantityError> {
                parse(text, $what, $example, Self::UNITS).map(Self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(QuantityVisitor { what: $what, example: $example, units: Self::UNITS }).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_f64(self.0)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "description": concat!($what, " with its unit"), "examples": [$example] })
            }
        }

        impl Add for $name {
            type Output = Self;
            fn add(self, other: Self) -> Self { Self(self.0 + other.0) }
        }
        impl AddAssign for $name {
            fn add_assign(&mut self, other: Self) { self.0 += other.0 }
        }
        impl Sub for $name {
            type Output = Self;
            fn sub(self, other: Self) -> Self { Self(self.0 - other.0) }
        }
        impl Mul<f64> for $name {
            type Output = Self;
            fn mul(self, factor: f64) -> Self { Self(self.0 * factor) }
        }
        impl Div<f64> for $name {
            type Output = Self;
            fn div(self, factor: f64) -> Self { Self(self.0 / factor) }
        }
        impl Div for $name {
            type Output = f64;
            fn div(self, other: Self) -> f64 { self.0 / other.0 }
        }
        impl std::iter::Sum for $name {
            fn sum<I: Iterator<Item = Self>>(all: I) -> Self { Self(all.map(|q| q.0).sum()) }
        }
    };
}

struct QuantityVisitor {
    what: &'static str,
    example: &'static str,
    units: &'static [Unit],
}

impl Visitor<'_> for QuantityVisitor {
    type Value = f64;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with its unit, such as \"{}\"", self.what, self.example)
    }
    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<f64, E> {
        parse(text, self.what, self.example, self.units).map_err(E::custom)
    }
    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<f64, E> {
        self.visit_f64(value as f64)
    }
    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<f64, E> {
        self.visit_f64(value as f64)
    }
    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<f64, E> {
        let (what, example) = (self.what, self.example);
        Err(E::custom(format!("{value} has no unit; write {what} like \"{example}\"")))
    }
}

quantity!(
    /// A duration in seconds.
    Seconds, "a time", "30 ms", [("s", 1.0), ("ms", 1e-3), ("us", 1e-6), ("µs", 1e-6), ("ns", 1e-9), ("min", 60.0), ("h", 3600.0)]
);
quantity!(
    /// An amount of data in bytes.
    Bytes, "a size", "80 GiB", [("B", 1.0), ("kB", 1e3), ("MB", 1e6), ("GB", 1e9), ("TB", 1e12),
        ("KiB", 1024.0), ("MiB", 1048576.0), ("GiB", 1073741824.0), ("TiB", 1099511627776.0)]
);
quantity!(
    /// A data rate in bytes per second.
    Bandwidth, "a bandwidth", "3.35 TB/s", [("B/s", 1.0), ("kB/s", 1e3), ("MB/s", 1e6), ("GB/s", 1e9), ("TB/s", 1e12)]
);
quantity!(
    /// Floating-point (or integer) operations per second; a multiply-add counts as two.
    FlopRate, "a compute rate", "989 TFLOP/s", [("FLOP/s", 1.0), ("GFLOP/s", 1e9), ("TFLOP/s", 1e12), ("PFLOP/s", 1e15), ("TOP/s", 1e12)]
);
quantity!(
    /// An amount of floating-point operations; a multiply-add counts as two.
    Flop, "an amount of work", "16 GFLOP", [("FLOP", 1.0), ("MFLOP", 1e6), ("GFLOP", 1e9), ("TFLOP", 1e12), ("PFLOP", 1e15)]
);
quantity!(
    /// Power in watts.
    Watts, "a power", "700 W", [("W", 1.0), ("kW", 1e3), ("MW", 1e6)]
);
quantity!(
    /// An amount of money in US dollars.
    Usd, "an amount of money", "25000 USD", [("USD", 1.0), ("kUSD", 1e3)]
);
quantity!(
    /// A price per hour in US dollars. A month is a twelfth of a year of 8766 hours.
    UsdPerHour, "a price per hour", "2.29 USD/h", [("USD/h", 1.0), ("USD/hr", 1.0), ("USD/hour", 1.0), ("USD/s", 3600.0),
        ("USD/min", 60.0), ("USD/day", 1.0 / 24.0), ("USD/month", 12.0 / HOURS_PER_YEAR), ("USD/year", 1.0 / HOURS_PER_YEAR)]
);
quantity!(
    /// A price per million tokens in US dollars.
    UsdPerMtok, "a price per million tokens", "0.55 USD/Mtok", [("USD/Mtok", 1.0), ("USD/MTok", 1.0), ("USD/ktok", 1e3), ("USD/token", 1e6)]
);
quantity!(
    /// A price per kilowatt-hour in US dollars.
    UsdPerKwh, "a price of electricity", "0.08 USD/kWh", [("USD/kWh", 1.0), ("USD/MWh", 1e-3)]
);
quantity!(
    /// Grams of CO2 per kWh of electricity.
    GramPerKwh, "a carbon intensity", "350 g/kWh", [("g/kWh", 1.0), ("kg/kWh", 1e3), ("kg/MWh", 1.0)]
);
quantity!(
    /// A rate of events per second.
    PerSecond, "a rate", "4 /s", [("/s", 1.0), ("/min", 1.0 / 60.0), ("/h", 1.0 / 3600.0), ("/day", 1.0 / 86_400.0),
        ("/month", 12.0 / HOURS_PER_YEAR / 3600.0)]
);

impl Div<Bandwidth> for Bytes {
    type Output = Seconds;
    fn div(self, rate: Bandwidth) -> Seconds {
        Seconds(self.0 / rate.0)
    }
}

impl Div<FlopRate> for Flop {
    type Output = Seconds;
    fn div(self, rate: FlopRate) -> Seconds {
        Seconds(self.0 / rate.0)
    }
}

/// A plain number that is finite and lies in a closed range; the range is part of the type.
///
/// Used where a scenario takes a bare ratio: `Fraction` (0 to 1) and `Factor` (above 0, at most 1e6).
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Fraction(f64);

impl Fraction {
    /// From a value the caller knows to lie in 0 to 1.
    pub const fn new(value: f64) -> Self {
        Self(value)
    }
    /// The value.
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Fraction {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = f64::deserialize(deserializer)?;
        if (0.0..=1.0).contains(&value) {
            Ok(Self(value))
        } else {
            Err(D::Error::custom(format!("{value} is not a fraction: write a number from 0 to 1")))
        }
    }
}

/// A positive, finite factor.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Factor(f64);

impl Factor {
    /// The neutral factor.
    pub const ONE: Self = Self(1.0);

    /// From a value the caller knows to be positive and finite.
    pub const fn new(value: f64) -> Self {
        Self(value)
    }
    /// The value.
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Factor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = f64::deserialize(deserializer)?;
        if value > 0.0 && value <= 1e6 {
            Ok(Self(value))
        } else {
            Err(D::Error::custom(format!("{value} is not a factor: write a number above 0 and at most 1000000")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_the_spellings_people_write() {
        assert_eq!("3.35 TB/s".parse::<Bandwidth>().map(Bandwidth::get), Ok(3.35e12));
        assert_eq!("30ms".parse::<Seconds>().map(Seconds::get), Ok(0.03));
        assert_eq!("1e3 W".parse::<Watts>().map(Watts::get), Ok(1000.0));
        assert_eq!("1_000 USD".parse::<Usd>().map(Usd::get), Ok(1000.0));
        assert_eq!("80 GiB".parse::<Bytes>().map(Bytes::get), Ok(85_899_345_920.0));
    }

    #[test]
    fn refuses_what_is_no_quantity() {
        for bad in ["", "TB/s", "3.35", "3.35 TB", "-1 TB/s", "nan TB/s", "inf TB/s", "1e999 TB/s", "1 1 TB/s"] {
            assert!(bad.parse::<Bandwidth>().is_err(), "{bad:?} was accepted");
        }
    }

    proptest! {
        #[test]
        fn never_yields_a_value_outside_its_range(text in ".{0,24}") {
            if let Ok(value) = text.parse::<Seconds>() {
                prop_assert!(value.get().is_finite() && value.get() >= 0.0);
            }
        }
    }
}
