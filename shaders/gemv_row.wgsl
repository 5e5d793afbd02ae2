{% include "_gemv.wgsl" %}
{% from "_gemv.wgsl" import accumulate %}
{#
  One invocation, one row; v4 reads four values at a time. i8: a word of four integers along k, taken apart. q4: a word
  of eight, with a scale per 32.
#}
{% if v4 %}
{% include "_weights.wgsl" %}
{% else %}
@group(0) @binding(1) var<storage, read> w: array<{{ "u32" if dtype == "q4" else "E" }}>;
@group(0) @binding(2) var<storage, read> x: array<E>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
{% endif %}
{% if dtype in ["i8", "q4"] %}
// i8: the scale of x, then of W's rows; q4: one per 32 weights.
@group(0) @binding(4) var<storage, read> scales: array<f32>;
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
{% elif dtype == "i8" %}
    var integers = 0i;
    for (var k = p.k0; k < p.k1; k++) {
        integers += dot(unpack4xI8(w[row * p.ld + k]), unpack4xI8(x[k]));
    }
    let sum = f32(integers) * scales[0] * scales[1u + row];
{% elif dtype == "q4" %}
    var sum = 0.0;
    for (var k = p.k0; k < p.k1; k++) {
        let word = bitcast<i32>(w[row * p.ld + k]);
        let scale = scales[row * (p.ld / 4u) + k / 4u];
        for (var e = 0u; e < 8u; e++) { sum += f32(extractBits(word, e * 4u, 4u)) * scale * x[k * 8u + e]; }
    }
{% else %}
    var sum = 0.0;
    for (var k = p.k0; k < p.k1; k++) {
        sum += f32(w[row * p.ld + k]) * f32(x[k]);
    }
{% endif %}
{{ accumulate("row", "sum") }}
}
