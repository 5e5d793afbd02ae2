//! A finished run: what every command answers with, and what every report is made of.
//!
//! The file format is one contract for all commands: `schema`, `command`, `context`, `sentence` and `rows`, flat
//! objects whose names carry their unit. A number that does not exist is absent. The bytes of `rows` are
//! reproducible; `context` is not.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The version of the file format.
pub const SCHEMA: &str = "underdog.run/1";

/// One flat row; values are text, numbers and booleans.
pub type Row = Map<String, Value>;

/// A finished run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// [`SCHEMA`].
    pub schema: String,
    /// The command that ran, such as `compare`.
    pub command: String,
    /// Where, when and on what it ran.
    pub context: Context,
    /// The answer in one sentence.
    pub sentence: String,
    /// What a reader should know before using the numbers.
    pub notes: Vec<String>,
    /// The numbers.
    pub rows: Vec<Row>,
}

/// Where, when and on what a run was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Context {
    /// Version of this program.
    pub version: String,
    /// Commit it was built from, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The command line.
    pub command_line: Vec<String>,
    /// Operating system and architecture.
    pub host: String,
    /// The adapter that was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adapter: Option<String>,
    /// Start of the run, UTC, RFC 3339.
    pub time: String,
    /// Seed of everything random.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Hash of the scenario's text as it was run, edits included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scenario_hash: Option<String>,
    /// Where the numbers come from: data sheets, price lists, profiles.
    pub sources: Vec<String>,
}

/// Flattens typed rows. A field that is no text, number or boolean is a mistake of the caller's row type.
///
/// # Errors
/// When a row does not serialise to a flat object.
pub fn rows<T: Serialize>(typed: &[T]) -> Result<Vec<Row>, serde_json::Error> {
    typed
        .iter()
        .map(|row| match serde_json::to_value(row)? {
            Value::Object(mut map) => {
                // serde_json writes a float that is not finite as null: such a number does not exist.
                map.retain(|_, value| !value.is_null());
                match map.iter().find(|(_, value)| value.is_array() || value.is_object()) {
                    Some((field, _)) => {
                        Err(serde::ser::Error::custom(format!("the field {field} of a row is not flat")))
                    }
                    None => Ok(map),
                }
            }
            other => Err(serde::ser::Error::custom(format!("a row must be an object, not {other}"))),
        })
        .collect()
}

/// Typed rows made flat, each marked with its kind.
///
/// # Errors
/// When a row does not serialise to a flat object.
pub fn kinded<T: Serialize>(kind: &str, typed: &[T]) -> Result<Vec<Row>, serde_json::Error> {
    let mark = |row: Row| std::iter::once(("kind".to_owned(), kind.into())).chain(row).collect();
    Ok(rows(typed)?.into_iter().map(mark).collect())
}
