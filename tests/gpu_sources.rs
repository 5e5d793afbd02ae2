//! Every variant of the space passes naga's front end, validator and the writers of every backend, without a GPU.

use naga::valid::{Capabilities, ValidationFlags, Validator};
use underdog::gpu::Caps;
use underdog::kernels::{Family, Problem, Variant, data::Fill, plan, sources, space};

/// Adapters that between them make every rung available.
fn adapters() -> Vec<Caps> {
    [0, 4, 8, 16, 32]
        .into_iter()
        .map(|lanes| Caps {
            lanes,
            widest: lanes,
            subgroup: lanes > 0,
            f16: true,
            cooperative: vec![8, 16],
            binding: 1 << 30,
            buffer: 1 << 30,
            workgroup_bytes: 65_536,
            invocations: 1024,
            workgroups: 65_535,
            texture: 16_384,
            software: false,
        })
        .collect()
}

fn problems() -> [Problem; 12] {
    [
        Problem::Gemm { m: 5, n: 7, k: 9 },
        Problem::Gemv { n: 5, k: 9 },
        Problem::Read { words: 64 },
        Problem::Gemm { m: 65, n: 7, k: 9 },
        Problem::Copy { words: 64 },
        Problem::Fma { chains: 9, steps: 4 },
        Problem::Attention { queries: 2, context: 9, heads: 4, kv_heads: 2, head_dim: 64 },
        Problem::Attention { queries: 2, context: 9, heads: 4, kv_heads: 2, head_dim: 128 },
        Problem::Experts { m: 9, experts: 3, n: 5, k: 7 },
        Problem::Norm { rows: 2, width: 9 },
        Problem::Activation { rows: 2, width: 9 },
        Problem::Launch,
    ]
}

/// Every variant of every ladder, with a problem it computes.
fn variants() -> Vec<(Variant, Problem)> {
    let mut all = Vec::new();
    for caps in adapters() {
        for problem in problems() {
            for &dtype in problem.types() {
                for variant in space::ladder(problem, dtype, &caps).into_iter().flat_map(|r| r.variants) {
                    let strided =
                        matches!(problem, Problem::Gemm { m: 65.., .. }) && variant.family != Family::GemvUnits;
                    let strided = strided.then(|| variant.clone().with("gs", 3));
                    for variant in [variant].into_iter().chain(strided) {
                        if !all.iter().any(|(v, _)| *v == variant) {
                            all.push((variant, problem));
                        }
                    }
                }
            }
        }
    }
    all
}

fn module(source: &str) -> (naga::Module, naga::valid::ModuleInfo) {
    let module =
        naga::front::wgsl::parse_str(source).unwrap_or_else(|e| panic!("{}\n{source}", e.emit_to_string(source)));
    let info = Validator::new(ValidationFlags::all(), Capabilities::all())
        .validate(&module)
        .unwrap_or_else(|e| panic!("{}\n{source}", e.emit_to_string(source)));
    (module, info)
}

#[test]
fn every_variant_compiles_for_every_backend() {
    let all = variants();
    assert!(all.len() > 100, "only {} variants", all.len());
    for (variant, _) in all {
        for (name, source) in sources(&variant).expect("renders") {
            let (module, info) = module(&source);
            let what = format!("{variant} {name}");
            naga::back::spv::write_vec(&module, &info, &naga::back::spv::Options::default(), None)
                .unwrap_or_else(|e| panic!("{what}: SPIR-V: {e}"));
            // Metal has matrix units of 8 x 8 only, HLSL none.
            let side = variant.knob("cs");
            if side == 16 {
                continue;
            }
            let options = naga::back::msl::Options { lang_version: (3, 0), ..Default::default() };
            naga::back::msl::write_string(&module, &info, &options, &Default::default())
                .unwrap_or_else(|e| panic!("{what}: MSL: {e}"));
            if side != 0 {
                continue;
            }
            let options =
                naga::back::hlsl::Options { shader_model: naga::back::hlsl::ShaderModel::V6_2, ..Default::default() };
            let mut hlsl = String::new();
            let pipeline = Default::default();
            naga::back::hlsl::Writer::new(&mut hlsl, &options, &pipeline)
                .write(&module, &info, None)
                .unwrap_or_else(|e| panic!("{what}: HLSL: {e}"));
        }
    }
}

/// What Rust uploads and what the shader declares agree: number of bindings, and words of the uniforms.
#[test]
fn layouts_agree_with_the_shaders() {
    for (variant, problem) in variants() {
        let data = underdog::kernels::Data::new(problem, variant.dtype, Fill::Exact, 1);
        let plan = plan(&variant, problem, &data, 1).expect("plans");
        for step in &plan.steps {
            let (module, _) = module(&plan.programs[step.program].source);
            let mut bound = 0;
            for (_, global) in module.global_variables.iter() {
                let Some(binding) = &global.binding else { continue };
                bound += 1;
                if binding.binding == 0 {
                    let size = module.types[global.ty].inner.size(module.to_ctx());
                    assert_eq!(size as usize, 4 * step.params.len(), "{variant}: uniforms");
                }
            }
            assert_eq!(bound, step.bindings.len() + 1, "{variant}: bindings");
        }
    }
}

#[test]
fn every_id_of_the_space_reads_back() {
    for (variant, _) in variants() {
        assert_eq!(variant.id().parse(), Ok(variant));
    }
}
