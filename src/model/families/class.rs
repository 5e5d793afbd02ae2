//! A class of models: what its files leave unsaid.
//!
//! Names and defaults are those of the configuration classes in transformers 5.24.0 (`configuration_*.py`) unless a
//! class says otherwise; shapes are those of the modelling code beside them (`modeling_*.py`).

use super::anatomy::Anatomy;
use crate::diagnostic::Diagnostic;
use crate::model::config::Config;

/// Models that are built alike.
pub struct Class {
    /// Entries of `architectures` that mean this class.
    pub architectures: &'static [&'static str],
    /// Values of `model_type` that mean this class.
    pub types: &'static [&'static str],
    /// Values of fields that a file may leave out, a JSON object.
    pub defaults: &'static str,
    /// Sizes that only the text part of a larger file may leave out, a JSON object. A file that describes nothing but
    /// a language model and has no sizes is taken to be cut short.
    pub nested: &'static str,
    /// Fields without a meaning for shapes in this class, though they have one in others.
    pub unused: &'static [&'static str],
    /// Fields that have one value in every file of the class, as JSON: another value means another model.
    pub fixed: &'static [(&'static str, &'static str)],
    /// From fields to layers.
    pub read: fn(&Config<'_>) -> Result<Anatomy, Diagnostic>,
}

/// A class whose text part gives its sizes, and whose fields all matter.
pub const fn class(
    architectures: &'static [&'static str],
    types: &'static [&'static str],
    defaults: &'static str,
    read: fn(&Config<'_>) -> Result<Anatomy, Diagnostic>,
) -> Class {
    Class { architectures, types, defaults, nested: "{}", unused: &[], fixed: &[], read }
}

impl Class {
    /// With sizes that a text part may leave out.
    #[must_use]
    pub const fn nested(self, nested: &'static str) -> Self {
        Self { nested, ..self }
    }

    /// With fields that mean nothing for its shapes.
    #[must_use]
    pub const fn unused(self, unused: &'static [&'static str]) -> Self {
        Self { unused, ..self }
    }

    /// With fields that may have one value only.
    #[must_use]
    pub const fn fixed(self, fixed: &'static [(&'static str, &'static str)]) -> Self {
        Self { fixed, ..self }
    }
}

/// Whether something is there: by the class, or by a switch of the file, off where the class has no default.
#[derive(Debug, Clone, Copy)]
pub enum Said {
    /// The class has none.
    No,
    /// The class always has it.
    Yes,
    /// The file says.
    By(&'static str),
}

impl Said {
    /// The answer for a file.
    ///
    /// # Errors
    /// When the switch is neither true nor false.
    pub fn read(self, c: &Config<'_>) -> Result<bool, Diagnostic> {
        match self {
            Self::No => Ok(false),
            Self::Yes => Ok(true),
            Self::By(key) => Ok(c.flag(key)?.unwrap_or(false)),
        }
    }

    /// A number of parameters where it is there, else none.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn times(self, c: &Config<'_>, params: u64) -> Result<u64, Diagnostic> {
        Ok(if self.read(c)? { params } else { 0 })
    }
}
