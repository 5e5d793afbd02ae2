//! Kernels for matrix units, executed: the software driver of the tree of new drivers has cooperative matrices.
//!
//! The test that needs it runs in the tree, started by one that does not. `UNDERDOG_REQUIRE_GPUS=1` makes a missing tree
//! a failure.

mod common;

use common::{adapters, check, on_a_large_stack};
use underdog::gpu::Gpu;
use underdog::kernels::{Data, Dtype, Family, Fill, Problem, Variant, legal, plan, space, twin};

/// Lengths around the fragments' sides and the tiles'.
const LENGTHS: [u64; 7] = [1, 8, 17, 33, 64, 65, 129];

fn sample() -> Data {
    Data::new(Problem::Gemm { m: 8, n: 8, k: 8 }, Dtype::F16, Fill::Exact, 1)
}

/// The cooperative variants that a driver can run.
fn cooperative(gpu: &Gpu) -> Vec<Variant> {
    let mut all: Vec<Variant> = Vec::new();
    for m in [16, 128] {
        let problem = Problem::Gemm { m, n: 128, k: 128 };
        let rungs = space::ladder(problem, Dtype::F16, &gpu.found().caps);
        let new = rungs.into_iter().flat_map(|rung| rung.variants).filter(|v| v.family == Family::GemmCooperative);
        all.extend(new.filter(|v| legal::legal(v, problem, &gpu.found().caps).is_ok()));
    }
    // Laid out for subgroups of another length than there are: they take the parts in turns, or some of them idle.
    let other =
        |lanes: u32| all.iter().map(move |v| v.id().replace(".l8.", &format!(".l{lanes}."))).collect::<Vec<_>>();
    let others = [other(4), other(16)].concat();
    all.extend(others.iter().map(|id| id.parse::<Variant>().expect("an id")));
    all.retain(|v| plan(v, Problem::Gemm { m: 8, n: 8, k: 8 }, &sample(), 1).is_ok());
    all.sort_by_key(Variant::id);
    all.dedup();
    all
}

#[test]
#[ignore = "runs where a driver has matrix units"]
fn products_of_matrix_units_on_every_pair_of_lengths() {
    on_a_large_stack(|| {
        let (_, backend, position) = *adapters().first().expect("the tree's software driver");
        let gpu = Gpu::open(backend, position).expect("opens");
        let variants = cooperative(&gpu);
        assert!(variants.len() >= 10, "only {} variants with {:?}", variants.len(), gpu.found().caps.cooperative);
        for (at, m) in LENGTHS.into_iter().enumerate() {
            for (by, n) in LENGTHS.into_iter().enumerate() {
                let k = LENGTHS[(at + by) % LENGTHS.len()];
                let problem = Problem::Gemm { m, n, k };
                let fill = if (at + by) % 2 == 0 { Fill::Exact } else { Fill::Real };
                let data = Data::new(problem, Dtype::F16, fill, (at * LENGTHS.len() + by) as u64);
                let truth = twin::truth(problem, Dtype::F16, &data);
                for variant in &variants {
                    check(&gpu, variant, problem, &data, &truth, fill)
                        .unwrap_or_else(|why| panic!("{variant}, {problem}: {why}"));
                }
            }
        }
    });
}

#[test]
fn matrix_units_are_executed() {
    common::in_the_tree("products_of_matrix_units_on_every_pair_of_lengths");
}
