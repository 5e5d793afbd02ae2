//! Commands that show what the program knows.
use super::args::{CatalogArgs, Model, SchemaOf, Validate};
use super::failure::Failure;
use super::output::Output;
use super::context;
use crate::catalog::{self, Catalog};
use crate::estimate::Calibration;
use crate::validate;
pub fn model(_: &Model, _: &Catalog, _: &Output) -> Result<(), Failure> { Err(Failure::Usage("t".into())) }
pub fn catalog(_: &CatalogArgs, _: &Catalog, _: &Output) -> Result<(), Failure> { Err(Failure::Usage("t".into())) }
pub fn schema(_: SchemaOf) -> Result<(), Failure> { Err(Failure::Usage("t".into())) }

/// `validate`: predicts measured points.
pub fn validate(args: &Validate, catalog: &Catalog, output: &Output) -> Result<(), Failure> {
    let entry = catalog::read(&args.points)?;
    let points = validate::read(&entry.file, &entry.text)?;
    let predictions = validate::answer(&points, catalog, &Calibration::load(catalog)?);
    let rows = validate::point_rows(&points, &predictions);
    let mut slices = validate::slices(&points, &rows);
    slices.retain(|s| s.points >= args.smallest);
    let answered = predictions.iter().filter(|p| p.is_ok()).count();
    let sentence = format!("{answered} of {} points are answered.", points.len());
    let run = context::finished("validate", context::here(), sentence, Vec::new(), &slices)?;
    output.write(&run)
}
