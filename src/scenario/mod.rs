//! From a scenario file to a plan: read, edit, look up, check. Nothing is estimated here.
//!
//! [`draft`] is what is typed, [`plan`] what it means; the rest of the program sees only the second.

pub mod axis;
mod checks;
mod date;
pub mod draft;
mod edit;
pub mod from;
mod layout;
mod load;
pub mod money;
pub mod plan;
mod price;
mod pricing;
mod resolve;
mod source;
mod spread;
pub mod traffic;

pub use draft::Draft;
pub use plan::{Contender, Fewest, Offer, Plan, Power};
pub use price::{Basis, Busy, Parts, Price, TokenPrices};
pub use resolve::{Local, resolve, resolve_in_time};
pub use source::Source;
