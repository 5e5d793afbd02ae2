//! The clock against closed forms: queues of textbooks, conservation, Little's law.

use underdog::estimate::Transfer;
use underdog::scenario::draft::Routing;
use underdog::scenario::traffic::{LengthShape, LengthSpec, Process, Shape};
use underdog::simulate::blocks::Blocks;
use underdog::simulate::lengths::Lengths;
use underdog::simulate::replica::{Policy, Replica, Role, Rules};
use underdog::simulate::routing::Router;
use underdog::simulate::source::Drawn;
use underdog::simulate::table::Steps;
use underdog::simulate::tally::{Tally, Targets};
use underdog::simulate::world::{Pool, World};
use underdog::units::Seconds;

/// Time of every step, s.
const STEP: f64 = 0.01;

fn rules(max_sequences: usize) -> Rules {
    Rules {
        policy: Policy::Mixed,
        role: Role::Both,
        max_sequences,
        batch_tokens: 8192,
        ranks: 1,
        reserve: false,
        prefix_cache: true,
        prefix_hit: 0.0,
        named_tokens: 512,
        growth: 1.0,
    }
}

fn world(rules: &Rules, replicas: u32, blocks: &Blocks, routing: Routing) -> World {
    let replicas = (0..replicas).map(|i| Replica::new(i, rules.clone(), blocks.clone())).collect();
    World::new(vec![Pool { replicas, steps: Steps::uniform(STEP), router: Router::new(routing) }], Transfer::default())
}

fn lengths(output: f64, shape: LengthShape) -> Lengths {
    Lengths { input: LengthSpec { mean: 100.0, shape: LengthShape::Fixed }, output: LengthSpec { mean: output, shape } }
}

/// Mean wait of a single server with Poisson arrivals at load 0.6, over a million requests.
fn mean_wait(output: f64, shape: LengthShape) -> f64 {
    let rate = 0.6 / (output * STEP);
    let mut source = Drawn::new(Process::Open(Shape::Poisson { rate }), lengths(output, shape), 1_000_000, 7);
    let mut tally = Tally::new(Targets::default(), Box::leak(Box::new(())));
    let mut world = world(&rules(1), 1, &Blocks::unbounded(), Routing::RoundRobin);
    world.run(&mut source, f64::INFINITY, &mut tally, &mut ()).expect("nothing to read");
    assert_eq!(tally.finished, 1_000_000);
    tally.wait.mean().expect("samples")
}

#[test]
fn equal_requests_one_at_a_time_wait_as_in_m_d_1() {
    // W = rho S / (2 (1 - rho)).
    let service = 50.0 * STEP;
    let exact = 0.6 * service / (2.0 * 0.4);
    let wait = mean_wait(50.0, LengthShape::Fixed);
    assert!((wait / exact - 1.0).abs() < 0.02, "{wait} against {exact}");
}

#[test]
fn exponential_requests_one_at_a_time_wait_as_in_m_m_1() {
    // W = rho S / (1 - rho). Lengths are whole tokens, of which there are enough for the exponential.
    let service = 200.0 * STEP;
    let exact = 0.6 * service / 0.4;
    let wait = mean_wait(200.0, LengthShape::Exponential);
    assert!((wait / exact - 1.0).abs() < 0.02, "{wait} against {exact}");
}

#[test]
fn nothing_is_lost_and_little_s_law_holds_under_pressure() {
    for (routing, horizon) in
        [(Routing::RoundRobin, 200.0), (Routing::LeastLoaded, 900.0), (Routing::PrefixAware, f64::INFINITY)]
    {
        let shape = Shape::Gamma { rate: 3.0, burstiness: 0.3 };
        let drawn = lengths(300.0, LengthShape::Lognormal { cv: 1.0 });
        let mut source = Drawn::new(Process::Open(shape), drawn, 3000, 3);
        let mut tally = Tally::new(Targets::default(), Box::leak(Box::new(())));
        // So little memory that sequences are preempted and the longest are refused.
        let mut world = world(&rules(64), 2, &Blocks::of_tokens(2048), routing);
        world.run(&mut source, horizon, &mut tally, &mut ()).expect("nothing to read");
        assert!(tally.preemptions > 0 && tally.rejected > 0, "{} {}", tally.preemptions, tally.rejected);
        let present = world.running() + world.queued();
        assert_eq!(tally.arrived, tally.finished + tally.rejected + present);
        if horizon.is_infinite() {
            assert_eq!(present, 0);
            let served = tally.latency.sum();
            let integral = tally.present.mean(tally.last) * tally.last;
            assert!((integral / served - 1.0).abs() < 1e-9, "L = lambda W: {integral} against {served}");
        }
    }
}

#[test]
fn a_closed_loop_keeps_its_users_busy() {
    let process = Process::Closed { concurrency: 8 };
    let mut source = Drawn::new(process, lengths(100.0, LengthShape::Fixed), 800, 1);
    let mut tally = Tally::new(Targets::default(), Box::leak(Box::new(())));
    let mut world = world(&rules(64), 1, &Blocks::unbounded(), Routing::RoundRobin);
    world.run(&mut source, f64::INFINITY, &mut tally, &mut ()).expect("nothing to read");
    // All eight share every step: 100 rounds of 100 steps.
    assert_eq!((tally.finished, tally.iterations), (800, 100 * 100));
    assert!((tally.last - 100.0 * 100.0 * STEP).abs() < 1e-6, "{}", tally.last);
    assert_eq!(tally.present.most(), 8);
}

#[test]
fn pools_hand_requests_over_once_and_add_the_transfer() {
    let pool = |role, first: u32| {
        let rules = Rules { role, reserve: role == Role::Decode, ..rules(64) };
        let replicas = (first..first + 2).map(|i| Replica::new(i, rules.clone(), Blocks::of_tokens(100_000))).collect();
        Pool { replicas, steps: Steps::uniform(STEP), router: Router::new(Routing::LeastLoaded) }
    };
    let transfer = Transfer { fixed: Seconds::new(0.5), per_token: Seconds::new(0.001) };
    let mut world = World::new(vec![pool(Role::Prefill, 0), pool(Role::Decode, 2)], transfer);
    let process = Process::Closed { concurrency: 1 };
    let mut source = Drawn::new(process, lengths(21.0, LengthShape::Fixed), 10, 1);
    let mut tally = Tally::new(Targets::default(), Box::leak(Box::new(())));
    world.run(&mut source, f64::INFINITY, &mut tally, &mut ()).expect("nothing to read");
    assert_eq!((tally.finished, world.running(), world.queued()), (10, 0, 0));
    let ttft = tally.ttft.mean().expect("samples");
    // The first token reaches the user through the pool that goes on with the answer.
    assert!((ttft - (STEP + 0.5 + 100.0 * 0.001)).abs() < 1e-9, "{ttft}");
    let latency = tally.latency.mean().expect("samples");
    assert!((latency - (STEP + 0.5 + 100.0 * 0.001 + 20.0 * STEP)).abs() < 1e-9, "{latency}");
}

#[test]
fn decoding_waits_for_prompts_where_they_come_first_and_not_where_they_ride_along() {
    // One long answer, then prompts of four steps each that come while it is written.
    let slowest = |policy| {
        let rules = Rules { policy, batch_tokens: 100, ..rules(64) };
        let shape = Shape::Poisson { rate: 5.0 };
        let input = LengthSpec { mean: 400.0, shape: LengthShape::Fixed };
        let output = LengthSpec { mean: 50.0, shape: LengthShape::Fixed };
        let mut source = Drawn::new(Process::Open(shape), Lengths { input, output }, 2000, 1);
        let mut tally = Tally::new(Targets::default(), Box::leak(Box::new(())));
        let mut world = world(&rules, 1, &Blocks::unbounded(), Routing::RoundRobin);
        world.run(&mut source, f64::INFINITY, &mut tally, &mut ()).expect("nothing to read");
        assert_eq!(tally.finished, 2000);
        (tally.gaps.quantile(0.99).expect("gaps"), tally.ttft.mean().expect("samples"))
    };
    let (mixed, first) = (slowest(Policy::Mixed), slowest(Policy::PrefillFirst));
    assert!((mixed.0 / STEP - 1.0).abs() < 0.01, "every step decodes: {mixed:?}");
    assert!(first.0 > 3.9 * STEP, "a prompt of four steps holds up an answer: {first:?}");
    assert!(first.1 < mixed.1, "and is itself sooner: {first:?} against {mixed:?}");
}
