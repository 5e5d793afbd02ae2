//! An axis: one value, a list, or a range, as lists and ranges are written everywhere in this program.
//!
//! `8`, `1,2,4`, `16-256*2` (geometric), `0-100+20` (arithmetic); parts may be mixed: `1,4-64*4`.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

/// Most values of one axis; a longer one is a typing error.
const MOST: usize = 10_000;

/// Values of an axis of counts, in the order given, each at least 1.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(with = "String")]
pub struct Axis(pub Vec<u64>);

/// Expands a list of values and ranges. The error says which part is wrong and how a range is written.
pub fn expand(text: &str) -> Result<Vec<f64>, String> {
    let mut values = Vec::new();
    for part in text.split(',') {
        push_part(part.trim(), &mut values)?;
        if values.len() > MOST {
            return Err(format!("\"{text}\" has more than {MOST} values"));
        }
    }
    Ok(values)
}

fn push_part(part: &str, values: &mut Vec<f64>) -> Result<(), String> {
    let wrong =
        || format!("\"{part}\" is neither a number nor a range; write 8, \"1,2,4\", \"16-256*2\" or \"0.2-0.9+0.1\"");
    let number = |text: &str| text.trim().parse::<f64>().ok().filter(|v| v.is_finite() && *v >= 0.0).ok_or_else(wrong);
    let Some((from, rest)) = part.split_once('-') else {
        values.push(number(part)?);
        return Ok(());
    };
    let (to, factor, geometric) = match (rest.split_once('*'), rest.split_once('+')) {
        (Some((to, by)), None) => (to, by, true),
        (None, Some((to, by))) => (to, by, false),
        _ => return Err(wrong()),
    };
    let (from, to, by) = (number(from)?, number(to)?, number(factor)?);
    let never_ends = if geometric { by <= 1.0 || from <= 0.0 } else { by <= 0.0 };
    if never_ends || to < from {
        return Err(format!(
            "the range \"{part}\" never ends or is empty; it runs from the smaller to the larger value"
        ));
    }
    // A relative slack keeps 0.9 in "0.2-0.9+0.1" in spite of rounding.
    let slack = to * (1.0 + 1e-9);
    let mut at = from;
    for index in 0..=MOST as u32 {
        if at > slack {
            break;
        }
        values.push(at);
        at = if geometric { from * by.powi(index as i32 + 1) } else { from + by * f64::from(index + 1) };
    }
    Ok(())
}

impl Axis {
    /// Reads an axis of counts from text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut values = expand(text)?;
        if text.contains('*') {
            // A geometric range with a factor such as 1.25 meets no whole numbers: the nearest ones are meant.
            values.iter_mut().for_each(|value| *value = value.round());
            values.dedup();
        }
        let counts = values.into_iter().map(|value| {
            if value.fract() == 0.0 && (1.0..=1e9).contains(&value) {
                Ok(value as u64)
            } else {
                Err(format!("{value} is out of range: give whole numbers from 1 to 1000000000"))
            }
        });
        counts.collect::<Result<_, _>>().map(Self)
    }
}

impl<'de> Deserialize<'de> for Axis {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "a concurrency is a number, a list of numbers, or a range such as \"16-256*2\"")]
        enum Written {
            One(i64),
            Many(Vec<i64>),
            Text(String),
        }
        let text = match Written::deserialize(deserializer)? {
            Written::One(value) => value.to_string(),
            Written::Many(values) if values.is_empty() => {
                return Err(serde::de::Error::custom("the list is empty; give at least one concurrency"));
            }
            Written::Many(values) => values.iter().map(i64::to_string).collect::<Vec<_>>().join(","),
            Written::Text(text) => text,
        };
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expands_lists_and_ranges() {
        assert_eq!(expand("8"), Ok(vec![8.0]));
        assert_eq!(expand("1,2, 4"), Ok(vec![1.0, 2.0, 4.0]));
        assert_eq!(expand("16-256*2").map(|v| v.len()), Ok(5));
        assert_eq!(expand("0.2-0.9+0.1").map(|v| v.len()), Ok(8));
        assert_eq!(Axis::parse("1,4-64*4"), Ok(Axis(vec![1, 4, 16, 64])));
    }

    #[test]
    fn refuses_ranges_without_end_and_other_text() {
        for bad in ["", "1-", "1-8", "8-1*2", "1-8*1", "0-8*2", "1-8+0", "nan", "-3", "1-8*2+1", "0-1e9+1e-9"] {
            assert!(expand(bad).is_err(), "{bad:?} was accepted");
        }
    }
}
