//! A profile is read wholly or refused: every number of it is checked once, where the file is read.
//!
//! What comes after divides by these numbers, takes them for sorted, and prices tokens with them. The bounds are what no
//! device passes; they catch a slip of units or a damaged file, not an unlikely measurement.

use super::Profile;
use super::operand::Operand;
use super::profile::{Beat, Case, Curve, Record, Roofs, Rung};
use std::ops::RangeInclusive;

/// Seconds of one run. The shortest clock ticks are 1 ns, and many runs are timed together; nobody waits a day for one.
const TIME_S: RangeInclusive<f64> = 1e-12..=1e5;
/// FLOP/s or byte/s of one adapter. A host core interpreting kernels does more than a thousand operations a second; a
/// rack of the fastest devices does less than 1e19.
const RATE: RangeInclusive<f64> = 1e3..=1e19;
/// A length of a problem, and FLOP or bytes of one run.
const LENGTH: RangeInclusive<u64> = 1..=1 << 40;
const WORK: RangeInclusive<f64> = 0.0..=1e21;
/// A ratio of two measured times or rates.
const RATIO: RangeInclusive<f64> = 1e-9..=1e9;
/// Seconds since the start, or of a budget: up to ten years.
const SPAN_S: RangeInclusive<f64> = 0.0..=3.2e8;
/// Bytes of a host's memory: a mebibyte to an exbibyte.
const MEMORY: RangeInclusive<u64> = 1 << 20..=1 << 60;
/// What a median may differ by from samples printed in full.
const ROUNDING: f64 = 1e-9;

impl Profile {
    /// Why a profile cannot be used: the field, and what is wrong with it. `None` where all of it can.
    pub fn refused(&self) -> Option<String> {
        refused(self)
    }
}

fn refused(profile: &Profile) -> Option<String> {
    let adapter = &profile.adapter;
    let [least, most] = adapter.subgroup;
    let at = |list: &str, i: usize, why: Option<String>| why.map(|why| format!("{list}[{i}].{why}"));
    None.or_else(|| adapter.name.trim().is_empty().then(|| "adapter.name is empty".to_owned()))
        .or_else(|| (least > most).then(|| format!("adapter.subgroup is from {least} to {most}")))
        .or_else(|| roofs(&profile.roofs))
        .or_else(|| profile.curves.iter().enumerate().find_map(|(i, c)| at("curves", i, curve(c))))
        .or_else(|| profile.cases.iter().enumerate().find_map(|(i, c)| at("cases", i, case(c))))
        .or_else(|| profile.ladder.iter().enumerate().find_map(|(i, r)| at("ladder", i, rung(r))))
        .or_else(|| contradiction(profile))
        .or_else(|| anchor(&profile.anchor))
        .or_else(|| record(&profile.record))
}

fn out(name: &str, value: f64, range: &RangeInclusive<f64>) -> Option<String> {
    // A comparison that is false for NaN.
    let outside = !range.contains(&value);
    outside.then(|| format!("{name} is {value:e}, outside {:e} to {:e}", range.start(), range.end()))
}

fn out_if(name: &str, value: Option<f64>, range: &RangeInclusive<f64>) -> Option<String> {
    value.and_then(|v| out(name, v, range))
}

fn empty(name: &str, text: &str) -> Option<String> {
    text.trim().is_empty().then(|| format!("{name} is empty"))
}

fn length(name: &str, value: u64) -> Option<String> {
    (!LENGTH.contains(&value)).then(|| format!("{name} is {value}, outside 1 to {}", LENGTH.end()))
}

fn roofs(r: &Roofs) -> Option<String> {
    let rates = [
        ("gemm_f32_flop_s", r.gemm_f32_flop_s),
        ("fma_f32_flop_s", r.fma_f32_flop_s),
        ("read_byte_s", r.read_byte_s),
        ("gemv_f32_byte_s", r.gemv_f32_byte_s),
    ];
    let times = [("launch_s", r.launch_s), ("submit_s", r.submit_s)];
    let rate = rates.into_iter().find_map(|(name, value)| out_if(name, value, &RATE));
    let time = || times.into_iter().find_map(|(name, value)| out_if(name, value, &TIME_S));
    rate.or_else(time).map(|why| format!("roofs.{why}"))
}

/// A roof that no case reaches. A profile whose cases were taken out keeps its roofs.
fn contradiction(profile: &Profile) -> Option<String> {
    let r = &profile.roofs;
    let of = |kernel: &str, rate: fn(&Case) -> f64| {
        let own = profile.cases.iter().filter(|c| c.kernel == kernel && matches!(&*c.dtype, "f32" | "u32"));
        own.map(rate).max_by(f64::total_cmp)
    };
    let (flop_s, byte_s) = (|c: &Case| c.flop / c.time_s_median, |c: &Case| c.bytes / c.time_s_median);
    [
        ("gemm_f32_flop_s", r.gemm_f32_flop_s, of("gemm", flop_s)),
        ("fma_f32_flop_s", r.fma_f32_flop_s, of("fma", flop_s)),
        ("read_byte_s", r.read_byte_s, of("read", byte_s)),
        ("gemv_f32_byte_s", r.gemv_f32_byte_s, of("gemv", byte_s)),
    ]
    .into_iter()
    .find_map(|(name, roof, best)| {
        let (roof, best) = roof.zip(best)?;
        (roof > best * (1.0 + ROUNDING))
            .then(|| format!("roofs.{name} is {roof:.4e}, and no case reaches more than {best:.4e}"))
    })
}

fn case(c: &Case) -> Option<String> {
    let texts = [("kernel", &c.kernel), ("variant", &c.variant), ("dtype", &c.dtype)];
    let lengths = [("m", c.m), ("n", c.n), ("k", c.k)];
    texts
        .into_iter()
        .find_map(|(name, text)| empty(name, text))
        .or_else(|| lengths.into_iter().find_map(|(name, value)| length(name, value)))
        .or_else(|| out("flop", c.flop, &WORK))
        .or_else(|| out("bytes", c.bytes, &WORK))
        .or_else(|| out("time_s_median", c.time_s_median, &TIME_S))
        .or_else(|| out("spread", c.spread, &WORK))
        .or_else(|| out("first_s", c.first_s, &SPAN_S))
        .or_else(|| {
            (!matches!(&*c.clock, "wall" | "gpu")).then(|| format!("clock is \"{}\", not wall or gpu", c.clock))
        })
        .or_else(|| samples(c))
        .or_else(|| product(c))
}

/// A median lies among its samples.
fn samples(c: &Case) -> Option<String> {
    let wrong = |(i, s): (usize, &f64)| out(&format!("samples_s[{i}]"), *s, &TIME_S);
    if c.samples_s.is_empty() {
        return Some("samples_s is empty".to_owned());
    }
    c.samples_s.iter().enumerate().find_map(wrong).or_else(|| {
        let least = c.samples_s.iter().copied().fold(f64::INFINITY, f64::min) * (1.0 - ROUNDING);
        let most = c.samples_s.iter().copied().fold(0.0, f64::max) * (1.0 + ROUNDING);
        let median = c.time_s_median;
        (!(least..=most).contains(&median))
            .then(|| format!("time_s_median is {median:.4e}, while samples_s lie from {least:.4e} to {most:.4e}"))
    })
}

/// A product of matrices does 2 m n k operations and streams its weights once.
fn product(c: &Case) -> Option<String> {
    if !matches!(&*c.kernel, "gemm" | "gemv") {
        return None;
    }
    let [m, n, k] = [c.m, c.n, c.k].map(|x| x as f64);
    let flop = 2.0 * m * n * k;
    if c.kernel == "gemv" && c.m != 1 {
        return Some(format!("m is {}, and 1 for a gemv", c.m));
    }
    if (c.flop / flop - 1.0).abs() > ROUNDING {
        return Some(format!("flop is {:e}, and 2 m n k = {flop:e}", c.flop));
    }
    if let Some(why) = out("flop over time_s_median", c.flop / c.time_s_median, &RATE) {
        return Some(why);
    }
    let weights = Operand::named(&c.dtype)?.weight_bytes() * n * k;
    (c.bytes < weights * (1.0 - ROUNDING))
        .then(|| format!("bytes is {:e}, less than the weights' {weights:e}", c.bytes))
}

fn curve(c: &Curve) -> Option<String> {
    if let Some(why) = empty("kernel", &c.kernel).or_else(|| empty("dtype", &c.dtype)) {
        return Some(why);
    }
    let shape = [("m", c.m), ("n", c.n), ("k", c.k)];
    // A stream counts its words in n and is drawn over bytes.
    let varies = if c.axis == "bytes" { "n" } else { &*c.axis };
    if !shape.iter().any(|(name, _)| *name == varies) {
        return Some(format!("axis is \"{}\", not m, n, k or bytes", c.axis));
    }
    let lengths = shape.into_iter().find_map(|(name, value)| {
        if name == varies {
            (value != 0).then(|| format!("{name} is {value}, and 0 for the length that varies"))
        } else {
            length(name, value)
        }
    });
    lengths.or_else(|| points(c))
}

fn points(c: &Curve) -> Option<String> {
    let (at, times) = (c.at.len(), c.time_s.len());
    if at == 0 {
        return Some("at is empty".to_owned());
    }
    if at != times {
        return Some(format!("time_s has {times} values for the {at} of at"));
    }
    let range = *LENGTH.start() as f64..=*LENGTH.end() as f64;
    let place = |(i, x): (usize, &f64)| out(&format!("at[{i}]"), *x, &range);
    let time = |(i, t): (usize, &f64)| out(&format!("time_s[{i}]"), *t, &TIME_S);
    let rising = || c.at.windows(2).position(|w| w[0] >= w[1]);
    c.at.iter()
        .enumerate()
        .find_map(place)
        .or_else(|| c.time_s.iter().enumerate().find_map(time))
        .or_else(|| rising().map(|i| format!("at[{}] is {}, not above {} before it", i + 1, c.at[i + 1], c.at[i])))
}

fn rung(r: &Rung) -> Option<String> {
    let texts = [("kernel", &r.kernel), ("dtype", &r.dtype), ("rung", &r.rung), ("variant", &r.variant)];
    let lengths = [("shapes", r.shapes as u64), ("m", r.m), ("n", r.n), ("k", r.k)];
    let rates = [("flop_s", r.flop_s), ("byte_s", r.byte_s)];
    let ratios = [
        ("share_of_roof", r.share_of_roof),
        ("gain_over_below", r.gain_over_below),
        ("gain_over_naive", r.gain_over_naive),
    ];
    texts
        .into_iter()
        .find_map(|(name, text)| empty(name, text))
        .or_else(|| lengths.into_iter().find_map(|(name, value)| length(name, value)))
        .or_else(|| out("time_s", r.time_s, &TIME_S))
        .or_else(|| rates.into_iter().find_map(|(name, value)| out_if(name, value, &RATE)))
        .or_else(|| ratios.into_iter().find_map(|(name, value)| out_if(name, value, &RATIO)))
}

fn anchor(beats: &[Beat]) -> Option<String> {
    let one = |(i, b): (usize, &Beat)| {
        let why = out("at_s", b.at_s, &SPAN_S).or_else(|| out("time_s", b.time_s, &TIME_S));
        let back = i.checked_sub(1).map(|before| beats[before].at_s).filter(|before| *before > b.at_s);
        let why = why.or_else(|| back.map(|before| format!("at_s is {}, before the {before} ahead of it", b.at_s)));
        why.map(|why| format!("anchor[{i}].{why}"))
    };
    beats.iter().enumerate().find_map(one)
}

fn record(r: &Record) -> Option<String> {
    let spans = [("duration_s", r.duration_s), ("budget_s", r.budget_s), ("search_s", r.search_s)];
    let moments = [("started", &r.started), ("ended", &r.ended)];
    let moment = |(name, text): (&str, &String)| {
        text.parse::<jiff::Timestamp>().is_err().then(|| format!("{name} is \"{text}\", no moment in UTC"))
    };
    let memory = || {
        let bytes = r.host_memory_bytes.filter(|b| !MEMORY.contains(b))?;
        Some(format!("host_memory_bytes is {bytes}, outside {} to {}", MEMORY.start(), MEMORY.end()))
    };
    let span = spans.into_iter().find_map(|(name, value)| out(name, value, &SPAN_S));
    span.or_else(|| moments.into_iter().find_map(moment)).or_else(memory).map(|why| format!("record.{why}"))
}
