//! The answer in words, for someone who has never seen the project.

use super::answer::{AnswerRow, Reach, Verdict};
use super::ask::{Match, price_of};
use super::unknown::Unknown;
use crate::scenario::Price;
use crate::solve::row::CompareRow;
use crate::solve::sentence::{self, digits, named, paid};

/// One or two sentences.
pub fn of(game: &Match<'_>, row: &AnswerRow) -> String {
    let stand = stand(game, row);
    let answer = match row.answer {
        // Sums that count different things may meet, but neither is the cheaper.
        Reach::AlreadyCheaper | Reach::At if unlike(game) && row.value.is_some() => sums(game, row),
        Reach::AlreadyCheaper => cheaper(row),
        Reach::At => meets(row),
        Reach::Impossible => impossible(row),
    };
    let currency = game.plan.currency.as_ref().map(|c| format!(" {}.", sentence::counted(c))).unwrap_or_default();
    format!("{stand} {answer}{currency}")
}

/// The value is of money, and the two prices count different things.
fn unlike(game: &Match<'_>) -> bool {
    game.unknown.is_money() && row_priced(game) && !game.comparable()
}

fn row_priced(game: &Match<'_>) -> bool {
    game.prices().0.parts.is_some()
}

/// Where two sums meet that no verdict may compare.
fn sums(game: &Match<'_>, row: &AnswerRow) -> String {
    let (own, other) = game.prices();
    let now = row.now.map(|n| format!("; now it is {}", quantity(row, n))).unwrap_or_default();
    let value = row.value.map(|v| quantity(row, v)).unwrap_or_default();
    format!(
        "{} against {}, the two sums meet at {value}{}{}{now}.",
        capital(&own.basis.to_string()),
        other.basis,
        band(row),
        extra(row)
    )
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|c| c.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// What the two cost as they are.
fn stand(game: &Match<'_>, row: &AnswerRow) -> String {
    let name = |r: Option<&CompareRow>, fallback: &str| r.map_or(fallback.to_owned(), named);
    let (weaker, stronger) = (name(game.now_row(), &row.weaker), name(game.stronger_row(), &row.stronger));
    let money = |usd: f64, price: &Price, at: Option<&CompareRow>| {
        let counted = at.map(|at| format!(" ({})", paid(price, at))).unwrap_or_default();
        format!("${} per Mtok {}{counted}", digits(usd), row.of)
    };
    let time = |hours: f64| format!("{} device-hours per Mtok", digits(hours));
    let (price, rival) = game.prices();
    let (own, other) = match (row.stronger_usd_per_mtok, row.stronger_device_hours_per_mtok) {
        (Some(usd), _) => {
            (row.usd_per_mtok.map(|own| money(own, price, game.now_row())), money(usd, rival, game.stronger_row()))
        }
        (None, hours) => (row.device_hours_per_mtok.map(time), time(hours.unwrap_or(f64::NAN))),
    };
    let doubt = match row.verdict {
        Some(Verdict::CannotTell) => {
            format!(", which the estimate cannot tell apart ({:.0} % may be missed)", game.error * 100.0)
        }
        _ => String::new(),
    };
    match own {
        Some(own) => format!("{weaker} takes {own}, {stronger} {other}{doubt}."),
        None if game.now_row().is_some() => format!("{stronger} takes {other}; {weaker} has no price."),
        None => format!("{stronger} takes {other}; {weaker} meets no target as it is."),
    }
}

fn kernels(row: &AnswerRow) -> String {
    match row.unknown.strip_prefix("debt.") {
        Some("host") => "host code and launches".to_owned(),
        Some(class) => format!("{class} kernels"),
        None => "kernels, collectives and host code".to_owned(),
    }
}

/// A value in the words of its unit.
fn quantity(row: &AnswerRow, value: f64) -> String {
    match row.unknown.as_str() {
        "price" => format!("${} per device-hour", digits(value)),
        "utilisation" => format!("{} % of all hours", digits(value * 100.0)),
        "electricity" => format!("${} per kWh", digits(value)),
        "count" => format!("{value:.0} devices"),
        _ => format!("a tuning debt of {}", digits(value)),
    }
}

fn band(row: &AnswerRow) -> String {
    match (row.low, row.high) {
        (Some(low), Some(high)) if low != high => {
            let (low, high) = (low.min(high), low.max(high));
            match row.unknown.as_str() {
                "utilisation" => format!(" ({} to {} %)", digits(low * 100.0), digits(high * 100.0)),
                "count" => format!(" ({low:.0} to {high:.0})"),
                _ => format!(" ({} to {})", digits(low), digits(high)),
            }
        }
        (Some(end), None) | (None, Some(end)) => format!(" (band: from {})", digits(end)),
        _ => String::new(),
    }
}

fn extra(row: &AnswerRow) -> String {
    let mut text = String::new();
    if let (Some(hours), Some(mtok), Some(requests)) = (row.hours_per_day, row.mtok_per_day, row.requests_per_day) {
        let (hours, requests, mtok) = (digits(hours), digits(requests), digits(mtok));
        text += &format!(", {hours} hours, {requests} requests or {mtok} million tokens a day");
    }
    if let Some(gap) = row.below_target {
        text +=
            &format!("; there the cost jumps to another operating point, {} % below the other's", digits(gap * 100.0));
    }
    text
}

/// A kernel that has to run faster by less than this is fast enough: what a break-even promises to meet.
const SAME: f64 = 0.005;

fn meets(row: &AnswerRow) -> String {
    let Some(value) = row.value else { return "They cost the same.".to_owned() };
    let tuning = match (row.tuning_factor, row.reference) {
        (Some(factor), Some(_)) if factor <= 1.0 + SAME => ": as it is now".to_owned(),
        (Some(factor), Some(reference)) => {
            let faster = if factor < 1.1 {
                format!("{} % faster", digits((factor - 1.0) * 100.0))
            } else {
                format!("{} times as fast as now", digits(factor))
            };
            format!(": its {} would have to run {faster}, which is {reference}", kernels(row))
        }
        _ => String::new(),
    };
    format!("They break even at {}{}{}{tuning}.", quantity(row, value), band(row), extra(row))
}

fn cheaper(row: &AnswerRow) -> String {
    let Some(value) = row.value else {
        return format!("The weaker is already the cheaper, whatever the {} is.", words(&row.unknown));
    };
    let until = match row.unknown.as_str() {
        "price" | "electricity" => "up to",
        "utilisation" | "count" => "down to",
        _ => "up to",
    };
    let slip = match (row.tuning_factor, row.reference) {
        (Some(factor), Some(reference)) => {
            format!(": its {} could take {} times as long, which is {reference}", kernels(row), digits(1.0 / factor))
        }
        _ => String::new(),
    };
    format!(
        "{} is already the cheaper, and stays so {until} {}{}{}{slip}.",
        row.weaker,
        quantity(row, value),
        band(row),
        extra(row)
    )
}

fn impossible(row: &AnswerRow) -> String {
    let instead = match (row.needed_usd_per_device_hour, row.needed_price_ratio) {
        (Some(usd), _) => format!("; its device-hour would have to cost ${} instead", digits(usd)),
        (None, Some(ratio)) => {
            format!("; its device-hour would have to cost {} times the other's instead", digits(ratio))
        }
        _ => String::new(),
    };
    let why = match row.unknown.as_str() {
        "utilisation" => "Impossible even around the clock".to_owned(),
        "electricity" => "Impossible even with free electricity".to_owned(),
        "count" => "Impossible with any number of devices that was tried".to_owned(),
        "price" => "No price can do it: it does not serve this within the targets".to_owned(),
        _ => format!("Impossible by tuning, even with its {} at the roof", kernels(row)),
    };
    why + &instead + "."
}

fn words(unknown: &str) -> String {
    match unknown.strip_prefix("debt.") {
        Some(class) => format!("tuning debt of its {class} kernels"),
        None if unknown == "debt" => "tuning debt".to_owned(),
        None => unknown.to_owned(),
    }
}

/// What a reader should know about the comparison.
pub fn notes(game: &Match<'_>, row: &AnswerRow) -> Vec<String> {
    let mut notes = Vec::new();
    if game.by_time {
        let (own, other) = game.prices();
        let dated = |p: &Price| match &p.date {
            Some(date) => format!("{} of {date}", p.basis),
            None => p.basis.to_string(),
        };
        notes.push(format!(
            "Prices are not of one basis and year ({} against {}), so device time is compared; equal device time is equal cost at equal prices.",
            dated(own),
            dated(other)
        ));
    } else if !game.comparable() {
        notes.push(
            "The two prices count different things (see each below): the value is where the sums meet, not a verdict."
                .to_owned(),
        );
    }
    if game.unknown.is_debt() {
        notes.push(
            "A tuning debt of 1 is the calibrated or measured state; 2 takes twice the time. Less than 1 is better tuned than calibrated, down to the roof of memory, arithmetic and links."
                .to_owned(),
        );
    }
    if let (Some(plateau), Some(binds)) = (row.plateau_from, &row.plateau_binding) {
        notes.push(format!(
            "Below a debt of {} the curve is flat (less than 5 % of what tuning can save is left): {binds} binds.",
            digits(plateau)
        ));
    }
    if row.below_target.is_some() {
        notes.push(
            "The cost jumps because the operating point is one of the scenario's concurrencies; smaller steps, such as concurrency = \"32-4096*1.1\", make the jump smaller."
                .to_owned(),
        );
    }
    if game.unknown == Unknown::Count {
        notes.push(
            "Every number of devices is offered the same concurrencies; a cost need not fall with the count."
                .to_owned(),
        );
    }
    if let Some(set) = &row.set {
        notes.push(format!("To check: underdog compare SCENARIO {set}"));
    }
    for contender in [&game.weaker, &game.stronger] {
        notes.push(format!("{}: {}.", contender.name, price_of(contender).origin));
    }
    notes
}
