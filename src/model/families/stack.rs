//! The layer that most models share: norms, softmax attention, and a feed-forward network or experts.
//!
//! What differs from class to class is said in [`Habits`]; all else comes from the file.

use super::anatomy::{Anatomy, HIDDEN, LAYERS, VOCAB};
use super::class::Said;
use super::experts::{Feeds, Moe};
use super::sight::{Sight, windows};
use crate::diagnostic::Diagnostic;
use crate::model::config::Config;
use crate::model::draft::{Draft, Heads, fold};
use crate::model::spec::{Part, Shard};

/// What a class does that its files do not say.
#[derive(Debug, Clone, Copy)]
pub struct Habits {
    /// Vectors of the width of the residual stream in the norms of a layer: one for a norm, two for one with a bias.
    pub norms: u64,
    /// The same after the last layer, and before the first.
    pub outer_norms: u64,
    /// Biases of the query, key and value projections.
    pub qkv_bias: Said,
    /// Bias of the output projection.
    pub out_bias: Said,
    /// Norms of queries and keys.
    pub head_norms: HeadNorms,
    /// A gate for every value that the heads put out.
    pub gated: bool,
    /// The feed-forward network.
    pub feed: Feed,
    /// Biases of the feed-forward network.
    pub feed_bias: Said,
    /// What of the past each layer sees.
    pub sight: Sight,
    /// Bias of the LM head.
    pub head_bias: Said,
    /// Table of learned positions: the names of its length, and rows it has beside.
    pub positions: Option<(&'static [&'static str], u64)>,
    /// Names of the number of layers for multi-token prediction.
    pub mtp: &'static [&'static str],
}

/// Norms of queries and keys with weights.
#[derive(Debug, Clone, Copy)]
pub enum HeadNorms {
    /// None.
    None,
    /// One vector of the length of a head for all query heads, one for all key heads.
    Each(Said),
    /// A vector for every head.
    PerHead(Said),
    /// Over all heads together, which needs a collective under tensor parallelism.
    Joint(Said),
}

/// The feed-forward half of a layer.
#[derive(Debug, Clone, Copy)]
pub enum Feed {
    /// Two projections up, one a gate, and one down.
    Gated,
    /// As [`Self::Gated`], with a norm before the projection down (BitNet).
    GatedNormed,
    /// One projection up and one down; four times as wide as the residual stream where the file does not say.
    Plain(&'static [&'static str]),
    /// Routed experts, in all layers or in some.
    Experts(Moe),
}

/// Two norms without bias, a gate, and nothing else.
pub const PLAIN: Habits = Habits {
    norms: 2,
    outer_norms: 1,
    qkv_bias: Said::No,
    out_bias: Said::No,
    head_norms: HeadNorms::None,
    gated: false,
    feed: Feed::Gated,
    feed_bias: Said::No,
    sight: Sight::All,
    head_bias: Said::No,
    positions: None,
    mtp: &[],
};

/// Reads a file by the habits of its class.
///
/// # Errors
/// When a field is missing or wrong.
pub fn stack(c: &Config<'_>, habits: &Habits) -> Result<Anatomy, Diagnostic> {
    let hidden = c.count_of(&HIDDEN)?;
    let heads = Heads::read(c, hidden)?;
    stack_of(c, habits, hidden, heads)
}

/// As [`stack`], for heads that the class reads in its own way.
///
/// # Errors
/// When a field is missing or wrong.
pub fn stack_of(c: &Config<'_>, habits: &Habits, hidden: u64, heads: Heads) -> Result<Anatomy, Diagnostic> {
    let layers = c.layers(&LAYERS)?;
    let windows = windows(c, layers, habits.sight)?;
    let attention = Attention::read(c, hidden, heads, habits)?;
    let feed = Network::read(c, hidden, layers, habits)?;
    let layer = |at: u64| {
        let draft = attention.add(Draft::with_norms(habits.norms * hidden));
        let window = windows.get(at as usize).copied().flatten();
        feed.add(at, hidden, draft.windowed(window)).layer()
    };
    let table = match habits.positions {
        Some((names, beside)) => hidden * (c.count_of(names)? + beside),
        None => 0,
    };
    let head_bias = if habits.head_bias.read(c)? { c.count_of(&VOCAB)? } else { 0 };
    Ok(Anatomy {
        hidden,
        layers: fold((0..layers).map(layer)),
        other_params: habits.outer_norms * hidden + head_bias,
        table_params: table,
        mtp_layers: mtp(c, habits.mtp)?,
        ..Anatomy::default()
    })
}

/// Layers for multi-token prediction, by whichever name there is.
///
/// # Errors
/// When it is no number, or two names disagree.
pub fn mtp(c: &Config<'_>, names: &[&str]) -> Result<u64, Diagnostic> {
    c.one_of(names)?.map_or(Ok(0), |name| c.number_or_zero(name))
}

/// Attention of one layer.
#[derive(Debug, Clone, Copy)]
pub struct Attention {
    hidden: u64,
    heads: Heads,
    small: u64,
    joint: bool,
    gated: bool,
}

impl Attention {
    /// Reads biases and norms.
    ///
    /// # Errors
    /// When a switch is neither true nor false.
    pub fn read(c: &Config<'_>, hidden: u64, heads: Heads, habits: &Habits) -> Result<Self, Diagnostic> {
        let biases = habits.qkv_bias.times(c, heads.qkv())? + habits.out_bias.times(c, hidden)?;
        let all = (heads.query + heads.kv) * heads.dim;
        let (norms, joint) = match habits.head_norms {
            HeadNorms::None => (0, false),
            HeadNorms::Each(said) => (said.times(c, 2 * heads.dim)?, false),
            HeadNorms::PerHead(said) => (said.times(c, all)?, false),
            HeadNorms::Joint(said) => (said.times(c, all)?, said.read(c)?),
        };
        Ok(Self { hidden, heads, small: biases + norms, joint, gated: habits.gated })
    }

    /// Adds it to a layer.
    pub fn add(&self, draft: Draft) -> Draft {
        let mut draft = draft.attention(self.hidden, self.heads).plus(self.small);
        if self.gated {
            draft = draft.linear("gate", Part::Attention, self.hidden, self.heads.output(), Shard::Columns);
        }
        if self.joint { draft.jointly_normed() } else { draft }
    }
}

/// The feed-forward half of the layers of a file.
enum Network {
    Gated { inter: u64, small: u64 },
    Plain { inter: u64, small: u64 },
    Experts(Feeds),
}

impl Network {
    fn read(c: &Config<'_>, hidden: u64, layers: u64, habits: &Habits) -> Result<Self, Diagnostic> {
        Ok(match habits.feed {
            Feed::Gated | Feed::GatedNormed => {
                let inter = c.count("intermediate_size")?;
                let norm = if matches!(habits.feed, Feed::GatedNormed) { inter } else { 0 };
                Self::Gated { inter, small: habits.feed_bias.times(c, 2 * inter + hidden)? + norm }
            }
            Feed::Plain(names) => {
                let inter = c.count_of_if(names)?.unwrap_or(4 * hidden);
                Self::Plain { inter, small: habits.feed_bias.times(c, inter + hidden)? }
            }
            Feed::Experts(moe) => Self::Experts(Feeds::read(c, hidden, layers, &moe)?),
        })
    }

    fn add(&self, at: u64, hidden: u64, draft: Draft) -> Draft {
        match self {
            Self::Gated { inter, small } => draft.gated(Part::Dense, hidden, *inter).plus(*small),
            Self::Plain { inter, small } => draft.plain(Part::Dense, hidden, *inter).plus(*small),
            Self::Experts(feeds) => feeds.add(at, draft),
        }
    }
}
