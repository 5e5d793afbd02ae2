//! Predicts measured points, and says how far off: by slice, worst first, what was fitted apart from what was not.

mod answer;
mod calibrate;
mod describe;
mod errors;
mod file;
mod fit;
mod kernels;
mod point;

pub use answer::{Prediction, answer, predict};
pub use calibrate::{Fitted, Fold, Unseen, cross_validate, kernel_constants, llama_constants, serving_constants};
pub use describe::{Described, Describer};
pub use errors::{PointRow, Slice, point_rows, slices};
pub use file::with_constants;
pub use kernels::{KernelRow, Timing, predict_kernels, read_kernels, timings};
pub use point::{Point, read};
