//! Plots over two numeric axes, drawn by kuva: its theme takes any CSS colour, so that one drawing follows light,
//! dark and print through variables. Names are placed as text and escaped.

use super::super::table::significant;
use kuva::backend::svg::SvgBackend;
use kuva::plot::{LinePlot, ScatterPlot};
use kuva::render::annotations::ReferenceLine;
use kuva::render::layout::{Layout, TickFormat};
use kuva::render::plots::Plot;
use kuva::render::render::render_multiple;
use kuva::render::theme::Theme;
use maud::{PreEscaped, html};
use std::sync::Arc;

/// Series colours; more series than colours start over.
const COLORS: usize = 7;
/// The colour of what series are held against: targets.
pub const REFERENCE: usize = usize::MAX;
/// Width of every drawing, user units; the page scales it.
pub const WIDTH: f64 = 480.0;
/// Height of a line of a legend.
const LEGEND_LINE: f64 = 22.0;
/// Width of a character of the legend's font, on average.
const LETTER: f64 = 7.8;

/// How the points of a series are shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// A line through them.
    Line,
    /// A broken line through them.
    Dashed,
    /// A dotted line through them.
    Dotted,
    /// Dots.
    Dots,
}

/// Points of one colour.
pub struct Series {
    /// Name in the legend; none where empty.
    pub name: String,
    /// Index of the colour.
    pub color: usize,
    /// How they are shown.
    pub mark: Mark,
    /// The points.
    pub points: Vec<(f64, f64)>,
}

/// A plot over two numeric axes.
pub struct Plane<'a> {
    /// The anchor of its chart, which makes the names inside the drawing unique in a document.
    pub id: &'a str,
    /// What it shows.
    pub title: &'a str,
    /// The horizontal axis, unit included.
    pub x: &'a str,
    /// The vertical axis, unit included.
    pub y: &'a str,
    /// Logarithmic axes.
    pub log: (bool, bool),
    /// What is drawn.
    pub series: Vec<Series>,
    /// Vertical lines with a word each.
    pub marks: Vec<(f64, String)>,
}

/// The variable of a series colour.
pub fn color(index: usize) -> String {
    if index == REFERENCE { "var(--soft)".to_owned() } else { format!("var(--c{})", index % COLORS + 1) }
}

/// Draws a plane with its legend; empty where nothing can be drawn.
pub fn plane(plane: &Plane<'_>) -> String {
    let drawable = |p: &(f64, f64)| {
        p.0.is_finite() && p.1.is_finite() && (!plane.log.0 || p.0 > 0.0) && (!plane.log.1 || p.1 > 0.0)
    };
    let mut plots = Vec::new();
    for series in &plane.series {
        let points: Vec<(f64, f64)> = series.points.iter().copied().filter(drawable).collect();
        if points.is_empty() {
            continue;
        }
        let line = || LinePlot::new().with_data(points.clone()).with_color(color(series.color)).with_stroke_width(2.2);
        plots.push(match series.mark {
            Mark::Line => Plot::Line(line()),
            Mark::Dashed => Plot::Line(line().with_dashed()),
            Mark::Dotted => Plot::Line(line().with_dotted()),
            Mark::Dots => {
                Plot::Scatter(ScatterPlot::new().with_data(points).with_color(color(series.color)).with_size(5.0))
            }
        });
    }
    if plots.is_empty() {
        return String::new();
    }
    let ticks = || TickFormat::Custom(Arc::new(tick));
    let mut layout = Layout::auto_from_plots(&plots)
        .with_theme(theme())
        .with_width(WIDTH)
        .with_height(330.0)
        .with_x_label(plane.x)
        .with_y_label(plane.y)
        .with_label_size(15)
        .with_tick_size(13)
        .with_x_tick_format(ticks())
        .with_y_tick_format(ticks());
    if plane.log.0 {
        layout = layout.with_log_x();
    }
    if plane.log.1 {
        layout = layout.with_log_y();
    }
    for (x, word) in plane.marks.iter().filter(|(x, _)| drawable(&(*x, 1.0))) {
        layout =
            layout.with_reference_line(ReferenceLine::vertical(*x).with_color("var(--soft)").with_label(word.as_str()));
    }
    let scene = render_multiple(plots, layout);
    let (width, height) = (scene.width, scene.height);
    let drawn = SvgBackend.render_scene(&scene).replace("kuva-clip-", &format!("{}-clip-", plane.id));
    let legend: Vec<(usize, String)> =
        plane.series.iter().filter(|s| !s.name.is_empty()).map(|s| (s.color, s.name.clone())).collect();
    framed(plane.title, &body(&drawn), width, height, &legend)
}

/// A tick as a person writes it.
fn tick(value: f64) -> String {
    let big = [(1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];
    match big.iter().find(|(unit, _)| value.abs() >= *unit) {
        Some((unit, name)) => short(value / unit) + name,
        None => short(value),
    }
}

/// Three significant digits, without zeros at the end.
pub fn short(value: f64) -> String {
    let text = significant(value);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// What is between the root element's tags.
fn body(svg: &str) -> String {
    let start = svg.find('>').map_or(0, |at| at + 1);
    let end = svg.rfind("</svg>").unwrap_or(svg.len());
    svg.get(start..end).unwrap_or_default().to_owned()
}

/// A drawing with its legend beneath, scaled by the page.
pub fn framed(title: &str, inner: &str, width: f64, height: f64, legend: &[(usize, String)]) -> String {
    let (words, below) = legend_of(legend, width);
    let total = height + below;
    html! {
        svg class="chart" viewBox=(format!("0 0 {width:.0} {total:.0}")) role="img" aria-label=(title)
            font-family="system-ui, sans-serif" fill="var(--ink)" {
            title { (title) }
            (PreEscaped(inner))
            g transform=(format!("translate(0 {height:.0})")) { (PreEscaped(words)) }
        }
    }
    .into_string()
}

/// Swatches and names, as many a line as fit, and the height they take.
fn legend_of(legend: &[(usize, String)], width: f64) -> (String, f64) {
    let (mut x, mut y) = (16.0, 14.0);
    let mut out = String::new();
    for (index, name) in legend {
        let wide = 36.0 + LETTER * name.chars().count() as f64;
        if x + wide > width && x > 16.0 {
            (x, y) = (16.0, y + LEGEND_LINE);
        }
        let item = html! {
            rect x=(format!("{x:.0}")) y=(format!("{:.0}", y - 10.0)) width="12" height="12" rx="2" fill=(color(*index)) {}
            text x=(format!("{:.0}", x + 18.0)) y=(format!("{y:.0}")) font-size="13" { (name) }
        };
        out += &item.into_string();
        x += wide;
    }
    if legend.is_empty() { (out, 0.0) } else { (out, y + 12.0) }
}

fn theme() -> Theme {
    let (ink, soft, rule) = ("var(--ink)", "var(--soft)", "var(--rule)");
    Theme {
        background: "none".to_owned(),
        axis_color: soft.to_owned(),
        tick_color: soft.to_owned(),
        text_color: ink.to_owned(),
        grid_color: rule.to_owned(),
        legend_bg: "none".to_owned(),
        legend_border: "none".to_owned(),
        ..Theme::light()
    }
}

/// A drawing as a file of its own: its colours, its size and its title come with it.
pub fn standalone(title: &str, svg: &str, style: &str) -> String {
    const HEAD: f64 = 36.0;
    let inner = body(svg);
    let size = svg.split("viewBox=\"0 0 ").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
    let (width, height) = size.split_once(' ').unwrap_or(("640", "480"));
    let height = height.parse().unwrap_or(480.0) + HEAD;
    html! {
        svg xmlns="http://www.w3.org/2000/svg" width=(width) height=(height) viewBox=(format!("0 0 {width} {height:.0}"))
            role="img" font-family="system-ui, sans-serif" fill="var(--ink)" {
            style { (PreEscaped(style)) }
            rect width="100%" height="100%" fill="var(--paper)" {}
            text x="16" y="24" font-size="16" font-weight="600" { (title) }
            g transform=(format!("translate(0 {HEAD:.0})")) { (PreEscaped(inner)) }
        }
    }
    .into_string()
        + "\n"
}
