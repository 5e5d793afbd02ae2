// Copies quads, {{ u }} at a time.
struct Params { quads: u32, stride: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> data: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read_write> copy: array<vec4<u32>>;

@compute @workgroup_size({{ wx }})
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    var at = id.x;
    for (; at + {{ u - 1 }}u * p.stride < p.quads; at += {{ u }}u * p.stride) {
{% for q in range(u) %}
        let quad{{ q }} = data[at + {{ q }}u * p.stride];
{% endfor %}
{% for q in range(u) %}
        copy[at + {{ q }}u * p.stride] = quad{{ q }};
{% endfor %}
    }
    for (; at < p.quads; at += p.stride) { copy[at] = data[at]; }
}
