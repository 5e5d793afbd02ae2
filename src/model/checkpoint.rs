//! What a checkpoint's index says its tensors take, against what was counted.
//!
//! `model.safetensors.index.json` has the sum of all tensors and their names. The sum holds what is left out here
//! (vision towers, layers that only guess tokens); where the names show such tensors, it is a bound from above.

use crate::catalog::Entry;
use crate::diagnostic::Diagnostic;
use crate::model::count::Weights;
use crate::model::spec::ModelSpec;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::BTreeMap;

/// How far the two may be apart.
const TOLERANCE: f64 = 0.03;

/// Where tensors are left out, the least share of the index's sum that must have been counted.
const LEAST: f64 = 0.6;

/// Parts of names of tensors that are not of the language model itself.
const LEFT_OUT: [&str; 9] =
    ["vision", "visual", "audio", "projector", "image", "mtp", "nextn", "embed_vision", "patch_merge"];

#[derive(Deserialize)]
struct Index {
    metadata: Option<Metadata>,
    #[serde(default)]
    weight_map: BTreeMap<String, IgnoredAny>,
}

#[derive(Deserialize)]
struct Metadata {
    total_size: Option<f64>,
}

/// Compares, and adds a note.
///
/// # Errors
/// When the index is broken or the two disagree.
pub fn compare(spec: &mut ModelSpec, index: &Entry) -> Result<(), Diagnostic> {
    let read: Index =
        serde_json::from_str(&index.text).map_err(|error| Diagnostic::from_json(&index.file, &index.text, &error))?;
    let Some(total) = read.metadata.and_then(|m| m.total_size).filter(|total| *total > 0.0) else {
        spec.notes.push("The index beside the file says no size.".into());
        return Ok(());
    };
    let layers = spec.layer_count();
    let beyond = |name: &str| {
        let number = name.split_once("layers.").map(|(_, rest)| rest.split('.').next().unwrap_or_default().parse());
        matches!(number, Some(Ok(number)) if layers <= number)
    };
    let extra = read.weight_map.keys().filter(|name| beyond(name) || LEFT_OUT.iter().any(|w| name.contains(w))).count();
    let counted = spec.weight_bytes(Weights::Native).get();
    let share = counted / total;
    let least = if extra > 0 { LEAST } else { 1.0 - TOLERANCE };
    if share < least || share > 1.0 + TOLERANCE {
        let message = format!(
            "the tensors take {:.2} GB, but {:.2} GB were counted from the configuration",
            total / 1e9,
            counted / 1e9
        );
        return Err(Diagnostic::new(&index.file, message).hint(
            "the configuration and the weights are of different checkpoints, or their storage is not understood; \
             without the index beside it the configuration alone is counted",
        ));
    }
    let left = if extra > 0 { format!(", with {extra} tensors that are left out here") } else { String::new() };
    spec.notes.push(format!(
        "The checkpoint's index says {:.2} GB{left}; counted were {:.2} GB.",
        total / 1e9,
        counted / 1e9
    ));
    Ok(())
}
