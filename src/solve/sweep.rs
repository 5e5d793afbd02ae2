//! Any fields of a scenario as axes: every combination answered, in the order the axes were given.

use super::compare::compare;
use super::row::CompareRow;
use crate::estimate::Calibration;
use crate::scenario::{Plan, axis};

/// Most combinations of one sweep; more is a typing error.
const MOST: usize = 1_000_000;

/// A field and the values it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweepAxis {
    /// The path, as `--set` names it.
    pub path: String,
    /// Values as they are typed into the scenario.
    pub values: Vec<String>,
}

impl SweepAxis {
    /// Reads `path=list`: numbers and ranges where every part is one, else names separated by commas.
    ///
    /// # Errors
    /// Says how an axis is written.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (path, list) = text
            .split_once('=')
            .filter(|(path, list)| !path.trim().is_empty() && !list.trim().is_empty())
            .ok_or_else(|| format!("--axis {text}: write --axis contender.weaker.count=16-128*2"))?;
        let (list, unit) = unit(list.trim());
        let values = match axis::expand(list) {
            Ok(numbers) => numbers.iter().map(|n| format!("{}{unit}", tidy(*n))).collect(),
            Err(why) if list.contains(['*', '+']) => return Err(format!("--axis {path}: {why}")),
            Err(_) => format!("{list}{unit}").split(',').map(|v| v.trim().to_owned()).collect(),
        };
        Ok(Self { path: path.trim().to_owned(), values })
    }
}

/// A unit that follows the whole list, such as ` USD/h` of `1-4+0.5 USD/h`.
fn unit(list: &str) -> (&str, &str) {
    match list.find(' ') {
        Some(at) if list[..at].chars().all(|c| c.is_ascii_digit() || "-,.*+".contains(c)) => list.split_at(at),
        _ => (list, ""),
    }
}

/// A number without the dust of its range's arithmetic.
fn tidy(value: f64) -> f64 {
    (value * 1e9).round() / 1e9
}

/// Every combination as `path=value` edits, the last axis fastest.
///
/// # Errors
/// When there are more than a million.
pub fn combinations(axes: &[SweepAxis]) -> Result<Vec<Vec<String>>, String> {
    let total = axes.iter().try_fold(1usize, |n, axis| n.checked_mul(axis.values.len()).filter(|n| *n <= MOST));
    if total.is_none() {
        return Err(format!("the axes have more than {MOST} combinations"));
    }
    let mut all: Vec<Vec<String>> = vec![Vec::new()];
    for axis in axes {
        all = all
            .iter()
            .flat_map(|edits| {
                axis.values.iter().map(|value| {
                    let mut edits = edits.clone();
                    edits.push(format!("{}={value}", axis.path));
                    edits
                })
            })
            .collect();
    }
    Ok(all)
}

/// The row each contender is judged by; its first, with the reason, where none meets the targets.
///
/// # Errors
/// When a data sheet lacks a number that a contender's layout needs.
pub fn point(plan: &Plan, calibration: &Calibration) -> Result<Vec<CompareRow>, crate::estimate::Unanswerable> {
    let rows = compare(plan, calibration)?.rows;
    let of = |name: &str| {
        let own = || rows.iter().filter(|r| r.contender == name);
        own().find(|r| r.chosen).or_else(|| own().next()).cloned()
    };
    Ok(plan.contenders.iter().filter_map(|c| of(&c.name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<String> {
        SweepAxis::parse(text).map(|a| a.values).unwrap_or_default()
    }

    #[test]
    fn axes_are_numbers_ranges_quantities_or_names() {
        assert_eq!(values("a.count=8-32*2"), ["8", "16", "32"]);
        assert_eq!(values("a.speed=0.2-0.4+0.1"), ["0.2", "0.3", "0.4"]);
        assert_eq!(values("a.price=1-2+0.5 USD/h"), ["1 USD/h", "1.5 USD/h", "2 USD/h"]);
        assert_eq!(values("model.precision=fp8,bf16"), ["fp8", "bf16"]);
        for bad in ["count", "=1", "a=", "a=8-1*2"] {
            assert!(SweepAxis::parse(bad).is_err(), "{bad} was accepted");
        }
    }

    #[test]
    fn combinations_are_in_order_and_bounded() {
        let axis = |text: &str| SweepAxis::parse(text).unwrap_or(SweepAxis { path: String::new(), values: Vec::new() });
        let all = combinations(&[axis("a=1,2"), axis("b=x,y")]).unwrap_or_default();
        assert_eq!(all.iter().map(|e| e.join(" ")).collect::<Vec<_>>(), ["a=1 b=x", "a=1 b=y", "a=2 b=x", "a=2 b=y"]);
        let long = axis("a=1-2000+1");
        assert!(combinations(&[long.clone(), long]).is_err());
    }
}
