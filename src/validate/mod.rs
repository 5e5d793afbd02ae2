//! Predicts measured points, and says how far off: by slice, worst first, what was fitted apart from what was not.

mod answer;
mod describe;
mod errors;
mod point;

pub use answer::{Prediction, answer, predict};
pub use describe::{Described, Describer};
pub use errors::{PointRow, Slice, point_rows, slices};
pub use point::{Point, read};
