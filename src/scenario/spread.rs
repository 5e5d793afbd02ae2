//! What of a model lies on which of unlike devices: cards of a list by their memory or by given shares, and the host by
//! layers or by experts.

use super::Source;
use super::draft::{ContenderDraft, OffloadDraft};
use crate::catalog::Catalog;
use crate::device::Device;
use crate::diagnostic::Diagnostic;
use crate::model::ModelSpec;
use crate::setup::{Engine, Hardware, Holder};
use std::sync::Arc;

/// The host of a scenario that names none.
const DESKTOP: &str = "host-2ch-ddr5-5600";

/// Looks up the other devices of a contender.
pub struct Spread<'a> {
    /// The scenario.
    pub source: &'a Source,
    /// Where data sheets are.
    pub catalog: &'a Catalog,
    /// The contender.
    pub typed: &'a ContenderDraft,
    /// Its place in the scenario.
    pub at: &'a str,
}

impl Spread<'_> {
    /// The other cards and the host, with what each holds.
    ///
    /// # Errors
    /// When the engine cannot, a name is not known, or shares do not fit the model.
    pub fn holders(&self, first: &Hardware, model: &ModelSpec, engine: Engine) -> Result<Vec<Holder>, Diagnostic> {
        self.possible(first, engine)?;
        let mut holders = self.cards(first)?;
        if let Some(offload) = &self.typed.offload {
            let host = self.host(offload, model)?;
            // Cards share what the host leaves.
            for card in &mut holders {
                card.layers *= 1.0 - host.layers;
                card.experts *= 1.0 - host.experts;
                card.head &= !host.head;
            }
            holders.extend((host.layers > 0.0 || host.experts > 0.0 || host.head).then_some(host));
        }
        Ok(holders)
    }

    fn possible(&self, first: &Hardware, engine: Engine) -> Result<(), Diagnostic> {
        let refuse = |key: &str, why: String, hint: &str| {
            Err(self.source.error_at(&format!("{}.{key}", self.at), why).hint(hint.to_owned()))
        };
        if engine == Engine::Mlx && (first.sheet.vendor != "Apple" || first.measured.is_some()) {
            return refuse("engine", "mlx runs on Apple's chips".to_owned(), "llama.cpp runs on others");
        }
        if engine == Engine::Trtllm && (first.sheet.vendor != "NVIDIA" || first.measured.is_some()) {
            return refuse("engine", "trtllm runs on NVIDIA's devices".to_owned(), "vllm and sglang run on others");
        }
        let several = self.typed.device.as_ref().is_some_and(|d| !d.others().is_empty());
        if several && (engine != Engine::LlamaCpp || first.measured.is_some()) {
            let why = format!("{} runs on devices of one kind", engine.name());
            return refuse("device", why, "engine = \"llama.cpp\" spreads layers over cards of several kinds");
        }
        if several && (self.typed.count.is_some() || self.typed.parallel.is_some() || self.typed.prefill.is_some()) {
            let why = "a list of devices is one instance, its layers divided between them".to_owned();
            return refuse("device", why, "leave out count, parallel and pools; name a card twice where there are two");
        }
        if self.typed.split.is_some() && !several {
            return refuse("split", "there is one kind of device".to_owned(), "give device = [\"...\", \"...\"]");
        }
        let hosts = matches!(engine, Engine::LlamaCpp | Engine::Ktransformers) && first.measured.is_none();
        match &self.typed.offload {
            Some(_) if !hosts => {
                let why = format!("{} leaves nothing of a model on the host", engine.name());
                refuse("offload", why, "engine = \"llama.cpp\" does")
            }
            Some(_) if first.sheet.cpu || first.sheet.shared_memory => {
                let why = format!("the memory of {} is the host's already", first.sheet.id);
                refuse("offload", why, "leave it out")
            }
            _ => Ok(()),
        }
    }

    /// A device by its name; an error about the name has the place of its field.
    pub fn load(&self, name: &str, key: &str) -> Result<Device, Diagnostic> {
        Device::load(self.catalog, name, &self.source.folder).map_err(|e| {
            let own = e.span.is_some() || name.contains('/') || name.ends_with(".toml");
            let at = format!("{}.{key}", self.at);
            if own { e } else { self.source.error_at(&at, e.message).hint(e.hint.unwrap_or_default()) }
        })
    }

    /// Layers by memory, as llama.cpp divides them where nobody says; the last card has the LM head.
    fn cards(&self, first: &Hardware) -> Result<Vec<Holder>, Diagnostic> {
        let Some(names) = self.typed.device.as_ref().map(|d| d.others()) else { return Ok(Vec::new()) };
        let sheets = names.iter().map(|name| self.load(name, "device")).collect::<Result<Vec<_>, _>>()?;
        let memory = std::iter::once(&*first.sheet).chain(&sheets).map(|sheet| sheet.memory.get());
        let shares: Vec<f64> = match &self.typed.split {
            Some(given) if given.len() != sheets.len() + 1 => {
                let message = format!("{} shares for {} devices", given.len(), sheets.len() + 1);
                return Err(self
                    .source
                    .error_at(&format!("{}.split", self.at), message)
                    .hint("give one for each device"));
            }
            Some(given) => given.iter().map(|f| f.get()).collect(),
            None => memory.collect(),
        };
        let all: f64 = shares.iter().sum();
        let last = sheets.len();
        let holder = |(index, sheet): (usize, Device)| {
            let share = shares[index + 1] / all;
            let hardware = Hardware::from_sheet(sheet);
            Holder { hardware, layers: share, experts: share, head: index + 1 == last, host: false }
        };
        Ok(sheets.into_iter().enumerate().map(holder).collect())
    }

    fn host(&self, offload: &OffloadDraft, model: &ModelSpec) -> Result<Holder, Diagnostic> {
        let field = |key: &str| format!("{}.offload.{key}", self.at);
        let refuse = |key: &str, why: String, hint: String| Err(self.source.error_at(&field(key), why).hint(hint));
        let layers = model.layer_count();
        let routed: u64 = model.layers.iter().filter(|l| l.experts.is_some()).map(|l| l.count).sum();
        if offload.gpu_layers.is_none() && offload.experts.is_none() && offload.expert_layers.is_none() {
            let message = "nothing is said of what lies on the host";
            let hint = "give gpu_layers = 20, experts = \"host\" or expert_layers = 20";
            return Err(self.source.error_at(&format!("{}.offload", self.at), message).hint(hint));
        }
        if offload.experts.is_some() && offload.expert_layers.is_some() {
            let why = "experts = \"host\" is those of all layers".to_owned();
            return refuse("expert_layers", why, "give one of the two".to_owned());
        }
        let experts_key = if offload.experts.is_some() { "experts" } else { "expert_layers" };
        if routed == 0 && (offload.experts.is_some() || offload.expert_layers.is_some()) {
            let why = format!("{} has no routed experts", model.name);
            return refuse(experts_key, why, "give gpu_layers".to_owned());
        }
        // As the newest releases count: the LM head first, then layers from the last one.
        let kept = offload.gpu_layers.map_or(layers + 1, |n| n.0);
        let (head, kept) = (kept == 0, kept.saturating_sub(1).min(layers));
        let apart = 1.0 - kept as f64 / layers as f64;
        // `--n-cpu-moe` counts all layers from the first, those without experts among them.
        let experts = match (offload.experts, offload.expert_layers) {
            (Some(_), _) => 1.0,
            (None, Some(n)) => (n.0.saturating_sub(layers - routed) as f64 / routed as f64).min(1.0),
            (None, None) => 0.0,
        };
        let mut sheet = self.load(offload.host.as_deref().unwrap_or(DESKTOP), "offload.host")?;
        if !sheet.cpu {
            let why = format!("{} is no processor", sheet.id);
            return refuse("host", why, "name one of the catalogue's processors, or a file with cpu = true".to_owned());
        }
        sheet.bandwidth = offload.bandwidth.unwrap_or(sheet.bandwidth);
        sheet.memory = offload.memory.unwrap_or(sheet.memory);
        let mut hardware = Hardware::from_sheet(sheet);
        hardware.memory_known = offload.memory.is_some();
        Arc::make_mut(&mut hardware.sheet).link = None;
        Ok(Holder { hardware, layers: apart, experts: experts.max(apart), head, host: true })
    }
}
