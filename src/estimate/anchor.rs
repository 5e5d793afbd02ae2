//! Anchors: a user's own measurements correct the estimates of their neighbours.
//!
//! One measured run tells how far this engine, on this device, with this model, is from the estimate; runs of the same
//! layout share most of that distance.

use crate::setup::{Engine, Formats, Layout, Setup};

/// Measured over estimated, from one run or the geometric mean of several.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Correction {
    /// Of the time to the first token.
    pub ttft: f64,
    /// Of the time per further token.
    pub tpot: f64,
}

/// A measured run.
#[derive(Debug, Clone, PartialEq)]
pub struct Anchor {
    /// Catalogue name of the device.
    pub device: String,
    /// Name of the model.
    pub model: String,
    /// The engine.
    pub engine: Engine,
    /// In which number formats.
    pub formats: Formats,
    /// How an instance was spread; one that writes answers, where prompts have a pool of their own.
    pub layout: Layout,
    /// How one was spread that reads prompts, where they have a pool of their own.
    pub prefill: Option<Layout>,
    /// How far the run was from the estimate.
    pub correction: Correction,
}

impl Anchor {
    /// The same model in the same formats by the same engine on the same device, and as pools or not.
    fn near(&self, setup: &Setup, prefill: Option<Layout>) -> bool {
        self.device == setup.hardware.sheet.id
            && self.model == setup.model.name
            && self.engine == setup.engine
            && self.formats == setup.formats
            && self.prefill.is_some() == prefill.is_some()
    }

    fn same_layout(&self, setup: &Setup, prefill: Option<Layout>) -> bool {
        let degrees = |l: Layout| (l.tp, l.pp, l.dp, l.ep);
        degrees(self.layout) == degrees(setup.layout) && self.prefill.map(degrees) == prefill.map(degrees)
    }
}

/// What the anchors say of a setup, and of the pool that reads its prompts: those of its layout, else those of its
/// device, model, formats and engine.
pub fn correction(anchors: &[Anchor], setup: &Setup, prefill: Option<Layout>) -> Option<Correction> {
    let near: Vec<&Anchor> = anchors.iter().filter(|a| a.near(setup, prefill)).collect();
    let exact: Vec<&Anchor> = near.iter().copied().filter(|a| a.same_layout(setup, prefill)).collect();
    let used = if exact.is_empty() { near } else { exact };
    if used.is_empty() {
        return None;
    }
    let mean = |of: fn(&Correction) -> f64| {
        (used.iter().map(|a| of(&a.correction).ln()).sum::<f64>() / used.len() as f64).exp()
    };
    Some(Correction { ttft: mean(|c| c.ttft), tpot: mean(|c| c.tpot) })
}
