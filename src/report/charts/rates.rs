//! Charts of simulated contenders over the load: percentiles, goodput, and what a token costs against a full engine.

use super::super::table::{Shape, significant};
use super::bars::{Bar, bars};
use super::chart::{Chart, columns, distinct, money_field, number, text};
use super::draw::{Mark, Plane, REFERENCE, Series, plane, short};
use super::waits::of;
use crate::run::{Row, Run};

/// Percentiles of a time, the slowest last, each with its line.
const PERCENTILES: [(&str, Mark); 3] = [("p50", Mark::Dotted), ("p90", Mark::Dashed), ("p99", Mark::Line)];

/// What a chart is called and how it is read.
struct Words<'t> {
    id: &'static str,
    title: &'t str,
    y: &'t str,
    /// The vertical axis is logarithmic: times and costs span decades.
    log: bool,
    note: &'t str,
}

/// Rows of simulated contenders that finished a request.
fn simulated(run: &Run) -> Vec<&Row> {
    run.rows.iter().filter(|row| row.contains_key("device_hours_per_mtok_saturated")).collect()
}

/// The load of a row, with its field and unit.
fn load(rows: &[&Row]) -> (&'static str, &'static str) {
    if rows.iter().any(|r| r.contains_key("concurrency")) {
        ("concurrency", "users")
    } else {
        ("arrival_requests_s", "requests/s that arrive")
    }
}

/// Whether some contender was simulated at several loads.
fn several(rows: &[&Row]) -> bool {
    let count = |name: &String| rows.iter().filter(|r| text(r, "contender") == *name).count();
    distinct(rows, "contender").iter().any(|name| count(name) > 1)
}

/// Percentiles over the load, and what of it is served in time.
pub fn loads(run: &Run) -> Vec<Chart<'_>> {
    let rows = simulated(run);
    if !several(&rows) {
        return Vec::new();
    }
    let note = "Solid: 99 of 100 requests take no longer; dashed: 90 of 100; dotted: half. Past capacity the queue has \
        no bound, and a line that contains it ends.";
    let first = Words {
        id: "ttft-load",
        title: "Time to the first token over the load",
        y: "time to the first token (ms)",
        log: true,
        note,
    };
    let further = Words {
        id: "tpot-load",
        title: "Time per further token over the load",
        y: "time per further token (ms)",
        log: true,
        note,
    };
    [percentiles(&first, "ttft_ms", &rows), percentiles(&further, "tpot_ms", &rows), goodput(&rows)]
        .into_iter()
        .flatten()
        .collect()
}

/// One line per contender.
fn lines(rows: &[&Row], field: &str, mark: Mark, named: bool) -> Vec<Series> {
    let (x, _) = load(rows);
    let line = |(color, name): (usize, String)| {
        let own = rows.iter().filter(|r| text(r, "contender") == name);
        let points = own.filter_map(|r| Some((number(r, x)?, number(r, field)?))).collect();
        Series { name: if named { name } else { String::new() }, color, mark, points }
    };
    distinct(rows, "contender").into_iter().enumerate().map(line).collect()
}

fn percentiles<'a>(words: &Words<'_>, field: &str, rows: &[&'a Row]) -> Option<Chart<'a>> {
    let fields = PERCENTILES.map(|(p, mark)| (format!("{field}_{p}"), mark));
    let mut series: Vec<Series> =
        fields.iter().flat_map(|(name, mark)| lines(rows, name, *mark, *mark == Mark::Line)).collect();
    let target = format!("{field}_target");
    if let Some(most) = rows.iter().find_map(|r| number(r, &target)) {
        let points = series.iter().flat_map(|s| &s.points).map(|p| p.0);
        let (low, high) = points.fold((f64::INFINITY, 0.0), |(l, h), x| (x.min(l), x.max(h)));
        let name = format!("target: {} ms", short(most));
        series.push(Series { name, color: REFERENCE, mark: Mark::Dashed, points: vec![(low, most), (high, most)] });
    }
    let shown = [
        (fields[0].0.as_str(), "p50 ms", Shape::Number),
        (fields[1].0.as_str(), "p90 ms", Shape::Number),
        (fields[2].0.as_str(), "p99 ms", Shape::Number),
        (target.as_str(), "target ms", Shape::Number),
        ("saturated", "saturated", Shape::Flag),
    ];
    over_load(words, series, rows, &shown)
}

fn goodput<'a>(rows: &[&'a Row]) -> Option<Chart<'a>> {
    let good = lines(rows, "goodput_requests_s", Mark::Line, true);
    let targets = good.iter().any(|s| !s.points.is_empty());
    let served = lines(rows, "throughput_requests_s", Mark::Dashed, !targets);
    let (title, note) = if targets {
        (
            "Requests served in time, over the load",
            "Solid: requests that meet every target; dashed: all that are served. Where the two part, the targets are missed.",
        )
    } else {
        ("Requests served, over the load", "The scenario has no target, so that every request served counts.")
    };
    let shown = [
        ("throughput_requests_s", "served/s", Shape::Number),
        ("goodput_requests_s", "in time/s", Shape::Number),
        ("goodput_share", "share in time", Shape::Number),
        ("reason", "why not", Shape::Text),
    ];
    let series = good.into_iter().chain(served).collect();
    over_load(&Words { id: "goodput", title, y: "requests/s", log: false, note }, series, rows, &shown)
}

/// What an output token costs at the load as it is, idle time included, and on a full engine.
pub fn cost(run: &Run) -> Option<Chart<'_>> {
    let mut rows = simulated(run);
    // Software adapters get no price verdict.
    rows.retain(|row| row.get("software").is_none());
    let (field, unit) = money_field(&rows, "usd_per_mtok_output", "device_hours_per_mtok");
    let full = format!("{field}_saturated");
    let of_what = if field.starts_with("usd") { "output" } else { "input and output" };
    let title = "Cost at the load against cost at saturation";
    let note = "At the load, every second is paid, whether there is work or not. At saturation, as many requests of \
        the mean length as fit are there all the time, whatever the targets say.";
    let shown = [
        ("usd_per_mtok_output", "$/Mtok output", Shape::Number),
        ("usd_per_mtok_output_saturated", "at saturation", Shape::Number),
        ("device_hours_per_mtok", "device-h/Mtok", Shape::Number),
        ("device_hours_per_mtok_saturated", "at saturation", Shape::Number),
        ("utilisation", "busy", Shape::Number),
        ("reason", "why not", Shape::Text),
    ];
    let unit = format!("{unit} {of_what}");
    if several(&rows) {
        let note = format!("{note} Solid: at the load; dashed: at saturation.");
        let series =
            lines(&rows, field, Mark::Line, true).into_iter().chain(lines(&rows, &full, Mark::Dashed, false)).collect();
        return over_load(&Words { id: "cost", title, y: &unit, log: true, note: &note }, series, &rows, &shown);
    }
    let bar = |name: String, value: Option<f64>, color: usize| {
        value.map(|v| Bar { name, segments: vec![(0.0, v, color)], number: significant(v) })
    };
    let both = |row: &&Row| [bar(of(row), number(row, field), 0), bar("full".to_owned(), number(row, &full), 2)];
    let drawn: Vec<Bar> = rows.iter().flat_map(both).flatten().collect();
    let legend = [(0, "at the load".to_owned()), (2, "at saturation".to_owned())];
    let svg = bars(title, &unit, &drawn, &legend);
    finished(&Words { id: "cost", title, y: &unit, log: true, note }, svg, &rows, &shown)
}

/// Loads double: their axis is logarithmic.
fn over_load<'a>(
    words: &Words<'_>,
    series: Vec<Series>,
    rows: &[&'a Row],
    shown: &[(&str, &str, Shape)],
) -> Option<Chart<'a>> {
    let Words { id, title, y, log, .. } = *words;
    let svg = plane(&Plane { id, title, x: load(rows).1, y, log: (true, log), series, marks: Vec::new() });
    finished(words, svg, rows, shown)
}

/// The chart with the columns that say which contender under which load.
fn finished<'a>(words: &Words<'_>, svg: String, rows: &[&'a Row], shown: &[(&str, &str, Shape)]) -> Option<Chart<'a>> {
    let named = [
        ("contender", "contender", Shape::Text),
        ("arrival_requests_s", "offered/s", Shape::Number),
        ("concurrency", "users", Shape::Count),
    ];
    let columns = columns(rows, &[&named[..], shown].concat());
    (!svg.is_empty()).then(|| Chart {
        id: words.id,
        title: words.title.to_owned(),
        note: words.note.to_owned(),
        svg,
        columns,
        rows: rows.to_vec(),
    })
}
