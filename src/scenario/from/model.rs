//! Which model a server serves: its id to the catalogue's name, and the format its id tells.

use super::problem::Problem;
use crate::catalog::Catalog;
use crate::catalog::names::published;
use crate::model::ModelSpec;
use std::path::Path;

/// The model of a command line.
#[derive(Debug, Clone)]
pub struct Served {
    /// As typed.
    pub id: String,
    /// What a scenario calls it.
    pub config: String,
    /// Format of the weights that the id tells.
    pub format: Option<String>,
    /// How to supply a model that is not in the catalogue.
    pub unknown: Option<String>,
    /// Its shapes, where they are known.
    pub spec: Option<ModelSpec>,
}

impl Served {
    /// Looks an id up. Files and folders that are here are themselves; other names are looked up in the catalogue.
    ///
    /// # Errors
    /// When the id is still a variable of the shell.
    pub fn of(id: &str, catalog: &Catalog) -> Result<Self, Problem> {
        if id.contains('$') || id == "..." {
            let hint = "write the model's id in its place";
            return Err(Problem::at(id, format!("the model is `{id}`, which only the shell knows"), hint));
        }
        let names = published(id, &catalog.models());
        let own = |config: String, unknown: Option<String>| Self {
            id: id.to_owned(),
            config,
            format: names.format.clone(),
            unknown,
            spec: None,
        };
        let path = Path::new(id);
        if id.contains(['/', '\\', '.']) && path.exists() {
            let config = std::path::absolute(path).map_or_else(|_| id.to_owned(), |p| p.display().to_string());
            // The file tells its own format, more exactly than its name.
            return Ok(Self { format: None, ..own(config, None) });
        }
        match &names.model {
            Some(name) => {
                let spec = ModelSpec::load(catalog, name, Path::new("")).ok();
                Ok(Self { spec, ..own(name.clone(), None) })
            }
            None => {
                let how =
                    "not in the catalogue: give the path of its config.json, or an id that lies in the local hub cache";
                Ok(own(id.to_owned(), Some(how.to_owned())))
            }
        }
    }

    /// Layers, where they are known.
    pub fn layers(&self) -> Option<u64> {
        self.spec.as_ref().map(ModelSpec::layer_count)
    }

    /// Has routed experts, as far as is known.
    pub fn has_experts(&self) -> Option<bool> {
        self.spec.as_ref().map(ModelSpec::has_experts)
    }
}
