//! Charts of speed: throughput against what a user sees, the roofline, and the ladder of tuning.

use super::super::table::{Shape, significant};
use super::bars::{Bar, bars};
use super::chart::{Chart, columns, contenders, distinct, kind, number, text};
use super::draw::{Mark, Plane, Series, plane};
use crate::run::{Row, Run};

const LOAD: &[(&str, &str, Shape)] = &[
    ("contender", "contender", Shape::Text),
    ("parallel", "layout", Shape::Text),
    ("devices", "n", Shape::Count),
    ("concurrency", "requests", Shape::Count),
    ("ttft_ms", "TTFT ms", Shape::Number),
    ("tpot_ms", "TPOT ms", Shape::Number),
    ("output_tok_s_per_device", "output tok/s/dev", Shape::Number),
    ("usd_per_mtok_output", "$/Mtok output", Shape::Number),
    ("binding", "binds", Shape::Text),
    ("chosen", "judged by", Shape::Flag),
    ("reason", "why not", Shape::Text),
];

/// Throughput per device against speed per user, over the load.
pub fn load(run: &Run) -> Option<Chart<'_>> {
    let rows = contenders(run);
    if rows.iter().any(|r| r.contains_key("pareto")) {
        return None;
    }
    traded(
        "load",
        "Throughput against what a user sees",
        "Each line is one contender under rising load; dots are the operating points the contenders are judged by.",
        rows,
    )
}

/// The Pareto front of the layout search.
pub fn front(run: &Run) -> Option<Chart<'_>> {
    let rows: Vec<&Row> = run.rows.iter().filter(|r| r.contains_key("pareto")).collect();
    traded(
        "front",
        "The front of all layouts",
        "No other layout of the contender is better both per device and per user; dots are the chosen ones.",
        rows,
    )
}

fn traded<'a>(id: &'static str, title: &str, note: &str, rows: Vec<&'a Row>) -> Option<Chart<'a>> {
    let point = |row: &Row| Some((1e3 / number(row, "tpot_ms")?, number(row, "output_tok_s_per_device")?));
    let mut series = Vec::new();
    for (color, name) in distinct(&rows, "contender").into_iter().enumerate() {
        let own = || rows.iter().filter(|r| text(r, "contender") == name);
        // The chosen layout stands beside its front where cost counts more than tokens.
        let beaten = |r: &&&Row| r.get("pareto").and_then(serde_json::Value::as_bool) == Some(false);
        let mut points: Vec<(f64, f64)> = own().filter(|r| !beaten(r)).filter_map(|r| point(r)).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let chosen = |r: &&&Row| r.get("chosen").and_then(serde_json::Value::as_bool) == Some(true);
        let judged = own().filter(chosen).filter_map(|r| point(r)).collect();
        if !points.is_empty() {
            series.push(Series { name, color, mark: line(color), points });
            series.push(Series { name: String::new(), color, mark: Mark::Dots, points: judged });
        }
    }
    let svg = plane(&Plane {
        id,
        title,
        x: "output tokens/s that one user sees",
        y: "output tokens/s per device",
        log: (true, true),
        series,
        marks: Vec::new(),
    });
    let columns = columns(&rows, LOAD);
    (!svg.is_empty()).then(|| Chart { id, title: title.to_owned(), note: note.to_owned(), svg, columns, rows })
}

/// Lines that may coincide differ in more than colour.
const fn line(index: usize) -> Mark {
    if index.is_multiple_of(2) { Mark::Line } else { Mark::Dashed }
}

/// The colour of measured rungs, apart from those of the first contenders.
const MEASURED: usize = 4;

/// Operations under the roofs of their devices.
pub fn roofline(run: &Run) -> Option<Chart<'_>> {
    let mut rows = kind(run, "roofline");
    rows.extend(kind(run, "rung"));
    let mut series = Vec::new();
    let intensities = || rows.iter().filter_map(|r| number(r, "flop_per_byte"));
    let (low, high) = (intensities().fold(f64::INFINITY, f64::min), intensities().fold(0.0, f64::max));
    for (color, name) in distinct(&rows, "contender").into_iter().enumerate() {
        let own = || rows.iter().filter(|r| text(r, "contender") == name);
        let measured = |r: &&&Row| text(r, "kind") == "rung";
        let Some((flop, byte)) = own().find_map(|r| Some((number(r, "peak_flop_s")?, number(r, "peak_byte_s")?)))
        else {
            continue;
        };
        let roof = |x: f64| (x, (x * byte).min(flop));
        let point = |r: &&Row| Some((number(r, "flop_per_byte")?, number(r, "flop_s")?));
        let points = own().filter(|r| !measured(r)).filter_map(point).collect();
        let rungs: Vec<(f64, f64)> = own().filter(measured).filter_map(point).collect();
        if !rungs.is_empty() {
            let name = format!("{name}: rungs of tuning, measured");
            series.push(Series { name, color: MEASURED, mark: Mark::Dots, points: rungs });
        }
        series.push(Series {
            name,
            color,
            mark: line(color),
            points: vec![roof(low / 2.0), roof(flop / byte), roof((high * 2.0).max(flop / byte * 2.0))],
        });
        series.push(Series { name: String::new(), color, mark: Mark::Dots, points });
    }
    let title = "Operations under the roof".to_owned();
    let svg = plane(&Plane {
        id: "roofline",
        title: &title,
        x: "FLOP per byte of memory traffic",
        y: "FLOP per second",
        log: (true, true),
        series,
        marks: Vec::new(),
    });
    let note = "Each dot is one operation of a decode step or a prompt, launches included; the lines are peak bandwidth and peak 16-bit arithmetic. Operations in 8 or 4 bit may stand above the 16-bit roof.";
    let shown = [
        ("contender", "contender", Shape::Text),
        ("phase", "phase", Shape::Text),
        ("op", "op", Shape::Text),
        ("rung", "rung", Shape::Text),
        ("variant", "variant", Shape::Text),
        ("flop_per_byte", "FLOP/byte", Shape::Number),
        ("flop_s", "FLOP/s", Shape::Big),
        ("share", "share of the step", Shape::Number),
    ];
    let columns = columns(&rows, &shown);
    (!svg.is_empty()).then(|| Chart { id: "roofline", title, note: note.to_owned(), svg, columns, rows })
}

/// What each rung of tuning gains on a measured adapter.
pub fn ladder(run: &Run) -> Option<Chart<'_>> {
    let rows: Vec<&Row> = run.rows.iter().filter(|r| r.contains_key("rung") && r.contains_key("gflops")).collect();
    let lines: Vec<Bar> = rows
        .iter()
        .filter_map(|row| {
            let rate = number(row, "gflops")?;
            let name = [text(row, "kernel"), text(row, "rung"), text(row, "dtype")].join(" ");
            Some(Bar { name, segments: vec![(0.0, rate, 0)], number: significant(rate) })
        })
        .collect();
    let title = format!("The ladder of tuning on {}", text(rows.first()?, "adapter"));
    let svg = bars(&title, "GFLOP/s, measured and verified", &lines, &[]);
    let note = "Every rung is a kernel of its own, timed on this adapter and checked against its CPU twin.";
    let shown = [
        ("rung", "rung", Shape::Text),
        ("variant", "variant", Shape::Text),
        ("m", "m", Shape::Count),
        ("n", "n", Shape::Count),
        ("k", "k", Shape::Count),
        ("gflops", "GFLOP/s", Shape::Number),
        ("gain_over_naive", "x naive", Shape::Number),
        ("verified", "verified", Shape::Flag),
    ];
    let columns = columns(&rows, &shown);
    (!svg.is_empty()).then(|| Chart { id: "ladder", title, note: note.to_owned(), svg, columns, rows })
}
