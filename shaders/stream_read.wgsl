// Folds a buffer into one word per invocation with wrapping additions, which are exact in any order.
struct Params { quads: u32, stride: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> data: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read_write> sums: array<u32>;

@compute @workgroup_size({{ wx }})
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    var sum = vec4<u32>();
    var at = id.x;
    for (; at + {{ u - 1 }}u * p.stride < p.quads; at += {{ u }}u * p.stride) {
{% for q in range(u) %}
        sum += data[at + {{ q }}u * p.stride];
{% endfor %}
    }
    for (; at < p.quads; at += p.stride) {
        sum += data[at];
    }
    sums[id.x] = sum.x + sum.y + sum.z + sum.w;
}
