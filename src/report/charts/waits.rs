//! Charts of one run in time: how the times of its requests are spread, and what its engines did when.

use super::super::table::Shape;
use super::chart::{Chart, columns, kind, number, text};
use super::draw::{Mark, Plane, REFERENCE, Series, plane, short};
use crate::run::{Row, Run};

/// A quantity of rows of one kind, drawn over another.
struct Shown {
    id: &'static str,
    title: &'static str,
    note: &'static str,
    kind: &'static str,
    x: (&'static str, &'static str),
    y: (&'static str, &'static str),
    log_x: bool,
}

/// How times are spread over requests: to the first token, per further token, and to the last.
pub fn distributions(run: &Run) -> Vec<Chart<'_>> {
    let note = "So large a share of the requests took no longer. Each line is one contender at the load beside its \
        name: the highest of those simulated that it serves within the targets, else the lowest.";
    let spread = |id, title, x| Shown {
        id,
        title,
        note,
        kind: "distribution",
        x,
        y: ("share", "share of the requests"),
        log_x: true,
    };
    [
        spread("ttft", "Time to the first token, over the requests", ("ttft_ms", "time to the first token (ms)")),
        spread("tpot", "Time per further token, over the requests", ("tpot_ms", "time per further token (ms)")),
        spread("e2e", "Time to the last token, over the requests", ("e2e_ms", "time to the last token (ms)")),
    ]
    .into_iter()
    .filter_map(|shown| chart(run, &shown))
    .collect()
}

/// What went on over the run: batch, queue and cache.
pub fn timelines(run: &Run) -> Vec<Chart<'_>> {
    let over = |id, title, note, y| Shown {
        id,
        title,
        note,
        kind: "timeline",
        x: ("time_s", "time from the first arrival (s)"),
        y,
        log_x: false,
    };
    [
        over(
            "batch",
            "Batch size over time",
            "Means over equal pieces of the run, idle time included.",
            ("batch", "sequences that decode on one engine"),
        ),
        over(
            "kv",
            "KV cache in use over time",
            "Where it comes near 1, requests wait for memory or are preempted.",
            ("kv_occupancy", "share of the KV cache in use"),
        ),
        over(
            "queue",
            "Requests that wait, over time",
            "A queue that grows to the end of the arrivals says that more arrives than is served.",
            ("queue_requests", "requests that wait for admission"),
        ),
    ]
    .into_iter()
    .filter_map(|shown| chart(run, &shown))
    .collect()
}

fn chart<'a>(run: &'a Run, shown: &Shown) -> Option<Chart<'a>> {
    let ((x, x_name), (y, y_name)) = (shown.x, shown.y);
    let mut rows = kind(run, shown.kind);
    // Past capacity there is no time to the first token: such a run has no line and no rows in this table.
    rows.retain(|row| row.contains_key(x) && row.contains_key(y));
    let point = |row: &&Row| Some((number(row, x)?, number(row, y)?));
    let mut series: Vec<Series> = runs(&rows)
        .into_iter()
        .enumerate()
        .map(|(color, name)| {
            let points = rows.iter().filter(|r| of(r) == name).filter_map(point).collect();
            Series { name, color, mark: Mark::Line, points }
        })
        .collect();
    if let Some(target) = target(run, x) {
        let name = format!("target: {} ms", short(target));
        series.push(Series { name, color: REFERENCE, mark: Mark::Dashed, points: vec![(target, 0.0), (target, 1.0)] });
    }
    let drawing = Plane {
        id: shown.id,
        title: shown.title,
        x: x_name,
        y: y_name,
        log: (shown.log_x, false),
        series,
        marks: Vec::new(),
    };
    let svg = if rows.is_empty() { String::new() } else { plane(&drawing) };
    let all = [
        ("contender", "contender", Shape::Text),
        ("arrival_requests_s", "offered/s", Shape::Number),
        ("concurrency", "users", Shape::Count),
        (x, x_name, Shape::Number),
        (y, y_name, Shape::Number),
    ];
    let columns = columns(&rows, &all);
    (!svg.is_empty()).then(|| Chart {
        id: shown.id,
        title: shown.title.to_owned(),
        note: shown.note.to_owned(),
        svg,
        columns,
        rows,
    })
}

/// The target that a time has in this run.
fn target(run: &Run, field: &str) -> Option<f64> {
    run.rows.iter().find_map(|row| number(row, &format!("{field}_target")))
}

/// The contender of a row and its load, as a legend names them.
pub fn of(row: &Row) -> String {
    let name = text(row, "contender");
    match (number(row, "concurrency"), number(row, "arrival_requests_s")) {
        (Some(users), _) => format!("{name}, {users} users"),
        (_, Some(rate)) => format!("{name} at {}/s", short(rate)),
        _ => name,
    }
}

/// Contenders with their loads, in order of first appearance.
fn runs(rows: &[&Row]) -> Vec<String> {
    let mut seen = Vec::new();
    for name in rows.iter().map(|row| of(row)) {
        if !seen.contains(&name) {
            seen.push(name);
        }
    }
    seen
}
