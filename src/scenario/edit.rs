//! `--set path=value`: an edit of the scenario's text before it is read, so that one parser judges both.
//!
//! A path names tables by key and contenders by name: `contender.weaker.count=64`, `model.precision=fp8`; `contender.*`
//! is every contender that runs on devices.

use crate::diagnostic::Diagnostic;
use std::ops::Range;
use toml_edit::{ArrayOfTables, Document, DocumentMut, Item, Table, TableLike, Value};

/// Applies `path=value` edits in order and returns the edited text.
///
/// The value is TOML (`64`, `[1, 2]`, `{ tp = 8 }`); anything else is taken as a string, so units need no quotes.
pub fn apply(file: &str, text: &str, edits: &[String]) -> Result<String, Diagnostic> {
    if edits.is_empty() {
        return Ok(text.to_owned());
    }
    let mut document: DocumentMut = text.parse().map_err(|e| syntax(file, text, &e))?;
    for edit in edits {
        let (path, value) = edit
            .split_once('=')
            .ok_or_else(|| plain(file, format!("--set {edit}: there is no \"=\"; write --set path=value")))?;
        for path in every(&document, path.trim()) {
            set(document.as_table_mut(), &path, value.trim())
                .map_err(|why| plain(file, format!("--set {edit}: {why}")))?;
        }
    }
    Ok(document.to_string())
}

/// The paths that are meant: of `list.*.key` one for every entry of the list that runs on devices.
fn every(document: &DocumentMut, path: &str) -> Vec<String> {
    let Some((list, key)) = path.split_once(".*.") else { return vec![path.to_owned()] };
    let all = document.get(list).and_then(Item::as_array_of_tables);
    let devices = all.into_iter().flatten().filter(|table| table.contains_key("device"));
    devices.map(|table| format!("{list}.{}.{key}", name_of(table))).collect()
}

fn syntax(file: &str, text: &str, error: &toml_edit::TomlError) -> Diagnostic {
    let plain = Diagnostic::new(file, error.message());
    match error.span() {
        Some(span) => plain.at(text, span),
        None => plain,
    }
}

fn plain(file: &str, message: String) -> Diagnostic {
    Diagnostic::new(file, message).hint("tables are named by key, contenders by name: --set contender.weaker.count=64")
}

fn set(root: &mut Table, path: &str, value: &str) -> Result<(), String> {
    let keys: Vec<&str> = path.split('.').collect();
    let Some((last, tables)) = keys.split_last().filter(|_| keys.iter().all(|k| !k.is_empty())) else {
        return Err("the path has an empty part".to_owned());
    };
    let mut table: &mut dyn TableLike = root;
    let mut at = 0;
    while at < tables.len() {
        let key = tables[at];
        let item = table.entry(key).or_insert_with(|| Item::Table(Table::new()));
        if let Item::ArrayOfTables(all) = item {
            let name = tables.get(at + 1).ok_or_else(|| format!("\"{key}\" is a list: name the one that is meant"))?;
            table = named(all, name)?;
            at += 2;
        } else {
            table = item.as_table_like_mut().ok_or_else(|| format!("\"{key}\" is a value, not a table"))?;
            at += 1;
        }
    }
    let value: Value = value.parse().unwrap_or_else(|_| Value::from(value));
    table.insert(last, Item::Value(value));
    Ok(())
}

fn named<'a>(all: &'a mut ArrayOfTables, name: &str) -> Result<&'a mut Table, String> {
    let names: Vec<String> = all.iter().map(|t| name_of(t).to_owned()).collect();
    let at = names
        .iter()
        .position(|n| n == name)
        .ok_or_else(|| format!("there is no contender \"{name}\"; there are {}", names.join(", ")))?;
    all.get_mut(at).ok_or_else(|| "the list is empty".to_owned())
}

fn name_of(table: &Table) -> &str {
    table.get("name").and_then(Item::as_str).unwrap_or("")
}

/// Where in the text the value at `path` stands, for the caret of an error: `contender.2.parallel` counts from 0.
///
/// Falls back to the nearest table that does exist, so that a missing key points at where it belongs.
pub fn locate(text: &str, path: &str) -> Option<Range<usize>> {
    let document = Document::parse(text).ok()?;
    let mut item = document.as_item();
    let mut found = None;
    for key in path.split('.') {
        let next = match (item, key.parse::<usize>()) {
            (Item::ArrayOfTables(all), Ok(index)) => {
                let table = all.get(index)?;
                found = table.span().or(found);
                // A table item cannot be borrowed out of an array of tables: walk on inside it.
                return locate_in(table, &path[path.find(key)? + key.len()..]).or(found);
            }
            _ => item.get(key),
        };
        let Some(next) = next else { break };
        found = next.span().or(found);
        item = next;
    }
    found
}

fn locate_in(table: &Table, rest: &str) -> Option<Range<usize>> {
    let mut keys = rest.split('.').filter(|k| !k.is_empty());
    let mut item = table.get(keys.next()?)?;
    let mut found = item.span();
    for key in keys {
        let Some(next) = item.get(key) else { break };
        found = next.span().or(found);
        item = next;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "name = \"x\"\n[model]\nconfig = \"m\"\n[[contender]]\nname = \"weaker\"\ncount = 1\nparallel = { tp = 8 }\n";

    #[test]
    fn sets_values_by_name_and_creates_tables() {
        let edits = ["contender.weaker.count=64", "objective.tpot=50 ms", "model.config=llama"].map(String::from);
        let text = apply("s.toml", TEXT, &edits).unwrap_or_default();
        assert!(
            text.contains("count = 64") && text.contains("tpot = \"50 ms\"") && text.contains("config = \"llama\""),
            "{text}"
        );
    }

    #[test]
    fn a_star_is_every_contender_with_a_device() {
        let text = "[[contender]]\nname = \"a\"\ndevice = \"d\"\n[[contender]]\nname = \"b\"\napi = {}\n";
        let edited = apply("s.toml", text, &["contender.*.count=auto".to_owned()]).unwrap_or_default();
        assert_eq!(edited.matches("count = \"auto\"").count(), 1, "{edited}");
    }

    #[test]
    fn says_what_a_wrong_path_should_have_been() {
        for bad in ["contender.stronger.count=1", "contender.count=1", "name.x=1", "count", ".=1"] {
            assert!(apply("s.toml", TEXT, &[bad.to_owned()]).is_err(), "{bad} was accepted");
        }
    }

    #[test]
    fn locates_values_and_the_nearest_table_of_missing_ones() {
        let at = |path| locate(TEXT, path).map(|r| &TEXT[r]);
        assert_eq!(at("model.config"), Some("\"m\""));
        assert_eq!(at("contender.0.parallel.tp"), Some("8"));
        assert_eq!(at("contender.0.parallel.dp"), Some("{ tp = 8 }"));
        assert!(at("contender.0.price").is_some_and(|t| t.starts_with("[[contender]]")));
    }
}
