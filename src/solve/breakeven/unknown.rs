//! What a break-even may solve for: which field of a contender it is, and how a value is put into it.

use crate::estimate::bound::Class;
use crate::scenario::{Basis, Busy, Contender, Offer, Parts};
use crate::setup::{Layout, Speed};

/// The field that is solved for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// One tuning debt for all kernel classes; 1 is the calibrated or measured state.
    Debt,
    /// The tuning debt of one kernel class.
    DebtOf(Class),
    /// Price of a device-hour, USD: the rent of a rented device, else that of an hour of work.
    Price,
    /// Share of the hours that are paid in which devices have work.
    Utilisation,
    /// Number of devices.
    Count,
    /// Price of electricity, USD/kWh.
    Electricity,
}

impl Unknown {
    /// Everything that can be solved for.
    pub const ALL: [Self; 10] = [
        Self::Debt,
        Self::DebtOf(Class::Gemm),
        Self::DebtOf(Class::Attention),
        Self::DebtOf(Class::Experts),
        Self::DebtOf(Class::Collectives),
        Self::DebtOf(Class::Host),
        Self::Price,
        Self::Utilisation,
        Self::Count,
        Self::Electricity,
    ];

    /// The spelling used in arguments and rows.
    pub fn name(self) -> String {
        match self {
            Self::Debt => "debt".to_owned(),
            Self::DebtOf(class) => format!("debt.{}", class.name()),
            Self::Price => "price".to_owned(),
            Self::Utilisation => "utilisation".to_owned(),
            Self::Count => "count".to_owned(),
            Self::Electricity => "electricity".to_owned(),
        }
    }

    /// The unit of its values.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Debt | Self::DebtOf(_) => "times the calibrated time",
            Self::Price => "USD per device-hour",
            Self::Utilisation => "share of all hours",
            Self::Count => "devices",
            Self::Electricity => "USD/kWh",
        }
    }

    /// It is a tuning debt.
    pub const fn is_debt(self) -> bool {
        matches!(self, Self::Debt | Self::DebtOf(_))
    }

    /// It changes money alone: the operating point stays, and the answer has a closed form.
    pub const fn is_money(self) -> bool {
        matches!(self, Self::Price | Self::Utilisation | Self::Electricity)
    }

    /// The value a contender has now; absent where it has none.
    pub fn now(self, contender: &Contender) -> Option<f64> {
        let Offer::Devices { setup, prefill, price, .. } = &contender.offer else { return None };
        let devices = (setup.layout.devices() + prefill.map_or(0, |p| p.devices())) as f64;
        let share = if let Busy::Share(share) = price.busy { Some(share) } else { None };
        let speed = &setup.speed;
        match self {
            Self::Debt => {
                let one = speed.gemm;
                let all = Class::ALL.map(|c| speed_of(speed, c));
                all.iter().all(|s| *s == one).then_some(1.0 / one)
            }
            Self::DebtOf(class) => Some(1.0 / speed_of(speed, class)),
            Self::Price if matches!(price.basis, Basis::Rent | Basis::None) => price.parts.map(|p| p.standing),
            Self::Price => price.per_hour(devices, share?),
            Self::Utilisation => share,
            Self::Electricity => price.parts.filter(|p| p.kilowatts > 0.0).map(|p| p.tariff),
            Self::Count => Some(devices),
        }
    }

    /// The contender with this value; `None` where the field does not exist or the value does not fit it.
    pub fn apply(self, contender: &Contender, value: f64) -> Option<Contender> {
        let mut changed = contender.clone();
        let Offer::Devices { setup, prefill, price, .. } = &mut changed.offer else { return None };
        match self {
            Self::Debt => setup.speed = Speed::all(1.0 / value),
            Self::DebtOf(class) => *speed_mut(&mut setup.speed, class) = 1.0 / value,
            Self::Price => {
                price.parts = Some(Parts::hourly(value));
                if !matches!(price.basis, Basis::Rent | Basis::None) {
                    // An hour of work costs this, whatever it was made of.
                    (price.busy, price.people) = (Busy::Share(1.0), 0.0);
                }
            }
            Self::Utilisation => price.busy = Busy::Share(value),
            Self::Electricity => price.parts.as_mut()?.tariff = value,
            Self::Count => match prefill {
                Some(readers) => (*readers, setup.layout) = pools(readers, &setup.layout, value as u64)?,
                None => {
                    setup.layout = resized(&setup.layout, value as u64)?;
                    setup.model.experts_refuse(setup.layout.ep).is_none().then_some(())?;
                }
            },
        }
        Some(changed)
    }

    /// The `--set` arguments that put the value into the scenario; absent where one field cannot hold it.
    pub fn edit(self, contender: &Contender, value: f64) -> Option<String> {
        let changed = self.apply(contender, value)?;
        let Offer::Devices { setup, prefill, price, .. } = &changed.offer else { return None };
        let at = format!("contender.{}", contender.name);
        match self {
            Self::Debt => Some(format!("--set '{at}.speed={}'", 1.0 / value)),
            Self::DebtOf(_) => {
                let each = Class::ALL.map(|c| format!("{} = {}", c.name(), speed_of(&setup.speed, c)));
                Some(format!("--set '{at}.speed={{ {} }}'", each.join(", ")))
            }
            Self::Price if matches!(price.basis, Basis::Rent | Basis::None) => {
                Some(format!("--set '{at}.price={value} USD/h'"))
            }
            Self::Price => None,
            // The busy share follows from the requests that come.
            Self::Utilisation if self.now(contender).is_none() => None,
            Self::Utilisation if price.basis == Basis::Own => Some(format!("--set '{at}.own.utilisation={value}'")),
            Self::Utilisation => Some(format!("--set '{at}.utilisation={value}'")),
            Self::Electricity => {
                let own = price.parts.is_some_and(|p| p.standing > 0.0);
                let key = if own { "own.electricity" } else { "electricity" };
                Some(format!("--set '{at}.{key}={value} USD/kWh'"))
            }
            Self::Count => {
                let spread = |l: &Layout| format!("{{ tp = {}, pp = {}, dp = {}, ep = {} }}", l.tp, l.pp, l.dp, l.ep);
                let (own, count) = (spread(&setup.layout), setup.layout.devices());
                Some(match prefill.map(|p| p.devices()) {
                    Some(readers) => {
                        format!("--set '{at}.prefill.count={readers}' --set '{at}.decode.count={count}'")
                    }
                    None => format!("--set '{at}.count={count}' --set '{at}.parallel={own}'"),
                })
            }
        }
    }
}

pub use crate::estimate::speed_of;

/// The speed of one class, to be changed.
pub const fn speed_mut(speed: &mut Speed, class: Class) -> &mut f64 {
    match class {
        Class::Gemm => &mut speed.gemm,
        Class::Attention => &mut speed.attention,
        Class::Experts => &mut speed.experts,
        Class::Collectives => &mut speed.collectives,
        Class::Host => &mut speed.host,
    }
}

/// Devices of the smallest pair of pools in the proportion of these two.
pub fn least_pools(readers: &Layout, writers: &Layout) -> u64 {
    (readers.devices() + writers.devices()) / common(readers.replicas, writers.replicas)
}

/// Two pools on another number of devices in all: instances grow in number, in proportion.
fn pools(readers: &Layout, writers: &Layout, devices: u64) -> Option<(Layout, Layout)> {
    let times = devices / least_pools(readers, writers);
    let parts = common(readers.replicas, writers.replicas);
    let grown = |l: &Layout| Layout { replicas: l.replicas / parts * times, ..*l };
    (times > 0 && times * least_pools(readers, writers) == devices).then_some((grown(readers), grown(writers)))
}

/// The greatest common divisor.
fn common(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { common(b, a % b) }
}

/// The layout on another number of devices: one wide instance grows by its data-parallel ranks, and its experts
/// spread with them; independent instances grow in number.
fn resized(layout: &Layout, devices: u64) -> Option<Layout> {
    let rank = layout.tp * layout.pp;
    if layout.replicas == 1 && layout.dp > 1 {
        let dp = devices / rank;
        let ep = if layout.ep == layout.tp * layout.dp { layout.tp * dp } else { layout.ep };
        (dp > 0 && dp * rank == devices && (layout.tp * dp).is_multiple_of(ep)).then_some(Layout { dp, ep, ..*layout })
    } else {
        let replicas = devices / layout.instance();
        (replicas > 0 && replicas * layout.instance() == devices).then_some(Layout { replicas, ..*layout })
    }
}
