//! A measured row and what it ran on: the contender of a scenario, or what the row says itself.

use super::measured::Measured;
use crate::catalog::Catalog;
use crate::precision::Precision;
use crate::setup::{Engine, Layout, Setup};
use crate::validate::Point;
use crate::validate::describe::{Described, Describer};

/// The contender of a scenario that was measured.
#[derive(Debug, Clone, Copy)]
pub struct On<'a> {
    /// What serves; writes answers, where prompts have a pool of their own.
    pub setup: &'a Setup,
    /// How the pool is spread that reads prompts.
    pub prefill: Option<Layout>,
}

/// The point of a row with its throughput per device, and the setup it is predicted from.
///
/// # Errors
/// When the row contradicts the contender, or says too little and there is none.
pub fn joined(
    measured: &Measured,
    on: Option<On<'_>>,
    catalog: &Catalog,
    describer: &mut Describer<'_>,
) -> Result<(Point, Described), String> {
    let mut point = measured.point.clone();
    let mut described = match on {
        Some(on) => {
            agree(measured, on.setup, catalog)?;
            named(&mut point, on);
            of_contender(on)
        }
        None => {
            for (what, name) in [("model", &point.model), ("device", &point.device), ("precision", &point.precision)] {
                if name.is_empty() {
                    return Err(format!("the file does not say which {what} was measured in a way that is known"));
                }
            }
            describer.point(&point)?
        }
    };
    match &mut described {
        Described::One(setup) => fit(setup, measured, on.is_some())?,
        Described::Pools { decode, .. } => fit(decode, measured, on.is_some())?,
    }
    let devices = match &described {
        Described::One(setup) => (setup.layout.devices(), setup.layout.devices()),
        Described::Pools { prefill, decode } => (prefill.layout.devices(), decode.layout.devices()),
    };
    let each = |total: Option<f64>, devices: u64| total.map(|rate| rate / devices as f64);
    point.input_tok_s_per_device = point.input_tok_s_per_device.or(each(measured.input_tok_s, devices.0));
    point.output_tok_s_per_device = point.output_tok_s_per_device.or(each(measured.output_tok_s, devices.1));
    match &measured.not_predicted {
        Some(why) => Err(why.clone()),
        None => Ok((point, described)),
    }
}

/// The contender's names, which a row prints.
pub fn named(point: &mut Point, on: On<'_>) {
    point.model.clone_from(&on.setup.model.name);
    point.device.clone_from(&on.setup.hardware.sheet.id);
    on.setup.engine.name().clone_into(&mut point.engine_kind);
}

fn of_contender(on: On<'_>) -> Described {
    let setup = on.setup.clone();
    match on.prefill {
        Some(layout) => Described::Pools {
            prefill: Box::new(Setup { layout, speculation: None, ..setup.clone() }),
            decode: Box::new(setup),
        },
        None => Described::One(Box::new(setup)),
    }
}

/// A file of another model, device, engine or format is no measurement of this contender.
fn agree(measured: &Measured, setup: &Setup, catalog: &Catalog) -> Result<(), String> {
    let point = &measured.point;
    let differs =
        |what: &str, file: &str, own: &str| Err(format!("the file's {what} is {file}, the contender's {own}"));
    // A configuration or a data sheet of the user's own has a name that no file can have.
    if !point.model.is_empty() && point.model != setup.model.name && catalog.models().contains(&setup.model.name) {
        return differs("model", &point.model, &setup.model.name);
    }
    let own = &setup.hardware.sheet.id;
    if !point.device.is_empty() && point.device != *own && catalog.devices().contains(own) {
        return differs("device", &point.device, own);
    }
    let benched = point.engine_kind == "llama.cpp";
    if benched != (setup.engine == Engine::LlamaCpp) && !point.engine_kind.is_empty() {
        return differs("engine", &point.engine_kind, setup.engine.name());
    }
    let devices = setup.layout.devices();
    if let Some(count) = point.devices.filter(|count| *count != devices as f64 && point.disagg.is_none()) {
        return differs("number of devices", &count.to_string(), &devices.to_string());
    }
    let main = main_format(setup);
    match measured.weights {
        Some(weights) if weights != main => differs("weights are in another format:", weights.name(), main.name()),
        _ => Ok(()),
    }
}

fn main_format(setup: &Setup) -> Precision {
    match setup.formats.weights {
        crate::model::Weights::Uniform(precision) => precision,
        crate::model::Weights::Native => setup.model.main_format(),
    }
}

/// What the file says of the engine's configuration; a scenario that says otherwise is contradicted.
fn fit(setup: &mut Setup, measured: &Measured, given: bool) -> Result<(), String> {
    if let Some(cache) = measured.kv_cache {
        let own = setup.formats.kv_cache;
        if given && own.bits() != cache.bits() {
            return Err(format!("the file's cache is in {}, the contender's in {}", cache.name(), own.name()));
        }
        if own.bits() != cache.bits() {
            setup.formats.kv_cache = cache;
        }
    }
    if let Some(tokens) = measured.micro_batch {
        setup.limits.batch_tokens = tokens;
    }
    match (measured.accepted.filter(|a| *a > 1.0), &mut setup.speculation) {
        (Some(accepted), Some(own)) => own.accepted = accepted.min(own.drafts + 1.0),
        (Some(accepted), None) => {
            return Err(format!("the run guessed tokens ({accepted:.2} a step), and the contender has no `draft`"));
        }
        (None, _) => {}
    }
    Ok(())
}
