//! What a model is: from a Hugging Face `config.json` to shapes, parameters, bytes and FLOP.
//!
//! The first entry of `architectures` decides how the file is read. An architecture nobody taught the program is an
//! error that names the known ones; a dimension is never guessed.

mod config;
pub mod count;
mod derive;
mod draft;
mod families;
pub mod mixing;
mod native;
pub mod parallel;
mod row;
pub mod spec;

pub use config::without_bare_floats;
pub use count::{Class, Phase, Weights};
pub use families::FAMILIES;
pub use row::ModelRow;
pub use spec::ModelSpec;

use crate::catalog::{Catalog, Entry};
use crate::diagnostic::{Diagnostic, suggest};
use config::Config;
use std::path::Path;

/// The most parameters that are believed, a thousand times the largest published model's.
const MAX_PARAMETERS: u128 = 1_000_000_000_000_000;

impl ModelSpec {
    /// Reads a model by catalogue name or path.
    ///
    /// # Errors
    /// When there is no such file, or it is not understood.
    pub fn load(catalog: &Catalog, name: &str, base: &Path) -> Result<Self, Diagnostic> {
        Self::parse(&catalog.model(name, base)?)
    }

    /// Reads a `config.json`.
    ///
    /// # Errors
    /// Names the field that is unknown, missing or wrong, with its place.
    pub fn parse(entry: &Entry) -> Result<Self, Diagnostic> {
        let source = entry.text.trim_start_matches('\u{feff}');
        let text = without_bare_floats(source);
        let outer = Config::parse(&entry.file, &text, source)?;
        let architecture = architecture(&outer)?;
        let Some((_, family)) = FAMILIES.iter().find(|(name, _)| *name == architecture) else {
            return Err(unknown(&outer, &architecture));
        };
        let inner = outer.object("text_config")?.unwrap_or_else(|| outer.clone());
        let mut anatomy = family(&inner)?;
        let native = native::read(&outer, &inner, &mut anatomy.notes)?;
        let tied = match inner.flag("tie_word_embeddings")? {
            None => outer.flag("tie_word_embeddings")?,
            said => said,
        };
        let spec = Self {
            name: entry.name.clone(),
            architecture,
            hidden: anatomy.hidden,
            vocab: inner.count("vocab_size")?,
            tied_embeddings: tied.unwrap_or(anatomy.tied_by_default),
            layers: anatomy.layers,
            other_params: anatomy.other_params,
            native,
            max_context: ["max_position_embeddings", "n_positions"].iter().find_map(|key| inner.tokens(key)),
            mtp_layers: anatomy.mtp_layers,
            notes: anatomy.notes,
        };
        spec.check(&entry.file)?;
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
        if total > MAX_PARAMETERS {
            let message = format!("the fields add up to {:.1e} parameters", total as f64);
            return Err(Diagnostic::new(file, message).hint("at most 1e15 are believed; check the counts"));
        }
        Ok(())
    }
}

fn architecture(c: &Config<'_>) -> Result<String, Diagnostic> {
    let names = c.words("architectures")?.ok_or_else(|| {
        c.missing("architectures").hint("it says how to read the other fields, such as [\"LlamaForCausalLM\"]")
    })?;
    names.into_iter().next().ok_or_else(|| c.wrong("architectures", "must name an architecture"))
}

fn unknown(c: &Config<'_>, name: &str) -> Diagnostic {
    let names = || FAMILIES.iter().map(|(name, _)| *name);
    let known: Vec<&str> = names().collect();
    let near = suggest(name, names());
    let near = if near.starts_with("did you mean") { format!("{near} ") } else { String::new() };
    let mut error = c.wrong("architectures", "");
    error.message = format!("the architecture `{name}` is not known, so its fields are not understood");
    error.hint(format!("{near}known are {}", known.join(", ")))
}
