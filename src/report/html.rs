//! The answer as one document: no script, no request, light, dark and print by its own style sheet.
//!
//! Every text is placed by maud, which escapes it; a policy in the head forbids every request whatever a name holds.

use super::charts::{self, Chart};
use super::table::{self, Column, Shape};
use super::{glossary, inert};
use crate::run::{Row, Run};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value;

const STYLE: &str = include_str!("style.css");
/// Nothing may be fetched, sent, framed or run; styles are those in the file.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

/// Most simulated contenders and loads that stand side by side as columns.
const SIDE_BY_SIDE: usize = 8;

/// Most rows of a chart's data that are written out; of more, every so manyth is.
const MOST_ROWS: usize = 240;

/// The whole document.
pub fn render(run: &Run) -> String {
    let charts = charts::of(run);
    let title =
        format!("underdog {}: {}", run.command, inert::text(&run.sentence).chars().take(70).collect::<String>());
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                // An icon of its own keeps a browser from asking for one.
                link rel="icon" href="data:,";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header { h1 { "underdog \u{b7} what a token costs" } }
                main {
                    p class="answer" { (inert::text(&run.sentence)) }
                    (badges(run))
                    (contents(&charts))
                    (comparison(run))
                    (notes(run))
                    @if !charts.is_empty() {
                        h2 { "Charts" }
                        @for chart in &charts { (figure(chart)) }
                    }
                    (assumptions(run))
                    (others(run, &charts))
                    (glossary(run))
                    (reproduce(run))
                }
                footer { "Written by underdog " (inert::text(&run.context.version)) " on " (inert::text(&run.context.time)) ". Nothing in this file is fetched from anywhere." }
            }
        }
    }
    .into_string()
}

/// The first chart as a file of its own; `None` where the run has none.
pub fn svg(run: &Run) -> Option<String> {
    charts::of(run).first().map(|chart| charts::standalone(&chart.title, &chart.svg, STYLE))
}

fn field(row: &Row, name: &str) -> Option<String> {
    row.get(name).and_then(Value::as_str).map(inert::text)
}

fn of_kind<'a>(run: &'a Run, kind: &str) -> Vec<&'a Row> {
    run.rows.iter().filter(|r| field(r, "kind").as_deref() == Some(kind)).collect()
}

/// The verdict in a word or two.
fn badges(run: &Run) -> Markup {
    let answers = of_kind(run, "answer");
    html! {
        @for row in answers {
            @if let Some(answer) = field(row, "answer") { span class="badge" { (reach(row, &answer)) } }
            @if let Some(verdict) = field(row, "verdict") { span class="badge" { "as it is: " (verdict) } }
            @if let Some(size) = field(row, "reference") { span class="badge" { "the factor is " (size) } }
        }
    }
}

/// The answer in a word, with its value.
fn reach(row: &Row, answer: &str) -> String {
    let value = row.get("value").and_then(Value::as_f64).map(table::significant);
    let unit = field(row, "unit").unwrap_or_default();
    match (answer, value) {
        ("at", Some(value)) => format!("break-even at {value} {unit}"),
        (_, Some(value)) => format!("{}, until {value} {unit}", answer.replace('_', " ")),
        _ => answer.replace('_', " "),
    }
}

fn contents(charts: &[Chart<'_>]) -> Markup {
    html! {
        @if charts.len() > 1 {
            nav { @for chart in charts { a href=(format!("#{}", chart.id)) { (chart.title) } } }
        }
    }
}

/// The contenders side by side, as a terminal shows them.
fn comparison(run: &Run) -> Markup {
    let marked: Vec<Row> = of_kind(run, "contender").into_iter().cloned().collect();
    let simulated = run.command == "simulate";
    let source = if marked.is_empty() && (simulated || run.command == "compare") { &run.rows } else { &marked };
    let rows = table::answering(source);
    let columns = table::columns(if simulated { "simulate" } else { "compare" }, &rows, false);
    let shown = if simulated { (1..=SIDE_BY_SIDE).contains(&rows.len()) } else { !rows.is_empty() };
    html! {
        @if shown {
            h2 { "Side by side" }
            // Contenders are columns: two of them fit a telephone, however many fields they have.
            div class="data" {
                table class="side" {
                    @for c in &columns {
                        tr {
                            th scope="row" { (inert::text(&c.heading)) }
                            @for row in &rows { td { (table::cell(row, c)) } }
                        }
                    }
                }
            }
        }
    }
}

fn notes(run: &Run) -> Markup {
    html! {
        @if !run.notes.is_empty() {
            h2 { "What to know" }
            ul { @for note in &run.notes { li { (inert::text(note)) } } }
        }
    }
}

fn figure(chart: &Chart<'_>) -> Markup {
    html! {
        figure id=(chart.id) {
            figcaption { h3 { (chart.title) } (chart.note) }
            (PreEscaped(&chart.svg))
            details {
                @let every = chart.rows.len().div_ceil(MOST_ROWS).max(1);
                summary {
                    "Data (" (chart.rows.len()) " rows"
                    @if every > 1 { "; every " (every) ". is shown, all are in the JSON" }
                    ")"
                }
                (data(&chart.rows.iter().step_by(every).copied().collect::<Vec<_>>(), &chart.columns))
            }
        }
    }
}

fn data(rows: &[&Row], columns: &[Column]) -> Markup {
    let class = |c: &Column| if c.shape == Shape::Text { "t" } else { "n" };
    html! {
        div class="data" {
            table {
                thead { tr { @for c in columns { th class=(class(c)) scope="col" { (inert::text(&c.heading)) } } } }
                tbody { @for row in rows { tr { @for c in columns { td class=(class(c)) { (table::cell(row, c)) } } } } }
            }
        }
    }
}

/// What everything rests on, and what of it was fitted.
fn assumptions(run: &Run) -> Markup {
    let rows = of_kind(run, "assumption");
    let column = |field: &str, heading: &str| Column {
        field: field.to_owned(),
        heading: heading.to_owned(),
        shape: Shape::Text,
    };
    let columns = [
        column("contender", "contender"),
        column("about", "about"),
        column("value", "what is taken to be so"),
        column("provenance", "rests on"),
        column("date", "date"),
    ];
    html! {
        @if !rows.is_empty() {
            h2 { "What it rests on" }
            (data(&rows, &columns))
        }
        @if !run.context.sources.is_empty() {
            h2 { "Sources" }
            ul { @for source in &run.context.sources { li { (inert::text(source)) } } }
        }
    }
}

/// Rows that no chart and no table above shows.
fn others(run: &Run, charts: &[Chart<'_>]) -> Markup {
    const SHOWN: [&str; 10] = [
        "answer",
        "curve",
        "sensitivity",
        "waterfall",
        "contender",
        "part",
        "roofline",
        "rung",
        "ladder",
        "assumption",
    ];
    let drawn = |row: &Row| charts.iter().any(|c| c.rows.iter().any(|r| std::ptr::eq(*r, row)));
    let rows: Vec<&Row> = run
        .rows
        .iter()
        .filter(|r| field(r, "kind").is_none_or(|k| !SHOWN.contains(&k.as_str())) && !drawn(r))
        .collect();
    // A load curve has too many rows to stand side by side, and no chart shows all of their columns.
    let rows = if run.command == "simulate" { table::answering(&run.rows) } else { rows };
    let beside = run.command == "compare" || run.command == "simulate" && rows.len() <= SIDE_BY_SIDE;
    let columns = table::columns(&run.command, &rows, false);
    html! {
        @if !rows.is_empty() && !beside {
            h2 { "Rows" }
            div class="rows" { (data(&rows, &columns)) }
        }
    }
}

/// The words this document uses, and no others.
fn glossary(run: &Run) -> Markup {
    let terms = glossary::of(run);
    html! {
        @if !terms.is_empty() {
            h2 { "Words" }
            dl { @for (term, meaning) in terms { dt { (term) } dd { (meaning) } } }
        }
    }
}

fn reproduce(run: &Run) -> Markup {
    let c = &run.context;
    let words: Vec<String> = c.command_line.iter().map(|w| quoted(&inert::text(w))).collect();
    let line = |name: &str, value: &Option<String>| {
        html! {
            @if let Some(value) = value { dt { (name) } dd { code { (inert::text(value)) } } }
        }
    };
    html! {
        h2 { "How to reproduce" }
        pre { (words.join(" ")) }
        dl {
            (line("version", &Some(c.version.clone())))
            (line("commit", &c.commit))
            (line("scenario hash", &c.scenario_hash))
            (line("adapter", &c.adapter))
            (line("host", &Some(c.host.clone())))
            (line("seed", &c.seed.map(|s| s.to_string())))
        }
    }
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}
