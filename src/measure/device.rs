//! What timing needs from a device, so that a GPU, the host's cores and a lying clock in a test look alike.

use crate::gpu::{Checks, Elapsed, Gpu, GpuError, Runner};
use crate::kernels::{Data, Problem, Variant, finish, plan};

/// Why a case yields no number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The adapter cannot run it.
    #[error("{0}")]
    Unavailable(String),
    /// What it computed, or its time, cannot be true.
    #[error("{0}")]
    Wrong(String),
    /// The device failed.
    #[error("{0}")]
    Failed(String),
}

impl From<GpuError> for Refusal {
    fn from(error: GpuError) -> Self {
        match error {
            GpuError::TooLarge(_) => Self::Unavailable(error.to_string()),
            other => Self::Failed(other.to_string()),
        }
    }
}

/// A variant ready to run on a problem.
pub trait Session {
    /// Runs it `runs` times.
    fn run(&mut self, runs: u32) -> Result<Elapsed, Refusal>;
    /// Cuts a run into about so many pieces that are submitted apart, and returns into how many it was: one, where the
    /// problem cannot be cut.
    fn cut(&mut self, _pieces: usize) -> Result<usize, Refusal> {
        Ok(1)
    }
    /// Runs one of `pieces` equal parts of a run; how long a whole run takes can be told from it.
    fn probe(&mut self) -> Result<(f64, usize), Refusal>;
    /// Overwrites the output with what no kernel produces.
    fn poison(&mut self) -> Result<(), Refusal>;
    /// The output of the last run, as the twin's values are laid out.
    fn output(&mut self) -> Result<Vec<u8>, Refusal>;
    /// What the runs damaged besides their output.
    fn damage(&mut self) -> Result<Option<String>, Refusal>;
}

/// A session on a GPU.
pub struct GpuSession<'gpu> {
    runner: Runner<'gpu>,
    variant: Variant,
    problem: Problem,
    pieces: usize,
}

/// Most copies of the inputs: those of a kernel over 128 KiB leave the largest cache of a GPU.
const COPIES: u64 = 4096;
/// The same where the host computes: to lay hundreds takes longer than to time them.
const COPIES_ON_HOST: u64 = 16;

/// A piece that took longer, s, is not probed again.
const WARM_S: f64 = 1.0;

/// Rows of workgroups are probed in up to this many bands before the time of a whole run is known.
const PROBE_BANDS: usize = 64;

impl<'gpu> GpuSession<'gpu> {
    /// Lays the inputs out for the variant, compiles, allocates. Inputs exist often enough to fill `rotate_bytes`.
    pub fn new(
        gpu: &'gpu Gpu,
        variant: &Variant,
        problem: Problem,
        data: &Data,
        checks: Checks,
        rotate_bytes: u64,
    ) -> Result<Self, Refusal> {
        let plan = plan(variant, problem, data, PROBE_BANDS).map_err(Refusal::Unavailable)?;
        let one: u64 = plan.memory.iter().filter(|m| m.is_input()).map(|m| m.bytes()).sum();
        let most = if gpu.found().caps.software { COPIES_ON_HOST } else { COPIES };
        let copies = rotate_bytes.checked_div(one).unwrap_or(0).clamp(1, most) as usize;
        let pieces = if matches!(problem, Problem::Gemm { .. }) { plan.steps.len() } else { 1 };
        let runner = Runner::new(gpu, plan, copies, checks)?;
        Ok(Self { runner, variant: variant.clone(), problem, pieces })
    }
}

impl Session for GpuSession<'_> {
    fn run(&mut self, runs: u32) -> Result<Elapsed, Refusal> {
        // One piece: all runs in one submission. Several: each piece alone, so that none outlasts a watchdog.
        let per_submission = if self.pieces > 1 { 1 } else { usize::MAX };
        Ok(self.runner.run(runs, per_submission)?)
    }

    fn cut(&mut self, pieces: usize) -> Result<usize, Refusal> {
        if let Some(steps) = crate::kernels::steps(&self.variant, self.problem, pieces) {
            self.pieces = if pieces > 1 { steps.len() } else { 1 };
            self.runner.replace_steps(steps)?;
        }
        Ok(self.pieces)
    }

    fn probe(&mut self) -> Result<(f64, usize), Refusal> {
        let first = self.runner.run_step(0)?.wall_s;
        // The first one also warms up, which is nothing beside a second.
        let piece_s = if first > WARM_S { first } else { self.runner.run_step(0)?.wall_s };
        Ok((piece_s, self.runner.steps()))
    }

    fn poison(&mut self) -> Result<(), Refusal> {
        Ok(self.runner.poison()?)
    }

    fn output(&mut self) -> Result<Vec<u8>, Refusal> {
        Ok(finish(&self.variant, self.problem, self.runner.output()?))
    }

    fn damage(&mut self) -> Result<Option<String>, Refusal> {
        Ok(self.runner.damage()?)
    }
}
