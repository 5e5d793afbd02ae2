{% include "_gemm.wgsl" %}
{% from "_stride.wgsl" import open, close %}
{#
  A workgroup computes bm x bn of C from tiles of A (kept k-major) and B in workgroup memory; an invocation keeps
  tm x tn of it in registers. v4: global loads of four values. ta: A comes k-major, so its tile needs no transposition.
  pf: the next tile is fetched into registers while this one is used. pad: skew of A's rows. sw: workgroups walk in
  groups of sw rows. sk: the sum is cut over the grid's z and the parts go to separate planes. ex: the grid's z is an
  expert with its own B, and its rows of A lie between two entries of first_row.
  i8: a value is a word of four integers along k, sums are exact integers, scales follow at the end. q4: B's words hold
  eight integers along k of one column, with a scale per 32, and become f32 on their way into the tile.
#}
{% set int8 = dtype == "i8" %}
{% set int4 = dtype == "q4" %}
{% set bv4 = v4 and not int4 %}
{% set tx = bn // tn %}
{% set threads = tx * (bm // tm) %}
{% set av = v4 and ta %}
{% set arow = bm + pad %}
{% set aloads = bm * bk // threads // (4 if v4 else 1) %}
{% set bloads = bn * bk // threads // (8 if int4 else (4 if v4 else 1)) %}
{% set G = "E4" if v4 else "E" %}
{% set B = "u32" if int4 else G %}
{% set S = "i32" if int8 else "f32" %}
{% set S4 = "vec4<u32>" if int8 else "vec4<f32>" %}
{% set V = "u32" if int8 else "f32" %}
@group(0) @binding(1) var<storage, read> a: array<{{ G }}>;
@group(0) @binding(2) var<storage, read> b: array<{{ B }}>;
@group(0) @binding(3) var<storage, read_write> c: array<f32>;
{% if int8 %}
// Scales of A's rows, then of B's columns.
@group(0) @binding(4) var<storage, read> scales: array<f32>;
{% elif int4 %}
@group(0) @binding(4) var<storage, read> scales: array<f32>;
{% elif ex %}
@group(0) @binding(4) var<storage, read> first_row: array<u32>;
{% endif %}

{% if av %}
var<workgroup> at: array<E4, {{ bk * arow // 4 }}>;
{% else %}
var<workgroup> at: array<E, {{ bk * arow }}>;
{% endif %}
{% if int4 %}
var<workgroup> bt: array<f32, {{ bk * bn }}>;
{% else %}
var<workgroup> bt: array<{{ G }}, {{ bk * bn // (4 if v4 else 1) }}>;
{% endif %}

{% macro fetch(k) %}
{% for l in range(aloads) %}
        { let e = t + {{ l * threads }}u;
{% if av %}
        ra{{ l }} = a[(({{ k }} + e / {{ bm // 4 }}u) * p.lda + row0) / 4u + e % {{ bm // 4 }}u]; }
{% elif v4 %}
        ra{{ l }} = a[((row0 + e / {{ bk // 4 }}u) * p.lda + {{ k }}) / 4u + e % {{ bk // 4 }}u]; }
{% elif ta %}
        ra{{ l }} = a[({{ k }} + e / {{ bm }}u) * p.lda + row0 + e % {{ bm }}u]; }
{% else %}
        ra{{ l }} = a[(row0 + e / {{ bk }}u) * p.lda + {{ k }} + e % {{ bk }}u]; }
{% endif %}
{% endfor %}
{% for l in range(bloads) %}
        { let e = t + {{ l * threads }}u;
{% if int4 %}
        let column = column0 + e / {{ bk // 8 }}u;
        rb{{ l }} = b[column * (p.ldb / 8u) + {{ k }} / 8u + e % {{ bk // 8 }}u];
        rs{{ l }} = scales[column * (p.ldb / 32u) + ({{ k }} + e % {{ bk // 8 }}u * 8u) / 32u]; }
{% elif v4 %}
        rb{{ l }} = b[(({{ k }} + e / {{ bn // 4 }}u) * p.ldb + column0 + bplane) / 4u + e % {{ bn // 4 }}u]; }
{% else %}
        rb{{ l }} = b[({{ k }} + e / {{ bn }}u) * p.ldb + column0 + bplane + e % {{ bn }}u]; }
{% endif %}
{% endfor %}
{% endmacro %}

@compute @workgroup_size({{ threads }})
fn main(
    @builtin(local_invocation_index) t: u32,
    @builtin(workgroup_id) launched: vec3<u32>,
) {
{{ open() }}
    var tile = group.xy;
{% if sw %}
    let linear = group.y * p.tx + group.x;
    let top = linear / ({{ sw }}u * p.tx) * {{ sw }}u;
    let height = min({{ sw }}u, p.ty - top);
    let inside = linear - top * p.tx;
    tile = vec2(inside / height, top + inside % height);
{% endif %}
    let column0 = tile.x * {{ bn }}u;
{% if ex %}
    let row0 = first_row[group.z] + tile.y * {{ bm }}u;
    let last = first_row[group.z + 1u];
    let from_k = p.k0;
    // A tile beyond the expert's rows has nothing to add up.
    let to_k = select(p.k0, p.k1, row0 < last);
    let bplane = group.z * p.k * p.ldb;
{% else %}
    let row0 = p.row0 + tile.y * {{ bm }}u;
    let last = p.m;
    let from_k = p.k0 + group.z * p.kz;
    let to_k = min(p.k1, from_k + p.kz);
    let bplane = 0u;
{% endif %}
    let mine_x = t % {{ tx }}u;
    let mine_y = t / {{ tx }}u * {{ tm }}u;
{% for i in range(tm) %}{% for j in range(tn) %}
    var s{{ i }}_{{ j }} = {{ S }}();
{% endfor %}{% endfor %}
{% for l in range(aloads) %}
    var ra{{ l }}: {{ G }};
{% endfor %}
{% for l in range(bloads) %}
    var rb{{ l }}: {{ B }};
{% if int4 %}
    var rs{{ l }}: f32;
{% endif %}
{% endfor %}
{% if pf %}
{{ fetch("from_k") }}
{% endif %}
    for (var k = from_k; k < to_k; k += {{ bk }}u) {
{% if not pf %}
{{ fetch("k") }}
{% endif %}
{% for l in range(aloads) %}
        { let e = t + {{ l * threads }}u;
{% if av %}
        at[e / {{ bm // 4 }}u * {{ arow // 4 }}u + e % {{ bm // 4 }}u] = ra{{ l }}; }
{% elif v4 %}
{% for x in range(4) %}
        at[(e % {{ bk // 4 }}u * 4u + {{ x }}u) * {{ arow }}u + e / {{ bk // 4 }}u] = ra{{ l }}[{{ x }}];
{% endfor %}
        }
{% elif ta %}
        at[e / {{ bm }}u * {{ arow }}u + e % {{ bm }}u] = ra{{ l }}; }
{% else %}
        at[e % {{ bk }}u * {{ arow }}u + e / {{ bk }}u] = ra{{ l }}; }
{% endif %}
{% endfor %}
{% for l in range(bloads) %}
{% if int4 %}
        { let e = t + {{ l * threads }}u;
        let spot = e % {{ bk // 8 }}u * {{ 8 * bn }}u + e / {{ bk // 8 }}u;
{% for x in range(8) %}
        bt[spot + {{ x * bn }}u] = f32(extractBits(bitcast<i32>(rb{{ l }}), {{ 4 * x }}u, 4u)) * rs{{ l }};
{% endfor %}
        }
{% else %}
        bt[t + {{ l * threads }}u] = rb{{ l }};
{% endif %}
{% endfor %}
        workgroupBarrier();
{% if pf %}
        if k + {{ bk }}u < to_k {
{{ fetch("(k + " ~ bk ~ "u)") }}
        }
{% endif %}
        for (var kk = 0u; kk < {{ bk }}u; kk++) {
{% if av %}
{% for i in range(tm // 4) %}
            let av{{ i }} = {{ S4 }}(at[kk * {{ arow // 4 }}u + mine_y / 4u + {{ i }}u]);
{% for x in range(4) %}
            let a{{ 4 * i + x }} = av{{ i }}[{{ x }}];
{% endfor %}
{% endfor %}
{% else %}
{% for i in range(tm) %}
            let a{{ i }} = {{ V }}(at[kk * {{ arow }}u + mine_y + {{ i }}u]);
{% endfor %}
{% endif %}
{% if bv4 %}
{% for j in range(tn // 4) %}
            let bv{{ j }} = {{ S4 }}(bt[kk * {{ bn // 4 }}u + {{ j * tx }}u + mine_x]);
{% for x in range(4) %}
            let b{{ 4 * j + x }} = bv{{ j }}[{{ x }}];
{% endfor %}
{% endfor %}
{% else %}
{% for j in range(tn) %}
            let b{{ j }} = {{ V }}(bt[kk * {{ bn }}u + {{ j * tx }}u + mine_x]);
{% endfor %}
{% endif %}
{% for i in range(tm) %}{% for j in range(tn) %}
            s{{ i }}_{{ j }} += {% if int8 %}dot4I8Packed(a{{ i }}, b{{ j }}){% else %}a{{ i }} * b{{ j }}{% endif %};
{% endfor %}{% endfor %}
        }
        workgroupBarrier();
    }
    let plane = {% if ex %}0u{% else %}group.z * p.m * p.n{% endif %};
{% for i in range(tm) %}
    { let row = row0 + mine_y + {{ i }}u;
    if row < last {
{% for j in range(tn) %}
{% if bv4 %}
        { let column = column0 + ({{ (j // 4) * tx }}u + mine_x) * 4u + {{ j % 4 }}u;
{% else %}
        { let column = column0 + {{ j * tx }}u + mine_x;
{% endif %}
        if column < p.n {
            let at_c = plane + row * p.n + column;
{% if int8 %}
            var value = f32(s{{ i }}_{{ j }}) * scales[row] * scales[p.m + column];
{% else %}
            var value = s{{ i }}_{{ j }};
{% endif %}
            if p.k0 > 0u { value += c[at_c]; }
            c[at_c] = value;
        } }
{% endfor %}
    } }
{% endfor %}
{{ close() }}
}
