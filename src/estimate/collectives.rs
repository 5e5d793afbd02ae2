//! What the ranks of an instance send each other: all-reduces, tokens on their way to experts, and hand-overs.

use super::bound::Class;
use super::choice::Choice;
use super::exchange::Exchange;
use super::op::{Op, WIDE, Work};
use crate::model::spec::{Core, Experts, Layer, Part};

/// Name of the way to the experts, which [`super::Compiled`] overlaps with others.
pub const DISPATCH: &str = "dispatch";

/// Two all-reduces a layer. Where data-parallel ranks share experts, their tokens travel to them and back.
pub fn of_layer(choice: &Choice<'_>, layer: &Layer, calls: f64) -> Vec<Op> {
    let layout = &choice.setup.layout;
    let reduce = Work::Reduce { bytes_per_token: choice.setup.model.hidden as f64 * WIDE };
    let mut ops = Vec::new();
    if layout.tp > 1 && layer.core != Core::None {
        ops.push(Op::new("all-reduce attention", Class::Collectives, calls, reduce.clone()));
    }
    match &layer.experts {
        Some(experts) if layout.dp > 1 => ops.extend(there_and_back(choice, experts, calls)),
        experts => {
            let feeds = experts.is_some() || layer.linears.iter().any(|l| l.part == Part::Dense);
            if feeds && layout.tp > 1 {
                ops.push(Op::new("all-reduce feed-forward", Class::Collectives, calls, reduce));
            }
        }
    }
    ops
}

/// Out as the experts read it, 8 bit with a scale per 128 values; back in 16 bit (DeepEP).
fn there_and_back(choice: &Choice<'_>, experts: &Experts, calls: f64) -> [Op; 2] {
    let bytes_per_token = choice.setup.model.hidden as f64 * WIDE;
    let width = experts.width as f64;
    let out = match choice.experts().0.path.activation_bytes {
        1.0 => 1.0 + 4.0 / 128.0,
        other => other,
    };
    [(DISPATCH, width * out), ("combine", width * WIDE)].map(|(name, bytes)| {
        let reach = experts.groups_chosen as f64 / experts.groups as f64;
        let exchange = Exchange { bytes, topk: experts.topk as f64, reach };
        Op::new(name, Class::Collectives, calls, Work::Exchange { bytes_per_token, exchange })
    })
}

/// Hidden vectors passed on through the pipeline: every rank of a stage sends its share to its counterpart.
pub fn hand_over(choice: &Choice<'_>) -> Op {
    let bytes_per_token = choice.setup.model.hidden as f64 * WIDE / choice.setup.layout.tp as f64;
    Op::new("hand over", Class::Collectives, 1.0, Work::Send { bytes_per_token })
}
