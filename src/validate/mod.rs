//! Predicts measured points, and says how far off: by slice, worst first, what was fitted apart from what was not.

mod anchors;
mod answer;
mod bands;
mod calibrate;
mod decisions;
mod describe;
mod errors;
mod file;
mod fit;
mod kernels;
mod point;
mod results;

pub use anchors::{Anchors, anchors_of_points, anchors_of_results};
pub use answer::{Prediction, answer, as_strangers, predict};
pub use bands::bands;
pub use calibrate::{Fitted, Fold, Unseen, cross_validate, kernel_constants, llama_constants, serving_constants};
pub use decisions::{Decisions, decisions};
pub use describe::{Described, Describer};
pub use errors::{PointRow, Slice, coverage, point_rows, slices};
pub use file::with_constants;
pub use kernels::{KernelRow, Timing, predict_kernels, read_kernels, timings};
pub use point::{Point, read};
pub use results::{On, Row as ResultRow, is_points, read as read_results};
