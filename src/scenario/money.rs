//! Money as people type it: `$2.49/hr`, `2.49 USD/GPU/h`, `700 EUR/month`, `0.00031 USD/s`.
//!
//! It is in US dollars, or in the one currency whose rate the scenario gives with its date. Whatever is typed, answers
//! are in US dollars.

use super::date::Dated;
use crate::units::{self, Factor, QuantityError};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;
use std::fmt;
use std::ops::Mul;
use std::str::FromStr;

/// A currency by its three letters (ISO 4217), such as `EUR`.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
pub struct Code(String);

const DOLLAR: &str = "USD";

/// Signs that name one currency; those of several (¥, kr) do not.
const SIGNS: [(&str, &str); 3] = [("$", DOLLAR), ("€", "EUR"), ("£", "GBP")];

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let letters = text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase());
        match text.as_str() {
            DOLLAR => Err(serde::de::Error::custom("US dollars need no rate; leave out the currency")),
            _ if letters => Ok(Self(text)),
            _ => Err(serde::de::Error::custom(format!("\"{text}\" is no currency; write three letters such as EUR"))),
        }
    }
}

/// The currency that money may be typed in besides US dollars, and what it was worth.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Currency {
    /// Its three letters, such as `EUR`.
    pub code: Code,
    /// US dollars that one of it was worth.
    pub usd: Factor,
    /// When: year, month or day.
    pub date: Dated,
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1 {} = {} USD of {}", self.code, self.usd.get(), self.date.0)
    }
}

/// A quantity of money, in US dollars or another currency.
#[derive(Debug, Clone, PartialEq)]
pub struct Money<T> {
    /// The number with its unit, as though it were in US dollars.
    amount: T,
    /// The currency it is in; US dollars where absent.
    code: Option<Code>,
    /// As it was typed.
    pub text: String,
}

impl<T: Copy + Mul<f64, Output = T>> Money<T> {
    /// In US dollars, at the rate of the scenario.
    ///
    /// # Errors
    /// Names the currency whose rate is not given, and what to write.
    pub fn usd(&self, currency: Option<&Currency>) -> Result<T, [String; 2]> {
        let Some(code) = &self.code else { return Ok(self.amount) };
        match currency {
            Some(currency) if currency.code == *code => Ok(self.amount * currency.usd.get()),
            Some(currency) => Err([
                format!("\"{}\" is in {code}, and the rate that is given is of {}", self.text, currency.code),
                "a scenario has one currency besides US dollars".to_owned(),
            ]),
            None => Err([
                format!("\"{}\" is in {code}, and what that is in US dollars is not given", self.text),
                format!(
                    "put it at the top of the scenario with its date: currency = {{ code = \"{code}\", usd = 1.08, date = \"2026-08-01\" }}"
                ),
            ]),
        }
    }
}

impl<T: FromStr<Err = QuantityError>> FromStr for Money<T> {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let plain = in_letters(text.trim());
        let (number, unit) = units::split(&plain);
        let unit = of_one_device(unit);
        let code = code(&unit).filter(|code| *code != DOLLAR).map(str::to_owned);
        let unit = code.as_ref().map_or(unit.clone(), |code| unit.replacen(code, DOLLAR, 1));
        let amount = format!("{number} {unit}").trim().parse()?;
        Ok(Self { amount, code: code.map(Code), text: text.trim().to_owned() })
    }
}

/// "$2.49/hr" and "2.49 €/h" with the letters of the currency behind the number.
fn in_letters(text: &str) -> String {
    for (sign, code) in SIGNS {
        if let Some(rest) = text.strip_prefix(sign) {
            let (number, unit) = units::split(rest.trim_start());
            return format!("{number} {code}{unit}");
        }
        if text.contains(sign) {
            return text.replacen(sign, code, 1);
        }
    }
    text.to_owned()
}

/// A price by the hour without the words "per GPU": every price of a device here is of one device.
fn of_one_device(unit: &str) -> String {
    if unit.contains("tok") || unit.contains("Tok") {
        return unit.to_owned();
    }
    ["/GPU-", "/GPU", "/device-", "/device", " per GPU"]
        .iter()
        .fold(unit.to_owned(), |unit, word| unit.replacen(word, if word.ends_with('-') { "/" } else { "" }, 1))
}

/// The three capital letters that a unit of money begins with, behind a prefix of thousands.
fn code(unit: &str) -> Option<&str> {
    let unit = unit.strip_prefix('k').unwrap_or(unit);
    let letters = unit.get(..3)?;
    let ends = !unit[3..].starts_with(|c: char| c.is_ascii_alphanumeric());
    (ends && letters.bytes().all(|b| b.is_ascii_uppercase())).then_some(letters)
}

impl<'de, T: FromStr<Err = QuantityError> + Deserialize<'de>> Deserialize<'de> for Money<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // A bare number is refused by the quantity itself, with the accepted spelling.
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Text(String),
            Whole(i64),
            Number(f64),
        }
        let text = match Written::deserialize(deserializer)? {
            Written::Text(text) => text,
            Written::Whole(number) => number.to_string(),
            Written::Number(number) => number.to_string(),
        };
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl<T: JsonSchema> JsonSchema for Money<T> {
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{Usd, UsdPerHour, UsdPerMtok};

    fn euro(usd: f64) -> Currency {
        Currency { code: Code("EUR".to_owned()), usd: Factor::new(usd), date: Dated("2026-08-01".to_owned()) }
    }

    /// A month is 730.5 hours, a day 24, an hour 3600 seconds.
    #[test]
    fn prices_by_the_hour_are_read_as_people_write_them() {
        for (text, usd) in [
            ("$2.49/hr", 2.49),
            ("2.49 USD/GPU/h", 2.49),
            ("$2.49/GPU-hour", 2.49),
            ("$2.49/hr per GPU", 2.49),
            ("2.49$/h", 2.49),
            ("0.001097 USD/s", 3.9492),
            ("730.5 USD/month", 1.0),
            ("8766 USD/year", 1.0),
            ("$48/day", 2.0),
            ("700 EUR/month", 700.0 * 1.08 / 730.5),
            ("€2/h", 2.16),
        ] {
            let money: Money<UsdPerHour> = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
            let found = money.usd(Some(&euro(1.08))).expect("a rate").get();
            assert!((found - usd).abs() < 1e-9, "{text} is {found}, not {usd}");
        }
        let amount: Money<Usd> = "4 kEUR".parse().expect("an amount");
        assert!((amount.usd(Some(&euro(1.1))).expect("a rate").get() - 4400.0).abs() < 1e-9);
        let token: Money<UsdPerMtok> = "3e-6 USD/token".parse().expect("a price");
        assert!((token.usd(None).expect("dollars").get() - 3.0).abs() < 1e-9);
    }

    #[test]
    fn a_currency_needs_its_rate() {
        let money: Money<UsdPerHour> = "2 EUR/h".parse().expect("a price");
        assert!(money.usd(None).is_err());
        let pounds: Money<UsdPerHour> = "£2/h".parse().expect("a price");
        assert!(pounds.usd(Some(&euro(1.08))).is_err());
    }

    #[test]
    fn what_is_no_price_is_refused() {
        for bad in ["", "2", "$2", "2 EUR", "¥2/h", "2 USD/Mtok", "2 EURO/h", "-1 EUR/h", "2 USD/h/h", "$/h"] {
            assert!(bad.parse::<Money<UsdPerHour>>().is_err(), "{bad:?} was accepted");
        }
        assert!("0.5 USD/Mtok/GPU".parse::<Money<UsdPerMtok>>().is_err());
    }
}
