// SwiGLU: y = silu(gate) * up, gate and up side by side in a row. v4: quads.
struct Params { rows: u32, width: u32 } // in elements
@group(0) @binding(0) var<uniform> p: Params;
{% set E = "vec4<f32>" if v4 else "f32" %}
@group(0) @binding(1) var<storage, read> x: array<{{ E }}>;
@group(0) @binding(2) var<storage, read_write> y: array<{{ E }}>;

@compute @workgroup_size({{ wx }})
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var at = id.x; at < p.rows * p.width; at += groups.x * {{ wx }}u) {
        let row = at / p.width;
        let column = at % p.width;
        let gate = x[row * 2u * p.width + column];
        y[at] = gate / (1.0 + exp(-gate)) * x[(row * 2u + 1u) * p.width + column];
    }
}
