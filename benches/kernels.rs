//! What the GPU half costs besides the GPU: rendering sources, planning, judging; and the CPU's own matrix product.
//! The kernels themselves are timed by `underdog bench`, which verifies what it times.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use underdog::gpu::{Checks, Gpu, Runner};
use underdog::kernels::{Data, Dtype, Fill, Problem, Variant, finish, gate, host_gemm, plan, sources, twin};

const SIDE: u64 = 256;
const PROBLEM: Problem = Problem::Gemm { m: SIDE, n: SIDE, k: SIDE };

fn variant() -> Variant {
    "gemm_tiled/f32/bm64.bn64.bk8.tm8.tn8.v4.ta.pf".parse().expect("an id")
}

fn host(c: &mut Criterion) {
    let (variant, data) = (variant(), Data::new(PROBLEM, Dtype::F32, Fill::Real, 1));
    c.bench_function("source", |b| b.iter(|| sources(black_box(&variant))));
    c.bench_function("plan", |b| b.iter(|| plan(&variant, PROBLEM, black_box(&data), 1)));
    c.bench_function("twin", |b| b.iter(|| twin::truth(PROBLEM, Dtype::F32, black_box(&data))));
    let truth = twin::truth(PROBLEM, Dtype::F32, &data);
    let twin::Truth::Reals { values, .. } = &truth else { return };
    let output: Vec<u8> = values.iter().flat_map(|&v| (v as f32).to_le_bytes()).collect();
    c.bench_function("gate", |b| b.iter(|| gate::judge(black_box(&output), &truth, Fill::Real)));
    let mut group = c.benchmark_group("cpu");
    group.throughput(Throughput::Elements(PROBLEM.flop() as u64));
    let (side, mut out) = (SIDE as usize, vec![0.0_f32; (SIDE * SIDE) as usize]);
    group.bench_function("gemm", |b| b.iter(|| host_gemm::gemm(&data.a, &data.b, black_box(&mut out), [side; 3])));
}

/// The first Vulkan adapter, where there is one.
fn adapter(c: &mut Criterion) {
    let Ok(gpu) = Gpu::open("vulkan", 0) else { return };
    let (variant, data) = (variant(), Data::new(PROBLEM, Dtype::F32, Fill::Real, 1));
    let truth = twin::truth(PROBLEM, Dtype::F32, &data);
    let plan = plan(&variant, PROBLEM, &data, 1).expect("plans");
    let mut runner = Runner::new(&gpu, plan, 1, Checks::Off).expect("allocates");
    runner.poison().expect("poisons");
    runner.run(1, usize::MAX).expect("runs");
    let output = finish(&variant, PROBLEM, runner.output().expect("reads"));
    gate::judge(&output, &truth, Fill::Real).expect("verified");
    let mut group = c.benchmark_group("adapter");
    group.throughput(Throughput::Elements(PROBLEM.flop() as u64));
    group.bench_function("gemm", |b| b.iter(|| runner.run(1, usize::MAX)));
}

criterion_group!(benches, host, adapter);
criterion_main!(benches);
