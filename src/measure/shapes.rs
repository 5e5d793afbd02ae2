//! The matrix products of a real model at chosen batch sizes, each by the best kernel the adapter has for it.
//!
//! The shapes are those of the model's own op list: every weight matrix outside the experts against as many rows as
//! there are tokens, and the routed experts against tokens x top-k rows. Candidates are chosen on a small shape of the
//! same batch, so that the search costs seconds; the best two are then timed on the real one. A matrix beyond the
//! adapter's largest binding is cut into pieces, by columns or by experts, that are timed one by one and added.
//!
//! Limits: tensor parallelism is not modelled, experts exist in f32 only, and of block-diagonal matrices one block is timed.

use super::MeasureError;
use super::bench::session;
use super::options::BenchOptions;
use super::problems::Depth;
use super::session::Session;
use super::tuner::{History, Task};
use crate::device::profile::Case;
use crate::kernels::{Dtype, Problem};
use crate::model::spec::ModelSpec;
use crate::progress::Progress;
use schemars::JsonSchema;
use serde::Serialize;
use std::path::Path;
use std::time::Instant;

/// What to time.
#[derive(Debug, Clone)]
pub struct ShapesOptions {
    /// Adapter, budget, seed.
    pub bench: BenchOptions,
    /// Tokens a product is computed for.
    pub batches: Vec<u64>,
    /// Types of the inputs.
    pub dtypes: Vec<Dtype>,
}

/// One weight matrix of a model at one batch size.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ShapeRow {
    /// Name of the adapter.
    pub adapter: String,
    /// Name of the model.
    pub model: String,
    /// The matrix: `qkv`, `o`, `gate_up`, `down`, `experts_gate_up`, `lm_head`, ...
    pub op: String,
    /// Tokens.
    pub batch: u64,
    /// Data type of the inputs.
    pub dtype: String,
    /// Rows of the result: the tokens, or tokens x top-k over all experts.
    pub m: u64,
    /// Columns of the result.
    pub n: u64,
    /// Length of the sum.
    pub k: u64,
    /// Experts that share the rows. Absent for a matrix every token goes through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub experts: Option<u64>,
    /// Times it occurs in one step of the whole model.
    pub calls: u64,
    /// Pieces it was cut into because it exceeds the adapter's largest binding.
    pub pieces: u64,
    /// The fastest variant. Absent where nothing was timed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// Rung of the ladder the variant stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rung: Option<String>,
    /// Median time of one product, all pieces, s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_s: Option<f64>,
    /// Median absolute deviation over the median, of the largest piece.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spread: Option<f64>,
    /// Floating-point operations per second, 1e9.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gflops: Option<f64>,
    /// Bytes that must move over time, 1e9 per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gb_s: Option<f64>,
    /// The outputs of the timed runs agreed with the CPU twin.
    pub verified: bool,
    /// Why there is no time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The stopping criterion that was not met.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unmet: Option<String>,
}

/// A matrix of the model, whatever the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Matrix {
    name: &'static str,
    n: u64,
    k: u64,
    calls: u64,
    /// Experts and how many a token goes through.
    routed: Option<(u64, u64)>,
}

/// Pieces of at most a binding's bytes: how often each problem occurs.
#[derive(Debug, Clone, PartialEq)]
struct Pieces(Vec<(Problem, u64)>);

/// Columns of a piece are a multiple of the widest tile, so that padding never pushes it over the limit.
const TILE: u64 = 256;
/// The candidates are chosen on a shape of at most so many columns and as long sums.
const SMALL: u64 = 512;
/// A product takes at least this many runs: calibration, samples, and the run they are compared with.
const RUNS: f64 = 8.0;

/// Times every matrix of `model` at every batch size and type, in about the budget. What does not fit says so.
pub fn shapes(
    exe: &Path,
    model: &ModelSpec,
    options: &ShapesOptions,
    progress: &dyn Progress,
) -> Result<Vec<ShapeRow>, MeasureError> {
    let mut session = session(exe, &options.bench, progress)?;
    let matrices = matrices(model);
    let groups = options.dtypes.len() * options.batches.len();
    progress.stage(&model.name, (groups * matrices.len()) as u64);
    let mut rows: Vec<ShapeRow> = Vec::new();
    let binding = session.supervisor.found().caps.binding;
    for &dtype in &options.dtypes {
        for &batch in &options.batches {
            // What is fast for one batch need not be for another: each is searched anew, or taken from the store.
            session.history = History::default();
            for matrix in &matrices {
                progress.step(&format!("{} x {batch}, {dtype}", matrix.name));
                let mut row = blank(&session, model, matrix, batch, dtype);
                match pieces(matrix, batch, dtype, binding) {
                    _ if session.stopped() => row.reason = Some("interrupted".into()),
                    Err(why) => row.reason = Some(why),
                    Ok(pieces) => fill(&mut session, &mut row, &pieces, dtype, groups * matrices.len() - rows.len())?,
                }
                rows.push(row);
            }
        }
    }
    Ok(rows)
}

/// Times the pieces of one matrix and adds them up, or says why not. `waiting` products, this one included, share what
/// is left of the budget; none may take more than half of it.
fn fill(
    session: &mut Session<'_>,
    row: &mut ShapeRow,
    pieces: &Pieces,
    dtype: Dtype,
    waiting: usize,
) -> Result<(), MeasureError> {
    let left = session.end.saturating_duration_since(Instant::now()).as_secs_f64();
    let share = left / waiting as f64;
    let (mut time_s, mut flop, mut bytes) = (0.0, 0.0, 0.0);
    for (at, &(problem, count)) in pieces.0.iter().enumerate() {
        let before = session.cases.len();
        if at == 0 && session.history.of(Task { problem, dtype }).is_empty() {
            session.task(Task { problem: small(problem), dtype }, Depth::Step, share / 2.0)?;
        }
        let task = Task { problem, dtype };
        let expected = session.history.of(task).first().map(|m| m.time_s * problem.flop() / m.task.problem.flop());
        if left == 0.0 {
            row.reason = Some("left out: --budget is spent".into());
            return Ok(());
        }
        if let Some(seconds) = expected.map(|s| RUNS * s).filter(|s| *s > left / 2.0) {
            row.reason = Some(format!("left out: it needs about {seconds:.1} s, --budget has {left:.1} s left"));
            return Ok(());
        }
        let chosen = session.cases.len();
        session.task(task, Depth::Step, share)?;
        let Some(best) = fastest(&session.cases[chosen..]) else {
            let why = session.first_failure.clone().filter(|_| session.cases.len() == before);
            row.reason = Some(why.unwrap_or_else(|| format!("unavailable: no kernel runs {problem} in {dtype} here")));
            return Ok(());
        };
        let times = count as f64;
        (time_s, flop, bytes) =
            (time_s + times * best.time_s_median, flop + times * best.flop, bytes + times * best.bytes);
        if at == 0 {
            (row.variant, row.rung) = (Some(best.variant.clone()), best.rung.clone());
            (row.spread, row.unmet) = (Some(best.spread), best.unmet.clone());
        }
    }
    (row.time_s, row.verified) = (Some(time_s), true);
    (row.gflops, row.gb_s) = (Some(flop / time_s / 1e9), Some(bytes / time_s / 1e9));
    Ok(())
}

fn fastest(cases: &[Case]) -> Option<&Case> {
    cases.iter().min_by(|a, b| a.time_s_median.total_cmp(&b.time_s_median))
}

fn blank(session: &Session<'_>, model: &ModelSpec, matrix: &Matrix, batch: u64, dtype: Dtype) -> ShapeRow {
    ShapeRow {
        adapter: session.supervisor.found().identity.name.clone(),
        model: model.name.clone(),
        op: matrix.name.into(),
        batch,
        dtype: dtype.to_string(),
        m: matrix.routed.map_or(batch, |(_, topk)| batch * topk),
        n: matrix.n,
        k: matrix.k,
        experts: matrix.routed.map(|r| r.0),
        calls: matrix.calls,
        pieces: pieces(matrix, batch, dtype, session.supervisor.found().caps.binding)
            .map_or(1, |p| p.0.iter().map(|p| p.1).sum()),
        variant: None,
        rung: None,
        time_s: None,
        spread: None,
        gflops: None,
        gb_s: None,
        verified: false,
        reason: None,
        unmet: None,
    }
}

/// The distinct weight matrices of a model with their number of calls, in the order of the layers, the head last.
fn matrices(model: &ModelSpec) -> Vec<Matrix> {
    let mut all: Vec<Matrix> = Vec::new();
    let mut add = |new: Matrix| match all.iter_mut().find(|m| (m.name, m.n, m.k) == (new.name, new.n, new.k)) {
        Some(known) => known.calls += new.calls,
        None => all.push(new),
    };
    for layer in &model.layers {
        for linear in &layer.linears {
            let (n, calls) = (linear.outputs / linear.groups.max(1), layer.count * linear.groups);
            add(Matrix { name: linear.name, n, k: linear.inputs, calls, routed: None });
        }
        if let Some(e) = layer.experts {
            let routed = Some((e.count, e.topk));
            let wide = (e.matrices - 1) * e.inter;
            add(Matrix { name: "experts_gate_up", n: wide, k: e.width, calls: layer.count, routed });
            add(Matrix { name: "experts_down", n: e.width, k: e.inter, calls: layer.count, routed });
        }
    }
    add(Matrix { name: "lm_head", n: model.vocab, k: model.hidden, calls: 1, routed: None });
    all
}

/// The problems that make up one matrix on an adapter with bindings of `binding` bytes.
fn pieces(matrix: &Matrix, batch: u64, dtype: Dtype, binding: u64) -> Result<Pieces, String> {
    let Matrix { n, k, .. } = *matrix;
    let column =
        (dtype.weight_bytes() * k.next_multiple_of(TILE) as f64).max(4.0 * batch.next_multiple_of(TILE) as f64);
    if let Some((experts, topk)) = matrix.routed {
        if dtype != Dtype::F32 {
            return Err("unavailable: grouped experts exist in f32 only".into());
        }
        let m = batch * topk;
        // No more experts are touched than rows exist; the others cost neither time nor bandwidth.
        let touched = experts.min(m);
        let one = column * n.next_multiple_of(TILE) as f64;
        let fit = (binding as f64 / one) as u64;
        if fit == 0 {
            return Err(format!("unavailable: one expert takes {one:.0} bytes, the largest binding is {binding}"));
        }
        let problem = |experts: u64| Problem::Experts { m: (m * experts / touched).max(1), experts, n, k };
        return Ok(cut(touched, touched.div_ceil(touched.div_ceil(fit)), problem));
    }
    let fit = (binding as f64 / column) as u64 / TILE * TILE;
    if fit == 0 {
        return Err(format!("unavailable: {TILE} columns take more than the largest binding, {binding} bytes"));
    }
    let even = n.div_ceil(n.div_ceil(fit)).next_multiple_of(TILE).min(fit);
    Ok(cut(n, even, |n| if batch == 1 { Problem::Gemv { n, k } } else { Problem::Gemm { m: batch, n, k } }))
}

/// `whole` in parts of `part`, the rest last.
fn cut(whole: u64, part: u64, problem: impl Fn(u64) -> Problem) -> Pieces {
    let part = part.clamp(1, whole.max(1));
    let mut all = vec![(problem(part), whole / part)];
    if !whole.is_multiple_of(part) {
        all.push((problem(whole % part), 1));
    }
    Pieces(all)
}

/// The same product with fewer columns and a shorter sum, to choose candidates on.
fn small(problem: Problem) -> Problem {
    match problem {
        Problem::Gemm { m, n, k } => Problem::Gemm { m, n: n.min(SMALL), k: k.min(SMALL) },
        Problem::Gemv { n, k } => Problem::Gemv { n: n.min(8 * SMALL), k: k.min(8 * SMALL) },
        Problem::Experts { m, experts, n, k } => Problem::Experts { m, experts, n: n.min(SMALL), k: k.min(SMALL) },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Stored;
    use crate::model::spec::{Core, Experts, Layer, Linear, NativePrecision, Part, Shard};
    use crate::precision::Precision;

    fn matrix(name: &'static str, n: u64, k: u64) -> Matrix {
        Matrix { name, n, k, calls: 1, routed: None }
    }

    #[test]
    fn a_model_gives_its_own_matrices() {
        let linear = |name, outputs, inputs| Linear {
            name,
            part: Part::Attention,
            inputs,
            outputs,
            groups: 1,
            shard: Shard::Columns,
        };
        let layer = |count, experts| Layer {
            at: Vec::new(),
            count,
            linears: vec![linear("qkv", 6144, 4096), linear("o", 4096, 4096)],
            core: Core::None,
            experts,
            other_params: 0,
        };
        let experts =
            Experts { count: 128, topk: 8, width: 4096, inter: 768, matrices: 3, bias: 0, groups: 1, groups_chosen: 1 };
        let model = ModelSpec { layers: vec![layer(3, None), layer(5, Some(experts))], ..spec() };
        let all: Vec<_> = matrices(&model).into_iter().map(|m| (m.name, m.n, m.k, m.calls, m.routed)).collect();
        let expected = [
            ("qkv", 6144, 4096, 8, None),
            ("o", 4096, 4096, 8, None),
            ("experts_gate_up", 1536, 4096, 5, Some((128, 8))),
            ("experts_down", 4096, 768, 5, Some((128, 8))),
            ("lm_head", 128_256, 4096, 1, None),
        ];
        assert_eq!(all, expected);
    }

    fn spec() -> ModelSpec {
        let format = Precision::Bf16;
        ModelSpec {
            name: "a model".into(),
            architecture: String::new(),
            hidden: 4096,
            vocab: 128_256,
            tied_embeddings: false,
            layers: Vec::new(),
            other_params: 0,
            table_params: 0,
            native: NativePrecision::uniform(Stored::plain(format)),
            max_context: None,
            mtp_layers: 0,
            notes: Vec::new(),
        }
    }

    #[test]
    fn pieces_fit_the_binding_and_add_up() {
        for binding in [128 << 20, (1 << 31) - 1] {
            for (n, k) in [(28_672, 4096), (128_256, 4096), (4096, 14_336), (300, 70_001)] {
                for dtype in [Dtype::F32, Dtype::F16, Dtype::I8, Dtype::Q4] {
                    for batch in [1, 16, 4096] {
                        let Pieces(all) = pieces(&matrix("x", n, k), batch, dtype, binding).expect("pieces");
                        assert_eq!(all.iter().map(|(p, count)| p.mnk()[1] * count).sum::<u64>(), n);
                        let largest = all.iter().map(|(p, _)| dtype.weight_bytes() * (p.mnk()[1] * k) as f64);
                        assert!(largest.fold(0.0, f64::max) <= binding as f64, "{all:?}");
                    }
                }
            }
        }
        assert!(pieces(&matrix("x", 512, 1 << 20), 1, Dtype::F32, 128 << 20).is_err());
    }

    #[test]
    fn experts_are_cut_by_experts() {
        let matrix = Matrix { routed: Some((128, 8)), ..matrix("experts_down", 2048, 768) };
        let Pieces(all) = pieces(&matrix, 256, Dtype::F32, 128 << 20).expect("pieces");
        let of = |p: &Problem| if let Problem::Experts { m, experts, .. } = *p { (m, experts) } else { (0, 0) };
        assert_eq!(all.iter().map(|(p, count)| of(p).1 * count).sum::<u64>(), 128);
        assert_eq!(all.iter().map(|(p, count)| of(p).0 * count).sum::<u64>(), 2048);
        let Pieces(one) = pieces(&matrix, 1, Dtype::F32, 2 << 30).expect("pieces");
        assert_eq!(one, [(Problem::Experts { m: 8, experts: 8, n: 2048, k: 768 }, 1)]);
        assert!(pieces(&matrix, 1, Dtype::F16, 2 << 30).is_err());
    }
}
