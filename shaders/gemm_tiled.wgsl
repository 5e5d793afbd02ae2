{% include "_gemm.wgsl" %}
{% from "_stride.wgsl" import open, close %}
{% from "_texels.wgsl" import texels, texel %}
{#
  A workgroup computes bm x bn of C from tiles of A (kept k-major) and B in workgroup memory; an invocation keeps
  tm x tn of it in registers. v4: global loads of four values. ta: A comes k-major, so its tile needs no transposition.
  pf: the next tile is fetched into registers while this one is used. pad: skew of A's rows. sw: workgroups walk in
  groups of sw rows. wd: halves come as words and are widened on their way into the tile, once a value instead of once a
  product. tex: A (k-major) and B come from textures. ku: steps of k that stand side by side in the loop over a tile; where
  it is 0 a compiler unrolls as it likes. sk: the sum is cut over the grid's z and the parts go to separate planes. ex:
  the grid's z is an expert with its own B, and its rows of A lie between two entries of first_row.
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
{% set T = "E4" if v4 else "E" %}
{% set G = "vec2<u32>" if wd else T %}
{% set B = "u32" if int4 else G %}
{# Elements of one line of a tile as it lies in memory, and what lies between two lines. #}
{% set wide = 4 if v4 else 1 %}
{% set across_a = (bm if ta else bk) // wide %}
{% set across_b = bk // 8 if int4 else bn // wide %}
{% set side = ku or 1 %}
{% set S = "i32" if int8 else "f32" %}
{% set S4 = "vec4<u32>" if int8 else "vec4<f32>" %}
{% set V = "u32" if int8 else "f32" %}
{% if tex %}
{{ texels(1, "a") }}
{{ texels(2, "b") }}
{% else %}
@group(0) @binding(1) var<storage, read> a: array<{{ G }}>;
@group(0) @binding(2) var<storage, read> b: array<{{ B }}>;
{% endif %}
@group(0) @binding(3) var<storage, read_write> c: array<f32>;
{% if int8 %}
// Scales of A's rows, then of B's columns.
@group(0) @binding(4) var<storage, read> scales: array<f32>;
{% elif int4 %}
@group(0) @binding(4) var<storage, read> scales: array<f32>;
{% endif %}
{% if ex %}
@group(0) @binding({{ 5 if dtype == "q4" else 4 }}) var<storage, read> first_row: array<u32>;
{% endif %}

{% set alen = bk * arow // (4 if av else 1) %}
{% set blen = bk * bn // (4 if bv4 else 1) %}
var<workgroup> at: array<{{ "E4" if av else "E" }}, {{ alen }}>;
var<workgroup> bt: array<{{ "f32" if int4 else T }}, {{ blen }}>;

{# Two textures whose tiles are equally wide are walked by one index. #}
{% set ib = "ia" if tex and across_a == across_b else "ib" %}

{# Where this invocation's first values of a tile lie; the others are whole strides behind, the next tile one step. #}
{% macro start(k) %}
{% if tex %}
    let xa = row0 / 4u + t % {{ across_a }}u;
    let xb = (column0 + bplane) / 4u + t % {{ across_b }}u;
    var ia = {{ k }} + t / {{ across_a }}u;
{% if ib != "ia" %}
    var ib = {{ k }} + t / {{ across_b }}u;
{% endif %}
{% else %}
{% if av %}
    var ia = (({{ k }} + t / {{ bm // 4 }}u) * p.lda + row0) / 4u + t % {{ bm // 4 }}u;
{% elif v4 %}
    var ia = ((row0 + t / {{ bk // 4 }}u) * p.lda + {{ k }}) / 4u + t % {{ bk // 4 }}u;
{% elif ta %}
    var ia = ({{ k }} + t / {{ bm }}u) * p.lda + row0 + t % {{ bm }}u;
{% else %}
    var ia = (row0 + t / {{ bk }}u) * p.lda + {{ k }} + t % {{ bk }}u;
{% endif %}
{% if int4 %}
    var ib = (column0 + bplane + t / {{ bk // 8 }}u) * (p.ldb / 8u) + {{ k }} / 8u + t % {{ bk // 8 }}u;
{% elif v4 %}
    var ib = (({{ k }} + t / {{ bn // 4 }}u) * p.ldb + column0 + bplane) / 4u + t % {{ bn // 4 }}u;
{% else %}
    var ib = ({{ k }} + t / {{ bn }}u) * p.ldb + column0 + bplane + t % {{ bn }}u;
{% endif %}
{% endif %}
{% endmacro %}
{% macro fetch() %}
{% if tex %}
{% for l in range(aloads) %}
        ra{{ l }} = {{ texel("a", "vec2(xa, ia + " ~ (l * threads // across_a) ~ "u)") }};
{% endfor %}
{% for l in range(bloads) %}
        rb{{ l }} = {{ texel("b", "vec2(xb, " ~ ib ~ " + " ~ (l * threads // across_b) ~ "u)") }};
{% endfor %}
{% else %}
{% for l in range(aloads) %}
        ra{{ l }} = a[ia{% if l %} + {{ l * threads // across_a }}u * aline{% endif %}];
{% endfor %}
{% for l in range(bloads) %}
        rb{{ l }} = b[ib{% if l %} + {{ l * threads // across_b }}u * bline{% endif %}];
{% if int4 %}
        rs{{ l }} = scales[(ib{% if l %} + {{ l * threads // across_b }}u * bline{% endif %}) / 4u];
{% endif %}
{% endfor %}
{% endif %}
{% endmacro %}
{# To the next tile, or by "more * " to the same where there is none. #}
{% macro advance(by) %}
        ia += {{ by }}{% if tex %}{{ bk }}u{% elif ta %}{{ bk }}u * aline{% else %}{{ bk // wide }}u{% endif %};
{% if ib != "ia" %}
        ib += {{ by }}{% if tex %}{{ bk }}u{% elif int4 %}{{ bk // 8 }}u{% else %}{{ bk }}u * bline{% endif %};
{% endif %}
{% endmacro %}

{# A fetched element as it stands in a tile. #}
{% macro kept(from) %}
{%- if wd %}vec4<f32>(unpack2x16float({{ from }}.x), unpack2x16float({{ from }}.y)){% else %}{{ from }}{% endif %}
{%- endmacro %}
{# The column, from the tile's first, of an invocation's column j. #}
{% macro across(j) %}
{%- if bv4 %}({{ (j // 4) * tx }}u + mine_x) * 4u + {{ j % 4 }}u{% else %}{{ j * tx }}u + mine_x{% endif %}
{%- endmacro %}
{# One finished value of C. #}
{% macro value(i, j) %}
{%- if int8 %}f32(s{{ i }}_{{ j }}) * scales[row] * scales[p.m + column0 + {{ across(j) }}]{% else %}s{{ i }}_{{ j }}{% endif %}
{%- endmacro %}

{# Fetched elements into the tiles. #}
{% macro keep() %}
{% for l in range(aloads) %}
{% if av %}
        at[spot_a + {{ l * threads // across_a * (arow // 4) }}u] = {{ kept("ra" ~ l) }};
{% elif v4 %}
{% for x in range(4) %}
        at[spot_a + {{ x * arow + l * threads // across_a }}u] = ra{{ l }}[{{ x }}];
{% endfor %}
{% elif ta %}
        at[spot_a + {{ l * threads // across_a * arow }}u] = ra{{ l }};
{% else %}
        at[spot_a + {{ l * threads // across_a }}u] = ra{{ l }};
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
        bt[t + {{ l * threads }}u] = {{ kept("rb" ~ l) }};
{% endif %}
{% endfor %}
{% endmacro %}
{# The products of a tile. #}
{% macro products() %}
        for (var kk = 0u; kk < {{ bk }}u; kk += {{ side }}u) {
{% for u in range(side) %}
            {
{% if av %}
{% for i in range(tm // 4) %}
            let av{{ i }} = {{ S4 }}(at[(kk + {{ u }}u) * {{ arow // 4 }}u + quad_y + {{ i }}u]);
{% for x in range(4) %}
            let a{{ 4 * i + x }} = av{{ i }}[{{ x }}];
{% endfor %}
{% endfor %}
{% else %}
{% for i in range(tm) %}
            let a{{ i }} = {{ V }}(at[(kk + {{ u }}u) * {{ arow }}u + mine_y + {{ i }}u]);
{% endfor %}
{% endif %}
{% if bv4 %}
{% for j in range(tn // 4) %}
            let bv{{ j }} = {{ S4 }}(bt[(kk + {{ u }}u) * {{ bn // 4 }}u + {{ j * tx }}u + mine_x]);
{% for x in range(4) %}
            let b{{ 4 * j + x }} = bv{{ j }}[{{ x }}];
{% endfor %}
{% endfor %}
{% else %}
{% for j in range(tn) %}
            let b{{ j }} = {{ V }}(bt[(kk + {{ u }}u) * {{ bn }}u + {{ j * tx }}u + mine_x]);
{% endfor %}
{% endif %}
{% for i in range(tm) %}{% for j in range(tn) %}
            s{{ i }}_{{ j }} += {% if int8 %}dot4I8Packed(a{{ i }}, b{{ j }}){% else %}a{{ i }} * b{{ j }}{% endif %};
{% endfor %}{% endfor %}
            }
{% endfor %}
        }
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
    let last = first_row[group.z + 1u];
    // A tile beyond the expert's rows has nothing to add up.
    let row0 = min(first_row[group.z] + tile.y * {{ bm }}u, last);
    let from_k = p.k0;
    let to_k = select(p.k0, p.k1, row0 < last);
{% if int4 %}
    let bplane = group.z * p.tx * {{ bn }}u;
{% else %}
    let bplane = group.z * p.k * p.ldb;
{% endif %}
{% else %}
    let row0 = p.row0 + tile.y * {{ bm }}u;
    let last = p.m;
    let from_k = p.k0 + group.z * p.kz;
    let to_k = min(p.k1, from_k + p.kz);
    let bplane = 0u;
{% endif %}
    let mine_x = t % {{ tx }}u;
    let mine_y = t / {{ tx }}u * {{ tm }}u;
{% if av %}
    let quad_y = t / {{ tx }}u * {{ tm // 4 }}u;
{% endif %}
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
    let aline = p.lda{% if v4 %} / 4u{% endif %};
    let bline = p.ldb{% if int4 %} / 8u{% elif v4 %} / 4u{% endif %};
{{ start("from_k") }}
{% if pf %}
{{ fetch() }}
{% endif %}
    let spot_a = {% if av %}t / {{ across_a }}u * {{ arow // 4 }}u + t % {{ across_a }}u
        {%- elif v4 %}t % {{ across_a }}u * {{ 4 * arow }}u + t / {{ across_a }}u
        {%- elif ta %}t / {{ across_a }}u * {{ arow }}u + t % {{ across_a }}u
        {%- else %}t % {{ across_a }}u * {{ arow }}u + t / {{ across_a }}u
        {%- endif %};
    for (var k = from_k; k < to_k; k += {{ bk }}u) {
{% if not pf %}
{{ fetch() }}
{{ advance("") }}
{% endif %}
{{ keep() }}
        workgroupBarrier();
{% if pf %}
        // After the last tile the same one comes again: a load behind a branch would be waited for at its end.
        let more = select(0u, 1u, k + {{ bk }}u < to_k);
{{ advance("more * ") }}{{ fetch() }}
{% endif %}
{{ products() }}
        workgroupBarrier();
    }
    let plane = {% if ex %}0u{% else %}group.z * p.m * p.n{% endif %};
    // Tiles inside C store without a look at its edges.
    if row0 + {{ bm }}u <= last && column0 + {{ bn }}u <= p.n && p.k0 == 0u {
{% for i in range(tm) %}
        { let row = row0 + mine_y + {{ i }}u;
        let at_c = plane + row * p.n + column0;
{% for j in range(tn) %}
        c[at_c + {{ across(j) }}] = {{ value(i, j) }};
{% endfor %}
        }
{% endfor %}
    } else {
{% for i in range(tm) %}
        { let row = row0 + mine_y + {{ i }}u;
        if row < last {
{% for j in range(tn) %}
            { let column = column0 + {{ across(j) }};
            if column < p.n {
                let at_c = plane + row * p.n + column;
                var value = {{ value(i, j) }};
                if p.k0 > 0u { value += c[at_c]; }
                c[at_c] = value;
            } }
{% endfor %}
        } }
{% endfor %}
    }
{{ close() }}
}
