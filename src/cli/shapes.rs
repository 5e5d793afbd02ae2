//! `bench --shapes`: the matrix products of a real model.

use super::context;
use super::failure::Failure;
use super::measuring::program;
use super::options::Options;
use super::output::Output;
use super::progress::Bar;
use crate::kernels::Dtype;
use crate::measure::{self, BenchOptions, ShapeRow, ShapesOptions};
use crate::model::ModelSpec;
use crate::scenario::axis::Axis;

/// The batch sizes and types that are asked for, checked.
pub fn asked(bench: BenchOptions, batch: &str, dtypes: &[String]) -> Result<ShapesOptions, Failure> {
    let Axis(batches) = Axis::parse(batch).map_err(|why| Failure::Usage(format!("--batch: {why}")))?;
    let dtypes = dtypes.iter().map(|name| dtype(name.trim())).collect::<Result<Vec<_>, _>>()?;
    if let Some(batch) = batches.iter().find(|b| **b > MOST) {
        return Err(Failure::Usage(format!("--batch {batch} is out of range: give 1 to {MOST} tokens")));
    }
    Ok(ShapesOptions { bench, batches, dtypes })
}

/// Times every matrix of a model at the batch sizes and types asked for.
pub fn shapes(model: &ModelSpec, how: &ShapesOptions, options: &Options, output: &Output) -> Result<(), Failure> {
    let rows = {
        let bar = Bar::new(options.quiet);
        measure::shapes(&program()?, model, how, &bar)?
    };
    let mut context = context::here();
    context.seed = Some(options.seed);
    context.adapter = rows.first().map(|r| r.adapter.clone());
    output.write(&context::finished("bench-shapes", context, sentence(model, how, &rows), Vec::new(), &rows)?)
}

/// Tokens of the largest product: more is no batch of a step, and its reference would take minutes.
const MOST: u64 = 16_384;

fn dtype(name: &str) -> Result<Dtype, Failure> {
    let known = Dtype::ALL.into_iter().find(|d| d.name() == name && *d != Dtype::U32);
    known.ok_or_else(|| Failure::Usage(format!("--dtype {name} is not known; write f32, f16, i8 or q4")))
}

/// What all matrices of one step take, for each batch and type whose every matrix was timed.
fn sentence(model: &ModelSpec, options: &ShapesOptions, rows: &[ShapeRow]) -> String {
    let mut whole = Vec::new();
    for dtype in &options.dtypes {
        for &batch in &options.batches {
            let of = || rows.iter().filter(|r| r.dtype == dtype.name() && r.batch == batch);
            let total: Option<f64> = of().map(|r| r.time_s.map(|s| s * r.calls as f64)).sum();
            let tokens = if batch == 1 { "1 token".to_owned() } else { format!("{batch} tokens") };
            whole.extend(total.map(|s| format!("{:.3} s for {tokens} in {dtype}", s)));
        }
    }
    let timed = rows.iter().filter(|r| r.time_s.is_some()).count();
    let some = format!("{timed} of {} products of {} were timed and verified", rows.len(), model.name);
    if whole.is_empty() { some + "." } else { format!("{some}; all matrices of a step take {}.", whole.join(", ")) }
}
