//! The fewest devices that serve a load within the targets: `count = "auto"`.
//!
//! Every number is tried from one on, each in every layout that has so many devices, until one serves; nothing says that
//! two devices serve what one does not. The load is the scenario's users at a time, or its requests a day.

use super::choose::choose;
use super::layouts::{MOST_DEVICES, of_count};
use super::row::{CompareRow, device_row};
use crate::estimate::{Calibration, Compiled, Unanswerable};
use crate::scenario::{Contender, Fewest, Offer, Plan};
use crate::setup::Layout;

/// The plan with the fewest devices of every contender whose number is to be found.
///
/// # Errors
/// When a data sheet lacks a number that every layout needs.
pub fn sized(plan: &Plan, calibration: &Calibration) -> Result<Plan, Unanswerable> {
    let mut sized = plan.clone();
    for contender in &mut sized.contenders {
        let Some(asked @ (Fewest::Instances | Fewest::Layouts)) = contender.fewest else { continue };
        let (found, layout) = search(contender, asked, plan, calibration)?;
        contender.fewest = Some(found);
        if let Offer::Devices { setup, .. } = &mut contender.offer {
            setup.layout = layout;
        }
    }
    Ok(sized)
}

/// The layout of the fewest devices; where none serves, the largest that holds the model.
fn search(
    contender: &Contender,
    asked: Fewest,
    plan: &Plan,
    calibration: &Calibration,
) -> Result<(Fewest, Layout), Unanswerable> {
    let Offer::Devices { setup, .. } = &contender.offer else { return Ok((Fewest::None, Layout::SINGLE)) };
    let mut largest = Err(setup.layout);
    let mut why = None;
    for count in 1..=MOST_DEVICES {
        let layouts = match asked {
            Fewest::Instances => repeated(&setup.layout, count),
            _ => of_count(setup, count),
        };
        let mut tried: Vec<(Layout, CompareRow)> = Vec::new();
        for layout in layouts {
            match rows_of(contender, layout, plan, calibration) {
                Ok(rows) => tried.extend(rows.into_iter().map(|row| (layout, row))),
                Err(error) => why = Some(error),
            }
        }
        let mut rows: Vec<CompareRow> = tried.iter().map(|(_, row)| row.clone()).collect();
        choose(&mut rows, plan);
        if let Some(index) = rows.iter().position(|row| row.chosen) {
            return Ok((Fewest::Found, tried[index].0));
        }
        if let Some(index) = rows.iter().position(|row| row.device_hours_per_mtok.is_some()) {
            largest = Ok(tried[index].0);
        }
    }
    match (largest, why) {
        (Err(_), Some(why)) => Err(why),
        (Ok(layout) | Err(layout), _) => Ok((Fewest::None, layout)),
    }
}

/// So many devices as copies of one instance.
fn repeated(layout: &Layout, count: u64) -> Vec<Layout> {
    let one = layout.instance();
    if count.is_multiple_of(one) { vec![Layout { replicas: count / one, ..*layout }] } else { Vec::new() }
}

fn rows_of(
    contender: &Contender,
    layout: Layout,
    plan: &Plan,
    calibration: &Calibration,
) -> Result<Vec<CompareRow>, Unanswerable> {
    let Offer::Devices { setup, price, power, .. } = &contender.offer else { return Ok(Vec::new()) };
    let mut setup = (**setup).clone();
    setup.layout = layout;
    let compiled = Compiled::new(setup, calibration)?;
    let row = |&users: &u64| device_row(&contender.name, &compiled, price, *power, &plan.workload.at(users));
    Ok(plan.workload.concurrency.iter().map(row).collect())
}
