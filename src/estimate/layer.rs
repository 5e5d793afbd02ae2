//! The operations of one layer on the busiest rank: its weight matrices, core, experts, collectives and small kernels.
//!
//! Tensor parallelism divides heads and matrices; data-parallel attention replicates the projections around attention
//! and shares the rest.

use super::attend;
use super::bound::Class;
use super::choice::Choice;
use super::collectives;
use super::constants::Kind;
use super::op::{Experts, Op, Rows, Work};
use super::small;
use crate::model::Class as WeightClass;
use crate::model::count::EXPANSION;
use crate::model::spec::{Experts as ExpertSpec, Layer, Linear, Part, Shard};

/// Name of the shared experts' first matrix, which [`super::Compiled`] overlaps with others.
pub const SHARED_UP: &str = "shared gate_up";
/// Name of their last one, which it overlaps as well.
pub const SHARED_DOWN: &str = "shared down";

/// All of them, `calls` times a step.
pub fn ops(choice: &Choice<'_>, layer: &Layer, calls: f64) -> Vec<Op> {
    let mut ops = Vec::new();
    for linear in &layer.linears {
        ops.extend(matrix(choice, linear, layer.core.expands(), calls));
    }
    ops.extend(attend::core(choice, &layer.core, calls));
    ops.extend(layer.experts.as_ref().map(|e| experts(choice, e, calls)));
    ops.extend(collectives::of_layer(choice, layer, calls));
    ops.extend(small::of_layer(choice, layer, calls));
    ops
}

/// A weight matrix. Data-parallel ranks hold copies of everything but the routed experts and run them on their own
/// tokens.
fn matrix(choice: &Choice<'_>, linear: &Linear, expands: bool, calls: f64) -> Vec<Op> {
    let (by, or) = choice.arithmetic(Kind::Gemm, WeightClass::Part(linear.part));
    let ranks = choice.setup.layout.tp as f64;
    // A block-diagonal matrix multiplies one short vector per output.
    let (n, k) = (linear.outputs as f64, linear.inputs as f64);
    let (n, k) = match linear.shard {
        Shard::Columns => ((n / ranks).ceil(), k),
        Shard::Rows => (n, (k / ranks).ceil()),
        Shard::Replicated => (n, k),
    };
    let op = |name, rows| Op::new(name, Class::Gemm, calls, Work::Gemm { n, k, rows, by, or });
    if linear.name == EXPANSION && expands {
        // Prompts expand the cached vectors to keys and values; decode absorbs the same matrix into the queries.
        return vec![op("kv_up", Rows::PromptCache), op("kv_up absorbed", Rows::Decode)];
    }
    let name = match (linear.part, linear.name) {
        (Part::Shared, "gate_up") => SHARED_UP,
        (Part::Shared, "down") => SHARED_DOWN,
        (_, name) => name,
    };
    vec![op(name, Rows::Rank)]
}

fn experts(choice: &Choice<'_>, e: &ExpertSpec, calls: f64) -> Op {
    let (by, or) = choice.experts();
    let layout = &choice.setup.layout;
    let shape = Experts {
        count: e.count as f64,
        topk: e.topk as f64,
        ep: layout.ep as f64,
        tp: ((layout.tp * layout.dp) / layout.ep) as f64,
        width: e.width as f64,
        inter: e.inter as f64,
        matrices: e.matrices as f64,
        by,
        or,
    };
    Op::new("experts", Class::Experts, calls, Work::Experts(shape))
}
