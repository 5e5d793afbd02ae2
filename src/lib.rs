//! What does an LLM token cost on this GPU, and how well tuned must a weaker GPU be to beat a stronger one?
//!
//! Data flows one way. Left of the [`device::Profile`] there is only GPU code (`gpu`, `kernels`, `measure`),
//! right of it only deterministic arithmetic (`scenario`, `estimate`, `solve`). `tests/rooms.rs` enforces which
//! room may import which.

pub mod catalog;
pub mod cli;
pub mod device;
pub mod diagnostic;
pub mod estimate;
pub mod gpu;
pub mod isa;
pub mod kernels;
pub mod measure;
pub mod model;
pub mod precision;
pub mod progress;
pub mod provenance;
pub mod report;
pub mod run;
pub mod scenario;
pub mod setup;
pub mod simulate;
pub mod solve;
pub mod stats;
pub mod units;
pub mod validate;
