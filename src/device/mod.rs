//! What a device can do: the measured profile and the catalogued data sheet.

mod measured;
pub mod profile;
pub mod sheet;

pub use profile::Profile;
pub use sheet::Device;
