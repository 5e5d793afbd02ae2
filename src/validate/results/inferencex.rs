//! Rows of InferenceX, InferenceMAX before it (SemiAnalysisAI/InferenceX@843c625: `utils/process_result.py`), as the
//! `agg_*.json` files have them, and as its public interface does, with the numbers under `metrics`.
//!
//! Times are in seconds; lengths are drawn evenly from 0.8 to 1.0 of `isl` and `osl`, which the family's rules know.

use super::measured::{Measured, flag, number, text};
use crate::catalog::names::published;
use crate::validate::Point;
use serde_json::Value;

/// Hardware as its rows name it, up to the first dash, and in the catalogue.
const DEVICES: [(&str, &str); 9] = [
    ("h100", "h100-sxm-80gb"),
    ("h200", "h200-sxm"),
    ("b200", "b200"),
    ("b300", "b300"),
    ("gb200", "gb200"),
    ("gb300", "gb300"),
    ("mi300x", "mi300x"),
    ("mi325x", "mi325x"),
    ("mi355x", "mi355x"),
];
/// Models as `infmax_model_prefix` shortens them (names of its `configs/`).
const MODELS: [(&str, &str); 6] = [
    ("dsr1", "deepseek-r1"),
    ("gptoss", "gpt-oss-120b"),
    ("qwen3.5", "qwen3.5-397b-a17b"),
    ("kimik2.5", "kimi-k2.5"),
    ("minimaxm2.5", "minimax-m2.5"),
    ("glm5", "glm-5"),
];

/// Reads a row; `None` where the object is of another tool.
pub fn read(object: &Value, known: &[String]) -> Option<Result<Measured, String>> {
    let has = |keys: &[&str]| keys.iter().any(|key| object.get(key).is_some());
    (has(&["hw", "hardware"]) && has(&["framework"]) && has(&["conc"])).then(|| row(object, known))
}

/// A number of the row, or of its `metrics`.
fn metric(object: &Value, key: &str) -> Option<f64> {
    number(object, &[key]).or_else(|| number(object, &["metrics", key]))
}

fn row(object: &Value, known: &[String]) -> Result<Measured, String> {
    for key in ["dcp_size", "pcp_size", "prefill_dcp_size", "prefill_pcp_size", "decode_dcp_size", "decode_pcp_size"] {
        if number(object, &[key]).is_some_and(|n| n > 1.0) {
            return Err(format!("`{key}`: sequences spread over devices are not predicted"));
        }
    }
    if object.get("request_metrics").is_some() || text(object, &["benchmark_type"]).is_some_and(|t| t.contains("agent"))
    {
        return Err("`request_metrics`: rows of agents' sessions are not predicted".to_owned());
    }
    let need = |key: &str| metric(object, key).ok_or_else(|| format!("`{key}` is missing or not above 0"));
    let hardware = text(object, &["hw"]).or_else(|| text(object, &["hardware"])).unwrap_or_default();
    let short = hardware.split(['-', '_']).next().unwrap_or_default().to_lowercase();
    let device = DEVICES.iter().find(|(name, _)| *name == short).map(|(_, device)| *device);
    let device = device.ok_or_else(|| format!("`hw`: the hardware \"{hardware}\" is not known"))?;
    let id = text(object, &["model"]).unwrap_or_default();
    let prefix = text(object, &["infmax_model_prefix"]).unwrap_or(id);
    let shortened = || MODELS.iter().find(|(name, _)| *name == prefix).map(|(_, model)| (*model).to_owned());
    let model = published(id, known).model.or_else(shortened);
    let framework = text(object, &["framework"]).unwrap_or_default();
    let ms = |name: &str| {
        metric(object, &format!("mean_{name}")).or_else(|| metric(object, &format!("median_{name}"))).map(|s| s * 1e3)
    };
    let guessing = text(object, &["spec_decoding"]).or_else(|| text(object, &["spec_method"])).filter(|t| *t != "none");
    let mut point = Point {
        id: format!("{hardware} {framework} {prefix} c{}", need("conc")?),
        family: "inferencex".to_owned(),
        engine: format!("InferenceX {framework}"),
        engine_kind: engine_kind(framework)?.to_owned(),
        model: model.ok_or_else(|| format!("`model`: \"{id}\" ({prefix}) is not in the catalogue"))?,
        precision: text(object, &["precision"]).unwrap_or_default().to_owned(),
        device: device.to_owned(),
        phase: "serve".to_owned(),
        input_tokens: Some(need("isl")?),
        output_tokens: Some(need("osl")?),
        concurrency: Some(need("conc")?),
        spec_decode: guessing.map(str::to_owned),
        ttft_ms: ms("ttft"),
        tpot_ms: ms("tpot"),
        input_tok_s_per_device: metric(object, "input_tput_per_gpu"),
        output_tok_s_per_device: metric(object, "output_tput_per_gpu"),
        total_tok_s_per_device: metric(object, "tput_per_gpu"),
        date: text(object, &["date"]).unwrap_or_default().to_owned(),
        ..Point::default()
    };
    spread(object, &mut point)?;
    Ok(Measured { point, ..Measured::default() })
}

fn engine_kind(framework: &str) -> Result<&'static str, String> {
    let named = [("trt", "trtllm"), ("sglang", "sglang"), ("vllm", "vllm"), ("atom", "atom")];
    let kind = named.iter().find(|(part, _)| framework.contains(part)).map(|(_, kind)| *kind);
    kind.ok_or_else(|| format!("`framework`: \"{framework}\" is not known"))
}

/// One instance, or pools in the words that points have for them.
fn spread(object: &Value, point: &mut Point) -> Result<(), String> {
    let count = |key: &str| number(object, &[key]);
    if flag(object, "disagg") {
        let pool = |side: &str, devices: &str| -> Result<(String, f64), String> {
            let need = |key: String| count(&key).ok_or_else(|| format!("`{key}` is missing or not above 0"));
            let (devices, tp) = (need(devices.to_owned())?, need(format!("{side}_tp"))?);
            let ep = count(&format!("{side}_ep")).unwrap_or(1.0);
            let own = if flag(object, &format!("{side}_dp_attention")) { ",dpa" } else { "" };
            Ok((format!("{devices}gpu(tp{tp},ep{ep}{own})"), devices))
        };
        let (readers, prefill) = pool("prefill", "num_prefill_gpu")?;
        let (writers, decode) = pool("decode", "num_decode_gpu")?;
        point.disagg = Some(format!("disagg P{readers}+D{writers}"));
        point.devices = Some(prefill + decode);
        return Ok(());
    }
    // The public interface has one topology under both names.
    let of =
        |key: &str| count(key).or_else(|| count(&format!("decode_{key}"))).or_else(|| count(&format!("prefill_{key}")));
    let tp = of("tp").ok_or("`tp` is missing or not above 0")?;
    let pp = of("pp").unwrap_or(1.0);
    let own = ["dp_attention", "decode_dp_attention", "prefill_dp_attention"].iter().any(|key| flag(object, key));
    (point.tp, point.dp) = if own { (Some(1.0), Some(tp)) } else { (Some(tp), None) };
    (point.pp, point.ep) = (Some(pp).filter(|n| *n > 1.0), of("ep").filter(|n| *n > 1.0));
    point.devices = Some(count("num_gpus").unwrap_or(tp * pp));
    Ok(())
}
