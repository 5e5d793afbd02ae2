//! What a law finds in one case: how often it could be applied, and the worst of what broke it.

/// The findings of one law in one case.
#[derive(Debug, Default)]
pub struct Check {
    /// Times it was applied.
    pub applied: usize,
    /// The worst violation: how far off as a share, and in words.
    pub worst: Option<(f64, String)>,
}

impl Check {
    /// `low` is at most `high`, within a tolerance.
    pub fn at_most(&mut self, low: f64, high: f64, tolerance: f64, what: impl FnOnce() -> String) {
        self.applied += 1;
        let excess = if high > 0.0 {
            low / high - 1.0
        } else if low > 0.0 {
            f64::INFINITY
        } else {
            0.0
        };
        // NaN breaks every law.
        if excess.is_nan() || excess > tolerance {
            self.broken(excess, || format!("{}: {low:.6e} is above {high:.6e}", what()));
        }
    }

    /// Both are equal, within a tolerance.
    pub fn equal(&mut self, one: f64, other: f64, tolerance: f64, what: impl FnOnce() -> String) {
        self.applied += 1;
        let off = (one / other - 1.0).abs();
        if (off.is_nan() || off > tolerance) && one != other {
            self.broken(off, || format!("{}: {one:.6e} is not {other:.6e}", what()));
        }
    }

    /// Something holds.
    pub fn holds(&mut self, good: bool, what: impl FnOnce() -> String) {
        self.applied += 1;
        if !good {
            self.broken(1.0, what);
        }
    }

    fn broken(&mut self, size: f64, what: impl FnOnce() -> String) {
        if self.worst.as_ref().is_none_or(|(worst, _)| size.is_nan() || size > *worst) {
            self.worst = Some((size, what()));
        }
    }
}
