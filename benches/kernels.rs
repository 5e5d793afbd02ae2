//! The GPU half: kernels on the default adapter, and what they cost besides it: rendering sources, planning, the tuner's
//! decision, verification. Without an adapter the CPU's own matrix product is timed, and that is said.
//!
//! `underdog bench` is the measurement that counts; these benches show whether a change made one part slower.

#![allow(clippy::print_stderr)] // a bench says what it could not time

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use underdog::gpu::{Checks, Gpu, Runner, list};
use underdog::kernels::freivalds::Residual;
use underdog::kernels::{Data, Dtype, Fill, Problem, Variant, finish, gate, host_gemm, legal, plan, space};
use underdog::kernels::{sources, twin};

const SIDE: u64 = 256;
const PROBLEM: Problem = Problem::Gemm { m: SIDE, n: SIDE, k: SIDE };

fn variant() -> Variant {
    "gemm_tiled/f32/bm64.bn64.bk8.tm8.tn8.v4.ta.pf".parse().expect("an id")
}

fn host(c: &mut Criterion) {
    let (variant, data) = (variant(), Data::new(PROBLEM, Dtype::F32, Fill::Real, 1));
    c.bench_function("source", |b| b.iter(|| sources(black_box(&variant))));
    c.bench_function("plan", |b| b.iter(|| plan(&variant, PROBLEM, black_box(&data), 1)));
    let mut group = c.benchmark_group("cpu");
    group.throughput(Throughput::Elements(PROBLEM.flop() as u64));
    let (side, mut out) = (SIDE as usize, vec![0.0_f32; (SIDE * SIDE) as usize]);
    group.bench_function("gemm", |b| b.iter(|| host_gemm::gemm(&data.a, &data.b, black_box(&mut out), [side; 3])));
}

/// What judging an output costs: the reference, the gate, and the residual that replaces both for large products.
fn verification(c: &mut Criterion) {
    let (real, exact) = [Fill::Real, Fill::Exact].map(|fill| Data::new(PROBLEM, Dtype::F32, fill, 1)).into();
    let mut group = c.benchmark_group("verification");
    group.bench_function("reference", |b| b.iter(|| twin::truth(PROBLEM, Dtype::F32, black_box(&real))));
    let output = |data: &Data| -> Vec<u8> {
        let twin::Truth::Reals { values, .. } = twin::truth(PROBLEM, Dtype::F32, data) else { return Vec::new() };
        values.iter().flat_map(|&v| (v as f32).to_le_bytes()).collect()
    };
    let (truth, right) = (twin::truth(PROBLEM, Dtype::F32, &real), output(&real));
    group.bench_function("gate", |b| b.iter(|| gate::judge(black_box(&right), &truth, Fill::Real, 0)));
    let new = || Residual::new(PROBLEM, Dtype::F32, black_box(&exact), 1).expect("a product");
    group.bench_function("residual, reference", |b| b.iter(new));
    let (truth, right) = (twin::Truth::Product(Box::new(new())), output(&exact));
    group.bench_function("residual, gate", |b| b.iter(|| gate::judge(black_box(&right), &truth, Fill::Exact, 0)));
}

/// From a problem to the candidates an adapter can run, and their order: everything of a decision but the measuring.
fn decision(c: &mut Criterion) {
    let Some(found) = ["vulkan", "metal", "dx12", "gl"].into_iter().flat_map(list).next() else {
        eprintln!("no adapter here: the tuner has nothing to decide");
        return;
    };
    let able = || {
        let rungs = space::ladder(black_box(PROBLEM), Dtype::F32, &found.caps);
        let all = rungs.into_iter().flat_map(|r| r.variants);
        all.filter(|v| legal::legal(v, PROBLEM, &found.caps).is_ok()).count()
    };
    c.bench_function("tuner, candidates", |b| b.iter(able));
}

/// Naive, tiled and the last of the ladder on the first adapter of the first backend that has one.
fn adapter(c: &mut Criterion) {
    let opened = ["vulkan", "metal", "dx12", "gl"].into_iter().find_map(|backend| Gpu::open(backend, 0).ok());
    let Some(gpu) = opened else {
        eprintln!("no adapter here: only the CPU's product is timed");
        return;
    };
    let (found, data) = (gpu.found(), Data::new(PROBLEM, Dtype::F32, Fill::Real, 1));
    eprintln!("on {} ({})", found.identity.name, found.identity.backend);
    let truth = twin::truth(PROBLEM, Dtype::F32, &data);
    let mut group = c.benchmark_group("adapter");
    group.throughput(Throughput::Elements(PROBLEM.flop() as u64));
    let ladder = space::ladder(PROBLEM, Dtype::F32, &found.caps).into_iter().filter_map(|rung| {
        let first = rung.variants.into_iter().find(|v| legal::legal(v, PROBLEM, &found.caps).is_ok())?;
        Some((rung.name, first))
    });
    for (name, variant) in ladder.filter(|(name, _)| !matches!(*name, "split sum" | "swizzled")) {
        let plan = plan(&variant, PROBLEM, &data, 1).expect("plans");
        let mut runner = Runner::new(&gpu, plan, 1, Checks::Off).expect("allocates");
        runner.poison().expect("poisons");
        runner.run(1, usize::MAX).expect("runs");
        let output = finish(&variant, PROBLEM, runner.output().expect("reads"));
        gate::judge(&output, &truth, Fill::Real, 0).expect("verified");
        group.bench_function(name, |b| b.iter(|| runner.run(1, usize::MAX)));
    }
}

criterion_group!(benches, host, verification, decision, adapter);
criterion_main!(benches);
