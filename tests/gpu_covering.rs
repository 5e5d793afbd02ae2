//! Every variant of the space on every pair of awkward lengths, on each software adapter of this host.

#![allow(clippy::print_stderr)] // what is not tested here is said, not skipped in silence

mod common;

use common::{able, adapters, check, on_a_large_stack};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use underdog::gpu::{Caps, Checks, Gpu, GpuError, Memory, Plan, Program, Runner, Step};
use underdog::kernels::{
    Data, Dtype, Family, Fill, Problem, Variant, freivalds, gate, host_gemm, legal, plan, space, twin,
};

const LENGTHS: [u64; 20] = [1, 2, 3, 5, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 257];

const TYPES: [Dtype; 4] = [Dtype::F32, Dtype::F16, Dtype::I8, Dtype::Q4];

/// A Latin square: 400 shapes in which every pair of lengths of every two dimensions occurs.
fn covering() -> Vec<[u64; 3]> {
    let count = LENGTHS.len();
    (0..count * count)
        .map(|at| [at / count, at % count, (at / count + at % count) % count].map(|i| LENGTHS[i]))
        .collect()
}

#[test]
fn the_covering_array_covers_every_pair() {
    for [a, b] in [[0, 1], [0, 2], [1, 2]] {
        let mut pairs: Vec<_> = covering().iter().map(|s| (s[a], s[b])).collect();
        pairs.sort_unstable();
        pairs.dedup();
        assert_eq!(pairs.len(), 400);
    }
}

/// Distinct GEMM variants the adapter can run, of one type.
fn gemms(gpu: &Gpu, dtype: Dtype) -> Vec<Variant> {
    let caps = &gpu.found().caps;
    let mut all: Vec<Variant> = Vec::new();
    for m in [64, 128] {
        let problem = Problem::Gemm { m, n: 64, k: 64 };
        for variant in space::ladder(problem, dtype, caps).into_iter().flat_map(|r| r.variants) {
            if able(&variant, problem, caps) && !all.contains(&variant) {
                all.push(variant);
            }
        }
    }
    // One of each family as a handicapped adapter runs it: few workgroups that walk over the tiles.
    let mut strided = all.clone();
    strided.retain(|v| v.family != Family::GemvUnits);
    strided.dedup_by_key(|v| v.family);
    all.extend(strided.into_iter().map(|v| v.with("gs", 3)));
    all
}

fn exact(gpu: &Gpu, variants: &[&Variant], problem: Problem, dtype: Dtype, seed: u64, name: &str) {
    judged(gpu, variants, problem, dtype, (Fill::Exact, seed), name);
}

fn judged(gpu: &Gpu, variants: &[&Variant], problem: Problem, dtype: Dtype, (fill, seed): (Fill, u64), name: &str) {
    let data = Data::new(problem, dtype, fill, seed);
    let truth = twin::truth(problem, dtype, &data);
    for variant in variants {
        if let Err(why) = check(gpu, variant, problem, &data, &truth, fill) {
            panic!("{name}, {variant}, {problem}: {why}");
        }
    }
}

/// Everything on one adapter. A driver compiles a kernel for up to seconds and computes these shapes in milliseconds, so a
/// device is opened once and each kernel is compiled once; adapters are tests of their own, which run side by side.
fn everything_on(name: &'static str) {
    on_a_large_stack(move || {
        let Some((name, backend, position)) = adapters().into_iter().find(|a| a.0 == name) else { return };
        let gpu = Gpu::open(backend, position).expect("opens");
        for dtype in TYPES {
            every_gemm_on_every_pair_of_lengths(&gpu, dtype, name);
            random_shapes(&gpu, dtype, name);
            every_gemv_on_awkward_lengths(&gpu, dtype, name);
            sums_longer_than_a_driver_allows_in_one_loop(&gpu, dtype, name);
        }
        every_other_kernel_on_awkward_lengths(&gpu, name);
    });
}

#[test]
fn everything_on_lavapipe() {
    everything_on("lavapipe");
}

#[test]
fn everything_on_swiftshader() {
    everything_on("swiftshader");
}

#[test]
fn everything_on_gl() {
    everything_on("gl");
}

#[test]
fn everything_on_the_given_adapter() {
    if std::env::var_os(common::GIVEN).is_some() {
        everything_on(common::THE_GIVEN);
    }
}

/// GL is the same software driver behind another language and another front end, and its slowest way: it sees every
/// length of every dimension at least twice, but not every pair.
fn sampled(name: &str) -> usize {
    if name == "gl" { 7 } else { 1 }
}

fn every_gemm_on_every_pair_of_lengths(gpu: &Gpu, dtype: Dtype, name: &str) {
    let variants = gemms(gpu, dtype);
    assert!(dtype != Dtype::F32 || variants.len() >= 20, "{name}: only {} variants", variants.len());
    let variants: Vec<_> = variants.iter().collect();
    for (at, [m, n, k]) in covering().into_iter().enumerate().step_by(sampled(name)) {
        exact(gpu, &variants, Problem::Gemm { m, n, k }, dtype, at as u64, name);
    }
}

/// Two thousand of each type, with one variant each in turn.
fn random_shapes(gpu: &Gpu, dtype: Dtype, name: &str) {
    let variants = gemms(gpu, dtype);
    let mut random = ChaCha8Rng::seed_from_u64(42);
    for at in 0..2000 / sampled(name) {
        let mut length = |most: u64| random.random_range(1..=most);
        let problem = Problem::Gemm { m: length(80), n: length(80), k: length(96) };
        exact(gpu, &[&variants[at % variants.len()]], problem, dtype, at as u64, name);
    }
}

fn every_gemv_on_awkward_lengths(gpu: &Gpu, dtype: Dtype, name: &str) {
    for (at, [n, k, _]) in covering().into_iter().enumerate().step_by(sampled(name)) {
        let problem = Problem::Gemv { n, k };
        let rungs = space::ladder(problem, dtype, &gpu.found().caps);
        let all: Vec<_> = rungs.into_iter().flat_map(|r| r.variants).collect();
        let able: Vec<_> = all.iter().filter(|v| able(v, problem, &gpu.found().caps)).collect();
        exact(gpu, &able, problem, dtype, at as u64, name);
    }
}

/// lavapipe ends an invocation after 65,535 loop iterations and says nothing.
fn sums_longer_than_a_driver_allows_in_one_loop(gpu: &Gpu, dtype: Dtype, name: &str) {
    let mut all = gemms(gpu, dtype);
    // One of each family: their loops are the same whatever the tile.
    all.dedup_by_key(|v| v.family);
    for k in [65_534, 65_535, 65_536, 65_537, 70_001] {
        let (gemm, gemv) = (Problem::Gemm { m: 3, n: 5, k }, Problem::Gemv { n: 3, k });
        let able_to = |problem, all: &[Variant]| -> Vec<Variant> {
            all.iter().filter(|v| able(v, problem, &gpu.found().caps)).cloned().collect()
        };
        let products = able_to(gemm, &all);
        assert!(dtype == Dtype::F16 || products.len() >= 3, "{name}, {dtype}: {products:?}");
        exact(gpu, &products.iter().collect::<Vec<_>>(), gemm, dtype, k, name);
        let rungs = space::ladder(gemv, dtype, &gpu.found().caps);
        let mut rows: Vec<_> = rungs.into_iter().flat_map(|r| r.variants).collect();
        rows.dedup_by_key(|v| v.family);
        let rows = able_to(gemv, &rows);
        assert!(!rows.is_empty(), "{name}, {dtype}");
        exact(gpu, &rows.iter().collect::<Vec<_>>(), gemv, dtype, k, name);
    }
}

/// Blocks that only GPUs are offered, whose code a software driver compiles for seconds: on a few shapes.
#[test]
fn blocks_for_gpus_on_a_few_shapes() {
    on_a_large_stack(|| {
        let Some(&(name, backend, position)) = adapters().first() else { return };
        let gpu = Gpu::open(backend, position).expect("opens");
        let elsewhere = Caps { software: false, ..gpu.found().caps.clone() };
        let mut count = 0;
        for dtype in TYPES {
            let here = gemms(&gpu, dtype);
            let problem = Problem::Gemm { m: 128, n: 64, k: 64 };
            let all = space::ladder(problem, dtype, &elsewhere).into_iter().flat_map(|r| r.variants);
            let new: Vec<_> = all.filter(|v| !here.contains(v) && able(v, problem, &gpu.found().caps)).collect();
            let new: Vec<_> = new.iter().collect();
            count += new.len();
            for (at, [m, n, k]) in [[257, 129, 65], [256, 128, 16], [7, 300, 33]].into_iter().enumerate() {
                let fill = if at == 0 { Fill::Exact } else { Fill::Real };
                let fill = if (Problem::Gemm { m, n, k }).has_exact_inputs() { fill } else { Fill::Real };
                judged(&gpu, &new, Problem::Gemm { m, n, k }, dtype, (fill, at as u64), name);
            }
        }
        assert!(count >= 6, "{name}: only {count}");
    });
}

/// The CPU executor's product, which is what is measured where no adapter exists, on the same shapes.
#[test]
fn the_hosts_product_on_every_pair_of_lengths() {
    for (at, [m, n, k]) in covering().into_iter().enumerate() {
        let problem = Problem::Gemm { m, n, k };
        let data = Data::new(problem, Dtype::F32, Fill::Exact, at as u64);
        let truth = twin::truth(problem, Dtype::F32, &data);
        let mut out = vec![f32::NAN; (m * n) as usize];
        host_gemm::gemm(&data.a, &data.b, &mut out, [m, n, k].map(|x| x as usize));
        let bytes: Vec<u8> = out.iter().flat_map(|v| v.to_le_bytes()).collect();
        gate::judge(&bytes, &truth, Fill::Exact, 0).unwrap_or_else(|why| panic!("{problem}: {why}"));
    }
}

/// What is no plain product, on lengths around its vectors, subgroups and workgroups.
fn every_other_kernel_on_awkward_lengths(gpu: &Gpu, name: &str) {
    let mut problems = Vec::new();
    for (at, [width, rows, _]) in covering().into_iter().enumerate().step_by(7) {
        let experts = [1, 2, 3, 5, 8][at % 5];
        problems.push((Problem::Norm { rows: rows.min(17), width }, Dtype::F32));
        problems.push((Problem::Activation { rows: rows.min(17), width }, Dtype::F32));
        let grouped = Problem::Experts { m: rows, experts, n: width, k: 1 + (at as u64 % 67) };
        // Narrow types share their tiles and loops with f32: fewer lengths show what is their own.
        let types = |problem: Problem| if at % 3 == 0 { problem.types() } else { &problem.types()[..1] };
        problems.extend(types(grouped).iter().map(|dtype| (grouped, *dtype)));
        problems.push((Problem::Read { words: 4 * width * rows }, Dtype::U32));
        problems.push((Problem::Copy { words: 4 * width * rows }, Dtype::U32));
        let (kv_heads, group) = ([1, 2, 3][at % 3], [1, 2, 4, 7][at % 4]);
        let queries = [1, 2, 5, 16][at / 7 % 4].min(width);
        let head_dim = [64, 128][at % 2];
        let heads = kv_heads * group;
        let cached = Problem::Attention { queries, context: width, heads, kv_heads, head_dim };
        problems.extend(types(cached).iter().map(|dtype| (cached, *dtype)));
    }
    for chains in [1, 63, 64, 65, 257] {
        problems.push((Problem::Fma { chains, steps: 8 }, Dtype::F32));
    }
    problems.push((Problem::Launch, Dtype::U32));
    for (at, &(problem, dtype)) in problems.iter().enumerate() {
        let fill = if problem.has_exact_inputs() { Fill::Exact } else { Fill::Real };
        let rungs = space::ladder(problem, dtype, &gpu.found().caps);
        let all: Vec<_> = rungs.into_iter().flat_map(|r| r.variants).collect();
        let able: Vec<_> = all.iter().filter(|v| able(v, problem, &gpu.found().caps)).collect();
        let lacking = dtype == Dtype::F16 && !gpu.found().caps.f16;
        assert!(lacking || !able.is_empty(), "{name}: {problem} in {dtype}");
        judged(gpu, &able, problem, dtype, (fill, at as u64), name);
    }
}

/// A plan of one program over an input and an output of one word.
fn one_word(source: &str, input: Vec<u8>) -> Plan {
    Plan {
        label: "limit".into(),
        programs: vec![Program { label: "limit".into(), source: source.into() }],
        memory: vec![Memory::Input(input), Memory::Output(4)],
        steps: vec![Step { program: 0, params: vec![0; 4], grid: [1, 1, 1], bindings: vec![0, 1] }],
        output: 1,
    }
}

/// What the plan leaves in its only word.
fn word(gpu: &Gpu, plan: Plan) -> Result<u32, GpuError> {
    let mut runner = Runner::new(gpu, plan, 1, Checks::On)?;
    runner.poison()?;
    runner.run(1, usize::MAX)?;
    let bytes = runner.output()?;
    Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}

const ENDS: &str = "@group(0) @binding(0) var<uniform> zero: vec4<u32>;
@group(0) @binding(1) var<storage, read> input: array<u32>;
@group(0) @binding(2) var<storage, read_write> output: array<u32>;
@compute @workgroup_size(1) fn main() {
    output[0] = input[zero.x] + 3u * input[arrayLength(&input) - 1u];
}";

/// Four bytes below the largest binding and exactly there it works; four bytes beyond it is unavailable, before
/// anything is allocated: neither wrong nor a dead device.
#[test]
fn bindings_at_their_limit() {
    on_a_large_stack(|| {
        for (name, backend, position) in adapters() {
            let gpu = Gpu::open(backend, position).expect("opens");
            let caps = &gpu.found().caps;
            let limit = caps.binding.min(caps.buffer - 512) & !3;
            let input = |bytes: u64| {
                let mut input = vec![0_u8; bytes as usize];
                input[0] = 5;
                input[bytes as usize - 4] = 7;
                input
            };
            for bytes in [limit - 4, limit] {
                match word(&gpu, one_word(ENDS, input(bytes))) {
                    // SwiftShader names 1 GiB as its limit and then refuses to allocate it: unavailable, as it should be.
                    Err(GpuError::TooLarge(why)) if name == "swiftshader" => eprintln!("{name}, {bytes} bytes: {why}"),
                    result => assert_eq!(result, Ok(26), "{name}, {bytes} bytes"),
                }
            }
            if name == "swiftshader" {
                assert_eq!(word(&gpu, one_word(ENDS, input(limit - (1 << 20)))), Ok(26), "{name}");
            }
            let beyond = word(&gpu, one_word(ENDS, input(limit + 4)));
            assert!(matches!(&beyond, Err(GpuError::TooLarge(_))), "{name}: {beyond:?}");
            let row = Variant::new(Family::GemvRow, Dtype::F32, &[("wx", 1)]);
            let problem = |values: u64| Problem::Gemv { n: 1, k: values };
            assert_eq!(legal::legal(&row, problem(caps.binding / 4), caps), Ok(()), "{name}");
            let refused = legal::legal(&row, problem(caps.binding / 4 + 1), caps).expect_err("beyond the limit");
            assert!(refused.contains("binding"), "{name}: {refused}");
            assert_eq!(word(&gpu, one_word(ENDS, input(8))), Ok(26), "{name}: the device did not survive");
        }
    });
}

/// The same of workgroup memory: every word of the largest array keeps what was put into it.
#[test]
fn workgroup_memory_at_its_limit() {
    on_a_large_stack(|| {
        for (name, backend, position) in adapters() {
            let gpu = Gpu::open(backend, position).expect("opens");
            let caps = &gpu.found().caps;
            let source = |words: u32| {
                format!(
                    "@group(0) @binding(0) var<uniform> zero: vec4<u32>;
@group(0) @binding(1) var<storage, read> input: array<u32>;
@group(0) @binding(2) var<storage, read_write> output: array<u32>;
var<workgroup> shared_words: array<u32, {words}>;
@compute @workgroup_size(1) fn main() {{
    for (var i = 0u; i < {words}u; i++) {{ shared_words[i] = i ^ input[0]; }}
    workgroupBarrier();
    var sum = 0u;
    for (var i = {words}u; i > 0u; i--) {{ sum += shared_words[i - 1u + zero.x] ^ input[0]; }}
    output[0] = sum;
}}"
                )
            };
            let limit = caps.workgroup_bytes & !3;
            let sum = |words: u32| words * (words - 1) / 2;
            for bytes in [limit - 4, limit] {
                let plan = one_word(&source(bytes / 4), vec![9, 0, 0, 0]);
                assert_eq!(word(&gpu, plan), Ok(sum(bytes / 4)), "{name}, {bytes} bytes");
            }
            // A kernel of the space with a footprint of 8 wx + 4 hd bytes.
            let attention = |bytes: u32| {
                let knobs = [("wx", 64), ("hd", (bytes - 512) / 4)];
                let problem =
                    Problem::Attention { queries: 1, context: 8, heads: 1, kv_heads: 1, head_dim: knobs[1].1.into() };
                legal::legal(&Variant::new(Family::Attention, Dtype::F32, &knobs), problem, caps)
            };
            assert_eq!((attention(limit - 4), attention(limit)), (Ok(()), Ok(())), "{name}");
            let refused = attention(limit + 4).expect_err("beyond the limit");
            assert!(refused.contains("workgroup memory"), "{name}: {refused}");
            // Should one slip through, it is refused or right, and the device survives; wgpu does not always
            // refuse it.
            let beyond = word(&gpu, one_word(&source(limit / 4 + 1), vec![9, 0, 0, 0]));
            let right = Ok(sum(limit / 4 + 1));
            assert!(matches!(&beyond, Err(GpuError::Refused(_))) || beyond == right, "{name}: {beyond:?}");
            assert_eq!(word(&gpu, one_word(&source(16), vec![9, 0, 0, 0])), Ok(120), "{name}: the device is gone");
        }
    });
}

/// A product too large for a full reference: right it passes, and one wrong element is found.
#[test]
fn a_large_product_is_judged_by_its_residual() {
    on_a_large_stack(|| {
        let Some((name, backend, position)) = adapters().into_iter().next() else { return };
        let gpu = Gpu::open(backend, position).expect("opens");
        let problem = Problem::Gemm { m: 2051, n: 2049, k: 2053 };
        assert!(freivalds::is_for(problem));
        let data = Data::new(problem, Dtype::F32, Fill::Exact, 3);
        let truth = twin::timed_truth(problem, Dtype::F32, &data, 3);
        assert!(matches!(truth, twin::Truth::Product(_)));
        let all = gemms(&gpu, Dtype::F32);
        // Textures or, where there are no lanes to shuffle, registers: the rest takes minutes on a software adapter.
        let fast = all.iter().rfind(|v| able(v, problem, &gpu.found().caps)).expect("a variant");
        let mut runner =
            Runner::new(&gpu, plan(fast, problem, &data, 64).expect("plans"), 1, Checks::Off).expect("allocates");
        runner.poison().expect("poisons");
        runner.run(1, 1).expect("runs");
        let mut output = runner.output().expect("reads");
        gate::judge(&output, &truth, Fill::Real, 0).unwrap_or_else(|why| panic!("{name}, {fast}: {why}"));
        let at = 4 * (1000 * 2049 + 1000);
        let value = f32::from_le_bytes([output[at], output[at + 1], output[at + 2], output[at + 3]]);
        output[at..at + 4].copy_from_slice(&(value + 1.0).to_le_bytes());
        let why = gate::judge(&output, &truth, Fill::Real, 0).expect_err("one element is wrong");
        assert!(why.contains("row 1000"), "{why}");
    });
}
