//! What a report shows beside an answer: where the numbers come from.

use super::adapters;
use super::failure::Failure;
use crate::catalog::Catalog;
use crate::device::Device;
use crate::estimate::Calibration;
use crate::measure::LadderRow;
use crate::run::{Row, kinded, rows};
use crate::scenario::Plan;
use crate::solve::{self, evidence};

/// What a report shows beside the answer: the parts of the contenders' costs, their roofs, the ladders of those that
/// were measured, and what all rests on.
pub fn evidence(plan: &Plan, calibration: &Calibration, catalog: &Catalog) -> Result<Vec<Row>, Failure> {
    let measured = || plan.contenders.iter().filter_map(|c| Some((&c.name, c.profile.as_deref()?)));
    let sheets = if measured().next().is_none() { Vec::new() } else { Device::load_all(catalog)? };
    let (ops, comparison) = solve::explain(plan, calibration)?;
    let mut all = rows(&evidence::parts(&comparison.rows, &ops))?;
    all.extend(rows(&evidence::roofline(plan, calibration, &ops)?)?);
    for (name, profile) in measured() {
        all.extend(rows(&evidence::rungs(name, profile))?);
        let shown = |r: &LadderRow| matches!(r.kernel.as_str(), "gemm" | "gemv");
        let ladder = adapters::ladder(profile, &sheets).into_iter().filter(shown);
        all.extend(kinded("ladder", &ladder.collect::<Vec<_>>())?);
    }
    all.extend(rows(&evidence::assumptions(plan, calibration)?)?);
    Ok(all)
}
