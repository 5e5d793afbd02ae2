//! `report`: saved runs rendered again, nothing computed.

use super::args::ReportArgs;
use super::failure::Failure;
use super::output::Output;
use crate::run::{Run, SCHEMA};
use anyhow::Context as _;

/// Renders saved runs as one document: the first one's sentence leads, the others' follow as notes.
pub fn report(args: &ReportArgs, output: &Output) -> Result<(), Failure> {
    let mut runs = args.runs.iter().map(|path| -> Result<Run, Failure> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let run: Run = serde_json::from_str(&text)
            .map_err(|e| Failure::Usage(format!("{}: {e}; save a run with -o run.json", path.display())))?;
        if run.schema == SCHEMA {
            Ok(run)
        } else {
            Err(Failure::Usage(format!(
                "{}: its schema is {}, this version reads {SCHEMA}",
                path.display(),
                run.schema
            )))
        }
    });
    let mut first = runs.next().ok_or_else(|| Failure::Usage("name a saved run".to_owned()))??;
    for other in runs {
        let other = other?;
        first.notes.push(other.sentence);
        first.notes.extend(other.notes);
        first.rows.extend(other.rows);
        let new = |s: &String| !first.context.sources.contains(s);
        let sources: Vec<String> = other.context.sources.into_iter().filter(new).collect();
        first.context.sources.extend(sources);
    }
    output.write(&first)
}
