//! Measuring an adapter: every number comes from a run whose own output was verified.
//!
//! The calling process never loads a driver. Adapters are listed by one short-lived child per driver, and measured by
//! a worker, the same executable under a hidden subcommand ([`worker_main`]); a driver that crashes or hangs costs one
//! result. Without any adapter the CPU executor is measured in the same way, with the same rows.

mod adapters;
mod anomalies;
mod bench;
mod beside;
mod case;
mod choices;
mod code;
mod cpu;
mod curves;
mod device;
mod duel;
mod failure;
mod fault;
mod ladder;
mod options;
mod problems;
mod protocol;
mod rows;
mod rule;
mod session;
mod shapes;
mod step;
mod store;
mod stream;
mod supervisor;
mod tuner;
mod verify;
mod worker;

pub use adapters::{AdapterRow, OnVulkan, Selector, adapters, vulkan};
pub use bench::{bench, local};
pub use beside::{BesideRow, Side, beside};
pub use duel::{DuelRow, duel};
pub use failure::{MeasureError, Several};
pub use fault::VARIABLE as FAULT_VARIABLE;
pub use ladder::{LadderRow, ladder};
pub use options::BenchOptions;
pub use protocol::{Job, Target};
pub use rows::{BenchRow, rows};
pub use rule::Rule;
pub use shapes::{ShapeRow, ShapesOptions, shapes};
pub use step::{Executed, ExecutedClass, StepOptions, step};
pub use store::Store;
pub use verify::{VerifyOptions, VerifyRow, verify};
pub use worker::{WORKER_SUBCOMMAND, worker_main};
