//! Kernels for matrix units, executed: the software driver of the tree of new drivers has cooperative matrices.
//!
//! The test that needs it runs in the tree, started by one that does not. `UNDERDOG_REQUIRE_GPUS=1` makes a missing tree
//! a failure.

mod common;

use common::{STACK, adapters, check};
use underdog::gpu::Gpu;
use underdog::kernels::{Data, Dtype, Family, Fill, Problem, Variant, legal, plan, space, twin};

/// Lengths around the fragments' sides and the tiles'.
const LENGTHS: [u64; 4] = [1, 17, 64, 129];

/// Types whose values become halves on their way to the matrix units.
const TYPES: [Dtype; 3] = [Dtype::F16, Dtype::I8, Dtype::Q4];

/// The cooperative variants of a type that a driver can run.
fn cooperative(gpu: &Gpu, dtype: Dtype) -> Vec<Variant> {
    let mut all: Vec<Variant> = Vec::new();
    for m in [16, 128] {
        let problem = Problem::Gemm { m, n: 128, k: 128 };
        let rungs = space::ladder(problem, dtype, &gpu.found().caps);
        let new = rungs.into_iter().flat_map(|rung| rung.variants).filter(|v| v.family == Family::GemmCooperative);
        all.extend(new.filter(|v| legal::legal(v, problem, &gpu.found().caps).is_ok()));
    }
    all.sort_by_key(Variant::id);
    all.dedup();
    all
}

/// The same laid out for subgroups of another length than there are, which take the parts in turns or repeat one.
fn of_other_lengths(variants: &[Variant], dtype: Dtype) -> Vec<Variant> {
    let problem = Problem::Gemm { m: 8, n: 8, k: 8 };
    let sample = Data::new(problem, dtype, Fill::Exact, 1);
    let other = |lanes| variants.iter().map(move |v| v.id().replace(".l8.", &format!(".l{lanes}.")));
    let parsed = [4, 16].into_iter().flat_map(other).map(|id| id.parse::<Variant>().expect("an id"));
    // A driver compiles each of them for seconds: some of both lengths.
    parsed.filter(|v| plan(v, problem, &sample, 1).is_ok()).step_by(3).collect()
}

/// Each type has a thread and a device: a driver compiles on one core, each kernel for seconds.
#[test]
#[ignore = "runs where a driver has matrix units"]
fn products_of_matrix_units_on_every_pair_of_lengths() {
    let (_, backend, position) = *adapters().first().expect("the tree's software driver");
    std::thread::scope(|scope| {
        for dtype in TYPES {
            let work = move || on_every_pair_of_lengths(&Gpu::open(backend, position).expect("opens"), dtype);
            std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work).expect("a thread");
        }
    });
}

fn on_every_pair_of_lengths(gpu: &Gpu, dtype: Dtype) {
    let variants = cooperative(gpu, dtype);
    let others = of_other_lengths(&variants, dtype);
    // Parts of a sum, more of them than some sums have tiles.
    let split = variants.iter().step_by(2).map(|v| v.clone().with("sk", 3)).collect::<Vec<_>>();
    assert!(variants.len() >= 3 && others.len() >= 2, "{dtype}: {variants:?}, {others:?}");
    for (at, m) in LENGTHS.into_iter().enumerate() {
        for (by, n) in LENGTHS.into_iter().enumerate() {
            let k = LENGTHS[(at + by) % LENGTHS.len()];
            let problem = Problem::Gemm { m, n, k };
            let fill = if (at + by) % 2 == 0 { Fill::Exact } else { Fill::Real };
            let seed = (at * LENGTHS.len() + by) as u64;
            let data = Data::new(problem, dtype, fill, seed);
            let truth = twin::truth(problem, dtype, &data);
            // Halves on every pair; what differs from them in few lines, on every length of each side, and what differs in
            // who does what, on the longest.
            let diagonal = (at + by) % LENGTHS.len() == 0;
            let longest = diagonal && at + by == LENGTHS.len();
            let whole = variants.iter().filter(|_| dtype == Dtype::F16 || diagonal);
            for variant in whole.chain(others.iter().chain(&split).filter(|_| longest)) {
                check(gpu, variant, problem, &data, &truth, fill)
                    .unwrap_or_else(|why| panic!("{variant}, {problem}: {why}"));
            }
        }
    }
}

#[test]
fn matrix_units_are_executed() {
    common::in_the_tree("products_of_matrix_units_on_every_pair_of_lengths");
}
