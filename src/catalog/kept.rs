//! What was made of the catalogue's own files: a sweep asks for the same device, model and prices at every point.

use crate::diagnostic::Diagnostic;
use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

type Things = HashMap<(TypeId, PathBuf), Arc<dyn Any + Send + Sync>>;

/// Things by their type and their name in the catalogue, where it was asked from; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Kept(Arc<Mutex<Things>>);

impl Kept {
    /// What was made under a name before, else what is made now. A name that is a path is never kept: its file belongs
    /// to the user, who may write it again.
    ///
    /// # Errors
    /// As making it; an error is not kept.
    pub fn or_make<T: Clone + Send + Sync + 'static>(
        &self,
        name: &str,
        base: &Path,
        make: impl FnOnce() -> Result<T, Diagnostic>,
    ) -> Result<T, Diagnostic> {
        let path = name.contains(['/', '\\']) || [".toml", ".json", ".gguf"].iter().any(|end| name.ends_with(end));
        if path {
            return make();
        }
        let key = (TypeId::of::<T>(), base.join(name));
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(thing) = known.and_then(|thing| thing.downcast::<T>().ok()) {
            return Ok(T::clone(&thing));
        }
        let made = make()?;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key, Arc::new(made.clone()));
        Ok(made)
    }
}
