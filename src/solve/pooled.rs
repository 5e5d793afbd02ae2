//! Separate pools in the layout search: prompts and answers are estimated apart, then matched in number.
//!
//! A layout reads prompts at some rate per device, another writes answers at some rate and speed; nothing of one
//! depends on the other. So every layout is estimated once for each, the pairs that no other beats are kept, and only
//! those are estimated together: as many prefill units as keep the decode units busy, within the most devices.

use super::layouts::{MOST_DEVICES, PER_DEVICE};
use super::row::{CompareRow, pool_row};
use crate::estimate::{Calibration, Compiled, Pools, Readers};
use crate::scenario::{Contender, Offer, Plan};
use crate::setup::{Layout, Load};
use rayon::prelude::*;

/// Decode units that are tried when two pools are matched.
const MOST_UNITS: u64 = 8;

/// A layout of the decode pool at a load.
struct Writer {
    compiled: Compiled,
    /// Sequences on one unit.
    running: f64,
    /// Time per token, s.
    tpot: f64,
    /// Requests per second of one unit.
    rate: f64,
}

/// A layout of the prefill pool.
struct Reader {
    compiled: Compiled,
    /// Time to the first token, s, without waiting.
    first: f64,
    /// Requests per second of one unit.
    rate: f64,
}

/// The best pairs of pools at rising loads: the layouts of both and what a comparison says of them.
pub fn rows(
    contender: &Contender,
    layouts: &[Layout],
    plan: &Plan,
    calibration: &Calibration,
) -> Vec<((Layout, Layout), CompareRow)> {
    let Offer::Devices { setup, price, power, .. } = &contender.offer else { return Vec::new() };
    // Engines of one user and this program's own kernels have no pools.
    if setup.engine.single_user() || setup.hardware.measured.is_some() {
        return Vec::new();
    }
    let units: Vec<Layout> = layouts.iter().copied().filter(|l| l.devices() * 2 <= MOST_DEVICES).collect();
    let one = plan.workload.at(1);
    let compiled = |layout: &Layout, reads: bool| {
        let mut own = (**setup).clone();
        own.layout = *layout;
        let load = Load { output_tokens: if reads { 1.0 } else { one.output_tokens }, ..one };
        if reads {
            own.speculation = None;
        }
        Compiled::new(own, calibration).ok().filter(|c| c.shortage(&load).is_none())
    };
    let readers = units.par_iter().filter_map(|l| Some(reader(compiled(l, true)?, &one))).collect::<Vec<_>>();
    let target = plan.objective.ttft.map_or(f64::INFINITY, |t| t.get());
    let per_device = |r: &Reader| r.rate / r.compiled.setup.layout.devices() as f64;
    let quick = readers.iter().filter(|r| r.first <= target);
    let Some(reader) = quick.max_by(|a, b| per_device(a).total_cmp(&per_device(b))) else { return Vec::new() };
    let writers: Vec<Writer> =
        units.par_iter().filter_map(|l| compiled(l, false)).flat_map_iter(|c| writers(&c, plan)).collect();
    let kept = undominated(writers, per_device(reader));
    let row = |writer: &Writer| {
        let (pools, concurrency) = matched(reader, writer, plan, calibration)?;
        let both = (pools.prefill.setup.layout, pools.decode.setup.layout);
        let users = plan.workload.users().unwrap_or(concurrency);
        let row = pool_row(&contender.name, &pools, price, *power, &plan.workload.at(users));
        (row.saturated != Some(true)).then_some((both, row))
    };
    kept.par_iter().filter_map(row).collect()
}

fn reader(compiled: Compiled, load: &Load) -> Reader {
    let readers = Readers::of(&compiled, load, f64::INFINITY);
    let alone = readers.alone();
    let (first, rate) = ((alone.own + alone.lag).get(), readers.most());
    Reader { compiled, first, rate }
}

/// A decode layout at rising loads, until it holds no more.
fn writers(compiled: &Compiled, plan: &Plan) -> Vec<Writer> {
    let load = plan.workload.at(1);
    let layout = compiled.setup.layout;
    let holds = compiled.holds(&load) * layout.replicas as f64;
    let loads = PER_DEVICE.iter().map(|each| each * layout.devices() as f64).filter(|n| *n >= 1.0 && *n <= holds);
    loads
        .map(|running| {
            let writing = Pools::writing(compiled, &load, (running / layout.replicas as f64).max(1.0));
            Writer { compiled: compiled.clone(), running, tpot: writing.tpot.get(), rate: writing.rate }
        })
        .collect()
}

/// Writers that no other beats both in speed and in requests per second and device, the readers they need counted.
fn undominated(mut writers: Vec<Writer>, read: f64) -> Vec<Writer> {
    let whole = |w: &Writer| 1.0 / (w.compiled.setup.layout.devices() as f64 / w.rate + 1.0 / read);
    writers.sort_by(|a, b| a.tpot.total_cmp(&b.tpot).then(whole(b).total_cmp(&whole(a))));
    let mut most = 0.0;
    writers.retain(|w| {
        let better = whole(w) > most;
        most = if better { whole(w) } else { most };
        better
    });
    writers
}

/// Units of both pools that keep each other busy with the fewest idle devices, and the requests in flight then.
fn matched(reader: &Reader, writer: &Writer, plan: &Plan, calibration: &Calibration) -> Option<(Pools, u64)> {
    let (reads, writes) = (reader.compiled.setup.layout, writer.compiled.setup.layout);
    let pair = |w: u64| {
        let r = ((w as f64 * writer.rate / reader.rate) * 1.001).ceil().max(1.0) as u64;
        let devices = r * reads.devices() + w * writes.devices();
        (devices <= MOST_DEVICES).then_some((devices as f64 / w as f64, w, r))
    };
    let (_, w, r) = (1..=MOST_UNITS).filter_map(pair).min_by(|a, b| a.0.total_cmp(&b.0))?;
    let grown = |compiled: &Compiled, times: u64| {
        let mut compiled = compiled.clone();
        compiled.setup.layout.replicas *= times;
        compiled
    };
    let pools = Pools::of(grown(&reader.compiled, r), grown(&writer.compiled, w), calibration).ok()?;
    // Those that decode, and those that wait for their first token meanwhile.
    let waiting = w as f64 * writer.rate * pools.first_token(&plan.workload.at(1)).get();
    Some((pools, (w as f64 * writer.running + waiting).floor().max(1.0) as u64))
}
