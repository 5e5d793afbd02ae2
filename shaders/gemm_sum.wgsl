// Adds the planes that a split sum left behind.
struct Params { elements: u32, planes: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> parts: array<f32>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let at = id.y * groups.x * 64u + id.x;
    if at >= p.elements {
        return;
    }
    var sum = 0.0;
    for (var plane = 0u; plane < p.planes; plane++) {
        sum += parts[plane * p.elements + at];
    }
    c[at] = sum;
}
