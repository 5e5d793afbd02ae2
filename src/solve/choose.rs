//! The row a contender is judged by: the best that serves the load within the targets; the others say what they miss.

use super::bill::metric;
use super::row::CompareRow;
use super::sentence;
use crate::scenario::Plan;

/// Costs closer than this are the same cost.
const SAME: f64 = 1e-9;

/// Marks the best row that meets the targets; the others say which target they miss. Of rows that cost the same, as
/// those do that pay for every hour of a day, the one is best that takes the least device time.
pub fn choose(rows: &mut [CompareRow], plan: &Plan) {
    for row in rows.iter_mut() {
        row.bill(&plan.workload);
        row.reason = row.reason.take().or_else(|| missed(row, plan));
    }
    too_many(rows, plan);
    let good = || rows.iter().enumerate().filter(|(_, row)| row.reason.is_none());
    let cost = |row: &CompareRow| metric(row, plan.objective.minimize);
    let least = good().filter_map(|(_, row)| cost(row)).min_by(f64::total_cmp);
    let time = |row: &CompareRow| row.device_hours_per_mtok.unwrap_or(0.0);
    let best = good()
        .filter(|(_, row)| cost(row).zip(least).is_some_and(|(cost, least)| cost <= least * (1.0 + SAME)))
        .min_by(|a, b| time(a.1).total_cmp(&time(b.1)))
        .map(|(index, _)| index);
    if let Some(index) = best {
        rows[index].chosen = true;
    }
}

fn missed(row: &CompareRow, plan: &Plan) -> Option<String> {
    let objective = &plan.objective;
    let over =
        |name: &str, value: f64, target: f64| format!("{name} {value:.0} ms misses the target of {target:.0} ms");
    if row.saturated == Some(true) {
        return Some("saturated: more requests are offered than it holds".to_owned());
    }
    if let (Some(target), Some(ms)) = (objective.ttft.map(|t| t.get() * 1e3), row.ttft_ms)
        && ms > target
    {
        return Some(over("TTFT", ms, target));
    }
    if let (Some(target), Some(ms)) = (objective.tpot.map(|t| t.get() * 1e3), row.tpot_ms)
        && ms > target
    {
        return Some(over("TPOT", ms, target));
    }
    None
}

/// More requests come than are served within the targets.
fn too_many(rows: &mut [CompareRow], plan: &Plan) {
    let Some(rate) = plan.workload.rate else { return };
    let day = |rate: f64| sentence::digits(rate * 86_400.0);
    let good = rows.iter().filter(|row| row.reason.is_none());
    let most = good.filter_map(|row| row.requests_per_s).fold(0.0, f64::max);
    let fewer = |row: &&mut CompareRow| row.reason.is_none() && row.requests_per_s.is_some_and(|served| served < rate);
    for row in rows.iter_mut().filter(fewer) {
        row.reason = Some(if most < rate {
            format!("it serves {} requests a day at most, of {} that come", day(most), day(rate))
        } else {
            format!("with so many at a time it serves fewer requests a day than the {} that come", day(rate))
        });
    }
}
