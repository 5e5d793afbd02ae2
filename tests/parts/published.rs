//! Totals of published models, within 0.5 %.

use super::{model, names};

/// File, parameters as published, source. "Weights of the repository" is the sum that its
/// safetensors files name.
const PUBLISHED: [(&str, u64, &str); 98] = [
    ("baichuan2-7b", 7_505_973_248, "weights of the repository"),
    ("bitnet-b1.58-2b-4t", 2_412_820_480, "counted by its modelling code in transformers 5.24.0"),
    ("bloom-7b1", 7_069_016_064, "model card"),
    ("command-r-plus", 103_810_674_688, "weights of the repository"),
    ("command-r-v01", 34_980_831_232, "weights of the repository"),
    ("command-r7b-12-2024", 8_028_033_024, "weights of the repository"),
    ("dbrx", 131_596_523_520, "weights of the repository"),
    ("deepseek-moe-16b", 16_375_728_128, "weights of the repository"),
    ("deepseek-v2-lite", 15_706_484_224, "weights of the repository"),
    ("dots.llm1", 142_774_381_696, "counted by its modelling code in transformers 5.24.0"),
    ("ernie-4.5-0.3b", 360_748_032, "counted by its modelling code in transformers 5.24.0"),
    ("ernie-4.5-21b-a3b", 21_825_437_888, "counted by its modelling code in transformers 5.24.0"),
    ("ernie-4.5-300b-a47b", 300_000_000_000, "model card: 300 B, 47 B active"),
    ("exaone-3.5-7.8b", 7_818_448_896, "weights of the repository"),
    ("exaone-4.0-32b", 32_003_216_384, "counted by its modelling code in transformers 5.24.0"),
    ("falcon-11b", 11_102_822_400, "weights of the repository"),
    ("falcon-40b", 41_303_293_952, "weights of the repository"),
    ("falcon-7b", 6_921_720_704, "weights of the repository"),
    ("falcon-mamba-7b", 7_272_665_088, "weights of the repository"),
    ("falcon-rw-1b", 1_311_625_216, "weights of the repository"),
    ("gemma-2-27b", 27_227_718_144, "arXiv 2408.00118, table 2"),
    ("gemma-2-2b", 2_614_636_800, "arXiv 2408.00118, table 2"),
    ("gemma-2-9b", 9_242_164_736, "arXiv 2408.00118, table 2"),
    ("gemma-2b", 2_506_434_560, "arXiv 2403.08295, table 2"),
    ("gemma-3-12b-it-original", 11_771_000_000, "arXiv 2503.19786, table 1: 1,012 M embedding, 10,759 M other"),
    ("gemma-3-1b-it", 999_885_952, "weights of the repository"),
    ("gemma-3-27b-it-original", 27_016_000_000, "arXiv 2503.19786, table 1: 1,416 M embedding, 25,600 M other"),
    ("gemma-3-4b-it-original", 3_884_000_000, "arXiv 2503.19786, table 1: 675 M embedding, 3,209 M other"),
    ("gemma-3n-e4b", 6_835_235_568, "counted by its modelling code in transformers 5.24.0"),
    ("gemma-7b", 8_538_074_112, "arXiv 2403.08295, table 2"),
    ("glm-4-9b-0414", 9_400_279_040, "weights of the repository"),
    ("glm-4-9b-chat", 9_399_951_360, "counted by modeling_glm.py of transformers 5.24.0"),
    ("glm-4.7-flash", 29_943_390_976, "counted by its modelling code in transformers 5.24.0"),
    ("gpt-neox-20b", 20_554_567_680, "arXiv 2204.06745, table 1"),
    ("gpt2", 124_439_808, "weights of the repository"),
    ("granite-3.1-3b-a800m", 3_298_793_472, "counted by its modelling code in transformers 5.24.0"),
    ("granite-3.1-8b", 8_170_848_256, "counted by its modelling code in transformers 5.24.0"),
    ("granite-4.0-h-small", 32_207_337_984, "counted by its modelling code in transformers 5.24.0"),
    ("hunyuan-7b", 7_504_568_320, "counted by its modelling code in transformers 5.24.0"),
    ("hunyuan-a13b", 80_393_183_232, "weights of the repository"),
    ("internlm2-20b", 19_861_149_696, "weights of the repository"),
    ("internlm2-7b", 7_737_708_544, "weights of the repository"),
    ("internvl2.5-8b", 7_737_782_272, "weights of InternLM2.5-7B, 7,737,708,544, with nine more rows of both tables"),
    ("jamba-1.5-large", 398_000_000_000, "arXiv 2408.12570: 398 B, 94 B active"),
    ("jamba-v0.1", 51_570_323_328, "weights of the repository"),
    ("kimi-linear-48b-a3b", 49_122_681_728, "weights of the repository"),
    ("lfm2-1.2b", 1_170_340_608, "weights of the repository"),
    ("lfm2-8b-a1b", 8_339_929_856, "weights of the repository"),
    ("llama-3.2-1b", 1_235_814_400, "weights of the repository"),
    ("llava-1.5-7b", 6_738_939_904, "counted by its modelling code in transformers 5.24.0"),
    ("longcat-flash", 560_000_000_000, "arXiv 2509.01322: 560 B, 27 B active"),
    ("mamba-codestral-7b", 7_285_403_648, "model card: 7,285,403,648"),
    (
        "mimo-7b",
        7_622_619_136,
        "weights of the repository, 7,833,409,536, without the 210,790,400 for multi-token prediction",
    ),
    ("mimo-v2-flash", 309_000_000_000, "model card: 309 B, 15 B active"),
    ("minimax-text-01", 456_000_000_000, "arXiv 2501.08313: 456 B, 45.9 B active"),
    ("ministral-8b-2410", 8_019_808_256, "model card: 8,019,808,256"),
    ("mistral-large-2407", 122_610_069_504, "weights of the repository"),
    ("mistral-nemo-12b", 12_247_782_400, "weights of the repository"),
    ("mistral-small-3.1-24b", 23_572_403_200, "weights of Mistral Small 3, whose text part it is"),
    ("moonlight-16b-a3b", 15_960_111_936, "weights of the repository"),
    ("mpt-30b", 29_957_200_896, "weights of the repository"),
    ("mpt-7b", 6_649_286_656, "weights of the repository"),
    ("nemotron-3-nano-30b-a3b", 31_600_000_000, "model card: 31.6 B, 3.2 B active"),
    ("nemotron-3-ultra", 550_000_000_000, "model card: 550 B, 55 B active"),
    ("nemotron-4-minitron-8b", 8_271_699_968, "counted by its modelling code in transformers 5.24.0"),
    ("olmo-2-32b", 32_234_279_936, "weights of the repository"),
    ("olmo-2-7b", 7_298_617_344, "weights of the repository"),
    ("olmo-7b-hf", 6_888_095_744, "weights of the repository"),
    ("olmoe-1b-7b", 6_919_161_856, "weights of the repository"),
    ("opt-30b", 29_974_540_288, "weights of the repository"),
    ("opt-6.7b", 6_658_473_984, "weights of the repository"),
    ("phi-2", 2_779_683_840, "weights of the repository"),
    ("phi-3-medium-4k", 13_960_238_080, "weights of the repository"),
    ("phi-3-mini-4k", 3_821_079_552, "weights of the repository"),
    ("phi-3.5-moe", 41_873_153_344, "weights of the repository"),
    ("phi-4", 14_659_507_200, "weights of the repository"),
    ("phi-4-mini", 3_836_021_760, "weights of the repository"),
    ("pythia-12b", 11_846_072_320, "arXiv 2304.01373, table 1"),
    ("qwen-7b", 7_721_324_544, "weights of the repository"),
    ("qwen1.5-moe-a2.7b", 14_315_784_192, "weights of the repository"),
    ("qwen2-57b-a14b", 57_408_658_944, "counted by its modelling code in transformers 5.24.0"),
    ("qwen2.5-0.5b", 494_032_768, "weights of the repository"),
    ("qwen2.5-vl-7b", 7_615_616_512, "weights of Qwen2.5-7B, whose text part it is"),
    ("qwen3-next-80b-a3b", 79_674_391_296, "counted by its modelling code in transformers 5.24.0"),
    ("qwen3-vl-235b-a22b", 235_093_634_560, "weights of Qwen3-235B-A22B, whose text part it is"),
    ("qwen3-vl-8b", 8_190_735_360, "weights of Qwen3-8B, whose text part it is"),
    ("qwen3.5-122b-a10b", 122_000_000_000, "model card: 122 B, 10 B active"),
    ("qwen3.5-27b", 27_000_000_000, "model card: 27 B"),
    ("r1-distill-qwen-1.5b", 1_777_088_000, "weights of the repository"),
    ("seed-oss-36b", 36_151_104_512, "weights of the repository"),
    ("smollm2-1.7b", 1_711_376_384, "weights of the repository"),
    ("smollm3-3b", 3_075_098_624, "weights of the repository"),
    ("stablelm-2-1.6b", 1_644_515_328, "model card"),
    ("starcoder2-15b", 15_957_889_024, "weights of the repository"),
    ("starcoder2-7b", 7_173_923_840, "weights of the repository"),
    ("step-3.5-flash", 196_810_000_000, "model card: 196.81 B, 11 B active"),
    ("step3", 316_000_000_000, "model card: 321 B, of which 316 B are the language model, 38 B active"),
    ("yi-34b", 34_388_917_248, "weights of the repository"),
];

#[test]
fn totals_are_within_half_a_per_cent() {
    let mut table = String::new();
    for (name, published, source) in PUBLISHED {
        let found = model(name).parameters_total();
        let error = found as f64 / published as f64 - 1.0;
        if error.abs() > 0.005 {
            table += &format!("{name}: {found} where {published} is published ({source}): {:+.2} %\n", 100.0 * error);
        }
    }
    assert!(table.is_empty(), "{table}");
}

#[test]
fn every_configuration_has_a_published_total() {
    let known: Vec<String> = PUBLISHED.iter().map(|(name, ..)| (*name).to_owned()).collect();
    assert_eq!(names(false), known);
}

/// What a token goes through, where makers count it as this program does: with the head, without the embedding.
#[test]
fn active_parameters_are_those_the_makers_publish() {
    let published = [
        ("dbrx", 36.0, "model card: 36 B"),
        ("jamba-1.5-large", 94.0, "arXiv 2408.12570: 94 B"),
        ("mimo-v2-flash", 15.0, "model card: 15 B"),
        ("nemotron-3-nano-30b-a3b", 3.2, "model card: 3.2 B without the embedding"),
        ("nemotron-3-ultra", 55.0, "model card: 55 B"),
        ("longcat-flash", 27.0, "arXiv 2509.01322: 27 B on average"),
    ];
    for (name, billions, source) in published {
        let found = model(name).parameters_active() as f64 / 1e9;
        assert!((found / billions - 1.0).abs() < 0.015, "{name}: {found} B active, {source}");
    }
}
