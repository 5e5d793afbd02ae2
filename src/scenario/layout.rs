//! How a contender's devices are divided: what is typed, checked against the model and what engines accept.

use super::Source;
use super::draft::{Count, ParallelDraft};
use crate::diagnostic::Diagnostic;
use crate::model::ModelSpec;
use crate::setup::{Engine, Hardware, Layout};

/// `count = tp * pp * dp * replicas`; without `parallel`, one instance takes the devices that one link joins.
pub fn spread(
    source: &Source,
    count: u64,
    typed: ParallelDraft,
    hardware: &Hardware,
    (model, engine): (&ModelSpec, Engine),
    at: &str,
) -> Result<Layout, Diagnostic> {
    let get = |c: Option<Count>| c.map_or(1, |c| c.0);
    let (pp, dp, ep) = (get(typed.pp), get(typed.dp), get(typed.ep));
    // llama.cpp divides a model by layers where nobody says otherwise (`--split-mode layer`).
    let by_layers = engine.single_user() && hardware.measured.is_none();
    let untyped = typed.tp.is_none() && typed.pp.is_none() && typed.dp.is_none() && typed.ep.is_none();
    let domain = hardware.link().map_or(1, |l| u64::from(l.domain));
    let (tp, pp) = match untyped {
        true if by_layers => (1, count.min(model.layer_count())),
        true => (usual(count, domain, model), pp),
        false => (get(typed.tp), pp),
    };
    let layout = Layout { tp, pp, dp, ep, replicas: (count / (tp * pp * dp)).max(1) };
    let field = format!("{at}.parallel");
    if layout.devices() != count {
        let message = format!("tp {tp} x pp {pp} x dp {dp} = {} does not divide count = {count}", tp * pp * dp);
        return Err(source.error_at(&field, message).hint("count = tp x pp x dp x replicas"));
    }
    match refused(&layout, model, engine) {
        Some((key, why, hint)) => Err(source.error_at(&format!("{field}.{key}"), why).hint(hint)),
        None => Ok(layout),
    }
}

/// The key that is wrong about a layout, why, and what is accepted.
fn refused(layout: &Layout, model: &ModelSpec, engine: Engine) -> Option<(&'static str, String, String)> {
    let Layout { tp, pp, dp, ep, .. } = *layout;
    if (tp * dp) % ep != 0 {
        let hint = "tp x dp = ep x the ranks that share one expert";
        return Some(("ep", format!("ep = {ep} does not divide tp x dp = {}", tp * dp), hint.to_owned()));
    }
    if let Some(why) = model.experts_refuse(ep) {
        let hint = if model.has_experts() {
            "a rank holds whole experts; beyond eight ranks busy ones are held twice, so that any number up to that of the experts fits"
        } else {
            "leave out ep"
        };
        return Some(("ep", why, hint.to_owned()));
    }
    if pp > model.layer_count() {
        let why = format!("pp = {pp} is more than the {} layers of {}", model.layer_count(), model.name);
        return Some(("pp", why, "a stage holds at least one layer".to_owned()));
    }
    if tp > model.most_tensor_parallel() {
        let why =
            format!("tp = {tp} is more than the {} attention heads of {}", model.most_tensor_parallel(), model.name);
        return Some(("tp", why, accepted(model)));
    }
    // llama.cpp divides the rows of matrices in any proportion (`--split-mode row`), not heads.
    let why = model.heads_refuse(tp).filter(|_| !engine.single_user())?;
    Some(("tp", why, accepted(model)))
}

fn accepted(model: &ModelSpec) -> String {
    let fit = (1..=model.most_tensor_parallel()).filter(|tp| model.heads_refuse(*tp).is_none());
    let named: Vec<String> = fit.map(|tp| tp.to_string()).collect();
    format!("accepted: {}; more devices are replicas, pp or dp", named.join(", "))
}

/// The largest number of ranks that divides the devices, that one link joins and that the heads can be dealt out to.
fn usual(count: u64, domain: u64, model: &ModelSpec) -> u64 {
    let most = domain.min(model.most_tensor_parallel()).min(count).max(1);
    let fits = |tp: &u64| count.is_multiple_of(*tp) && model.heads_refuse(*tp).is_none();
    (1..=most).rev().find(fits).unwrap_or(1)
}
