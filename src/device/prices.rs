//! What devices cost, by basis, with date, source and trust: rents, ownership, purchase, power, electricity, tokens.
//!
//! **Newest** means, for on-demand rents, the newest year of which a device has one: half of the sources date their
//! prices by the year only, so a finer rule would prefer whichever source happens to print a month. Everywhere else
//! each source dates alike, and it means the latest date. Rumours (trust D) are listed and never used.

use crate::catalog::{Catalog, Entry};
use crate::device::sheet::Trust;
use crate::diagnostic::Diagnostic;
use crate::stats;
use crate::units::{Factor, Fraction, Usd, UsdPerHour, UsdPerKwh, UsdPerMtok, Watts};
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;

/// Every known price, by basis.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PriceList {
    /// Rent per device and hour.
    pub rent: Vec<Quote<UsdPerHour>>,
    /// Total cost of ownership per device and hour, by the source's own model.
    pub own: Vec<Quote<UsdPerHour>>,
    /// Price of one device.
    pub purchase: Vec<Quote<Usd>>,
    /// Facility power per device: host, network and cooling included.
    pub power: Vec<Quote<Watts>>,
    /// Price of electricity, by region.
    pub electricity: Vec<Quote<UsdPerKwh>>,
    /// Facility power over the power of the computers.
    pub pue: Vec<Quote<Factor>>,
    /// Share of running costs in the cost of ownership.
    pub running_share: Vec<Quote<Fraction>>,
    /// List price of tokens, by model.
    pub api: Vec<Quote<UsdPerMtok>>,
}

/// One price and where it comes from.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quote<T> {
    /// What is priced: a device by its catalogue name, a region, a model.
    pub of: String,
    /// Which kind of rent, owner or token.
    #[serde(default)]
    pub tier: Option<Tier>,
    /// The price.
    pub value: T,
    /// When it held.
    pub date: When,
    /// Where it was printed.
    pub source: String,
    /// How far to trust it.
    pub trust: Trust,
    /// What a reader should know.
    #[serde(default)]
    pub notes: Option<String>,
}

/// Kinds of rents, owners and tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// Rented by the hour, not taken away.
    OnDemand,
    /// Rented by the hour, may be taken away.
    Spot,
    /// Rented for three years.
    #[serde(rename = "3-year contract")]
    Contract,
    /// What a customer pays, the tier not said.
    Retail,
    /// Assumed by the source.
    Assumed,
    /// Owned by one of the largest clouds.
    Hyperscaler,
    /// Owned by a cloud that rents out accelerators.
    Neocloud,
    /// Owned, by whom is not said.
    Unspecified,
    /// Tokens of a prompt.
    Input,
    /// Tokens of a prompt that the service has cached.
    #[serde(rename = "cached input")]
    CachedInput,
    /// Tokens of an answer.
    Output,
}

impl Tier {
    /// Kinds of rents, those first that are taken where a contender names none: what anybody may rent now, then what is
    /// signed for years, then what is printed without saying which, and last what may be taken away.
    const RENTS: [Self; 4] = [Self::OnDemand, Self::Contract, Self::Retail, Self::Spot];

    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OnDemand => "on-demand",
            Self::Spot => "spot",
            Self::Contract => "3-year contract",
            Self::Retail => "retail",
            Self::Assumed => "assumed",
            Self::Hyperscaler => "hyperscaler",
            Self::Neocloud => "neocloud",
            Self::Unspecified => "unspecified",
            Self::Input => "input",
            Self::CachedInput => "cached input",
            Self::Output => "output",
        }
    }
}

/// A date as the source gives it: `2026`, `2026-04`, `2026-04-30`, or years as `2024-2026`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct When(String);

impl When {
    /// The year; the last of several.
    pub fn year(&self) -> &str {
        match self.0.rsplit_once('-') {
            Some((_, last)) if last.len() == 4 => last,
            _ => &self.0[..4],
        }
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for When {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let lengths: Vec<usize> = text.split('-').map(str::len).collect();
        let digits = text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
        if digits && matches!(lengths.as_slice(), [4] | [4, 2] | [4, 2, 2] | [4, 4]) {
            return Ok(Self(text));
        }
        let message = format!("\"{text}\" is not a date; write \"2026\", \"2026-04\", \"2026-04-30\" or \"2024-2026\"");
        Err(serde::de::Error::custom(message))
    }
}

/// What a device rents for.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer {
    /// Which kind of rent.
    pub tier: Tier,
    /// The median of all offers.
    pub median: UsdPerHour,
    /// The cheapest.
    pub low: UsdPerHour,
    /// The dearest.
    pub high: UsdPerHour,
    /// How many there are.
    pub count: usize,
    /// The year they are of; of other tiers than on-demand the date.
    pub date: String,
}

impl PriceList {
    /// Reads the embedded list and lays the user's over it: for a basis and a thing, the user's rows replace ours.
    ///
    /// # Errors
    /// Names the key that is unknown, missing or wrong, with its place.
    pub fn load(catalog: &Catalog) -> Result<Self, Diagnostic> {
        catalog.kept.or_make("prices", std::path::Path::new(""), || {
            let mut all = Self::default();
            for entry in catalog.prices()? {
                all.lay_over(Self::parse(&entry)?);
            }
            Ok(all)
        })
    }

    /// Reads one list.
    ///
    /// # Errors
    /// Names the key that is unknown, missing or wrong, with its place.
    pub fn parse(entry: &Entry) -> Result<Self, Diagnostic> {
        toml::from_str(&entry.text).map_err(|error| {
            Diagnostic::from_toml(&entry.file, &entry.text, &error)
                .hint_if_missing("a price needs of, value, date, source and trust")
        })
    }

    fn lay_over(&mut self, over: Self) {
        replace(&mut self.rent, over.rent);
        replace(&mut self.own, over.own);
        replace(&mut self.purchase, over.purchase);
        replace(&mut self.power, over.power);
        replace(&mut self.electricity, over.electricity);
        replace(&mut self.pue, over.pue);
        replace(&mut self.running_share, over.running_share);
        replace(&mut self.api, over.api);
    }

    /// The median of the newest rents of one tier of a device, with count, range and date; see the module for "newest".
    pub fn offer(&self, device: &str, tier: Tier) -> Option<Offer> {
        let mine = || self.rent.iter().filter(|q| q.of == device && q.tier == Some(tier) && q.usable());
        let dated = |date: &When| if tier == Tier::OnDemand { date.year().to_owned() } else { date.to_string() };
        let newest = mine().map(|q| dated(&q.date)).max()?;
        let values: Vec<f64> = mine().filter(|q| dated(&q.date) == newest).map(|q| q.value.get()).collect();
        let at = |share| stats::quantile(&values, share).map(UsdPerHour::new);
        Some(Offer { tier, median: at(0.5)?, low: at(0.0)?, high: at(1.0)?, count: values.len(), date: newest })
    }

    /// The tiers a device is rented at, in the order in which they are taken.
    pub fn tiers(&self, device: &str) -> Vec<Tier> {
        Tier::RENTS.into_iter().filter(|tier| self.offer(device, *tier).is_some()).collect()
    }

    /// The first tier at which all of these devices are rented; those that are not rented at all do not count.
    pub fn shared_tier<'d>(&self, devices: impl Iterator<Item = &'d str>) -> Option<Tier> {
        let known: Vec<Vec<Tier>> = devices.map(|d| self.tiers(d)).filter(|tiers| !tiers.is_empty()).collect();
        Tier::RENTS.into_iter().find(|tier| !known.is_empty() && known.iter().all(|own| own.contains(tier)))
    }
}

impl<T> Quote<T> {
    /// Whether a verdict may rest on it.
    pub fn usable(&self) -> bool {
        self.trust < Trust::D
    }
}

/// The usable quotes of a thing with the latest date, in file order.
pub fn newest<'q, T>(quotes: &'q [Quote<T>], of: &str) -> Vec<&'q Quote<T>> {
    let mine = || quotes.iter().filter(|quote| quote.of == of && quote.usable());
    let latest = mine().map(|quote| &quote.date).max();
    mine().filter(|quote| Some(&quote.date) == latest).collect()
}

fn replace<T>(ours: &mut Vec<Quote<T>>, over: Vec<Quote<T>>) {
    ours.retain(|quote| over.iter().all(|new| new.of != quote.of));
    ours.extend(over);
}
