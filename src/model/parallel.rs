//! Over how many ranks the heads and the experts of a model can be spread.
//!
//! What vLLM, SGLang and TensorRT-LLM check when they start: query heads are dealt out whole, key/value heads are dealt
//! out or copied whole, experts are dealt out whole.

use super::ModelSpec;
use super::spec::Core;

/// More expert-parallel ranks than this hold busy experts twice (DeepSeek-V3, arXiv 2412.19437, section 3.4: 32
/// copies beside 256 experts), so that the number of ranks need not divide the number of experts.
pub const REDUNDANT_BEYOND: u64 = 8;

impl ModelSpec {
    /// Why `tp` ranks cannot share every layer; `None` where they can.
    pub fn heads_refuse(&self, tp: u64) -> Option<String> {
        self.layers.iter().find_map(|layer| {
            let (heads, kv_heads) = match layer.core {
                Core::Softmax { q_heads, kv_heads, .. } => (q_heads, kv_heads),
                // A latent cache is held whole by every rank.
                Core::Latent { heads, .. } | Core::Compressed { heads, .. } | Core::Recurrent { heads, .. } => {
                    (heads, tp)
                }
                Core::None => return None,
            };
            if !heads.is_multiple_of(tp) {
                return Some(format!("tp = {tp} does not divide the {heads} attention heads of {}", self.name));
            }
            (!kv_heads.is_multiple_of(tp) && !tp.is_multiple_of(kv_heads)).then(|| {
                format!("tp = {tp} neither divides the {kv_heads} key/value heads of {} nor is a multiple", self.name)
            })
        })
    }

    /// Why the experts cannot be spread over `ep` ranks; `None` where they can.
    pub fn experts_refuse(&self, ep: u64) -> Option<String> {
        if ep > 1 && !self.has_experts() {
            return Some(format!("{} has no experts to spread over ep = {ep}", self.name));
        }
        self.layers.iter().filter_map(|layer| layer.experts.map(|e| e.count)).find_map(|experts| {
            if ep > experts {
                return Some(format!("ep = {ep} is more than the {experts} experts of {}", self.name));
            }
            (ep <= REDUNDANT_BEYOND && !experts.is_multiple_of(ep))
                .then(|| format!("ep = {ep} does not divide the {experts} experts of {}", self.name))
        })
    }

    /// Whether the model can be spread over so many tensor- and expert-parallel ranks.
    pub fn spreads(&self, tp: u64, ep: u64) -> bool {
        self.heads_refuse(tp).is_none() && self.experts_refuse(ep).is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;
    use std::path::Path;

    fn model(name: &str) -> ModelSpec {
        ModelSpec::load(&Catalog::embedded(), name, Path::new("")).expect("a model")
    }

    #[test]
    fn heads_are_dealt_out_whole() {
        // 32 heads on 8 key/value heads.
        let llama = model("llama-3.1-8b");
        for tp in [1, 2, 4, 8, 16, 32] {
            assert_eq!(llama.heads_refuse(tp), None, "{tp}");
        }
        for tp in [3, 5, 6, 12, 64] {
            assert!(llama.heads_refuse(tp).is_some(), "{tp}");
        }
        // 40 heads on 10: four ranks would hold two and a half each.
        let mut phi = model("llama-3.1-8b");
        for layer in &mut phi.layers {
            if let Core::Softmax { q_heads, kv_heads, .. } = &mut layer.core {
                (*q_heads, *kv_heads) = (40, 10);
            }
        }
        assert!(phi.heads_refuse(4).is_some_and(|why| why.contains("10 key/value heads")));
        for tp in [2, 5, 10, 20] {
            assert_eq!(phi.heads_refuse(tp), None, "{tp}");
        }
        assert_eq!(model("deepseek-r1").heads_refuse(16), None);
    }

    #[test]
    fn experts_are_dealt_out_whole() {
        let mixtral = model("mixtral-8x7b");
        assert!(mixtral.experts_refuse(3).is_some() && mixtral.experts_refuse(16).is_some());
        assert!([1, 2, 4, 8].iter().all(|ep| mixtral.experts_refuse(*ep).is_none()));
        // DeepSeek's own decode pool: 144 ranks with two of 288 copies each.
        let wide = model("deepseek-r1");
        assert!(wide.experts_refuse(144).is_none() && wide.experts_refuse(512).is_some());
        assert!(model("llama-3.1-8b").experts_refuse(2).is_some());
    }
}
