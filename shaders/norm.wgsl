// RMS norm: y = x / sqrt(mean(x^2) + 1e-6) * weight, one workgroup a row.
struct Params { width: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
var<workgroup> parts: array<f32, {{ wx }}>;

@compute @workgroup_size({{ wx }})
fn main(@builtin(local_invocation_index) t: u32, @builtin(workgroup_id) id: vec3<u32>) {
    let row = id.x * p.width;
    var squares = 0.0;
    for (var at = t; at < p.width; at += {{ wx }}u) { squares += x[row + at] * x[row + at]; }
    parts[t] = squares;
    for (var span = {{ wx // 2 }}u; span > 0u; span /= 2u) {
        workgroupBarrier();
        if t < span { parts[t] += parts[t + span]; }
    }
    workgroupBarrier();
    let scale = 1.0 / sqrt(parts[0] / f32(p.width) + 1e-6);
    for (var at = t; at < p.width; at += {{ wx }}u) { y[row + at] = x[row + at] * scale * weight[at]; }
}
