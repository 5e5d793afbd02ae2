//! Models of recurrences alone: a norm and a mixer a layer.
//!
//! Sources: `modeling_mamba.py`, `modeling_falcon_mamba.py` and `modeling_mamba2.py` in transformers.

use super::anatomy::Anatomy;
use super::class::{Class, Said, class};
use super::recurrent::{Mamba1, Mamba2, Mamba2Names};
use crate::diagnostic::Diagnostic;
use crate::model::config::Config;
use crate::model::draft::Draft;
use crate::model::spec::Layer;

/// The classes.
pub const CLASSES: &[Class] = &[
    class(&["MambaForCausalLM"], &["mamba"], MAMBA, mamba)
        .unused(&["ssm_cfg", "pad_vocab_size_multiple"])
        .fixed(&[("rms_norm", "true")]),
    class(&["FalconMambaForCausalLM"], &["falcon_mamba"], MAMBA, mamba),
    class(&["Mamba2ForCausalLM"], &["mamba2"], MAMBA2, mamba2)
        .unused(&["time_step_rank", "norm_before_gate", "chunk_size"])
        .fixed(&[("rms_norm", "true")]),
];

const MAMBA: &str = r#"{"state_size": 16, "conv_kernel": 4, "expand": 2, "tie_word_embeddings": true}"#;
const MAMBA2: &str = r#"{"n_groups": 8, "state_size": 128, "conv_kernel": 4, "expand": 2, "head_dim": 64,
    "tie_word_embeddings": false}"#;

/// Mamba-1 alone: a norm and a mixer a layer.
fn mamba(c: &Config<'_>) -> Result<Anatomy, Diagnostic> {
    let hidden = c.count_of(&["hidden_size", "d_model"])?;
    let inner = match c.count_of_if(&["intermediate_size", "d_inner"])? {
        Some(inner) => {
            c.unused(&["expand"]);
            inner
        }
        None => c.count("expand")? * hidden,
    };
    let names = ["state_size", "conv_kernel", "use_conv_bias", "use_bias", "time_step_rank"];
    let layer = Mamba1::read(c, hidden, inner, names, false)?.add(Draft::with_norms(hidden)).layer();
    let layers = vec![Layer { count: c.layers(&["num_hidden_layers", "n_layer"])?, ..layer }];
    Ok(Anatomy { hidden, layers, other_params: hidden, ..Anatomy::default() })
}

/// Mamba-2 alone: a norm and a mixer a layer.
fn mamba2(c: &Config<'_>) -> Result<Anatomy, Diagnostic> {
    let hidden = c.count("hidden_size")?;
    let names = Mamba2Names {
        heads: ["num_heads", "head_dim"],
        groups: "n_groups",
        state: "state_size",
        conv: ["conv_kernel", "use_conv_bias"],
        bias: "use_bias",
        norm: Said::Yes,
        expand: Some("expand"),
    };
    let mixer = Mamba2::read(c, hidden, &names)?;
    if c.count_if("intermediate_size")?.is_some_and(|inner| inner != mixer.inner()) {
        return Err(c.wrong("intermediate_size", &format!("must be that of all heads, {}", mixer.inner())));
    }
    let layer = mixer.add(Draft::with_norms(hidden)).layer();
    let layers = vec![Layer { count: c.layers(&["num_hidden_layers"])?, ..layer }];
    Ok(Anatomy { hidden, layers, other_params: hidden, ..Anatomy::default() })
}
