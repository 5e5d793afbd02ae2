//! Measured kernel times: what a row describes, and what the estimate says of it.
//!
//! A row was timed alone, over and over: its own launch is part of it, and small data stays in the last-level cache.

use super::fit::{Parameter, fit};
use crate::catalog::Catalog;
use crate::device::Device;
use crate::diagnostic::Diagnostic;
use crate::estimate::bound::Class;
use crate::estimate::calibration::Calibration;
use crate::estimate::constants::{EngineConstants, Kernel, KernelEntry, Kind};
use crate::estimate::exchange::Exchange;
use crate::estimate::machine::Machine;
use crate::estimate::op::{Arithmetic, Attention, Experts, Op, Rows, Work};
use crate::estimate::path::{self, Family, Path};
use crate::estimate::step::{Each, Step, Whole};
use crate::model::Stored;
use crate::model::mixing::Span;
use crate::precision::Precision;
use crate::setup::{Engine, Hardware, Layout};
use crate::stats;
use crate::units::{Bytes, FlopRate};
use serde::Deserialize;
use std::collections::HashMap;

/// One measured kernel, as the CSV files write it.
#[derive(Debug, Clone, Deserialize)]
pub struct KernelRow {
    /// Catalogue name of the device.
    pub device: String,
    /// What ran: `gemm`, `attn_decode`, `attn_prefill_causal`, `mla_decode`, `moe_grouped_gemm`, a collective.
    pub op: String,
    /// Operand formats.
    pub dtype: String,
    /// Format of the cache.
    pub kv_dtype: Option<String>,
    m_or_tokens: Option<f64>,
    n: Option<f64>,
    k: Option<f64>,
    batch: Option<f64>,
    seq: Option<f64>,
    q_heads: Option<f64>,
    kv_heads: Option<f64>,
    head_dim: Option<f64>,
    num_gpus: Option<f64>,
    bytes: Option<f64>,
    experts: Option<f64>,
    topk: Option<f64>,
    moe_tp: Option<f64>,
    moe_ep: Option<f64>,
    hidden: Option<f64>,
    inter: Option<f64>,
    distribution: Option<String>,
    /// What it took.
    pub latency_ms: f64,
}

/// Reads a file of kernel times.
///
/// # Errors
/// Names the line that is none.
pub fn read_kernels(file: &str, text: &str) -> Result<Vec<KernelRow>, Diagnostic> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    reader.deserialize().map(|row| row.map_err(|e: csv::Error| Diagnostic::new(file, e.to_string()))).collect()
}

/// A row understood: everything but the constants of its family.
#[derive(Debug, Clone)]
pub struct Timing {
    /// Kind of kernel; collectives have none.
    pub kind: Option<Kind>,
    /// Operand formats.
    pub family: Family,
    /// Format of the cache.
    pub cache: Precision,
    /// Generation of the device.
    pub architecture: String,
    /// Routing was drawn from a power law.
    uneven: bool,
    work: Work,
    step: Step,
    machine: Machine,
    measured_s: f64,
}

impl Timing {
    /// Time of the row with given constants, s.
    pub fn seconds(&self, kernel: &Kernel) -> f64 {
        let mut machine = self.machine.clone();
        if matches!(self.work, Work::Experts(_)) {
            // Even routing is the limit of no skew; the formula needs a little.
            let busiest = if self.uneven && machine.expert_imbalance > 1.0 { kernel.imbalance } else { 1.0 };
            machine.expert_skew = if self.uneven { kernel.skew } else { 1e-3 };
            machine.expert_imbalance = busiest;
        }
        let op =
            Op { name: "", draft: false, place: 0, class: Class::Gemm, calls: 1.0, work: with(&self.work, kernel) };
        let timed = op.time(&self.step.on_rank(machine.dp), &machine);
        timed.map_or(0.0, |t| (t.seconds + t.launch).get())
    }
}

fn with(work: &Work, kernel: &Kernel) -> Work {
    let kernel = *kernel;
    match work {
        Work::Gemm { n, k, rows, by, .. } => {
            Work::Gemm { n: *n, k: *k, rows: *rows, by: Arithmetic { kernel, ..*by }, or: None }
        }
        Work::Experts(e) => Work::Experts(Experts { by: Arithmetic { kernel, ..e.by }, ..*e }),
        Work::Decode(a) => Work::Decode(Attention { kernel, ..*a }),
        Work::Prefill(a) => Work::Prefill(Attention { kernel, ..*a }),
        other => other.clone(),
    }
}

/// Understands every row; one that cannot be says why.
pub fn timings(rows: &[KernelRow], catalog: &Catalog, calibration: &Calibration) -> Vec<Result<Timing, String>> {
    let mut devices: HashMap<&str, Result<Hardware, String>> = HashMap::new();
    let base = std::path::Path::new("");
    rows.iter()
        .map(|row| {
            let load = || Device::load(catalog, &row.device, base).map(Hardware::from_sheet).map_err(|e| e.to_string());
            let hardware = devices.entry(row.device.as_str()).or_insert_with(load).clone()?;
            timing(row, &hardware, calibration)
        })
        .collect()
}

/// Predicted times of all rows, s.
pub fn predict_kernels(timings: &[Result<Timing, String>], calibration: &Calibration) -> Vec<Option<f64>> {
    let one = |t: &Timing| {
        let kind = t.kind.unwrap_or(Kind::Gemm);
        t.seconds(&calibration.kernel(kind, &t.architecture, t.family, t.cache).0)
    };
    timings.iter().map(|t| t.as_ref().ok().map(one)).collect()
}

fn need(cell: Option<f64>, name: &str) -> Result<f64, String> {
    cell.filter(|v| v.is_finite() && *v > 0.0).ok_or_else(|| format!("the row has no {name}"))
}

fn timing(row: &KernelRow, hardware: &Hardware, calibration: &Calibration) -> Result<Timing, String> {
    let sheet = &hardware.sheet;
    let (stored, activations) = operands(&row.dtype)?;
    let path = path::of(sheet, stored, activations);
    let small_cache = row.kv_dtype.as_deref().is_some_and(|d| d.starts_with("fp8"));
    let cache = if small_cache { Precision::Fp8 } else { Precision::Bf16 };
    let whole = |cell: Option<f64>| cell.map_or(1, |v| v as u64);
    let ranks = whole(row.num_gpus);
    let layout = Layout { tp: ranks, ep: whole(row.moe_ep), ..Layout::SINGLE };
    let engine: EngineConstants = calibration.engine(Engine::Trtllm);
    let mut machine =
        Machine::new(hardware, &layout, &calibration.shared_on(&sheet.architecture, Engine::Trtllm), &engine)
            .map_err(|why| why.to_string())?;
    machine.cache = sheet.l2.unwrap_or(Bytes::ZERO);
    let (kind, work, step) = work(row, path, cache)?;
    if kind != Some(Kind::AttentionDecode) {
        machine.cache = Bytes::ZERO;
    }
    Ok(Timing {
        kind,
        family: path.family,
        cache,
        architecture: sheet.architecture.clone(),
        uneven: row.distribution.as_deref().is_some_and(|d| d != "balanced"),
        work,
        step,
        machine,
        measured_s: row.latency_ms / 1e3,
    })
}

/// What the source's names of data types mean: how weights are stored, and activations where that is not usual.
fn operands(dtype: &str) -> Result<(Stored, Option<Precision>), String> {
    let plain = Stored::plain;
    Ok(match dtype {
        "bfloat16" | "half" | "float16" => (plain(Precision::Bf16), None),
        "fp8" => (plain(Precision::Fp8), None),
        "fp8_block" => (Stored { block_scaled: true, ..plain(Precision::Fp8) }, None),
        "nvfp4" => (plain(Precision::Fp4), None),
        "int8_wo" => (plain(Precision::Int8), Some(Precision::Bf16)),
        "int4_wo" => (plain(Precision::Int4), None),
        "sq" => (plain(Precision::Int8), None),
        "w4a16_mxfp4" => (plain(Precision::Mxfp4), Some(Precision::Bf16)),
        "w4a8_mxfp4_mxfp8" => (plain(Precision::Mxfp4), Some(Precision::Fp8)),
        other => return Err(format!("the data type \"{other}\" is not known")),
    })
}

/// Latent attention as DeepSeek-V3 has it: rank 512 and 64 rotary values (the rows name heads only).
const LATENT: (f64, f64) = (512.0, 64.0);

fn work(row: &KernelRow, path: Path, cache: Precision) -> Result<(Option<Kind>, Work, Step), String> {
    let by = Arithmetic { path, kernel: Kernel::IDEAL };
    let tokens = |tokens: f64| Step::of_prompts(1.0, tokens, 0.0);
    Ok(match row.op.as_str() {
        "gemm" => {
            let (m, n, k) = (need(row.m_or_tokens, "m")?, need(row.n, "n")?, need(row.k, "k")?);
            (Some(Kind::Gemm), Work::Gemm { n, k, rows: Rows::Rank, by, or: None }, tokens(m))
        }
        "moe_grouped_gemm" => {
            let shape = Experts {
                count: need(row.experts, "experts")?,
                topk: need(row.topk, "topk")?,
                ep: row.moe_ep.unwrap_or(1.0),
                tp: row.moe_tp.unwrap_or(1.0),
                width: need(row.hidden, "hidden")?,
                inter: need(row.inter, "inter")?,
                matrices: 3.0,
                by,
                or: None,
            };
            (Some(Kind::Experts), Work::Experts(shape), tokens(need(row.m_or_tokens, "m_or_tokens")?))
        }
        "attn_decode" | "attn_prefill_causal" | "mla_decode" => attention(row, cache, path.rate)?,
        "comm_all_reduce" | "custom_allreduce" => {
            (None, Work::Reduce { bytes_per_token: need(row.bytes, "bytes")? }, tokens(1.0))
        }
        "comm_all_gather" | "comm_reduce_scatter" | "comm_alltoall" => {
            let bytes_per_token = need(row.bytes, "bytes")?;
            let exchange = Exchange { bytes: bytes_per_token, topk: 1.0, reach: 1.0 };
            (None, Work::Exchange { bytes_per_token, exchange }, tokens(1.0))
        }
        other => return Err(format!("the operation \"{other}\" is not known")),
    })
}

fn attention(row: &KernelRow, cache: Precision, rate: FlopRate) -> Result<(Option<Kind>, Work, Step), String> {
    let (batch, length, heads) = (need(row.batch, "batch")?, need(row.seq, "seq")?, need(row.q_heads, "q_heads")?);
    let decode = Step { decode: Whole(batch), context: Each(length), ..Step::default() };
    let shape = |flop_per_pair, bytes_per_cached, bytes_per_token| Attention {
        flop_per_pair,
        index_flop: 0.0,
        index_bytes: 0.0,
        bytes_per_cached,
        bytes_per_token,
        score_bytes: 0.0,
        span: Span::FULL,
        latent: false,
        rate,
        kernel: Kernel::IDEAL,
    };
    if row.op == "mla_decode" {
        let (rank, rope) = LATENT;
        let each = 2.0 * rank + rope;
        let a = shape(2.0 * heads * each, (rank + rope) * cache.bytes(), heads * each * 2.0);
        return Ok((Some(Kind::LatentDecode), Work::Decode(a), decode));
    }
    let (kv, dim) = (need(row.kv_heads, "kv_heads")?, need(row.head_dim, "head_dim")?);
    let a = shape(4.0 * heads * dim, 2.0 * kv * dim * cache.bytes(), 4.0 * heads * dim);
    if row.op == "attn_decode" {
        return Ok((Some(Kind::AttentionDecode), Work::Decode(a), decode));
    }
    let prompt = Step::of_prompts(batch, length, 0.0);
    Ok((Some(Kind::AttentionPrefill), Work::Prefill(a), prompt))
}

/// Fits the constants of one kernel family on the rows of its generation.
pub fn fit_family(entry: &KernelEntry, rows: &[&Timing]) -> (KernelEntry, Vec<Parameter>) {
    let experts = entry.kind == Kind::Experts;
    let tiled = matches!(entry.kind, Kind::Gemm | Kind::Experts);
    let p = Parameter::new;
    let mut start = vec![p(0.6, 0.02, 1.0), p(0.8, 0.02, 1.0), p(8e-6, 3e-7, 4e-4), p(2.0, 0.6, 12.0)];
    start.push(if tiled { p(0.5e-9, 1e-11, 5e-9) } else { p(1.5, 1.0, 4.0) });
    if experts {
        start.extend([p(2.0, 0.3, 12.0), p(1.5, 1.0, 4.0)]);
    }
    let kernel = |v: &[f64]| Kernel {
        compute: v[0],
        memory: v[1],
        launch: v[2],
        blend: v[3],
        wave: if tiled { v[4] } else { 0.0 },
        cached: if tiled { 1.0 } else { v[4] },
        skew: if experts { v[5] } else { 1.0 },
        imbalance: if experts { v[6] } else { 1.0 },
        free: 0.0,
        least: 0.0,
        most: f64::INFINITY,
    };
    let residuals =
        |v: &[f64]| rows.iter().map(|row| (row.seconds(&kernel(v)) / row.measured_s).ln()).collect::<Vec<f64>>();
    let found = fit(&start, 40, 0.0, residuals);
    let values: Vec<f64> = found.iter().map(|p| p.value).collect();
    let k = kernel(&values);
    let fitted = KernelEntry {
        compute: k.compute,
        memory: k.memory,
        launch_s: k.launch,
        blend: k.blend,
        wave_s: k.wave,
        cached: k.cached,
        skew: k.skew,
        imbalance: k.imbalance,
        rows: rows.len() as u64,
        median_error: stats::median(
            &residuals(&values).iter().map(|r| r.exp() - 1.0).map(f64::abs).collect::<Vec<_>>(),
        )
        .unwrap_or(0.0),
        ..entry.clone()
    };
    (fitted, found)
}
