//! How a step's parts overlap: whole, or as two halves of the batch, each communicating while the other computes.

use super::step::Step;
use crate::units::Seconds;

/// How a step runs.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    /// 1 or 2.
    pub halves: f64,
    /// What one of them carries.
    pub step: Step,
    /// Share of the collectives' time that is not hidden.
    pub exposed: f64,
    /// Device time of the whole.
    pub seconds: Seconds,
}

/// Time of a step by what can overlap.
#[derive(Debug, Clone, Copy, Default)]
pub struct Parts {
    /// Everything between two exchanges but the routed experts.
    pub attention: Seconds,
    /// What of it is the shared expert.
    pub shared: Seconds,
    /// Tokens on their way to the experts.
    pub dispatch: Seconds,
    /// The routed experts.
    pub experts: Seconds,
    /// Tokens on their way back, and other collectives.
    pub combine: Seconds,
}

impl Parts {
    /// One after the other.
    pub fn sum(&self) -> Seconds {
        self.attention + self.experts + self.travel()
    }

    /// Of collectives.
    pub fn travel(&self) -> Seconds {
        self.dispatch + self.combine
    }

    /// Time of one batch: the shared expert alone runs beside the dispatch.
    pub fn alone(&self, step: &Step) -> Schedule {
        let hidden = self.shared.min(self.dispatch);
        let exposed = if self.travel() > Seconds::ZERO { 1.0 - hidden / self.travel() } else { 1.0 };
        Schedule { halves: 1.0, step: *step, exposed, seconds: self.sum() - hidden }
    }

    /// Time of both halves of a batch, each travelling while the other computes: A's dispatch behind B's attention,
    /// B's behind A's experts, A's combine behind B's experts, B's behind A's next attention (DeepSeek-V3, arXiv
    /// 2412.19437, section 3.4; DeepEP). Compute lacks the share `units` of the device while a collective holds it.
    pub fn in_turns(&self, half: &Step, units: f64) -> Schedule {
        let turn = |compute: Seconds, travel: Seconds| travel.max(compute + travel * units);
        let seconds = turn(self.attention, self.dispatch)
            + turn(self.experts, self.dispatch)
            + turn(self.experts, self.combine)
            + turn(self.attention, self.combine);
        let exposed = (seconds - (self.attention + self.experts) * 2.0) / (self.travel() * 2.0);
        Schedule { halves: 2.0, step: *half, exposed, seconds }
    }
}
