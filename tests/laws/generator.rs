//! Random scenarios: every model and device of the catalogue, in any format, layout and load that is legal.

use super::sheet::Field;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;
use std::fmt::Write;
use std::path::Path;
use underdog::catalog::Catalog;
use underdog::device::Device;
use underdog::model::{ModelSpec, Weights};
use underdog::precision::Precision;

const FORMATS: [&str; 10] = ["native", "bf16", "fp8", "fp4", "mxfp4", "int8", "int4", "q8_0", "q4_0", "q4_k_m"];
const CACHES: [&str; 4] = ["bf16", "fp8", "int8", "fp4"];
const ENGINES: [&str; 5] = ["vllm", "sglang", "trtllm", "llama.cpp", "ideal"];
/// Most devices of one instance.
const MOST: u64 = 256;

/// A scenario as text, with what else belongs to it.
#[derive(Debug, Clone, Default)]
pub struct Text {
    /// The scenario.
    pub scenario: String,
    /// A data sheet of its own, by file name.
    pub sheet: Option<(String, String)>,
}

/// Models and devices that scenarios draw from.
pub struct Generator {
    catalog: Catalog,
    models: Vec<ModelSpec>,
    devices: Vec<Device>,
}

impl Generator {
    pub fn new() -> Self {
        let catalog = Catalog::embedded();
        let here = Path::new("");
        let model = |name: &String| ModelSpec::load(&catalog, name, here).expect("a model");
        let device = |name: &String| Device::load(&catalog, name, here).expect("a device");
        Self {
            models: catalog.models().iter().map(model).collect(),
            devices: catalog.devices().iter().map(device).collect(),
            catalog,
        }
    }

    /// One scenario of a seed.
    pub fn scenario(&self, seed: u64, index: u64) -> Text {
        let mut random = ChaCha12Rng::seed_from_u64(seed.wrapping_mul(1_000_003).wrapping_add(index));
        let r = &mut Draw(&mut random);
        let model = r.of(&self.models);
        let device = r.of(&self.devices);
        let mut text = Text::default();
        let format = *r.of(&FORMATS);
        let out = &mut text.scenario;
        line(out, format!("name = \"case {index}\"\n[model]\nconfig = \"{}\"", model.name));
        if format != "native" {
            line(out, format!("precision = \"{format}\""));
        }
        if r.chance(0.3) {
            line(out, format!("kv_cache = \"{}\"", r.of(&CACHES)));
        }
        workload(r, out);
        let (name, sheet) = self.device(r, device, index);
        line(out, format!("[[contender]]\nname = \"one\"\ndevice = \"{name}\""));
        devices(r, out, model, device, weights(format, model));
        engine(r, out);
        price(r, out);
        text.sheet = sheet;
        text
    }

    /// A device of the catalogue, or one that differs from it in one number.
    fn device(&self, r: &mut Draw<'_>, device: &Device, index: u64) -> (String, Option<(String, String)>) {
        if !r.chance(0.2) {
            return (device.id.clone(), None);
        }
        let text = self.catalog.device(&device.id, Path::new("")).expect("a data sheet").text;
        let (field, factor) = (*r.of(&Field::ALL), r.log(0.1, 10.0));
        match field.scaled_text(&text, factor) {
            Some(changed) => (format!("./case-{index}.toml"), Some((format!("case-{index}.toml"), changed))),
            None => (device.id.clone(), None),
        }
    }
}

/// Random choices.
struct Draw<'a>(&'a mut ChaCha12Rng);

impl Draw<'_> {
    fn unit(&mut self) -> f64 {
        self.0.random()
    }

    fn chance(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    fn of<'b, T>(&mut self, all: &'b [T]) -> &'b T {
        &all[((self.unit() * all.len() as f64) as usize).min(all.len() - 1)]
    }

    /// Evenly in the logarithm.
    fn log(&mut self, from: f64, to: f64) -> f64 {
        from * (to / from).powf(self.unit())
    }

    fn count(&mut self, from: u64, to: u64) -> u64 {
        self.log(from as f64, to as f64 + 0.999).floor() as u64
    }
}

fn line(out: &mut String, text: String) {
    writeln!(out, "{text}").expect("text");
}

fn workload(r: &mut Draw<'_>, out: &mut String) {
    let (input, output) = (r.count(1, 131_072), r.count(1, 8192));
    line(out, format!("[workload]\ninput_tokens = {input}\noutput_tokens = {output}"));
    let mut users: Vec<u64> = (0..3).map(|_| r.count(1, 4096)).collect();
    if r.chance(0.5) {
        users.push(1);
    }
    users.sort_unstable();
    users.dedup();
    line(out, format!("concurrency = {users:?}"));
    if r.chance(0.5) {
        let hit = if r.chance(0.1) { 1.0 } else { (r.unit() * 100.0).round() / 100.0 };
        line(out, format!("prefix_hit = {hit:?}"));
    }
}

/// Bytes of the weights in a format.
fn weights(format: &str, model: &ModelSpec) -> f64 {
    let known = Precision::ALL.into_iter().find(|p| p.name() == format);
    model.weight_bytes(known.map_or(Weights::Native, Weights::Uniform)).get()
}

fn devices(r: &mut Draw<'_>, out: &mut String, model: &ModelSpec, device: &Device, bytes: f64) {
    let fraction = 0.9 * device.memory.get();
    let least = (1.3 * bytes / fraction).max(1.0);
    let mut instance = (least.log2().ceil().exp2() as u64).min(MOST);
    if r.chance(0.3) {
        instance = (instance * *r.of(&[2, 4])).min(MOST);
    } else if r.chance(0.1) {
        instance = *r.of(&[1, 2, 3, 8, 16]);
    }
    if r.chance(0.15) {
        let pool = |r: &mut Draw<'_>, name: &str, out: &mut String| {
            let (parallel, each) = layout(r, model, device, instance);
            let count = each * *r.of(&[1, 1, 2, 4]);
            line(out, format!("{name} = {{ count = {count}, parallel = {parallel} }}"));
        };
        pool(r, "prefill", out);
        pool(r, "decode", out);
    } else {
        let (parallel, each) = layout(r, model, device, instance);
        let count = each * *r.of(&[1, 1, 1, 2, 8]);
        line(out, format!("count = {count}\nparallel = {parallel}"));
    }
}

/// Degrees of parallelism, and the devices they need: about as many as asked for.
fn layout(r: &mut Draw<'_>, model: &ModelSpec, device: &Device, instance: u64) -> (String, u64) {
    let domain = device.link.map_or(8, |l| u64::from(l.domain)).max(1);
    let pp = if r.chance(0.25) { *r.of(&[2, 3, 4, 8]) } else { 1 }.min(instance).min(model.layer_count());
    let ranks = (instance / pp).max(1);
    let wide = model.has_experts() && (r.chance(0.5) || ranks > domain);
    let tp = if wide { *r.of(&[1, 1, 2, 4, 8]) } else { ranks };
    let tp = tp.min(ranks).min(model.most_tensor_parallel());
    // Data-parallel ranks hold copies of everything but experts: without experts they rarely make sense.
    let dp = if wide {
        ranks / tp
    } else if r.chance(0.05) {
        2
    } else {
        1
    }
    .max(1);
    let ep = match (model.has_experts(), r.chance(if wide { 0.9 } else { 0.4 })) {
        (true, true) => tp * dp,
        (true, false) if (tp * dp) % 2 == 0 => *r.of(&[1, 2]),
        _ => 1,
    };
    (format!("{{ tp = {tp}, pp = {pp}, dp = {dp}, ep = {ep} }}"), tp * pp * dp)
}

fn engine(r: &mut Draw<'_>, out: &mut String) {
    line(out, format!("engine = \"{}\"", r.of(&ENGINES)));
    let mut limits = Vec::new();
    if r.chance(0.3) {
        limits.push(format!("max_sequences = {}", r.count(1, 1024)));
    }
    if r.chance(0.3) {
        limits.push(format!("batch_tokens = {}", r.count(64, 65_536)));
    }
    if r.chance(0.3) {
        limits.push(format!("memory_fraction = {:?}", (50.0 + r.unit() * 50.0).round() / 100.0));
    }
    if !limits.is_empty() {
        line(out, format!("limits = {{ {} }}", limits.join(", ")));
    }
    if r.chance(0.2) {
        let acceptance = (r.unit() * 100.0).round() / 100.0;
        line(out, format!("draft = {{ tokens = {}, acceptance = {acceptance:?} }}", r.count(1, 5)));
    }
    let factor = |r: &mut Draw<'_>| (r.log(0.2, 5.0) * 100.0).round() / 100.0;
    if r.chance(0.15) {
        line(out, format!("speed = {:?}", factor(r)));
    } else if r.chance(0.15) {
        let class = *r.of(&["gemm", "attention", "experts", "collectives", "host"]);
        line(out, format!("speed = {{ {class} = {:?} }}", factor(r)));
    }
    if r.chance(0.05) {
        line(out, format!("communication_units = {}", r.of(&[0, 4, 20])));
    }
}

fn price(r: &mut Draw<'_>, out: &mut String) {
    let rents = r.chance(0.5);
    if rents {
        line(out, format!("price = \"{:.2} USD/h\"\nprice_date = \"2026-08\"", r.log(0.1, 20.0)));
    } else if r.chance(0.3) {
        let (purchase, utilisation) = (r.log(300.0, 50_000.0), 0.1 + 0.9 * r.unit());
        line(out, "power = \"500 W\"\ngrid = \"350 g/kWh\"".to_owned());
        line(
            out,
            format!(
                "own = {{ purchase = \"{purchase:.0} USD\", years = 4, pue = 1.3, electricity = \"0.1 USD/kWh\", utilisation = {utilisation:.2} }}"
            ),
        );
    } else {
        return;
    }
    if r.chance(0.3) {
        line(out, format!("people = \"{:.0} USD/month\"", r.log(100.0, 50_000.0)));
    }
    if rents && r.chance(0.4) {
        line(out, format!("utilisation = {:.2}", 0.01 + 0.99 * r.unit()));
    } else if rents && r.chance(0.4) {
        *out = out.replacen("[workload]\n", &format!("[workload]\nrate = \"{:.0} /day\"\n", r.log(1.0, 1e6)), 1);
    }
}
