//! From what is typed to a price: what the scenario says, else the catalogue's rents of one tier for all contenders.

use super::Source;
use super::draft::{ApiDraft, ContenderDraft, OwnDraft, WorkloadDraft};
use super::money::{Currency, Money};
use super::price::{Basis, Busy, Parts, Price, TokenPrices};
use crate::device::prices::{Offer, Tier};
use crate::device::{Device, PriceList};
use crate::diagnostic::Diagnostic;
use crate::provenance::Provenance;
use crate::units::{Fraction, HOURS_PER_YEAR, UsdPerHour, UsdPerMtok};
use std::ops::Mul;

/// Prices of a scenario's contenders.
pub struct Pricing<'a> {
    /// The text, for the places of errors.
    pub source: &'a Source,
    /// The catalogue's prices.
    pub list: &'a PriceList,
    /// The currency besides US dollars.
    pub currency: Option<&'a Currency>,
    /// Requests per second that come on average.
    pub rate: Option<f64>,
    /// The tier of the catalogue that all contenders have who name no price; `None` where they have none in common.
    pub shared: Option<Tier>,
}

/// A contender as it is typed, and where.
#[derive(Clone, Copy)]
pub struct Typed<'a> {
    /// What is typed.
    pub draft: &'a ContenderDraft,
    /// The path of its table.
    pub at: &'a str,
}

impl ContenderDraft {
    /// Its price is the catalogue's.
    pub fn catalogued(&self) -> bool {
        self.device.is_some() && self.price.is_none() && self.own.is_none() && self.electricity.is_none()
    }
}

impl Pricing<'_> {
    /// The price of one device of a contender that draws so many watts.
    ///
    /// # Errors
    /// When two bases are given at once, a currency has no rate, a busy share is of nothing that is paid around the
    /// clock, or electricity is to be paid and the power is not known.
    pub fn of_devices(
        &self,
        typed: Typed<'_>,
        device: &Device,
        power: Option<f64>,
        date: Option<String>,
    ) -> Result<Price, Diagnostic> {
        let Typed { draft, at } = typed;
        let given = [draft.price.is_some(), draft.own.is_some(), draft.electricity.is_some()];
        if given.iter().filter(|g| **g).count() > 1 {
            let message = "price, own and electricity are three ways to count; give one of them";
            return Err(self.source.error_at(at, message));
        }
        let price = match (&draft.price, &draft.own, &draft.electricity) {
            (Some(rent), ..) => self.rented(rent, at, date)?,
            (_, Some(own), _) => self.owned(own, at, power, date)?,
            (.., Some(tariff)) => {
                let usd = self.usd(tariff, at, "electricity")?.get();
                let parts = Parts { standing: 0.0, kilowatts: self.kilowatts(at, 1.0, power)?, tariff: usd };
                let origin = format!("{}, nothing else counted", tariff.text);
                assumed(Basis::Electricity, parts, date, origin)
            }
            _ => self.catalogued(typed, device)?,
        };
        let price = Price { busy: self.busy(typed, price.basis)?, people: self.people(typed, price.basis)?, ..price };
        self.tiered(typed, price)
    }

    fn usd<T: Copy + Mul<f64, Output = T>>(&self, money: &Money<T>, at: &str, key: &str) -> Result<T, Diagnostic> {
        money.usd(self.currency).map_err(|[why, hint]| self.source.error_at(&format!("{at}.{key}"), why).hint(hint))
    }

    fn rented(&self, rent: &Money<UsdPerHour>, at: &str, date: Option<String>) -> Result<Price, Diagnostic> {
        let usd = self.usd(rent, at, "price")?.get();
        let as_typed = rent.text.contains(&usd.to_string());
        let origin = if as_typed { rent.text.clone() } else { format!("{}, {usd:.3} USD/h", rent.text) };
        Ok(assumed(Basis::Rent, Parts::hourly(usd), date, origin))
    }

    /// Purchase over years of 8766 hours, hosting, and power x PUE x electricity while the device works.
    fn owned(&self, own: &OwnDraft, at: &str, power: Option<f64>, date: Option<String>) -> Result<Price, Diagnostic> {
        let purchase = self.usd(&own.purchase, at, "own.purchase")?.get();
        let hosting = own.hosting.as_ref().map(|h| self.usd(h, at, "own.hosting")).transpose()?;
        let standing = purchase / (own.years.get() * HOURS_PER_YEAR) + hosting.map_or(0.0, |h| h.get());
        let (kilowatts, tariff) = match &own.electricity {
            Some(tariff) => {
                let usd = self.usd(tariff, at, "own.electricity")?.get();
                (self.kilowatts(at, own.pue.map_or(1.0, |p| p.get()), power)?, usd)
            }
            None => (0.0, 0.0),
        };
        let origin = format!(
            "{} over {} years, {standing:.3} USD/h around the clock, plus {:.3} USD/h of electricity while it works",
            own.purchase.text,
            own.years.get(),
            kilowatts * tariff
        );
        Ok(assumed(Basis::Own, Parts { standing, kilowatts, tariff }, date, origin))
    }

    fn kilowatts(&self, at: &str, pue: f64, power: Option<f64>) -> Result<f64, Diagnostic> {
        let message = "electricity is to be paid, but the power of the device is not known";
        let watts = power.ok_or_else(|| self.source.error_at(at, message).hint("give power = \"350 W\""))?;
        Ok(watts / 1000.0 * pue)
    }

    /// The share of the hours with work: of a rent from `utilisation`, of an owned device from its own, of either from
    /// the requests that come, all hours being paid.
    fn busy(&self, Typed { draft, at }: Typed<'_>, basis: Basis) -> Result<Busy, Diagnostic> {
        let own = draft.own.as_ref().and_then(|own| own.utilisation);
        let refuse =
            |key: &str, why: &str, hint: &str| Err(self.source.error_at(&format!("{at}.{key}"), why).hint(hint));
        let (share, key): (Option<Fraction>, _) = match (draft.utilisation, own, basis) {
            (Some(_), _, Basis::Own) => {
                return refuse(
                    "utilisation",
                    "an owned device has its busy share in own",
                    "write own = { ..., utilisation = 0.3 }",
                );
            }
            (Some(_), _, Basis::Electricity) => {
                let why = "electricity is paid while a device works: hours without work cost nothing";
                return refuse("utilisation", why, "leave out utilisation, or give price or own");
            }
            (share, None, _) => (share, "utilisation"),
            (_, share, _) => (share, "own.utilisation"),
        };
        // Who rents by the second while there is work says so with a share of 1, however many requests come.
        match (share.map(Fraction::get), self.rate) {
            (Some(share), _) if share <= 0.0 => {
                refuse(key, "a device that never works has no cost per token", "write a share above 0, such as 0.1")
            }
            (Some(share), _) => Ok(Busy::Share(share)),
            (None, Some(rate)) => Ok(Busy::Rate(rate)),
            (None, None) => Ok(Busy::Share(1.0)),
        }
    }

    fn people(&self, Typed { draft, at }: Typed<'_>, basis: Basis) -> Result<f64, Diagnostic> {
        match (&draft.people, basis) {
            (None, _) => Ok(0.0),
            (Some(people), Basis::Rent | Basis::Own) => Ok(self.usd(people, at, "people")?.get()),
            (Some(_), _) => Err(self
                .source
                .error_at(&format!("{at}.people"), "people are counted beside a rent or an owner's costs")
                .hint("give price or own, or leave out people")),
        }
    }

    /// The price with its tier and what is paid beside it, in words.
    fn tiered(&self, Typed { draft, at }: Typed<'_>, mut price: Price) -> Result<Price, Diagnostic> {
        if let Some(tier) = &draft.price_tier {
            if price.basis != Basis::Rent {
                let message = "a tier is of a rent: on-demand, spot, a contract";
                return Err(self.source.error_at(&format!("{at}.price_tier"), message).hint("leave out price_tier"));
            }
            price.tier = Some(tier.clone());
        }
        if price.provenance == Provenance::Assumed
            && let Some(tier) = &price.tier
        {
            price.origin += &format!(", {tier}");
        }
        match price.busy {
            Busy::Share(share) if share < 1.0 => price.origin += &format!(", busy {:.0} % of the time", share * 100.0),
            _ => {}
        }
        if price.people > 0.0 {
            price.origin += &format!(", plus {:.2} USD/h for people, all devices together", price.people);
        }
        Ok(price)
    }

    /// The catalogue's price: of the tier that is named, else of the one all have in common, else of the device's first.
    fn catalogued(&self, Typed { draft, at }: Typed<'_>, device: &Device) -> Result<Price, Diagnostic> {
        let found = match &draft.price_tier {
            Some(named) => {
                let tiers = self.list.tiers(&device.id);
                let tier = tiers.iter().find(|tier| tier.name() == named).ok_or_else(|| {
                    let known: Vec<&str> = tiers.iter().map(|t| t.name()).collect();
                    let message = format!("no {named} rent of {} is known", device.id);
                    let hint = if known.is_empty() {
                        "give its price too: price = \"2.00 USD/h\"".to_owned()
                    } else {
                        format!("known: {}; or give its price too", known.join(", "))
                    };
                    self.source.error_at(&format!("{at}.price_tier"), message).hint(hint)
                })?;
                self.list.offer(&device.id, *tier)
            }
            None => {
                let first = || self.list.tiers(&device.id).first().copied();
                self.shared.or_else(first).and_then(|tier| self.list.offer(&device.id, tier))
            }
        };
        Ok(found.map_or_else(unknown, offered))
    }

    /// The price list of a service and what it counts, for prompts of which such shares are found and written.
    ///
    /// # Errors
    /// When a currency has no rate, the shares of the prompt sum to more than 1, or something is given that a service
    /// does not have.
    pub fn of_tokens(
        &self,
        Typed { draft, at }: Typed<'_>,
        api: &ApiDraft,
        workload: &WorkloadDraft,
        date: Option<String>,
    ) -> Result<(TokenPrices, Price), Diagnostic> {
        self.only_tokens(draft, at)?;
        let discount = api.batch_discount.map_or(0.0, Fraction::get);
        let usd = |money: &Money<UsdPerMtok>, key: &str| {
            Ok::<_, Diagnostic>(self.usd(money, at, &format!("api.{key}"))? * (1.0 - discount))
        };
        let input = usd(&api.input, "input")?;
        let cached_input = api.cached_input.as_ref().map(|p| usd(p, "cached_input")).transpose()?.unwrap_or(input);
        let hit = workload.prefix_hit.map_or(0.0, Fraction::get);
        let written = workload.prefix_write.map_or(1.0 - hit, Fraction::get);
        if hit + written > 1.0 + 1e-9 {
            let message = format!("prefix_hit = {hit} and prefix_write = {written} are more than the prompt");
            let hint = "a token of the prompt is found in the cache, or written to it, or neither";
            return Err(self.source.error_at("workload.prefix_write", message).hint(hint));
        }
        let write = api.cache_write.as_ref().map(|p| usd(p, "cache_write")).transpose()?;
        let mut origin = "price list given in the scenario".to_owned();
        if write.is_some() {
            origin += &format!(
                ", {:.0} % of the prompt written to the cache and {:.0} % found there",
                written * 100.0,
                hit * 100.0
            );
        }
        if discount > 0.0 {
            origin += &format!(", {:.0} % off everything in batches", discount * 100.0);
        }
        let cache_write = write.map(|price| (price, written));
        let tokens = TokenPrices { input, cached_input, cache_write, output: usd(&api.output, "output")? };
        let tier = (discount > 0.0).then(|| "batch".to_owned());
        let price = Price { basis: Basis::Api, tier, date, origin, ..unknown() };
        Ok((tokens, price))
    }

    /// A service has nothing that devices have.
    fn only_tokens(&self, draft: &ContenderDraft, at: &str) -> Result<(), Diagnostic> {
        let given = [
            ("count", draft.count.is_some()),
            ("parallel", draft.parallel.is_some()),
            ("prefill", draft.prefill.is_some()),
            ("decode", draft.decode.is_some()),
            ("split", draft.split.is_some()),
            ("engine", draft.engine.is_some()),
            ("backend", draft.backend.is_some()),
            ("flash_attention", draft.flash_attention.is_some()),
            ("offload", draft.offload.is_some()),
            ("communication_units", draft.communication_units.is_some()),
            ("scheduler", draft.scheduler.is_some()),
            ("draft", draft.draft.is_some()),
            ("speed", draft.speed.is_some()),
            ("price", draft.price.is_some()),
            ("price_tier", draft.price_tier.is_some()),
            ("utilisation", draft.utilisation.is_some()),
            ("people", draft.people.is_some()),
            ("own", draft.own.is_some()),
            ("electricity", draft.electricity.is_some()),
            ("link", draft.link.is_some()),
            ("memory", draft.memory.is_some()),
            ("power", draft.power.is_some()),
            ("power_limit", draft.power_limit.is_some()),
            ("grid", draft.grid.is_some()),
        ];
        match given.into_iter().find(|(_, given)| *given) {
            Some((key, _)) => Err(self
                .source
                .error_at(&format!("{at}.{key}"), format!("a service that is paid by the token has no {key}"))
                .hint(format!("leave out {key}"))),
            None => Ok(()),
        }
    }
}

fn assumed(basis: Basis, parts: Parts, date: Option<String>, origin: String) -> Price {
    Price { basis, date, origin, parts: Some(parts), ..unknown() }
}

fn offered(offer: Offer) -> Price {
    let tier = offer.tier.name();
    let origin = if offer.count == 1 {
        format!("{:.2} USD/h, the {tier} rent of {} that is known", offer.median.get(), offer.date)
    } else {
        format!(
            "median of {} {tier} rents of {}, {:.2} to {:.2} USD/h",
            offer.count,
            offer.date,
            offer.low.get(),
            offer.high.get()
        )
    };
    Price {
        basis: Basis::Rent,
        tier: Some(tier.to_owned()),
        date: Some(offer.date),
        origin,
        provenance: Provenance::Catalogued,
        parts: Some(Parts::hourly(offer.median.get())),
        ..unknown()
    }
}

fn unknown() -> Price {
    Price {
        basis: Basis::None,
        tier: None,
        date: None,
        origin: "no rental price is known".to_owned(),
        provenance: Provenance::Assumed,
        parts: None,
        busy: Busy::Share(1.0),
        people: 0.0,
    }
}
