//! What of the past each layer sees: windows and the lists that say which layers have one.

use crate::diagnostic::Diagnostic;
use crate::model::config::Config;
use crate::model::draft::sliding;
use crate::model::spec::Window;

/// How the files of a class say which layers have a window. A list `layer_types` goes before any rule.
#[derive(Debug, Clone, Copy)]
pub enum Sight {
    /// Every layer sees everything.
    All,
    /// Every layer has the window of `sliding_window`, where there is one.
    Sliding,
    /// Qwen: `use_sliding_window`, then the layers from `max_window_layers` on.
    Switched,
    /// A window everywhere but in every so many-th layer; the number stands in `sliding_window_pattern`.
    Every,
    /// Chunks everywhere but in every so many-th layer, as Llama 4 has.
    Chunked(u64),
}

/// Names of the length of the window.
const WINDOW: [&str; 2] = ["sliding_window", "sliding_window_size"];

/// The window of each layer.
///
/// # Errors
/// When a field is missing, wrong or contradicts another.
pub fn windows(c: &Config<'_>, layers: u64, sight: Sight) -> Result<Vec<Option<Window>>, Diagnostic> {
    let list = c.per_layer("layer_types", layers)?;
    let limited = limited(c, layers, sight, list.as_deref())?;
    if !limited.contains(&true) {
        if let Sight::Sliding | Sight::Switched | Sight::Every = sight {
            c.unused(&WINDOW);
            c.unused(&["max_window_layers", "sliding_window_pattern", "global_attn_every_n_layers"]);
        }
        return Ok(vec![None; layers as usize]);
    }
    let window = match sight {
        Sight::Chunked(_) => Window { tokens: c.count("attention_chunk_size")?, chunked: true },
        _ => sliding(c.tokens(c.one_of(&WINDOW)?.unwrap_or(WINDOW[0])).ok_or_else(|| c.missing(WINDOW[0]))?),
    };
    Ok(limited.into_iter().map(|limited| limited.then_some(window)).collect())
}

fn limited(c: &Config<'_>, layers: u64, sight: Sight, list: Option<&[String]>) -> Result<Vec<bool>, Diagnostic> {
    if let Some(list) = list {
        let kind = if matches!(sight, Sight::Chunked(_)) { "chunked_attention" } else { "sliding_attention" };
        c.unused(&["use_sliding_window", "max_window_layers", "sliding_window_pattern", "_sliding_window_pattern"]);
        c.unused(&["global_attn_every_n_layers"]);
        let known = |name: &String| name == "full_attention" || (name == kind && !matches!(sight, Sight::All));
        if !list.iter().all(known) {
            let other = if matches!(sight, Sight::All) { "" } else { &format!(" and {kind}") };
            return Err(c.wrong("layer_types", &format!("must hold full_attention{other} only")));
        }
        return Ok(list.iter().map(|name| name == kind).collect());
    }
    let each = |rule: &dyn Fn(u64) -> bool| (0..layers).map(rule).collect::<Vec<_>>();
    Ok(match sight {
        Sight::All => each(&|_| false),
        Sight::Sliding => {
            let there = c.has("sliding_window");
            each(&|_| there)
        }
        Sight::Switched => {
            let on = c.flag("use_sliding_window")?.unwrap_or(false) && c.has("sliding_window");
            let full = if on { c.number_or_zero("max_window_layers")? } else { layers };
            each(&|at| on && at >= full)
        }
        Sight::Every => every(c, layers)?,
        Sight::Chunked(pattern) => each(&|at| (at + 1) % pattern != 0),
    })
}

/// A number, or the pattern spelled in letters, `LLLG` for three local layers and a global one (EXAONE 4, whose last
/// layer is always global).
fn every(c: &Config<'_>, layers: u64) -> Result<Vec<bool>, Diagnostic> {
    const KEY: &str = "sliding_window_pattern";
    if !c.has("sliding_window") {
        c.unused(&[KEY]);
        return Ok(vec![false; layers as usize]);
    }
    if !c.written(KEY).is_some_and(|text| text.starts_with('"')) {
        let pattern = c.count_of(&[KEY, "_sliding_window_pattern", "global_attn_every_n_layers"])?;
        return Ok((0..layers).map(|at| (at + 1) % pattern != 0).collect());
    }
    let letters: Vec<char> = c.word(KEY)?.unwrap_or_default().chars().collect();
    if letters.is_empty() || !letters.iter().all(|letter| matches!(letter, 'L' | 'G')) {
        return Err(c.wrong(KEY, "must be a number, or hold the letters L and G only"));
    }
    let local = |at: u64| at + 1 < layers && letters.get(at as usize % letters.len()) == Some(&'L');
    Ok((0..layers).map(local).collect())
}
