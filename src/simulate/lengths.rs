//! Lengths of prompts and answers drawn from distributions with a given mean.

use crate::scenario::traffic::{LengthShape, LengthSpec};
use rand::{Rng, RngExt};
use rand_distr::{Distribution, Exp1, StandardNormal};

/// The longest prompt or answer that is drawn, tokens.
const LONGEST: f64 = 100_000_000.0;

/// Lengths of both parts of a request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lengths {
    /// Prompt.
    pub input: LengthSpec,
    /// Answer.
    pub output: LengthSpec,
}

impl Lengths {
    /// Tokens of a prompt and of its answer, at least 1 each.
    pub fn draw<R: Rng>(&self, random: &mut R) -> (u32, u32) {
        (one(&self.input, random), one(&self.output, random))
    }
}

fn one<R: Rng>(spec: &LengthSpec, random: &mut R) -> u32 {
    let mean = spec.mean;
    let tokens = match spec.shape {
        LengthShape::Fixed => mean,
        LengthShape::Uniform { spread } => mean * (1.0 + spread * (2.0 * random.random::<f64>() - 1.0)),
        LengthShape::Exponential => {
            let e: f64 = Exp1.sample(random);
            // Rounding up adds half a token to the mean.
            return (((mean - 0.5).max(0.5) * e).ceil()).clamp(1.0, LONGEST) as u32;
        }
        LengthShape::Lognormal { cv } => {
            let variance = (1.0 + cv * cv).ln();
            let z: f64 = StandardNormal.sample(random);
            mean * (variance.sqrt() * z - 0.5 * variance).exp()
        }
    };
    tokens.round().clamp(1.0, LONGEST) as u32
}
