//! What passes through an instance in one step, and what of it is the busiest data-parallel rank's.
//!
//! Three kinds of quantities meet here: those of the whole instance, those of one rank, and those of each prompt or
//! sequence. They are types of their own, so that one cannot stand in another's place.

/// Of the whole instance: all its data-parallel ranks together.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default)]
pub struct Whole(pub f64);

/// Of the busiest data-parallel rank.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default)]
pub struct OnRank(pub f64);

/// Of each prompt, or of each sequence, on average.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default)]
pub struct Each(pub f64);

/// What passes through an instance in one step.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Step {
    /// Sequences that decode one token each.
    pub decode: Whole,
    /// Tokens already cached of a decoding sequence.
    pub context: Each,
    /// Prompt tokens computed.
    pub prefill: Whole,
    /// Tokens of the same prompts that are already cached.
    pub past: Each,
    /// Prompts they belong to.
    pub prompts: Whole,
    /// Tokens that a decoding sequence guesses beside its certain one.
    pub drafts: Each,
}

impl Step {
    /// `prompts` prompts of which `each` tokens are computed after `past` that are cached, and nothing else.
    pub fn of_prompts(prompts: f64, each: f64, past: f64) -> Self {
        Self { prefill: Whole(prompts * each), past: Each(past), prompts: Whole(prompts), ..Self::default() }
    }

    /// Tokens that pass through every matrix.
    pub fn tokens(&self) -> Whole {
        Whole(self.decode.0 * (1.0 + self.drafts.0) + self.prefill.0)
    }

    /// One of two halves that run in turns on `ranks` data-parallel ranks: half of the sequences, and of the prompts; a
    /// prompt that is alone on its rank is cut in two. `None` where a rank has nothing to divide.
    pub fn half(&self, ranks: f64) -> Option<Self> {
        if self.prefill.0 <= 0.0 && self.decode.0 < 2.0 * ranks {
            return None;
        }
        let each = self.prefill.0 / self.prompts.0.max(1.0);
        let cut = self.prefill.0 > 0.0 && self.prompts.0 < 2.0 * ranks;
        // Each half of a cut prompt sees what is before it: nothing more, or the other half.
        let past = if cut { self.past.0 + each / 4.0 } else { self.past.0 };
        let prompts = if cut { self.prompts.0 } else { self.prompts.0 / 2.0 };
        Some(Self {
            decode: Whole(self.decode.0 / 2.0),
            prefill: Whole(self.prefill.0 / 2.0),
            prompts: Whole(prompts),
            past: Each(past),
            ..*self
        })
    }

    /// What the busiest of `ranks` data-parallel ranks does: no rank has a part of a sequence or of a prompt.
    pub fn on_rank(&self, ranks: f64) -> RankStep {
        let share = |whole: f64| (whole / ranks).max(whole.min(1.0));
        let (sequences, prompts) = (share(self.decode.0), share(self.prompts.0));
        let each = if self.prompts.0 > 0.0 { self.prefill.0 / self.prompts.0 } else { 0.0 };
        RankStep {
            sequences: OnRank(sequences),
            generated: OnRank(sequences * (1.0 + self.drafts.0)),
            context: self.context,
            prompts: OnRank(prompts),
            fresh: Each(each),
            past: self.past,
            instance: self.tokens(),
        }
    }
}

/// What one data-parallel rank does in a step.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct RankStep {
    /// Decoding sequences.
    pub sequences: OnRank,
    /// Their tokens, guessed ones included.
    pub generated: OnRank,
    /// Tokens already cached of a decoding sequence.
    pub context: Each,
    /// Prompts.
    pub prompts: OnRank,
    /// Tokens computed of a prompt.
    pub fresh: Each,
    /// Tokens of a prompt that are already cached.
    pub past: Each,
    /// Tokens of all ranks: what experts see that ranks share.
    pub instance: Whole,
}

impl RankStep {
    /// Prompt tokens computed.
    pub fn prompt_tokens(&self) -> OnRank {
        OnRank(self.prompts.0 * self.fresh.0)
    }

    /// Cached tokens of the prompts.
    pub fn prompt_past(&self) -> OnRank {
        OnRank(self.prompts.0 * self.past.0)
    }

    /// Tokens that pass through every matrix.
    pub fn tokens(&self) -> OnRank {
        OnRank(self.generated.0 + self.prompt_tokens().0)
    }
}
