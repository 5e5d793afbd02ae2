//! `--require 'weaker.usd_per_mtok_output < stronger.usd_per_mtok_output'`: a condition on the rows that were chosen,
//! or on all where there is no choice.
//!
//! Either side is a number or `contender.field`. A field that does not exist leaves the condition unmet, with the
//! reason: a missing number never passes a check.

use super::failure::Failure;
use crate::run::Row;
use serde_json::Value;

const OPERATORS: [&str; 4] = ["<=", ">=", "<", ">"];

/// Checks conditions against the chosen rows; against the only row of a contender where none is marked.
///
/// # Errors
/// `Usage` for a condition that cannot be read, `Unmet` with all that do not hold.
pub fn check(conditions: &[String], rows: &[Row]) -> Result<(), Failure> {
    let mut unmet = Vec::new();
    for condition in conditions {
        if let Some(why) = evaluate(condition, rows)? {
            unmet.push(why);
        }
    }
    if unmet.is_empty() { Ok(()) } else { Err(Failure::Unmet(unmet)) }
}

/// `None` where the condition holds, else why it does not.
fn evaluate(condition: &str, rows: &[Row]) -> Result<Option<String>, Failure> {
    let unreadable = || {
        Failure::Usage(format!(
            "--require '{condition}' is no condition; write 'weaker.tpot_ms < 50' or 'a.usd_per_mtok_output <= b.usd_per_mtok_output'"
        ))
    };
    let (operator, (left, right)) = OPERATORS
        .iter()
        .find_map(|operator| Some((*operator, condition.split_once(operator)?)))
        .ok_or_else(unreadable)?;
    let sides = (value(left.trim(), rows), value(right.trim(), rows));
    let (a, b) = match sides {
        (Ok(a), Ok(b)) => (a, b),
        (Err(Missing::Unreadable), _) | (_, Err(Missing::Unreadable)) => return Err(unreadable()),
        (Err(Missing::Absent(why)), _) | (_, Err(Missing::Absent(why))) => {
            return Ok(Some(format!("{condition} ({why})")));
        }
    };
    let holds = match operator {
        "<=" => a <= b,
        ">=" => a >= b,
        "<" => a < b,
        _ => a > b,
    };
    Ok((!holds).then(|| format!("{condition} ({a} and {b})")))
}

enum Missing {
    Unreadable,
    Absent(String),
}

fn value(side: &str, rows: &[Row]) -> Result<f64, Missing> {
    if let Ok(number) = side.parse::<f64>() {
        return if number.is_finite() { Ok(number) } else { Err(Missing::Unreadable) };
    }
    let (name, field) = side.rsplit_once('.').ok_or(Missing::Unreadable)?;
    let own = |row: &&Row| row.get("contender").and_then(Value::as_str) == Some(name);
    let choice = rows.iter().any(|row| row.contains_key("chosen"));
    let chosen = |row: &&Row| !choice || row.get("chosen").and_then(Value::as_bool) == Some(true);
    if !rows.iter().any(|row| own(&row)) {
        return Err(Missing::Absent(format!("there is no contender {name}")));
    }
    let row =
        rows.iter().find(|r| own(r) && chosen(r)).ok_or_else(|| Missing::Absent(format!("{name} meets no target")))?;
    row.get(field).and_then(Value::as_f64).ok_or_else(|| Missing::Absent(format!("{name} has no {field}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rows() -> Vec<Row> {
        let row = |value: Value| value.as_object().cloned().unwrap_or_default();
        vec![
            row(json!({ "contender": "a", "chosen": true, "tpot_ms": 20.0 })),
            row(json!({ "contender": "b", "chosen": true, "tpot_ms": 30.0 })),
            row(json!({ "contender": "c", "chosen": false, "tpot_ms": 1.0 })),
        ]
    }

    #[test]
    fn conditions_hold_or_say_why_not() {
        let holds = |condition: &str| check(&[condition.to_owned()], &rows()).is_ok();
        assert!(holds("a.tpot_ms < b.tpot_ms") && holds("a.tpot_ms<=20") && holds("25 > a.tpot_ms"));
        assert!(
            !holds("a.tpot_ms > b.tpot_ms")
                && !holds("a.ttft_ms < 5")
                && !holds("c.tpot_ms < 5")
                && !holds("d.tpot_ms < 5")
        );
    }

    #[test]
    fn unreadable_conditions_are_usage_errors() {
        for bad in ["", "a.tpot_ms", "a < ", "nan < 3", "a.tpot_ms = 3"] {
            assert!(matches!(check(&[bad.to_owned()], &rows()), Err(Failure::Usage(_))), "{bad}");
        }
    }
}
