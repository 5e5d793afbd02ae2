//! What a setup does under a load: op list to times, times to tokens per second, tokens to memory and money.
//!
//! Pure arithmetic. [`Compiled::new`] looks everything up once; the rest allocates nothing, so that searches and
//! simulations can ask a hundred thousand times a second.

pub mod calibration;
pub mod cost;
mod forward;
pub mod machine;
pub mod memory;
pub mod op;
pub mod path;
pub mod serve;

pub use calibration::Calibration;
pub use machine::Unanswerable;
pub use serve::Loop;

use crate::setup::{Load, Setup, Speed};
use calibration::EngineConstants;
use machine::Machine;
use memory::Memory;
use op::{Bound, Class, Op, Step, Timed, Work};

/// A setup with everything looked up.
#[derive(Debug, Clone)]
pub struct Compiled {
    /// What was asked.
    pub setup: Setup,
    /// The op list of a step on the busiest rank.
    pub ops: Vec<Op>,
    /// The devices of one instance.
    pub machine: Machine,
    /// The memory of one device.
    pub memory: Memory,
    /// The engine's constants.
    pub engine: EngineConstants,
    /// Kernels of a step.
    kernels: f64,
    /// The device generation has constants fitted on its own kernels, or was measured itself.
    pub calibrated: bool,
}

impl Compiled {
    /// Looks up the constants of a setup and lays out its op list.
    ///
    /// # Errors
    /// When the data sheet lacks a number that the layout needs.
    pub fn new(setup: Setup, calibration: &Calibration) -> Result<Self, Unanswerable> {
        let machine = Machine::new(&setup.hardware, &setup.layout, calibration.shared())?;
        let ops = forward::ops(&setup, calibration, &machine)?;
        let mut engine = calibration.engine(setup.engine);
        if let Some(measured) = &setup.hardware.measured {
            // Every dispatch was timed as launched here, and every step is one submission.
            (engine.launch_share, engine.expert_launch_share, engine.small_kernel) = (1.0, 1.0, 1.0);
            engine.step_s = measured.submit.get();
        }
        let family = path::Family::Bf16;
        let architecture = &setup.hardware.sheet.architecture;
        let calibrated =
            setup.hardware.measured.is_some() || calibration.kernel(calibration::Kind::Gemm, architecture, family).1;
        let kernels = ops.iter().map(Op::kernels).sum();
        Ok(Self { memory: Memory::of(&setup), setup, ops, machine, engine, kernels, calibrated })
    }

    /// Every operation of a step that has something to do, with its cost.
    pub fn timed<'a>(&'a self, step: &Step) -> impl Iterator<Item = (&'a Op, Timed)> {
        let share = Step { decode: step.decode / self.pipeline(), ..*step };
        self.ops.iter().filter_map(move |op| {
            let timed = op.time(&share, &self.machine)?;
            let launch = timed.launch * self.launch_share(op) / self.setup.speed.host;
            let seconds = timed.seconds / speed(&self.setup.speed, op.class);
            Some((op, Timed { seconds, launch, ..timed }))
        })
    }

    /// Device time of a step, launches included, s.
    pub fn step(&self, step: &Step) -> f64 {
        self.timed(step).map(|(_, t)| t.seconds + t.launch).sum()
    }

    /// Time of a step in which `running` sequences decode, host included, s.
    pub fn decode_step(&self, running: f64, context: f64) -> f64 {
        self.step(&Step { decode: running, context, ..Step::default() }) + self.host(running)
    }

    /// Time from an idle engine's first chunk to the last prompt's first token, `prompts` of equal length at once, s.
    pub fn prompt_alone(&self, tokens: f64, prompts: f64) -> f64 {
        serve::prompts_alone(self, tokens, prompts)
    }

    /// Host time of a step, s.
    pub fn host(&self, running: f64) -> f64 {
        (self.engine.step_s + self.engine.sequence_s * running) / self.setup.speed.host
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

fn speed(speed: &Speed, class: Class) -> f64 {
    match class {
        Class::Gemm => speed.gemm,
        Class::Attention => speed.attention,
        Class::Experts => speed.experts,
        Class::Collectives => speed.collectives,
        Class::Host => speed.host,
    }
}
