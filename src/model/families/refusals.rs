//! Why a file is not read: what has no cost per written token, and what an unknown class leaves unsaid.

use crate::diagnostic::Diagnostic;
use crate::model::config::Config;

/// Reasons by the beginnings of class names.
const KINDS: [(&str, &[&str]); 4] = [
    (
        "it is an encoder: it reads a text and writes none, so no token of it has a cost",
        &[
            "Albert",
            "Bert",
            "BigBirdFor",
            "Camembert",
            "CLIP",
            "Deberta",
            "DistilBert",
            "Electra",
            "Ernie",
            "EuroBert",
            "Flaubert",
            "JinaBert",
            "Longformer",
            "MPNet",
            "ModernBert",
            "NewModel",
            "NomicBert",
            "Roberta",
            "RoFormer",
            "Siglip",
            "XLM",
            "XLNet",
        ],
    ),
    (
        "it is an encoder-decoder: its decoder attends to an encoded input too, whose length no workload here gives",
        &[
            "Bart",
            "BigBirdPegasus",
            "Blenderbot",
            "EncoderDecoder",
            "Florence2",
            "LongT5",
            "M2M100",
            "MBart",
            "MT5",
            "Marian",
            "Moonshine",
            "Nllb",
            "Pegasus",
            "ProphetNet",
            "Speech2Text",
            "SpeechEncoderDecoder",
            "SwitchTransformers",
            "T5",
            "UMT5",
            "VisionEncoderDecoder",
            "Whisper",
        ],
    ),
    (
        "it is an RWKV: its recurrence, with a shift of tokens before every projection, has no description here",
        &["Rwkv", "RWKV"],
    ),
    ("its text part attends to a picture in layers of their own, whose cache depends on the picture", &["Mllama"]),
];

/// Reasons by the ends of class names.
const ENDS: [(&str, &[&str]); 2] = [
    (
        "it has a head that classifies instead of one that writes tokens",
        &["ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering", "ForMaskedLM", "RewardModel"],
    ),
    ("it has no LM head: it turns a text into vectors and writes no tokens", &["Model"]),
];

/// The end of the older names of models with an LM head.
const LM_HEAD: &str = "LMHeadModel";

/// Why a known kind of architecture is refused. The name of a file with a text part may end in anything.
fn why(name: &str, nested: bool) -> Option<&'static str> {
    let kind = KINDS.iter().find(|(_, starts)| starts.iter().any(|start| name.starts_with(start)));
    let end = || ENDS.iter().find(|(_, ends)| ends.iter().any(|end| name.ends_with(end) && !name.ends_with(LM_HEAD)));
    kind.or_else(|| end().filter(|_| !nested)).map(|(reason, _)| *reason)
}

/// An error where an architecture writes no tokens or is known not to be understood.
///
/// # Errors
/// See above.
pub fn refuse(c: &Config<'_>, name: &str, nested: bool) -> Result<(), Diagnostic> {
    let Some(reason) = why(name, nested) else { return Ok(()) };
    let mut error = c.wrong("architectures", "");
    error.message = format!("`{name}` cannot be counted: {reason}");
    Err(error
        .hint("what is counted is a decoder that writes one token after another, or the text part of one that sees"))
}

/// An error about an architecture that nobody taught the program.
pub fn unknown(c: &Config<'_>, name: &str, by_type: Option<(&str, &str)>) -> Diagnostic {
    let mut error = c.wrong("architectures", "");
    error.message = format!("the architecture `{name}` is not known");
    let missing = "no field says which norms, biases and gates its layers have and how they are joined";
    let way = match by_type {
        Some((model_type, class)) => format!(
            "its `model_type` is `{model_type}`: if its layers are those of `{class}`, write that into `architectures`"
        ),
        None => "if its modelling code says that its layers are those of another class, write that one into \
                 `architectures`"
            .to_owned(),
    };
    error
        .hint(format!("{missing}; {way}. Every field is then checked against it, and one that does not fit is refused"))
}
