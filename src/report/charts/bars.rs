//! Horizontal bars with long names, stacked or floating. Written here because kuva draws upright bars only, under
//! which the names of contenders, operations and tuning steps do not fit.

use super::draw::{WIDTH, color, framed};
use maud::html;

/// Height of a bar with its gap.
const LINE: f64 = 34.0;
/// Width of the names, and of the numbers at the end.
const NAMES: f64 = 158.0;
const NUMBERS: f64 = 70.0;

/// One line: a name, its segments from left to right, and the number at the end.
pub struct Bar {
    /// Name at the left.
    pub name: String,
    /// From, to and colour of each segment, in the unit of the axis.
    pub segments: Vec<(f64, f64, usize)>,
    /// What is written at the end.
    pub number: String,
}

impl Bar {
    /// Segments one after the other from zero.
    pub fn stacked(name: String, parts: &[(f64, usize)], number: String) -> Self {
        let mut at = 0.0;
        let mut segments = Vec::new();
        for (value, color) in parts {
            segments.push((at, at + value, *color));
            at += value;
        }
        Self { name, segments, number }
    }
}

/// Draws the bars over one linear axis that starts at zero.
pub fn bars(title: &str, axis: &str, bars: &[Bar], legend: &[(usize, String)]) -> String {
    let most = bars.iter().flat_map(|b| &b.segments).map(|s| s.0.max(s.1)).fold(0.0, f64::max);
    if most <= 0.0 || !most.is_finite() {
        return String::new();
    }
    let scale = (WIDTH - NAMES - NUMBERS) / most;
    let height = LINE * bars.len() as f64;
    let px = |v: f64| format!("{v:.1}");
    let inner = html! {
        line x1=(px(NAMES)) x2=(px(NAMES)) y1="4" y2=(px(height)) stroke="var(--soft)" {}
        @for (index, bar) in bars.iter().enumerate() {
            @let y = LINE * index as f64 + 6.0;
            text x=(px(NAMES - 8.0)) y=(px(y + 15.0)) font-size="13" text-anchor="end" { (shortened(&bar.name)) }
            @for (from, to, shade) in &bar.segments {
                @let (left, right) = (from.min(*to), from.max(*to));
                rect x=(px(NAMES + left * scale)) y=(px(y)) width=(px(((right - left) * scale).max(1.0))) height=(px(LINE - 12.0)) fill=(color(*shade)) {}
            }
            @let end = bar.segments.iter().map(|s| s.0.max(s.1)).fold(0.0, f64::max);
            text x=(px(NAMES + end * scale + 6.0)) y=(px(y + 15.0)) font-size="13" { (bar.number) }
        }
        text x=(px(NAMES)) y=(px(height + 18.0)) font-size="13" fill="var(--soft)" { (axis) }
    };
    framed(title, &inner.into_string(), WIDTH, height + 26.0, legend)
}

/// A name that fits its column.
fn shortened(name: &str) -> String {
    const MOST: usize = 23;
    if name.chars().count() <= MOST {
        name.to_owned()
    } else {
        name.chars().take(MOST - 1).chain(['\u{2026}']).collect()
    }
}
