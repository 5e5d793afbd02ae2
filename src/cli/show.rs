//! Commands that show what the program knows.

use super::args::{CatalogArgs, Model, SchemaOf};
use super::context;
use super::failure::Failure;
use super::output::{self, Output};
use crate::catalog::Catalog;
use crate::device::{Device, DeviceRow, PriceList};
use crate::diagnostic::{Diagnostic, suggest};
use crate::model::{ModelRow, ModelSpec, Weights};
use crate::precision::Precision;
use crate::run::Run;
use crate::scenario::Draft;
use crate::solve::breakeven::AnswerRow;
use crate::solve::{CompareRow, ExplainRow};
use crate::validate::{PointRow, Slice};
use schemars::schema_for;
use std::path::Path;

/// `model`: parameters, bytes and FLOP of one model.
pub fn model(args: &Model, catalog: &Catalog, output: &Output) -> Result<(), Failure> {
    one_model(&args.config, &args.precision, args.context, catalog, output)
}

fn one_model(config: &str, precision: &str, context: u64, catalog: &Catalog, output: &Output) -> Result<(), Failure> {
    let spec = ModelSpec::load(catalog, config, Path::new(""))?;
    let weights = match weights(precision)? {
        Weights::Uniform(all) if all == spec.main_format() => Weights::Native,
        asked => asked,
    };
    let row = ModelRow::of(&spec, weights, Precision::Bf16, context);
    let billions = |n: u64| n as f64 / 1e9;
    let sentence = format!(
        "{} has {:.2} billion parameters, {:.2} billion of them active for a token.",
        spec.name,
        billions(row.parameters_total),
        billions(row.parameters_active)
    );
    let notes = spec.derivation(weights, Precision::Bf16, context);
    output.write(&context::finished("model", context::here(), sentence, notes, &[row])?)
}

fn weights(name: &str) -> Result<Weights, Failure> {
    if name == "native" {
        return Ok(Weights::Native);
    }
    let known = Precision::ALL.into_iter().find(|p| p.name() == name);
    known.map(Weights::Uniform).ok_or_else(|| {
        let names = Precision::ALL.iter().map(|p| p.name()).chain(["native"]);
        Failure::Usage(format!("--precision {name} is not known; {}", suggest(name, names)))
    })
}

/// `catalog`: what is known by name.
pub fn catalog(args: &CatalogArgs, catalog: &Catalog, output: &Output) -> Result<(), Failure> {
    let (devices, models) = (catalog.devices(), catalog.models());
    let prices = PriceList::load(catalog)?.rows();
    let sentence = format!(
        "{} devices, {} models and {} prices are known; `underdog catalog devices`, `models`, `prices` or a NAME shows them.",
        devices.len(),
        models.len(),
        prices.len()
    );
    let show = |sentence: String, rows: Result<Run, serde_json::Error>| -> Result<(), Failure> {
        output.write(&Run { sentence, ..rows? })
    };
    let plain = context::here;
    match args.name.as_deref() {
        None | Some("devices") => {
            let rows: Vec<DeviceRow> = load_all(&devices, |name| Device::load(catalog, name, Path::new("")))?
                .iter()
                .map(DeviceRow::from)
                .collect();
            show(sentence, context::finished("catalog devices", plain(), String::new(), Vec::new(), &rows))
        }
        Some("models") => {
            let rows: Vec<ModelRow> = load_all(&models, |name| ModelSpec::load(catalog, name, Path::new("")))?
                .iter()
                .map(|spec| ModelRow::of(spec, Weights::Native, Precision::Bf16, 8192))
                .collect();
            show(sentence, context::finished("model", plain(), String::new(), Vec::new(), &rows))
        }
        Some("prices") => {
            show(sentence, context::finished("catalog prices", plain(), String::new(), Vec::new(), &prices))
        }
        Some(name) if models.iter().any(|m| m == name) => one_model(name, "native", 8192, catalog, output),
        Some(name) => {
            let device = Device::load(catalog, name, Path::new(""))?;
            let own: Vec<_> = prices.into_iter().filter(|p| p.of == name).collect();
            let notes =
                own.iter().map(|p| format!("{}: {} {} ({}, {})", p.basis, p.value, p.unit, p.date, p.source)).collect();
            let sentence = format!("{}: {}", device.name, device.source);
            let rows = [DeviceRow::from(&device)];
            output.write(&context::finished("catalog device", plain(), sentence, notes, &rows)?)
        }
    }
}

fn load_all<T>(names: &[String], load: impl Fn(&str) -> Result<T, Diagnostic>) -> Result<Vec<T>, Failure> {
    Ok(names.iter().map(|name| load(name)).collect::<Result<_, _>>()?)
}

/// `schema`: the JSON schema of a format.
pub fn schema(format: SchemaOf) -> Result<(), Failure> {
    let schema = match format {
        SchemaOf::Scenario => schema_for!(Draft),
        SchemaOf::Run => schema_for!(Run),
        SchemaOf::Compare => schema_for!(CompareRow),
        SchemaOf::Explain => schema_for!(ExplainRow),
        SchemaOf::Answer => schema_for!(AnswerRow),
        SchemaOf::Part => schema_for!(crate::solve::evidence::PartRow),
        SchemaOf::Roofline => schema_for!(crate::solve::evidence::RooflineRow),
        SchemaOf::Rung => schema_for!(crate::solve::evidence::RungRow),
        SchemaOf::Assumption => schema_for!(crate::solve::evidence::AssumptionRow),
        SchemaOf::Simulate => schema_for!(crate::simulate::SimulateRow),
        SchemaOf::Distribution => schema_for!(crate::simulate::DistributionRow),
        SchemaOf::Timeline => schema_for!(crate::simulate::TimelineRow),
        SchemaOf::Model => schema_for!(ModelRow),
        SchemaOf::Device => schema_for!(DeviceRow),
        SchemaOf::Point => schema_for!(PointRow),
        SchemaOf::Bench => schema_for!(crate::measure::BenchRow),
        SchemaOf::Ladder => schema_for!(crate::measure::LadderRow),
        SchemaOf::Adapters => schema_for!(crate::measure::BesideRow),
        SchemaOf::Shapes => schema_for!(crate::measure::ShapeRow),
        SchemaOf::Step => schema_for!(super::step::StepRow),
        SchemaOf::Duel => schema_for!(crate::measure::DuelRow),
        SchemaOf::Verify => schema_for!(crate::measure::VerifyRow),
        SchemaOf::Devices => schema_for!(crate::measure::AdapterRow),
        SchemaOf::Slice => schema_for!(Slice),
    };
    output::print(&(serde_json::to_string_pretty(&schema)? + "\n"))
}
