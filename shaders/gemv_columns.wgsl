{% include "_gemv.wgsl" %}
{% from "_gemv.wgsl" import accumulate %}
{# W is stored by column in quads of four rows; one invocation computes nv such quads, u columns at a time. #}
{% from "_texels.wgsl" import texels, texel %}
{% if tex %}
{{ texels(1, "w") }}
{{ texels(2, "x") }}
fn w_quad(row4: u32, k: u32) -> vec4<f32> { return {{ texel("w", "vec2(row4, k)") }}; }
fn x_quad(k4: u32) -> vec4<f32> { return {{ texel("x", "vec2(k4, 0u)") }}; }
{% else %}
@group(0) @binding(1) var<storage, read> w: array<E4>;
@group(0) @binding(2) var<storage, read> x: array<E4>;
fn w_quad(row4: u32, k: u32) -> vec4<f32> { return vec4<f32>(w[k * p.ld + row4]); }
fn x_quad(k4: u32) -> vec4<f32> { return vec4<f32>(x[k4]); }
{% endif %}
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size({{ wx }})
fn main(@builtin(local_invocation_id) me: vec3<u32>, @builtin(workgroup_id) group: vec3<u32>) {
    let row4 = group.x * {{ wx * nv }}u + me.x;
{% for v in range(nv) %}
    var s{{ v }} = vec4<f32>();
{% endfor %}
    for (var k = p.k0; k < p.k1; k += {{ u }}u) {
{% for q in range(u) %}
        let x{{ q }} = x_quad(k + {{ q }}u);
{% endfor %}
{% for q in range(u) %}{% for c in range(4) %}{% for v in range(nv) %}
        s{{ v }} += w_quad(row4 + {{ v * wx }}u, (k + {{ q }}u) * 4u + {{ c }}u) * x{{ q }}[{{ c }}];
{% endfor %}{% endfor %}{% endfor %}
    }
{% for v in range(nv) %}{% for c in range(4) %}
    { let row = (row4 + {{ v * wx }}u) * 4u + {{ c }}u;
{{ accumulate("row", "s" ~ v ~ "[" ~ c ~ "]") }} }
{% endfor %}{% endfor %}
}
