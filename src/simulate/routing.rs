//! Which engine gets a request.

use super::replica::Replica;

use crate::scenario::draft::Routing;

/// Requests more on the busiest engine than on the idlest, from which on a prefix-aware router looks at load alone.
const IMBALANCE: usize = 32;

/// A router with what it remembers.
#[derive(Debug, Clone)]
pub struct Router {
    routing: Routing,
    next: usize,
}

impl Router {
    /// A router that has seen nothing.
    pub const fn new(routing: Routing) -> Self {
        Self { routing, next: 0 }
    }

    /// The engine for a prompt whose blocks have these names.
    pub fn choose(&mut self, replicas: &[Replica], names: &[u64]) -> usize {
        if replicas.len() == 1 {
            return 0;
        }
        match self.routing {
            Routing::RoundRobin => {
                let chosen = self.next;
                self.next = (chosen + 1) % replicas.len();
                chosen
            }
            Routing::LeastLoaded => least_loaded(replicas),
            Routing::PrefixAware => prefix_aware(replicas, names),
        }
    }
}

/// The first of those with the fewest requests.
fn least_loaded(replicas: &[Replica]) -> usize {
    let loads = replicas.iter().map(Replica::load).enumerate();
    loads.min_by_key(|&(at, load)| (load, at)).map_or(0, |(at, _)| at)
}

/// The engine that knows most of the prompt, unless the load is uneven (as SGLang's router does); the idlest of equals.
fn prefix_aware(replicas: &[Replica], names: &[u64]) -> usize {
    let loads = replicas.iter().map(Replica::load);
    let (most, fewest) = (loads.clone().max().unwrap_or(0), loads.min().unwrap_or(0));
    if names.is_empty() || (most > fewest + IMBALANCE && most * 2 > fewest * 3) {
        return least_loaded(replicas);
    }
    let known = replicas.iter().enumerate();
    known.min_by_key(|(at, r)| (std::cmp::Reverse(r.matched(names)), r.load(), *at)).map_or(0, |(at, _)| at)
}
