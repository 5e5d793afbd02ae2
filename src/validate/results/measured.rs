//! What a tool measured, before it is known on what.

use crate::precision::Precision;
use crate::validate::Point;
use serde_json::Value;

/// A row of a result file.
#[derive(Debug, Clone, Default)]
pub struct Measured {
    /// Load and times. Model and device are empty where the file does not say.
    pub point: Point,
    /// Prompt tokens per second of all devices together.
    pub input_tok_s: Option<f64>,
    /// Answer tokens per second of all devices together.
    pub output_tok_s: Option<f64>,
    /// Format of the weights that the file names.
    pub weights: Option<Precision>,
    /// Format of the cache that the file names.
    pub kv_cache: Option<Precision>,
    /// Tokens of a micro-batch of llama.cpp.
    pub micro_batch: Option<u64>,
    /// Tokens a step yields with speculation; 1 or less is none.
    pub accepted: Option<f64>,
    /// Why it is not predicted, although it was read.
    pub not_predicted: Option<String>,
}

/// A positive finite number at a path; text that is one counts, as CSV has it.
pub fn number(object: &Value, path: &[&str]) -> Option<f64> {
    let value = path.iter().try_fold(object, |at, key| at.get(key))?;
    let number = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())?;
    Some(number).filter(|v| v.is_finite() && *v > 0.0)
}

/// Text at a path.
pub fn text<'a>(object: &'a Value, path: &[&str]) -> Option<&'a str> {
    path.iter().try_fold(object, |at, key| at.get(key))?.as_str().filter(|t| !t.is_empty())
}

/// A flag, in the spellings of JSON, Python and CSV.
pub fn flag(object: &Value, key: &str) -> bool {
    match object.get(key) {
        Some(Value::Bool(on)) => *on,
        Some(Value::Number(n)) => n.as_f64().is_some_and(|n| n != 0.0),
        Some(Value::String(t)) => matches!(t.to_lowercase().as_str(), "1" | "true" | "on" | "yes"),
        _ => false,
    }
}

/// How many requests were in flight.
#[derive(Debug, Clone, PartialEq)]
pub struct InFlight {
    /// On average.
    pub requests: f64,
    /// Requests in all, where they began at one moment.
    pub of: Option<f64>,
    /// Where the number comes from.
    pub how: String,
}

/// Requests of a serving run and how they came.
#[derive(Debug, Clone, Copy, Default)]
pub struct Offered {
    /// Most requests in flight; `None` for an open load.
    pub limit: Option<f64>,
    /// They came at a rate; else all that may be in flight began at once.
    pub paced: bool,
    /// Requests that were answered.
    pub completed: Option<f64>,
    /// Requests answered per second.
    pub per_second: Option<f64>,
    /// Mean time from sending a request to its last token, s.
    pub seconds: Option<f64>,
}

impl Offered {
    /// A closed loop has as many in flight as it may; anything else has, by Little's law, as many as come per second
    /// times the seconds each stays (J. D. C. Little, Operations Research 9, 1961).
    ///
    /// # Errors
    /// When the file has not what that takes.
    pub fn in_flight(&self) -> Result<InFlight, String> {
        let of = self.completed.filter(|_| !self.paced);
        if let Some(limit) = self.limit.filter(|_| !self.paced) {
            let requests = self.completed.map_or(limit, |all| limit.min(all));
            return Ok(InFlight { requests, of, how: "closed loop".to_owned() });
        }
        let lacks = |what: &str| {
            format!("the load is open, and the file has no {what} to tell how many requests were in flight")
        };
        let rate = self.per_second.ok_or_else(|| lacks("request throughput"))?;
        let seconds = self.seconds.ok_or_else(|| lacks("time per request"))?;
        let requests = (rate * seconds).min(self.limit.unwrap_or(f64::INFINITY)).max(1.0);
        let how = format!(
            "{} open load: {rate:.3} requests/s that stay {seconds:.2} s each are {requests:.1} in flight (Little's law)",
            if self.paced { "paced" } else { "all at once," }
        );
        Ok(InFlight { requests, of, how })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_load_has_what_comes_times_what_stays() {
        let closed = Offered { limit: Some(64.0), completed: Some(640.0), ..Offered::default() };
        assert_eq!(closed.in_flight().map(|f| (f.requests, f.of)), Ok((64.0, Some(640.0))));
        let few = Offered { completed: Some(10.0), ..closed };
        assert_eq!(few.in_flight().map(|f| f.requests), Ok(10.0));
        let paced = Offered { paced: true, per_second: Some(4.0), seconds: Some(2.5), ..closed };
        assert_eq!(paced.in_flight().map(|f| (f.requests, f.of)), Ok((10.0, None)));
        let open = Offered { limit: None, paced: false, ..paced };
        assert_eq!(open.in_flight().map(|f| (f.requests, f.of)), Ok((10.0, Some(640.0))));
        assert!(Offered { seconds: None, ..open }.in_flight().is_err());
    }
}
