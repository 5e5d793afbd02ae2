//! Commands that measure this machine.
use super::args::{Bench, Cli, Measure, Verify};
use super::failure::Failure;
use super::output::Output;
use crate::device::Profile;
pub fn devices(_: &Output) -> Result<(), Failure> {
    Err(Failure::Usage("t".into()))
}
pub fn bench(_: &Bench, _: &Cli, _: &Output) -> Result<(), Failure> {
    Err(Failure::Usage("t".into()))
}
pub fn verify(_: &Verify, _: &Cli, _: &Output) -> Result<(), Failure> {
    Err(Failure::Usage("t".into()))
}
pub fn worker(_: &[String]) -> Result<(), Failure> {
    Err(Failure::Usage("t".into()))
}
pub fn profile(_: &Measure, _: f64, _: &Cli) -> Result<Profile, Failure> {
    Err(Failure::Usage("t".into()))
}
