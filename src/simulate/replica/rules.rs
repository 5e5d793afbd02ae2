//! How an engine schedules: what comes first, how much fits, what is shared.

/// What comes first in a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Prompt chunks ride on decode steps (vLLM, TensorRT-LLM).
    Mixed,
    /// Decoding waits while there are prompts to compute (SGLang).
    PrefillFirst,
}

/// What an engine does of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// All of it.
    Both,
    /// The prompt and the first token.
    Prefill,
    /// The rest.
    Decode,
}

/// How an engine schedules.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// What comes first in a step.
    pub policy: Policy,
    /// What it does of a request.
    pub role: Role,
    /// Most requests at a time, over the instance.
    pub max_sequences: usize,
    /// Most tokens of a step, over the instance.
    pub batch_tokens: u64,
    /// Data-parallel ranks, each of which computes its own prompts.
    pub ranks: u64,
    /// Memory for the whole answer is taken at admission, so that nothing is ever preempted.
    pub reserve: bool,
    /// Prompts that share blocks share memory and work.
    pub prefix_cache: bool,
    /// Share of every prompt found in a cache, where the requests name no blocks.
    pub prefix_hit: f64,
    /// Tokens of a block that requests name.
    pub named_tokens: u64,
    /// Tokens a sequence gains an iteration: above 1 with speculation.
    pub growth: f64,
}
