//! How large a tuning factor is, in words: what is known to have been gained by tuning elsewhere.
//!
//! Evidence of size, not a conversion: that a factor is common does not say that this kernel can gain it.

/// A known gain: up to this factor, what it was, and where it is printed.
struct Known {
    up_to: f64,
    what: &'static str,
}

/// By rising factor. Sources: DeepGEMM's repository (1,358, later 1,550 TFLOP/s on one H800); frameworks on one chip
/// from aiconfigurator-core 0.12.0 (fp8 decode, worst over best: 1.39 on H100, 1.75 on B200, 1.98 on RTX PRO 6000);
/// vLLM on an Ascend 910B at 47 ms a token where its bandwidth implies 10; InferenceX on MI355X, 110 times on one
/// model in 26 days.
const KNOWN: [Known; 4] = [
    Known { up_to: 1550.0 / 1358.0, what: "what DeepGEMM still gained after its first release (1.14 times)" },
    Known { up_to: 1.98, what: "the spread of serving frameworks on one chip (1.05 to 1.98 times)" },
    Known { up_to: 4.7, what: "an immature stack (an Ascend 910B took 47 ms a token where its bandwidth implies 10)" },
    Known { up_to: 110.0, what: "a broken stack being repaired (MI355X gained 110 times on one model in 26 days)" },
];

/// The reference class of a factor between two speeds of the same kernels, whichever is the faster.
pub fn class(factor: f64) -> &'static str {
    let size = if factor < 1.0 { 1.0 / factor } else { factor };
    KNOWN.iter().find(|k| size <= k.up_to).map_or("more than any tuning on record", |k| k.what)
}

#[cfg(test)]
mod tests {
    use super::class;

    #[test]
    fn both_directions_of_a_factor_are_the_same_size() {
        assert_eq!(class(0.5), class(2.0));
        assert_ne!(class(1.1), class(1.5));
        assert_ne!(class(200.0), class(100.0));
    }
}
