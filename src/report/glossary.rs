//! Words a report uses, explained once, and only those that a reader of this run meets.

use crate::run::Run;

/// Term, a text whose presence in the run calls for it, and what it means.
const TERMS: &[(&str, &str, &str)] = &[
    ("Mtok", "mtok", "A million tokens. Input tokens are those of the prompt, output tokens those of the answer."),
    ("TTFT", "ttft_ms", "Time to first token: from sending a request to the first word of the answer, on average."),
    ("TPOT", "tpot_ms", "Time per output token after the first, on average: 50 ms is 20 tokens a second for one user."),
    (
        "tuning debt",
        "debt",
        "How many times longer kernels take than in the calibrated or measured state. 1 is as calibrated, 2 half as fast; the least possible is the roof.",
    ),
    ("roof", "roof", "What peak arithmetic, peak memory bandwidth and peak links allow with nothing lost."),
    (
        "kernel class",
        "collectives",
        "gemm: projections and feed-forward layers; attention: over the cached tokens; experts: the feed-forward parts of a mixture-of-experts model; collectives: exchange between devices; host: scheduling and kernel launches.",
    ),
    (
        "operating point",
        "chosen",
        "The number of requests in flight at which a contender is cheapest while it meets the targets.",
    ),
    (
        "binds",
        "binding",
        "What limits the step: memory bandwidth, compute, a link, the network, the host, or how many requests fit.",
    ),
    (
        "tp, pp, dp, ep",
        "parallel",
        "How one instance is spread: tensor, pipeline, data-parallel attention, expert parallelism.",
    ),
    (
        "code allows",
        "\"ceiling\":",
        "Share of the adapter's peak that a kernel's machine code allows by the slowest pipe, before any memory stalls, as the driver's own compiler tells it. What is missing to 1 is the code's debt.",
    ),
    (
        "link",
        "\"link\":",
        "How the devices of an instance reach each other: nvlink (any scale-up link), ethernet, pcie-p2p from device to device, pcie-host through the host's memory. Assumed where the scenario's `link` does not say; the band then covers both ways over PCI Express.",
    ),
    (
        "backend",
        "\"backend\":",
        "The interface llama.cpp reaches its device through. Assumed where the scenario's `backend` does not say: the maker's own.",
    ),
    (
        "elsewhere",
        "\"elsewhere\":",
        "What of the model lies on other devices than the one named: cards of other kinds, or the host's memory.",
    ),
    (
        "basis",
        "price_basis",
        "What a price counts: rent, own (purchase, power, hosting over the hours in use), electricity alone, or api (somebody's price per token). A verdict compares one basis and one year.",
    ),
    (
        "tier",
        "price_tier",
        "What kind of rent a price is: on-demand, spot (may be taken away), a contract of years, retail (what a customer pays, the tier not said); batch, of a service, is answered within hours.",
    ),
    (
        "busy",
        "\"utilisation\":",
        "Share of the hours that are paid in which devices have work. Hours without work are paid by the tokens of the others.",
    ),
    (
        "rests on",
        "provenance",
        "measured: timed and verified here; interpolated: between measured points; anchored: corrected by own measurements; catalogued: from a data sheet or price list; calibrated: through constants fitted on others' measurements; roofline: a bound; assumed: somebody's assumption.",
    ),
    (
        "p50, p90, p99",
        "_ms_p99",
        "Percentiles over requests: so many of 100 requests took no longer. p50 is the median.",
    ),
    (
        "good/s, goodput",
        "goodput_requests_s",
        "Requests per second that met the targets, each for itself: time to the first token, and mean time per further token.",
    ),
    (
        "batch",
        "running_batch",
        "Sequences that decode together in one step of an engine, on average over the steps in which any does.",
    ),
    ("KV used", "kv_occupancy", "Share of the memory for keys and values of cached tokens that requests hold."),
    ("preempted", "preemptions", "Times a request lost its cache because memory ran out, and was computed again."),
    (
        "saturated",
        "\"saturated\":true",
        "More arrives than is served, or more users ask than fit: the queue grows without bound, and the time to the first token with it. Where a simulation served every request in the end, its times are those of so many requests and no others.",
    ),
    (
        "cannot tell",
        "verdict",
        "The difference is smaller than what the estimate is known to miss between two devices.",
    ),
];

/// The terms of this run.
pub fn of(run: &Run) -> Vec<(&'static str, &'static str)> {
    let text = serde_json::to_string(&run.rows).unwrap_or_default();
    TERMS.iter().filter(|(_, sign, _)| text.contains(sign)).map(|(term, _, meaning)| (*term, *meaning)).collect()
}
