//! The only room that knows wgpu and Vulkan: which adapters exist, how one is opened, how a [`Plan`] runs on it, and what
//! its driver's compiler makes of a shader ([`Compiler`]).
//!
//! A [`Plan`] is work as data: shader sources, memory and dispatches. [`Runner`] puts it on a device, times it with
//! the wall clock and, where it can be trusted, with the device's own timestamps, and hands back the output of the
//! very runs that were timed. Nothing here knows what a kernel computes.
//!
//! Limits: work on a GPU cannot be cancelled, and a driver may take the process with it. Callers that must survive
//! that run this room in a child process (see `measure`).

mod adapter;
mod device;
mod executable;
mod memory;
mod plan;
mod runner;
pub mod spirv;
mod trusted;

pub use adapter::{Caps, Driver, Found, Identity, drivers, list, unloadable};
pub use device::{Checks, Gpu, GpuError};
pub use executable::{Compiler, Executable, Silent};
pub use plan::{Memory, Plan, Program, Step, Texels};
pub use runner::{Elapsed, Runner};
