//! What one dispatch may ask of every driver.

/// Iterations one invocation may run in one dispatch. lavapipe silently ends an invocation after 65,535 of them,
/// summed over its loops, so longer sums are cut and continued by a further dispatch.
pub const SLICE: usize = 32_768;
