//! The header of a GGUF file: metadata and the list of tensors, read without the weights and within bounds.
//!
//! Layout: ggml's docs/gguf.md, versions 2 and 3, little-endian. Every count is checked against what the bytes that
//! follow can hold; long texts and arrays (vocabularies) are passed over, so that memory stays small whatever the file
//! claims.

use super::types::Kind;
use crate::diagnostic::Diagnostic;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

/// The longest header that is read, bytes. A vocabulary of 262,144 words with its merges takes about 16 MB.
const MOST_BYTES: u64 = 128 << 20;
/// The most metadata entries and tensors; real files have tens of the former and thousands of the latter.
const MOST_ENTRIES: u64 = 1 << 17;
/// The longest key or name; ggml allows 64 for names of tensors.
const MOST_NAME: u64 = 1 << 10;
/// The longest text of the metadata that is kept; chat templates are passed over.
const MOST_TEXT: u64 = 1 << 12;
/// The longest array of numbers that is kept: one value a layer.
const MOST_ARRAY: u64 = 1 << 12;
/// The most values of a tensor, and the longest of its sides.
const MOST_VALUES: u64 = 1 << 50;

/// A value of the metadata that is kept.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Whole number, or a truth value as 0 or 1.
    Whole(u64),
    /// Other numbers.
    Real(f64),
    /// Text.
    Text(String),
    /// Whole numbers, one a layer.
    List(Vec<u64>),
    /// There, but long or of no use here.
    Passed,
}

/// A tensor's description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    /// Its name.
    pub name: String,
    /// Lengths of its sides, the contiguous one first.
    pub sides: Vec<u64>,
    /// How its values are stored.
    pub kind: Kind,
}

impl Tensor {
    /// Values.
    pub fn values(&self) -> u64 {
        self.sides.iter().product()
    }

    /// Bytes they take.
    pub fn bytes(&self) -> u64 {
        self.values() / self.kind.block * self.kind.bytes
    }
}

/// Metadata and tensors.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    /// What to call the file in a message.
    pub file: String,
    /// Metadata by key.
    pub metadata: BTreeMap<String, Value>,
    /// Tensors in the file's order.
    pub tensors: Vec<Tensor>,
}

impl Header {
    /// Reads the header of a file.
    ///
    /// # Errors
    /// When it cannot be read, is no GGUF, is cut short or claims what cannot be.
    pub fn read(path: &Path) -> Result<Self, Diagnostic> {
        let file = path.display().to_string();
        let open = File::open(path).map_err(|error| {
            Diagnostic::new(&file, format!("the file cannot be read: {error}")).hint(crate::catalog::WAYS)
        })?;
        let mut bytes = Bytes { from: BufReader::new(open), left: MOST_BYTES };
        let (metadata, tensors) = bytes.header().map_err(|why| {
            Diagnostic::new(&file, why)
                .hint("a .gguf file begins with a header that describes it; this one is broken or cut short")
        })?;
        Ok(Self { file, metadata, tensors })
    }
}

/// The bytes of the header, counted.
struct Bytes<R> {
    from: R,
    left: u64,
}

type Parsed<T> = Result<T, String>;

impl<R: Read> Bytes<R> {
    fn header(&mut self) -> Parsed<(BTreeMap<String, Value>, Vec<Tensor>)> {
        if &self.take::<4>()? != b"GGUF" {
            return Err("this is no GGUF file: it does not begin with \"GGUF\"".into());
        }
        let version = self.u32()?;
        match version {
            2 | 3 => {}
            _ if version.swap_bytes() < 16 => return Err("the file is written big-endian, which is not read".into()),
            _ => return Err(format!("the file is of GGUF version {version}; versions 2 and 3 are read")),
        }
        let (tensors, entries) = (self.count("tensors")?, self.count("metadata entries")?);
        let mut metadata = BTreeMap::new();
        for _ in 0..entries {
            let key = self.name()?;
            let kind = self.u32()?;
            let value = self.value(kind, &key)?;
            if metadata.insert(key.clone(), value).is_some() {
                return Err(format!("the metadata has `{key}` twice"));
            }
        }
        let tensors = (0..tensors).map(|_| self.tensor()).collect::<Parsed<Vec<_>>>()?;
        Ok((metadata, tensors))
    }

    fn tensor(&mut self) -> Parsed<Tensor> {
        let name = self.name()?;
        let count = self.u32()?;
        if !(1..=4).contains(&count) {
            return Err(format!("the tensor `{name}` has {count} dimensions"));
        }
        let sides = (0..count).map(|_| self.u64()).collect::<Parsed<Vec<_>>>()?;
        let number = self.u32()?;
        let kind =
            Kind::of(number).ok_or_else(|| format!("the tensor `{name}` is of type {number}, which is not known"))?;
        self.u64()?;
        let values = sides.iter().try_fold(1_u64, |all, side| all.checked_mul(*side).filter(|n| *n <= MOST_VALUES));
        if sides.contains(&0) || values.is_none() || !sides[0].is_multiple_of(kind.block) {
            return Err(format!("the tensor `{name}` of {} cannot have the sides {sides:?}", kind.name));
        }
        Ok(Tensor { name, sides, kind })
    }

    fn value(&mut self, kind: u32, key: &str) -> Parsed<Value> {
        let whole = |number: i64| u64::try_from(number).map_or(Value::Real(number as f64), Value::Whole);
        Ok(match kind {
            0 | 7 => Value::Whole(u64::from(self.take::<1>()?[0])),
            1 => whole(i64::from(i8::from_le_bytes(self.take()?))),
            2 => Value::Whole(u64::from(u16::from_le_bytes(self.take()?))),
            3 => whole(i64::from(i16::from_le_bytes(self.take()?))),
            4 => Value::Whole(u64::from(self.u32()?)),
            5 => whole(i64::from(i32::from_le_bytes(self.take()?))),
            6 => Value::Real(f64::from(f32::from_le_bytes(self.take()?))),
            8 => self.text()?,
            9 => self.array(key)?,
            10 => Value::Whole(self.u64()?),
            11 => whole(i64::from_le_bytes(self.take()?)),
            12 => Value::Real(f64::from_le_bytes(self.take()?)),
            _ => return Err(format!("`{key}` is of type {kind}, which is not known")),
        })
    }

    fn array(&mut self, key: &str) -> Parsed<Value> {
        let (kind, count) = (self.u32()?, self.u64()?);
        let size: u64 = match kind {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            10..=12 => 8,
            8 => 8,
            9 => return Err(format!("`{key}` is an array of arrays, which no model needs")),
            _ => return Err(format!("`{key}` is an array of type {kind}, which is not known")),
        };
        let least = count.checked_mul(size).filter(|bytes| *bytes <= self.left);
        let Some(least) = least else {
            return Err(format!("`{key}` claims {count} values, more than a header can hold"));
        };
        if kind == 8 {
            for _ in 0..count {
                let length = self.u64()?;
                self.pass(length)?;
            }
            return Ok(Value::Passed);
        }
        if count > MOST_ARRAY || matches!(kind, 6 | 12) {
            self.pass(least)?;
            return Ok(Value::Passed);
        }
        let mut list = Vec::new();
        for _ in 0..count {
            match self.value(kind, key)? {
                Value::Whole(number) => list.push(number),
                // Negative numbers stand for nothing that is read.
                _ => list.push(0),
            }
        }
        Ok(Value::List(list))
    }

    fn text(&mut self) -> Parsed<Value> {
        let length = self.u64()?;
        if length > MOST_TEXT {
            self.pass(length)?;
            return Ok(Value::Passed);
        }
        self.exactly(length).map(|bytes| Value::Text(String::from_utf8_lossy(&bytes).into_owned()))
    }

    fn name(&mut self) -> Parsed<String> {
        let length = self.u64()?;
        if length > MOST_NAME {
            return Err(format!("a name claims {length} bytes"));
        }
        String::from_utf8(self.exactly(length)?).map_err(|_| "a name is not UTF-8".to_owned())
    }

    fn count(&mut self, what: &str) -> Parsed<u64> {
        match self.u64()? {
            count if count > MOST_ENTRIES => {
                Err(format!("the file claims {count} {what}; at most {MOST_ENTRIES} are believed"))
            }
            count => Ok(count),
        }
    }

    fn u32(&mut self) -> Parsed<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Parsed<u64> {
        self.take().map(u64::from_le_bytes)
    }

    fn take<const N: usize>(&mut self) -> Parsed<[u8; N]> {
        let mut bytes = [0; N];
        self.spend(N as u64)?;
        self.from.read_exact(&mut bytes).map_err(|_| "the header is cut short".to_owned())?;
        Ok(bytes)
    }

    fn exactly(&mut self, length: u64) -> Parsed<Vec<u8>> {
        self.spend(length)?;
        let mut bytes = Vec::new();
        self.from.by_ref().take(length).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        if bytes.len() as u64 == length { Ok(bytes) } else { Err("the header is cut short".into()) }
    }

    fn pass(&mut self, length: u64) -> Parsed<()> {
        self.spend(length)?;
        let passed = std::io::copy(&mut self.from.by_ref().take(length), &mut std::io::sink());
        match passed {
            Ok(passed) if passed == length => Ok(()),
            _ => Err("the header is cut short".into()),
        }
    }

    fn spend(&mut self, bytes: u64) -> Parsed<()> {
        self.left = self
            .left
            .checked_sub(bytes)
            .ok_or_else(|| format!("the header is longer than {} MiB, which no model needs", MOST_BYTES >> 20))?;
        Ok(())
    }
}
