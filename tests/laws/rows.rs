//! What holds inside one row: parts sum, bands contain, numbers are numbers, bytes are the same again.

use super::case::Case;
use super::check::Check;
use serde_json::Value;
use std::path::Path;
use underdog::catalog::Catalog;
use underdog::scenario::Busy;
use underdog::setup::Engine;
use underdog::solve::CompareRow;

const TOLERANCE: f64 = 0.01;
const EXACT: f64 = 1e-9;
/// No time of a row is longer, s.
const LONGEST: f64 = 1e7;

/// Money of input and output tokens sums to what the devices cost, and to the total.
pub fn money(case: &Case) -> Check {
    let mut check = Check::default();
    for row in case.numbered() {
        let parts = [row.usd_per_mtok_input, row.usd_per_mtok_output, row.usd_per_mtok_total];
        let ([Some(input), Some(output), Some(total)], Some(price)) = (parts, row.usd_per_device_hour) else {
            continue;
        };
        sums(&mut check, row, [input, output, total], price, "USD");
        let all = row.usd_per_mtok_output_all.unwrap_or(f64::NAN);
        let flow = flows(row);
        check.equal(all * flow[1], price * 1e6 / 3600.0, TOLERANCE, || "USD per hour from output_all".to_owned());
    }
    check
}

/// The same for device-hours.
pub fn device_hours(case: &Case) -> Check {
    let mut check = Check::default();
    for row in case.numbered() {
        let parts = [row.device_hours_per_mtok_input, row.device_hours_per_mtok_output, row.device_hours_per_mtok];
        let [Some(input), Some(output), Some(total)] = parts else { continue };
        sums(&mut check, row, [input, output, total], 1.0, "device-hours");
    }
    check
}

/// Input and output tokens per second and device.
fn flows(row: &CompareRow) -> [f64; 2] {
    [row.input_tok_s_per_device.unwrap_or(f64::NAN), row.output_tok_s_per_device.unwrap_or(f64::NAN)]
}

fn sums(check: &mut Check, row: &CompareRow, [input, output, total]: [f64; 3], price: f64, unit: &str) {
    let [read, written] = flows(row);
    let parts = input * read + output * written;
    let users = row.concurrency;
    check.equal(parts, price * 1e6 / 3600.0, TOLERANCE, || format!("{unit} per hour of all parts at {users} users"));
    check.equal(parts, total * (read + written), TOLERANCE, || format!("{unit}: parts against total at {users} users"));
}

/// What is paid in an hour of work is what is paid around the clock over the share of hours with work, and the
/// electricity of that hour.
pub fn an_hour_of_work(case: &Case) -> Check {
    let mut check = Check::default();
    let Some(parts) = case.price.parts else { return check };
    for row in case.numbered() {
        let (Some(hour), Some(devices)) = (row.usd_per_device_hour, row.devices) else { continue };
        let busy = row.utilisation.unwrap_or(1.0);
        check.holds(busy > 0.0 && busy <= 1.0, || format!("busy {busy} of the time at {} users", row.concurrency));
        let standing = parts.standing + case.price.people / devices as f64;
        let paid = standing + busy * parts.kilowatts * parts.tariff;
        check.equal(hour * busy, paid, EXACT, || format!("USD per hour around the clock at {} users", row.concurrency));
    }
    check
}

/// A day of the requests that come costs what the devices cost in a day.
pub fn a_day(case: &Case) -> Check {
    let mut check = Check::default();
    // A share that is given is of the hours that are paid, which need not be all.
    if !matches!(case.price.busy, Busy::Rate(_)) {
        return check;
    }
    for row in case.numbered() {
        let (Some(day), Some(hour), Some(devices)) = (row.usd_per_day, row.usd_per_device_hour, row.devices) else {
            continue;
        };
        let busy = row.utilisation.unwrap_or(1.0);
        let paid = 24.0 * hour * busy * devices as f64;
        check.equal(day, paid, TOLERANCE, || format!("USD a day at {} users", row.concurrency));
        let month = row.usd_per_month.unwrap_or(f64::NAN);
        check.equal(month, day * 730.5 / 24.0, EXACT, || format!("USD a month at {} users", row.concurrency));
    }
    check
}

/// Twice the price is twice every cost, and nothing else.
pub fn twice_the_price(case: &Case) -> Check {
    let mut check = Check::default();
    let twice = case.with(|c| c.price = super::monotone::times(&c.price, 2.0));
    for (row, dear) in case.rows.iter().zip(&twice.rows) {
        for (name, was, is) in differing(row, dear) {
            let (was, is) = (was.as_f64().unwrap_or(f64::NAN), is.as_f64().unwrap_or(f64::NAN));
            check.holds(name.starts_with("usd_"), || format!("{name} depends on the price: {was} and {is}"));
            check.equal(is, 2.0 * was, EXACT, || format!("{name} at twice the price"));
        }
    }
    check
}

fn json(row: &CompareRow) -> Value {
    serde_json::to_value(row).expect("JSON")
}

/// Fields that two rows have different values of.
fn differing(one: &CompareRow, other: &CompareRow) -> Vec<(String, Value, Value)> {
    let (one, other) = (json(one), json(other));
    let (Value::Object(one), Value::Object(other)) = (one, other) else { return Vec::new() };
    let value = |all: &serde_json::Map<String, Value>, key: &str| all.get(key).cloned().unwrap_or(Value::Null);
    let keys = one.keys().chain(other.keys().filter(|k| !one.contains_key(*k)));
    keys.map(|k| (k.clone(), value(&one, k), value(&other, k))).filter(|(_, a, b)| a != b).collect()
}

/// Ends of a band stand on both sides of the value.
pub fn bands(case: &Case) -> Check {
    let mut check = Check::default();
    for row in &case.rows {
        let Value::Object(fields) = json(row) else { continue };
        let number = |name: &str| fields.get(name).and_then(Value::as_f64);
        for name in fields.keys().filter_map(|k| k.strip_suffix("_low")) {
            let all = [number(&format!("{name}_low")), number(name), number(&format!("{name}_high"))];
            let [Some(low), Some(value), Some(high)] = all else {
                check.holds(false, || format!("{name} has a lower end and lacks value or upper end: {all:?}"));
                continue;
            };
            check.holds(low <= value && value <= high, || format!("{name}: {value} is not in {low} to {high}"));
        }
    }
    check
}

/// Numbers are finite, none is negative, times end.
pub fn numbers(case: &Case) -> Check {
    let mut check = Check::default();
    for row in &case.rows {
        let Value::Object(fields) = json(row) else { continue };
        for (name, value) in &fields {
            check.holds(!value.is_null(), || format!("{name} is no finite number at {} users", row.concurrency));
            if let Some(number) = value.as_f64() {
                check.holds(number >= 0.0, || format!("{name} = {number} at {} users", row.concurrency));
            }
        }
        for (name, ms) in [("ttft_ms", row.ttft_ms), ("tpot_ms", row.tpot_ms)] {
            let good = ms.is_none_or(|ms| ms <= LONGEST * 1e3);
            check.holds(good, || format!("{name} = {ms:?} at {} users", row.concurrency));
        }
        for (name, number) in [("running_batch", row.running_batch), ("throughput", row.output_tok_s_per_device)] {
            check.holds(number != Some(0.0), || format!("{name} is 0 at {} users", row.concurrency));
        }
    }
    check
}

/// A saturated row has no time to the first token, one that does not fit has no numbers at all.
pub fn absent(case: &Case) -> Check {
    let mut check = Check::default();
    for row in &case.rows {
        let users = row.concurrency;
        if row.saturated == Some(true) {
            check.holds(row.ttft_ms.is_none(), || format!("a saturated row has a TTFT at {users} users"));
        }
        if row.saturated == Some(false) {
            check.holds(row.ttft_ms.is_some(), || format!("a row below saturation has no TTFT at {users} users"));
        }
        if row.fits == Some(false) {
            let numbers = [row.ttft_ms, row.tpot_ms, row.output_tok_s_per_device, row.device_hours_per_mtok];
            check.holds(numbers.iter().all(Option::is_none), || format!("what does not fit has numbers: {numbers:?}"));
            check.holds(row.reason.is_some(), || "what does not fit has no reason".to_owned());
        }
    }
    check
}

/// A row that is written and read again is the same, and so is one that is computed again.
pub fn again(case: &Case, folder: &Path, catalog: &Catalog) -> Check {
    let mut check = Check::default();
    let again = case.again(folder, catalog).unwrap_or_default();
    check.holds(again.len() == case.rows.len(), || "there are other rows".to_owned());
    for (row, second) in case.rows.iter().zip(&again) {
        let (text, other) = (json(row).to_string(), json(second).to_string());
        check.holds(text == other, || format!("computed again it is {other}, not {text}"));
        let read: Value = serde_json::from_str(&text).expect("JSON");
        check.holds(same(&read, &json(row)), || format!("read again it is {read}, not {text}"));
    }
    check
}

/// Equal but for the last digit of numbers, which the reader may round.
fn same(one: &Value, other: &Value) -> bool {
    let (Value::Object(one), Value::Object(other)) = (one, other) else { return false };
    let close = |a: &Value, b: &Value| match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => (a - b).abs() <= 1e-14 * b.abs(),
        _ => a == b,
    };
    one.len() == other.len() && one.iter().zip(other).all(|((k, a), (l, b))| k == l && close(a, b))
}

/// Rows that a tile of a matrix kernel computes anyway: a prompt no longer rides along for nothing.
const TILE: f64 = 16.0;

/// Both kinds of tokens cost something.
pub fn nothing_is_free(case: &Case) -> Check {
    let mut check = Check::default();
    // Under a roof prompts ride for nothing on a step that waits for memory.
    if case.input() * (1.0 - case.workload.prefix_hit) <= TILE || case.setup.engine == Engine::Ideal {
        return check;
    }
    for row in case.numbered() {
        let parts = [("input", row.device_hours_per_mtok_input), ("output", row.device_hours_per_mtok_output)];
        for (name, hours) in parts {
            let good = hours.is_some_and(|hours| hours > 0.0);
            check.holds(good, || format!("device_hours_per_mtok_{name} = {hours:?} at {} users", row.concurrency));
        }
    }
    check
}
