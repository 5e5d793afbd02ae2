//! The rows of a break-even: one `answer`, and the `curve` it was read off.

use super::ask::{Match, Unsolvable};
use super::reference;
use super::unknown::Unknown;
use crate::scenario::draft::Minimize;
use crate::solve::row::CompareRow;
use schemars::JsonSchema;
use serde::Serialize;

/// Costs closer than this are the same cost.
const SAME: f64 = 1e-9;
/// A gap between cost and target that is worth a word: what a break-even promises to meet without a jump.
const JUMP: f64 = 0.005;

/// Whether the equality is behind, ahead, or out of reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// The weaker costs less as it is; `value` is how far it could slip.
    AlreadyCheaper,
    /// The two meet at `value`.
    At,
    /// No value makes the weaker cheap enough.
    Impossible,
}

/// What may be said about the two as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub enum Verdict {
    /// The weaker costs less, by more than the estimate may miss.
    #[serde(rename = "cheaper")]
    Cheaper,
    /// The weaker costs more, by more than the estimate may miss.
    #[serde(rename = "dearer")]
    Dearer,
    /// The difference is within what the estimate may miss.
    #[serde(rename = "cannot tell")]
    CannotTell,
}

impl Verdict {
    /// The verdict on a cost ratio, weaker over stronger, with a relative error either way.
    pub fn of(ratio: f64, error: f64) -> Self {
        if ratio > 1.0 + error {
            Self::Dearer
        } else if ratio < 1.0 / (1.0 + error) {
            Self::Cheaper
        } else {
            Self::CannotTell
        }
    }
}

/// What a search found; absent where there is nothing to find.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// Where the costs meet.
    pub value: Option<f64>,
    /// Where they meet if the estimate errs one way.
    pub low: Option<f64>,
    /// And the other.
    pub high: Option<f64>,
    /// From where on a smaller debt buys nothing.
    pub plateau: Option<f64>,
    /// The operating point with every kernel that is asked about at its roof.
    pub at_roof: Option<CompareRow>,
}

/// The answer. What does not exist is absent.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct AnswerRow {
    /// `answer`.
    pub kind: &'static str,
    /// Already cheaper, at a value, or impossible.
    pub answer: Reach,
    /// What was solved for.
    pub unknown: String,
    /// The unit of `value`, `low`, `high`, `now` and `plateau_from`.
    pub unit: &'static str,
    /// Where the costs meet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// Lower end of its band.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// Upper end of its band.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
    /// The value as it is now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub now: Option<f64>,
    /// Below this debt the curve is flat: the roof binds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plateau_from: Option<f64>,
    /// What binds there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plateau_binding: Option<String>,
    /// Where the cost jumps across equality: how far `value` stays below it, relative.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub below_target: Option<f64>,
    /// The contender whose unknown it is.
    pub weaker: String,
    /// The contender to match.
    pub stronger: String,
    /// Which tokens are compared: `output`, `input` or `total`.
    pub of: &'static str,
    /// The weaker's cost as it is, US dollars per million tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd_per_mtok: Option<f64>,
    /// The stronger's cost, US dollars per million tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stronger_usd_per_mtok: Option<f64>,
    /// The weaker's device time as it is; where prices cannot be compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_hours_per_mtok: Option<f64>,
    /// The stronger's device time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stronger_device_hours_per_mtok: Option<f64>,
    /// The two as they are; absent where no price verdict may be given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// Speed-up of the kernels that equality asks for (above 1) or allows to lose (below 1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tuning_factor: Option<f64>,
    /// How large such a factor is, by what is on record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<&'static str>,
    /// Cost at the roof over cost as it is: 1 is perfectly tuned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share_of_roof: Option<f64>,
    /// The price of a device-hour that would do instead, US dollars.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needed_usd_per_device_hour: Option<f64>,
    /// The share of its present price that a device-hour would have to cost instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needed_price_ratio: Option<f64>,
    /// Hours a day the device has work at equality.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hours_per_day: Option<f64>,
    /// Tokens a day, input and output, from which a purchase or a rent repays, millions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtok_per_day: Option<f64>,
    /// Requests a day of the scenario's lengths that are as many tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_day: Option<f64>,
    /// The arguments that put the value into the scenario.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set: Option<String>,
    /// The answer in words.
    pub sentence: String,
}

/// A point of the curve: the weaker at one value of the unknown, its operating point chosen anew.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct CurveRow {
    /// `curve`.
    pub kind: &'static str,
    /// What varies.
    pub unknown: String,
    /// Its value, in the unit of the answer.
    pub value: f64,
    /// The weaker's cost there; absent where it meets no target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd_per_mtok: Option<f64>,
    /// The stronger's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stronger_usd_per_mtok: Option<f64>,
    /// The weaker's device time there, where that is compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_hours_per_mtok: Option<f64>,
    /// The stronger's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stronger_device_hours_per_mtok: Option<f64>,
    /// Requests in flight at the operating point.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u64>,
    /// What binds there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub binding: Option<String>,
}

/// The tokens a cost is of.
pub const fn tokens(minimize: Minimize) -> &'static str {
    match minimize {
        Minimize::UsdPerMtokOutput => "output",
        Minimize::UsdPerMtokInput => "input",
        Minimize::UsdPerMtokTotal | Minimize::DeviceHoursPerMtok => "total",
    }
}

impl AnswerRow {
    /// Reads the answer off what was found; its sentence is still to be written.
    pub fn new(game: &Match<'_>, found: &Found) -> Result<Self, Unsolvable> {
        let cost = game.now_row().and_then(|r| game.cost(r));
        let ratio = cost.map(|c| c / game.target);
        let answer = match (ratio, found.value) {
            (Some(r), _) if r < 1.0 - SAME => Reach::AlreadyCheaper,
            (_, Some(_)) => Reach::At,
            (Some(r), None) if r <= 1.0 + SAME => Reach::At,
            _ => Reach::Impossible,
        };
        let money = game.plan.objective.minimize != Minimize::DeviceHoursPerMtok;
        let (usd, hours) = if money { (Some(game.target), None) } else { (None, Some(game.target)) };
        let own = |wanted: bool| cost.filter(|_| money == wanted);
        let reached = found.value.map(|v| game.cost_at(v)).transpose()?.flatten();
        let gap = reached.map(|c| 1.0 - c / game.target).filter(|g| *g > JUMP && !game.unknown.is_money());
        let factor = found.value.zip(game.now).map(|(v, n)| n / v).filter(|_| game.unknown.is_debt());
        let roof = found.at_roof.as_ref().and_then(|r| game.cost(r));
        let mut row = Self {
            kind: "answer",
            answer,
            unknown: game.unknown.name(),
            unit: game.unknown.unit(),
            value: found.value,
            low: found.low,
            high: found.high,
            now: game.now,
            plateau_from: found.plateau,
            plateau_binding: found.at_roof.as_ref().filter(|_| found.plateau.is_some()).and_then(|r| r.binding.clone()),
            below_target: gap,
            weaker: game.weaker.name.clone(),
            stronger: game.stronger.name.clone(),
            of: tokens(game.plan.objective.minimize),
            usd_per_mtok: own(true),
            stronger_usd_per_mtok: usd,
            device_hours_per_mtok: own(false),
            stronger_device_hours_per_mtok: hours,
            verdict: ratio.filter(|_| money && game.comparable()).map(|r| Verdict::of(r, game.error)),
            tuning_factor: factor,
            reference: factor.map(reference::class),
            share_of_roof: roof.zip(cost).map(|(r, c)| r / c),
            needed_usd_per_device_hour: None,
            needed_price_ratio: None,
            hours_per_day: None,
            mtok_per_day: None,
            requests_per_day: None,
            set: found.value.and_then(|v| game.unknown.edit(&game.weaker, v)),
            sentence: String::new(),
        };
        row.needed(game, roof.or(cost))?;
        row.busy(game);
        Ok(row)
    }

    /// What would do instead, where no value does: a price, which moves every cost in proportion.
    fn needed(&mut self, game: &Match<'_>, least: Option<f64>) -> Result<(), Unsolvable> {
        if self.answer != Reach::Impossible {
            return Ok(());
        }
        let (_, price) = game.devices()?;
        self.needed_price_ratio = least.map(|l| game.target / l);
        let row = game.now_row().filter(|_| self.stronger_usd_per_mtok.is_some());
        let needed = |ratio: f64| {
            let row = row?;
            let busy = row.utilisation.unwrap_or(1.0);
            price.hourly(row.devices? as f64, busy, row.usd_per_device_hour? * ratio)
        };
        self.needed_usd_per_device_hour = self.needed_price_ratio.and_then(needed);
        Ok(())
    }

    /// What a share of the hours means: hours a day, and the tokens of a day.
    fn busy(&mut self, game: &Match<'_>) {
        let Some(share) = self.value.filter(|_| game.unknown == Unknown::Utilisation) else { return };
        self.hours_per_day = Some(24.0 * share);
        let rate = game
            .now_row()
            .and_then(|r| Some((r.input_tok_s_per_device? + r.output_tok_s_per_device?) * r.devices? as f64));
        self.mtok_per_day = rate.map(|tok_s| tok_s * 86_400.0 * share / 1e6);
        let requests = game.now_row().and_then(|r| r.requests_per_s);
        self.requests_per_day = requests.map(|requests| requests * 86_400.0 * share);
    }
}

/// The curve around what was found.
pub fn curve(game: &Match<'_>, found: &Found) -> Result<Vec<CurveRow>, Unsolvable> {
    let money = game.plan.objective.minimize != Minimize::DeviceHoursPerMtok;
    let mut rows = Vec::new();
    let mut least: f64 = 0.0;
    for value in samples(game, found) {
        let row = game.row_at(value)?;
        let cost = row.as_ref().and_then(|r| game.cost(r)).map(|c| {
            // The closed loop is settled to less than a per mille; a debt that falls never costs more than that.
            if game.unknown.is_debt() && c < least && c > least * 0.999 { least } else { c }
        });
        least = cost.unwrap_or(least);
        rows.push(CurveRow {
            kind: "curve",
            unknown: game.unknown.name(),
            value,
            usd_per_mtok: cost.filter(|_| money),
            stronger_usd_per_mtok: money.then_some(game.target),
            device_hours_per_mtok: cost.filter(|_| !money),
            stronger_device_hours_per_mtok: (!money).then_some(game.target),
            concurrency: row.as_ref().map(|r| r.concurrency),
            binding: row.and_then(|r| r.binding),
        });
    }
    Ok(rows)
}

/// Values to draw: from well below to well above everything that matters, the answer among them.
fn samples(game: &Match<'_>, found: &Found) -> Vec<f64> {
    const POINTS: i32 = 48;
    let marks: Vec<f64> = [found.value, game.now, found.plateau, found.low, found.high].into_iter().flatten().collect();
    if game.unknown == Unknown::Count {
        // All were tried; a curve shows every one of the small counts and so many in all.
        let counts = game.counts();
        let few = counts.len().min(POINTS as usize / 2);
        let step = (counts.len() - few).div_ceil(POINTS as usize / 2).max(1);
        let shown = |(i, n): (usize, f64)| (i < few || (i + 1) % step == 0 || marks.contains(&n)).then_some(n);
        return counts.into_iter().enumerate().filter_map(shown).collect();
    }
    let positive = || marks.iter().copied().filter(|m| *m > 0.0);
    let (least, most) = (positive().fold(f64::INFINITY, f64::min), positive().fold(0.0, f64::max));
    let (least, most) = if most > 0.0 { (least / 2.0, most * 2.0) } else { (0.5, 2.0) };
    let most = if game.unknown == Unknown::Utilisation { most.min(1.0) } else { most };
    let mut values: Vec<f64> =
        (0..=POINTS).map(|i| least * (most / least).powf(f64::from(i) / f64::from(POINTS))).collect();
    values.extend(marks.iter().filter(|m| **m >= least && **m <= most));
    values.sort_by(f64::total_cmp);
    values.dedup();
    values
}
