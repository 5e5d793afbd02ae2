//! What does an LLM token cost on this GPU, and how well tuned must a weaker GPU be to beat a stronger one?
//!
//! Data flows one way. Left of the [`device::Profile`] there is only GPU code (`gpu`, `kernels`, `measure`),
//! right of it only deterministic arithmetic (`scenario`, `estimate`, `solve`). `tests/rooms.rs` enforces which
//! room may import which.

pub mod catalog;
pub mod device;
pub mod model;
pub mod precision;
pub mod progress;
pub mod provenance;
pub mod stats;
pub mod units;
pub mod gpu;
pub mod kernels;
pub mod measure;
