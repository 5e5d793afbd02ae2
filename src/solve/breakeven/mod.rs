//! Break-even: the value of one unknown at which the weaker contender's token costs what the stronger's does.
//!
//! The weaker's operating point is chosen anew at every value, among the scenario's concurrencies and under its
//! targets, so that a cost may jump; the answer is then the last value that is not dearer, with the gap. Money alone
//! (price, utilisation, electricity) does not move the operating point and is solved in closed form; a debt by
//! bisection, its cost rising with it; a count by trying every one. Tuning ends at the roof, which is where a curve
//! is flat.

mod answer;
mod ask;
mod money;
mod reference;
mod search;
mod sentence;
pub mod unknown;

pub use answer::{AnswerRow, CurveRow, Verdict};
pub use ask::{Ask, Unsolvable};
pub use unknown::Unknown;

use super::row::CompareRow;
use crate::estimate::Calibration;
use crate::scenario::{Contender, Plan};
use answer::Found;
use ask::Match;

/// The curve counts as flat where less than this share of what tuning can save at all is left to save.
const FLAT: f64 = 0.05;

/// What a break-even found, with the rows it was read off.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The answer.
    pub answer: AnswerRow,
    /// The weaker's cost over the unknown, the stronger's beside it.
    pub curve: Vec<CurveRow>,
    /// The contender whose unknown it is.
    pub weaker: Contender,
    /// The contender to match.
    pub stronger: Contender,
    /// The weaker's rows now, its operating point marked.
    pub weaker_rows: Vec<CompareRow>,
    /// The stronger's rows, its operating point marked.
    pub stronger_rows: Vec<CompareRow>,
    /// What a reader should know.
    pub notes: Vec<String>,
}

/// Solves for one unknown of the weaker contender.
///
/// # Errors
/// When the question has no meaning for these contenders, or a data sheet lacks a number it needs.
pub fn breakeven(plan: &Plan, calibration: &Calibration, ask: &Ask) -> Result<Answer, Unsolvable> {
    let game = Match::new(plan, calibration, ask)?;
    let found = match ask.unknown {
        Unknown::Price | Unknown::Utilisation | Unknown::Electricity => money::solve(&game)?,
        Unknown::Count => count(&game)?,
        Unknown::Debt | Unknown::DebtOf(_) => debt(&game)?,
    };
    let curve = answer::curve(&game, &found)?;
    let mut answer = AnswerRow::new(&game, &found)?;
    answer.sentence = sentence::of(&game, &answer);
    let notes = sentence::notes(&game, &answer);
    let Match { weaker, stronger, weaker_rows, stronger_rows, .. } = game;
    Ok(Answer { answer, curve, weaker, stronger, weaker_rows, stronger_rows, notes })
}

/// The largest debt that is not dearer, and from where on less debt buys nothing.
fn debt(game: &Match<'_>) -> Result<Found, Unsolvable> {
    let (roof, _) = search::range();
    let limit = |target: f64| -> Result<Option<f64>, Unsolvable> {
        let found = search::largest(|d| Ok::<_, Unsolvable>(game.cost_at(d)?.is_some_and(|c| c <= target)))?;
        // Not dearer at any debt that is looked at: this kernel class does not decide, and there is no break-even.
        let value = found.and_then(Result::ok);
        // Equal to what it is now is what it is now, to the last digit.
        Ok(value.map(|v| game.now.filter(|n| (v / n - 1.0).abs() < 1e-6).unwrap_or(v)))
    };
    let at_roof = game.row_at(roof)?;
    let now = game.now_row().and_then(|r| game.cost(r));
    let plateau = match at_roof.as_ref().and_then(|r| game.cost(r)) {
        Some(least) => {
            let flat = least + FLAT * (now.unwrap_or(2.0 * least) - least).max(0.0);
            search::largest(|d| Ok::<_, Unsolvable>(game.cost_at(d)?.is_some_and(|c| c <= flat)))?
        }
        None => None,
    };
    let error = game.error;
    let (low, high) = (limit(game.target / (1.0 + error))?, limit(game.target * (1.0 + error))?);
    Ok(Found { value: limit(game.target)?, low, high, plateau: plateau.and_then(Result::ok), at_roof })
}

/// The fewest devices that are not dearer.
fn count(game: &Match<'_>) -> Result<Found, Unsolvable> {
    let error = game.error;
    // The loosest of the three is met first; no count is estimated twice.
    let targets = [game.target * (1.0 + error), game.target, game.target / (1.0 + error)];
    let mut fewest = [None; 3];
    for n in game.counts() {
        let Some(cost) = game.cost_at(n)? else { continue };
        for (found, _) in fewest.iter_mut().zip(targets).filter(|(found, target)| found.is_none() && cost <= *target) {
            *found = Some(n);
        }
        if fewest.iter().all(Option::is_some) {
            break;
        }
    }
    let [low, value, high] = fewest;
    Ok(Found { value, low, high, plateau: None, at_roof: None })
}
