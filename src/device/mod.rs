//! What a device can do: the measured profile and the catalogued data sheet.

pub mod profile;

pub use profile::Profile;
