//! The date of a price as it is typed: a year, a month or a day that exists and is not far ahead.

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

/// A date as it is typed: `"2026-08"`, `2026-08-15` with or without quotes, or `2026`. Whether it is one is checked where
/// the day that counts as now is known.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(with = "String")]
pub struct Dated(pub String);

impl<'de> Deserialize<'de> for Dated {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "a date is 2026, \"2026-08\" or 2026-08-31")]
        enum Written {
            Text(String),
            Year(i64),
            Day(toml::value::Datetime),
        }
        Ok(Self(match Written::deserialize(deserializer)? {
            Written::Text(text) => text,
            Written::Year(year) => year.to_string(),
            Written::Day(day) => day.to_string(),
        }))
    }
}

/// What is accepted.
pub const ACCEPTED: &str = "write 2026, 2026-08 or 2026-08-31";

/// Why a text is no date of a price; prices of next year may be known, later ones are not. `today` is the day that counts
/// as now.
pub fn refused(text: &str, today: Date) -> Option<String> {
    let parts: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    let digits = parts.iter().all(|part| part.bytes().all(|b| b.is_ascii_digit()));
    if !digits || !matches!(lengths.as_slice(), [4] | [4, 2] | [4, 2, 2]) {
        return Some(format!("\"{text}\" is not a date"));
    }
    let number = |at: usize| parts.get(at).map_or(Some(1), |part| part.parse::<i8>().ok());
    let year: Option<i16> = parts[0].parse().ok();
    let day = year.zip(number(1)).zip(number(2)).and_then(|((y, m), d)| Date::new(y, m, d).ok());
    match day {
        None => Some(format!("\"{text}\" is no day of the calendar")),
        Some(day) if day.year() > today.year() + 1 => {
            Some(format!("\"{text}\" lies ahead: today is {today}, and no price is known beyond next year"))
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_that_exist_and_are_not_far_ahead_are_dates() {
        let today = jiff::civil::date(2026, 11, 27);
        for good in ["2026", "2027", "2025-02", "2026-08-31", "2024-02-29", "2027-12-31"] {
            assert_eq!(refused(good, today), None, "{good}");
        }
        let bad = [
            "",
            "yesterday",
            "26",
            "2026-8",
            "2026-13",
            "2026-00",
            "2026-02-30",
            "2025-02-29",
            "9999-99",
            "2026-08-31-1",
            "2028",
            "2028-01",
            "9999-12-31",
            "2026-",
            "-2026",
            "2026-08-",
            "２０２６",
        ];
        for bad in bad {
            assert!(refused(bad, today).is_some(), "{bad}");
        }
    }
}
