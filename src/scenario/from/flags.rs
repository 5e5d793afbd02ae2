//! Reads the flags of a server by its table: what takes a value, what it is an alias of, and what it means here.
//!
//! Nothing is dropped: a flag is a field of the scenario, changes no cost (with the reason), has no field (with what is
//! lost by that), or is not known.

use super::problem::Problem;

/// What a flag is followed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// Nothing: it switches.
    Nothing,
    /// One value.
    One,
    /// Values up to the next flag.
    Many,
    /// A value, where what follows is no flag.
    Maybe,
}

/// What a flag means here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Says {
    /// It is a field of a scenario.
    Field(Field),
    /// No token costs more or less by it, and why.
    NoCost(&'static str),
    /// It may change a cost, and no field of a scenario says it: why.
    NoField(&'static str),
}

/// Flags that mean the same: aliases of one field, or a group with one reason; names are parted by spaces.
pub struct Group {
    /// Names with their dashes.
    pub names: &'static str,
    /// What follows them.
    pub takes: Takes,
    /// What they mean.
    pub says: Says,
}

/// A flag that is a field.
pub const fn field(field: Field, takes: Takes, names: &'static str) -> Group {
    Group { names, takes, says: Says::Field(field) }
}

/// Flags that change no cost.
pub const fn no_cost(why: &'static str, takes: Takes, names: &'static str) -> Group {
    Group { names, takes, says: Says::NoCost(why) }
}

/// Flags that no field says.
pub const fn no_field(why: &'static str, takes: Takes, names: &'static str) -> Group {
    Group { names, takes, says: Says::NoField(why) }
}

/// What flags of several servers say alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// Which model.
    Model,
    /// A repository with a GGUF file of it.
    Repository,
    /// The draft model of speculative decoding.
    DraftModel,
    /// Ranks that share every matrix.
    Tensor,
    /// Stages.
    Pipeline,
    /// Ranks or replicas with their own requests.
    Data,
    /// Ranks over which experts are spread.
    Experts,
    /// Experts are spread over all ranks.
    SpreadExperts,
    /// Data-parallel attention inside the tensor-parallel ranks.
    DataAttention,
    /// Most requests at a time.
    MaxSequences,
    /// Most tokens of a step.
    BatchTokens,
    /// Most tokens of the prompts of a step, where prompts are not cut.
    PromptTokens,
    /// Share of the memory.
    MemoryFraction,
    /// Tokens of the cache.
    CacheTokens,
    /// Format of the weights.
    Quantisation,
    /// Format of what is not quantised.
    Kind,
    /// Format of the cache; of its keys, where values have their own.
    Cache,
    /// Format of the cached values.
    CachedValues,
    /// No captured graphs.
    Eager,
    /// Cached prompts are found again.
    PrefixCache,
    /// Cached prompts are not found again.
    NoPrefixCache,
    /// Prompts are cut into chunks.
    Chunks,
    /// Speculative decoding as a JSON object.
    Speculation,
    /// Its method.
    Method,
    /// Tokens guessed a step.
    Guesses,
    /// Guesses that rest on one another.
    Depth,
    /// Guesses at each place.
    Breadth,
    /// Tokens of a prompt and its answer.
    MaxLength,
    /// Tokens of an answer.
    Answer,
    /// Layers on the device.
    DeviceLayers,
    /// All routed experts on the host.
    HostExperts,
    /// Layers whose routed experts are on the host.
    HostExpertLayers,
    /// Attention in one kernel.
    FlashAttention,
    /// How a model is divided among devices.
    Division,
    /// Shares of the devices.
    Shares,
    /// Which devices.
    Devices,
}

/// A flag as it was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// With its value.
    pub typed: String,
    /// The value; the words of several, parted by spaces.
    pub value: Option<String>,
    /// The path behind a dot: `method` of `--speculative-config.method`.
    pub path: Option<String>,
    /// It began with `--no-`.
    pub negated: bool,
}

/// Flags that are fields, what is only listed, and what is no flag.
#[derive(Debug, Default)]
pub struct Read {
    /// In the order in which they were typed.
    pub fields: Vec<(Field, Flag)>,
    /// Flags that are no fields, with what they mean; `None` for unknown ones.
    pub others: Vec<(Option<Says>, Flag)>,
    /// Words that belong to no flag.
    pub words: Vec<String>,
}

/// Reads the words behind a server's name.
///
/// # Errors
/// When a flag that needs a value has none.
pub fn read(table: &'static [Group], words: &[String]) -> Result<Read, Problem> {
    let mut all = Read::default();
    let mut at = 0;
    while at < words.len() {
        let word = &words[at];
        at += 1;
        if !is_flag(word) {
            all.words.push(word.clone());
            continue;
        }
        let (name, glued) = glued(word);
        let found = find(table, name);
        let takes = match found {
            _ if glued.is_some() => Takes::Nothing,
            Some(Found { negated: true, .. }) => Takes::Nothing,
            Some(Found { group, .. }) => group.takes,
            None => Takes::Maybe,
        };
        let from = at;
        match takes {
            Takes::Nothing => {}
            Takes::One => match words.get(at) {
                Some(next) if !is_flag(next) || table.iter().all(|g| !g.names.split(' ').any(|n| n == next)) => at += 1,
                _ => return Err(Problem::at(name, format!("{name} has no value"), "write it behind the flag")),
            },
            Takes::Maybe => at += usize::from(words.get(at).is_some_and(|next| !is_flag(next))),
            Takes::Many => at += words[at..].iter().take_while(|next| !is_flag(next)).count(),
        }
        let values = &words[from..at];
        let value = glued.clone().or_else(|| (!values.is_empty()).then(|| values.join(" ")));
        let typed =
            std::iter::once(word.as_str()).chain(values.iter().map(String::as_str)).collect::<Vec<_>>().join(" ");
        let path = found.as_ref().and_then(|f| f.path.clone());
        let flag = Flag { typed, value, path, negated: found.as_ref().is_some_and(|f| f.negated) };
        match found.map(|f| f.group.says) {
            Some(Says::Field(field)) => all.fields.push((field, flag)),
            other => all.others.push((other, flag)),
        }
    }
    Ok(all)
}

/// A name and the value that is glued to it, as in `--tp=8` and `-O3`.
fn glued(word: &str) -> (&str, Option<String>) {
    match word.strip_prefix("-O") {
        Some(level) if !level.is_empty() && level.bytes().all(|b| b.is_ascii_digit()) => ("-O", Some(level.to_owned())),
        _ => word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value.to_owned()))),
    }
}

/// A word that begins with a dash and is no negative number.
pub fn is_flag(word: &str) -> bool {
    word.strip_prefix('-').is_some_and(|rest| rest.starts_with(|c: char| c == '-' || c.is_ascii_alphabetic()))
}

struct Found {
    group: &'static Group,
    path: Option<String>,
    negated: bool,
}

/// A flag by its name, by what stands in front of a dot, behind `--no-`, or by a beginning that only one flag has, as
/// Python's argparse takes it. Underscores are dashes.
fn find(table: &'static [Group], name: &str) -> Option<Found> {
    let (front, path) = match name.split_once('.') {
        Some((front, path)) => (front, Some(path.to_owned())),
        None => (name, None),
    };
    let front = if front.starts_with("--") { front.replace('_', "-") } else { front.to_owned() };
    let named = |wanted: &str| table.iter().find(|g| g.names.split(' ').any(|n| n.replace('_', "-") == wanted));
    if let Some(group) = named(&front).or_else(|| table.iter().find(|g| g.names.split(' ').any(|n| n == front))) {
        return Some(Found { group, path, negated: false });
    }
    if let Some(group) = front.strip_prefix("--no-").and_then(|rest| named(&format!("--{rest}"))) {
        return Some(Found { group, path, negated: true });
    }
    if front.len() < 4 || !front.starts_with("--") {
        return None;
    }
    let mut begun = table.iter().filter(|g| g.names.split(' ').any(|n| n.replace('_', "-").starts_with(&front)));
    match (begun.next(), begun.next()) {
        (Some(group), None) => Some(Found { group, path, negated: false }),
        _ => None,
    }
}

/// Reasons that flags of several servers share.
pub mod why {
    /// Addresses, keys, certificates.
    pub const PLACE: &str = "where it listens and who may ask";
    /// Logs, metrics, traces.
    pub const LOGS: &str = "what it logs and counts";
    /// Templates, parsers, names.
    pub const FORM: &str = "the form of requests and answers";
    /// Files and their loading.
    pub const LOADING: &str = "how the model is found and loaded";
    /// Nodes, workers, timeouts.
    pub const START: &str = "how its processes start and find each other";
    /// Sampling of tokens.
    pub const SAMPLING: &str = "how tokens are drawn";
    /// Length of requests.
    pub const LENGTH: &str = "an upper bound; how long requests are says the workload";
    /// Choice of kernels.
    pub const KERNELS: &str = "which kernels run: speeds are those of the engine's own choice, `speed` scales them";
    /// Graphs and compilation.
    pub const GRAPHS: &str = "which steps are captured or compiled: the estimate assumes the engine's defaults";
    /// Pictures and sound.
    pub const PICTURES: &str = "of pictures and sound nothing is estimated, only the text";
    /// Host memory.
    pub const HOST: &str = "what lies in the host's memory or on its processor has no field";
    /// Cache policy.
    pub const CACHE: &str = "how the cache is kept has no field; what is found in it says workload.prefix_hit";
    /// Scheduling.
    pub const SCHEDULE: &str = "the order of prompts and steps has no field: the engine's default is assumed";
    /// LoRA.
    pub const ADAPTERS: &str = "adapters beside the model are not estimated";
    /// Context parallelism.
    pub const CONTEXT: &str = "sequences spread over devices have no field";
    /// Experts.
    pub const EXPERTS: &str = "how experts are placed and balanced has no field: the usual imbalance is assumed";
    /// Overlap.
    pub const OVERLAP: &str = "how communication overlaps has no field: the engine's default is assumed";
    /// Pools.
    pub const POOLS: &str = "one server of several: a scenario's contender has `prefill` and `decode` pools for them";
    /// Changed configuration.
    pub const OVERRIDE: &str = "changes the model's configuration: give a copy of its config.json instead";
    /// Speculation details.
    pub const GUESSING: &str = "of guessing, a scenario has how many and how often they are right";
    /// Files of flags.
    pub const UNREAD: &str = "a file of more flags, which is not read: give its lines as flags";
    /// Other kinds of models and modes.
    pub const OTHER: &str = "changes what is computed in a way that is not estimated";
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[Group] = &[
        field(Field::Tensor, Takes::One, "--tensor-parallel-size -tp"),
        field(Field::Speculation, Takes::One, "--speculative-config -sc"),
        field(Field::PrefixCache, Takes::Nothing, "--enable-prefix-caching"),
        no_cost(why::PLACE, Takes::One, "--host --port"),
        no_cost(why::FORM, Takes::Many, "--served-model-name"),
    ];

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn every_spelling_of_a_flag_is_read() {
        let text = "org/model -tp 8 --tensor_parallel_size=4 --tensor-par 2 --no-enable-prefix-caching \
                    --speculative-config.num_speculative_tokens 1 --served-model-name a b --port 80 --what 3 -x";
        let all = read(TABLE, &words(text)).expect("flags");
        let values: Vec<_> = all.fields.iter().map(|(f, flag)| (*f, flag.value.as_deref(), flag.negated)).collect();
        assert_eq!(
            values,
            [
                (Field::Tensor, Some("8"), false),
                (Field::Tensor, Some("4"), false),
                (Field::Tensor, Some("2"), false),
                (Field::PrefixCache, None, true),
                (Field::Speculation, Some("1"), false),
            ]
        );
        assert_eq!(all.fields[4].1.path.as_deref(), Some("num_speculative_tokens"));
        let others: Vec<_> = all.others.iter().map(|(says, flag)| (says.is_some(), flag.typed.as_str())).collect();
        assert_eq!(
            others,
            [(true, "--served-model-name a b"), (true, "--port 80"), (false, "--what 3"), (false, "-x")]
        );
        assert_eq!(all.words, ["org/model"]);
        assert!(read(TABLE, &words("m -tp --port 8")).is_err(), "a flag is no value");
        assert_eq!(read(TABLE, &words("-tp -1")).expect("a number").fields[0].1.value.as_deref(), Some("-1"));
    }
}
