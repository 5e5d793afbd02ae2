//! The charts of a run: each reads rows of one kind and comes with title, units, legend and its data.

mod bars;
mod chart;
mod draw;
mod money;
mod rates;
mod speed;
mod waits;

use crate::run::Run;

pub use chart::Chart;
pub use draw::standalone;

/// Every chart the rows of a run have the data for, in reading order.
pub fn of(run: &Run) -> Vec<Chart<'_>> {
    let all = [
        money::curve(run),
        money::parts(run),
        money::waterfall(run),
        money::tornado(run),
        speed::load(run),
        speed::front(run),
        speed::roofline(run),
        speed::ladder(run),
    ];
    let served = rates::loads(run).into_iter().chain(rates::cost(run));
    let timed = waits::distributions(run).into_iter().chain(waits::timelines(run));
    all.into_iter().flatten().chain(served).chain(timed).collect()
}
