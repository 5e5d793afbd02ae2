//! From a plan to answers: contenders side by side, op by op, and the sentence that answers.

mod compare;
mod explain;
mod sentence;

pub use compare::{CompareRow, Comparison, compare};
pub use explain::{ExplainRow, explain};
