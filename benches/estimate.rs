//! Full estimates per second: one row of `compare` with its band, from a compiled setup, on all cores.
//!
//! DeepSeek-R1 in wide expert parallelism and Llama-3.1-70B in tensor parallelism, each on eight devices of different
//! makers; every row is a closed loop solved to its steady state. The throughput criterion prints is rows per second.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rayon::prelude::*;
use std::hint::black_box;
use std::path::Path;
use underdog::catalog::Catalog;
use underdog::device::Device;
use underdog::estimate::cost::Flow;
use underdog::estimate::{Calibration, Compiled, Quantity};
use underdog::model::{ModelSpec, Weights};
use underdog::precision::Precision;
use underdog::setup::{Engine, Formats, Hardware, Layout, Limits, Load, Setup, Speed};

const DEVICES: [&str; 8] =
    ["h100-sxm-80gb", "h200-sxm", "h800", "h20-96g", "b200", "a100-sxm-80gb", "mi300x", "ascend-910c"];

fn setups(catalog: &Catalog) -> Vec<Setup> {
    let layouts = [
        ("deepseek-r1", Layout { tp: 1, pp: 1, dp: 16, ep: 16, replicas: 1 }),
        ("llama-3.1-70b", Layout { tp: 8, ..Layout::SINGLE }),
    ];
    let base = Path::new("");
    layouts
        .into_iter()
        .flat_map(|(model, layout)| {
            let model = std::sync::Arc::new(ModelSpec::load(catalog, model, base).expect("a catalogued model"));
            DEVICES.map(|device| Setup {
                model: model.clone(),
                formats: Formats { weights: Weights::Native, activations: None, kv_cache: Precision::Bf16 },
                hardware: Hardware::from_sheet(Device::load(catalog, device, base).expect("a catalogued device")),
                layout,
                engine: Engine::Vllm,
                limits: Limits::default(),
                speculation: None,
                speed: Speed::ONE,
            })
        })
        .collect()
}

/// One row: the steady state, tokens per second, money and the ends of the band.
fn row(compiled: &Compiled, concurrency: u64) -> [f64; 4] {
    let load = Load { input_tokens: 4000.0, output_tokens: 1000.0, concurrency, prefix_hit: 0.0 };
    let state = compiled.closed_loop(&load);
    let flow = Flow::of(&state, &load, &compiled.setup.layout);
    let cost = flow.cost(2.0);
    let (low, high) = compiled.band(Quantity::Throughput).unwrap_or((1.0, 1.0));
    [state.tpot.get(), cost.output, cost.output / high, cost.output / low]
}

fn estimates(c: &mut Criterion) {
    let catalog = Catalog::embedded();
    let calibration = Calibration::load(&catalog).expect("the constants");
    let compiled: Vec<Compiled> = setups(&catalog)
        .into_iter()
        .map(|setup| Compiled::new(setup, &calibration).expect("a complete data sheet"))
        .collect();
    let loads: Vec<u64> = (1..=256).collect();
    let mut group = c.benchmark_group("estimate");
    group.throughput(Throughput::Elements((compiled.len() * loads.len()) as u64));
    group.bench_function("rows on all cores", |b| {
        b.iter(|| {
            compiled
                .par_iter()
                .flat_map_iter(|setup| loads.iter().map(|load| row(setup, black_box(*load))))
                .map(|r| r[1])
                .sum::<f64>()
        });
    });
    group.finish();
}

criterion_group!(benches, estimates);
criterion_main!(benches);
