//! What a setup does under a load: op list to times, times to tokens per second, tokens to memory and money.
//!
//! Pure arithmetic, in one direction: shapes (`op`, `layer`, `forward`), the time of one operation (`timing`), of a step
//! (`compiled`, `schedule`), of a prompt (`prompt`), of a closed loop (`serve`, `pools`), and what it costs (`cost`).

pub mod anchor;
mod attend;
pub mod band;
pub mod bound;
pub mod calibration;
mod choice;
mod collectives;
mod compiled;
pub mod constants;
pub mod cost;
pub mod exchange;
mod forward;
mod layer;
pub mod llama;
pub mod machine;
pub mod memory;
pub mod op;
mod own;
pub mod path;
mod places;
mod pools;
mod prompt;
mod roof;
mod schedule;
pub mod serve;
mod settle;
mod small;
pub mod step;
pub mod timing;

pub use band::{Quantity, Situation};
pub use calibration::Calibration;
pub use compiled::{Compiled, speed_of};
pub use constants::EngineConstants;
pub use machine::Unanswerable;
pub use memory::Shortage;
pub use pools::{Pools, Readers, Transfer};
pub use prompt::Chunks;
pub use serve::Loop;
