//! Which class of weights a tensor belongs to, by the names of llama.cpp (gguf-py, `tensor_mapping.py`).

use super::header::Tensor;
use crate::model::spec::{Class, Part};

/// What a tensor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Weights of a class.
    Of(Class),
    /// In a layer beyond those of the model: it guesses tokens only.
    Beyond,
    /// A table that is computed from the configuration, not a weight.
    Table,
}

/// The layer and class of a tensor in a model of so many layers; `None` where its name is not known.
pub fn place(tensor: &Tensor, layers: u64) -> Option<Place> {
    let name = tensor.name.as_str();
    if let Some(class) = outside(name) {
        return Some(class);
    }
    let (number, rest) = name.strip_prefix("blk.")?.split_once('.')?;
    if number.parse::<u64>().ok()? >= layers {
        return Some(Place::Beyond);
    }
    let leaf = rest.strip_suffix(".weight");
    // Biases of experts belong to them; every other vector is small.
    if rest.contains("_exps.") {
        return Some(Place::Of(Class::Experts));
    }
    let Some(leaf) = leaf.filter(|_| tensor.sides.iter().filter(|side| **side > 1).count() > 1) else {
        let router = rest.starts_with("ffn_gate_inp") && rest.ends_with(".weight");
        return Some(Place::Of(if router { Class::Part(Part::Router) } else { Class::Rest }));
    };
    let parts: Vec<&str> = leaf.split('.').collect();
    Some(Place::Of(match parts.as_slice() {
        // Files of before 2024 have a tensor an expert.
        ["ffn_gate" | "ffn_up" | "ffn_down", expert] if expert.parse::<u64>().is_ok() => Class::Experts,
        ["ffn_gate_inp" | "ffn_gate_inp_shexp"] => Class::Part(Part::Router),
        [one] if one.ends_with("_shexp") => Class::Part(Part::Shared),
        [one] if one.ends_with("_exps") => Class::Experts,
        ["ffn_gate" | "ffn_up" | "ffn_down" | "ffn_gate_up"] => Class::Part(Part::Dense),
        ["ssm_conv1d" | "ssm_a" | "ssm_d"] => Class::Rest,
        [one] if one.starts_with("attn_") || one.starts_with("ssm_") || one.starts_with("indexer") => {
            Class::Part(Part::Attention)
        }
        _ => return None,
    }))
}

fn outside(name: &str) -> Option<Place> {
    Some(match name {
        "token_embd.weight" => Place::Of(Class::Embedding),
        "output.weight" => Place::Of(Class::Head),
        _ if name.starts_with("rope_f") || name.contains(".rope_f") => Place::Table,
        _ if name.starts_with("output_norm") || name.starts_with("token_embd_norm") || name == "output.bias" => {
            Place::Of(Class::Rest)
        }
        "position_embd.weight" => Place::Of(Class::Rest),
        _ => return None,
    })
}
