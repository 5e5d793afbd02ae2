//! Step times of the simulator against the estimate they are compiled from.

use std::path::Path;
use underdog::catalog::Catalog;
use underdog::estimate::{Calibration, Compiled};
use underdog::scenario::traffic::{LengthShape, LengthSpec, Process};
use underdog::scenario::{Local, Offer, Source, resolve_in_time};
use underdog::simulate::lengths::Lengths;
use underdog::simulate::source::Drawn;
use underdog::simulate::system::System;
use underdog::simulate::table::Steps;
use underdog::simulate::tally::{Tally, Targets};

fn systems(edits: &[&str]) -> Vec<System> {
    let catalog = Catalog::embedded();
    let calibration = Calibration::load(&catalog).expect("constants");
    let edits: Vec<String> = edits.iter().map(|e| (*e).to_owned()).collect();
    let source = Source::read(Path::new("tests/simulate/many.toml"), &edits).expect("a scenario");
    let draft = source.draft().expect("a scenario");
    let (plan, traffic) = resolve_in_time(&source, &draft, &catalog, Local::Pending).expect("a plan");
    let contenders = plan.contenders.into_iter().zip(traffic.schedulers);
    let system = |(contender, scheduler): (underdog::scenario::Contender, _)| match contender.offer {
        Offer::Devices { setup, .. } => System::new(*setup, scheduler, 0.0, &calibration).expect("answerable"),
        Offer::Api { .. } => panic!("devices only"),
    };
    contenders.map(system).collect()
}

/// The same step, asked one by one of the estimate.
fn slow(compiled: &Compiled, batch: usize, context: f64, steps: u64) -> f64 {
    let step = |i: u64| compiled.decode_step(batch as f64, context + compiled.accepted() * i as f64).get();
    (0..steps).map(step).sum()
}

#[test]
fn the_table_is_within_a_per_mille_of_the_estimate() {
    // Windows, latent and recurrent attention, experts, pipeline stages and speculation all bend differently.
    let systems = systems(&[]);
    assert!(systems.len() >= 6);
    for system in systems {
        let compiled = system.writers();
        let name = &compiled.setup.model.name;
        let mut table = Steps::new(compiled);
        for batch in [1, 2, 7, 64, 200] {
            for context in [0.0, 1.0, 63.5, 500.3, 1023.0, 1030.7, 4099.0, 9000.0, 70_001.0] {
                let exact = compiled.decode_step(batch as f64, context).get();
                let error = table.decode(batch, context) / exact - 1.0;
                assert!(error.abs() < 1e-3, "{name}: {batch} at {context}: {error}");
            }
            for (context, steps) in [(0.0, 1), (10.0, 40), (900.0, 300), (4000.2, 1000)] {
                let exact = slow(compiled, batch, context, steps);
                let error = table.stretch(batch, context, compiled.accepted(), steps) / exact - 1.0;
                assert!(error.abs() < 1e-3, "{name}: {batch} from {context} for {steps}: {error}");
            }
        }
    }
}

#[test]
fn one_request_takes_what_the_estimate_says() {
    for system in systems(&[]) {
        let compiled = system.writers();
        let (input, output) = (700.0, 100.0);
        let spec = |mean| LengthSpec { mean, shape: LengthShape::Fixed };
        let lengths = Lengths { input: spec(input), output: spec(output) };
        let mut source = Drawn::new(Process::Closed { concurrency: 1 }, lengths, 3, 1);
        let mut tally = Tally::new(Targets::default(), Box::leak(Box::new(())));
        system.world().run(&mut source, f64::INFINITY, &mut tally, &mut ()).expect("nothing to read");
        let (name, engine) = (&compiled.setup.model.name, &compiled.engine);
        let ttft = compiled.prompt_step(input, 1.0).get() + engine.request_s + engine.request_token_s * input;
        let stages = compiled.pipeline();
        if stages == 1.0 {
            let simulated = tally.ttft.mean().expect("a sample");
            assert!((simulated / (ttft + engine.first_s) - 1.0).abs() < 1e-9, "{name}: {simulated} against {ttft}");
        }
        let accepted = compiled.accepted();
        let steps = (99.0 / accepted).ceil();
        let tpot = slow(compiled, 1, input, steps as u64) / 99.0;
        let simulated = tally.tpot.mean().expect("a sample");
        assert!((simulated / tpot - 1.0).abs() < 1e-3, "{name}: {simulated} against {tpot}");
    }
}
