//! The only place that prints: data to standard output and files, everything else to standard error.

use super::failure::{Failure, complain};
use super::options::Options;
use crate::report::{Format, Style};
use crate::run::{Row, Run};
use anstream::{AutoStream, ColorChoice};
use anyhow::Context as _;
use std::io::{ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};

/// Where a run goes, checked before anything is computed.
#[derive(Debug)]
pub struct Output {
    format: Format,
    files: Vec<(PathBuf, Format)>,
    style: Style,
    quiet: bool,
}

impl Output {
    /// Reads the formats off the file names.
    ///
    /// # Errors
    /// When a file name does not tell its format.
    pub fn new(options: &Options, toml: bool) -> Result<Self, Failure> {
        // Fitted constants and scenarios are no runs; their commands write them themselves.
        let runs = options.outputs.iter().filter(|path| !(toml && path.extension().is_some_and(|e| e == "toml")));
        let files: Result<Vec<_>, Failure> = runs.map(|path| Ok((path.clone(), format_of(path)?))).collect();
        let terminal = std::io::stdout().is_terminal();
        let width = terminal.then(terminal_width).flatten();
        let style = Style { color: color(options), width, all_columns: options.verbose };
        Ok(Self { format: options.format, files: files?, style, quiet: options.quiet })
    }

    /// Standard output is read by a person.
    pub fn is_for_people(&self) -> bool {
        matches!(self.format, Format::Table | Format::Md)
    }

    /// Writes the run to standard output, and every row of `details` to the files: what is too much for a screen.
    ///
    /// # Errors
    /// As [`Output::write`].
    pub fn write_with_details(&self, run: &Run, details: &[Row]) -> Result<(), Failure> {
        let all = Run { rows: details.to_vec(), ..run.clone() };
        self.write_files(|_| &all)?;
        print(&self.format.render(run, self.style)?)
    }

    /// Writes the run, and to documents and saved runs also what a report shows beside it.
    ///
    /// # Errors
    /// As [`Output::write`].
    pub fn write_with_evidence(
        &self,
        run: &Run,
        evidence: impl FnOnce() -> Result<Vec<Row>, Failure>,
    ) -> Result<(), Failure> {
        let documents = |format: &Format| matches!(format, Format::Html | Format::Svg | Format::Json);
        if self.files.iter().any(|(_, format)| documents(format)) {
            let mut full = run.clone();
            full.rows.extend(evidence()?);
            self.write_files(|format| if documents(&format) { &full } else { run })?;
        } else {
            self.write_files(|_| run)?;
        }
        print(&self.format.render(run, self.style)?)
    }

    /// Writes the run to the files and to standard output.
    ///
    /// # Errors
    /// When a file cannot be written, or the reader of standard output went away.
    pub fn write(&self, run: &Run) -> Result<(), Failure> {
        self.write_files(|_| run)?;
        print(&self.format.render(run, self.style)?)
    }

    fn write_files<'a>(&self, run: impl Fn(Format) -> &'a Run) -> Result<(), Failure> {
        for (path, format) in &self.files {
            let plain = Style { color: false, width: None, all_columns: true };
            save(path, &format.render(run(*format), plain)?)?;
            if !self.quiet {
                complain(&format!("wrote {}", path.display()));
            }
        }
        Ok(())
    }
}

/// The longest line of a table: none is wider than a terminal can show without scrolling.
fn terminal_width() -> Option<u16> {
    std::env::var("COLUMNS").ok()?.parse().ok().filter(|w| *w >= 40)
}

fn color(options: &Options) -> bool {
    wanted(options, || AutoStream::choice(&std::io::stdout()))
}

/// Whether messages on standard error may be coloured.
pub fn color_of_errors(options: &Options) -> bool {
    wanted(options, || AutoStream::choice(&std::io::stderr()))
}

/// What was asked for; where that is left open, what suits the stream.
fn wanted(options: &Options, stream: impl FnOnce() -> ColorChoice) -> bool {
    let choice = if options.color == ColorChoice::Auto { stream() } else { options.color };
    choice != ColorChoice::Never
}

fn format_of(path: &Path) -> Result<Format, Failure> {
    let extension = path.extension().map(|e| e.to_string_lossy().into_owned()).unwrap_or_default();
    Format::from_extension(&extension).ok_or_else(|| {
        Failure::Usage(format!(
            "-o {}: the extension tells the format; use .json, .jsonl, .csv, .md, .html or .svg",
            path.display()
        ))
    })
}

/// Temporary files are private by default; what is written is meant to be passed on, as far as the user's mask allows.
fn readable() -> tempfile::Builder<'static, 'static> {
    #[cfg_attr(not(unix), allow(unused_mut))]
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder
}

/// Writes a file so that a reader sees the old or the new text, never a part.
pub fn save(path: &Path, text: &str) -> Result<(), Failure> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || -> std::io::Result<()> {
        let mut file = readable().tempfile_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    Ok(write().with_context(|| format!("cannot write {}", path.display()))?)
}

/// Prints data. A closed pipe ends the program quietly.
///
/// # Errors
/// When standard output cannot be written.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Failure::ClosedPipe),
        Err(error) => Err(Failure::Operational(anyhow::Error::new(error).context("cannot write to standard output"))),
    }
}
