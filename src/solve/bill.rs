//! Which of a row's costs is compared, and what a request, a day and a month come to.

use super::row::CompareRow;
use crate::scenario::draft::Minimize;
use crate::scenario::plan::Workload;
use crate::units::HOURS_PER_YEAR;

impl CompareRow {
    /// What a request costs, and with it a day and a month where the scenario says how many come and all are served.
    pub fn bill(&mut self, workload: &Workload) {
        let (input, output) = (workload.input_tokens as f64, workload.output_tokens as f64);
        self.usd_per_request = self.usd_per_mtok_total.map(|usd| usd * (input + output) / 1e6);
        let shown = 1.0 - workload.reasoning;
        self.usd_per_mtok_shown = self.usd_per_mtok_output.filter(|_| shown < 1.0).map(|usd| usd / shown);
        let served = |rate: &f64| self.requests_per_s.is_none_or(|most| most >= *rate);
        let day = workload.rate.filter(served).map(|rate| rate * 86_400.0);
        self.usd_per_day = self.usd_per_request.zip(day).map(|(usd, requests)| usd * requests);
        self.usd_per_month = self.usd_per_day.map(|usd| usd * HOURS_PER_YEAR / 12.0 / 24.0);
    }

    /// Device-hours of the tokens that are compared.
    pub fn device_hours(&self, minimize: Minimize) -> Option<f64> {
        match minimize {
            Minimize::UsdPerMtokInput => self.device_hours_per_mtok_input,
            Minimize::UsdPerMtokOutput => self.device_hours_per_mtok_output,
            Minimize::UsdPerMtokTotal | Minimize::DeviceHoursPerMtok => self.device_hours_per_mtok,
        }
    }
}

/// What the objective minimises; device-hours where no price is known.
pub fn metric(row: &CompareRow, minimize: Minimize) -> Option<f64> {
    strict(row, minimize).or(row.device_hours_per_mtok)
}

/// What the objective minimises, and nothing else in its place.
pub fn strict(row: &CompareRow, minimize: Minimize) -> Option<f64> {
    match minimize {
        Minimize::UsdPerMtokOutput => row.usd_per_mtok_output,
        Minimize::UsdPerMtokInput => row.usd_per_mtok_input,
        Minimize::UsdPerMtokTotal => row.usd_per_mtok_total,
        Minimize::DeviceHoursPerMtok => row.device_hours_per_mtok,
    }
}
