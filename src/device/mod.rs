//! What a device can do and what it costs: the measured profile, the catalogued data sheet, the price list.

mod capped;
mod check;
pub mod matching;
mod measured;
pub mod measured_paths;
pub mod operand;
pub mod prices;
pub mod products;
pub mod profile;
pub mod reach;
pub mod rows;
pub mod sheet;

pub use prices::{Offer, PriceList};
pub use profile::Profile;
pub use rows::{DeviceRow, PriceRow};
pub use sheet::Device;
