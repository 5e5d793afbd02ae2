//! What a layer of a hybrid does, by the names that lists of layers use.

use crate::diagnostic::Diagnostic;
use crate::model::config::Config;

/// Mixers of a list by name, as this class and older ones spell them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Softmax attention.
    Attention,
    /// The recurrence or convolution of the class.
    Recurrence,
    /// Experts alone.
    Experts,
    /// A feed-forward network alone.
    Dense,
}

impl Kind {
    /// The kind of a name or a letter.
    pub fn of(name: &str) -> Option<Self> {
        match name {
            "attention" | "full_attention" | "*" => Some(Self::Attention),
            "mamba" | "linear_attention" | "conv" | "M" => Some(Self::Recurrence),
            "moe" | "E" => Some(Self::Experts),
            "mlp" | "-" => Some(Self::Dense),
            _ => None,
        }
    }
}

/// Which of the two mixers each layer has, from the first of the lists that is there.
///
/// # Errors
/// When a list is too short, or has other entries.
pub fn mixers(c: &Config<'_>, layers: u64, names: &[&str]) -> Result<Option<Vec<Kind>>, Diagnostic> {
    let Some(key) = c.one_of(names)? else { return Ok(None) };
    let list = c.per_layer(key, layers)?.unwrap_or_default();
    let kinds: Vec<Kind> = list.iter().filter_map(|name| Kind::of(name)).collect();
    let both = |kind: &Kind| matches!(kind, Kind::Attention | Kind::Recurrence);
    if kinds.len() != list.len() || !kinds.iter().all(both) {
        return Err(c.wrong(key, "must hold attention and the recurrence of the class only"));
    }
    Ok(Some(kinds))
}
