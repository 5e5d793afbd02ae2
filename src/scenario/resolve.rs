//! `resolve(draft, catalogue, profile) -> Plan`: every name looked up, every field checked against the others.

use super::draft::{ContenderDraft, Count, Devices, Draft, ModelDraft, ParallelDraft, SpeedDraft, WeightFormat};
use super::layout::spread;
use super::plan::{Contender, Objective, Offer, Plan, Power};
use super::price::{Basis, Parts};
use super::pricing::{Pricing, Typed};
use super::spread::Spread;
use super::traffic::{self, Traffic};
use super::{Source, checks, load};
use crate::catalog::Catalog;
use crate::device::matching::{self, Match};
use crate::device::prices::Tier;
use crate::device::{Device, PriceList, Profile};
use crate::diagnostic::Diagnostic;
use crate::model::{ModelSpec, Weights};
use crate::precision::Precision;
use crate::provenance::Provenance;
use crate::setup::{Engine, Formats, Hardware, Limits, Setup, Speculation, Speed, Way};
use crate::stats;
use std::sync::Arc;

/// This machine, for contenders whose device is `local`.
#[derive(Debug, Clone, Copy)]
pub enum Local<'a> {
    /// Not measured yet: everything else is checked; the plan is not to be estimated.
    Pending,
    /// What was measured on it.
    Measured(&'a Arc<Profile>),
}

impl Draft {
    /// Whether a contender is this machine, so that it has to be measured.
    pub fn needs_local(&self) -> bool {
        self.contender.iter().any(|c| c.device.as_ref().is_some_and(|d| d.first() == "local"))
    }
}

/// Looks up every name and checks every field against the others.
///
/// # Errors
/// Names the field that is wrong with its place. What the schema accepts and this version does not compute is an
/// error too: nothing is ignored.
pub fn resolve(source: &Source, draft: &Draft, catalog: &Catalog, local: Local<'_>) -> Result<Plan, Diagnostic> {
    let typed = &draft.workload;
    let given = [
        ("workload.trace", typed.trace.is_some()),
        ("workload.arrivals", typed.arrivals.is_some()),
        ("workload.input_lengths", typed.input_lengths.is_some()),
        ("workload.output_lengths", typed.output_lengths.is_some()),
        ("objective.ttft_p99", draft.objective.ttft_p99.is_some()),
        ("objective.tpot_p99", draft.objective.tpot_p99.is_some()),
    ];
    match given.into_iter().find(|(_, given)| *given) {
        Some((path, _)) => Err(source
            .error_at(path, "requests in time have no steady state")
            .hint("`underdog simulate` answers this scenario; take the field out to get an answer without it")),
        None => look_up(source, draft, catalog, local),
    }
}

/// The same for requests in time: the plan, and what arrives.
///
/// # Errors
/// As [`resolve`].
pub fn resolve_in_time(
    source: &Source,
    draft: &Draft,
    catalog: &Catalog,
    local: Local<'_>,
) -> Result<(Plan, Traffic), Diagnostic> {
    if let Some(index) = draft.contender.iter().position(|c| c.count == Some(Devices::Auto)) {
        return Err(source
            .error_at(&format!("contender.{index}.count"), "the fewest devices are found in a steady state")
            .hint("give a count, or 1, and let `underdog simulate --size` find the number in time"));
    }
    let plan = look_up(source, draft, catalog, local)?;
    let mut traffic = traffic::of(source, draft, &plan.workload.concurrency)?;
    for (contender, scheduler) in plan.contenders.iter().zip(&mut traffic.schedulers) {
        if let Offer::Devices { prefill, .. } = &contender.offer {
            scheduler.prefill = *prefill;
        }
    }
    Ok((plan, traffic))
}

fn look_up(source: &Source, draft: &Draft, catalog: &Catalog, local: Local<'_>) -> Result<Plan, Diagnostic> {
    let list = PriceList::load(catalog)?;
    let currency = checks::currency(source, draft.currency.as_ref())?;
    let pricing = Pricing {
        source,
        list: &list,
        currency: currency.as_ref(),
        rate: draft.workload.rate.map(|r| r.get()),
        shared: shared_tier(source, draft, catalog, &list),
    };
    let lookup = Lookup { source, catalog, pricing, local, draft };
    if draft.contender.is_empty() {
        return Err(source
            .error(None, "there is no contender")
            .hint("add a [[contender]] table with a name and a device"));
    }
    let workload = load::workload(source, draft)?;
    let shared = lookup.model(&draft.model, "model")?;
    let mut contenders: Vec<Contender> = Vec::new();
    for (index, typed) in draft.contender.iter().enumerate() {
        let at = format!("contender.{index}");
        if contenders.iter().any(|c| c.name == typed.name) {
            let message = format!("there are two contenders named \"{}\"", typed.name);
            return Err(source
                .error_at(&format!("{at}.name"), message)
                .hint("answers and --set address contenders by name"));
        }
        let contender = lookup.contender(typed, &at, &shared)?;
        // A service may hold more than what the published configuration says.
        if let Offer::Devices { setup, .. } = &contender.offer {
            checks::context(source, draft, &setup.model)?;
        }
        contenders.push(contender);
    }
    let objective =
        Objective { tpot: draft.objective.tpot, ttft: draft.objective.ttft, minimize: draft.objective.minimize };
    Ok(Plan { name: draft.name.clone(), contenders, workload, objective, currency: currency.clone() })
}

/// The tier of the catalogue at which all contenders are rented that name no price, so that unlike rents do not meet
/// where like ones are known. A device that is not known is an error later on.
fn shared_tier(source: &Source, draft: &Draft, catalog: &Catalog, list: &PriceList) -> Option<Tier> {
    let own = draft.contender.iter().filter(|c| c.catalogued() && c.price_tier.is_none());
    let named = own
        .filter_map(|c| c.device.as_ref().map(|d| d.first()))
        .filter(|name| *name != "local" && !name.ends_with(".json"));
    let ids: Vec<String> =
        named.filter_map(|name| Some(Device::load(catalog, name, &source.folder).ok()?.id.clone())).collect();
    list.shared_tier(ids.iter().map(String::as_str))
}

struct Lookup<'a> {
    source: &'a Source,
    catalog: &'a Catalog,
    pricing: Pricing<'a>,
    local: Local<'a>,
    draft: &'a Draft,
}

/// A model with the formats it is served in.
type Served = (Arc<ModelSpec>, Formats);

impl Lookup<'_> {
    fn model(&self, typed: &ModelDraft, at: &str) -> Result<Served, Diagnostic> {
        let named = |e: Diagnostic| {
            // A name that is not known is an error of the scenario, with its place; a broken file is one of that file.
            if e.span.is_some() || e.text.is_empty() && typed.config.contains('/') {
                e
            } else {
                self.source.error_at(&format!("{at}.config"), e.message).hint(e.hint.unwrap_or_default())
            }
        };
        let model = ModelSpec::load(self.catalog, &typed.config, &self.source.folder).map_err(named)?;
        let weights = match typed.precision {
            // A checkpoint published in the format that is asked for keeps its own exceptions.
            WeightFormat::As(precision) if precision != model.main_format() => Weights::Uniform(precision),
            _ => Weights::Native,
        };
        let kv_cache = typed.kv_cache.unwrap_or(Precision::Bf16);
        Ok((Arc::new(model), Formats { weights, activations: typed.activations, kv_cache }))
    }

    fn contender(&self, typed: &ContenderDraft, at: &str, shared: &Served) -> Result<Contender, Diagnostic> {
        let (offer, profile) = match (&typed.device, &typed.api) {
            (Some(device), None) => self.devices(typed, device.first(), at, shared)?,
            (None, Some(api)) => {
                let date = checks::price_date(self.source, typed, at)?;
                let typed = Typed { draft: typed, at };
                let (tokens, price) = self.pricing.of_tokens(typed, api, &self.draft.workload, date)?;
                (Offer::Api { tokens, price }, None)
            }
            _ => {
                let message = format!("contender \"{}\" needs either a device or api prices", typed.name);
                return Err(self.source.error_at(at, message).hint(
                    "write device = \"h100-sxm-80gb\", or api = { input = \"0.5 USD/Mtok\", output = \"2 USD/Mtok\" }",
                ));
            }
        };
        Ok(Contender {
            name: typed.name.clone(),
            offer,
            profile,
            fewest: load::fewest(self.source, &self.draft.workload, typed, at)?,
        })
    }

    fn devices(
        &self,
        typed: &ContenderDraft,
        name: &str,
        at: &str,
        shared: &Served,
    ) -> Result<(Offer, Option<Arc<Profile>>), Diagnostic> {
        let profile = self.profile(name)?;
        let mut hardware = self.hardware(typed, name, profile.as_deref(), at)?;
        let (model, formats) = match &typed.model {
            Some(own) => self.model(own, &format!("{at}.model"))?,
            None => shared.clone(),
        };
        let engine = typed.engine.unwrap_or(if hardware.measured.is_some() { Engine::Wgpu } else { Engine::Vllm });
        let spreading = Spread { source: self.source, catalog: self.catalog, typed, at };
        hardware.others = spreading.holders(&hardware, &model, engine)?;
        let (count, parallel) = self.own_devices(typed, at)?;
        let layout = spread(self.source, count, parallel, &hardware, (&model, engine), at)?;
        let prefill = match typed.prefill {
            Some(pool) => {
                let at = format!("{at}.prefill");
                Some(spread(self.source, pool.count.0, pool.parallel, &hardware, (&model, engine), &at)?)
            }
            None => None,
        };
        let drawn =
            typed.power.map(|w| w.get()).or_else(|| mean_of_cards(&hardware, |sheet| sheet.tdp.map(|w| w.get())));
        let power = typed.power_limit.map_or(drawn, |limit| Some(drawn.map_or(limit.get(), |w| w.min(limit.get()))));
        let pue = checks::pue(self.source, typed, at)?;
        let grid = typed.grid.or(self.draft.grid).map(|g| g.get());
        let gram_per_hour = power.zip(grid).map(|(watts, grams)| watts / 1000.0 * pue * grams);
        let date = checks::price_date(self.source, typed, at)?;
        let priced = |sheet: &Device| self.pricing.of_devices(Typed { draft: typed, at }, sheet, power, date.clone());
        let mut price = priced(&hardware.sheet)?;
        if hardware.others.iter().any(|h| !h.host) {
            // Cards of several kinds cost their mean; a price that is given is that of each.
            let each = |sheet: &Device| priced(sheet).ok()?.parts.map(|p| p.standing);
            let mean = mean_of_cards(&hardware, each);
            price.parts = price.parts.zip(mean).map(|(parts, standing)| Parts { standing, ..parts });
            if price.parts.is_none() {
                price.basis = Basis::None;
            }
        }
        let communication_units = self.communication_units(typed, &hardware.sheet, at)?;
        let backend = checks::backend(self.source, typed, &hardware, engine, at)?;
        let flash_attention = checks::flash_attention(self.source, typed, engine, at)?;
        let limits = checks::limits(self.source, typed.limits, engine, at)?;
        let limits = Limits { communication_units, backend, flash_attention, ..limits };
        let setup = Setup {
            model,
            formats,
            hardware,
            layout,
            engine,
            limits,
            speculation: typed.draft.map(|d| Speculation::new(d.tokens.0, d.acceptance.get())),
            speed: speed(typed.speed),
        };
        let power = Power { watts: power, gram_per_hour };
        Ok((Offer::Devices { setup: Box::new(setup), prefill, price, power }, profile))
    }

    fn communication_units(&self, typed: &ContenderDraft, sheet: &Device, at: &str) -> Result<Option<u64>, Diagnostic> {
        let Some(units) = typed.communication_units.map(|u| u.0) else { return Ok(None) };
        match sheet.compute_units.map(u64::from) {
            Some(all) if units >= all => {
                let message =
                    format!("{units} compute units for communication leave none of the {all} of {}", sheet.id);
                Err(self.source.error_at(&format!("{at}.communication_units"), message))
            }
            _ => Ok(Some(units)),
        }
    }

    /// The profile behind a device, where it is one: of this machine, or a file.
    fn profile(&self, name: &str) -> Result<Option<Arc<Profile>>, Diagnostic> {
        Ok(match self.local {
            Local::Measured(profile) if name == "local" => Some(Arc::clone(profile)),
            _ if name.ends_with(".json") => Some(Arc::new(Profile::load(&self.source.folder.join(name))?)),
            _ => None,
        })
    }

    fn hardware(
        &self,
        typed: &ContenderDraft,
        name: &str,
        profile: Option<&Profile>,
        at: &str,
    ) -> Result<Hardware, Diagnostic> {
        let field = format!("{at}.device");
        let mut hardware = if let Some(profile) = profile {
            self.measured(profile, &field)?
        } else if name == "local" {
            Hardware::pending()
        } else {
            let device = Spread { source: self.source, catalog: self.catalog, typed, at }.load(name, "device")?;
            Hardware::from_sheet(device)
        };
        if typed.link == Some(Way::Nvlink) && hardware.sheet.link.is_none() {
            let message = format!("the data sheet of {} has no scale-up link", hardware.sheet.id);
            let hint = "give pcie-p2p or pcie-host, or a copy of its file with `link`";
            return Err(self.source.error_at(&format!("{at}.link"), message).hint(hint));
        }
        hardware.way = typed.link;
        if let Some(limit) = typed.power_limit {
            let field = format!("{at}.power_limit");
            if hardware.measured.is_some() || name == "local" {
                let message = "a device measured here was measured under its own limit";
                return Err(self.source.error_at(&field, message).hint("set the limit, then measure it again"));
            }
            let capped = hardware.sheet.capped(limit).map_err(|why| self.source.error_at(&field, why))?;
            hardware.sheet = Arc::new(capped);
            hardware.provenance = hardware.provenance.weakest(Provenance::Assumed);
        }
        if let Some(memory) = typed.memory {
            Arc::make_mut(&mut hardware.sheet).memory = memory;
            hardware.memory_known = true;
        }
        Ok(hardware)
    }

    /// A measured device; memory and power come from the catalogue where it is one of it.
    fn measured(&self, profile: &Profile, field: &str) -> Result<Hardware, Diagnostic> {
        let mut hardware = Hardware::from_profile(profile).map_err(|why| self.source.error_at(field, why))?;
        let sheets = Device::load_all(self.catalog)?;
        if let Match::Is(known) = matching::find(profile, &sheets) {
            let sheet = Arc::make_mut(&mut hardware.sheet);
            (sheet.memory, sheet.tdp) = (known.memory, known.tdp);
            hardware.memory_known = true;
        }
        Ok(hardware)
    }

    /// Devices of a contender and how one instance is spread: of its decode pool where it has pools.
    fn own_devices(&self, typed: &ContenderDraft, at: &str) -> Result<(u64, ParallelDraft), Diagnostic> {
        let others = typed.device.as_ref().map_or(0, |d| d.others().len() as u64);
        if others > 0 {
            return Ok((others + 1, ParallelDraft { pp: Some(Count(others + 1)), ..ParallelDraft::default() }));
        }
        match (typed.prefill, typed.decode) {
            (None, None) => {
                let parallel = typed.parallel.unwrap_or_default();
                Ok((devices_of(typed.count, parallel), parallel))
            }
            (Some(prefill), Some(decode)) => {
                let both = prefill.count.0 + decode.count.0;
                if typed.parallel.is_some() || typed.count.is_some_and(|c| c != Devices::Given(Count(both))) {
                    let message = format!("the pools have {both} devices and layouts of their own");
                    return Err(self.source.error_at(at, message).hint("leave out count and parallel"));
                }
                Ok((decode.count.0, decode.parallel))
            }
            (given, _) => {
                let (key, other) = if given.is_some() { ("prefill", "decode") } else { ("decode", "prefill") };
                let message = format!("a {key} pool needs a {other} pool");
                Err(self.source.error_at(&format!("{at}.{key}"), message))
            }
        }
    }
}

/// Devices that are typed; of a number that is to be found, one instance.
fn devices_of(count: Option<Devices>, parallel: ParallelDraft) -> u64 {
    let get = |c: Option<Count>| c.map_or(1, |c| c.0);
    match count {
        Some(Devices::Given(count)) => count.0,
        Some(Devices::Auto) => get(parallel.tp) * get(parallel.pp) * get(parallel.dp),
        None => 1,
    }
}

/// The mean over all cards of an instance that spreads over unlike ones; absent where one of them lacks it.
fn mean_of_cards(hardware: &Hardware, of: impl Fn(&Device) -> Option<f64>) -> Option<f64> {
    let cards = hardware.others.iter().filter(|h| !h.host).map(|h| &h.hardware.sheet);
    let all = std::iter::once(&hardware.sheet).chain(cards).map(|sheet| of(sheet)).collect::<Option<Vec<_>>>()?;
    stats::mean(&all)
}

fn speed(typed: Option<SpeedDraft>) -> Speed {
    match typed {
        None => Speed::ONE,
        Some(SpeedDraft::All(factor)) => Speed::all(factor.get()),
        Some(SpeedDraft::PerClass(class)) => {
            let or_one = |f: Option<crate::units::Factor>| f.map_or(1.0, |f| f.get());
            Speed {
                gemm: or_one(class.gemm),
                attention: or_one(class.attention),
                experts: or_one(class.experts),
                collectives: or_one(class.collectives),
                host: or_one(class.host),
            }
        }
    }
}
