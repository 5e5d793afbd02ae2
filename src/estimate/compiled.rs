//! A setup with everything looked up: what one step of it takes.
//!
//! [`Compiled::new`] looks everything up once; the rest allocates nothing, so that searches and simulations can ask a
//! hundred thousand times a second.
//!
//! Longer than other files: a step's time, its launches, its limits and its bands rest on the same looked-up values, which
//! nobody else may see.

use super::anchor::Correction;
use super::band::{Quantity, Situation};
use super::bound::{Bound, Class};
use super::calibration::Calibration;
use super::collectives::DISPATCH;
use super::constants::EngineConstants;
use super::layer::{SHARED_DOWN, SHARED_UP};
use super::machine::{self, Machine, Unanswerable};
use super::memory::{Memory, Shortage};
use super::op::{Op, Work};
use super::places;
use super::schedule::{Parts, Schedule};
use super::step::{Each, RankStep, Step, Whole};
use super::timing::Timed;
use crate::setup::{Engine, Hardware, Holder, Layout, Load, Setup, Speed};
use crate::units::Seconds;

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
    /// The devices of one instance; of unlike ones the first.
    pub machine: Machine,
    /// The others of unlike devices, in the order of the setup.
    others: Vec<Machine>,
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
    /// Share of them that is attention.
    attention_kernels: f64,
    draft_launches: f64,
    overlap_units: f64,
    /// The device generation has constants fitted on its own kernels, or was measured itself.
    pub calibrated: bool,
}

/// Tokens of a step up to which vLLM captures graphs unless it is told otherwise (`max_cudagraph_capture_size` 512, in
/// pieces around attention since its engine V1; docs.vllm.ai, design of CUDA graphs). SGLang and TensorRT-LLM run steps
/// with prompt tokens without graphs by default.
const CAPTURED: f64 = 512.0;

/// The steps by which the ways are compared: sequences that decode, and tokens in the cache of each, or of a prompt.
const DOUBTED: (f64, f64) = (32.0, 1024.0);

impl Compiled {
    /// Looks up the constants of a setup and lays out its op list.
    ///
    /// # Errors
    /// When the data sheet lacks a number that the layout needs.
    pub fn new(setup: Setup, calibration: &Calibration) -> Result<Self, Unanswerable> {
        let mut engine = calibration.engine(setup.engine);
        let ideal = setup.engine == Engine::Ideal;
        let shared = calibration.shared_on(&setup.hardware.sheet.architecture, setup.engine);
        let shared = if ideal { shared.ideal() } else { shared };
        let machine = Machine::new(&setup.hardware, &setup.layout, &shared, &engine)?;
        let single = |holder: &Holder| Machine::new(&holder.hardware, &Layout::SINGLE, &shared, &engine);
        let others = setup.hardware.others.iter().map(single).collect::<Result<Vec<_>, _>>()?;
        let machines: Vec<Machine> = std::iter::once(&machine).chain(&others).cloned().collect();
        let ops = places::ops(&setup, calibration, &machines, false);
        let prompt_ops = places::ops(&setup, calibration, &machines, true);
        if let Some(measured) = &setup.hardware.measured {
            // Every dispatch was timed as launched here, and every step is one submission.
            (engine.launch_share, engine.expert_launch_share, engine.small_kernel) = (1.0, 1.0, 1.0);
            engine.step_s = measured.submit.get();
        }
        let calibrated = setup.hardware.measured.is_some() || calibration.knows(&setup);
        let kernels = ops.iter().map(Op::kernels).sum::<f64>();
        let attention = ops.iter().filter(|op| op.class == Class::Attention).map(Op::kernels).sum::<f64>();
        let (draft_launches, overlap_units) = (shared.draft_launches, shared.overlap_units);
        let compiled = Self {
            correction: calibration.correction(&setup, None),
            bands: [None; 3],
            memory: Memory::of(&setup),
            setup,
            ops,
            prompt_ops,
            machine,
            others,
            engine,
            kernels,
            attention_kernels: attention / kernels.max(1.0),
            draft_launches,
            overlap_units,
            calibrated,
        };
        let compiled = compiled.with_engine(engine);
        Ok(match compiled.situation() {
            Some(situation) => compiled.in_situation(situation, calibration),
            None => compiled,
        })
    }

    /// With the bands of a situation; an uncalibrated setup keeps its own.
    #[must_use]
    pub fn in_situation(mut self, situation: Situation, calibration: &Calibration) -> Self {
        if self.calibrated || self.situation() == Some(situation) {
            let of = |situation, q| calibration.band(situation, q).map(|b| (b.low, b.high));
            // Where nothing was measured, nothing is known better than of models with experts where they were.
            let strange = situation == Situation::SingleStreamElsewhere && self.setup.model.has_experts();
            let band = |q| match (of(situation, q), of(Situation::SingleStreamExperts, q).filter(|_| strange)) {
                (Some(own), Some(known)) => Some((own.0.min(known.0), own.1.max(known.1))),
                (own, _) => own,
            };
            self.bands = [band(Quantity::Ttft), band(Quantity::Tpot), band(Quantity::Throughput)];
            self = self.widened();
        }
        self
    }

    /// How the devices of an instance reach each other, with "(assumed)" where nobody said so; `None` for one device.
    pub fn link(&self) -> Option<String> {
        let link = self.machine.link()?;
        let assumed = !machine::doubted(&self.setup.hardware, self.setup.layout.instance()).is_empty();
        Some(if assumed { format!("{link} (assumed)") } else { link.to_owned() })
    }

    /// With bands that hold whichever way over PCI Express the devices reach each other, where nobody says which: by what
    /// the other ways make of a decode step and of a step with a prompt.
    fn widened(mut self) -> Self {
        let layout = &self.setup.layout;
        let steps = [self.decoding(DOUBTED.0, DOUBTED.1), Step::of_prompts(1.0, DOUBTED.1, 0.0)];
        let own = steps.map(|step| self.step(&step));
        let [mut writing, mut reading] = [(1.0_f64, 1.0_f64); 2];
        for other in machine::doubted(&self.setup.hardware, layout.instance()) {
            let hardware = Hardware { way: Some(other), ..self.setup.hardware.clone() };
            let Ok(machine) = Machine::new(&hardware, layout, &self.machine.shared, &self.engine) else { continue };
            let other = Self { machine, ..self.clone() };
            for ((step, own), ends) in steps.iter().zip(own).zip([&mut writing, &mut reading]) {
                let ratio = other.step(step) / own;
                *ends = (ends.0.min(ratio), ends.1.max(ratio));
            }
        }
        let both = (writing.0.min(reading.0), writing.1.max(reading.1));
        let times = |band: Option<(f64, f64)>, (faster, slower)| band.map(|(l, h)| (l * faster, h * slower));
        let [ttft, tpot, throughput] = self.bands;
        self.bands = [times(ttft, reading), times(tpot, writing), times(throughput, (1.0 / both.1, 1.0 / both.0))];
        self
    }

    /// With what the user's own measurements say.
    #[must_use]
    pub const fn corrected(mut self, correction: Option<Correction>) -> Self {
        self.correction = correction;
        self
    }

    /// Every operation of a step that has something to do, with its cost; collectives with what is not hidden of it.
    pub fn timed<'a>(&'a self, step: &Step) -> impl Iterator<Item = (&'a Op, Timed)> {
        let Schedule { halves, step, exposed, .. } = self.schedule(&self.share(step));
        let passes = Passes::of(&step, self.machine.dp);
        self.list(&step).iter().filter_map(move |op| {
            let timed = passes.time(op, self.runs(op))?.times(halves);
            let hidden = if op.class == Class::Collectives { exposed } else { 1.0 };
            let seconds = self.tuned(op, &timed) * hidden;
            Some((op, Timed { seconds, launch: self.launch(op, &timed, &step), ..timed }))
        })
    }

    /// Stages work on shares of the sequences; fewer sequences than stages leave stages idle.
    fn share(&self, step: &Step) -> Step {
        let decode = step.decode.0;
        Step { decode: Whole((decode / self.pipeline()).max(decode.min(1.0))), ..*step }
    }

    /// Time of an operation at the setup's speed. Tuning ends at the roof; what is estimated below it (caches,
    /// overlap) stays as it is.
    fn tuned(&self, op: &Op, timed: &Timed) -> Seconds {
        let speed = speed_of(&self.setup.speed, op.class);
        if speed == 1.0 {
            return timed.seconds;
        }
        (timed.seconds / speed).max(op.roof(timed, self.runs(op)).min(timed.seconds))
    }

    fn list(&self, step: &Step) -> &[Op] {
        let host = self.setup.hardware.others.iter().any(|h| h.host);
        let least = if host { places::OFFLOADED } else { 0.0 };
        if step.prefill.0 > 0.0 && step.tokens().0 >= least { &self.prompt_ops } else { &self.ops }
    }

    /// The device that runs an operation.
    fn runs(&self, op: &Op) -> &Machine {
        op.place.checked_sub(1).and_then(|other| self.others.get(other)).unwrap_or(&self.machine)
    }

    /// Launches of an operation: what captured graphs leave, more of it where guessed tokens are checked.
    fn launch(&self, op: &Op, timed: &Timed, step: &Step) -> Seconds {
        let checks = step.decode.0 > 0.0 && !op.draft;
        let guesses = if checks { 1.0 + self.draft_launches * step.drafts.0 } else { 1.0 };
        timed.launch * (self.launch_share(op) * guesses / self.setup.speed.host)
    }

    /// Device time of a step, launches included.
    pub fn step(&self, step: &Step) -> Seconds {
        if step.decode.0 <= 0.0 && step.prefill.0 <= 0.0 {
            return Seconds::ZERO;
        }
        self.schedule(&self.share(step)).seconds
    }

    /// Whole, or in two halves in turns where the engine can and gains by it.
    fn schedule(&self, step: &Step) -> Schedule {
        let whole = self.parts(step);
        if !self.machine.overlaps() || whole.travel() <= Seconds::ZERO {
            return Schedule { halves: 1.0, step: *step, exposed: 1.0, seconds: whole.sum() };
        }
        let alone = whole.alone(step);
        let Some(half) = step.half(self.machine.dp) else { return alone };
        let turns = self.parts(&half).in_turns(&half, self.communication_units(step) / self.machine.units);
        if turns.seconds < alone.seconds { turns } else { alone }
    }

    /// Time of a step, launches included, by what can overlap.
    fn parts(&self, step: &Step) -> Parts {
        let mut parts = Parts::default();
        let passes = Passes::of(step, self.machine.dp);
        for op in self.list(step) {
            let Some(timed) = passes.time(op, self.runs(op)) else { continue };
            let seconds = self.tuned(op, &timed) + self.launch(op, &timed, step);
            let part = match op.class {
                Class::Collectives if op.name == DISPATCH => &mut parts.dispatch,
                Class::Collectives => &mut parts.combine,
                Class::Experts => &mut parts.experts,
                _ => &mut parts.attention,
            };
            *part += seconds;
            if matches!(op.name, SHARED_UP | SHARED_DOWN) {
                parts.shared += seconds;
            }
        }
        parts
    }

    /// Compute units that collectives hold while they overlap with compute.
    fn communication_units(&self, step: &Step) -> f64 {
        match self.setup.limits.communication_units {
            Some(units) => units as f64,
            None if step.prefill.0 > 0.0 => self.overlap_units,
            None => 0.0,
        }
    }

    /// Time of a step in which `running` sequences decode, host included.
    pub fn decode_step(&self, running: f64, context: f64) -> Seconds {
        self.step(&self.decoding(running, context)) + self.host(running)
    }

    /// A step in which `running` sequences decode, guessed tokens included.
    pub fn decoding(&self, running: f64, context: f64) -> Step {
        let drafts = self.setup.speculation.map_or(0.0, |s| s.drafts);
        Step { decode: Whole(running), context: Each(context), drafts: Each(drafts), ..Step::default() }
    }

    /// Tokens a step yields per sequence.
    pub fn accepted(&self) -> f64 {
        self.setup.speculation.map_or(1.0, |s| s.accepted)
    }

    /// Steps that the scheduler plans ahead of the one that runs: one where it overlaps with the device (vLLM's
    /// asynchronous scheduling, the overlap schedulers of SGLang and TensorRT-LLM). Who comes meanwhile waits for it.
    pub const fn steps_ahead(&self) -> f64 {
        match self.setup.engine {
            Engine::Vllm | Engine::Sglang | Engine::Trtllm | Engine::Lmdeploy => 1.0,
            _ => 0.0,
        }
    }

    /// Most sequences that one instance decodes at a time: what it is configured to, and a token of each in a step.
    pub fn most_sequences(&self) -> f64 {
        let limits = &self.setup.limits;
        let drafts = self.setup.speculation.map_or(0.0, |s| s.drafts);
        let tokens = (limits.batch_tokens as f64 / (1.0 + drafts)).floor().max(1.0);
        limits.max_sequences.map_or(tokens, |most| tokens.min(most as f64)) * self.machine.dp
    }

    /// Most requests of a load that one instance holds at a time: what is configured, and what its memory admits.
    pub fn holds(&self, load: &Load) -> f64 {
        let memory = self.memory.admits(load.input_tokens, load.output_tokens);
        let most = self.most_sequences();
        if self.setup.hardware.memory_known { most.min(memory) } else { most }
    }

    /// Time of a step that carries nothing but prompts: `prompts` of `tokens` tokens.
    pub fn prompt_step(&self, tokens: f64, prompts: f64) -> Seconds {
        let step = Step::of_prompts(prompts, tokens, 0.0);
        self.step(&step) + self.host(0.0) + self.eager(&step)
    }

    /// Time of one prompt on an engine that serves one at a time, in its own chunks; `None` for a batching engine.
    pub fn prompt_alone(&self, tokens: f64) -> Option<Seconds> {
        if !self.setup.engine.single_user() {
            return None;
        }
        let chunk = tokens.min(self.setup.limits.batch_tokens as f64);
        let each = self.step(&Step::of_prompts(1.0, chunk, (tokens - chunk) / 2.0));
        // Micro-batches go through the devices one after the other; a batch ends before the next begins.
        let batches = (tokens / LLAMA_BATCH).ceil();
        let chunks = (tokens / chunk).ceil() / batches;
        Some(each * (batches * (chunks + self.pipeline() - 1.0) / self.pipeline()))
    }

    /// With other constants of its engine.
    #[must_use]
    pub fn with_engine(mut self, constants: EngineConstants) -> Self {
        self.engine = constants;
        if self.setup.limits.older {
            (self.engine.waves, self.engine.first_s) = (constants.waves_older, constants.first_older_s);
        }
        (self.machine.two_shot, self.machine.gather_s) = (constants.two_shot, constants.gather_s);
        self
    }

    /// The engine without its front end: all requests are there at once, nobody waits for a first token.
    #[must_use]
    pub fn offline(mut self) -> Self {
        (self.engine.first_s, self.engine.request_s) = (0.0, 0.0);
        self
    }

    /// Host time of a step that replays a captured graph, or of any step where the engine captures none.
    pub fn host(&self, running: f64) -> Seconds {
        let seconds = self.engine.step_s + self.engine.sequence_s * running / self.machine.dp;
        let launches = if self.setup.limits.eager { self.launched() } else { Seconds::ZERO };
        Seconds::new(seconds / self.setup.speed.host) + launches
    }

    /// What a step with prompt tokens pays on top for running without a captured graph. vLLM replays graphs in pieces up
    /// to the tokens it captures, and launches attention alone between them.
    pub fn eager(&self, step: &Step) -> Seconds {
        let captured = self.setup.engine == Engine::Vllm && step.tokens().0 / self.machine.dp <= CAPTURED;
        match self.setup.limits.eager {
            true => Seconds::ZERO,
            false if captured => self.launched() * self.attention_kernels,
            false => self.launched(),
        }
    }

    /// Time in which the host launches every kernel of a step.
    fn launched(&self) -> Seconds {
        Seconds::new(self.kernels * self.engine.eager_s / self.setup.speed.host)
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
        if self.setup.hardware.measured.is_some() || self.setup.engine == Engine::Ideal {
            None
        } else if self.setup.engine.single_user() {
            let host = self.setup.hardware.others.iter().any(|h| h.host) || self.setup.hardware.sheet.cpu;
            Some(match (self.calibrated, host) {
                (true, _) if self.setup.model.has_experts() => Situation::SingleStreamExperts,
                (true, _) => Situation::SingleStream,
                (false, true) => Situation::Host,
                (false, false) => Situation::SingleStreamElsewhere,
            })
        } else if !self.calibrated {
            Some(Situation::Uncalibrated)
        } else {
            Some(Situation::Served)
        }
    }

    /// What is missing for one request of a load; `None` where it fits, and where the memory is not known.
    pub fn shortage(&self, load: &Load) -> Option<Shortage> {
        let known = self.setup.hardware.memory_known;
        if known { self.memory.shortage(load.input_tokens, load.output_tokens) } else { None }
    }

    /// What takes most of a decode step, host included.
    pub fn binding(&self, step: &Step) -> Bound {
        let mut times: Vec<(Bound, Seconds)> = vec![(Bound::Host, self.host(step.decode.0))];
        for (_, timed) in self.timed(step) {
            for (bound, seconds) in [(timed.bound, timed.seconds), (Bound::Host, timed.launch)] {
                match times.iter_mut().find(|(b, _)| *b == bound) {
                    Some((_, sum)) => *sum += seconds,
                    None => times.push((bound, seconds)),
                }
            }
        }
        let longest = times.into_iter().max_by(|a, b| a.1.get().total_cmp(&b.1.get()));
        longest.map_or(Bound::Host, |(bound, _)| bound)
    }
}

/// What one rank does in a step: in the model itself, and in the passes of its draft.
struct Passes {
    model: RankStep,
    /// The first guess, over prompt tokens too.
    first: RankStep,
    /// Each further one.
    further: RankStep,
    times: f64,
}

impl Passes {
    fn of(step: &Step, ranks: f64) -> Self {
        let first = Step { drafts: Each(0.0), ..*step };
        let further = Step { prefill: Whole(0.0), prompts: Whole(0.0), ..first };
        let times = if step.decode.0 > 0.0 { (step.drafts.0 - 1.0).max(0.0) } else { 0.0 };
        let [model, first, further] = [step, &first, &further].map(|s| s.on_rank(ranks));
        Self { model, first, further, times }
    }

    fn time(&self, op: &Op, machine: &Machine) -> Option<Timed> {
        if !op.draft {
            return op.time(&self.model, machine);
        }
        let first = op.time(&self.first, machine);
        let further = if self.times > 0.0 { op.time(&self.further, machine) } else { None };
        match (first, further) {
            (Some(first), Some(further)) => Some(first.and(&further.times(self.times))),
            (first, further) => first.or(further),
        }
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
