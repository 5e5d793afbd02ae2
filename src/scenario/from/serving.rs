//! What the flags of a server say, in the terms of a scenario.

use super::command::Server;
use super::flags::{Field, Flag, why};
use super::model::Served;
use super::problem::Problem;
use serde_json::Value;

/// A server as it is configured.
#[derive(Debug, Clone, Default)]
pub struct Serving {
    /// Ranks that share every matrix.
    pub tensor: Option<u64>,
    /// Stages.
    pub pipeline: Option<u64>,
    /// Ranks or replicas with their own requests.
    pub data: Option<u64>,
    /// Ranks over which experts are spread.
    pub experts: Option<u64>,
    /// Experts are spread over all ranks of an instance.
    pub spread_experts: bool,
    /// The data-parallel ranks are among the tensor-parallel ones.
    pub data_attention: bool,
    /// Most requests at a time.
    pub max_sequences: Option<u64>,
    /// Most tokens of a step.
    pub batch_tokens: Option<u64>,
    /// Most tokens of whole prompts in a step.
    pub prompt_tokens: Option<u64>,
    /// Share of the memory.
    pub memory_fraction: Option<f64>,
    /// Tokens of the cache.
    pub cache_tokens: Option<u64>,
    /// Format of the weights.
    pub weights: Option<String>,
    /// Format of the cache.
    pub cache: Option<String>,
    /// Format of the cached values, where it is given apart.
    pub cached_values: Option<String>,
    /// No captured graphs.
    pub eager: bool,
    /// Cached prompts are found again.
    pub prefix_cache: Option<bool>,
    /// Tokens guessed a step.
    pub guesses: Option<u64>,
    /// Guesses that rest on one another.
    pub depth: Option<u64>,
    /// Method of guessing.
    pub method: Option<String>,
    /// A draft model guesses.
    pub draft_model: bool,
    /// Most tokens of a prompt and its answer.
    pub max_length: Option<u64>,
    /// Tokens of an answer.
    pub answer: Option<u64>,
    /// Layers on the devices, where the others are on the host.
    pub device_layers: Option<u64>,
    /// All routed experts are on the host.
    pub host_experts: bool,
    /// Layers whose routed experts are on the host.
    pub host_expert_layers: Option<u64>,
    /// Attention in one kernel.
    pub flash_attention: Option<bool>,
    /// How llama.cpp divides a model among devices.
    pub division: Option<String>,
    /// Devices that llama.cpp is told of.
    pub devices: Option<u64>,
}

/// What became of a flag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meant {
    /// A field of the scenario has it.
    Used(String),
    /// No cost depends on it.
    NoCost(String),
    /// No field says it.
    NoField(String),
}

fn used(what: impl Into<String>) -> Result<Meant, Problem> {
    Ok(Meant::Used(what.into()))
}

fn no_cost(why: impl Into<String>) -> Result<Meant, Problem> {
    Ok(Meant::NoCost(why.into()))
}

fn no_field(why: impl Into<String>) -> Result<Meant, Problem> {
    Ok(Meant::NoField(why.into()))
}

impl Serving {
    /// Takes what a flag says.
    ///
    /// # Errors
    /// When its value is not what the server accepts.
    pub fn take(&mut self, server: Server, field: Field, flag: &Flag, model: &Served) -> Result<Meant, Problem> {
        match field {
            Field::Model | Field::Repository => used(format!("model.config = \"{}\"", model.config)),
            Field::Tensor | Field::Pipeline | Field::Data | Field::Experts | Field::SpreadExperts => {
                self.spread(field, flag)
            }
            Field::DataAttention => {
                self.data_attention = !flag.negated;
                if flag.value.is_some() {
                    self.data = Some(count(flag)?);
                }
                used("parallel.dp")
            }
            Field::MaxSequences if flag.value.as_deref() == Some("-1") => no_cost("as many as the engine chooses"),
            Field::MaxSequences => {
                self.max_sequences = Some(count(flag)?);
                used("limits.max_sequences")
            }
            Field::BatchTokens if server == Server::Sglang && flag.value.as_deref() == Some("-1") => {
                self.prompt_tokens = self.prompt_tokens.or(Some(SGLANG_PROMPT_TOKENS));
                used("limits.batch_tokens: prompts are not cut")
            }
            Field::BatchTokens => {
                self.batch_tokens = Some(count(flag)?);
                used("limits.batch_tokens")
            }
            Field::PromptTokens => {
                self.prompt_tokens = Some(count(flag)?);
                no_cost("a bound on steps of whole prompts, where they are not cut into chunks")
            }
            Field::MemoryFraction => {
                let share: f64 = parsed(flag, "a share such as 0.9")?;
                self.memory_fraction = Some(share);
                used("limits.memory_fraction")
            }
            Field::CacheTokens => {
                self.cache_tokens = Some(count(flag)?);
                used("scheduler.kv_tokens, by which `simulate` admits requests")
            }
            Field::Quantisation | Field::Kind => self.weights(field, flag, model),
            Field::Cache | Field::CachedValues => self.cache(field, flag),
            Field::Eager => {
                self.eager = !flag.negated;
                used(format!("limits.eager = {}", self.eager))
            }
            Field::PrefixCache | Field::NoPrefixCache => {
                let on = (field == Field::PrefixCache) != flag.negated;
                self.prefix_cache = Some(on);
                used(format!("scheduler.prefix_cache = {on}; what is found in it says workload.prefix_hit"))
            }
            Field::Chunks if flag.negated => no_field("the estimate cuts prompts into chunks"),
            Field::Chunks => no_cost("prompts are cut into chunks, as is estimated"),
            Field::Speculation => self.speculation(flag),
            Field::Method | Field::Guesses | Field::Depth | Field::Breadth | Field::DraftModel => {
                self.guessing(field, flag)
            }
            Field::MaxLength => {
                let own = matches!(flag.value.as_deref(), Some("auto" | "-1"));
                let tokens = if own { 0 } else { count(flag)? };
                self.max_length = Some(tokens).filter(|t| *t > 0);
                no_cost(why::LENGTH)
            }
            Field::Answer => {
                self.answer = flag.value.as_deref().and_then(|v| v.parse().ok()).filter(|n| *n > 0);
                match self.answer {
                    Some(_) => used("workload.output_tokens"),
                    None => no_cost("answers end by themselves"),
                }
            }
            Field::DeviceLayers => self.layers_on_device(flag, model),
            Field::HostExperts => {
                self.host_experts = true;
                used("offload.experts")
            }
            Field::HostExpertLayers => {
                self.host_expert_layers = Some(count(flag)?).filter(|n| *n > 0);
                used("offload.expert_layers")
            }
            Field::FlashAttention => {
                let off = matches!(flag.value.as_deref(), Some("off" | "0" | "false" | "disabled"));
                self.flash_attention = off.then_some(false);
                used("flash_attention")
            }
            Field::Division => {
                self.division.clone_from(&flag.value);
                used("parallel: by rows is tp, by layers pp")
            }
            Field::Shares | Field::Devices => self.listed_devices(flag),
        }
    }

    fn spread(&mut self, field: Field, flag: &Flag) -> Result<Meant, Problem> {
        match field {
            Field::Tensor => self.tensor = Some(count(flag)?),
            Field::Pipeline => self.pipeline = Some(count(flag)?),
            Field::Data => self.data = Some(count(flag)?),
            Field::Experts => self.experts = Some(count(flag)?),
            _ if flag.value.as_deref() == Some("none") => {
                return no_cost("experts exchange nothing besides the reduction");
            }
            _ => self.spread_experts = !flag.negated,
        }
        used(match field {
            Field::Tensor => "parallel.tp",
            Field::Pipeline => "parallel.pp",
            Field::Data => "parallel.dp, or replicas of a model without experts",
            _ => "parallel.ep",
        })
    }

    fn weights(&mut self, field: Field, flag: &Flag, model: &Served) -> Result<Meant, Problem> {
        let value = flag.value.as_deref().unwrap_or_default();
        if field == Field::Kind {
            return match value {
                "float" | "float32" => {
                    self.weights = self.weights.take().or_else(|| model.format.is_none().then(|| "f32".to_owned()));
                    used("model.precision = \"f32\"")
                }
                _ => no_cost("16 bit either way, of what is not quantised"),
            };
        }
        let Some((format, of_checkpoint)) = format_of(value) else {
            return match value {
                "auto" | "none" | "None" | "compressed-tensors" | "quark" | "gguf" => {
                    no_cost("the format is the checkpoint's own, as its name or its configuration tells")
                }
                other => no_field(format!("the quantisation `{other}` is not known")),
            };
        };
        // A checkpoint's name knows its bits better than the name of the method.
        let chosen = model.format.clone().filter(|_| of_checkpoint).unwrap_or_else(|| format.to_owned());
        let text = format!("model.precision = \"{chosen}\"");
        self.weights = Some(chosen);
        used(text)
    }

    fn cache(&mut self, field: Field, flag: &Flag) -> Result<Meant, Problem> {
        let value = flag.value.as_deref().unwrap_or_default().to_lowercase();
        let format = match value.as_str() {
            "auto" => return no_cost("as the checkpoint says; 16 bit where it says nothing"),
            "bfloat16" | "bf16" => "bf16",
            "float16" | "half" | "fp16" | "f16" => "f16",
            "fp4_e2m1" | "nvfp4" => "fp4",
            v if v.starts_with("fp8") => "fp8",
            v if is_word(v) => v,
            other => return no_field(format!("the format `{other}` of the cache is not known")),
        };
        let (own, name) = match field {
            Field::Cache => (&mut self.cache, "keys"),
            _ => (&mut self.cached_values, "values"),
        };
        *own = Some(format.to_owned());
        used(format!("model.kv_cache, for {name}"))
    }

    fn guessing(&mut self, field: Field, flag: &Flag) -> Result<Meant, Problem> {
        match field {
            Field::Method if flag.value.as_deref() == Some("none") => return no_cost("nothing is guessed"),
            Field::Method => self.method.clone_from(&flag.value),
            Field::Guesses => self.guesses = Some(count(flag)?),
            Field::Depth => self.depth = Some(count(flag)?),
            Field::Breadth if flag.value.as_deref() == Some("1") => {
                return no_cost("guesses are a chain, as is estimated");
            }
            Field::Breadth => return no_field("guesses are a tree, a scenario has a chain of them"),
            _ => self.draft_model = true,
        }
        used("draft")
    }

    /// vLLM's `--speculative-config`: a JSON object, or one of its keys behind a dot.
    fn speculation(&mut self, flag: &Flag) -> Result<Meant, Problem> {
        let value = flag.value.as_deref().unwrap_or_default();
        let object = match &flag.path {
            Some(key) => {
                let value = value.parse().map_or_else(|_| Value::from(value), |n: u64| Value::from(n));
                Value::from_iter([(key.clone(), value)])
            }
            None => serde_json::from_str(value).map_err(|e| {
                Problem::at(
                    value,
                    format!("this is no JSON: {e}"),
                    "quote the object for the shell: '{\"method\": \"mtp\"}'",
                )
            })?,
        };
        let keys = object.as_object().ok_or_else(|| Problem::at(value, "this is no JSON object", "write { ... }"))?;
        let mut left = Vec::new();
        for (key, value) in keys {
            match key.as_str() {
                "method" => self.method = value.as_str().map(str::to_owned),
                "num_speculative_tokens" => {
                    let number = value.as_u64().filter(|n| (1..=MOST_GUESSES).contains(n));
                    let wrong = || Problem::at(key, format!("{key} is {value}"), "write a number from 1");
                    self.guesses = Some(number.ok_or_else(wrong)?);
                }
                "model" => self.draft_model = true,
                other => left.push(other.to_owned()),
            }
        }
        match (left.len(), keys.len()) {
            (0, _) => used("draft"),
            (left, all) if left == all => no_field(why::GUESSING),
            _ => used(format!("draft; no field has {}", left.join(", "))),
        }
    }

    /// llama.cpp's `-ngl`: all layers, or some of them.
    fn layers_on_device(&mut self, flag: &Flag, model: &Served) -> Result<Meant, Problem> {
        let value = flag.value.as_deref().unwrap_or_default();
        // The output layer counts as one more; 99 is the usual way to write all of them.
        let all = |n: u64| n >= model.layers().map_or(99, |layers| layers.min(98) + 1);
        match value.parse::<u64>() {
            Ok(n) if !all(n) => {
                self.device_layers = Some(n);
                used("offload.gpu_layers")
            }
            Ok(_) => no_cost("all layers on the device, as is estimated"),
            Err(_) if matches!(value, "all" | "auto") || value.starts_with('-') => {
                no_cost("as many layers on the device as fit; that all do is estimated")
            }
            Err(_) => Err(Problem::at(&flag.typed, format!("`{value}` is no number of layers"), "write one, or all")),
        }
    }

    fn listed_devices(&mut self, flag: &Flag) -> Result<Meant, Problem> {
        let names: Vec<&str> =
            flag.value.as_deref().unwrap_or_default().split([',', '/']).filter(|n| !n.is_empty()).collect();
        if names == ["none"] {
            return no_field(why::HOST);
        }
        let idle = names.iter().filter(|n| n.parse::<f64>() == Ok(0.0)).count();
        self.devices = Some((names.len() - idle).max(1) as u64);
        let shares: Vec<&&str> = names.iter().filter(|n| n.parse::<f64>().is_ok_and(|v| v > 0.0)).collect();
        if shares.iter().any(|s| *s != shares[0]) {
            return no_field("devices share a model evenly; of the shares, only the number of devices is used");
        }
        used("count")
    }
}

/// Tokens of the prompts of a step where SGLang does not cut them (`max_prefill_tokens`).
const SGLANG_PROMPT_TOKENS: u64 = 16_384;
/// More guesses are no configuration of any engine.
const MOST_GUESSES: u64 = 1000;

/// The format of a method of quantisation, and whether the checkpoint is stored in it.
fn format_of(method: &str) -> Option<(&'static str, bool)> {
    Some(match method {
        "fp8" | "w8a8_fp8" | "modelopt" | "modelopt_fp8" | "fbgemm_fp8" | "ptpc_fp8" | "fp8_per_tensor"
        | "fp8_per_block" => ("fp8", false),
        "modelopt_fp4" | "nvfp4" | "petit_nvfp4" => ("fp4", false),
        "mxfp4" => ("mxfp4", false),
        "awq" | "awq_marlin" | "gptq" | "gptq_marlin" | "moe_wna16" | "auto-round" | "auto_round" => ("int4", true),
        // Its 4-bit kind is what both engines take where nothing else is said.
        "bitsandbytes" => ("int4", true),
        "w8a8_int8" | "experts_int8" => ("int8", false),
        _ => return None,
    })
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// A count, which may end in k or K as vLLM takes it: 8k is 8,000 and 8K 8,192.
fn count(flag: &Flag) -> Result<u64, Problem> {
    let text = flag.value.as_deref().unwrap_or_default();
    let unit = |suffix: char| match suffix {
        'k' => Some(1e3),
        'K' => Some(1024.0),
        'm' => Some(1e6),
        'M' => Some(1024.0 * 1024.0),
        _ => None,
    };
    let suffixed = || {
        let factor = unit(text.chars().last()?)?;
        let number: f64 = text[..text.len() - 1].parse().ok()?;
        Some((number * factor).round() as u64)
    };
    let value = text.parse::<u64>().ok().or_else(suffixed);
    value.ok_or_else(|| Problem::at(&flag.typed, format!("`{text}` is no count"), "write a whole number"))
}

fn parsed<T: std::str::FromStr>(flag: &Flag, what: &str) -> Result<T, Problem> {
    let text = flag.value.as_deref().unwrap_or_default();
    text.parse().map_err(|_| Problem::at(&flag.typed, format!("`{text}` is not {what}"), format!("write {what}")))
}
