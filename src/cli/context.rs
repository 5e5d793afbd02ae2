//! Where, when and on what a run is made.

use crate::run::{Context, Run, SCHEMA, rows};
use fnv::FnvHasher;
use serde::Serialize;
use std::hash::Hasher;

/// The context of this process.
pub fn here() -> Context {
    Context {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: option_env!("UNDERDOG_COMMIT").map(str::to_owned),
        command_line: std::env::args().collect(),
        host: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        adapter: None,
        time: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        seed: None,
        scenario_hash: None,
        sources: Vec::new(),
    }
}

/// A name for a text that changes when the text does: FNV-1a, the same on every platform and in every version.
pub fn hash(text: &str) -> String {
    let mut hasher = FnvHasher::default();
    hasher.write(text.as_bytes());
    format!("{:016x}", hasher.finish())
}

/// A finished run of a command.
///
/// # Errors
/// When a row is no flat object.
pub fn finished<T: Serialize>(
    command: &str,
    context: Context,
    sentence: String,
    notes: Vec<String>,
    typed: &[T],
) -> Result<Run, serde_json::Error> {
    Ok(Run { schema: SCHEMA.to_owned(), command: command.to_owned(), context, sentence, notes, rows: rows(typed)? })
}

#[cfg(test)]
mod tests {
    use super::hash;

    /// Saved runs are compared by it, so it must not change with the compiler. The value is FNV-1a's own test vector.
    #[test]
    fn the_hash_of_a_text_is_the_same_everywhere() {
        assert_eq!(hash("foobar"), "85944171f73967e8");
    }
}
