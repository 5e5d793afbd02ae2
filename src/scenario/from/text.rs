//! Writes the scenario of a server, with what its flags became as comments.

use super::serving::{Meant, Serving};
use super::told::Translation;
use crate::setup::{Engine, Layout};
use std::fmt::Write;

/// Everything a scenario is written from.
pub struct Parts<'a> {
    /// The command line.
    pub command: &'a str,
    /// Which engine it starts.
    pub engine: Engine,
    /// How it is configured.
    pub serving: &'a Serving,
    /// On which devices.
    pub layout: Layout,
    /// What the scenario calls the model.
    pub config: &'a str,
    /// What the command line calls it.
    pub id: &'a str,
    /// Format of the weights; as published where absent.
    pub weights: Option<&'a str>,
    /// Tokens of a prompt and of an answer.
    pub workload: [u64; 2],
    /// Requests in flight; the usual axis where absent.
    pub concurrency: Option<&'a str>,
    /// Which device.
    pub device: &'a str,
    /// Tokens guessed a step, and the share of them that is accepted.
    pub draft: Option<(u64, f64)>,
}

/// The text of the scenario.
pub fn write(parts: &Parts<'_>, told: &Translation) -> String {
    let mut out = String::from("# Written by `underdog scenario from` from the command line\n");
    for line in parts.command.lines().filter(|line| !line.trim().is_empty()) {
        comment(&mut out, "    ", line.trim_end());
    }
    let placeholders: Vec<String> = told.placeholders.clone();
    list(&mut out, "Placeholders for what the command line does not say:", placeholders);
    let flags = |kind: fn(&Meant) -> Option<&String>| {
        told.flags.iter().filter_map(move |f| Some(format!("{}: {}", f.typed, kind(f.meant.as_ref()?)?))).collect()
    };
    list(&mut out, "Used:", flags(|m| if let Meant::Used(what) = m { Some(what) } else { None }));
    list(&mut out, "Changes no cost:", flags(|m| if let Meant::NoCost(why) = m { Some(why) } else { None }));
    list(
        &mut out,
        "May change a cost, and has no field:",
        flags(|m| if let Meant::NoField(why) = m { Some(why) } else { None }),
    );
    let unknown = told.flags.iter().filter(|f| f.meant.is_none()).map(|f| f.typed.clone()).collect();
    list(&mut out, "Not known:", unknown);
    // Writing to text cannot fail.
    let _ = fields(&mut out, parts);
    out
}

fn fields(out: &mut String, parts: &Parts<'_>) -> std::fmt::Result {
    let Parts { serving, layout, .. } = parts;
    let engine = parts.engine.name();
    writeln!(out, "\nname = {}\n", quoted(&format!("{} by {engine}, as its command line has it", parts.id)))?;
    writeln!(out, "[model]\nconfig = {}", quoted(parts.config))?;
    for (key, format) in [("precision", parts.weights), ("kv_cache", serving.cache.as_deref())] {
        if let Some(format) = format {
            writeln!(out, "{key} = {}", quoted(format))?;
        }
    }
    let [input, output] = parts.workload;
    writeln!(out, "\n[workload]\ninput_tokens = {input}\noutput_tokens = {output}")?;
    if let Some(users) = parts.concurrency {
        writeln!(out, "concurrency = {}", quoted(users))?;
    }
    writeln!(
        out,
        "\n[[contender]]\nname = \"server\"\ndevice = {}\ncount = {}",
        quoted(parts.device),
        layout.devices()
    )?;
    let Layout { tp, pp, dp, ep, .. } = *layout;
    let ranks = [("tp", tp), ("pp", pp), ("dp", dp), ("ep", ep)];
    let ranks: Vec<String> =
        ranks.iter().filter(|(key, n)| *key == "tp" || *n > 1).map(|(key, n)| format!("{key} = {n}")).collect();
    writeln!(out, "parallel = {{ {} }}\nengine = {}", ranks.join(", "), quoted(engine))?;
    if serving.flash_attention == Some(false) {
        writeln!(out, "flash_attention = false")?;
    }
    let offload = [
        serving.device_layers.map(|n| format!("gpu_layers = {n}")),
        serving.host_experts.then(|| "experts = \"host\"".to_owned()),
        serving.host_expert_layers.map(|n| format!("expert_layers = {n}")),
    ];
    let limits = [
        serving.max_sequences.map(|n| format!("max_sequences = {n}")),
        serving.batch_tokens.map(|n| format!("batch_tokens = {n}")),
        serving.memory_fraction.map(|share| format!("memory_fraction = {share:?}")),
        serving.eager.then(|| "eager = true".to_owned()),
    ];
    let scheduler = [
        serving.prefix_cache.map(|on| format!("prefix_cache = {on}")),
        serving.cache_tokens.map(|n| format!("kv_tokens = {n}")),
    ];
    for (key, values) in [("offload", &offload[..]), ("limits", &limits[..]), ("scheduler", &scheduler[..])] {
        let values: Vec<&str> = values.iter().flatten().map(String::as_str).collect();
        if !values.is_empty() {
            writeln!(out, "{key} = {{ {} }}", values.join(", "))?;
        }
    }
    if let Some((tokens, acceptance)) = parts.draft {
        writeln!(out, "draft = {{ tokens = {tokens}, acceptance = {acceptance:?} }}")?;
    }
    Ok(())
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn list(out: &mut String, heading: &str, lines: Vec<String>) {
    if lines.is_empty() {
        return;
    }
    out.push_str("#\n");
    comment(out, "", heading);
    for line in lines {
        comment(out, "  ", &line);
    }
}

/// One comment line; what would end it or is not printed is a blank.
fn comment(out: &mut String, indent: &str, text: &str) {
    let inert: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    out.push_str(&format!("# {indent}{inert}"));
    while out.ends_with(' ') {
        out.pop();
    }
    out.push('\n');
}
