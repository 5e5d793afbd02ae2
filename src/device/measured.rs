//! A data sheet written from what was measured, and profiles read back from files.

use super::{Device, Profile, profile};
use crate::catalog;
use crate::diagnostic::Diagnostic;
use crate::units::{Bandwidth, Bytes, FlopRate};
use jiff::civil::Date;
use std::path::Path;

impl Device {
    /// The data sheet of an adapter that was measured: sustained rates, no links, memory only where it is known.
    pub fn measured(name: &str, gemm: FlopRate, stream: Bandwidth, memory: Option<Bytes>, started: &str) -> Self {
        Self {
            id: name.to_owned(),
            name: name.to_owned(),
            vendor: String::new(),
            architecture: "measured".to_owned(),
            year: None,
            form_factor: None,
            process_nm: None,
            memory: memory.unwrap_or(Bytes::ZERO),
            bandwidth: stream,
            l2: None,
            link: None,
            network: None,
            interconnect: None,
            pcie_peers: true,
            pcie: None,
            compute_units: None,
            cpu: false,
            shared_memory: false,
            channels: None,
            tdp: None,
            pci: Vec::new(),
            library: Vec::new(),
            rates: super::sheet::Rates { fp32: Some(gemm), ..Default::default() },
            source: format!("measured by underdog, {started}"),
            trust: super::sheet::Trust::A,
            retrieved: started.get(..10).and_then(|day| day.parse().ok()).unwrap_or(Date::ZERO),
            notes: None,
        }
    }
}

impl Profile {
    /// Reads a saved profile, all of it: what is in it is used afterwards without a second look.
    ///
    /// # Errors
    /// When the file is no profile, one of another version, or one with a field that no measurement writes.
    pub fn load(path: &Path) -> Result<Self, Diagnostic> {
        let entry = catalog::read(path)?;
        let found: Self = serde_json::from_str(&entry.text).map_err(|error| {
            Diagnostic::from_json(&entry.file, &entry.text, &error).hint("a profile is written by `underdog bench`")
        })?;
        if found.schema != profile::SCHEMA {
            let message =
                format!("the profile has the format \"{}\", this version reads \"{}\"", found.schema, profile::SCHEMA);
            return Err(Diagnostic::new(&entry.file, message).hint("measure again with `underdog bench`"));
        }
        match found.refused() {
            Some(why) => Err(Diagnostic::new(&entry.file, why)
                .hint("take the entry out of the file, or measure again with `underdog bench`")),
            None => Ok(found),
        }
    }
}
