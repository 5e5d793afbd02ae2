//! The op list does the arithmetic that the description of the model counts, for every model and any part of a prompt.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use underdog::catalog::{self, Catalog};
use underdog::device::Device;
use underdog::estimate::step::{Each, Step, Whole};
use underdog::estimate::{Calibration, Compiled};
use underdog::model::{ModelSpec, Phase, Weights};
use underdog::precision::Precision;
use underdog::setup::{Engine, Formats, Hardware, Layout, Limits, Setup, Speed};
use underdog::units::Bytes;

/// Relative difference that rounding may leave.
const TOLERANCE: f64 = 1e-3;

/// One device that holds everything.
fn setup(model: ModelSpec, catalog: &Catalog) -> Setup {
    let mut sheet = Device::load(catalog, "h200-sxm", Path::new("")).expect("a device");
    sheet.memory = Bytes::new(100.0 * 1_099_511_627_776.0);
    Setup {
        model: Arc::new(model),
        formats: Formats { weights: Weights::Native, activations: None, kv_cache: Precision::Bf16 },
        hardware: Hardware::from_sheet(sheet),
        layout: Layout::SINGLE,
        engine: Engine::Vllm,
        limits: Limits::default(),
        speculation: None,
        speed: Speed::ONE,
    }
}

/// What a step does, by the name of the operation.
fn done(compiled: &Compiled, step: &Step) -> BTreeMap<&'static str, f64> {
    let mut all = BTreeMap::new();
    for (op, timed) in compiled.timed(step) {
        *all.entry(op.name).or_insert(0.0) += timed.flop.get();
    }
    all
}

/// Every step that is looked at, what it is, and what the model counts for it.
fn steps(model: &ModelSpec) -> Vec<(String, Step, f64)> {
    let mut all = Vec::new();
    for context in [1_000, 16_000, 128_000] {
        for batch in [1.0, 7.0] {
            let step = Step { decode: Whole(batch), context: Each(context as f64), ..Step::default() };
            let flop = model.flop(1, context, Phase::Decode).get() * batch;
            all.push((format!("decode {batch} at {context}"), step, flop));
        }
    }
    for (new, past) in [(1_000, 0), (16_000, 0), (128_000, 0), (1_000, 15_000), (512, 127_000)] {
        let step = Step::of_prompts(1.0, new as f64, past as f64);
        all.push((format!("prefill {new} after {past}"), step, model.flop(new, past, Phase::Prefill).get()));
    }
    all
}

/// Every model of the catalogue, and every published configuration that is read.
fn models(catalog: &Catalog) -> Vec<ModelSpec> {
    let known = catalog.models().into_iter();
    let known = known.map(|name| ModelSpec::load(catalog, &name, Path::new("")).expect("a model"));
    let files = fs::read_dir("tests/models").expect("a folder").map(|file| file.expect("a file").path());
    let read = files.filter(|file| !file.to_string_lossy().contains("refused-"));
    known.chain(read.map(|file| ModelSpec::parse(&catalog::read(&file).expect("a file")).expect("a model"))).collect()
}

/// FLOP of the routed experts of so many tokens.
fn experts(model: &ModelSpec, tokens: f64) -> f64 {
    let layers = model.layers.iter().filter_map(|layer| Some((layer.count, layer.experts?)));
    let each = layers.map(|(count, e)| (count * e.topk * e.matrices * e.width * e.inter) as f64);
    2.0 * tokens * each.sum::<f64>()
}

/// Steps whose operations do not sum to the count: all operations, or those outside the routed experts.
fn wrong(with_experts: bool) -> (usize, String) {
    let catalog = Catalog::embedded();
    let calibration = Calibration::load(&catalog).expect("constants");
    let (mut table, mut wrong) = (String::new(), 0);
    for model in models(&catalog) {
        let name = model.name.clone();
        let compiled = Compiled::new(setup(model.clone(), &catalog), &calibration).expect("an estimate");
        for (what, step, counted) in steps(&model) {
            let mut parts = done(&compiled, &step);
            let mut counted = counted;
            if !with_experts {
                parts.remove("experts");
                counted -= experts(&model, step.tokens().0);
            }
            let ratio = parts.values().sum::<f64>() / counted;
            if (ratio - 1.0).abs() > TOLERANCE {
                wrong += 1;
                let shares = parts.iter().filter(|(_, f)| **f > 0.005 * counted);
                let shares: Vec<String> = shares.map(|(op, f)| format!("{op} {:.3}", f / counted)).collect();
                writeln!(table, "{name:28} {what:26} {ratio:8.4} of the count: {}", shares.join(", ")).expect("text");
            }
        }
    }
    (wrong, table)
}

#[test]
fn every_step_does_what_the_model_counts() {
    let (wrong, table) = wrong(true);
    assert!(wrong == 0, "{wrong} steps do other arithmetic than the model counts:\n{table}");
}

#[test]
fn outside_the_experts_every_step_does_what_the_model_counts() {
    let (wrong, table) = wrong(false);
    assert!(wrong == 0, "{wrong} steps do other arithmetic outside the experts than the model counts:\n{table}");
}
