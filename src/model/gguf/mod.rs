//! A model from a GGUF file: shapes from its metadata, bytes from its tensors.
//!
//! The header alone is read. Shapes come through the same families as those of a `config.json`; what the tensors hold
//! must then be what was understood, to within half a per cent of the parameters. Bytes are those of the tensors, each
//! in its own type, as means over each class of weights.

mod header;
mod parts;
mod settings;
mod tensors;
mod types;

use crate::catalog::Entry;
use crate::diagnostic::Diagnostic;
use crate::model::spec::{Class, ModelSpec, NativePrecision};
use crate::model::stored::Stored;
use crate::precision::Precision;
use header::{Header, Value};
use settings::Settings;
use std::path::Path;
use tensors::Place;

/// How far the parameters of the tensors and those of the shapes may be apart.
const TOLERANCE: f64 = 0.005;

/// Reads the file.
///
/// # Errors
/// When it is no GGUF, its architecture is not known, or tensors and metadata disagree.
pub fn read(path: &Path) -> Result<ModelSpec, Diagnostic> {
    let header = parts::whole(path)?;
    let settings = Settings::of(&header)?;
    let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let config = settings.config()?;
    let entry = Entry { name, file: header.file.clone(), text: config.to_string().into() };
    let mut spec = ModelSpec::parse(&entry).map_err(|mut error| {
        // The place would be one in a text that nobody wrote.
        (error.span, error.text) = (None, String::new());
        error
    })?;
    spec.notes.clear();
    store(&mut spec, &header, settings.layers()?)?;
    Ok(spec)
}

/// Puts the bytes of the tensors in place of the formats.
fn store(spec: &mut ModelSpec, header: &Header, layers: u64) -> Result<(), Diagnostic> {
    let wrong = |message: String| Diagnostic::new(&header.file, message);
    let mut sums: Vec<Sum> = Class::ALL.into_iter().map(Sum::of).collect();
    let (mut values, mut beyond, mut tables) = (0_u64, 0_u64, 0_u64);
    for tensor in &header.tensors {
        let class = match tensors::place(tensor, layers) {
            Some(Place::Of(class)) => class,
            Some(Place::Beyond) => {
                beyond += tensor.bytes();
                continue;
            }
            // Derived from the configuration, but stored and read.
            Some(Place::Table) => {
                tables += tensor.values();
                Class::Rest
            }
            None => {
                let message = format!("the tensor `{}` is not known, so its part of the model is not", tensor.name);
                return Err(wrong(message).hint("what is not understood is not counted past"));
            }
        };
        values += tensor.values();
        if let Some(sum) = sums.iter_mut().find(|sum| sum.class == class) {
            sum.add(tensor.kind.format, tensor.bytes());
        }
    }
    let (counted, values) = (spec.parameters_total(), values - tables);
    if (values as f64 / counted as f64 - 1.0).abs() > TOLERANCE {
        let message = format!("the tensors hold {values} parameters, but the metadata describes {counted}");
        return Err(wrong(message).hint("the file is incomplete, or a part of the model is not understood"));
    }
    spec.native = means(&sums, spec);
    let bytes: u64 = sums.iter().map(|sum| sum.bytes).sum();
    let kind = match header.metadata.get("general.file_type") {
        Some(Value::Whole(number)) => format!(", llama.cpp's file type {number}"),
        _ => String::new(),
    };
    spec.notes.push(format!("Bytes are those of {} tensors in {}: {bytes}{kind}.", header.tensors.len(), header.file));
    if beyond > 0 {
        spec.notes.push(format!("Left out: {beyond} bytes of layers that only guess tokens."));
    }
    Ok(())
}

/// Bytes of one class by format.
struct Sum {
    class: Class,
    bytes: u64,
    by_format: Vec<(Precision, u64)>,
}

impl Sum {
    const fn of(class: Class) -> Self {
        Self { class, bytes: 0, by_format: Vec::new() }
    }

    fn add(&mut self, format: Precision, bytes: u64) {
        self.bytes += bytes;
        match self.by_format.iter_mut().find(|(own, _)| *own == format) {
            Some((_, sum)) => *sum += bytes,
            None => self.by_format.push((format, bytes)),
        }
    }
}

/// Bits of each class over the parameters that the shapes give it; bytes of a class without any go to the rest.
fn means(sums: &[Sum], spec: &ModelSpec) -> NativePrecision {
    let mut native = NativePrecision::uniform(Stored::plain(Precision::F32));
    let stray: u64 = sums.iter().filter(|sum| spec.parameters_of(sum.class) == 0).map(|sum| sum.bytes).sum();
    for sum in sums {
        let params = spec.parameters_of(sum.class);
        let Some((format, _)) = sum.by_format.iter().max_by_key(|(_, bytes)| *bytes).filter(|_| params > 0) else {
            continue;
        };
        let bytes = sum.bytes + if sum.class == Class::Rest { stray } else { 0 };
        native.set(sum.class, Stored::with_bits(*format, 8.0 * bytes as f64 / params as f64));
    }
    if spec.tied_embeddings {
        native.head = native.embedding;
    }
    native
}
