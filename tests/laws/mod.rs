//! The laws, each by name, and the table of what breaks them.

pub mod case;
mod check;
pub mod generator;
mod load;
mod monotone;
mod others;
mod roofs;
mod rows;
mod sheet;
mod split;

use case::Case;
use check::Check;
use monotone::{Better, COSTS, Size};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use underdog::catalog::Catalog;

/// A law: what it says, and what breaks it in a case.
pub struct Law<'a> {
    name: String,
    /// What breaks it is shown and permitted.
    permitted: bool,
    judge: Box<dyn Fn(&Case) -> Check + Sync + 'a>,
}

/// What breaks a law in a case.
type Judge = fn(&Case) -> Check;

/// Laws of one case, in the order of the table.
const OWN: [(&str, Judge); 36] = [
    ("roof of arithmetic: rows against the data sheet", roofs::arithmetic),
    ("roof of memory: one user", roofs::memory_of_one_user),
    ("roof of memory: a step", roofs::memory_of_a_step),
    ("roof of links: reductions", roofs::links),
    ("roof of every operation", roofs::operations),
    ("a step in batch", |case| monotone::step_in_size(Size::Batch, case)),
    ("a step in context", |case| monotone::step_in_size(Size::Context, case)),
    ("a step in prompt tokens", |case| monotone::step_in_size(Size::Prompt, case)),
    ("more users: throughput", load::throughput),
    ("more users: TTFT", load::first_token),
    ("more users: E2E", load::whole_request),
    ("more users: saturation", load::saturation),
    ("longer prompt", load::longer_prompt),
    ("longer answer", load::longer_answer),
    ("more prefix hits", load::prefix_hits),
    ("more accepted drafts", load::more_accepted),
    ("one user: TPOT of any answer", split::one_user_per_token),
    ("one user: TTFT of any answer", split::one_user_first_token),
    ("Little's law", split::little),
    ("Little's law with idle engines", split::little_with_idle_engines),
    ("split: TTFT and TPOT", split::positive),
    ("conservation of engine time", split::busy),
    ("running batch within admitted", split::running),
    ("parts: money", rows::money),
    ("parts: device-hours", rows::device_hours),
    ("parts: none is free", rows::nothing_is_free),
    ("an hour of work carries those without", rows::an_hour_of_work),
    ("a day of requests", rows::a_day),
    ("twice the price", rows::twice_the_price),
    ("bands contain the value", rows::bands),
    ("numbers are finite", rows::numbers),
    ("absent numbers", rows::absent),
    ("replicas: idle ones", others::idle_replicas),
    ("replicas: more of them", others::more_replicas),
    ("ideal engine: step", others::ideal_step),
    ("ideal engine: closed loop", others::ideal_loop),
];

/// Every law, in the order of the table.
pub fn laws<'a>(folder: &'a Path, catalog: &'a Catalog) -> Vec<Law<'a>> {
    let law = |name: &str, judge| Law { name: name.to_owned(), permitted: false, judge };
    let own = OWN.into_iter().map(|(name, judge)| law(name, Box::new(judge)));
    let again = law("the same again", Box::new(|case| rows::again(case, folder, catalog)));
    let padded = law("(permitted) partial tiles in steps", Box::new(load::padded_steps));
    let mut all: Vec<Law<'a>> = own.chain([again, Law { permitted: true, ..padded }]).collect();
    for better in Better::all() {
        let mut add = |what: &str, judge: Box<dyn Fn(&Case) -> Check + Sync>| {
            all.push(law(&format!("more {}: {what}", better.name()), judge));
        };
        add("step", Box::new(move |case| monotone::step(better, case)));
        add("throughput", Box::new(move |case| monotone::throughput(better, case)));
        add("cost of all tokens", Box::new(move |case| monotone::costs(better, &COSTS[..3], case)));
        // What all tokens cost is divided by the device time that prompts and answers take. A resource that helps one of
        // them more moves the other's share up, so that its cost may rise while that of all falls.
        let mut shared = |what: &str, judge: Box<dyn Fn(&Case) -> Check + Sync>| {
            let named = law(&format!("(permitted) more {}: {what}", better.name()), judge);
            all.push(Law { permitted: true, ..named });
        };
        shared("cost of input", Box::new(move |case| monotone::costs(better, &COSTS[3..5], case)));
        shared("cost of output", Box::new(move |case| monotone::costs(better, &COSTS[5..], case)));
    }
    all
}

/// What one law found in many cases.
#[derive(Default)]
pub struct Found {
    applied: usize,
    broken: usize,
    /// The largest violations, with the scenario of each.
    worst: Vec<(f64, String, u64)>,
    smallest: Option<((usize, u64), Box<Example>)>,
    /// Scenarios that break it, and all that it was applied to, by what they have.
    tags: BTreeMap<&'static str, [usize; 2]>,
}

struct Example {
    scenario: String,
    words: String,
}

/// The largest violations of a law that the table shows.
const SHOWN: usize = 5;

impl Found {
    fn add(&mut self, case: &Case, index: u64, check: Check) {
        self.applied += usize::from(check.applied > 0);
        for tag in case.tags().into_iter().filter(|_| check.applied > 0) {
            let [broken, all] = self.tags.entry(tag).or_default();
            *broken += usize::from(check.worst.is_some());
            *all += 1;
        }
        let Some((size, words)) = check.worst else { return };
        self.broken += 1;
        self.worst.push((size, words.clone(), index));
        self.sort();
        if self.smallest.as_ref().is_none_or(|(least, _)| case.size() < *least) {
            let mut scenario = case.text.scenario.clone();
            if let Some((name, sheet)) = &case.text.sheet {
                write!(scenario, "# {name}:\n# {}", sheet.trim_end().replace('\n', "\n# ")).expect("text");
            }
            self.smallest = Some((case.size(), Box::new(Example { scenario, words })));
        }
    }

    fn merge(mut self, other: Self) -> Self {
        self.applied += other.applied;
        self.broken += other.broken;
        self.worst.extend(other.worst);
        self.sort();
        for (tag, [broken, all]) in other.tags {
            let own = self.tags.entry(tag).or_default();
            *own = [own[0] + broken, own[1] + all];
        }
        let smaller = |a: &Option<((usize, u64), Box<Example>)>| a.as_ref().map_or((usize::MAX, u64::MAX), |e| e.0);
        if smaller(&other.smallest) < smaller(&self.smallest) {
            self.smallest = other.smallest;
        }
        self
    }

    fn sort(&mut self) {
        // NaN is the worst of all.
        let key = |size: f64| if size.is_nan() { f64::INFINITY } else { size };
        self.worst.sort_by(|a, b| key(b.0).total_cmp(&key(a.0)).then(a.2.cmp(&b.2)));
        self.worst.truncate(SHOWN);
    }
}

/// Judges one case by every law.
pub fn judge(laws: &[Law<'_>], case: &Case, index: u64) -> Vec<Found> {
    let one = |law: &Law<'_>| {
        let mut found = Found::default();
        found.add(case, index, (law.judge)(case));
        found
    };
    laws.iter().map(one).collect()
}

/// The findings of two sets of cases together.
pub fn both(one: Vec<Found>, other: Vec<Found>) -> Vec<Found> {
    if one.is_empty() {
        return other;
    }
    if other.is_empty() {
        return one;
    }
    one.into_iter().zip(other).map(|(a, b)| a.merge(b)).collect()
}

/// Laws that a few scenarios break for a reason that is known, with the share that may, so that it cannot grow.
const OPEN: [(&str, f64); 8] = [
    // Where decoding nearly fills the budget, prompts come in crumbs, and every step with one runs without its captured
    // graph. Tiles of prompts fill too, at 128 and 256 rows, and llama.cpp has another kernel from 9 rows on, and rows beyond the first cost it their arithmetic.
    ("more users: throughput", 0.008),
    // More prompts share a step, or one stage of a pipeline: each is read sooner after its turn came.
    ("more users: TTFT", 0.008),
    ("more users: E2E", 0.002),
    // Whoever answers in a few tokens comes with many others, in pipelines and in a convoy, and waits for all of them.
    ("longer answer", 0.005),
    // Prompts of several data-parallel ranks meet in a step less often when they are short.
    ("more prefix hits", 0.003),
    ("longer prompt", 0.003),
    // The same as for longer answers: more guesses accepted are fewer steps.
    ("more accepted drafts", 0.010),
    // Steps with prompts send tokens to their experts by another kernel, which is faster for many tokens.
    ("parts: none is free", 0.002),
];

/// The share of the cases a law may be broken in.
fn ceiling(name: &str) -> f64 {
    let more = name.starts_with("more ") && (name.ends_with("throughput") || name.ends_with("cost of all tokens"));
    let named = OPEN.iter().find(|(open, _)| *open == name).map(|(_, share)| *share);
    // Where what is named above meets a resource that moves the batch: prompts of data-parallel ranks mostly.
    named.unwrap_or(if more { 0.003 } else { 0.0 })
}

/// The table of all laws, then the smallest example of each that is broken; and how many are.
pub fn table(laws: &[Law<'_>], found: &[Found]) -> (String, usize) {
    let mut text = format!("{:48} {:>8} {:>8}   largest\n", "law", "broken", "of");
    let mut examples = String::new();
    for (law, found) in laws.iter().zip(found) {
        let largest = found.worst.first().map_or(String::new(), |(size, words, _)| format!("{size:8.3}  {words}"));
        writeln!(text, "{:48} {:>8} {:>8} {largest}", law.name, found.broken, found.applied).expect("text");
        if let Some((_, example)) = &found.smallest {
            writeln!(examples, "\n==== {}: {}\n{}", law.name, example.words, example.scenario.trim_end())
                .expect("text");
            let tags = found.tags.iter().map(|(tag, [broken, all])| format!("{tag} {broken}/{all}"));
            writeln!(examples, "-- {}", tags.collect::<Vec<_>>().join(", ")).expect("text");
            for (size, words, index) in &found.worst {
                writeln!(examples, "-- case {index}, {size:.3}: {words}").expect("text");
            }
        }
    }
    let over = |law: &Law<'_>, f: &Found| f.broken as f64 > ceiling(&law.name) * f.applied as f64;
    let broken = laws.iter().zip(found).filter(|(law, f)| over(law, f) && !law.permitted).count();
    (text + &examples, broken)
}
