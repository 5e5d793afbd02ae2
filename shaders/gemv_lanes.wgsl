{% include "_gemv.wgsl" %}
{% include "_weights.wgsl" %}
{% from "_gemv.wgsl" import accumulate %}
{# A subgroup of l lanes computes r rows; its lanes lie along k, u steps at a time. #}

@compute @workgroup_size({{ l * sg }})
fn main(
    @builtin(subgroup_invocation_id) lane: u32,
    @builtin(subgroup_id) part: u32,
    @builtin(workgroup_id) group: vec3<u32>,
) {
    let row0 = (group.x * {{ sg }}u + part) * {{ r }}u;
{% for i in range(r) %}
    var s{{ i }} = vec4<f32>();
{% endfor %}
    for (var k = p.k0 + lane; k < p.k1; k += {{ l * u }}u) {
{% for q in range(u) %}
        let x{{ q }} = x_quad(k + {{ q * l }}u);
{% endfor %}
{% for i in range(r) %}{% for q in range(u) %}
        s{{ i }} += w_quad(row0 + {{ i }}u, k + {{ q * l }}u) * x{{ q }};
{% endfor %}{% endfor %}
    }
{% for i in range(r) %}
    let t{{ i }} = subgroupAdd((s{{ i }}.x + s{{ i }}.y) + (s{{ i }}.z + s{{ i }}.w));
{% endfor %}
    if lane == 0u {
{% for i in range(r) %}
    { let row = row0 + {{ i }}u;
{{ accumulate("row", "t" ~ i) }} }
{% endfor %}
    }
}
