//! Kernels broken on purpose: each must be noticed by the gates.
//!
//! A mutant is a patch of a template's finished WGSL: text that must occur, and what replaces it. A patch that does not
//! apply is a failure, so the list cannot rot. Equivalent mutants, which compute the same, stand apart with the reason.

mod common;
mod mutants;

use common::{STACK, adapters, run};
use mutants::{EQUIVALENT, Subject};
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use underdog::gpu::{Checks, Gpu};
use underdog::kernels::{Data, Fill, Variant, plan, twin};

/// Every fill that applies, on poisoned memory, as a timed run is judged.
fn survives(gpu: &Gpu, subject: &Subject, variant: &Variant, [operator, from, to]: [&str; 3]) -> bool {
    [Fill::Exact, Fill::Real].into_iter().filter(|f| *f == Fill::Real || subject.problem.has_exact_inputs()).all(
        |fill| {
            let data = Data::new(subject.problem, variant.dtype, fill, 9);
            let truth = twin::truth(subject.problem, variant.dtype, &data);
            let mut plan = plan(variant, subject.problem, &data, 3).expect("plans");
            let program = plan.programs.iter_mut().find(|p| p.source.contains(from));
            let program = program.unwrap_or_else(|| panic!("{}: no \"{from}\" in the source", subject.variant));
            // Unrolled stores each have their guard; the other operators break one place.
            let times = if operator == "no tail guard" { usize::MAX } else { 1 };
            program.source = program.source.replacen(from, to, times);
            if from.starts_with("sum += f32(a") {
                program.source = program.source.replacen("column]);", "column]));", 1);
            }
            run(gpu, variant, subject.problem, plan, &truth, fill, Checks::On).is_ok()
        },
    )
}

/// Needs no adapter: the list cannot rot unseen.
#[test]
fn every_patch_applies_to_its_kernel() {
    let (mut count, mut operators) = (0, BTreeSet::new());
    for subject in [mutants::common(), mutants::of_lanes(4), mutants::of_lanes(8), mutants::of_matrix_units()].concat()
    {
        let variant: Variant = subject.variant.parse().expect("an id");
        let sources = underdog::kernels::sources(&variant).expect("renders");
        for (operator, from, _) in subject.patches() {
            assert!(sources.iter().any(|s| s.1.contains(&from)), "{}: no \"{from}\"", subject.variant);
            count += 1;
            operators.insert(operator);
        }
    }
    assert!(count >= 300 && operators.len() >= 12, "{count} mutants of {} operators", operators.len());
    assert!(EQUIVALENT.len() * 20 <= count);
}

/// Every mutant of these kernels is noticed. Each is compiled and run once or twice, so it is the cores that count: every
/// one of them has a device of its own and takes the next mutant.
fn caught(at: (&str, &str, usize), subjects: Vec<Subject>) {
    let (name, backend, position) = at;
    let own = |subject: &Subject| subject.patches().map(|patch| (subject.clone(), patch)).collect::<Vec<_>>();
    let all: Vec<_> = subjects.iter().flat_map(own).collect();
    let (count, next, missed) = (all.len(), AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        let gpu = Gpu::open(backend, position).expect("opens");
        while let Some((subject, (operator, from, to))) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
            let variant: Variant = subject.variant.parse().expect("an id");
            let patch = [*operator, from, to];
            let listed = |e: &mutants::Equivalent| variant.family.name() == e.0 && [e.1.0, e.1.1, e.1.2] == patch;
            if survives(&gpu, subject, &variant, patch) && !EQUIVALENT.iter().any(listed) {
                missed.lock().expect("no panic").push(format!("{}: {operator} ({to})", subject.variant));
            }
        }
    };
    std::thread::scope(|scope| {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        for _ in 0..cores {
            std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work).expect("a thread");
        }
    });
    let missed = missed.into_inner().expect("no panic");
    assert!(missed.is_empty(), "{name}: {} of {count} survived:\n{}", missed.len(), missed.join("\n"));
}

/// Runs in the tree of drivers, as [`mutants_of_matrix_units_are_caught`] starts it.
#[test]
#[ignore = "runs where a driver has matrix units"]
fn here_mutants_of_matrix_units_are_caught() {
    caught(*adapters().first().expect("the tree's software driver"), mutants::of_matrix_units());
}

#[test]
fn mutants_of_matrix_units_are_caught() {
    common::in_the_tree("here_mutants_of_matrix_units_are_caught");
}

/// All of them on the first adapter; on the other Vulkan one those whose subgroups are of another length.
#[test]
fn every_mutant_is_caught() {
    for (at, adapter) in adapters().into_iter().filter(|a| a.0 != "gl").enumerate() {
        let lanes = Gpu::open(adapter.1, adapter.2).expect("opens").found().caps.lanes;
        let common = if at == 0 { mutants::common() } else { Vec::new() };
        let of_lanes = if matches!(lanes, 4 | 8) { mutants::of_lanes(lanes) } else { Vec::new() };
        caught(adapter, [common, of_lanes].concat());
    }
}
