//! Requests in time: what users wait and what tokens cost when arrivals are uneven.
//!
//! A discrete-event simulation. [`source`] yields requests (a [`trace`] or a random process), [`world`] keeps the
//! clock, every [`replica`] is an engine with continuous batching over paged memory, and step times come from the
//! estimate through a [`table`]. Nothing is done per token: all decoding sequences advance together, so that the next
//! event is an arrival, a completion or a block shortage, however many iterations away.
//!
//! Limits: one instance's data-parallel ranks are balanced; a stretch is timed at its mean context; sampling,
//! tokenisation and network jitter are in no model; a step's time has the error of the estimate.

pub mod answer;
mod assumed;
pub mod batch;
pub mod blocks;
pub mod detail;
pub mod export;
pub mod lengths;
pub mod load;
pub mod percentile;
pub mod prefix;
pub mod replica;
pub mod request;
pub mod routing;
pub mod row;
pub mod run;
mod sentence;
pub mod size;
pub mod source;
pub mod system;
pub mod table;
pub mod tally;
pub mod timeline;
pub mod trace;
pub mod world;

pub use answer::{Answer, Options, SimulateError, simulate};
pub use assumed::{Assumed, assumed};
pub use detail::{Detail, DistributionRow, TimelineRow};
pub use lengths::Lengths;
pub use load::{Load, Spectator};
pub use row::SimulateRow;
pub use run::IDLE_POWER;
