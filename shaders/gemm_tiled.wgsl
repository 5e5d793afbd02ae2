{% include "_gemm.wgsl" %}
{#
  A workgroup computes bm x bn of C from tiles of A (kept k-major) and B in workgroup memory; an invocation keeps
  tm x tn of it in registers. v4: global loads of four values. ta: A comes k-major, so its tile needs no transposition.
  pf: the next tile is fetched into registers while this one is used. pad: skew of A's rows. sw: workgroups walk in
  groups of sw rows. sk: the sum is cut over the grid's z and the parts go to separate planes.
#}
{% set tx = bn // tn %}
{% set threads = tx * (bm // tm) %}
{% set av = v4 and ta %}
{% set arow = bm + pad %}
{% set aloads = bm * bk // threads // (4 if v4 else 1) %}
{% set bloads = bn * bk // threads // (4 if v4 else 1) %}
{% set G = "E4" if v4 else "E" %}
@group(0) @binding(1) var<storage, read> a: array<{{ G }}>;
@group(0) @binding(2) var<storage, read> b: array<{{ G }}>;
@group(0) @binding(3) var<storage, read_write> c: array<f32>;

{% if av %}
var<workgroup> at: array<E4, {{ bk * arow // 4 }}>;
{% else %}
var<workgroup> at: array<E, {{ bk * arow }}>;
{% endif %}
var<workgroup> bt: array<{{ G }}, {{ bk * bn // (4 if v4 else 1) }}>;

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
{% if v4 %}
        rb{{ l }} = b[(({{ k }} + e / {{ bn // 4 }}u) * p.ldb + column0) / 4u + e % {{ bn // 4 }}u]; }
{% else %}
        rb{{ l }} = b[({{ k }} + e / {{ bn }}u) * p.ldb + column0 + e % {{ bn }}u]; }
{% endif %}
{% endfor %}
{% endmacro %}

@compute @workgroup_size({{ threads }})
fn main(
    @builtin(local_invocation_index) t: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    var tile = group.xy;
{% if sw %}
    let linear = group.y * groups.x + group.x;
    let top = linear / ({{ sw }}u * groups.x) * {{ sw }}u;
    let height = min({{ sw }}u, groups.y - top);
    let inside = linear - top * groups.x;
    tile = vec2(inside / height, top + inside % height);
{% endif %}
    let row0 = p.row0 + tile.y * {{ bm }}u;
    let column0 = tile.x * {{ bn }}u;
    let from_k = p.k0 + group.z * p.kz;
    let to_k = min(p.k1, from_k + p.kz);
    let mine_x = t % {{ tx }}u;
    let mine_y = t / {{ tx }}u * {{ tm }}u;
{% for i in range(tm) %}{% for j in range(tn) %}
    var s{{ i }}_{{ j }} = 0.0;
{% endfor %}{% endfor %}
{% for l in range(aloads) %}
    var ra{{ l }}: {{ G }};
{% endfor %}
{% for l in range(bloads) %}
    var rb{{ l }}: {{ G }};
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
        bt[t + {{ l * threads }}u] = rb{{ l }};
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
            let av{{ i }} = vec4<f32>(at[kk * {{ arow // 4 }}u + mine_y / 4u + {{ i }}u]);
{% for x in range(4) %}
            let a{{ 4 * i + x }} = av{{ i }}[{{ x }}];
{% endfor %}
{% endfor %}
{% else %}
{% for i in range(tm) %}
            let a{{ i }} = f32(at[kk * {{ arow }}u + mine_y + {{ i }}u]);
{% endfor %}
{% endif %}
{% if v4 %}
{% for j in range(tn // 4) %}
            let bv{{ j }} = vec4<f32>(bt[kk * {{ bn // 4 }}u + {{ j * tx }}u + mine_x]);
{% for x in range(4) %}
            let b{{ 4 * j + x }} = bv{{ j }}[{{ x }}];
{% endfor %}
{% endfor %}
{% else %}
{% for j in range(tn) %}
            let b{{ j }} = f32(bt[kk * {{ bn }}u + {{ j * tx }}u + mine_x]);
{% endfor %}
{% endif %}
{% for i in range(tm) %}{% for j in range(tn) %}
            s{{ i }}_{{ j }} += a{{ i }} * b{{ j }};
{% endfor %}{% endfor %}
        }
        workgroupBarrier();
    }
    let plane = group.z * p.m * p.n;
{% for i in range(tm) %}
    { let row = row0 + mine_y + {{ i }}u;
    if row < p.m {
{% for j in range(tn) %}
{% if v4 %}
        { let column = column0 + ({{ (j // 4) * tx }}u + mine_x) * 4u + {{ j % 4 }}u;
{% else %}
        { let column = column0 + {{ j * tx }}u + mine_x;
{% endif %}
        if column < p.n {
            let at_c = plane + row * p.n + column;
            if p.k0 > 0u { s{{ i }}_{{ j }} += c[at_c]; }
            c[at_c] = s{{ i }}_{{ j }};
        } }
{% endfor %}
    } }
{% endfor %}
}
