//! Command lines of public recipes become scenarios that `compare` accepts, and every flag of them is used or listed.

use assert_cmd::Command;
use std::fs;
use std::path::PathBuf;
use underdog::catalog::Catalog;
use underdog::estimate::Calibration;
use underdog::scenario::from::{Given, Meant, Translation, translate};
use underdog::scenario::{Draft, Local, Plan, Source, resolve};
use underdog::solve::compare;

/// A recipe: where it is from, the device it is for, lines that its scenario has, and flags that have no field.
struct Recipe {
    source: &'static str,
    command: &'static str,
    device: &'static str,
    lines: &'static [&'static str],
    no_field: &'static [&'static str],
}

const RECIPES: &[Recipe] = &[
    Recipe {
        source: "vllm-project/recipes@8959cf6, DeepSeek/DeepSeek-V3.md",
        command: "vllm serve deepseek-ai/DeepSeek-R1-0528 \\\n  --trust-remote-code \\\n  --data-parallel-size 8 \\\n  --enable-expert-parallel",
        device: "h200-sxm",
        lines: &["config = \"deepseek-r1\"", "count = 8", "parallel = { tp = 1, dp = 8, ep = 8 }", "engine = \"vllm\""],
        no_field: &[],
    },
    Recipe {
        source: "vllm-project/recipes@8959cf6, DeepSeek/DeepSeek-V3.md",
        command: "CUDA_VISIBLE_DEVICES=0,1,2,3 vllm serve nvidia/DeepSeek-R1-FP4 \\\n  --trust-remote-code \\\n  --tensor-parallel-size 4 \\\n  --enable-expert-parallel",
        device: "b200",
        lines: &["config = \"deepseek-r1\"", "precision = \"fp4\"", "count = 4", "parallel = { tp = 4, ep = 4 }"],
        no_field: &["CUDA_VISIBLE_DEVICES=0,1,2,3"],
    },
    Recipe {
        source: "vllm-project/recipes@8959cf6, OpenAI/GPT-OSS.md",
        command: "vllm serve openai/gpt-oss-120b \\\n  --tensor_parallel_size 8 \\\n  --max-model-len 131072 \\\n  --max-num-batched-tokens 10240 \\\n  --max-num-seqs 128 \\\n  --gpu-memory-utilization 0.85 \\\n  --no-enable-prefix-caching",
        device: "h100-sxm-80gb",
        lines: &[
            "config = \"gpt-oss-120b\"",
            "parallel = { tp = 8 }",
            "limits = { max_sequences = 128, batch_tokens = 10240, memory_fraction = 0.85 }",
            "scheduler = { prefix_cache = false }",
        ],
        no_field: &[],
    },
    Recipe {
        source: "vllm-project/recipes@8959cf6, OpenAI/GPT-OSS.md",
        command: "export HSA_NO_SCRATCH_RECLAIM=1\nexport VLLM_ROCM_USE_AITER=1\nvllm serve openai/gpt-oss-120b --tensor-parallel-size=8 --attention-backend ROCM_AITER_UNIFIED_ATTN -cc.pass_config.fuse_rope_kvcache=True -cc.use_inductor_graph_partition=True --gpu-memory-utilization 0.95 --block-size=64",
        device: "mi355x",
        lines: &["count = 8", "limits = { memory_fraction = 0.95 }"],
        no_field: &[
            "HSA_NO_SCRATCH_RECLAIM=1",
            "VLLM_ROCM_USE_AITER=1",
            "--attention-backend ROCM_AITER_UNIFIED_ATTN",
            "-cc.pass_config.fuse_rope_kvcache=True",
            "-cc.use_inductor_graph_partition=True",
            "--block-size=64",
        ],
    },
    Recipe {
        source: "vllm-project/recipes@8959cf6, Qwen/Qwen3-Coder-480B-A35B.md",
        command: "VLLM_USE_DEEP_GEMM=1 vllm serve Qwen/Qwen3-Coder-480B-A35B-Instruct-FP8 \\\n  --max-model-len 131072 \\\n  --enable-expert-parallel \\\n  --data-parallel-size 8 \\\n  --enable-auto-tool-choice \\\n  --tool-call-parser qwen3_coder",
        device: "h200-sxm",
        lines: &["config = \"qwen3-coder-480b-a35b\"", "precision = \"fp8\"", "parallel = { tp = 1, dp = 8, ep = 8 }"],
        no_field: &["VLLM_USE_DEEP_GEMM=1"],
    },
    Recipe {
        source: "vllm-project/recipes@8959cf6, GLM/GLM.md",
        command: "vllm serve zai-org/GLM-4.7-FP8 \\\n     --tensor-parallel-size 4 \\\n     --speculative-config.method mtp \\\n     --speculative-config.num_speculative_tokens 1 \\\n     --tool-call-parser glm47 \\\n     --reasoning-parser glm45 \\\n     --enable-auto-tool-choice",
        device: "h200-sxm",
        lines: &["config = \"glm-4.7\"", "precision = \"fp8\"", "draft = { tokens = 1, acceptance = 0.85 }"],
        no_field: &[],
    },
    Recipe {
        source: "sgl-project/sglang@0f4513c, docs/basic_usage/deepseek_v3.md",
        command: "python3 -m sglang.launch_server \\\n  --model-path deepseek-ai/DeepSeek-V3-0324 \\\n  --speculative-algorithm EAGLE \\\n  --trust-remote-code \\\n  --tp 8",
        device: "h200-sxm",
        lines: &[
            "config = \"deepseek-v3\"",
            "parallel = { tp = 8 }",
            "engine = \"sglang\"",
            "draft = { tokens = 3, acceptance = 0.7 }",
        ],
        no_field: &[],
    },
    Recipe {
        source: "sgl-project/sglang@0f4513c, docs/basic_usage/deepseek_v3.md",
        command: "python3 -m sglang.launch_server \\\n  --model deepseek-ai/DeepSeek-V3-0324 \\\n  --tp 8 \\\n  --port 30000 \\\n  --host 0.0.0.0 \\\n  --mem-fraction-static 0.9 \\\n  --tool-call-parser deepseekv3 \\\n  --chat-template ./examples/chat_template/tool_chat_template_deepseekv3.jinja",
        device: "h20-96g",
        lines: &["config = \"deepseek-v3\"", "limits = { memory_fraction = 0.9 }"],
        no_field: &[],
    },
    Recipe {
        source: "huggingface.co/lmsys/DeepSeek-V3-NextN",
        command: "python3 -m sglang.launch_server --model deepseek-ai/DeepSeek-V3 --speculative-algo EAGLE --speculative-draft lmsys/DeepSeek-V3-NextN --speculative-num-steps 2 --speculative-eagle-topk 4 --speculative-num-draft-tokens 4 --trust-remote --tp 8",
        device: "h200-sxm",
        lines: &["config = \"deepseek-v3\"", "draft = { tokens = 2, acceptance = 0.7 }"],
        no_field: &["--speculative-eagle-topk 4"],
    },
    Recipe {
        source: "sgl-project/sglang@0f4513c, docs/basic_usage/deepseek_v3.md (data-parallel attention)",
        command: "python3 -m sglang.launch_server --model-path deepseek-ai/DeepSeek-R1 --trust-remote-code --enable-dp-attention --tp 16 --dp 2",
        device: "h100-sxm-80gb",
        lines: &["count = 16", "parallel = { tp = 8, dp = 2 }"],
        no_field: &[],
    },
    Recipe {
        source: "NVIDIA/TensorRT-LLM 0.20.0, examples/serve/deepseek_r1_reasoning_parser.sh",
        command: "trtllm-serve \\\n    deepseek-ai/DeepSeek-R1 \\\n    --host localhost --port 8000 \\\n    --backend pytorch \\\n    --max_batch_size 161 --max_num_tokens 1160 \\\n    --tp_size 8 --ep_size 8 --pp_size 1 \\\n    --kv_cache_free_gpu_memory_fraction 0.95 \\\n    --extra_llm_api_options ./extra-llm-api-config.yml \\\n    --reasoning_parser deepseek-r1",
        device: "b200",
        lines: &[
            "engine = \"trtllm\"",
            "parallel = { tp = 8, ep = 8 }",
            "limits = { max_sequences = 161, batch_tokens = 1160, memory_fraction = 0.95 }",
        ],
        no_field: &["--backend pytorch", "--extra_llm_api_options ./extra-llm-api-config.yml"],
    },
    Recipe {
        source: "NVIDIA/TensorRT-LLM 1.3.0rc11, examples/serve/deepseek_r1_reasoning_parser.sh",
        command: "trtllm-serve \\\n    deepseek-ai/DeepSeek-R1 \\\n    --host localhost --port 8000 \\\n    --trust_remote_code \\\n    --max_batch_size 1024 --max_num_tokens 8192 \\\n    --tp_size 8 --ep_size 8 --pp_size 1 \\\n    --config ./config.yml \\\n    --reasoning_parser deepseek-r1",
        device: "h200-sxm",
        lines: &["limits = { max_sequences = 1024, batch_tokens = 8192 }"],
        no_field: &["--config ./config.yml"],
    },
    Recipe {
        source: "ggml-org/llama.cpp discussion 15396",
        command: "llama-server -hf ggml-org/gpt-oss-20b-GGUF --ctx-size 0 --jinja -ub 2048 -b 2048",
        device: "rtx-4090",
        lines: &["config = \"gpt-oss-20b\"", "engine = \"llama.cpp\"", "limits = { batch_tokens = 2048 }"],
        no_field: &[],
    },
    Recipe {
        source: "huggingface/blog, welcome-openai-gpt-oss.md",
        command: "llama-server -hf ggml-org/gpt-oss-120b-GGUF -c 0 -fa --jinja --reasoning-format none",
        device: "rtx-pro-6000",
        lines: &["config = \"gpt-oss-120b\"", "count = 1"],
        no_field: &[],
    },
    Recipe {
        source: "ggml-org/llama.vim, README.md",
        command: "llama-server -hf ggml-org/Qwen2.5-Coder-7B-Q8_0-GGUF --port 8012 -ngl 99 -fa -ub 1024 -b 1024 --ctx-size 0 --cache-reuse 256",
        device: "rtx-3090",
        lines: &["config = \"qwen2.5-coder-7b\"", "precision = \"q8_0\"", "limits = { batch_tokens = 1024 }"],
        no_field: &["--cache-reuse 256"],
    },
];

fn given(device: &str) -> Given {
    Given { device: Some(device.to_owned()), ..Given::default() }
}

fn told(command: &str, given: &Given) -> Translation {
    translate(command, given, &Catalog::embedded()).unwrap_or_else(|e| panic!("{command}\n{}", e.render(false)))
}

fn source(scenario: &str) -> Source {
    Source { file: "scenario.toml".to_owned(), text: scenario.to_owned(), folder: PathBuf::new() }
}

fn plan(scenario: &str) -> (Draft, Plan) {
    let source = source(scenario);
    let draft = source.draft().unwrap_or_else(|e| panic!("{scenario}\n{}", e.render(false)));
    let plan = resolve(&source, &draft, &Catalog::embedded(), Local::Pending);
    (draft, plan.unwrap_or_else(|e| panic!("{scenario}\n{}", e.render(false))))
}

/// Words of a command that are flags or assignments, as the shell reads them.
fn flags(command: &str) -> Vec<String> {
    let words = shlex::split(command).expect("a command");
    let flag = |w: &str| w.starts_with('-') && w[1..].starts_with(|c: char| c == '-' || c.is_ascii_alphabetic());
    let assignment =
        |w: &str| w.split_once('=').is_some_and(|(n, _)| n.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'));
    words.into_iter().filter(|w| (flag(w) && w != "-m") || assignment(w)).collect()
}

#[test]
fn recipes_become_scenarios_that_compare_accepts_with_every_flag_used_or_listed() {
    let calibration = Calibration::load(&Catalog::embedded()).expect("constants");
    for Recipe { source, command, device, lines, no_field } in RECIPES {
        let told = told(command, &given(device));
        for line in *lines {
            assert!(told.scenario.lines().any(|l| l == *line), "{source}: no line {line} in\n{}", told.scenario);
        }
        let listed: Vec<&str> = told.flags.iter().map(|f| f.typed.as_str()).collect();
        let typed = flags(command);
        for flag in &typed {
            let times = listed.iter().filter(|l| l.split(' ').any(|word| word == flag)).count();
            assert_eq!(times, 1, "{source}: {flag} is accounted for {times} times in {listed:?}");
            assert!(told.scenario.contains(flag.as_str()), "{source}: {flag} is not in the comments");
        }
        assert_eq!(typed.len(), told.flags.len(), "{source}: {listed:?}");
        assert!(told.flags.iter().all(|f| f.meant.is_some()), "{source}: a flag is not known: {:?}", told.flags);
        let open: Vec<&str> = told
            .flags
            .iter()
            .filter(|f| matches!(f.meant, Some(Meant::NoField(_))))
            .map(|f| f.typed.as_str())
            .collect();
        assert_eq!(open, *no_field, "{source}");
        let rows = compare(&plan(&told.scenario).1, &calibration).unwrap_or_else(|e| panic!("{source}: {e}")).rows;
        assert!(!rows.is_empty(), "{source}");
    }
}

#[test]
fn what_is_not_known_is_listed_and_what_is_not_said_is_a_placeholder() {
    let told = told("vllm serve meta-llama/Llama-3.1-8B-Instruct --warp-drive 9 --shields", &Given::default());
    let unknown: Vec<&str> = told.flags.iter().filter(|f| f.meant.is_none()).map(|f| f.typed.as_str()).collect();
    assert_eq!(unknown, ["--warp-drive 9", "--shields"]);
    assert!(told.scenario.contains("# Not known:\n#   --warp-drive 9\n#   --shields\n"), "{}", told.scenario);
    for word in ["device", "input_tokens", "output_tokens"] {
        assert!(told.placeholders.iter().any(|p| p.contains(word)), "{word}: {:?}", told.placeholders);
    }
    plan(&told.scenario);
}

#[test]
fn layouts_are_those_of_the_server() {
    let lines = |command: &str, given: &Given| {
        let told = told(command, given);
        let line = |key: &str| told.scenario.lines().find(|l| l.starts_with(key)).unwrap_or_default().to_owned();
        (line("count"), line("parallel"))
    };
    let count = |n: u64| Given { count: Some(n), ..given("h100-sxm-80gb") };
    let of = |count: &str, parallel: &str| (format!("count = {count}"), format!("parallel = {{ {parallel} }}"));
    let one = given("h100-sxm-80gb");
    for (command, given, expected) in [
        // Data parallelism of a model without experts is copies of it.
        ("vllm serve meta-llama/Llama-3.1-70B-Instruct -tp 2 -dp 4", &one, of("8", "tp = 2")),
        ("vllm serve openai/gpt-oss-120b -tp 2 -dp 4 -ep", &one, of("8", "tp = 2, dp = 4, ep = 8")),
        ("vllm serve openai/gpt-oss-120b -tp 2 -dp 4", &one, of("8", "tp = 2, dp = 4")),
        ("vllm serve meta-llama/Llama-3.1-70B-Instruct -tp 4 -pp 2", &count(16), of("16", "tp = 4, pp = 2")),
        ("sglang serve --model-path openai/gpt-oss-120b --tp 4 --dp 2", &one, of("8", "tp = 4")),
        (
            "sglang serve --model-path deepseek-ai/DeepSeek-R1 --tp 16 --dp 4 --enable-dp-attention --ep 16",
            &one,
            of("16", "tp = 4, dp = 4, ep = 16"),
        ),
        (
            "sglang serve --model-path deepseek-ai/DeepSeek-R1 --tp 8 --moe-a2a-backend deepep",
            &one,
            of("8", "tp = 8, ep = 8"),
        ),
        (
            "trtllm-serve serve nvidia/Llama-3.3-70B-Instruct-FP8 --tp_size 2 --pp_size 2",
            &one,
            of("4", "tp = 2, pp = 2"),
        ),
        ("llama-server -m Llama-3.1-70B-Instruct-Q4_K_M.gguf -ts 1,1", &one, of("2", "tp = 1, pp = 2")),
        ("llama-server -m Llama-3.1-70B-Instruct-Q4_K_M.gguf -sm row", &count(2), of("2", "tp = 2")),
    ] {
        assert_eq!(lines(command, given), expected, "{command}");
        plan(&told(command, given).scenario);
    }
}

#[test]
fn values_are_what_the_server_makes_of_them() {
    let scenario = |command: &str| told(command, &given("h100-sxm-80gb")).scenario;
    for (command, line) in [
        ("vllm serve Qwen/Qwen3-32B -q fp8", "precision = \"fp8\""),
        ("vllm serve Qwen/Qwen3-14B-AWQ --quantization awq_marlin", "precision = \"int4\""),
        ("vllm serve Qwen/Qwen2.5-7B-Instruct-GPTQ-Int8 --quantization gptq", "precision = \"int8\""),
        ("vllm serve Qwen/Qwen3-32B --kv-cache-dtype fp8_e4m3", "kv_cache = \"fp8\""),
        ("vllm serve Qwen/Qwen3-32B --enforce-eager", "limits = { eager = true }"),
        ("vllm serve Qwen/Qwen3-32B --max-num-batched-tokens 8K", "limits = { batch_tokens = 8192 }"),
        (
            "vllm serve Qwen/Qwen3-32B --speculative-config '{\"method\": \"eagle3\", \"model\": \"x\", \"num_speculative_tokens\": 4}'",
            "draft = { tokens = 4, acceptance = 0.7 }",
        ),
        ("vllm serve Qwen/Qwen3-32B --max-model-len 1024", "input_tokens = 512"),
        (
            "sglang serve --model-path Qwen/Qwen3-32B --disable-cuda-graph --chunked-prefill-size -1",
            "limits = { batch_tokens = 16384, eager = true }",
        ),
        (
            "sglang serve --model-path Qwen/Qwen3-32B --max-total-tokens 50000 --disable-radix-cache",
            "scheduler = { prefix_cache = false, kv_tokens = 50000 }",
        ),
        (
            "llama-server -hf bartowski/Qwen2.5-7B-Instruct-GGUF -ctk q8_0 -ctv q8_0 -np 4 -c 16384",
            "precision = \"q4_k_m\"",
        ),
        (
            "llama-server -hf bartowski/Qwen2.5-7B-Instruct-GGUF -ctk q8_0 -ctv q8_0 -np 4 -c 16384",
            "kv_cache = \"q8_0\"",
        ),
        ("llama-server -m Qwen2.5-7B-Instruct-Q8_0.gguf -ngl 20 -fa off", "offload = { gpu_layers = 20 }"),
        ("llama-server -m Qwen2.5-7B-Instruct-Q8_0.gguf -ngl 20 -fa off", "flash_attention = false"),
        ("llama-server -hf ggml-org/gpt-oss-20b-GGUF -ngl 99 --n-cpu-moe 8", "offload = { expert_layers = 8 }"),
        ("llama-cli -m Qwen2.5-7B-Instruct-Q8_0.gguf -p hello -n 256", "output_tokens = 256"),
        ("llama-cli -m Qwen2.5-7B-Instruct-Q8_0.gguf -p hello -n 256", "concurrency = \"1\""),
    ] {
        let scenario = scenario(command);
        assert!(scenario.lines().any(|l| l == line), "{command}: no {line} in\n{scenario}");
        plan(&scenario);
    }
    // What has no format here is refused by compare, not counted as another.
    let odd = scenario("llama-server -hf bartowski/Qwen2.5-7B-Instruct-GGUF:Q3_K_XS");
    assert!(odd.contains("precision = \"q3_k_xs\"") && source(&odd).draft().is_err(), "{odd}");
}

#[test]
fn what_cannot_be_read_is_said_with_its_place() {
    for (command, part) in [
        ("ollama run llama3", "known are"),
        ("vllm serve", "names no model"),
        ("vllm serve $MODEL", "only the shell knows"),
        ("vllm serve m -tp", "has no value"),
        ("vllm serve m -tp eight", "is no count"),
        ("vllm serve m --speculative-config mtp", "no JSON"),
        ("vllm serve 'm", "not finished"),
        ("vllm serve a && vllm serve b", "two servers"),
    ] {
        let error = translate(command, &given("b200"), &Catalog::embedded()).expect_err(command);
        let said = error.render(false);
        assert!(said.contains(part), "{command}: {said}");
    }
}

fn run(args: &[&str], input: &str) -> (i32, String, String) {
    let mut command = Command::cargo_bin("underdog").expect("the program is built");
    let run = command.args(args).write_stdin(input).output().expect("it starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (run.status.code().expect("no signal"), text(run.stdout), text(run.stderr))
}

#[test]
fn the_program_writes_what_it_compares() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("server.toml");
    let path = path.to_str().expect("a name");
    let command = "vllm serve openai/gpt-oss-120b -tp 2 --port 80 --warp 9";
    let (code, out, err) = run(&["scenario", "from", command, "--device", "h100-sxm-80gb", "-o", path], "");
    assert!(code == 0 && out.is_empty(), "{code} {out} {err}");
    assert!(err.contains("not known: --warp 9") && err.contains("placeholder: workload.input_tokens"), "{err}");
    assert!(fs::read_to_string(path).expect("a file").contains("parallel = { tp = 2 }"));
    assert_eq!(run(&["compare", path], "").0, 0);
    let (_, quoted, _) = run(&["scenario", "from", "--device", "b200", command], "");
    let (_, words, _) = run(
        &[
            "scenario",
            "from",
            "--device",
            "b200",
            "--",
            "vllm",
            "serve",
            "openai/gpt-oss-120b",
            "-tp",
            "2",
            "--port",
            "80",
            "--warp",
            "9",
        ],
        "",
    );
    let (_, piped, _) = run(&["scenario", "from", "--device", "b200", "-"], command);
    assert_eq!((&quoted, &quoted), (&words, &piped));
    assert_eq!(run(&["scenario", "from", "hello"], "").0, 2);
}
