{% include "_gemv.wgsl" %}
{% from "_gemv.wgsl" import accumulate %}
{# One invocation, one row; v4 reads four values at a time. #}
{% if v4 %}
{% include "_weights.wgsl" %}
{% else %}
@group(0) @binding(1) var<storage, read> w: array<E>;
@group(0) @binding(2) var<storage, read> x: array<E>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
{% endif %}

@compute @workgroup_size({{ wx }})
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let row = id.x;
    if row >= p.n {
        return;
    }
{% if v4 %}
    var sums = vec4<f32>();
    for (var k = p.k0; k < p.k1; k++) {
        sums += w_quad(row, k) * x_quad(k);
    }
    let sum = (sums.x + sums.y) + (sums.z + sums.w);
{% else %}
    var sum = 0.0;
    for (var k = p.k0; k < p.k1; k++) {
        sum += f32(w[row * p.ld + k]) * f32(x[k]);
    }
{% endif %}
{{ accumulate("row", "sum") }}
}
