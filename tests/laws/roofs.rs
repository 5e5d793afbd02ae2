//! Nothing is faster than arithmetic, memory and links at their peak.

use super::case::{Case, requests};
use super::check::Check;
use underdog::device::Device;
use underdog::estimate::Compiled;
use underdog::estimate::bound::Class;
use underdog::estimate::op::{Op, Work};
use underdog::estimate::step::{Each, Step, Whole};
use underdog::model::spec::{Core, Shard};
use underdog::model::{Class as WeightClass, ModelSpec, Phase};
use underdog::setup::{Setup, Speed};

const TOLERANCE: f64 = 0.01;

/// FLOP per second and device from the model's own count, against the highest rate of the data sheet.
pub fn arithmetic(case: &Case) -> Check {
    let mut check = Check::default();
    let (answer, prompt) = (answer_flop(case), prompt_flop(case));
    let peak = highest(&case.setup);
    for row in case.numbered() {
        let Some(rate) = requests(row, case.output()) else { continue };
        let all = row.devices.unwrap_or(1) as f64;
        let what = |part| format!("FLOP/s of {part} at {} users", row.concurrency);
        let readers = case.prefill.map_or(all, |layout| layout.devices() as f64);
        let writers = case.prefill.map_or(all, |_| case.setup.layout.devices() as f64);
        check.at_most(rate * (prompt + answer) / all, peak, TOLERANCE, || what("a device"));
        check.at_most(rate * prompt / readers, peak, TOLERANCE, || what("a device that reads"));
        check.at_most(rate * answer / writers, peak, TOLERANCE, || what("a device that writes"));
    }
    check
}

/// FLOP of the part of a prompt that is not cached. The last token is always computed.
fn prompt_flop(case: &Case) -> f64 {
    let (model, input) = (&case.setup.model, case.workload.input_tokens);
    let fresh = ((input as f64 * (1.0 - case.workload.prefix_hit)).floor() as u64).max(1);
    let whole = |tokens: u64| model.flop_per_token(tokens, Phase::Prefill).get() * tokens as f64;
    if fresh == input {
        return whole(input);
    }
    // Both parts count the head once, so that it cancels: a lower bound.
    (whole(input) - whole(input - fresh)).max(0.0)
}

/// FLOP of an answer: the first token comes with the prompt. Windows bend downwards, so chords are a lower bound.
fn answer_flop(case: &Case) -> f64 {
    let (model, input) = (&case.setup.model, case.workload.input_tokens);
    let further = case.workload.output_tokens - 1;
    let at = |quarter: u64| model.flop_per_token(input + further * quarter / 4, Phase::Decode).get();
    let mean = (0..4).map(|quarter| 0.5 * (at(quarter) + at(quarter + 1))).sum::<f64>() / 4.0;
    mean * further as f64
}

/// The highest rate that the stored formats may run at.
fn highest(setup: &Setup) -> f64 {
    let Device { rates, bandwidth, .. } = &*setup.hardware.sheet;
    let wide = [rates.bf16, rates.fp16, rates.tf32, rates.fp32];
    let narrow = [rates.fp8, rates.int8, rates.fp4];
    let most = |all: &[Option<underdog::units::FlopRate>]| {
        all.iter().flatten().map(|rate| rate.get()).reduce(f64::max).unwrap_or(0.0)
    };
    // Half the 8-bit rate is 16 bit with 16-bit sums.
    let halved = most(&[rates.fp8, rates.int8]) / 2.0;
    let classes = [underdog::model::spec::Part::Attention, underdog::model::spec::Part::Dense];
    let classes = classes.map(WeightClass::Part).into_iter().chain([WeightClass::Experts]);
    let small = classes.into_iter().any(|class| setup.stored(class).bytes() < 1.9);
    let known = most(&wide).max(if small { most(&narrow) } else { halved });
    // A device without any rate is assumed to do so many FLOP per byte.
    if known > 0.0 { known } else { 20.0 * bandwidth.get() }
}

/// A decode step of one user reads the weights of its rank and the cache of its sequence.
pub fn memory_of_one_user(case: &Case) -> Check {
    let mut check = Check::default();
    let alone = case.with(|c| {
        c.single();
        c.workload.concurrency = vec![1];
    });
    let Some(compiled) = alone.compiled() else { return check };
    let bandwidth = alone.setup.hardware.sheet.bandwidth.get();
    let bytes = weights(&alone.setup) + cache(&alone.setup, alone.input());
    for row in alone.numbered() {
        let step = row.tpot_ms.unwrap_or(f64::NAN) / 1e3 * compiled.accepted();
        check.at_most(bytes / bandwidth, step, TOLERANCE, || "reading weights and cache of one user, s".to_owned());
    }
    check
}

/// The same for batches: operations count the bytes, and the step takes as long as they need.
pub fn memory_of_a_step(case: &Case) -> Check {
    let mut check = Check::default();
    let Some(compiled) = case.compiled() else { return check };
    let bandwidth = case.setup.hardware.sheet.bandwidth.get();
    let layout = case.setup.layout;
    for running in [1.0, 16.0, 300.0] {
        let own = (running / layout.pp as f64).max(f64::min(running, 1.0)) / layout.dp as f64;
        let bytes = weights(&case.setup) + own.min(running) * cache(&case.setup, case.input());
        let step = compiled.decoding(running, case.input());
        let counted: f64 = compiled.timed(&step).map(|(_, timed)| timed.bytes.get()).sum();
        let what = |unit| format!("weights and cache of {running} sequences, {unit}");
        check.at_most(bytes, counted, TOLERANCE, || what("bytes counted"));
        check.at_most(bytes / bandwidth, compiled.step(&step).get(), TOLERANCE, || what("s"));
    }
    check
}

/// Bytes of the dense weights that a token passes through on one rank, all stages together.
fn weights(setup: &Setup) -> f64 {
    let model: &ModelSpec = &setup.model;
    let tp = setup.layout.tp as f64;
    let layers = model.layers.iter().flat_map(|layer| layer.linears.iter().map(move |linear| (layer.count, linear)));
    let bytes = layers.map(|(count, linear)| {
        let ranks = if linear.shard == Shard::Replicated { 1.0 } else { tp };
        count as f64 * linear.params() as f64 / ranks * setup.stored(WeightClass::Part(linear.part)).bytes()
    });
    bytes.sum::<f64>() + model.embedding_params() as f64 / tp * setup.stored(WeightClass::Rest).bytes()
}

/// Bytes of the cache that a token sees on one rank, all stages together; what an indexer leaves out is not counted.
fn cache(setup: &Setup, context: f64) -> f64 {
    let bytes = setup.formats.kv_cache.bytes();
    let tp = setup.layout.tp as f64;
    let one = |core: &Core| match core {
        Core::Softmax { kv_heads, cache_values, window, .. } => {
            let seen = window.map_or(context, |w| {
                let reach = if w.chunked { (w.tokens as f64 + 1.0) / 2.0 } else { w.tokens as f64 };
                context.min(reach)
            });
            seen * *cache_values as f64 / tp.min(*kv_heads as f64)
        }
        Core::Latent { kv_rank, rope_dim, indexer, .. } => {
            let seen = indexer.map_or(context, |i| context.min(i.topk as f64));
            seen * (kv_rank + rope_dim) as f64
        }
        Core::Compressed { .. } | Core::Recurrent { .. } | Core::None => 0.0,
    };
    setup.model.layers.iter().map(|layer| layer.count as f64 * one(&layer.core) * bytes).sum()
}

/// Steps that are looked at: decode alone, a prompt alone, and both.
fn steps(case: &Case, compiled: &Compiled) -> Vec<Step> {
    let (input, dp) = (case.input(), case.setup.layout.dp as f64);
    let chunk = input.min(case.setup.limits.batch_tokens as f64) * dp;
    let prompt = Step::of_prompts(dp, chunk / dp, input - chunk / dp);
    let decode = |running| compiled.decoding(running, input);
    vec![decode(1.0), decode(64.0 * dp), prompt, Step { decode: Whole(8.0 * dp), context: Each(input), ..prompt }]
}

fn list<'a>(compiled: &'a Compiled, step: &Step) -> &'a [Op] {
    if step.prefill.0 > 0.0 { &compiled.prompt_ops } else { &compiled.ops }
}

/// No operation is faster than its roof, at speed 1.
pub fn operations(case: &Case) -> Check {
    let mut check = Check::default();
    let Ok(compiled) = Compiled::new(Setup { speed: Speed::ONE, ..case.setup.clone() }, case.calibration()) else {
        return check;
    };
    for step in steps(case, &compiled) {
        let what = |op: &Op| format!("roof of {} in {step:?}, s", op.name);
        for (op, timed) in compiled.timed(&step).filter(|(op, _)| op.class != Class::Collectives) {
            let roof = op.roof(&timed, &compiled.machine);
            check.at_most(roof.get(), timed.seconds.get(), 1e-6, || what(op));
        }
        // Collectives may hide behind others in a step; alone they take their own time.
        for op in list(&compiled, &step).iter().filter(|op| op.class == Class::Collectives) {
            let Some(timed) = op.time(&step.on_rank(compiled.machine.dp), &compiled.machine) else { continue };
            let roof = op.roof(&timed, &compiled.machine);
            check.at_most(roof.get(), timed.seconds.get(), 1e-6, || what(op));
        }
    }
    check
}

/// Reductions send no more bytes per second than the link of a device carries.
pub fn links(case: &Case) -> Check {
    let mut check = Check::default();
    let Some(compiled) = case.compiled() else { return check };
    let machine = &compiled.machine;
    for step in steps(case, &compiled) {
        for op in list(&compiled, &step).iter().filter(|op| matches!(op.work, Work::Reduce { .. })) {
            let Some(timed) = op.time(&step.on_rank(machine.dp), machine) else { continue };
            // Every rank sends its part of the vectors to all others, and gets theirs, twice; a switch that adds takes
            // the vectors of a rank once.
            let twice = 2.0 * (machine.tp - 1.0) / machine.tp;
            let sent = timed.wire * if machine.shared.switch_reduce > 0.0 { twice.min(1.0) } else { twice };
            check.at_most(sent.get() / timed.seconds.get(), machine.link_rate().get(), TOLERANCE, || {
                format!("byte/s of {} in {step:?}", op.name)
            });
        }
    }
    check
}
