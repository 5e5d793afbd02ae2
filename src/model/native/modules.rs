//! The weight matrices of a model under the names that checkpoints give them.
//!
//! Quantisation blocks name modules; the description of a model has fused matrices. A module here is what one name
//! stands for, with every spelling in use for it, and the parameters it holds.

use crate::model::spec::{Class, Core, Layer, Linear, Part};
use std::rc::Rc;

/// A weight matrix of a checkpoint.
#[derive(Debug, Clone)]
pub struct Module {
    /// The layer it is in, counted from 0.
    pub layer: Option<u64>,
    /// What class of weights it belongs to.
    pub class: Class,
    /// Its parameters; a share of an expert's in each.
    pub params: f64,
    /// Names below the layer, the usual one first.
    pub names: Rc<[String]>,
}

/// A piece of a fused matrix: its names, and its share of the matrix.
type Piece = (Vec<&'static str>, f64);

/// Where the parts of a layer hang, by the ways architectures name them.
struct Parents {
    attention: Vec<&'static str>,
    recurrence: Vec<&'static str>,
    dense: Vec<&'static str>,
    shared: Vec<&'static str>,
    experts: Vec<&'static str>,
    router: Vec<&'static str>,
}

impl Parents {
    fn of(architecture: &str) -> Self {
        if architecture.starts_with("NemotronH") {
            let mixer = || vec!["mixer"];
            let (shared, experts) = (vec!["mixer.shared_experts", "mixer"], vec!["mixer.experts"]);
            return Self { attention: mixer(), recurrence: mixer(), dense: mixer(), shared, experts, router: mixer() };
        }
        let attention = vec!["self_attn", "attn", "attention", "self_attention"];
        let recurrence = match architecture.starts_with("Kimi") {
            true => vec!["self_attn"],
            false => vec!["linear_attn", "mamba", "mixer"],
        };
        // Gemma 4 has its experts beside the dense network, not in it.
        let experts = match architecture.starts_with("Gemma") {
            true => vec!["experts", "moe.experts"],
            false => {
                vec!["mlp.experts", "ffn.experts", "feed_forward.experts", "block_sparse_moe.experts", "moe.experts"]
            }
        };
        let shared = vec![
            "mlp.shared_experts",
            "mlp.shared_expert",
            "ffn.shared_experts",
            "feed_forward.shared_expert",
            "block_sparse_moe.shared_experts",
            "mlp.shared_mlp",
            "shared_mlp",
        ];
        Self {
            attention,
            recurrence,
            dense: vec!["mlp", "ffn", "feed_forward"],
            shared,
            experts,
            router: vec!["mlp", "ffn", "feed_forward", "block_sparse_moe", "router", "moe"],
        }
    }

    fn of_linear(&self, linear: &Linear, core: &Core) -> &[&'static str] {
        match (linear.part, core) {
            (Part::Attention, Core::Recurrent { .. }) => &self.recurrence,
            (Part::Attention, _) => &self.attention,
            (Part::Dense, _) => &self.dense,
            (Part::Shared, _) => &self.shared,
            (Part::Router, _) => &self.router,
        }
    }
}

/// Every weight matrix of the layers; experts one by one only where they are told apart.
pub fn of(architecture: &str, layers: &[Layer], each_expert: bool) -> Vec<Module> {
    let parents = Parents::of(architecture);
    let mut all = Vec::new();
    let mut next = 0;
    for layer in layers {
        let places: Vec<u64> = match layer.at.is_empty() {
            true => (next..next + layer.count).collect(),
            false => layer.at.clone(),
        };
        next += layer.count;
        let own = one(&parents, layer, each_expert);
        all.extend(places.iter().flat_map(|at| own.iter().map(|m| Module { layer: Some(*at), ..m.clone() })));
    }
    all
}

/// The LM head and the table of the embedding.
pub fn ends(params: u64, tied: bool) -> Vec<Module> {
    let end = |class, names: &[&str]| Module {
        layer: None,
        class,
        params: params as f64,
        names: names.iter().map(|name| (*name).to_owned()).collect(),
    };
    let table = end(Class::Embedding, &["embed_tokens", "embeddings", "wte", "tok_embeddings", "embed"]);
    let head = end(Class::Head, &["lm_head", "head", "output", "embed_out"]);
    if tied { vec![table] } else { vec![table, head] }
}

fn one(parents: &Parents, layer: &Layer, each_expert: bool) -> Vec<Module> {
    let mut all = Vec::new();
    for linear in &layer.linears {
        let under = parents.of_linear(linear, &layer.core);
        for (leaves, share) in pieces(linear, layer) {
            let names = under.iter().flat_map(|parent| leaves.iter().map(move |leaf| format!("{parent}.{leaf}")));
            let names = names.chain((linear.part == Part::Router).then(|| "router".to_owned())).collect();
            all.push(Module {
                layer: None,
                class: Class::Part(linear.part),
                params: linear.params() as f64 * share,
                names,
            });
        }
    }
    let Some(experts) = layer.experts else { return all };
    let shown = if each_expert { experts.count } else { 1 };
    let each = (experts.count * experts.params_each()) as f64 / shown as f64 / experts.matrices as f64;
    for expert in 0..shown {
        for leaves in expert_leaves(experts.matrices) {
            let name = |parent: &&str| {
                let fused = leaves.iter().map(move |leaf| format!("{parent}.{leaf}"));
                leaves.iter().map(|leaf| format!("{parent}.{expert}.{leaf}")).chain(fused).collect::<Vec<_>>()
            };
            let names = parents.experts.iter().flat_map(name).collect();
            all.push(Module { layer: None, class: Class::Experts, params: each, names });
        }
    }
    all
}

fn expert_leaves(matrices: u64) -> Vec<Vec<&'static str>> {
    let down = vec!["down_proj", "w2", "linear_fc2", "down_projs"];
    match matrices {
        2 => vec![vec!["up_proj", "w1", "linear_fc1"], down],
        _ => vec![vec!["gate_proj", "w1", "gate_up_proj"], vec!["up_proj", "w3", "gate_up_proj"], down],
    }
}

/// The modules that one matrix of the description stands for.
fn pieces(linear: &Linear, layer: &Layer) -> Vec<Piece> {
    const QKV: [&str; 5] = ["qkv_proj", "qkv", "query_key_value", "c_attn", "Wqkv"];
    let whole = |names: &[&'static str]| vec![(names.to_vec(), 1.0)];
    let fused = |name: &'static str| std::iter::once(name).chain(QKV).collect::<Vec<_>>();
    match linear.name {
        "qkv" | "qkv_gate" | "qk" => {
            let [q, k, v] = widths(&layer.core, linear);
            let all = linear.outputs as f64;
            let split = [("q_proj", q), ("k_proj", k), ("v_proj", v)].into_iter().filter(|(_, width)| *width > 0.0);
            split.map(|(name, width)| (fused(name), width / all)).collect()
        }
        "q" => whole(&["q_proj", "wq"]),
        "o" => whole(&["o_proj", "out_proj", "dense", "wo", "c_proj", "linear_out"]),
        "q_down" => whole(&["q_a_proj", "wq_a", "fused_qkv_a_proj"]),
        "q_up" => whole(&["q_b_proj", "wq_b"]),
        "kv_down" => whole(&["kv_a_proj_with_mqa", "wkv_a", "fused_qkv_a_proj"]),
        "kv_up" => whole(&["kv_b_proj", "wkv_b"]),
        "kv" => whole(&["wkv", "kv_proj"]),
        "o_down" => whole(&["wo_a"]),
        "o_up" => whole(&["wo_b"]),
        "index_q" => whole(&["indexer.wq_b"]),
        "index_k" => whole(&["indexer.wk"]),
        "index_weights" => whole(&["indexer.weights_proj", "indexers_proj"]),
        "qkvz" => {
            let values = layer.linears.iter().find(|l| l.name == "o").map_or(0, |l| l.inputs) as f64;
            let gate = values / linear.outputs as f64;
            vec![(vec!["in_proj_qkv", "in_proj_qkvz"], 1.0 - gate), (vec!["in_proj_z", "in_proj_qkvz"], gate)]
        }
        "ba" => vec![(vec!["in_proj_b", "in_proj_ba"], 0.5), (vec!["in_proj_a", "in_proj_ba"], 0.5)],
        "in" => whole(&["in_proj"]),
        "out" => whole(&["out_proj"]),
        "beta" => whole(&["b_proj"]),
        "decay_down" => whole(&["f_a_proj"]),
        "decay_up" => whole(&["f_b_proj"]),
        "gate" => whole(&["g_proj", "gate_proj"]),
        "gate_up" => {
            let (gate, up) = (["gate_proj", "w1", "gate_up_proj"], ["up_proj", "w3", "gate_up_proj"]);
            vec![(gate.to_vec(), 0.5), (up.to_vec(), 0.5)]
        }
        "up" => whole(&["up_proj", "fc1", "c_fc", "dense_h_to_4h", "linear_fc1"]),
        "down" => whole(&["down_proj", "w2", "fc2", "dense_4h_to_h", "linear_fc2"]),
        "latent_down" => whole(&["fc1_latent_proj"]),
        "latent_up" => whole(&["fc2_latent_proj"]),
        "shared_gate" => whole(&["shared_expert_gate"]),
        "router" => whole(&["gate", "router", "gate.wg", "proj"]),
        other => whole(&[other]),
    }
}

/// Outputs of query, key and value in a fused projection.
fn widths(core: &Core, linear: &Linear) -> [f64; 3] {
    match *core {
        Core::Softmax { kv_heads, head_dim, v_head_dim, .. } => {
            let (k, v) = (kv_heads * head_dim, if linear.name == "qk" { 0 } else { kv_heads * v_head_dim });
            [(linear.outputs.saturating_sub(k + v)) as f64, k as f64, v as f64]
        }
        _ => [linear.outputs as f64 / 3.0; 3],
    }
}
