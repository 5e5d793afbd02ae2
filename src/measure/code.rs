//! What a driver's compiler makes of candidates, asked before they are timed: a process of its own, which may die.

use super::protocol::{Reply, Request, Target};
use super::supervisor::{DEADLINE, Worker};
use crate::catalog::Catalog;
use crate::device::Device;
use crate::device::profile::Code;
use crate::gpu::Found;
use crate::isa::{self, Judgement, Rates};
use crate::kernels::Variant;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Everything a compiler said so far.
pub struct Codes {
    exe: PathBuf,
    /// `None` where nobody can be asked, or nobody answers.
    target: Option<Target>,
    position: usize,
    rates: Option<Rates>,
    known: HashMap<Variant, Option<Code>>,
    worker: Option<Worker>,
    deaths: u32,
}

/// Compilers that died before nobody is asked any more.
const DEATHS: u32 = 3;

impl Codes {
    /// Of an adapter. Software compiles for the host's cores, whose machine code nothing here can judge.
    pub fn of(exe: &Path, target: &Target, found: &Found) -> Self {
        let asked = match target {
            Target::Adapter { driver, position } if driver.backend == "vulkan" && !found.caps.software => {
                Some((target.clone(), *position))
            }
            _ => None,
        };
        // Nobody else needs the catalogue here.
        let sheets = asked.iter().flat_map(|_| Device::load_all(&Catalog::embedded()).unwrap_or_default());
        let sheet = sheets.into_iter().find(|d| d.bears(found.identity.pci));
        Self {
            exe: exe.into(),
            position: asked.as_ref().map_or(0, |a| a.1),
            target: asked.map(|a| a.0),
            rates: sheet.and_then(|sheet| isa::rates_of(&sheet.architecture)),
            known: HashMap::new(),
            worker: None,
            deaths: 0,
        }
    }

    /// What the compiler makes of variants, in their order.
    pub fn ask(&mut self, variants: &[&Variant]) -> Vec<Option<Code>> {
        for &variant in variants {
            if self.target.is_some() && !self.known.contains_key(variant) {
                let rates = self.rates;
                let code = self.judged(variant).map(|told| code(&told, rates.as_ref()));
                self.known.insert(variant.clone(), code);
            }
        }
        variants.iter().map(|v| self.known.get(*v).cloned().flatten()).collect()
    }

    /// One variant at a time: a compiler that dies over one says nothing of the others.
    fn judged(&mut self, variant: &Variant) -> Option<Judgement> {
        let target = self.target.as_ref()?;
        let worker = match self.worker.take() {
            Some(worker) => self.worker.insert(worker),
            None => self.worker.insert(Worker::start(&self.exe, target, &[]).ok()?),
        };
        match worker.ask(&Request::Judge(self.position, variant.clone()), DEADLINE) {
            Ok(Reply::Judged(judged)) => judged.map(|told| *told),
            answer => {
                self.worker = None;
                self.deaths += 1;
                // Silent once, silent for good: an extension does not appear later.
                if answer.is_ok() || self.deaths >= DEATHS {
                    self.target = None;
                }
                None
            }
        }
    }
}

fn code(told: &Judgement, rates: Option<&Rates>) -> Code {
    let ceiling = rates.and_then(|rates| isa::ceiling(told, rates));
    Code {
        registers: told.registers,
        spills: told.spills,
        ceiling: ceiling.map(|c| c.0).or(told.density),
        ceiling_by: ceiling.map(|c| c.1.to_owned()).or_else(|| told.density.map(|_| "density".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chip_of_unknown_rates_is_judged_by_density() {
        let told = Judgement { density: Some(0.8), spills: Some(0), registers: Some(96), ..Judgement::default() };
        let code = code(&told, None);
        assert_eq!((code.ceiling, code.ceiling_by.as_deref(), code.spills), (Some(0.8), Some("density"), Some(0)));
    }
}
