//! Where measured profiles are kept: one file per adapter, driver version, backend and kernel sources.

use super::MeasureError;
use super::protocol::checksum;
use crate::device::Profile;
use crate::device::profile::{Adapter, SCHEMA};
use std::io::Write;
use std::path::{Path, PathBuf};

/// A folder of profiles. Files are replaced whole, so that a reader or a crash never sees half of one.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
}

impl Store {
    /// `$UNDERDOG_STORE`, else the user's data folder, else a folder in the temporary directory.
    pub fn open() -> Self {
        let variable = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let folder = variable("UNDERDOG_STORE")
            .or_else(|| variable("XDG_DATA_HOME").map(|d| d.join("underdog")))
            .or_else(|| variable("LOCALAPPDATA").map(|d| d.join("underdog")))
            .or_else(|| variable("HOME").map(|h| h.join(".local/share/underdog")))
            .unwrap_or_else(|| std::env::temp_dir().join("underdog"));
        Self { folder }
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A store in a folder of the caller's choice.
    pub fn at(folder: &Path) -> Self {
        Self { folder: folder.into() }
    }

    /// The file that holds, or will hold, this adapter's profile.
    pub fn path(&self, adapter: &Adapter) -> PathBuf {
        let hash = crate::kernels::template::source_hash();
        // Two equal cards are two adapters: cooled and fed differently, they need not be equally fast.
        let key = [&adapter.name, &adapter.driver, &adapter.driver_info, &adapter.backend, &adapter.bus, &hash]
            .map(String::as_str)
            .join("\n");
        let slug: String = adapter
            .name
            .to_lowercase()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .take(40)
            .collect();
        self.folder.join("profiles").join(format!(
            "{}-{}-{:08x}.json",
            adapter.backend,
            slug.trim_matches('-'),
            checksum(key.as_bytes())
        ))
    }

    /// The stored profile of this adapter. A file that cannot be understood is set aside, never deleted, and counts
    /// as absent.
    pub fn load(&self, adapter: &Adapter) -> Option<Profile> {
        let path = self.path(adapter);
        let text = std::fs::read_to_string(&path).ok()?;
        let profile =
            serde_json::from_str::<Profile>(&text).ok().filter(|p| p.schema == SCHEMA && p.refused().is_none());
        if profile.is_none() {
            let _ = std::fs::rename(&path, path.with_extension("damaged"));
        }
        profile.filter(|p| p.adapter == *adapter)
    }

    /// Writes a profile by temporary file, sync and rename, and returns where.
    pub fn save(&self, profile: &Profile) -> Result<PathBuf, MeasureError> {
        let path = self.path(&profile.adapter);
        let failed = |source| MeasureError::Store { path: path.display().to_string(), source };
        let folder = path.parent().unwrap_or(&self.folder);
        std::fs::create_dir_all(folder).map_err(failed)?;
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
        let text = serde_json::to_string_pretty(profile).map_err(|e| failed(e.into()))?;
        file.write_all(text.as_bytes()).map_err(failed)?;
        file.as_file().sync_all().map_err(failed)?;
        file.persist(&path).map_err(|e| failed(e.error))?;
        // The rename itself is durable only once the folder is; not every system can sync a folder.
        if let Ok(folder) = std::fs::File::open(folder) {
            let _ = folder.sync_all();
        }
        Ok(path)
    }
}
