//! From a plan to answers: contenders side by side, op by op, and the sentence that answers.

mod bill;
pub mod breakeven;
mod choose;
mod compare;
pub mod evidence;
mod explain;
mod fewest;
mod layouts;
mod optimize;
mod pooled;
mod row;
mod sensitivity;
mod sentence;
pub mod sweep;
mod waterfall;

pub use compare::{Comparison, answer, compare};
pub use explain::{ExplainRow, explain};
pub use fewest::sized;
pub use optimize::{LayoutRow, Layouts, optimize};
pub use row::CompareRow;
pub use sensitivity::{SensitivityRow, advice, sensitivity};
pub use waterfall::{WaterfallRow, sentence as waterfall_sentence, waterfall};
