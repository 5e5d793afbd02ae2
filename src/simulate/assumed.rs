//! What a simulation takes to be so, in words: the load, and how every contender schedules.

use super::answer::Options;
use crate::scenario::draft::Routing;
use crate::scenario::traffic::{Arrivals, LengthShape, LengthSpec, Scheduler, Shape, Traffic};
use crate::scenario::{Contender, Offer, Plan};
use crate::setup::{Engine, Setup};

/// Something assumed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assumed {
    /// The contender it is about; all of them where absent.
    pub contender: Option<String>,
    /// What it is about.
    pub about: &'static str,
    /// What is taken to be so.
    pub value: String,
}

/// The load, and the scheduling of every contender that has devices.
pub fn assumed(plan: &Plan, traffic: &Traffic, options: &Options) -> Vec<Assumed> {
    let load = Assumed { contender: None, about: "load", value: load(plan, traffic, options) };
    let each = plan.contenders.iter().zip(&traffic.schedulers);
    std::iter::once(load).chain(each.filter_map(|(contender, rules)| of_contender(contender, rules))).collect()
}

fn load(plan: &Plan, traffic: &Traffic, options: &Options) -> String {
    let lengths = || format!("prompts of {}, answers of {}", length(traffic.input), length(traffic.output));
    let rates = options.rates.iter().map(f64::to_string).collect::<Vec<_>>().join(", ");
    let at = if rates.is_empty() { String::new() } else { format!(", at {rates} requests/s on average") };
    let what = match &traffic.arrivals {
        Arrivals::Trace(path) => {
            let speed = options.speed.map(|s| format!(", {s} times as fast")).unwrap_or_default();
            format!("the requests of {}{speed}{at}", path.display())
        }
        Arrivals::Open(shape, _) => format!("{}{at}; {}", arrivals(*shape), lengths()),
        Arrivals::Closed(users, _) => {
            let users = users.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
            format!("{users} users who ask again when they have their answer; {}", lengths())
        }
    };
    let target = |name: &str, seconds: Option<f64>| {
        seconds.map(|s| format!(", {name} at most {:.0} ms", s * 1e3)).unwrap_or_default()
    };
    what + &target("mean TTFT", plan.objective.ttft.map(|s| s.get()))
        + &target("mean TPOT", plan.objective.tpot.map(|s| s.get()))
        + &target("p99 TTFT", traffic.ttft_p99)
        + &target("p99 TPOT", traffic.tpot_p99)
}

fn arrivals(shape: Shape) -> String {
    match shape {
        Shape::Poisson { rate } => format!("Poisson arrivals, {rate} a second"),
        Shape::Gamma { rate, burstiness } => {
            format!("arrivals with gamma-distributed gaps of shape {burstiness}, {rate} a second")
        }
        Shape::Ramp { from, to, seconds } => {
            format!("Poisson arrivals from {from} to {to} a second within {seconds} s")
        }
    }
}

fn length(spec: LengthSpec) -> String {
    let spread = match spec.shape {
        LengthShape::Fixed => String::new(),
        LengthShape::Uniform { spread } => format!(" (uniform, spread {spread})"),
        LengthShape::Exponential => " (exponential)".to_owned(),
        LengthShape::Lognormal { cv } => format!(" (log-normal, cv {cv})"),
    };
    format!("{} tokens{spread}", spec.mean)
}

fn of_contender(contender: &Contender, rules: &Scheduler) -> Option<Assumed> {
    let Offer::Devices { setup, .. } = &contender.offer else { return None };
    Some(Assumed { contender: Some(contender.name.clone()), about: "scheduling", value: scheduling(setup, rules) })
}

fn scheduling(setup: &Setup, rules: &Scheduler) -> String {
    let limits = &setup.limits;
    let policy = match (&rules.prefill, rules.prefill_first) {
        (Some(_), _) => "prompts in a pool of their own, caches sent over the link or the network",
        (None, true) => "prompts before decoding",
        (None, false) => "prompt chunks ride on decode steps",
    };
    let most = limits.max_sequences.map(|m| format!(", at most {m} sequences")).unwrap_or_default();
    let memory = if matches!(setup.engine, Engine::Vllm | Engine::Sglang) && setup.speculation.is_none() {
        "memory taken as answers grow, the newest preempted and computed again when it runs out"
    } else {
        "memory for the whole answer taken at admission"
    };
    let cache = if rules.prefix_cache { "a prefix cache (LRU)" } else { "no prefix cache" };
    let routing = match rules.routing {
        Routing::RoundRobin => "round-robin",
        Routing::LeastLoaded => "least-loaded",
        Routing::PrefixAware => "prefix-aware",
    };
    format!(
        "{policy}; steps of at most {} tokens{most}; {memory}; {cache}; {routing} routing over {} replicas",
        limits.batch_tokens, setup.layout.replicas
    )
}
