//! From the fields of a `config.json` to layers: a table of classes, and the parts they are read with.
//!
//! A class says what its files leave unsaid: defaults, norms, biases, gates. The parts (heads, windows, experts,
//! recurrences) are read by shared code from the fields that name them. A field that no part asks for is an error
//! (`fields.rs`), so a class never counts a model that has more than the class knows.

pub mod anatomy;
mod class;
mod deepseek;
mod deepseek_v4;
mod early;
mod experts;
mod gemma;
mod hybrid;
mod kimi;
mod kinds;
mod llama;
mod llama4;
mod mamba;
mod mimo;
mod mixture;
mod nemotron_h;
mod nemotron_nas;
mod qwen;
mod qwen_hybrid;
mod recurrent;
mod refusals;
mod sight;
mod stack;
mod step;

pub use class::Class;

use crate::diagnostic::Diagnostic;
use crate::model::config::Config;

/// Every class that is understood.
const CLASSES: [&[Class]; 16] = [
    deepseek::CLASSES,
    deepseek_v4::CLASSES,
    early::CLASSES,
    gemma::CLASSES,
    hybrid::CLASSES,
    kimi::CLASSES,
    llama::CLASSES,
    llama4::CLASSES,
    mamba::CLASSES,
    mimo::CLASSES,
    mixture::CLASSES,
    nemotron_h::CLASSES,
    nemotron_nas::CLASSES,
    qwen::CLASSES,
    qwen_hybrid::CLASSES,
    step::CLASSES,
];

/// Names of the text part of a larger file.
const TEXT_PARTS: [&str; 3] = ["text_config", "llm_config", "language_config"];

fn classes() -> impl Iterator<Item = &'static Class> {
    CLASSES.into_iter().flatten()
}

/// What a file describes: the name of its architecture, its class, and the part that holds the language model.
pub struct Found<'t> {
    /// First entry of `architectures`, or that of the class.
    pub architecture: String,
    /// How it is read.
    pub class: &'static Class,
    /// The text part, with the defaults of the class.
    pub text: Config<'t>,
    /// The file has other parts.
    pub nested: bool,
}

/// Finds the class of a file: by the architecture it names, else by the type of its text part.
///
/// # Errors
/// When it names none, or one that is not understood, or two that contradict each other.
pub fn find<'t>(c: &Config<'t>) -> Result<Found<'t>, Diagnostic> {
    let names = c.words("architectures")?;
    let named = match names {
        None => None,
        Some(names) => Some(names.into_iter().next().ok_or_else(|| c.wrong("architectures", "must name one"))?),
    };
    let part = TEXT_PARTS.iter().find(|key| c.has(key)).map_or(Ok(None), |key| c.object(key))?;
    let by_name = named.as_ref().and_then(|name| classes().find(|class| class.architectures.contains(&name.as_str())));
    if let (Some(name), None) = (&named, by_name) {
        refusals::refuse(c, name, part.is_some())?;
    }
    if c.flag("is_encoder_decoder")?.unwrap_or(false) {
        return Err(c.wrong("is_encoder_decoder", "must be false: an encoder-decoder is not understood"));
    }
    let (class, architecture) = match (by_name, &named, &part) {
        (Some(class), Some(name), _) => (class, name.clone()),
        // The text part of a model that also sees or hears is read as what it says itself to be.
        (_, _, Some(text)) => {
            (of_type(text)?.ok_or_else(|| unknown(c, named.as_deref(), text))?, named.unwrap_or_default())
        }
        (_, Some(name), None) => {
            let by_type =
                of_type(c)?.and_then(|class| Some((c.word("model_type").ok()??, class.architectures.first()?)));
            return Err(refusals::unknown(c, name, by_type.as_ref().map(|(kind, class)| (kind.as_str(), **class))));
        }
        (_, None, None) => {
            let class = of_type(c)?.ok_or_else(|| {
                c.missing("architectures").hint("it says how to read the other fields, such as [\"LlamaForCausalLM\"]")
            })?;
            (class, class.architectures.first().copied().unwrap_or_default().to_owned())
        }
    };
    let nested = part.is_some();
    let text = part.unwrap_or_else(|| c.clone());
    agrees(&text, class)?;
    text.unused(class.unused);
    for (key, value) in class.fixed {
        text.unused(&[key]);
        if text.written(key).is_some_and(|written| written != *value && written != "null") {
            return Err(text.wrong(key, &format!("must be {value}: the class is not known with another value")));
        }
    }
    let text = text.with_defaults(class.defaults)?.with_defaults(if nested { class.nested } else { "{}" })?;
    Ok(Found { architecture, class, text, nested })
}

/// The class of a `model_type`, if it is known.
fn of_type(c: &Config<'_>) -> Result<Option<&'static Class>, Diagnostic> {
    let Some(kind) = c.word("model_type")? else { return Ok(None) };
    Ok(classes().find(|class| class.types.contains(&kind.as_str())))
}

/// A `model_type` that belongs to another class contradicts the architecture.
fn agrees(c: &Config<'_>, class: &Class) -> Result<(), Diagnostic> {
    let Some(kind) = c.word("model_type")? else { return Ok(()) };
    let kind = kind.as_str();
    let mut others = classes().filter(|other| other.types.contains(&kind));
    match class.types.contains(&kind) || others.next().is_none() {
        true => Ok(()),
        false => Err(c.wrong(
            "model_type",
            &format!(
                "must be {}, the type of the architecture the file names, or the other way about",
                class.types.join(" or ")
            ),
        )),
    }
}

/// An error about a text part of no known type.
fn unknown(c: &Config<'_>, name: Option<&str>, text: &Config<'_>) -> Diagnostic {
    match text.word("model_type") {
        Ok(Some(kind)) => {
            let mut error = text.wrong("model_type", "must be that of a known class where the file is not a known one");
            error.message = format!("the text part is of the type `{kind}`, which is not known");
            error
        }
        _ => refusals::unknown(c, name.unwrap_or("?"), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Map, Value};
    use std::collections::BTreeSet;

    #[test]
    fn every_architecture_has_one_class_and_readable_defaults() {
        let mut names = BTreeSet::new();
        for class in classes() {
            for name in class.architectures {
                assert!(names.insert(*name), "{name} has two classes");
            }
            let read = |json: &str| serde_json::from_str::<Map<String, Value>>(json);
            let defaults = read(class.defaults).unwrap_or_else(|error| panic!("{:?}: {error}", class.types));
            assert!(
                defaults.contains_key("tie_word_embeddings"),
                "{:?} do not say whether the head is the embedding",
                class.types
            );
            assert!(read(class.nested).is_ok() && !class.types.is_empty(), "{:?}", class.types);
            for (key, value) in class.fixed {
                assert!(serde_json::from_str::<Value>(value).is_ok(), "{key} is {value}");
            }
        }
        assert!(names.len() > 130, "only {}", names.len());
    }

    /// A type that two classes share is told apart by the architecture; without one, the first class is taken.
    #[test]
    fn types_are_shared_by_name_only() {
        let mut seen = BTreeSet::new();
        let shared: Vec<&str> =
            classes().flat_map(|class| class.types).copied().filter(|kind| !seen.insert(*kind)).collect();
        assert_eq!(shared, ["minimax"], "MiniMax-01 in transformers, and the first files of MiniMax-M2");
    }
}
