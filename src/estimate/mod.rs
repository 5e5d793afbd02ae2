//! What a setup does under a load: op list to times, times to tokens per second, tokens to memory and money.
//!
//! Pure arithmetic. [`Compiled::new`] looks everything up once; the rest allocates nothing, so that searches and
//! simulations can ask a hundred thousand times a second.

pub mod anchor;
pub mod calibration;
pub mod cost;
mod exchange;
mod forward;
pub mod llama;
pub mod machine;
pub mod memory;
pub mod op;
mod own;
pub mod path;
mod pools;
mod roof;
pub mod serve;
mod small;

pub use calibration::{Calibration, Quantity, Situation};
pub use machine::Unanswerable;
pub use pools::{Pools, STEP_TOKENS};
pub use serve::Loop;

use crate::precision::Precision;
use crate::setup::{Engine, Load, Setup, Speed};
use anchor::Correction;
pub use calibration::EngineConstants;
use machine::Machine;
use memory::Memory;
use op::{Bound, Class, Op, Step, Timed, Work};

/// Tokens that llama.cpp takes in hand at once (`n_batch`).
const LLAMA_BATCH: f64 = 2048.0;

/// A setup with everything looked up.
#[derive(Debug, Clone)]
pub struct Compiled {
    /// What was asked.
    pub setup: Setup,
    /// The op list of a step that only decodes, on the busiest rank.
    pub ops: Vec<Op>,
    /// The op list of a step that carries prompt tokens: some engines have other kernels for them.
    pub prompt_ops: Vec<Op>,
    /// The devices of one instance.
    pub machine: Machine,
    /// The memory of one device.
    pub memory: Memory,
    /// The engine's constants.
    pub engine: EngineConstants,
    /// Ends of the band around the time to the first token, the time per token and the throughput, as factors.
    bands: [Option<(f64, f64)>; 3],
    /// What the user's own measurements of like runs say.
    pub correction: Option<Correction>,
    /// Kernels of a step.
    kernels: f64,
    draft_launches: f64,
    overlap_units: f64,
    /// The device generation has constants fitted on its own kernels, or was measured itself.
    pub calibrated: bool,
}

/// How a step runs: whole, or as two halves of the batch, each communicating while the other computes.
struct Schedule {
    /// 1 or 2.
    halves: f64,
    /// What one of them carries.
    step: Step,
    /// Share of the collectives' time that is not hidden.
    exposed: f64,
    /// Device time of the whole, s.
    seconds: f64,
}

/// Seconds of a step by what can overlap.
#[derive(Debug, Clone, Copy, Default)]
struct Parts {
    /// Everything between two exchanges but the routed experts.
    attention: f64,
    /// What of it is the shared expert.
    shared: f64,
    dispatch: f64,
    experts: f64,
    combine: f64,
}

impl Parts {
    fn sum(&self) -> f64 {
        self.attention + self.experts + self.travel()
    }

    fn travel(&self) -> f64 {
        self.dispatch + self.combine
    }

    /// Seconds of both halves of a batch, each travelling while the other computes: A's dispatch behind B's attention,
    /// B's behind A's experts, A's combine behind B's experts, B's behind A's next attention (DeepSeek-V3, arXiv
    /// 2412.19437, section 3.4; DeepEP). Compute lacks the share `units` of the device while a collective holds it.
    fn in_turns(&self, units: f64) -> f64 {
        let turn = |compute: f64, travel: f64| travel.max(compute + travel * units);
        turn(self.attention, self.dispatch)
            + turn(self.experts, self.dispatch)
            + turn(self.experts, self.combine)
            + turn(self.attention, self.combine)
    }
}

impl Compiled {
    /// Looks up the constants of a setup and lays out its op list.
    ///
    /// # Errors
    /// When the data sheet lacks a number that the layout needs.
    pub fn new(setup: Setup, calibration: &Calibration) -> Result<Self, Unanswerable> {
        let mut engine = calibration.engine(setup.engine);
        let machine = Machine::new(&setup.hardware, &setup.layout, calibration.shared(), &engine)?;
        let ops = forward::ops(&setup, calibration, &machine, false);
        let prompt_ops = forward::ops(&setup, calibration, &machine, true);
        if let Some(measured) = &setup.hardware.measured {
            // Every dispatch was timed as launched here, and every step is one submission.
            (engine.launch_share, engine.expert_launch_share, engine.small_kernel) = (1.0, 1.0, 1.0);
            engine.step_s = measured.submit.get();
        }
        let family = path::Family::Bf16;
        let architecture = &setup.hardware.sheet.architecture;
        let calibrated = setup.hardware.measured.is_some()
            || calibration.kernel(calibration::Kind::Gemm, architecture, family, Precision::Bf16).1;
        let kernels = ops.iter().map(Op::kernels).sum();
        let (draft_launches, overlap_units) = (calibration.shared().draft_launches, calibration.shared().overlap_units);
        let compiled = Self {
            correction: calibration.correction(&setup),
            bands: [None; 3],
            memory: Memory::of(&setup),
            setup,
            ops,
            prompt_ops,
            machine,
            engine,
            kernels,
            draft_launches,
            overlap_units,
            calibrated,
        };
        let situation = compiled.situation();
        let band = |q| situation.and_then(|s| calibration.band(s, q)).map(|b| (b.low, b.high));
        let bands = [band(Quantity::Ttft), band(Quantity::Tpot), band(Quantity::Throughput)];
        Ok(Self { bands, ..compiled.with_engine(engine) })
    }

    /// Every operation of a step that has something to do, with its cost; collectives with what is not hidden of it.
    pub fn timed<'a>(&'a self, step: &Step) -> impl Iterator<Item = (&'a Op, Timed)> {
        let share = self.share(step);
        let Schedule { halves, step: half, exposed, .. } = self.schedule(&share);
        self.list(step).iter().filter_map(move |op| {
            let timed = op.time(&half, &self.machine)?.times(halves);
            let hidden = if op.class == Class::Collectives { exposed } else { 1.0 };
            let seconds = self.tuned(op, &timed) * hidden;
            Some((op, Timed { seconds, launch: self.launch(op, &timed, &half), ..timed }))
        })
    }

    /// Stages work on shares of the sequences; fewer sequences than stages leave stages idle.
    fn share(&self, step: &Step) -> Step {
        Step { decode: (step.decode / self.pipeline()).max(step.decode.min(1.0)), ..*step }
    }

    /// Seconds of an operation at the setup's speed. Tuning ends at the roof; what is estimated below it (caches,
    /// overlap) stays as it is.
    fn tuned(&self, op: &Op, timed: &Timed) -> f64 {
        let speed = speed_of(&self.setup.speed, op.class);
        if speed == 1.0 {
            return timed.seconds;
        }
        (timed.seconds / speed).max(op.roof(timed, &self.machine).min(timed.seconds))
    }

    fn list(&self, step: &Step) -> &[Op] {
        if step.prefill > 0.0 { &self.prompt_ops } else { &self.ops }
    }

    /// Launches of an operation: what captured graphs leave, more of it where guessed tokens are checked.
    fn launch(&self, op: &Op, timed: &Timed, step: &Step) -> f64 {
        let guesses = if step.decode > 0.0 { 1.0 + self.draft_launches * step.drafts } else { 1.0 };
        timed.launch * self.launch_share(op) * guesses / self.setup.speed.host
    }

    /// Device time of a step, launches included, s.
    pub fn step(&self, step: &Step) -> f64 {
        self.schedule(&self.share(step)).seconds
    }

    /// Whole, or in two halves in turns where the engine can and gains by it.
    fn schedule(&self, step: &Step) -> Schedule {
        let whole = self.parts(step);
        if !self.machine.overlaps() || whole.travel() <= 0.0 {
            return Schedule { halves: 1.0, step: *step, exposed: 1.0, seconds: whole.sum() };
        }
        // Within one batch the shared expert alone runs beside the dispatch.
        let hidden = whole.shared.min(whole.dispatch);
        let exposed = 1.0 - hidden / whole.travel();
        let alone = Schedule { halves: 1.0, step: *step, exposed, seconds: whole.sum() - hidden };
        let Some(half) = step.half(self.machine.dp) else { return alone };
        let parts = self.parts(&half);
        let seconds = parts.in_turns(self.communication_units(step) / self.machine.units);
        let exposed = (seconds - 2.0 * (parts.attention + parts.experts)) / (2.0 * parts.travel());
        let turns = Schedule { halves: 2.0, step: half, exposed, seconds };
        if seconds < alone.seconds { turns } else { alone }
    }

    /// Seconds of a step, launches included, by what can overlap.
    fn parts(&self, step: &Step) -> Parts {
        let mut parts = Parts::default();
        for op in self.list(step) {
            let Some(timed) = op.time(step, &self.machine) else { continue };
            let seconds = self.tuned(op, &timed) + self.launch(op, &timed, step);
            let part = match op.class {
                Class::Collectives if op.name == forward::DISPATCH => &mut parts.dispatch,
                Class::Collectives => &mut parts.combine,
                Class::Experts => &mut parts.experts,
                _ => &mut parts.attention,
            };
            *part += seconds;
            if matches!(op.name, forward::SHARED_UP | forward::SHARED_DOWN) {
                parts.shared += seconds;
            }
        }
        parts
    }

    /// Compute units that collectives hold while they overlap with compute.
    fn communication_units(&self, step: &Step) -> f64 {
        match self.setup.limits.communication_units {
            Some(units) => units as f64,
            None if step.prefill > 0.0 => self.overlap_units,
            None => 0.0,
        }
    }

    /// Time of a step in which `running` sequences decode, host included, s.
    pub fn decode_step(&self, running: f64, context: f64) -> f64 {
        self.step(&self.decoding(running, context)) + self.host(running)
    }

    /// A step in which `running` sequences decode, guessed tokens included.
    pub fn decoding(&self, running: f64, context: f64) -> Step {
        let drafts = self.setup.speculation.map_or(0.0, |s| s.drafts);
        Step { decode: running, context, drafts, ..Step::default() }
    }

    /// Tokens a step yields per sequence.
    pub fn accepted(&self) -> f64 {
        self.setup.speculation.map_or(1.0, |s| s.accepted)
    }

    /// Time of a step that carries nothing but prompt tokens: `prompts` prompts of `tokens` tokens, s.
    pub fn prompt_step(&self, tokens: f64, prompts: f64) -> f64 {
        let step = Step { prefill: tokens * prompts, prompts, ..Step::default() };
        self.step(&step) + self.host(0.0) + self.eager()
    }

    /// Time of one prompt on an engine that serves one at a time, in its own chunks, s; `None` for a batching engine.
    pub fn prompt_alone(&self, tokens: f64) -> Option<f64> {
        if self.setup.engine != Engine::LlamaCpp {
            return None;
        }
        let chunk = tokens.min(self.setup.limits.batch_tokens as f64);
        let past = (tokens - chunk) / 2.0;
        let each = self.step(&Step { prefill: chunk, past, prompts: 1.0, ..Step::default() });
        // Micro-batches go through the devices one after the other; a batch ends before the next begins.
        let batches = (tokens / LLAMA_BATCH).ceil();
        let chunks = (tokens / chunk).ceil() / batches;
        Some(each * batches * (chunks + self.pipeline() - 1.0) / self.pipeline())
    }

    /// With other constants of its engine.
    #[must_use]
    pub fn with_engine(mut self, constants: EngineConstants) -> Self {
        self.engine = constants;
        if self.setup.limits.older {
            (self.engine.first_scale, self.engine.wait_share) =
                (constants.first_scale_waves, constants.wait_share_waves);
        }
        self.machine.two_shot = constants.two_shot;
        self
    }

    /// As calibrated, without the user's own measurements.
    #[must_use]
    pub fn without_anchor(mut self) -> Self {
        self.correction = None;
        self
    }

    /// The engine without its front end: all requests are there at once, nobody waits for a first token.
    #[must_use]
    pub fn offline(mut self) -> Self {
        (self.engine.first_s, self.engine.request_s) = (0.0, 0.0);
        self
    }

    /// Host time of a step, s.
    pub fn host(&self, running: f64) -> f64 {
        (self.engine.step_s + self.engine.sequence_s * running / self.machine.dp) / self.setup.speed.host
    }

    /// What a step with prompt tokens pays for running without a captured graph, s.
    pub fn eager(&self) -> f64 {
        self.kernels * self.engine.eager_s / self.setup.speed.host
    }

    /// Pipeline stages, each of which works on its own share of the sequences.
    pub const fn pipeline(&self) -> f64 {
        self.setup.layout.pp as f64
    }

    /// What captured graphs leave of an operation's launches.
    fn launch_share(&self, op: &Op) -> f64 {
        match op.work {
            Work::Experts(_) => self.engine.expert_launch_share,
            Work::Elementwise { .. } => self.engine.launch_share * self.engine.small_kernel,
            _ => self.engine.launch_share,
        }
    }

    /// Factors to the lower and upper end of the band around a quantity.
    pub const fn band(&self, quantity: Quantity) -> Option<(f64, f64)> {
        self.bands[match quantity {
            Quantity::Ttft => 0,
            Quantity::Tpot => 1,
            Quantity::Throughput => 2,
        }]
    }

    /// Which band the estimates of this setup have; `None` for a device measured by this program's own kernels.
    pub fn situation(&self) -> Option<Situation> {
        if self.setup.hardware.measured.is_some() {
            None
        } else if self.setup.engine == Engine::LlamaCpp {
            Some(Situation::SingleStream)
        } else if !self.calibrated {
            Some(Situation::Uncalibrated)
        } else {
            Some(Situation::Served)
        }
    }

    /// Whether one request of a load fits; `None` where the memory is not known.
    pub fn fits(&self, load: &Load) -> Option<bool> {
        self.setup.hardware.memory_known.then(|| self.memory.fits(load.input_tokens, load.output_tokens))
    }

    /// Steady state of one instance under its share of a load.
    pub fn closed_loop(&self, load: &Load) -> Loop {
        serve::closed_loop(self, load)
    }

    /// What takes most of a decode step, host included.
    pub fn binding(&self, step: &Step) -> Bound {
        let mut times: Vec<(Bound, f64)> = vec![(Bound::Host, self.host(step.decode))];
        for (_, timed) in self.timed(step) {
            for (bound, seconds) in [(timed.bound, timed.seconds), (Bound::Host, timed.launch)] {
                match times.iter_mut().find(|(b, _)| *b == bound) {
                    Some((_, sum)) => *sum += seconds,
                    None => times.push((bound, seconds)),
                }
            }
        }
        times.into_iter().max_by(|a, b| a.1.total_cmp(&b.1)).map_or(Bound::Host, |(bound, _)| bound)
    }
}

/// The speed of one kernel class.
pub const fn speed_of(speed: &Speed, class: Class) -> f64 {
    match class {
        Class::Gemm => speed.gemm,
        Class::Attention => speed.attention,
        Class::Experts => speed.experts,
        Class::Collectives => speed.collectives,
        Class::Host => speed.host,
    }
}
