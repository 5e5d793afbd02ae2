//! Traces: files of requests in time, read as a stream, whatever their format.
//!
//! A file that starts with `{` holds one JSON object a line (Mooncake, vLLM's request log, plain); any other one is a
//! CSV whose header tells the columns (Azure, BurstGPT, lengths of Mooncake traces, plain). See `COLUMNS` for the
//! names. Lines are cut here and not by a CSV reader, because every message names its line and a torn last line is
//! told from a broken one; none of these formats quotes its fields.

use super::request::Request;
use super::source::Source;
use crate::diagnostic::Diagnostic;
use serde::Deserialize;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// The longest line that is read, bytes. A Mooncake line of a million tokens has 15 kB.
const LONGEST_LINE: u64 = 16 << 20;

/// The longest prompt or answer, tokens.
const MOST_TOKENS: u64 = 100_000_000;

/// Clock of a column of times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Clock {
    Seconds,
    Milliseconds,
    /// Milliseconds as Mooncake writes them, under a name that does not say so.
    Unnamed,
    /// Date and time of day, or seconds: BurstGPT and Azure share a name but for its case.
    Either,
}

/// Column names: time with its clock, prompt tokens, answer tokens.
const COLUMNS: &[(&str, Clock, &str, &str)] = &[
    ("timestamp", Clock::Either, "contexttokens", "generatedtokens"),
    ("timestamp", Clock::Either, "request tokens", "response tokens"),
    ("timestamp_ms", Clock::Milliseconds, "input_length", "output_length"),
    ("timestamp", Clock::Unnamed, "input_length", "output_length"),
    ("arrival_s", Clock::Seconds, "input_tokens", "output_tokens"),
];

/// How the lines of a file are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Json,
    /// Columns of time, input and output; whether an answer of no tokens marks a failed request (BurstGPT).
    Csv {
        time: usize,
        clock: Clock,
        input: usize,
        output: usize,
        fails: bool,
    },
}

/// A line of JSON: Mooncake's names, vLLM's, or plain ones.
#[derive(Deserialize)]
struct Line {
    #[serde(alias = "queued_ts")]
    arrival_s: Option<f64>,
    timestamp: Option<f64>,
    timestamp_ms: Option<f64>,
    #[serde(alias = "input_length", alias = "input_toks")]
    input_tokens: Option<f64>,
    #[serde(alias = "output_length", alias = "output_toks")]
    output_tokens: Option<f64>,
    #[serde(default)]
    hash_ids: Vec<u64>,
}

/// A trace that is being read.
pub struct Trace {
    reader: BufReader<Box<dyn Read + Send>>,
    name: String,
    format: Format,
    line: u64,
    text: Vec<u8>,
    /// Time of the first request in the file's clock, s.
    origin: Option<f64>,
    last: f64,
    /// Times are divided by this.
    speed: f64,
    next: Option<Request>,
    ended: bool,
    notes: Notes,
}

/// What was left out of a trace.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Notes {
    /// A last line that does not parse and lacks its newline.
    pub torn: u64,
    /// Requests the trace itself marks as failed.
    pub failed: u64,
    /// Its times are milliseconds because Mooncake's are, which have the same name; the column does not say so.
    pub taken_as_ms: bool,
}

impl Trace {
    /// Opens a file and reads its header. Time runs `speed` times as fast as in the file.
    ///
    /// # Errors
    /// When it cannot be read, is empty, or its header is of no known format.
    pub fn open(path: &Path, speed: f64) -> Result<Self, Diagnostic> {
        let name = path.display().to_string();
        let file = File::open(path).map_err(|e| Diagnostic::new(&name, format!("cannot read the trace: {e}")))?;
        Self::read(&name, Box::new(file), speed)
    }

    /// Reads a trace from anywhere; `name` is for messages.
    ///
    /// # Errors
    /// As [`Trace::open`].
    pub fn read(name: &str, reader: Box<dyn Read + Send>, speed: f64) -> Result<Self, Diagnostic> {
        let mut trace = Self {
            reader: BufReader::with_capacity(1 << 16, reader),
            name: name.to_owned(),
            format: Format::Json,
            line: 0,
            text: Vec::new(),
            origin: None,
            last: 0.0,
            speed,
            next: None,
            ended: false,
            notes: Notes::default(),
        };
        let head = trace.reader.fill_buf().map_err(|e| Diagnostic::new(name, format!("cannot read the trace: {e}")))?;
        let skipped = if head.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        let first = head[skipped..].iter().find(|b| !b.is_ascii_whitespace()).copied();
        trace.reader.consume(skipped);
        match first {
            None => return Err(Diagnostic::new(name, "the trace is empty").hint(KNOWN)),
            Some(b'{') => {}
            Some(_) => trace.header()?,
        }
        Ok(trace)
    }

    /// Requests and seconds from the first to the last of a whole file, as its own clock tells.
    ///
    /// # Errors
    /// As reading it.
    pub fn extent(path: &Path) -> Result<(u64, f64), Diagnostic> {
        let mut trace = Self::open(path, 1.0)?;
        let (mut requests, mut seconds) = (0, 0.0);
        while let Some(request) = trace.next()? {
            requests += 1;
            seconds = request.arrival;
        }
        Ok((requests, seconds))
    }

    /// How many requests a file may have, by its size and its first lines: for a progress bar.
    pub fn guess(path: &Path) -> u64 {
        let mut head = Vec::new();
        let Ok(file) = File::open(path) else { return 0 };
        let size = file.metadata().map_or(0, |m| m.len());
        if file.take(1 << 16).read_to_end(&mut head).is_err() {
            return 0;
        }
        let lines = head.iter().filter(|b| **b == b'\n').count() as u64;
        lines * size / (head.len() as u64).max(1)
    }

    /// What was left out so far.
    pub const fn notes(&self) -> Notes {
        self.notes
    }

    fn wrong(&self, message: impl std::fmt::Display) -> Diagnostic {
        let place = if self.line > 0 { format!("line {}: {message}", self.line) } else { message.to_string() };
        Diagnostic::new(&self.name, place)
    }

    /// Reads a line into the buffer. `None` at the end; else whether it ends in a newline.
    fn line(&mut self) -> Result<Option<bool>, Diagnostic> {
        self.text.clear();
        self.line += 1;
        let mut limited = (&mut self.reader).take(LONGEST_LINE);
        match limited.read_until(b'\n', &mut self.text) {
            Err(error) => Err(self.wrong(error)),
            Ok(0) => Ok(None),
            Ok(_) => {
                let whole = self.text.last() == Some(&b'\n');
                if !whole && self.text.len() as u64 == LONGEST_LINE {
                    return Err(self.wrong("the line is longer than 16 MiB").hint(KNOWN));
                }
                while self.text.last().is_some_and(|b| matches!(b, b'\n' | b'\r')) {
                    self.text.pop();
                }
                Ok(Some(whole))
            }
        }
    }

    fn header(&mut self) -> Result<(), Diagnostic> {
        self.line()?;
        let text = String::from_utf8_lossy(&self.text).to_lowercase();
        let names: Vec<&str> = text.split(',').map(str::trim).collect();
        let at = |name: &str| names.iter().position(|n| *n == name);
        let found = COLUMNS.iter().find_map(|(time, clock, input, output)| {
            let fails = *output == "response tokens";
            Some(Format::Csv { time: at(time)?, clock: *clock, input: at(input)?, output: at(output)?, fails })
        });
        self.format = found.ok_or_else(|| {
            let shown: String = text.chars().filter(|c| !c.is_control()).take(80).collect();
            self.wrong(format!("\"{shown}\" is no header of a known trace")).hint(KNOWN)
        })?;
        Ok(())
    }

    /// The next request of the file; `None` at its end.
    fn advance(&mut self) -> Result<Option<Request>, Diagnostic> {
        while !self.ended {
            let Some(whole) = self.line()? else { break };
            if self.text.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            match self.parse() {
                Ok(None) => self.notes.failed += 1,
                Ok(Some(request)) => return Ok(Some(request)),
                Err(_) if !whole => {
                    self.notes.torn += 1;
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        self.ended = true;
        match self.origin {
            None => Err(Diagnostic::new(&self.name, "the trace has no request").hint(KNOWN)),
            Some(_) => Ok(None),
        }
    }

    /// The request of the line in the buffer; `None` where the trace says it failed.
    fn parse(&mut self) -> Result<Option<Request>, Diagnostic> {
        let (at, input, output, blocks, fails) = match self.format {
            Format::Json => {
                let (parsed, named) = self.object()?;
                self.notes.taken_as_ms |= !named;
                parsed
            }
            Format::Csv { .. } => self.fields()?,
        };
        if !at.is_finite() {
            return Err(self.wrong("the time is not a finite number"));
        }
        if let Format::Csv { clock: Clock::Unnamed, .. } = self.format {
            self.notes.taken_as_ms = true;
        }
        if fails && output == 0 {
            return Ok(None);
        }
        let input = self.tokens(input, "the prompt")?;
        let output = self.tokens(output, "the answer")?;
        let origin = *self.origin.get_or_insert(at);
        let arrival = (at - origin) / self.speed;
        if arrival < self.last {
            let back = (self.last - arrival) * self.speed;
            return Err(self
                .wrong(format!("time goes backwards by {back:.6} s"))
                .hint("requests must be in the order of their arrival; sort the trace"));
        }
        self.last = arrival;
        Ok(Some(Request { arrival, input, output, blocks }))
    }

    fn tokens(&self, tokens: u64, what: &str) -> Result<u32, Diagnostic> {
        match u32::try_from(tokens) {
            Ok(0) => Err(self.wrong(format!("{what} has no tokens")).hint("a request has at least 1 token of each")),
            Ok(count) if tokens <= MOST_TOKENS => Ok(count),
            _ => Err(self.wrong(format!("{what} has {tokens} tokens")).hint("at most 100 million are believed")),
        }
    }

    /// A line of JSON, and whether the name of its time says the unit.
    fn object(&self) -> Result<(Parsed, bool), Diagnostic> {
        let line: Line = serde_json::from_slice(&self.text).map_err(|error| {
            let message = error.to_string();
            let plain = message.split(" at line ").next().unwrap_or_default();
            self.wrong(format!("column {}: {plain}", error.column())).hint(KNOWN)
        })?;
        let missing = |what: &str| self.wrong(format!("there is no {what}")).hint(KNOWN);
        let named = line.arrival_s.or(line.timestamp_ms.map(|ms| ms * 1e-3));
        let time = match (named, line.timestamp) {
            (Some(seconds), _) => Some(seconds),
            (None, Some(ms)) => Some(self.milliseconds(ms)?),
            (None, None) => None,
        };
        let whole = |tokens: Option<f64>, what: &str| match tokens {
            None => Err(missing(what)),
            Some(t) if t >= 0.0 && t.fract() == 0.0 && t < 9e15 => Ok(t as u64),
            Some(t) => Err(self.wrong(format!("{what} is {t}; a number of tokens is whole and not negative"))),
        };
        let input = whole(line.input_tokens, "input_length")?;
        let output = whole(line.output_tokens, "output_length")?;
        let time = time.ok_or_else(|| missing("timestamp"))?;
        Ok(((time, input, output, line.hash_ids.into_boxed_slice(), false), named.is_some()))
    }

    /// A time of Mooncake's `timestamp`, which are whole milliseconds, in s.
    fn milliseconds(&self, ms: f64) -> Result<f64, Diagnostic> {
        if ms.fract() != 0.0 {
            let message = format!("timestamp {ms} is no whole number of milliseconds, as Mooncake's are");
            return Err(self
                .wrong(message)
                .hint("name the column arrival_s where it is in seconds, timestamp_ms where not"));
        }
        Ok(ms * 1e-3)
    }

    fn fields(&self) -> Result<Parsed, Diagnostic> {
        let Format::Csv { time, clock, input, output, fails } = self.format else { return Ok(self.object()?.0) };
        let text = std::str::from_utf8(&self.text).map_err(|_| self.wrong("the line is no text"))?;
        let mut wanted = [None; 3];
        for (at, field) in text.split(',').enumerate() {
            for (slot, column) in [time, input, output].into_iter().enumerate() {
                if at == column {
                    wanted[slot] = Some(field.trim());
                }
            }
        }
        let [Some(at), Some(input), Some(output)] = wanted else {
            return Err(self.wrong("the line has fewer fields than the header"));
        };
        let whole = |field: &str| {
            field.parse::<u64>().map_err(|_| self.wrong(format!("\"{field}\" is not a number of tokens")))
        };
        let seconds = match (clock, at.parse::<f64>()) {
            (Clock::Unnamed, Ok(ms)) => Some(self.milliseconds(ms)?),
            _ => seconds(at, clock),
        };
        let seconds = seconds.ok_or_else(|| self.wrong(format!("\"{at}\" is not a time")))?;
        Ok((seconds, whole(input)?, whole(output)?, Box::default(), fails))
    }
}

/// Time in the file's clock, prompt tokens, answer tokens, names of blocks, whether no answer is a failure.
type Parsed = (f64, u64, u64, Box<[u64]>, bool);

const KNOWN: &str = "known are Mooncake JSONL (timestamp in ms, input_length, output_length, hash_ids), Azure CSV \
    (TIMESTAMP,ContextTokens,GeneratedTokens), BurstGPT CSV (Timestamp, Request tokens, Response tokens), vLLM request \
    logs, and JSONL or CSV with arrival_s, input_tokens, output_tokens";

fn seconds(text: &str, clock: Clock) -> Option<f64> {
    match clock {
        Clock::Seconds => text.parse().ok(),
        Clock::Milliseconds | Clock::Unnamed => text.parse::<f64>().ok().map(|ms| ms * 1e-3),
        Clock::Either if text.contains(':') => date(text),
        Clock::Either => text.parse().ok(),
    }
}

/// Seconds since 1970 of a date and a time of day; an offset from UTC is the same on all lines and left out.
fn date(text: &str) -> Option<f64> {
    let at: jiff::civil::DateTime = text.parse().ok()?;
    let moment = jiff::tz::TimeZone::UTC.to_timestamp(at).ok()?;
    // Whole seconds and the rest apart keep the nanoseconds of a date in an f64 of seconds within 0.2 us.
    Some(moment.as_second() as f64 + f64::from(moment.subsec_nanosecond()) * 1e-9)
}

impl Source for Trace {
    fn peek(&mut self) -> Result<Option<f64>, Diagnostic> {
        if self.next.is_none() && !self.ended {
            self.next = self.advance()?;
        }
        Ok(self.next.as_ref().map(|r| r.arrival))
    }

    fn next(&mut self) -> Result<Option<Request>, Diagnostic> {
        self.peek()?;
        Ok(self.next.take())
    }
}
