//! How fast the simulator is: requests and iterations a second on the hour of Azure conversations, everything on.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::path::Path;
use std::time::Duration;
use underdog::catalog::Catalog;
use underdog::estimate::Calibration;
use underdog::scenario::{Local, Plan, Source, resolve_in_time, traffic::Traffic};
use underdog::simulate::{Options, SimulateRow, simulate};

/// The scenario's first contender alone.
fn hour() -> (Plan, Traffic, Calibration) {
    let catalog = Catalog::embedded();
    let source = Source::read(Path::new("scenarios/azure-conversation.toml"), &[]).expect("a scenario");
    let draft = source.draft().expect("a scenario");
    let (mut plan, traffic) = resolve_in_time(&source, &draft, &catalog, Local::Pending).expect("a plan");
    plan.contenders.truncate(1);
    (plan, traffic, Calibration::load(&catalog).expect("constants"))
}

/// Reads the trace, compiles the step times and serves every request, at a multiple of the trace's speed.
fn served(hour: &(Plan, Traffic, Calibration), speed: f64) -> SimulateRow {
    let options = Options { seed: 1, speed: Some(speed), ..Options::default() };
    let answer = simulate(&hour.0, &hour.1, &hour.2, &options, &()).expect("an answer");
    answer.rows.into_iter().next().expect("a row")
}

fn azure(c: &mut Criterion) {
    let hour = hour();
    let mut group = c.benchmark_group("azure conversation");
    group.measurement_time(Duration::from_secs(10));
    for (name, speed) in [("at its own speed", 1.0), ("past capacity", 4.0)] {
        let row = served(&hour, speed);
        for (unit, count) in [("requests", row.requests), ("iterations", row.iterations)] {
            group.throughput(Throughput::Elements(count));
            group.bench_function(format!("{name}, {unit}"), |b| b.iter(|| black_box(served(&hour, speed))));
        }
    }
    group.finish();
}

criterion_group!(benches, azure);
criterion_main!(benches);
