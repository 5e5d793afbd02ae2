//! One contender against others that must not beat it, or must equal it: replicas and the ideal engine.

use super::case::{Case, requests};
use super::check::Check;
use underdog::model::Class;
use underdog::setup::Engine;

const TOLERANCE: f64 = 0.01;
/// Copies that stand idle change nothing.
const SAME: f64 = 1e-3;

/// Engines that stand idle beside one user's change neither of the times.
pub fn idle_replicas(case: &Case) -> Check {
    let mut check = Check::default();
    let way = case.with(Case::single).transfer();
    let times = |replicas: u64| {
        let copies = case.with(|c| {
            c.single();
            c.replicate(replicas);
            c.workload.concurrency = vec![1];
        });
        // Pools that leave a node send their caches over the network.
        let same = copies.transfer() == way;
        copies.numbered().find_map(|row| Some((row.ttft_ms?, row.tpot_ms?))).filter(|_| same)
    };
    let Some(one) = times(1) else { return check };
    for replicas in [2, 8, 64] {
        let Some(more) = times(replicas) else { continue };
        check.equal(more.0, one.0, SAME, || format!("TTFT, ms, of one user with {replicas} replicas"));
        check.equal(more.1, one.1, SAME, || format!("TPOT, ms, of one user with {replicas} replicas"));
    }
    check
}

/// So many times the engines serve so many times the users.
pub fn more_replicas(case: &Case) -> Check {
    let mut check = Check::default();
    for replicas in [2, 8] {
        let copies = case.with(|c| {
            c.replicate(replicas);
            c.workload.concurrency.iter_mut().for_each(|users| *users *= replicas);
        });
        if copies.transfer() != case.transfer() {
            continue;
        }
        for (row, more) in case.rows.iter().zip(&copies.rows) {
            if let (Some(one), Some(all)) = (requests(row, case.output()), requests(more, case.output())) {
                check.equal(all, replicas as f64 * one, TOLERANCE, || {
                    format!("requests/s of {replicas} times the replicas and of {} users", row.concurrency)
                });
            }
            if let (Some(one), Some(all)) = (row.ttft_ms, more.ttft_ms) {
                check.equal(all, one, TOLERANCE, || {
                    format!("TTFT, ms, of {replicas} times the replicas and of {} users", row.concurrency)
                });
            }
        }
    }
    check
}

fn ideal(case: &Case) -> Case {
    case.with(|c| c.setup.engine = Engine::Ideal)
}

/// llama.cpp's files of MXFP4 models hold the rest in 8 bits, where the published ones have 16: another question.
fn other_files(case: &Case) -> bool {
    let ideal = underdog::setup::Setup { engine: Engine::Ideal, ..case.setup.clone() };
    case.setup.stored(Class::Rest) != ideal.stored(Class::Rest)
}

/// At a fixed batch the ideal engine's step is no longer.
pub fn ideal_step(case: &Case) -> Check {
    let mut check = Check::default();
    let (Some(own), Some(best)) = (case.compiled(), ideal(case).compiled()) else { return check };
    if other_files(case) {
        return check;
    }
    let dp = case.setup.layout.dp as f64;
    for running in [1.0, 16.0 * dp, 256.0 * dp] {
        let step = |compiled: &underdog::estimate::Compiled| compiled.decode_step(running, case.input());
        check.at_most(step(&best).get(), step(&own).get(), TOLERANCE, || format!("s of a step of {running} sequences"));
    }
    let prompt = |compiled: &underdog::estimate::Compiled| compiled.prompt_step(2000.0, dp);
    check.at_most(prompt(&best).get(), prompt(&own).get(), TOLERANCE, || {
        "s of a step with a prompt of 2000 tokens".to_owned()
    });
    check
}

/// In a closed loop the ideal engine serves no less.
pub fn ideal_loop(case: &Case) -> Check {
    let mut check = Check::default();
    for (row, best) in case.rows.iter().zip(&ideal(case).rows).filter(|_| !other_files(case)) {
        if let (Some(own), Some(best)) = (requests(row, case.output()), requests(best, case.output())) {
            check.at_most(own, best, TOLERANCE, || format!("requests/s at {} users", row.concurrency));
        }
    }
    check
}
