//! The names that checkpoints are published under: which model of the catalogue one is, and in which number format.
//!
//! A name is split into words. Those of the catalogue's name must occur in their order, and every word left over must be
//! known to say nothing of shapes: a `distill`, `vl` or `embedding` makes another model of it, and so does any word that
//! nobody taught the program.

/// What the name of a checkpoint tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Published {
    /// Name of the same shapes in the catalogue.
    pub model: Option<String>,
    /// Number format of the weights in the spelling of scenarios; of a GGUF file its own spelling in lower case.
    pub format: Option<String>,
}

/// Words that change neither shapes nor formats: tuning, packaging, publishers, releases.
const SAYS_NOTHING: &[&str] = &[
    "instruct",
    "it",
    "chat",
    "hf",
    "base",
    "pt",
    "gguf",
    "ud",
    "dynamic",
    "block",
    "quantized",
    "meta",
    "nvidia",
    "exp",
    "terminus",
    "preview",
    "v0.1",
    "v2",
    "17b",
    "16e",
    "128e",
    "original",
    "unsloth",
    "bnb",
    "qat",
    "moe",
    "mtp",
];

/// Words that name a format, and the format in the spelling of scenarios. NVIDIA calls NVFP4 `FP4`.
const FORMATS: &[(&str, &str)] = &[
    ("fp8", "fp8"),
    ("fp4", "fp4"),
    ("nvfp4", "fp4"),
    ("mxfp4", "mxfp4"),
    ("int4", "int4"),
    ("w4a16", "int4"),
    ("4bit", "int4"),
    ("int8", "int8"),
    ("w8a8", "int8"),
    ("w8a16", "int8"),
    ("8bit", "int8"),
    ("bf16", "bf16"),
    ("fp16", "f16"),
    ("f16", "f16"),
];

/// Methods of quantisation that have 4 bits where the name tells no others.
const FOUR_BITS: &[&str] = &["awq", "gptq"];

/// Reads the name of a checkpoint: a Hugging Face id, a file or a folder; `known` are the names of the catalogue.
pub fn published(id: &str, known: &[String]) -> Published {
    let words = words(id);
    let named = |word: &String| FORMATS.iter().find(|(name, _)| name == word).map(|(_, format)| (*format).to_owned());
    let packed = words.iter().find(|w| is_gguf(w)).cloned();
    let four = || words.iter().any(|w| FOUR_BITS.contains(&w.as_str())).then(|| "int4".to_owned());
    let format = packed.or_else(|| words.iter().find_map(named)).or_else(four);
    let fits = |name: &&String| left_over(&words, &self::words(name)).is_some_and(|left| says_nothing(&left));
    let model = known.iter().filter(fits).max_by_key(|name| self::words(name).len()).cloned();
    Published { model, format }
}

/// Lower-case words of the last part of a path, the type behind a dot or a colon apart.
fn words(id: &str) -> Vec<String> {
    let lower = id.trim_end_matches('/').to_lowercase();
    let last = lower.rsplit(['/', '\\']).next().unwrap_or_default();
    let stem = last.strip_suffix(".gguf").unwrap_or(last);
    let mut all = Vec::new();
    for word in stem.split(['-', ':', ' ', '@']).filter(|w| !w.is_empty()) {
        match word.rsplit_once('.') {
            Some((front, back)) if is_gguf(back) || FORMATS.iter().any(|(name, _)| *name == back) => {
                all.extend([front.to_owned(), back.to_owned()]);
            }
            _ => all.push(word.to_owned()),
        }
    }
    all
}

/// A tensor type of llama.cpp's quantize tool: `q4_k_m`, `iq2_xxs`, `q8_0`.
fn is_gguf(word: &str) -> bool {
    let (family, rest) = word.split_once('_').unwrap_or((word, ""));
    let bits = family.strip_prefix("iq").or_else(|| family.strip_prefix("tq")).or_else(|| family.strip_prefix('q'));
    let sizes = ["0", "1", "k", "xxs", "xs", "s", "m", "l", "xl", "nl"];
    let one_digit = |b: &str| b.len() == 1 && b.starts_with(|c: char| c.is_ascii_digit());
    bits.is_some_and(one_digit) && !rest.is_empty() && rest.split('_').all(|part| sizes.contains(&part))
}

/// The words of an id that are not those of a name; `None` where the name's do not occur in their order.
fn left_over<'a>(words: &'a [String], name: &[String]) -> Option<Vec<&'a str>> {
    let mut wanted = name.iter().peekable();
    let mut left = Vec::new();
    for word in words {
        if wanted.peek().is_some_and(|next| *next == word) {
            wanted.next();
        } else {
            left.push(word.as_str());
        }
    }
    wanted.peek().is_none().then_some(left)
}

fn says_nothing(left: &[&str]) -> bool {
    // Releases: 0528, 2507, part 00001 of 00003.
    let number = |w: &str| w.len() >= 4 && w.bytes().all(|b| b.is_ascii_digit());
    // Qwen's dated reasoners have the shapes of their siblings; Kimi's undated one has another format.
    let reasoner = |w: &str| w == "thinking" && left.iter().any(|other| number(other));
    let split = |w: &str| w == "of" && left.iter().any(|other| number(other));
    left.iter().all(|w| {
        SAYS_NOTHING.contains(w)
            || FOUR_BITS.contains(w)
            || FORMATS.iter().any(|(name, _)| name == w)
            || is_gguf(w)
            || number(w)
            || reasoner(w)
            || split(w)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;

    #[test]
    fn published_names_are_those_of_the_catalogue() {
        let known = Catalog::embedded().models();
        for (id, model, format) in [
            ("deepseek-ai/DeepSeek-R1-0528", Some("deepseek-r1"), None),
            ("nvidia/DeepSeek-R1-0528-FP4", Some("deepseek-r1"), Some("fp4")),
            ("deepseek-ai/DeepSeek-V3.1", Some("deepseek-v3.1"), None),
            ("deepseek-ai/DeepSeek-R1-Distill-Llama-70B", None, None),
            ("openai/gpt-oss-120b", Some("gpt-oss-120b"), None),
            ("meta-llama/Meta-Llama-3-8B-Instruct", Some("llama-3-8b"), None),
            ("meta-llama/Llama-4-Scout-17B-16E-Instruct", Some("llama-4-scout"), None),
            ("nvidia/Llama-3.3-70B-Instruct-FP8", Some("llama-3.3-70b"), Some("fp8")),
            ("Qwen/Qwen3-235B-A22B-Thinking-2507", Some("qwen3-235b-a22b"), None),
            ("Qwen/Qwen3-Coder-480B-A35B-Instruct-FP8", Some("qwen3-coder-480b-a35b"), Some("fp8")),
            ("Qwen/Qwen2.5-Coder-7B-Instruct", Some("qwen2.5-coder-7b"), None),
            ("Qwen/Qwen2.5-7B-Instruct-GPTQ-Int8", Some("qwen2.5-7b"), Some("int8")),
            ("Qwen/Qwen3-14B-AWQ", Some("qwen3-14b"), Some("int4")),
            ("Qwen/Qwen3-VL-8B-Instruct", None, None),
            ("mistralai/Mistral-7B-Instruct-v0.2", Some("mistral-7b-v0.2"), None),
            ("mistralai/Mixtral-8x7B-Instruct-v0.1", Some("mixtral-8x7b"), None),
            ("ggml-org/gemma-3-27b-it-GGUF:Q4_K_M", Some("gemma-3-27b"), Some("q4_k_m")),
            ("models/Qwen2.5-7B-Instruct-Q4_K_M.gguf", Some("qwen2.5-7b"), Some("q4_k_m")),
            ("Meta-Llama-3-8B.Q8_0.gguf", Some("llama-3-8b"), Some("q8_0")),
            ("RedHatAI/Llama-3.1-8B-Instruct-quantized.w4a16", Some("llama-3.1-8b"), Some("int4")),
            ("moonshotai/Kimi-K2-Thinking", None, None),
            ("models/7B/ggml-model.gguf", None, None),
        ] {
            let found = published(id, &known);
            assert_eq!((found.model.as_deref(), found.format.as_deref()), (model, format), "{id}");
        }
    }
}
