//! What kernels beside the products of matrices reach of the f32 GEMM's arithmetic and the f32 stream's bytes.
//!
//! t = call + (F / P + B / W) / reach, one after the other. Where a kernel was timed on several sizes, the smallest and
//! the largest tell the two apart; one size gives the reach alone, beside an empty dispatch.
//!
//! For attention a size is a batch as well: sequences that decode together are more heads over the same length, each
//! with a cache of its own. A profile of a software adapter holds one size of it; its reach is then that of a batch of
//! one at every batch. A case does not say how many key/value heads it had, so that other ratios of them are priced by
//! their bytes alone.

use super::Profile;
use super::operand::Operand;
use super::profile::Case;
use crate::precision::Precision;

/// One kernel's constants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reached {
    /// (F / P + B / W) / (t - call). A cache may take it above 1.
    pub share: f64,
    /// What a call takes whatever it computes, s; never less than an empty dispatch.
    pub call_s: f64,
}

/// Constants of the kernels of a step; `share` is 1 where a profile has no case.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reach {
    /// One query over a KV cache, by the type it is stored in.
    pub decode: ByType,
    /// A chunk of a prompt over a KV cache, likewise.
    pub prefill: ByType,
    /// Grouped expert GEMM by the type of the weights.
    pub experts: ByType,
    /// Norms, f32.
    pub norm: Reached,
    /// Gated activations, f32.
    pub activation: Reached,
}

/// Constants by the type of what is streamed, the widest first; types that were not measured are absent.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ByType([Option<Reached>; Operand::ALL.len()]);

impl ByType {
    fn of(of: impl Fn(Operand) -> Option<Reached>) -> Self {
        Self(Operand::ALL.map(of))
    }

    /// The type that streams what is stored so soonest, of those that were measured and hold it with activations in a
    /// given format or the usual one; `None` where none was measured.
    pub fn holding(&self, stored: Precision, activations: Option<Precision>) -> Option<(Operand, Reached)> {
        let all = Operand::ALL.into_iter().zip(self.0);
        let holds = all.filter(|(operand, _)| operand.holds(stored, activations));
        let measured = holds.filter_map(|(operand, reached)| Some((operand, reached?)));
        let time = |(operand, reached): &(Operand, Reached)| operand.weight_bytes() / reached.share;
        measured.min_by(|a, b| time(a).total_cmp(&time(b)))
    }
}

impl Reach {
    /// From a profile with the f32 GEMM's rate, FLOP/s, the f32 stream's, byte/s, and an empty dispatch, s.
    pub fn of(profile: &Profile, gemm_flop_s: f64, stream_byte_s: f64, launch_s: f64) -> Self {
        let of_type = |kernel: &str, single: bool, operand: Operand| {
            let own = |c: &&Case| c.verified && c.dtype == operand.name() && c.kernel == kernel && (c.m == 1) == single;
            let sized = |c: &Case| (c.flop / gemm_flop_s + c.bytes / stream_byte_s, c.time_s_median);
            fitted(profile.cases.iter().filter(own).map(sized).collect(), launch_s)
        };
        let of = |kernel: &str, single: bool| of_type(kernel, single, Operand::F32);
        let none = Reached { share: 1.0, call_s: launch_s };
        let attention = |single| {
            ByType::of(|operand| match operand {
                // At the roofs, where nothing of it was timed.
                Operand::F32 => Some(of("attention", single).unwrap_or(none)),
                narrow => of_type("attention", single, narrow),
            })
        };
        Self {
            decode: attention(true),
            prefill: attention(false),
            experts: ByType::of(|operand| of_type("experts", false, operand)),
            norm: of("norm", false).unwrap_or(none),
            activation: of("activation", false).unwrap_or(none),
        }
    }
}

/// The constants of cases given as (seconds at the roofs, seconds measured), the fastest of each size.
fn fitted(mut cases: Vec<(f64, f64)>, launch_s: f64) -> Option<Reached> {
    cases.retain(|(roof, time)| *roof > 0.0 && *time > 0.0);
    cases.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    cases.dedup_by(|later, first| later.0 <= first.0 * (1.0 + SAME_SIZE));
    let (small, large) = (*cases.first()?, *cases.last()?);
    let alone = |(roof, time): (f64, f64)| roof / if time > launch_s { time - launch_s } else { time };
    let best = cases.iter().copied().map(alone).fold(0.0, f64::max);
    let share = if large.0 > small.0 && large.1 > small.1 {
        // Noise in a short difference promises no more than the roofs, or the best that was seen.
        ((large.0 - small.0) / (large.1 - small.1)).min(best.max(1.0))
    } else {
        best
    };
    let call_s = if large.0 > small.0 { (small.1 - small.0 / share).max(launch_s) } else { launch_s };
    Some(Reached { share, call_s })
}

/// Sizes closer than this are one size.
const SAME_SIZE: f64 = 1e-9;

#[cfg(test)]
mod tests {
    use super::*;

    fn attention(m: u64, heads: u64, context: u64, time_s_median: f64) -> Case {
        let (n, pairs) = (heads * 128, (m * heads * context) as f64);
        let (kernel, dtype) = ("attention".into(), "f32".into());
        // Every head has a cache of its own here: 2 x 128 values of four bytes a token.
        let (flop, bytes) = (4.0 * 128.0 * pairs, 1024.0 * (heads * context) as f64);
        Case { kernel, dtype, m, n, k: context, flop, bytes, time_s_median, verified: true, ..Case::default() }
    }

    fn reach(cases: Vec<Case>) -> Reach {
        Reach::of(&Profile { cases, ..Profile::default() }, 1e12, 1e11, 1e-6)
    }

    #[test]
    fn one_size_gives_the_share_and_several_the_call_as_well() {
        let roof = |heads: f64, context: f64| heads * context * (512.0 / 1e12 + 1024.0 / 1e11);
        let (one, many) = (roof(32.0, 4096.0), roof(1024.0, 4096.0));
        // A batch of one takes 300 us whatever it does; beyond that, attention reaches 0.8.
        let time = |roof: f64| 3e-4 + roof / 0.8;
        let single =
            reach(vec![attention(1, 32, 4096, time(one))]).decode.holding(Precision::F32, None).expect("measured").1;
        assert!((single.share - one / (time(one) - 1e-6)).abs() < 1e-9 && single.call_s == 1e-6, "{single:?}");
        let cases = vec![attention(1, 32, 4096, time(one)), attention(1, 1024, 4096, time(many))];
        let both = reach(cases.clone()).decode.holding(Precision::F32, None).expect("measured").1;
        assert!((both.share - 0.8).abs() < 1e-9 && (both.call_s - 3e-4).abs() < 1e-9, "{both:?}");
        // Lengths work like heads, a slower kernel of the same size counts for nothing, and order does not matter.
        let mut more = vec![attention(1, 32, 131_072, time(many)), attention(1, 32, 4096, 1.0)];
        more.extend(cases.into_iter().rev());
        let all = reach(more).decode.holding(Precision::F32, None).expect("measured").1;
        assert!((all.share - 0.8).abs() < 1e-9 && (all.call_s - 3e-4).abs() < 1e-9, "{all:?}");
    }

    #[test]
    fn what_was_not_measured_is_at_the_roofs_and_experts_are_absent() {
        let none = reach(Vec::new());
        let at_the_roof = Some((Operand::F32, Reached { share: 1.0, call_s: 1e-6 }));
        assert_eq!(none.decode.holding(Precision::Bf16, None), at_the_roof);
        assert_eq!(none.experts.holding(Precision::Bf16, None), None);
    }

    #[test]
    fn noise_promises_nothing_beyond_the_roofs() {
        // The larger size is hardly slower, or faster.
        for time in [1.000_001e-3, 0.9e-3] {
            let found = reach(vec![attention(1, 32, 4096, 1e-3), attention(1, 64, 4096, time)])
                .decode
                .holding(Precision::F32, None)
                .expect("measured")
                .1;
            let best = 64.0 * 4096.0 * (512.0 / 1e12 + 1024.0 / 1e11) / (time - 1e-6);
            assert!(found.share <= best.max(1.0) && found.share > 0.0 && found.call_s >= 1e-6, "{found:?}");
        }
    }
}
