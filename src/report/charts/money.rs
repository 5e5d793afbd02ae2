//! Charts of money: the break-even curve, costs by part, the waterfall, and what to tune first.

use super::super::table::{Shape, significant};
use super::bars::{Bar, bars};
use super::chart::{Chart, columns, distinct, kind, money_field, number, text};
use super::draw::{Mark, Plane, Series, plane};
use crate::run::Run;

/// Marks closer than this factor share their place on the axis.
const NEAR: f64 = 1.6;

/// The weaker's cost over the unknown, with the stronger's, the crossing and the plateau.
pub fn curve(run: &Run) -> Option<Chart<'_>> {
    let rows = kind(run, "curve");
    let answer = *kind(run, "answer").first()?;
    let (field, unit) = money_field(&rows, "usd_per_mtok", "device_hours_per_mtok");
    let (weaker, stronger) = (text(answer, "weaker"), text(answer, "stronger"));
    let unknown = text(answer, "unknown");
    let points = |name: &str| -> Vec<(f64, f64)> {
        rows.iter().filter_map(|r| Some((number(r, "value")?, number(r, name)?))).collect()
    };
    let line =
        |name: &str, field: &str, color, mark| Series { name: name.to_owned(), color, mark, points: points(field) };
    let mut marks = Vec::new();
    for (field, word) in [("value", "break-even"), ("plateau_from", "flat below"), ("now", "now")] {
        if let Some(x) = number(answer, field) {
            marks.push((x, word.to_owned()));
        }
    }
    // Two marks at one place would print their words over each other; the earlier in the list matters more.
    let mut apart: Vec<(f64, String)> = Vec::new();
    for mark in marks {
        let near = |other: &(f64, String)| (mark.0 / other.0).ln().abs() < NEAR.ln();
        if !apart.iter().any(near) {
            apart.push(mark);
        }
    }
    let title = format!("Cost of {weaker} over its {unknown}, against {stronger}");
    let svg = plane(&Plane {
        id: "curve",
        title: &title,
        x: &format!("{unknown} ({})", text(answer, "unit")),
        y: &format!("{unit} {}", text(answer, "of")),
        log: (true, true),
        series: vec![
            line(&weaker, field, 0, Mark::Line),
            line(&stronger, &format!("stronger_{field}"), 1, Mark::Dashed),
        ],
        marks: apart,
    });
    let note = "Where the lines cross, a token costs the same on both. Steps are changes of the operating point: the targets force a smaller batch. Both axes are logarithmic.";
    let shown = [
        ("value", unknown.as_str(), Shape::Number),
        ("usd_per_mtok", "$/Mtok, weaker", Shape::Number),
        ("stronger_usd_per_mtok", "$/Mtok, stronger", Shape::Number),
        ("device_hours_per_mtok", "device-h/Mtok, weaker", Shape::Number),
        ("stronger_device_hours_per_mtok", "device-h/Mtok, stronger", Shape::Number),
        ("concurrency", "requests", Shape::Count),
        ("binding", "binds", Shape::Text),
    ];
    let columns = columns(&rows, &shown);
    (!svg.is_empty()).then(|| Chart { id: "curve", title, note: note.to_owned(), svg, columns, rows })
}

/// What a token's cost is made of, contender by contender.
pub fn parts(run: &Run) -> Option<Chart<'_>> {
    let rows = kind(run, "part");
    let (field, unit) = money_field(&rows, "usd_per_mtok_total", "device_hours_per_mtok");
    let names = distinct(&rows, "part");
    let lines: Vec<Bar> = distinct(&rows, "contender")
        .into_iter()
        .map(|contender| {
            let own = rows.iter().filter(|r| text(r, "contender") == contender);
            let parts: Vec<(f64, usize)> = own
                .filter_map(|r| Some((number(r, field)?, names.iter().position(|n| *n == text(r, "part"))?)))
                .collect();
            let total: f64 = parts.iter().map(|p| p.0).sum();
            Bar::stacked(contender, &parts, significant(total))
        })
        .collect();
    let title = "What a token's cost is made of".to_owned();
    let legend: Vec<(usize, String)> = names.iter().cloned().enumerate().collect();
    let svg = bars(&title, &format!("{unit}, input and output together"), &lines, &legend);
    let note =
        "Prompts are one part; the rest is the decode step, split by kernel class. Host is launches and scheduling.";
    let shown = [
        ("contender", "contender", Shape::Text),
        ("part", "part", Shape::Text),
        ("usd_per_mtok_total", "$/Mtok", Shape::Number),
        ("device_hours_per_mtok", "device-h/Mtok", Shape::Number),
    ];
    let columns = columns(&rows, &shown);
    (!svg.is_empty()).then(|| Chart { id: "parts", title, note: note.to_owned(), svg, columns, rows })
}

/// From one contender's cost to the other's.
pub fn waterfall(run: &Run) -> Option<Chart<'_>> {
    let mut rows = kind(run, "waterfall");
    // A report of several runs may hold several; one chart shows one pair.
    let (from, to) = rows.first().map(|r| (text(r, "from"), text(r, "to")))?;
    rows.retain(|r| text(r, "from") == from && text(r, "to") == to);
    let (before, unit) = money_field(&rows, "usd_per_mtok_before", "device_hours_per_mtok_before");
    let after = before.replace("before", "after");
    let start = number(rows.first()?, before)?;
    let end = number(rows.last()?, &after)?;
    let mut lines = vec![Bar { name: from.clone(), segments: vec![(0.0, start, 0)], number: significant(start) }];
    for row in &rows {
        let (a, b) = (number(row, before)?, number(row, &after)?);
        let shade = if b > a { 4 } else { 2 };
        let factor = number(row, "ratio").map(|r| format!("\u{d7} {}", significant(r))).unwrap_or_default();
        lines.push(Bar { name: text(row, "step"), segments: vec![(a, b, shade)], number: factor });
    }
    lines.push(Bar { name: to.clone(), segments: vec![(0.0, end, 1)], number: significant(end) });
    let title = format!("From the cost of {from} to that of {to}");
    let legend = [(4, "dearer".to_owned()), (2, "cheaper".to_owned())];
    let svg = bars(&title, unit, &lines, &legend);
    let note = "Each step takes one more thing from the second contender, its operating point chosen anew; the factors multiply to the whole. A step that cannot run alone is joined with the next.";
    let shown = [
        ("step", "step", Shape::Text),
        ("usd_per_mtok_before", "$/Mtok before", Shape::Number),
        ("usd_per_mtok_after", "$/Mtok after", Shape::Number),
        ("device_hours_per_mtok_before", "device-h/Mtok before", Shape::Number),
        ("device_hours_per_mtok_after", "device-h/Mtok after", Shape::Number),
        ("ratio", "factor", Shape::Number),
        ("concurrency", "requests", Shape::Count),
    ];
    let columns = columns(&rows, &shown);
    (!svg.is_empty()).then(|| Chart { id: "waterfall", title, note: note.to_owned(), svg, columns, rows })
}

/// What a per cent of each lever saves.
pub fn tornado(run: &Run) -> Option<Chart<'_>> {
    let rows = kind(run, "sensitivity");
    let contender = text(rows.first()?, "contender");
    let mut ordered = rows.clone();
    ordered.sort_by(|a, b| number(b, "share").unwrap_or(0.0).total_cmp(&number(a, "share").unwrap_or(0.0)));
    let kernel = |row: &crate::run::Row| row.contains_key("saving_at_roof");
    let lines: Vec<Bar> = ordered
        .iter()
        .filter_map(|row| {
            let share = number(row, "share")?.max(0.0) * 100.0;
            let shade = if kernel(row) { 0 } else { 3 };
            Some(Bar {
                name: text(row, "lever"),
                segments: vec![(0.0, share, shade)],
                number: format!("{} %", significant(share)),
            })
        })
        .collect();
    let title = format!("What moves the cost of {contender}");
    let legend = [(0, "tuning of a kernel class".to_owned()), (3, "device, price and use".to_owned())];
    let svg = bars(&title, "per cent of the cost that the lever carries", &lines, &legend);
    let note = "A lever that carries 40 % makes a token 0.4 % cheaper when it improves by one per cent. What tuning could save at most is in the data.";
    let shown = [
        ("lever", "lever", Shape::Text),
        ("usd_per_mtok_per_percent", "$/Mtok per 1 %", Shape::Number),
        ("device_hours_per_mtok_per_percent", "device-h/Mtok per 1 %", Shape::Number),
        ("share", "share of the cost", Shape::Number),
        ("saving_at_roof", "saved at the roof", Shape::Number),
        ("tune_first", "tune first", Shape::Flag),
    ];
    let columns = columns(&rows, &shown);
    (!svg.is_empty()).then(|| Chart { id: "tornado", title, note: note.to_owned(), svg, columns, rows: ordered })
}
