//! A question about two contenders, checked: who they are, in what they are compared, and what they cost now.

use super::{Unknown, unknown};
use crate::estimate::{Calibration, Unanswerable};
use crate::scenario::draft::Minimize;
use crate::scenario::{Busy, Contender, Offer, Plan, Price};
use crate::setup::Setup;
use crate::solve::bill::strict;
use crate::solve::row::CompareRow;
use crate::solve::{compare, fewest};

/// Most devices a count is looked for among: what a layout search covers too.
const MOST_DEVICES: u64 = 320;
/// Multiples of the smallest instance, or pair of pools, that are tried at least.
const MULTIPLES: u64 = 8;

/// What is asked.
#[derive(Debug, Clone)]
pub struct Ask {
    /// What is solved for.
    pub unknown: Unknown,
    /// The contender it belongs to; the first where absent, or the one named `weaker`.
    pub weaker: Option<String>,
    /// The contender to match; the first other one where absent, or the one named `stronger`.
    pub stronger: Option<String>,
    /// Which cost is compared; what the scenario minimises where absent.
    pub of: Option<Minimize>,
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Unsolvable {
    /// The estimate lacks a number.
    #[error(transparent)]
    Estimate(#[from] Unanswerable),
    /// The question does not fit the contenders.
    #[error("{0}")]
    Question(String),
}

/// Two contenders and what is compared.
pub struct Match<'a> {
    /// The scenario, its objective set to what is compared.
    pub plan: Plan,
    /// The constants of the estimate.
    pub calibration: &'a Calibration,
    /// What is solved for.
    pub unknown: Unknown,
    /// Whose unknown it is.
    pub weaker: Contender,
    /// Whom it has to match.
    pub stronger: Contender,
    /// Rows of the weaker as it is.
    pub weaker_rows: Vec<CompareRow>,
    /// Rows of the stronger.
    pub stronger_rows: Vec<CompareRow>,
    /// The stronger's cost: dollars or device-hours per Mtok.
    pub target: f64,
    /// The value the weaker has now.
    pub now: Option<f64>,
    /// What the estimate may miss between two devices, relative.
    pub error: f64,
    /// Device time is compared, because prices cannot be.
    pub by_time: bool,
}

impl<'a> Match<'a> {
    /// Finds the two contenders and their operating points.
    pub fn new(plan: &Plan, calibration: &'a Calibration, ask: &Ask) -> Result<Self, Unsolvable> {
        let plan = &fewest::sized(plan, calibration)?;
        let weaker = pick(plan, ask.weaker.as_deref(), "weaker", None)?;
        let stronger = pick(plan, ask.stronger.as_deref(), "stronger", Some(&weaker.name))?;
        devices(weaker)?;
        let by_time = by_time(ask.unknown, weaker, stronger)?;
        let mut plan = plan.clone();
        plan.objective.minimize =
            if by_time { Minimize::DeviceHoursPerMtok } else { ask.of.unwrap_or(plan.objective.minimize) };
        if plan.objective.minimize == Minimize::DeviceHoursPerMtok && ask.unknown.is_money() {
            plan.objective.minimize = Minimize::UsdPerMtokTotal;
        }
        if ask.unknown == Unknown::Utilisation {
            // How many requests come is what is asked.
            plan.workload.rate = None;
        }
        let stronger_rows = compare::judged(stronger, &plan, calibration)?;
        let of = plan.objective.minimize;
        let target = stronger_rows.iter().find(|r| r.chosen).and_then(|r| strict(r, of)).ok_or_else(|| {
            let why = stronger_rows.first().and_then(|r| r.reason.clone()).unwrap_or_else(|| "no price".to_owned());
            Unsolvable::Question(format!("{} sets no cost to match: {why}", stronger.name))
        })?;
        let weaker_rows = compare::judged(weaker, &plan, calibration)?;
        // What follows from the requests that come is told by the row.
        let share = || weaker_rows.iter().find(|r| r.chosen).and_then(|r| r.utilisation);
        let now = ask.unknown.now(weaker).or_else(|| share().filter(|_| ask.unknown == Unknown::Utilisation));
        Ok(Self {
            unknown: ask.unknown,
            now,
            weaker: weaker.clone(),
            stronger: stronger.clone(),
            error: calibration.shared().pair_error,
            plan,
            calibration,
            weaker_rows,
            stronger_rows,
            target,
            by_time,
        })
    }

    /// The setup and the price of the weaker.
    pub fn devices(&self) -> Result<(&Setup, &Price), Unsolvable> {
        devices(&self.weaker)
    }

    /// The prices of the weaker and of the stronger.
    pub fn prices(&self) -> (&Price, &Price) {
        (price_of(&self.weaker), price_of(&self.stronger))
    }

    /// Whether the two prices may be set against each other in a verdict.
    pub fn comparable(&self) -> bool {
        let (own, other) = self.prices();
        own.comparable(other)
    }

    /// The row the weaker is judged by now.
    pub fn now_row(&self) -> Option<&CompareRow> {
        self.weaker_rows.iter().find(|r| r.chosen)
    }

    /// The row the stronger is judged by.
    pub fn stronger_row(&self) -> Option<&CompareRow> {
        self.stronger_rows.iter().find(|r| r.chosen)
    }

    /// What is compared, of a row.
    pub fn cost(&self, row: &CompareRow) -> Option<f64> {
        strict(row, self.plan.objective.minimize)
    }

    /// The operating point of the weaker at a value; `None` where it meets no target there.
    pub fn row_at(&self, value: f64) -> Result<Option<CompareRow>, Unsolvable> {
        let Some(changed) = self.unknown.apply(&self.weaker, value) else { return Ok(None) };
        match compare::judged(&changed, &self.plan, self.calibration) {
            Ok(rows) => Ok(rows.into_iter().find(|r| r.chosen)),
            // A number of devices that the data sheet cannot join is a number that does not answer.
            Err(Unanswerable::Network(..)) if self.unknown == Unknown::Count => Ok(None),
            Err(why) => Err(why.into()),
        }
    }

    /// The cost of the weaker at a value.
    pub fn cost_at(&self, value: f64) -> Result<Option<f64>, Unsolvable> {
        Ok(self.row_at(value)?.and_then(|r| self.cost(&r)))
    }

    /// Every number of devices the weaker's layout can be spread on. None is left out: a cost need not fall with the
    /// count, so that the fewest devices can lie anywhere between two others.
    pub fn counts(&self) -> Vec<f64> {
        let Offer::Devices { setup, prefill, .. } = &self.weaker.offer else { return Vec::new() };
        let layout = &setup.layout;
        let unit = match prefill {
            Some(readers) => unknown::least_pools(readers, layout),
            None if layout.replicas == 1 && layout.dp > 1 => layout.tp * layout.pp,
            None => layout.instance(),
        };
        let now = layout.devices() + prefill.map_or(0, |p| p.devices());
        let most = (MOST_DEVICES.max(now) / unit).max(MULTIPLES);
        (1..=most).map(|i| (i * unit) as f64).collect()
    }
}

fn devices(contender: &Contender) -> Result<(&Setup, &Price), Unsolvable> {
    match &contender.offer {
        Offer::Devices { setup, price, .. } => Ok((setup, price)),
        Offer::Api { .. } => Err(Unsolvable::Question(format!(
            "{} is a service: it has nothing to solve for; name a contender that runs on devices with --weaker",
            contender.name
        ))),
    }
}

/// The price of a contender, whatever it offers.
pub fn price_of(contender: &Contender) -> &Price {
    let (Offer::Devices { price, .. } | Offer::Api { price, .. }) = &contender.offer;
    price
}

fn software(contender: &Contender) -> bool {
    matches!(&contender.offer, Offer::Devices { setup, .. } if setup.hardware.software)
}

/// Whether device time is compared instead of money: prices of two bases or years, or none, or a software adapter.
fn by_time(unknown: Unknown, weaker: &Contender, stronger: &Contender) -> Result<bool, Unsolvable> {
    let (own, other) = (price_of(weaker), price_of(stronger));
    let soft = software(weaker) || software(stronger);
    if unknown.is_money() {
        if soft {
            let message = "a software adapter computes on host cores and gets no price verdict; ask for a debt";
            return Err(Unsolvable::Question(message.to_owned()));
        }
        if unknown == Unknown::Utilisation && own.parts.is_none_or(|p| p.standing == 0.0) {
            let why = if own.parts.is_none() { "no price of it is known" } else { "it pays for hours of work alone" };
            let message = format!("{} has no utilisation: {why}; give it price or own", weaker.name);
            return Err(Unsolvable::Question(message));
        }
        if unknown == Unknown::Utilisation && [own, other].iter().all(|p| matches!(p.busy, Busy::Rate(_))) {
            let message = "both carry the same workload.rate; leave it out and give utilisation, or name a service with --stronger";
            return Err(Unsolvable::Question(message.to_owned()));
        }
        if unknown == Unknown::Electricity && own.parts.is_none_or(|p| p.kilowatts == 0.0) {
            let message = format!("{} pays for no electricity; give it own or electricity", weaker.name);
            return Err(Unsolvable::Question(message));
        }
        return Ok(false);
    }
    let by_time = soft || !own.comparable(other);
    if by_time && matches!(stronger.offer, Offer::Api { .. }) {
        return Err(Unsolvable::Question(format!(
            "{} counts {} and {} charges by the token, which is no one basis; ask for the price, the utilisation or the electricity",
            weaker.name, own.basis, stronger.name
        )));
    }
    Ok(by_time)
}

fn pick<'a>(plan: &'a Plan, named: Option<&str>, usual: &str, not: Option<&str>) -> Result<&'a Contender, Unsolvable> {
    let find = |name: &str| plan.contenders.iter().find(|c| c.name == name);
    if let Some(name) = named {
        return find(name).ok_or_else(|| {
            let names: Vec<&str> = plan.contenders.iter().map(|c| c.name.as_str()).collect();
            Unsolvable::Question(format!("there is no contender \"{name}\"; there are {}", names.join(", ")))
        });
    }
    let other = |c: &&Contender| Some(c.name.as_str()) != not;
    find(usual)
        .filter(other)
        .or_else(|| plan.contenders.iter().find(other))
        .ok_or_else(|| Unsolvable::Question("a break-even needs two contenders".to_owned()))
}
