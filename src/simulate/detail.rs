//! What one number a run cannot tell: how its times are spread, and what went on when. Charts are drawn from these
//! rows; they are few, whatever the length of the run.

use super::row::SimulateRow;
use super::tally::Tally;
use super::timeline::Levels;
use schemars::JsonSchema;
use serde::Serialize;

/// Every so manyth part of the requests has a row.
const SHARES: u32 = 50;

/// Further shares in the tail, which targets are about.
const TAIL: [f64; 2] = [0.99, 0.999];

/// The run a row is of.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Of {
    /// Name of the contender.
    pub contender: String,
    /// Mean rate of its arrivals, requests/s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arrival_requests_s: Option<f64>,
    /// Users of a closed loop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u64>,
}

impl Of {
    fn row(row: &SimulateRow) -> Self {
        Self {
            contender: row.contender.clone(),
            arrival_requests_s: row.arrival_requests_s,
            concurrency: row.concurrency,
        }
    }
}

/// How times are spread: so large a share of the finished requests took no longer than this. Past capacity the times
/// that contain the queue are absent.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct DistributionRow {
    /// `distribution`.
    pub kind: &'static str,
    /// The run it is of.
    #[serde(flatten)]
    pub of: Of,
    /// Share of the requests, from 0 (the quickest) to 1 (the slowest).
    pub share: f64,
    /// Time to the first token, ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttft_ms: Option<f64>,
    /// Mean time per further token of a request, ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tpot_ms: Option<f64>,
    /// Time from arrival to the last token, ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub e2e_ms: Option<f64>,
}

/// What went on in a piece of time: means over it, idle time included.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct TimelineRow {
    /// `timeline`.
    pub kind: &'static str,
    /// The run it is of.
    #[serde(flatten)]
    pub of: Of,
    /// Start of the piece, s from the first arrival.
    pub time_s: f64,
    /// Length of the piece, s.
    pub seconds: f64,
    /// Sequences that decode together on one engine.
    pub batch: f64,
    /// Requests that wait for admission, in front of all engines.
    pub queue_requests: f64,
    /// Share of the KV cache in use; absent where the memory is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kv_occupancy: Option<f64>,
}

/// Rows of a run that charts are drawn from.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Detail {
    /// How times are spread.
    pub distribution: Vec<DistributionRow>,
    /// What went on when.
    pub timeline: Vec<TimelineRow>,
}

impl Detail {
    /// The details of a run that answered `row`: `engines` decode, `blocks` of cache are there, `seconds` passed.
    pub(super) fn of(
        row: &SimulateRow,
        tally: &mut Tally<'_>,
        engines: f64,
        blocks: Option<u64>,
        seconds: f64,
    ) -> Self {
        let of = Of::row(row);
        let shares = (0..=SHARES).map(|i| f64::from(i) / f64::from(SHARES)).chain(TAIL);
        let mut distribution: Vec<_> = shares.map(|share| at(share, &of, row, tally)).collect();
        distribution.sort_by(|a, b| a.share.total_cmp(&b.share));
        let blocks = blocks.filter(|b| *b > 0);
        let piece = |(time_s, seconds, mean): (f64, f64, Levels)| TimelineRow {
            kind: "timeline",
            of: of.clone(),
            time_s,
            seconds,
            batch: mean.decoding / engines,
            queue_requests: mean.waiting,
            kv_occupancy: blocks.map(|b| mean.blocks / b as f64),
        };
        Self { distribution, timeline: tally.timeline.means(seconds).map(piece).collect() }
    }
}

fn at(share: f64, of: &Of, row: &SimulateRow, tally: &mut Tally<'_>) -> DistributionRow {
    let ms = |seconds: Option<f64>| seconds.map(|s| s * 1e3);
    let bounded = row.ttft_ms_mean.is_some();
    DistributionRow {
        kind: "distribution",
        of: of.clone(),
        share,
        ttft_ms: ms(tally.ttft.quantile(share)).filter(|_| bounded),
        tpot_ms: ms(tally.tpot.quantile(share)),
        e2e_ms: ms(tally.latency.quantile(share)).filter(|_| bounded),
    }
}
