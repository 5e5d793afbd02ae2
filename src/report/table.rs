//! Which columns a person sees for each command, under which heading, in which scale.
//!
//! Longer than other files: the columns of every command stand in one place.

use super::inert;
use crate::run::Row;
use serde_json::Value;

/// A column of the human table.
#[derive(Debug, Clone)]
pub struct Column {
    /// Field of the row.
    pub field: String,
    /// Heading, unit included.
    pub heading: String,
    /// How its values are written.
    pub shape: Shape,
}

/// How the values of a column are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// As it is.
    Text,
    /// A whole number, thousands apart.
    Count,
    /// Three significant digits.
    Number,
    /// Bytes with a binary prefix.
    Bytes,
    /// A large amount with a decimal prefix (k, M, G, T).
    Big,
    /// Two digits with the band behind it: the row's `FIELD_low` and `FIELD_high`.
    Band,
    /// `yes` or nothing.
    Flag,
}

const COMPARE: &[(&str, &str, Shape)] = &[
    ("contender", "contender", Shape::Text),
    ("device", "device", Shape::Text),
    ("devices", "n", Shape::Count),
    ("parallel", "layout", Shape::Text),
    ("link", "link", Shape::Text),
    ("backend", "backend", Shape::Text),
    ("elsewhere", "elsewhere", Shape::Text),
    ("precision", "precision", Shape::Text),
    ("concurrency", "requests", Shape::Count),
    ("ttft_ms", "TTFT ms", Shape::Band),
    ("tpot_ms", "TPOT ms", Shape::Band),
    ("output_tok_s_per_device", "output tok/s/dev", Shape::Band),
    ("usd_per_mtok_input", "$/Mtok input", Shape::Number),
    ("usd_per_mtok_output", "$/Mtok output", Shape::Band),
    ("usd_per_mtok_total", "$/Mtok total", Shape::Number),
    ("gram_co2_per_mtok_output", "g CO2/Mtok output", Shape::Number),
    ("usd_per_month", "$/month", Shape::Number),
    ("price_basis", "basis", Shape::Text),
    ("price_tier", "tier", Shape::Text),
    ("utilisation", "busy", Shape::Number),
    ("price_date", "price of", Shape::Text),
    ("binding", "binds", Shape::Text),
    ("provenance", "rests on", Shape::Text),
    ("reason", "why not", Shape::Text),
];

const EXPLAIN: &[(&str, &str, Shape)] = &[
    ("contender", "contender", Shape::Text),
    ("phase", "phase", Shape::Text),
    ("op", "op", Shape::Text),
    ("class", "class", Shape::Text),
    ("calls", "calls", Shape::Count),
    ("flop", "FLOP", Shape::Big),
    ("bytes", "bytes", Shape::Big),
    ("time_us", "time us", Shape::Number),
    ("share", "share", Shape::Number),
    ("binding", "binds", Shape::Text),
];

const BREAKEVEN: &[(&str, &str, Shape)] = &[
    ("contender", "contender", Shape::Text),
    ("lever", "lever", Shape::Text),
    ("usd_per_mtok_per_percent", "$/Mtok per 1 %", Shape::Number),
    ("device_hours_per_mtok_per_percent", "device-h/Mtok per 1 %", Shape::Number),
    ("share", "share of the cost", Shape::Number),
    ("saving_at_roof", "saved at the roof", Shape::Number),
    ("tune_first", "tune first", Shape::Flag),
];

const WATERFALL: &[(&str, &str, Shape)] = &[
    ("step", "step", Shape::Text),
    ("usd_per_mtok_before", "$/Mtok before", Shape::Number),
    ("usd_per_mtok_after", "$/Mtok after", Shape::Number),
    ("device_hours_per_mtok_before", "device-h/Mtok before", Shape::Number),
    ("device_hours_per_mtok_after", "device-h/Mtok after", Shape::Number),
    ("ratio", "x", Shape::Number),
    ("concurrency", "requests", Shape::Count),
];

const SIMULATE: &[(&str, &str, Shape)] = &[
    ("contender", "contender", Shape::Text),
    ("device", "device", Shape::Text),
    ("devices", "n", Shape::Count),
    ("concurrency", "users", Shape::Count),
    ("arrival_requests_s", "offered/s", Shape::Number),
    ("throughput_requests_s", "served/s", Shape::Number),
    ("goodput_requests_s", "good/s", Shape::Number),
    ("ttft_ms_p50", "TTFT ms p50", Shape::Number),
    ("ttft_ms_p99", "TTFT p99", Shape::Number),
    ("tpot_ms_p50", "TPOT ms p50", Shape::Number),
    ("tpot_ms_p99", "TPOT p99", Shape::Number),
    ("running_batch", "batch", Shape::Number),
    ("kv_occupancy", "KV used", Shape::Number),
    ("utilisation", "busy", Shape::Number),
    ("prefix_hit", "prefix hits", Shape::Number),
    ("preemptions", "preempted", Shape::Count),
    ("usd_per_mtok_input", "$/Mtok input", Shape::Number),
    ("usd_per_mtok_output", "$/Mtok output", Shape::Number),
    ("price_basis", "basis", Shape::Text),
    ("price_tier", "tier", Shape::Text),
    ("provenance", "rests on", Shape::Text),
    ("reason", "why not", Shape::Text),
];

const POINTS: &[(&str, &str, Shape)] = &[
    ("id", "point", Shape::Text),
    ("model", "model", Shape::Text),
    ("device", "device", Shape::Text),
    ("concurrency", "requests", Shape::Count),
    ("ttft_ms", "TTFT ms", Shape::Number),
    ("pred_ttft_ms", "predicted", Shape::Band),
    ("error_ttft", "error", Shape::Number),
    ("tpot_ms", "TPOT ms", Shape::Number),
    ("pred_tpot_ms", "predicted", Shape::Band),
    ("error_tpot", "error", Shape::Number),
    ("output_tok_s_per_device", "output tok/s/dev", Shape::Number),
    ("pred_output_tok_s_per_device", "predicted", Shape::Band),
    ("error_throughput", "error", Shape::Number),
    ("reason", "why not", Shape::Text),
];

const MODEL: &[(&str, &str, Shape)] = &[
    ("model", "model", Shape::Text),
    ("parameters_total", "parameters", Shape::Big),
    ("parameters_active", "active", Shape::Big),
    ("precision", "precision", Shape::Text),
    ("weight_bytes", "weights", Shape::Bytes),
    ("context_tokens", "context", Shape::Count),
    ("kv_bytes", "KV cache + state", Shape::Bytes),
    ("flop_per_token_prefill", "FLOP/token prefill", Shape::Big),
    ("flop_per_token_decode", "FLOP/token decode", Shape::Big),
];

const BENCH: &[(&str, &str, Shape)] = &[
    ("adapter", "adapter", Shape::Text),
    ("rung", "rung", Shape::Text),
    ("variant", "variant", Shape::Text),
    ("m", "m", Shape::Count),
    ("n", "n", Shape::Count),
    ("k", "k", Shape::Count),
    ("time_s_median", "time s", Shape::Number),
    ("spread", "spread", Shape::Number),
    ("gflops", "GFLOP/s", Shape::Number),
    ("gb_s", "GB/s", Shape::Number),
    ("gain_over_naive", "x naive", Shape::Number),
    ("ceiling", "code allows", Shape::Number),
    ("spills", "spills", Shape::Count),
    ("clock", "clock", Shape::Text),
    ("verified", "verified", Shape::Flag),
];

const LADDER: &[(&str, &str, Shape)] = &[
    ("adapter", "adapter", Shape::Text),
    ("kernel", "kernel", Shape::Text),
    ("dtype", "type", Shape::Text),
    ("rung", "rung", Shape::Text),
    ("shapes", "shapes", Shape::Count),
    ("m", "m", Shape::Count),
    ("n", "n", Shape::Count),
    ("k", "k", Shape::Count),
    ("time_s", "time s", Shape::Number),
    ("gflops", "GFLOP/s", Shape::Number),
    ("gb_s", "GB/s", Shape::Number),
    ("share_of_roof", "of roof", Shape::Number),
    ("ceiling", "code allows", Shape::Number),
    ("spills", "spills", Shape::Count),
    ("gain_over_below", "x below", Shape::Number),
    ("gain_over_naive", "x naive", Shape::Number),
    ("api_tax", "API tax", Shape::Number),
    ("variant", "fastest variant", Shape::Text),
];

const BESIDE: &[(&str, &str, Shape)] = &[
    ("kernel", "kernel", Shape::Text),
    ("dtype", "type", Shape::Text),
    ("m", "m", Shape::Count),
    ("n", "n", Shape::Count),
    ("k", "k", Shape::Count),
    ("adapter", "adapter", Shape::Text),
    ("backend", "backend", Shape::Text),
    ("time_s", "time s", Shape::Band),
    ("gflops", "GFLOP/s", Shape::Number),
    ("gb_s", "GB/s", Shape::Number),
    ("times_reference", "x reference", Shape::Number),
    ("verdict", "verdict", Shape::Text),
    ("variant", "fastest variant", Shape::Text),
];

const SHAPES: &[(&str, &str, Shape)] = &[
    ("op", "matrix", Shape::Text),
    ("batch", "tokens", Shape::Count),
    ("dtype", "type", Shape::Text),
    ("n", "n", Shape::Count),
    ("k", "k", Shape::Count),
    ("experts", "experts", Shape::Count),
    ("calls", "calls", Shape::Count),
    ("pieces", "pieces", Shape::Count),
    ("time_s", "time s", Shape::Number),
    ("spread", "spread", Shape::Number),
    ("gflops", "GFLOP/s", Shape::Number),
    ("gb_s", "GB/s", Shape::Number),
    ("rung", "rung", Shape::Text),
    ("variant", "variant", Shape::Text),
    ("reason", "why not", Shape::Text),
];

const ISA: &[(&str, &str, Shape)] = &[
    ("gpu", "GPU", Shape::Text),
    ("rung", "rung", Shape::Text),
    ("variant", "variant", Shape::Text),
    ("program", "program", Shape::Text),
    ("ceiling", "code allows", Shape::Number),
    ("ceiling_by", "by", Shape::Text),
    ("density", "density", Shape::Number),
    ("registers", "registers", Shape::Count),
    ("spills", "spills", Shape::Count),
    ("resident_subgroups", "resident", Shape::Count),
    ("loop_instructions", "loop", Shape::Count),
    ("loop_matrix", "matrix", Shape::Count),
    ("loop_conversions", "convert", Shape::Count),
    ("workgroup_bytes_per_multiply_add", "B/FMA", Shape::Number),
    ("reason", "why not", Shape::Text),
];

/// The columns a person sees: the command's own list, or every field where it has none or all are asked for.
///
/// A column that no row has a value for is left out.
pub fn columns(command: &str, rows: &[&Row], all: bool) -> Vec<Column> {
    let listed: &[(&str, &str, Shape)] = match command {
        "compare" => COMPARE,
        "explain" => EXPLAIN,
        "breakeven" => BREAKEVEN,
        "waterfall" => WATERFALL,
        "simulate" => SIMULATE,
        "model" => MODEL,
        "bench" if rows.iter().any(|row| kind(row) == Some("beside")) => BESIDE,
        "bench" if rows.iter().any(|row| kind(row) == Some("ladder")) => LADDER,
        "bench" => BENCH,
        "compare-adapters" => BESIDE,
        "bench-shapes" => SHAPES,
        "isa" => ISA,
        "validate" if rows.iter().any(|row| kind(row) == Some("point")) => POINTS,
        _ => &[],
    };
    if all || listed.is_empty() {
        let plain = |field: String| Column { heading: field.clone(), shape: shape_of(&field, rows), field };
        return super::csv::fields(rows.iter().copied()).into_iter().map(plain).collect();
    }
    listed
        .iter()
        .filter(|(field, ..)| rows.iter().any(|row| row.contains_key(*field)))
        .map(|&(field, heading, shape)| Column { field: field.to_owned(), heading: heading.to_owned(), shape })
        .collect()
}

/// The rows that answer: where some are chosen among others, one per contender; else all.
///
/// A contender without a chosen row shows its first, with the reason.
pub fn answering(rows: &[Row]) -> Vec<&Row> {
    let chosen = |row: &Row| row.get("chosen").and_then(Value::as_bool);
    let own = |row: &Row, name: Option<&Value>| row.get("contender") == name;
    if rows.iter().any(|row| kind(row) == Some("answer")) {
        // The sentence is the answer; of what it rests on, a terminal has room for what to tune.
        return rows.iter().filter(|row| kind(row) == Some("sensitivity")).collect();
    }
    // Rows of a kind beside rows of none are what charts are drawn from.
    let plain: Vec<&Row> = rows.iter().filter(|row| !row.contains_key("kind")).collect();
    let rows = if plain.is_empty() { rows.iter().collect() } else { plain };
    // Of a measurement: adapters side by side where there are several, else the ladder, else the single cases.
    if let Some(most) = ["beside", "ladder"].into_iter().find(|k| rows.iter().any(|row| kind(row) == Some(k))) {
        return rows.into_iter().filter(|row| kind(row) == Some(most)).collect();
    }
    if rows.iter().all(|row| chosen(row).is_none()) {
        return rows;
    }
    let mut shown: Vec<&Row> = Vec::new();
    for &row in &rows {
        let name = row.get("contender");
        let better = rows.iter().any(|r| own(r, name) && chosen(r) == Some(true));
        let first = !shown.iter().any(|r| own(r, name));
        if if better { chosen(row) == Some(true) } else { first } {
            shown.push(row);
        }
    }
    shown
}

fn kind(row: &Row) -> Option<&str> {
    row.get("kind").and_then(Value::as_str)
}

fn shape_of(field: &str, rows: &[&Row]) -> Shape {
    match rows.iter().find_map(|row| row.get(field)) {
        Some(Value::Bool(_)) => Shape::Flag,
        Some(Value::Number(n)) if n.is_f64() => Shape::Number,
        Some(Value::Number(_)) => Shape::Count,
        _ => Shape::Text,
    }
}

/// One cell as a person reads it. An absent value is empty.
pub fn cell(row: &Row, column: &Column) -> String {
    let Some(value) = row.get(&column.field) else { return String::new() };
    let number = value.as_f64();
    match (column.shape, number) {
        (Shape::Count, Some(n)) => thousands(n),
        (Shape::Number, Some(n)) => significant(n),
        (Shape::Band, Some(n)) => {
            let end = |name: &str| row.get(&format!("{}_{name}", column.field)).and_then(Value::as_f64);
            match (end("low"), end("high")) {
                (Some(low), Some(high)) => format!("{} ({}-{})", digits(n, 2.0), digits(low, 2.0), digits(high, 2.0)),
                _ => significant(n),
            }
        }
        (Shape::Bytes, Some(n)) => bytes(n),
        (Shape::Big, Some(n)) => big(n),
        (Shape::Flag, _) => if value.as_bool() == Some(true) { "yes" } else { "no" }.to_owned(),
        _ => match value {
            Value::String(text) => inert::text(text),
            other => other.to_string(),
        },
    }
}

/// Three significant digits, without an exponent between 0.0001 and a million.
pub fn significant(n: f64) -> String {
    digits(n, 3.0)
}

/// So many significant digits.
fn digits(n: f64, count: f64) -> String {
    if n == 0.0 {
        return "0".to_owned();
    }
    let magnitude = n.abs().log10().floor();
    // What rounds up to the next power of ten has a digit more before the point.
    let magnitude = if (n.abs() / 10f64.powf(magnitude - (count - 1.0))).round() >= 10f64.powf(count) {
        magnitude + 1.0
    } else {
        magnitude
    };
    if !(-5.0..15.0).contains(&magnitude) {
        return format!("{n:.*e}", (count - 1.0) as usize);
    }
    if magnitude >= count - 1.0 {
        let unit = 10f64.powf(magnitude - (count - 1.0));
        return thousands((n / unit).round() * unit);
    }
    format!("{n:.*}", (count - 1.0 - magnitude) as usize)
}

fn thousands(n: f64) -> String {
    let digits = format!("{:.0}", n.abs());
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    if n < 0.0 { format!("-{out}") } else { out }
}

fn bytes(n: f64) -> String {
    prefixed(n, 1024.0, &["B", "KiB", "MiB", "GiB", "TiB"])
}

fn big(n: f64) -> String {
    prefixed(n, 1000.0, &["", "k", "M", "G", "T", "P", "E"])
}

fn prefixed(n: f64, base: f64, prefixes: &[&str]) -> String {
    let mut value = n;
    let mut at = 0;
    while value.abs() >= base && at + 1 < prefixes.len() {
        value /= base;
        at += 1;
    }
    format!("{} {}", significant(value), prefixes[at]).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_and_no_false_precision() {
        assert_eq!(significant(0.012_345), "0.0123");
        assert_eq!(significant(1.0), "1.00");
        assert_eq!(significant(0.9997), "1.00");
        assert_eq!(significant(99.96), "100");
        assert_eq!(significant(45.67), "45.7");
        assert_eq!(significant(1_234.5), "1,230");
        assert_eq!(significant(1_234_567.0), "1,230,000");
        assert_eq!(bytes(85_899_345_920.0), "80.0 GiB");
        assert_eq!(big(8.03e9), "8.03 G");
    }
}
