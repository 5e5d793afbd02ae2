//! What makes a device better makes no answer worse.
//!
//! The one exception is the time per token in a closed loop, which no law here bounds: faster arithmetic shortens
//! prompts, so that more sequences decode together, and a step of more sequences is longer.

use super::case::Case;
use super::check::Check;
use super::sheet::Field;
use underdog::estimate::Compiled;
use underdog::estimate::step::{Step, Whole};
use underdog::scenario::{Busy, Parts, Price};
use underdog::setup::{Setup, Speed};
use underdog::solve::CompareRow;

const TOLERANCE: f64 = 0.01;
/// At a fixed batch nothing settles: only rounding is forgiven.
const EXACT: f64 = 1e-6;

/// So many times the price, people included.
pub fn times(price: &Price, factor: f64) -> Price {
    let parts = |p: Parts| Parts { standing: p.standing * factor, tariff: p.tariff * factor, ..p };
    Price { parts: price.parts.map(parts), people: price.people * factor, ..price.clone() }
}

/// Something that gets better.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Better {
    Sheet(Field),
    Speed,
    Price,
    Busy,
}

impl Better {
    pub fn all() -> Vec<Self> {
        let sheet = Field::ALL.into_iter().map(Self::Sheet);
        sheet.chain([Self::Speed, Self::Price, Self::Busy]).collect()
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Sheet(field) => field.name(),
            Self::Speed => "speed",
            Self::Price => "price",
            Self::Busy => "hours with work",
        }
    }

    fn setup(self, setup: &Setup, factor: f64) -> Option<Setup> {
        match self {
            Self::Sheet(field) => field.scaled(setup, factor),
            Self::Speed => {
                let s = setup.speed;
                let speed = Speed {
                    gemm: s.gemm * factor,
                    attention: s.attention * factor,
                    experts: s.experts * factor,
                    collectives: s.collectives * factor,
                    host: s.host * factor,
                };
                Some(Setup { speed, ..setup.clone() })
            }
            Self::Price | Self::Busy => Some(setup.clone()),
        }
    }

    fn price(self, price: &Price, factor: f64) -> Price {
        match self {
            Self::Price => times(price, 1.0 / factor),
            // Hours that had no work have some.
            Self::Busy => match price.busy {
                Busy::Share(share) => Price { busy: Busy::Share((share * factor).min(1.0)), ..price.clone() },
                Busy::Rate(rate) => Price { busy: Busy::Rate(rate * factor), ..price.clone() },
            },
            _ => price.clone(),
        }
    }

    /// The case with so many times as much of it; `None` where the device has none.
    fn case(self, case: &Case, factor: f64) -> Option<Case> {
        let setup = self.setup(&case.setup, factor)?;
        let price = self.price(&case.price, factor);
        Some(case.with(|c| (c.setup, c.price) = (setup, price)))
    }
}

/// A number of a row.
type Number = fn(&CompareRow) -> Option<f64>;

/// Costs by what they are charged to.
pub const COSTS: [(&str, Number); 7] = [
    ("usd_per_mtok_total", |r| r.usd_per_mtok_total),
    ("usd_per_mtok_output_all", |r| r.usd_per_mtok_output_all),
    ("device_hours_per_mtok", |r| r.device_hours_per_mtok),
    ("usd_per_mtok_input", |r| r.usd_per_mtok_input),
    ("device_hours_per_mtok_input", |r| r.device_hours_per_mtok_input),
    ("usd_per_mtok_output", |r| r.usd_per_mtok_output),
    ("device_hours_per_mtok_output", |r| r.device_hours_per_mtok_output),
];

/// More of it lowers no throughput.
pub fn throughput(better: Better, case: &Case) -> Check {
    let lost = padding(better, case);
    pairs(better, case, |check, base, more, what| {
        let rate = |row: &CompareRow| row.output_tok_s_per_device.unwrap_or(f64::NAN);
        check.at_most(rate(base), rate(more), TOLERANCE + lost(more), || what("output_tok_s_per_device was"));
    })
}

/// More of it raises none of some costs.
pub fn costs(better: Better, numbers: &[(&str, Number)], case: &Case) -> Check {
    let lost = padding(better, case);
    pairs(better, case, |check, base, more, what| {
        for (name, number) in numbers {
            if let (Some(was), Some(is)) = (number(base), number(more)) {
                check.at_most(is, was, TOLERANCE + lost(more), || what(name));
            }
        }
    })
}

/// What partial tiles may lose in a row: more memory holds larger batches, whose tiles may fill worse.
fn padding(better: Better, case: &Case) -> impl Fn(&CompareRow) -> f64 {
    let compiled = case.compiled().filter(|_| better == Better::Sheet(Field::Memory));
    let (context, replicas) = (case.input() + 0.5 * case.output(), case.setup.layout.replicas as f64);
    move |row| match (&compiled, row.running_batch) {
        (Some(compiled), Some(running)) => super::load::padding(compiled, context, (running / replicas).max(1.0)),
        _ => 0.0,
    }
}

type Judge<'a> = dyn Fn(&mut Check, &CompareRow, &CompareRow, &dyn Fn(&str) -> String) + 'a;

fn pairs(
    better: Better,
    case: &Case,
    judge: impl Fn(&mut Check, &CompareRow, &CompareRow, &dyn Fn(&str) -> String),
) -> Check {
    let judge: &Judge<'_> = &judge;
    let mut check = Check::default();
    for factor in [1.1, 10.0] {
        let Some(other) = better.case(case, factor) else { continue };
        for (base, more) in case.rows.iter().zip(&other.rows) {
            if base.output_tok_s_per_device.is_none() {
                continue;
            }
            let what =
                |number: &str| format!("{number} with {} x{factor} at {} users", better.name(), base.concurrency);
            judge(&mut check, base, more, &what);
        }
    }
    check
}

/// At a fixed batch no step takes longer with more of it.
pub fn step(better: Better, case: &Case) -> Check {
    let mut check = Check::default();
    let Some(base) = case.compiled() else { return check };
    for factor in [1.1, 10.0] {
        let Some(more) = better.case(case, factor).and_then(|c| c.compiled()) else { continue };
        for at in points(case) {
            let what = || format!("s of {at:?} with {} x{factor}", better.name());
            check.at_most(seconds(&more, &at), seconds(&base, &at), EXACT, what);
        }
    }
    check
}

/// A step that is looked at.
#[derive(Debug, Clone, Copy)]
struct At {
    running: f64,
    context: f64,
    prompt: f64,
}

fn points(case: &Case) -> Vec<At> {
    let dp = case.setup.layout.dp as f64;
    let context = case.input();
    let mut all = Vec::new();
    for running in [1.0, 8.0 * dp, 64.0 * dp, 500.0 * dp] {
        for prompt in [0.0, 1000.0] {
            all.push(At { running, context, prompt: prompt * dp });
        }
    }
    all
}

fn seconds(compiled: &Compiled, at: &At) -> f64 {
    if at.prompt <= 0.0 {
        return compiled.decode_step(at.running, at.context).get();
    }
    let prompts = compiled.machine.dp;
    let step = Step { prefill: Whole(at.prompt), prompts: Whole(prompts), ..compiled.decoding(at.running, at.context) };
    (compiled.step(&step) + compiled.host(at.running) + compiled.eager(&step)).get()
}

/// A step takes no less time with a larger batch, a longer context or more prompt tokens.
pub fn step_in_size(size: Size, case: &Case) -> Check {
    let mut check = Check::default();
    let Some(compiled) = case.compiled() else { return check };
    if matches!(size, Size::Context) && case.chunked() {
        return check;
    }
    for at in points(case) {
        for times in [1.02, 1.5, 2.0, 7.0] {
            let more = match size {
                Size::Batch => At { running: (at.running * times).ceil(), ..at },
                Size::Context => At { context: (at.context * times).ceil(), ..at },
                Size::Prompt => At { prompt: (at.prompt * times).ceil(), ..at },
            };
            check.at_most(seconds(&compiled, &at), seconds(&compiled, &more), TOLERANCE, || {
                format!("s of {at:?} against {more:?}")
            });
        }
    }
    check
}

/// What makes a step larger.
#[derive(Debug, Clone, Copy)]
pub enum Size {
    Batch,
    Context,
    Prompt,
}
