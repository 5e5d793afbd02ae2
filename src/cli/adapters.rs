//! What was measured of adapters: the cases, the ladder, what the catalogue says, and adapters side by side.

use super::args::CompareAdapters;
use super::context;
use super::failure::Failure;
use super::output::Output;
use crate::catalog::Catalog;
use crate::device::matching::{self, Match};
use crate::device::{Device, Profile};
use crate::measure::{self, LadderRow, Several, Side};
use crate::run::{Row, Run, kinded};
use anyhow::Context as _;
use serde_json::Value;
use std::path::Path;

/// The run of `bench`: every case, then the ladder; of several adapters the shapes they share as well.
pub fn measured(measured: &Several<Profile>, catalog: &Catalog, seed: u64) -> Result<Run, Failure> {
    let profiles = &measured.results;
    let sheets = Device::load_all(catalog)?;
    let mut context = context::here();
    context.seed = Some(seed);
    context.adapter = profiles.first().map(|p| p.adapter.name.clone());
    let mut notes: Vec<String> = measured.failures.iter().map(ToString::to_string).collect();
    notes.extend(profiles.iter().filter_map(|p| known(p, &sheets)));
    let cases: Vec<_> = profiles.iter().flat_map(measure::rows).collect();
    let rungs: Vec<_> = profiles.iter().flat_map(|p| ladder(p, &sheets)).collect();
    let mut all = kinded("case", &cases)?;
    all.extend(kinded("ladder", &rungs)?);
    let mut sentence = profiles.iter().map(summary).collect::<Vec<_>>().join(" ");
    if profiles.len() > 1 {
        let sides: Vec<Side> = profiles.iter().map(Side::of).collect();
        let (compared, rows) = measure::beside(&sides);
        sentence = sentence + " " + &compared;
        all.extend(kinded("beside", &rows)?);
    }
    let tax = rungs.iter().filter_map(|r| {
        let times = r.api_tax?;
        Some(format!(
            "{} in {}: {} reaches {times:.1} times the best WGSL rung on this device (API tax); published figure, {}.",
            r.kernel,
            r.dtype,
            r.rung,
            r.source.as_deref().unwrap_or_default()
        ))
    });
    notes.extend(tax);
    notes.extend(profiles.iter().filter_map(chosen));
    notes.extend(profiles.iter().flat_map(|p| p.anomalies.clone()));
    let paths = profiles.iter().map(|p| format!("profile: {}", measure::Store::open().path(&p.adapter).display()));
    context.sources.extend(paths);
    let run = context::finished::<Row>("bench", context, sentence, notes, &[])?;
    Ok(Run { rows: all, ..run })
}

/// `compare-adapters`: saved profiles and runs side by side.
pub fn compare_adapters(args: &CompareAdapters, output: &Output) -> Result<(), Failure> {
    let (mut sides, mut sources) = (Vec::new(), Vec::new());
    for path in &args.profiles {
        let (read, source) = sides_of(path)?;
        sides.extend(read);
        sources.push(source);
    }
    let (sentence, rows) = measure::beside(&sides);
    let mut context = context::here();
    context.adapter = rows.first().map(|row| row.adapter.clone());
    context.sources = sources;
    let mut notes: Vec<String> = Vec::new();
    let software = |row: &measure::BesideRow| row.software;
    if rows.iter().any(software) && !rows.iter().all(software) {
        notes.push("A software adapter computes on the host's cores; it is no rival of a GPU.".to_owned());
    }
    for note in sides.into_iter().flat_map(|side| side.anomalies) {
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
    output.write(&context::finished("compare-adapters", context, sentence, notes, &rows)?)
}

/// The adapters of a file: a profile of the store, or a run that `bench -o` wrote; and where they come from.
fn sides_of(path: &Path) -> Result<(Vec<Side>, String), Failure> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let schema = serde_json::from_str::<Value>(&text).ok().and_then(|v| Some(v.get("schema")?.as_str()?.to_owned()));
    if schema.as_deref() != Some(crate::run::SCHEMA) {
        let profile = Profile::load(path)?;
        return Ok((
            vec![Side::of(&profile)],
            format!("{}, measured {}", profile.adapter.name, profile.record.started),
        ));
    }
    let run: Run = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
    let sides = Side::of_run(&run).with_context(|| path.display().to_string())?;
    if sides.is_empty() {
        let (file, command) = (path.display(), &run.command);
        return Err(Failure::Usage(format!(
            "{file} is a run of `{command}`: only those of `bench` hold timed kernels"
        )));
    }
    Ok((sides, format!("{}, measured {}", path.display(), run.context.time)))
}

/// The ladder of a profile, the published libraries of the device it was measured on above it.
pub fn ladder(profile: &Profile, sheets: &[Device]) -> Vec<LadderRow> {
    match matching::find(profile, sheets) {
        Match::Is(device) => measure::ladder(profile, &device.library),
        _ => measure::ladder(profile, &[]),
    }
}

/// Which device of the catalogue this is, where it matters.
fn known(profile: &Profile, sheets: &[Device]) -> Option<String> {
    let name = &profile.adapter.name;
    match matching::find(profile, sheets) {
        Match::Is(d) => Some(format!("{name} is {} of the catalogue: memory and power are taken from there.", d.id)),
        Match::Several(ids) => {
            Some(format!("{name} may be {}: give memory and power in a scenario that uses it.", ids.join(" or ")))
        }
        Match::Differs(id, why) => Some(format!(
            "{name} has the number and name of {id}, but {why}: memory and power are not taken from the catalogue."
        )),
        Match::Unknown if profile.adapter.software => None,
        Match::Unknown => Some(format!(
            "{name} ({:04x}:{:04x}) is not in the catalogue: give memory and power in a scenario that uses it.",
            profile.adapter.vendor_id, profile.adapter.device_id
        )),
    }
}

/// How the kernels were chosen; the CPU executor has no choice.
fn chosen(profile: &Profile) -> Option<String> {
    let record = &profile.record;
    (record.choices_stored + record.choices_searched > 0).then(|| {
        let spared = match record.candidates_spared {
            0 => String::new(),
            many => format!(
                " The machine code of {many} candidates spilled or allowed less than half of the best: leaving them out \
                 saved about {:.1} s.",
                record.spared_s
            ),
        };
        format!(
            "{}: {} choices of kernels came from the store, {} were searched for in {:.1} of {:.1} s.{spared}",
            profile.adapter.name, record.choices_stored, record.choices_searched, record.search_s, record.duration_s
        )
    })
}

/// What an adapter sustains, in one sentence.
fn summary(profile: &Profile) -> String {
    let products = measure::rows(profile).into_iter().filter(|r| r.kernel == "gemm" && r.dtype == "f32");
    let best = products.max_by(|a, b| a.gflops.unwrap_or(0.0).total_cmp(&b.gflops.unwrap_or(0.0)));
    let gain = best
        .and_then(|r| r.gain_over_naive)
        .map_or(String::new(), |times| format!(", {times:.1} times the naive kernel"));
    let giga = |rate: Option<f64>| rate.map_or("?".to_owned(), |r| format!("{:.1}", r / 1e9));
    format!(
        "{} ({}) sustains {} GFLOP/s in f32 GEMM{gain}, and reads {} GB/s.",
        profile.adapter.name,
        profile.adapter.backend,
        giga(profile.roofs.gemm_f32_flop_s),
        giga(profile.roofs.read_byte_s),
    )
}
