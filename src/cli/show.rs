//! Commands that show what the program knows.
use super::args::{CatalogArgs, Model, SchemaOf};
use super::failure::Failure;
use super::output::Output;
use crate::catalog::Catalog;
pub fn model(_: &Model, _: &Catalog, _: &Output) -> Result<(), Failure> { Err(Failure::Usage("t".into())) }
pub fn catalog(_: &CatalogArgs, _: &Catalog, _: &Output) -> Result<(), Failure> { Err(Failure::Usage("t".into())) }
pub fn schema(_: SchemaOf) -> Result<(), Failure> { Err(Failure::Usage("t".into())) }
