{% include "_gemm.wgsl" %}
{% from "_stride.wgsl" import open, close %}
{#
  One invocation, one element: 2 k loads for 2 k operations. ex: the grid's z is an expert with its own B, and its rows
  of A lie between two entries of first_row. i8: a value is a word of four integers along k, taken apart. q4: B's words
  hold eight integers along k of one column, with a scale per 32.
#}
@group(0) @binding(1) var<storage, read> a: array<E>;
@group(0) @binding(2) var<storage, read> b: array<{{ "u32" if dtype == "q4" else "E" }}>;
@group(0) @binding(3) var<storage, read_write> c: array<f32>;
{% if dtype in ["i8", "q4"] %}
@group(0) @binding(4) var<storage, read> scales: array<f32>;
{% endif %}
{% if ex %}
@group(0) @binding({{ 5 if dtype == "q4" else 4 }}) var<storage, read> first_row: array<u32>;
{% endif %}

@compute @workgroup_size({{ wx }}, {{ wy }})
fn main(@builtin(local_invocation_id) me: vec3<u32>, @builtin(workgroup_id) launched: vec3<u32>) {
{{ open() }}
    let id = group * vec3({{ wx }}u, {{ wy }}u, 1u) + me;
{% if ex %}
    let row = first_row[id.z] + id.y;
    let last = first_row[id.z + 1u];
    let bplane = id.z * {{ "p.tx * " ~ wx ~ "u" if dtype == "q4" else "p.k * p.ldb" }};
{% else %}
    let row = p.row0 + id.y;
    let last = p.m;
    let bplane = 0u;
{% endif %}
    let column = id.x;
    if row >= last || column >= p.n {
        {{ "continue" if gs else "return" }};
    }
    var sum = {{ "0i" if dtype == "i8" else "0.0" }};
    for (var k = p.k0; k < p.k1; k++) {
{% if dtype == "i8" %}
        sum += dot(unpack4xI8(a[row * p.lda + k]), unpack4xI8(b[k * p.ldb + column]));
{% elif dtype == "q4" %}
        let integer = extractBits(bitcast<i32>(b[(bplane + column) * (p.ldb / 8u) + k / 8u]), k % 8u * 4u, 4u);
        sum += a[row * p.lda + k] * (f32(integer) * scales[(bplane + column) * (p.ldb / 32u) + k / 32u]);
{% else %}
        sum += f32(a[row * p.lda + k]) * f32(b[bplane + k * p.ldb + column]);
{% endif %}
    }
    var value = {{ "f32(sum) * scales[row] * scales[p.m + column]" if dtype == "i8" else "sum" }};
    if p.k0 > 0u {
        value += c[row * p.n + column];
    }
    c[row * p.n + column] = value;
{{ close() }}
}
