// Copies quads.
struct Params { quads: u32, stride: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> data: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read_write> copy: array<vec4<u32>>;

@compute @workgroup_size({{ wx }})
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    for (var at = id.x; at < p.quads; at += p.stride) { copy[at] = data[at]; }
}
