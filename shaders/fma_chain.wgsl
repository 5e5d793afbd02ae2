// Eight independent chains of multiply-adds per invocation: what the arithmetic alone can do.
struct Params { chains: u32, steps: u32, factor: f32, term: f32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> start: array<f32>;
@group(0) @binding(2) var<storage, read_write> end: array<f32>;

@compute @workgroup_size({{ wx }})
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let stride = groups.x * {{ wx }}u;
{% for x in range(8) %}
    var v{{ x }} = start[min(id.x + {{ x }}u * stride, p.chains - 1u)];
{% endfor %}
    for (var step = 0u; step < p.steps; step += 4u) {
{% for repeat in range(4) %}{% for x in range(8) %}
        v{{ x }} = fma(v{{ x }}, p.factor, p.term);
{% endfor %}{% endfor %}
    }
{% for x in range(8) %}
    if id.x + {{ x }}u * stride < p.chains { end[id.x + {{ x }}u * stride] = v{{ x }}; }
{% endfor %}
}
