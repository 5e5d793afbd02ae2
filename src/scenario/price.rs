//! What an hour of a device costs: what the scenario says, else the catalogue's newest on-demand rentals.

use super::draft::{ContenderDraft, OwnDraft};
use super::plan::{Basis, Parts, Price};
use crate::device::{Device, PriceList};
use crate::provenance::Provenance;
use crate::units::UsdPerHour;

/// Hours of a year, leap years included.
const HOURS_PER_YEAR: f64 = 8766.0;

/// The price of one device of a contender.
///
/// # Errors
/// When two bases are given at once, or electricity is to be paid and the power is not known.
pub fn of_devices(
    list: &PriceList,
    typed: &ContenderDraft,
    device: &Device,
    power: Option<f64>,
    date: Option<String>,
) -> Result<Price, String> {
    let given = [typed.price.is_some(), typed.own.is_some(), typed.electricity.is_some()];
    if given.iter().filter(|g| **g).count() > 1 {
        return Err("price, own and electricity are three ways to count; give one of them".to_owned());
    }
    if let Some(rent) = typed.price {
        let tier = typed.price_tier.as_deref().unwrap_or("given in the scenario");
        return Ok(assumed(Basis::Rent, rent, date, format!("{} USD/h, {tier}", rent.get())));
    }
    if let Some(own) = &typed.own {
        return owned(own, power, date);
    }
    if let Some(tariff) = typed.electricity {
        let parts = Parts { standing: 0.0, utilisation: 1.0, kilowatts: kilowatts(1.0, power)?, tariff: tariff.get() };
        let origin = format!("{} USD/kWh, nothing else counted", tariff.get());
        return Ok(of_parts(Basis::Electricity, parts, date, origin));
    }
    Ok(catalogued(list, device))
}

fn assumed(basis: Basis, per_hour: UsdPerHour, date: Option<String>, origin: String) -> Price {
    Price { basis, usd_per_hour: Some(per_hour), date, origin, provenance: Provenance::Assumed, parts: None }
}

fn of_parts(basis: Basis, parts: Parts, date: Option<String>, origin: String) -> Price {
    Price { parts: Some(parts), ..assumed(basis, UsdPerHour::new(parts.per_hour()), date, origin) }
}

/// (purchase / (years x 8766 h) + hosting) / utilisation + power x PUE x electricity: an hour of work carries the
/// idle hours of what is paid for around the clock; electricity is counted while the device works.
fn owned(own: &OwnDraft, power: Option<f64>, date: Option<String>) -> Result<Price, String> {
    let utilisation = own.utilisation.map_or(1.0, |u| u.get());
    if utilisation <= 0.0 {
        return Err("own.utilisation must be above 0: a device that never works has no cost per token".to_owned());
    }
    let standing = own.purchase.get() / (own.years.get() * HOURS_PER_YEAR) + own.hosting.map_or(0.0, |h| h.get());
    let pue = own.pue.map_or(1.0, |p| p.get());
    let (kilowatts, tariff) = match own.electricity {
        Some(tariff) => (kilowatts(pue, power)?, tariff.get()),
        None => (0.0, 0.0),
    };
    let parts = Parts { standing, utilisation, kilowatts, tariff };
    let origin = format!(
        "{} USD over {} years at {:.0} % utilisation, plus {:.3} USD/h of electricity",
        own.purchase.get(),
        own.years.get(),
        utilisation * 100.0,
        kilowatts * tariff
    );
    Ok(of_parts(Basis::Own, parts, date, origin))
}

fn kilowatts(pue: f64, power: Option<f64>) -> Result<f64, String> {
    let watts =
        power.ok_or("electricity is to be paid, but the power of the device is not known; give power = \"350 W\"")?;
    Ok(watts / 1000.0 * pue)
}

fn catalogued(list: &PriceList, device: &Device) -> Price {
    match list.on_demand(&device.id) {
        Some(offer) => Price {
            basis: Basis::Rent,
            usd_per_hour: Some(offer.median),
            date: Some(offer.date.clone()),
            origin: format!(
                "median of {} on-demand rentals of {}, {:.2} to {:.2} USD/h",
                offer.count,
                offer.date,
                offer.low.get(),
                offer.high.get()
            ),
            provenance: Provenance::Catalogued,
            parts: None,
        },
        None => Price {
            basis: Basis::None,
            usd_per_hour: None,
            date: None,
            origin: "no rental price is known".to_owned(),
            provenance: Provenance::Assumed,
            parts: None,
        },
    }
}
