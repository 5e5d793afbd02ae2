//! What a model is: from a Hugging Face `config.json` to shapes, parameters, bytes and FLOP.
//!
//! A file is read through the parts it names: heads, windows, experts, recurrences. Its class, by `architectures` or
//! `model_type`, picks defaults and what no field says. A field nobody asked for is an error; a dimension is never
//! guessed.

mod checkpoint;
mod config;
pub mod count;
mod derive;
mod draft;
mod families;
mod fields;
mod gguf;
mod irrelevant;
pub mod mixing;
mod native;
pub mod parallel;
mod row;
pub mod spec;
pub mod stored;

pub use config::without_bare_floats;
pub use count::{Phase, Weights};
pub use row::ModelRow;
pub use spec::{Class, ModelSpec};
pub use stored::Stored;

use crate::catalog::{Catalog, Entry, ModelFile};
use crate::diagnostic::Diagnostic;
use crate::precision::Precision;
use config::Config;
use families::anatomy::VOCAB;
use spec::NativePrecision;
use std::path::Path;

/// The most parameters that are believed, a thousand times the largest published model's.
const MAX_PARAMETERS: u128 = 1_000_000_000_000_000;

impl ModelSpec {
    /// Reads a model by catalogue name or path.
    ///
    /// # Errors
    /// When there is no such file, or it is not understood.
    pub fn load(catalog: &Catalog, name: &str, base: &Path) -> Result<Self, Diagnostic> {
        catalog.kept.or_make(name, base, || match catalog.model(name, base)? {
            ModelFile::Config(found) => {
                let mut spec = Self::read(&found.config, found.quantisation.as_ref())?;
                found.index.map_or(Ok(()), |index| checkpoint::compare(&mut spec, &index))?;
                Ok(spec)
            }
            ModelFile::Gguf(path) => gguf::read(&path),
        })
    }

    /// Reads a `config.json` by itself.
    ///
    /// # Errors
    /// Names the field that is unknown, missing or wrong, with its place.
    pub fn parse(entry: &Entry) -> Result<Self, Diagnostic> {
        Self::read(entry, None)
    }

    /// Reads a `config.json` and the `hf_quant_config.json` beside it.
    fn read(entry: &Entry, quantisation: Option<&Entry>) -> Result<Self, Diagnostic> {
        let source = entry.text.trim_start_matches('\u{feff}');
        let text = without_bare_floats(source);
        let outer = Config::parse(&entry.file, &text, source)?;
        let found = families::find(&outer)?;
        let inner = found.text;
        let mut anatomy = (found.class.read)(&inner)?;
        let (vocab, tied_embeddings) = (inner.count_of(&VOCAB)?, tied(&outer, &inner)?);
        let max_context = CONTEXT.iter().find_map(|key| inner.tokens(key));
        anatomy.notes.extend(notes(&outer, &inner, found.nested));
        let mut spec = Self {
            name: entry.name.clone(),
            architecture: found.architecture,
            hidden: anatomy.hidden,
            vocab,
            tied_embeddings,
            layers: anatomy.layers,
            other_params: anatomy.other_params,
            table_params: anatomy.table_params,
            native: NativePrecision::uniform(Stored::plain(Precision::Bf16)),
            max_context,
            mtp_layers: anatomy.mtp_layers,
            notes: anatomy.notes,
        };
        spec.check(&entry.file)?;
        let aside = quantisation.map(|entry| Config::parse(&entry.file, &entry.text, &entry.text)).transpose()?;
        let sources = native::Sources { outer: &outer, text: &inner, beside: aside.as_ref() };
        let shape = native::Shape {
            architecture: &spec.architecture,
            layers: &spec.layers,
            table: spec.embedding_params(),
            tied: spec.tied_embeddings,
        };
        spec.native = native::read(sources, shape, &mut spec.notes)?;
        fields::check(&outer, &inner, found.nested)?;
        Ok(spec)
    }

    /// Counts once with room to spare, so that no sum overflows afterwards.
    fn check(&self, file: &str) -> Result<(), Diagnostic> {
        let wide = |a: u64, b: u64| u128::from(a) * u128::from(b);
        let layer = |l: &spec::Layer| {
            let linears: u128 = l.linears.iter().map(|w| wide(w.inputs, w.outputs)).sum();
            let experts = l.experts.map_or(0, |e| {
                u128::from(e.count) * (u128::from(e.matrices) * wide(e.width, e.inter) + u128::from(e.bias))
            });
            u128::from(l.count) * (linears + experts + u128::from(l.other_params))
        };
        let total = self.layers.iter().map(layer).sum::<u128>() + 2 * wide(self.vocab, self.hidden);
        let total = total + u128::from(self.other_params) + u128::from(self.table_params);
        if total > MAX_PARAMETERS {
            let message = format!("the fields add up to {:.1e} parameters", total as f64);
            return Err(Diagnostic::new(file, message).hint("at most 1e15 are believed; check the counts"));
        }
        Ok(())
    }
}

/// Names of the longest context, in the order they are believed.
const CONTEXT: [&str; 6] =
    ["max_position_embeddings", "n_positions", "max_seq_len", "seq_length", "max_sequence_length", "model_max_length"];

/// Whether the head is the embedding: the file says, as the code of larger models has it, else its text part, else the
/// class.
fn tied(outer: &Config<'_>, text: &Config<'_>) -> Result<bool, Diagnostic> {
    const KEYS: [&str; 2] = ["tie_word_embeddings", "tie_embedding"];
    let said = |c: &Config<'_>| c.one_of(&KEYS)?.map_or(Ok(None), |key| c.flag(key));
    let (whole, part) = (said(outer)?, said(text)?);
    Ok(whole.or(part).unwrap_or(false))
}

/// What was left out of the file, and what of it is not counted.
fn notes(outer: &Config<'_>, text: &Config<'_>, nested: bool) -> Vec<String> {
    let mut notes = Vec::new();
    let sees = ["vision_config", "audio_config", "speech_config", "visual"].iter().any(|key| outer.has(key));
    if nested || sees {
        notes.push("The text part alone is counted, not what turns pictures or sound into tokens.".to_owned());
    }
    let switched_off = |value: &String| matches!(value.as_str(), "false" | "0" | "1");
    let left_out: Vec<String> = text
        .defaulted()
        .into_iter()
        .filter(|(_, value)| !switched_off(value))
        .map(|(key, value)| format!("{key} = {value}"))
        .collect();
    if !left_out.is_empty() {
        notes.push(format!("The file leaves out, and its class has: {}.", left_out.join(", ")));
    }
    notes
}
