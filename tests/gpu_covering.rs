//! Every variant of the space on every pair of awkward lengths, on each software adapter of this host.

#![allow(clippy::print_stderr)] // what is not tested here is said, not skipped in silence

mod common;

use common::{able, adapters, check, on_a_large_stack};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use underdog::gpu::{Gpu, GpuError, Runner};
use underdog::kernels::{Data, Dtype, Family, Fill, Problem, Variant, gate, host_gemm, legal, plan, space, twin};

const LENGTHS: [u64; 20] = [1, 2, 3, 5, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 257];

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
    all
}

fn exact(gpu: &Gpu, variants: &[&Variant], problem: Problem, dtype: Dtype, seed: u64, name: &str) {
    let data = Data::new(problem, dtype, Fill::Exact, seed);
    let truth = twin::truth(problem, dtype, &data);
    for variant in variants {
        if let Err(why) = check(gpu, variant, problem, &data, &truth, Fill::Exact) {
            panic!("{name}, {variant}, {problem}: {why}");
        }
    }
}

/// f32 on every shape of the covering array on the first adapter; the other types and adapters, which share the code
/// of the tails, on a part of it, unless `UNDERDOG_THOROUGH` asks for everything.
#[test]
fn every_gemm_of_the_space_on_every_pair_of_lengths() {
    on_a_large_stack(|| {
        for (name, backend, position) in adapters() {
            let gpu = Gpu::open(backend, position).expect("opens");
            let thorough = std::env::var_os("UNDERDOG_THOROUGH").is_some();
            let part = |step| if thorough { 1 } else { step };
            let first = name == "lavapipe";
            let steps = if first { [1, part(11), part(7), part(7)] } else { [part(7), part(37), part(37), part(37)] };
            for (dtype, step) in [Dtype::F32, Dtype::F16, Dtype::I8, Dtype::Q4].into_iter().zip(steps) {
                let variants = gemms(&gpu, dtype);
                assert!(dtype != Dtype::F32 || variants.len() >= 15, "{name}: only {} variants", variants.len());
                for (at, [m, n, k]) in covering().into_iter().enumerate().step_by(step) {
                    exact(
                        &gpu,
                        &variants.iter().collect::<Vec<_>>(),
                        Problem::Gemm { m, n, k },
                        dtype,
                        at as u64,
                        name,
                    );
                }
            }
        }
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
        gate::judge(&bytes, &truth, Fill::Exact).unwrap_or_else(|why| panic!("{problem}: {why}"));
    }
}

#[test]
fn two_thousand_random_shapes_of_each_type() {
    on_a_large_stack(|| {
        for (name, backend, position) in adapters().into_iter().take(1) {
            let gpu = Gpu::open(backend, position).expect("opens");
            for dtype in [Dtype::F32, Dtype::F16, Dtype::I8, Dtype::Q4] {
                let variants = gemms(&gpu, dtype);
                let mut random = ChaCha8Rng::seed_from_u64(42);
                for at in 0..2000 {
                    let mut length = |most: u64| random.random_range(1..=most);
                    let problem = Problem::Gemm { m: length(80), n: length(80), k: length(96) };
                    exact(&gpu, &[&variants[at % variants.len()]], problem, dtype, at as u64, name);
                }
            }
        }
    });
}

#[test]
fn every_gemv_of_the_space_on_awkward_lengths() {
    on_a_large_stack(|| {
        for (name, backend, position) in adapters() {
            let gpu = Gpu::open(backend, position).expect("opens");
            for dtype in [Dtype::F32, Dtype::F16, Dtype::I8, Dtype::Q4] {
                for (at, [n, k, _]) in covering().into_iter().enumerate().step_by(13) {
                    let problem = Problem::Gemv { n, k };
                    let all: Vec<_> =
                        space::ladder(problem, dtype, &gpu.found().caps).into_iter().flat_map(|r| r.variants).collect();
                    let able: Vec<_> = all.iter().filter(|v| able(v, problem, &gpu.found().caps)).collect();
                    exact(&gpu, &able, problem, dtype, at as u64, name);
                }
            }
        }
    });
}

/// lavapipe ends an invocation after 65,535 loop iterations and says nothing.
#[test]
fn sums_longer_than_a_driver_allows_in_one_loop() {
    on_a_large_stack(|| {
        for (name, backend, position) in adapters() {
            let gpu = Gpu::open(backend, position).expect("opens");
            let mut all = gemms(&gpu, Dtype::F32);
            // One of each family: their loops are the same whatever the tile.
            all.dedup_by_key(|v| v.family);
            for k in [65_534, 65_535, 65_536, 65_537, 70_001] {
                let problem = Problem::Gemm { m: 3, n: 5, k };
                let able: Vec<_> = all.iter().filter(|v| able(v, problem, &gpu.found().caps)).collect();
                assert!(able.len() >= 3, "{name}: {able:?}");
                exact(&gpu, &able, problem, Dtype::F32, k, name);
                let row = Variant::new(Family::GemvRow, Dtype::F32, &[("wx", 8)]);
                exact(&gpu, &[&row], Problem::Gemv { n: 3, k }, Dtype::F32, k, name);
            }
        }
    });
}

/// Four bytes below the largest binding and exactly there it works; four bytes beyond it is refused before anything is
/// allocated.
#[test]
fn bindings_at_their_limit() {
    on_a_large_stack(|| {
        for (name, backend, position) in adapters() {
            let gpu = Gpu::open(backend, position).expect("opens");
            let caps = &gpu.found().caps;
            let limit = caps.binding.min(caps.buffer - 512);
            if limit > 256 << 20 {
                eprintln!("{name}: a binding of {limit} bytes is too large for this test");
                continue;
            }
            let row = Variant::new(Family::GemvRow, Dtype::F32, &[("wx", 1)]);
            for k in [limit / 4 - 1, limit / 4] {
                exact(&gpu, &[&row], Problem::Gemv { n: 1, k }, Dtype::F32, 5, name);
            }
            let problem = Problem::Gemv { n: 1, k: limit / 4 + 1 };
            assert!(legal::legal(&row, problem, caps).is_err(), "{name}: admitted beyond the limit");
            let data = Data::new(problem, Dtype::F32, Fill::Exact, 5);
            let refused =
                Runner::new(&gpu, plan(&row, problem, &data, 1).expect("plans"), 1, underdog::gpu::Checks::On);
            assert!(matches!(refused.err(), Some(GpuError::TooLarge(_))), "{name}");
        }
    });
}
