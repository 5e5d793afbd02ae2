//! How a request's time divides, and that engines do not work more than all of the time.

use super::case::{Case, requests, whole};
use super::check::Check;

const TOLERANCE: f64 = 0.01;

/// One user on one engine of each kind, with an answer of some length.
fn alone(case: &Case, output: u64) -> Case {
    case.with(|c| {
        c.single();
        c.workload.concurrency = vec![1];
        c.workload.output_tokens = output;
    })
}

/// The time per token of one user is that of the steps at the contexts of its answer, whatever the answer's length.
pub fn one_user_per_token(case: &Case) -> Check {
    let mut check = Check::default();
    if case.chunked() {
        return check;
    }
    for output in [2, 8, 512] {
        let one = alone(case, output);
        let Some(compiled) = one.compiled() else { continue };
        let step = |context: f64| compiled.decode_step(1.0, context).get() / compiled.accepted() * 1e3;
        for row in one.numbered() {
            let Some(tpot) = row.tpot_ms else { continue };
            let (least, most) = (step(one.input()), step(one.input() + output as f64));
            let what = || format!("TPOT, ms, of one user with an answer of {output}");
            check.at_most(least, tpot, TOLERANCE, what);
            check.at_most(tpot, most, TOLERANCE, what);
        }
    }
    check
}

/// The first token of one user does not wait for the length of its answer.
pub fn one_user_first_token(case: &Case) -> Check {
    let mut check = Check::default();
    let first = |output| alone(case, output).numbered().find_map(|row| row.ttft_ms);
    if let (Some(short), Some(long)) = (first(8), first(512)) {
        check.equal(long, short, TOLERANCE, || "TTFT, ms, of one user with an answer of 512 and of 8".to_owned());
    }
    check
}

/// Little's law: users = requests/s x time of a request, at every load below saturation.
pub fn little(case: &Case) -> Check {
    let mut check = Check::default();
    let output = case.output();
    let replicas = case.setup.layout.replicas.max(case.prefill.map_or(1, |p| p.replicas));
    // Fewer users than engines are not spread evenly.
    for row in case.numbered().filter(|r| r.saturated == Some(false) && r.concurrency >= replicas) {
        if let (Some(rate), Some(seconds)) = (requests(row, output), whole(row, output)) {
            check.equal(rate * seconds, row.concurrency as f64, TOLERANCE, || {
                format!("requests/s x E2E at {} users", row.concurrency)
            });
        }
    }
    check
}

/// Where replicas outnumber users, as many requests are served as users have.
pub fn little_with_idle_engines(case: &Case) -> Check {
    let mut check = Check::default();
    let output = case.output();
    let replicas = case.setup.layout.replicas.max(case.prefill.map_or(1, |p| p.replicas));
    for row in case.numbered().filter(|r| r.saturated == Some(false) && r.concurrency < replicas) {
        if let (Some(rate), Some(seconds)) = (requests(row, output), whole(row, output)) {
            check.equal(rate * seconds, row.concurrency as f64, TOLERANCE, || {
                format!("requests/s x E2E at {} users of {replicas} engines", row.concurrency)
            });
        }
    }
    check
}

/// Some time passes before the first token, and no token comes sooner than a step of one sequence yields one.
pub fn positive(case: &Case) -> Check {
    let mut check = Check::default();
    let Some(compiled) = case.compiled() else { return check };
    let context = if case.chunked() { 0.0 } else { case.input() };
    let least = compiled.decode_step(1.0, context).get() / compiled.accepted() * 1e3;
    for row in case.numbered() {
        if let Some(ttft) = row.ttft_ms {
            check.holds(ttft > 0.0, || format!("TTFT is {ttft} ms at {} users", row.concurrency));
        }
        if let Some(tpot) = row.tpot_ms {
            check.at_most(least, tpot, TOLERANCE, || {
                format!("a step of one sequence, ms, against TPOT at {} users", row.concurrency)
            });
        }
    }
    check
}

/// An engine's work per request times its requests per second is at most all of its time.
pub fn busy(case: &Case) -> Check {
    let mut check = Check::default();
    for row in case.numbered() {
        let Some((state, _)) = case.state(row.concurrency) else { continue };
        let users = row.concurrency;
        // The prompt yields the first token of an answer.
        let further = (case.output() - 1.0) / case.output();
        let (prompt, answer) = (state.prompt.get(), state.answer.get() * further);
        match case.prefill {
            None => {
                let busy = state.requests_per_s * (prompt + answer);
                check.at_most(busy, 1.0, TOLERANCE, || {
                    format!("share of the time that an engine works at {users} users")
                });
            }
            Some(layout) => {
                let readers = layout.replicas as f64;
                let writers = case.setup.layout.replicas as f64;
                let share = |part| format!("share of the time that the {part} pool works at {users} users");
                check.at_most(state.requests_per_s * prompt / readers, 1.0, TOLERANCE, || share("prefill"));
                check.at_most(state.requests_per_s * answer / writers, 1.0, TOLERANCE, || share("decode"));
            }
        }
    }
    check
}

/// The batch that decodes is no larger than what is admitted, and running it takes what the steps say.
pub fn running(case: &Case) -> Check {
    let mut check = Check::default();
    for row in case.numbered() {
        let Some((state, _)) = case.state(row.concurrency) else { continue };
        check.at_most(state.running, state.admitted, TOLERANCE, || {
            format!("sequences that decode against those admitted at {} users", row.concurrency)
        });
    }
    check
}
