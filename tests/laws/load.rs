//! What more or other work does to a closed loop.

use super::case::{Case, requests, whole};
use super::check::Check;
use underdog::estimate::Compiled;
use underdog::setup::Speculation;
use underdog::solve::CompareRow;

const TOLERANCE: f64 = 0.01;

/// Users from one to thousands, with neighbours of the whole powers of two, where tiles fill.
fn ladder(case: &Case) -> Case {
    let step = case.setup.layout.replicas * case.setup.layout.dp;
    let mut users: Vec<u64> = (0..13).flat_map(|power| [1 << power, (1 << power) + 1, 3 << power]).collect();
    users.extend((0..5).map(|power| step << power));
    users.extend(&case.workload.concurrency);
    users.retain(|u| *u <= 4096);
    users.sort_unstable();
    users.dedup();
    case.at(&users)
}

/// Every row against the best of those with fewer users; `padding` is what may be lost at so many users.
fn rising(case: &Case, name: &str, number: impl Fn(&CompareRow) -> Option<f64>, padding: impl Fn(f64) -> f64) -> Check {
    let mut check = Check::default();
    let ladder = ladder(case);
    let mut most: Option<(f64, u64)> = None;
    for row in ladder.numbered() {
        let Some(value) = number(row) else { continue };
        if let Some((before, users)) = most {
            let tolerance = TOLERANCE + padding(row.running_batch.unwrap_or(1.0));
            check.at_most(before, value, tolerance, || format!("{name} at {users} and {} users", row.concurrency));
        }
        if most.is_none_or(|(before, _)| value > before) {
            most = Some((value, row.concurrency));
        }
    }
    check
}

/// What a step of so many sequences loses to the best smaller one in sequences per second, as a share: partial tiles are
/// computed whole.
pub fn padding(compiled: &Compiled, context: f64, running: f64) -> f64 {
    let rate = |batch: f64| batch / compiled.decode_step(batch, context).get();
    // Tiles fill at whole powers of two, and ranks have their share each.
    let shares = (0..60).map(|eighth| running * f64::from(eighth - 60).exp2().powf(0.125)).filter(|b| *b >= 1.0);
    let smaller = shares.chain((1..=64).map(f64::from).take_while(|batch| *batch <= running));
    let best = smaller.map(rate).fold(0.0, f64::max);
    (best / rate(running) - 1.0).max(0.0)
}

/// Throughput does not fall as users are added, but for what partial tiles lose in steps of that batch.
pub fn throughput(case: &Case) -> Check {
    let Some(compiled) = case.compiled() else { return Check::default() };
    let context = case.input() + 0.5 * case.output();
    let replicas = case.setup.layout.replicas as f64;
    let lost = |running: f64| padding(&compiled, context, (running / replicas).max(1.0));
    rising(case, "requests/s", |row| requests(row, case.output()), lost)
}

/// Sequences per second of a step do not fall with the batch: what is found here is permitted, and shown.
pub fn padded_steps(case: &Case) -> Check {
    let mut check = Check::default();
    let Some(compiled) = case.compiled() else { return check };
    let mut best = (0.0, 0.0);
    for eighth in 0..88 {
        let batch = f64::from(eighth).exp2().powf(0.125).round();
        let rate = batch / compiled.decode_step(batch, case.input()).get();
        check.at_most(best.0, rate, TOLERANCE, || format!("sequences/s of steps of {} and {batch}", best.1));
        if rate > best.0 {
            best = (rate, batch);
        }
    }
    check
}

/// The first token does not come sooner as users are added.
pub fn first_token(case: &Case) -> Check {
    rising(case, "TTFT, ms,", |row| row.ttft_ms, |_| 0.0)
}

/// A request does not end sooner as users are added.
pub fn whole_request(case: &Case) -> Check {
    rising(case, "E2E, s,", |row| whole(row, case.output()), |_| 0.0)
}

/// Longer prompts are not served faster.
pub fn longer_prompt(case: &Case) -> Check {
    fewer_requests(case, "a prompt of twice the length", |c| c.workload.input_tokens *= 2)
}

/// Longer answers are not served faster.
pub fn longer_answer(case: &Case) -> Check {
    let twice = fewer_requests(case, "an answer of twice the length", |c| c.workload.output_tokens *= 2);
    let one = fewer_requests(case, "an answer of one more token", |c| c.workload.output_tokens += 1);
    if twice.worst.is_some() { twice } else { one }
}

fn fewer_requests(case: &Case, what: &str, change: impl FnOnce(&mut Case)) -> Check {
    let mut check = Check::default();
    let other = case.with(change);
    for (row, more) in case.rows.iter().zip(&other.rows) {
        let rate = |row| requests(row, case.output()).map(|r| r * case.output());
        if let (Some(was), Some(is)) = (rate(row), rate(more)) {
            let is = is / other.output();
            let was = was / case.output();
            check.at_most(is, was, TOLERANCE, || format!("requests/s with {what} at {} users", row.concurrency));
        }
    }
    check
}

/// A prompt that is found in the cache costs no more and is served no slower.
pub fn prefix_hits(case: &Case) -> Check {
    let mut check = Check::default();
    let hit = case.workload.prefix_hit;
    for more in [0.5 * (hit + 1.0), 0.9 * hit + 0.1] {
        let other = case.with(|c| c.workload.prefix_hit = more);
        for (row, better) in case.rows.iter().zip(&other.rows) {
            let what = |number| format!("{number} with hits {more:.3} for {hit:.3} at {} users", row.concurrency);
            if let (Some(was), Some(is)) = (requests(row, case.output()), requests(better, case.output())) {
                check.at_most(was, is, TOLERANCE, || what("requests/s"));
            }
            if let (Some(was), Some(is)) = (row.device_hours_per_mtok, better.device_hours_per_mtok) {
                check.at_most(is, was, TOLERANCE, || what("device_hours_per_mtok"));
            }
        }
    }
    check
}

/// Guesses that are accepted more often serve no less.
pub fn more_accepted(case: &Case) -> Check {
    let mut check = Check::default();
    let Some(speculation) = case.setup.speculation else { return check };
    let accepted = 0.5 * (speculation.accepted + 1.0 + speculation.drafts);
    let other = case.with(|c| c.setup.speculation = Some(Speculation { accepted, ..speculation }));
    for (row, better) in case.rows.iter().zip(&other.rows) {
        if let (Some(was), Some(is)) = (requests(row, case.output()), requests(better, case.output())) {
            check.at_most(was, is, TOLERANCE, || {
                format!(
                    "requests/s with {accepted:.2} for {:.2} accepted at {} users",
                    speculation.accepted, row.concurrency
                )
            });
        }
    }
    check
}

/// A row past capacity stays past it as users are added.
pub fn saturation(case: &Case) -> Check {
    let mut check = Check::default();
    let ladder = ladder(case);
    let mut full = None;
    for row in ladder.numbered() {
        match (row.saturated, full) {
            (Some(true), None) => full = Some(row.concurrency),
            (Some(false), Some(users)) => {
                check.holds(false, || format!("saturated at {users} users and not at {}", row.concurrency));
            }
            _ => check.holds(true, String::new),
        }
    }
    check
}
