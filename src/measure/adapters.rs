//! Which adapters this host has: one child per driver, so that a driver that crashes hides no other.

use super::protocol::{Reply, Request, Target};
use super::supervisor::{Death, PROBE_DEADLINE, Worker};
use super::{MeasureError, cpu};
use crate::catalog::Catalog;
use crate::device::Device;
use crate::gpu::{Driver, Found, drivers};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::str::FromStr;

/// One adapter, or one driver that could not be asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AdapterRow {
    /// What `--adapter` takes; the best adapter is 0. Absent for a driver that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<usize>,
    /// The device's name, or the driver's file.
    pub name: String,
    /// `vulkan`, `metal`, `dx12`, `gl`, or `cpu` for the CPU executor.
    pub backend: String,
    /// The driver and its version.
    pub driver: String,
    /// `discrete`, `integrated`, `virtual`, `cpu`, `other`, or `no-op` where nothing that is submitted runs.
    pub kind: String,
    /// It computes on the host's cores.
    pub software: bool,
    /// Lanes of a subgroup; absent where there are none or the size varies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lanes: Option<u32>,
    /// Features the kernels can use, by their wgpu names. Absent where there are none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub features: String,
    /// Largest storage binding, bytes. Absent without a limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub binding_bytes: Option<u64>,
    /// Workgroup memory, bytes. Absent on the CPU executor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workgroup_bytes: Option<u32>,
    /// Invocations of a workgroup. Absent on the CPU executor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invocations: Option<u32>,
    /// PCI vendor and device number, as data sheets name boards. Absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pci: Option<String>,
    /// Where it is plugged in: two equal cards differ in this, and `--adapter` takes it. Absent where the driver does not
    /// tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bus: Option<String>,
    /// Why the driver could not be asked. Absent for an adapter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// How to open it.
    #[serde(skip)]
    pub target: Option<Target>,
    /// All that is known about it.
    #[serde(skip)]
    pub(super) found: Option<Found>,
}

/// Which adapter is meant.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Selector {
    /// The fastest real one; without a GPU the CPU executor, which passes every software adapter.
    #[default]
    Default,
    /// The one with this index.
    Index(usize),
    /// The first whose name, driver or backend contains this, or that is plugged in there.
    Name(String),
    /// The CPU executor.
    Cpu,
    /// Every adapter; the CPU executor where there is none.
    All,
}

impl FromStr for Selector {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text.trim() {
            "" | "default" => Self::Default,
            "all" => Self::All,
            "cpu" => Self::Cpu,
            other => other.parse().map_or_else(|_| Self::Name(other.to_lowercase()), Self::Index),
        })
    }
}

/// Every adapter of every driver: the real ones, the fastest by its data sheet first, then the CPU executor, then those
/// that compute on the host's cores as well, only slower; last the drivers that failed.
pub fn adapters(exe: &Path) -> Vec<AdapterRow> {
    let asked: Vec<(Driver, Result<Vec<Found>, Death>)> = std::thread::scope(|scope| {
        let asking: Vec<_> = drivers()
            .into_iter()
            .map(|driver| {
                scope.spawn(move || {
                    let found = ask(exe, &driver);
                    (driver, found)
                })
            })
            .collect();
        asking.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    let (mut rows, mut failed) = (Vec::new(), Vec::new());
    for (driver, answer) in asked {
        match answer {
            Ok(found) => rows.extend(found.into_iter().map(|f| {
                let target = Target::Adapter { driver: driver.clone(), position: f.position };
                row(&f, target)
            })),
            Err(Death(why)) => failed.push(failure(&driver, why)),
        }
    }
    rows.push(row(&cpu::found(), Target::Cpu));
    let sheets = Device::load_all(&Catalog::embedded()).unwrap_or_default();
    rows.sort_by_cached_key(|r| (rank(r, &sheets), r.name.to_lowercase()));
    for (index, row) in rows.iter_mut().enumerate() {
        row.index = Some(index);
    }
    rows.extend(failed);
    rows
}

/// The targets a selector means, never empty.
pub(super) fn select(exe: &Path, selector: &Selector) -> Result<Vec<AdapterRow>, MeasureError> {
    let cpu = || row(&cpu::found(), Target::Cpu);
    if *selector == Selector::Cpu {
        return Ok(vec![cpu()]);
    }
    let rows: Vec<AdapterRow> = adapters(exe).into_iter().filter(|r| r.target.is_some()).collect();
    let chosen: Vec<AdapterRow> = match selector {
        Selector::Default => rows.first().cloned().into_iter().collect(),
        Selector::All => rows.clone(),
        Selector::Index(index) => rows.get(*index).cloned().into_iter().collect(),
        Selector::Name(name) => rows.iter().find(|r| matches_name(r, name)).cloned().into_iter().collect(),
        Selector::Cpu => vec![cpu()],
    };
    match (chosen.is_empty(), selector) {
        (true, other) => {
            let asked = match other {
                Selector::Index(index) => index.to_string(),
                Selector::Name(name) => name.clone(),
                _ => "default".into(),
            };
            let names: Vec<String> = rows.iter().map(|r| format!("{} ({})", r.name, r.backend)).collect();
            Err(MeasureError::NoAdapter { asked, known: format!("known here: {}", names.join(", ")) })
        }
        (false, _) => Ok(chosen),
    }
}

/// An adapter, and how Vulkan reaches it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnVulkan {
    /// Name of the device.
    pub name: String,
    /// Its driver, and its position among the adapters of that; `None` where another backend reaches it.
    pub driver: Option<(Driver, usize)>,
}

/// The adapters a selector means, as Vulkan reaches them.
///
/// # Errors
/// When there is no such adapter.
pub fn vulkan(exe: &Path, selector: &Selector) -> Result<Vec<OnVulkan>, MeasureError> {
    let way = |target| match target {
        Some(Target::Adapter { driver, position }) if driver.backend == "vulkan" => Some((driver, position)),
        _ => None,
    };
    Ok(select(exe, selector)?.into_iter().map(|row| OnVulkan { name: row.name, driver: way(row.target) }).collect())
}

/// The one adapter a selector means, and how to reach it.
pub(super) fn one(exe: &Path, selector: &Selector) -> Result<(AdapterRow, Target), MeasureError> {
    if *selector == Selector::All {
        let why = "this runs on one adapter; give its index or name".to_owned();
        return Err(MeasureError::Unsupported { what: "--adapter all".to_owned(), why });
    }
    let row = select(exe, selector)?.swap_remove(0);
    let target = row.target.clone().unwrap_or(Target::Cpu);
    Ok((row, target))
}

/// Mesa's software Vulkan driver is called llvmpipe in its own description and lavapipe by everyone else.
fn matches_name(row: &AdapterRow, name: &str) -> bool {
    let lavapipe = row.backend == "vulkan" && row.name.to_lowercase().contains("llvmpipe");
    row.name.to_lowercase().contains(name)
        || row.driver.to_lowercase().contains(name)
        || row.backend == name
        || row.bus.as_ref().is_some_and(|bus| bus == name)
        || (name == "lavapipe" && lavapipe)
}

/// Real GPUs first, the one with the fastest memory before all; of the ways to the same one the backend whose compiler
/// keeps most of what a kernel says.
fn rank(row: &AdapterRow, sheets: &[Device]) -> (usize, std::cmp::Reverse<u64>, usize) {
    let order = ["discrete", "integrated", "virtual", "other", "host", "cpu"];
    let place = |all: &[&str], one: &str| all.iter().position(|k| *k == one).unwrap_or(all.len());
    let kind = if row.backend == "cpu" { "host" } else { &row.kind };
    let pci = row.found.as_ref().map_or([0, 0], |f| f.identity.pci);
    let known = sheets.iter().filter(|d| d.bears(pci));
    let bandwidth = known.map(|d| d.bandwidth.get() as u64).max().unwrap_or(0);
    (place(&order, kind), std::cmp::Reverse(bandwidth), place(&["vulkan", "metal", "dx12"], &row.backend))
}

fn ask(exe: &Path, driver: &Driver) -> Result<Vec<Found>, Death> {
    let target = Target::Adapter { driver: driver.clone(), position: 0 };
    let mut worker = Worker::start(exe, &target, &[]).map_err(|e| Death(e.to_string()))?;
    match worker.ask(&Request::List(driver.backend.clone()), PROBE_DEADLINE)? {
        Reply::Adapters(found) => Ok(found),
        Reply::Failed(why) => Err(Death(why)),
        other => Err(Death(format!("answered {other:?}"))),
    }
}

fn row(found: &Found, target: Target) -> AdapterRow {
    let (identity, caps) = (&found.identity, &found.caps);
    let known = |number: u32| Some(number).filter(|n| *n > 0);
    AdapterRow {
        index: None,
        name: identity.name.clone(),
        backend: identity.backend.clone(),
        driver: format!("{} {}", identity.driver, identity.driver_info).trim().to_string(),
        kind: identity.kind.clone(),
        software: caps.software,
        lanes: known(caps.lanes),
        features: identity.features.join(", "),
        binding_bytes: Some(caps.binding).filter(|&b| b != u64::MAX),
        workgroup_bytes: known(caps.workgroup_bytes),
        invocations: known(caps.invocations),
        pci: known(identity.pci[1]).map(|device| format!("{:04x}:{device:04x}", identity.pci[0])),
        bus: Some(identity.bus.clone()).filter(|bus| !bus.is_empty()),
        problem: None,
        target: Some(target),
        found: Some(found.clone()),
    }
}

fn failure(driver: &Driver, why: String) -> AdapterRow {
    let name = driver.manifest.as_ref().map_or_else(|| driver.backend.clone(), |m| m.display().to_string());
    AdapterRow {
        index: None,
        name,
        backend: driver.backend.clone(),
        driver: String::new(),
        kind: "other".into(),
        software: false,
        lanes: None,
        features: String::new(),
        binding_bytes: None,
        workgroup_bytes: None,
        invocations: None,
        pci: None,
        bus: None,
        problem: Some(why),
        target: None,
        found: None,
    }
}
