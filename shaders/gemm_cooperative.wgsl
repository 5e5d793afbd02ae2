enable f16;
enable wgpu_cooperative_matrix;
{% from "_stride.wgsl" import open, close %}
{#
  f16 inputs, f32 sums, by the adapter's matrix units: cs x cs fragments. A workgroup of sm x sn subgroups of l lanes
  covers bm x bn; tiles of bk go through workgroup memory with rows skewed by 8 values; pf fetches the next tile into
  registers while this one is used. C is stored in whole tiles, so it is as large as the tiles are.
#}
struct Params { lda: u32, ldb: u32, ldc: u32, row0: u32, k1: u32, tx: u32, ty: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<vec4<f16>>;
@group(0) @binding(2) var<storage, read> b: array<vec4<f16>>;
@group(0) @binding(3) var<storage, read_write> c: array<f32>;
{% set threads = l * sm * sn %}
{% set wm = bm // sm // cs %}
{% set wn = bn // sn // cs %}
{% set as = bk + 8 %}
{% set bs = bn + 8 %}
{% set aloads = bm * bk // 4 // threads %}
{% set bloads = bn * bk // 4 // threads %}
{% set M = "coop_mat" ~ cs ~ "x" ~ cs %}
var<workgroup> at: array<f16, {{ bm * as }}>;
var<workgroup> bt: array<f16, {{ bk * bs }}>;

{% macro fetch(k) %}
{% for i in range(aloads) %}
        { let e = t + {{ i * threads }}u;
        ra{{ i }} = a[((row0 + e / {{ bk // 4 }}u) * p.lda + {{ k }}) / 4u + e % {{ bk // 4 }}u]; }
{% endfor %}
{% for i in range(bloads) %}
        { let e = t + {{ i * threads }}u;
        rb{{ i }} = b[(({{ k }} + e / {{ bn // 4 }}u) * p.ldb + column0) / 4u + e % {{ bn // 4 }}u]; }
{% endfor %}
{% endmacro %}

@compute @workgroup_size({{ threads }})
fn main(
    @builtin(local_invocation_index) t: u32,
    @builtin(subgroup_id) part: u32,
    @builtin(workgroup_id) launched: vec3<u32>,
) {
{{ open() }}
    let row0 = p.row0 + group.y * {{ bm }}u;
    let column0 = group.x * {{ bn }}u;
    let mine_y = part / {{ sn }}u * {{ bm // sm }}u;
    let mine_x = part % {{ sn }}u * {{ bn // sn }}u;
{% for i in range(wm) %}{% for j in range(wn) %}
    var s{{ i }}_{{ j }} = {{ M }}<f32, C>();
{% endfor %}{% endfor %}
{% for i in range(aloads) %}
    var ra{{ i }}: vec4<f16>;
{% endfor %}
{% for i in range(bloads) %}
    var rb{{ i }}: vec4<f16>;
{% endfor %}
{% if pf %}
{{ fetch("0u") }}
{% endif %}
    for (var k = 0u; k < p.k1; k += {{ bk }}u) {
{% if not pf %}
{{ fetch("k") }}
{% endif %}
{% for i in range(aloads) %}
        { let e = t + {{ i * threads }}u; let spot = e / {{ bk // 4 }}u * {{ as }}u + e % {{ bk // 4 }}u * 4u;
{% for x in range(4) %}
        at[spot + {{ x }}u] = ra{{ i }}[{{ x }}];
{% endfor %}
        }
{% endfor %}
{% for i in range(bloads) %}
        { let e = t + {{ i * threads }}u; let spot = e / {{ bn // 4 }}u * {{ bs }}u + e % {{ bn // 4 }}u * 4u;
{% for x in range(4) %}
        bt[spot + {{ x }}u] = rb{{ i }}[{{ x }}];
{% endfor %}
        }
{% endfor %}
        workgroupBarrier();
{% if pf %}
        if k + {{ bk }}u < p.k1 {
{{ fetch("(k + " ~ bk ~ "u)") }}
        }
{% endif %}
{% for q in range(bk // cs) %}
{% for i in range(wm) %}
        { let spot_a = (mine_y + {{ i * cs }}u) * {{ as }}u + {{ q * cs }}u;
        let fa = coopLoadT<{{ M }}<f16, A>>(&at[spot_a], {{ as }}u);
{% for j in range(wn) %}
        { let spot_b = {{ q * cs * bs }}u + mine_x + {{ j * cs }}u;
        let fb = coopLoadT<{{ M }}<f16, B>>(&bt[spot_b], {{ bs }}u);
        s{{ i }}_{{ j }} = coopMultiplyAdd(fa, fb, s{{ i }}_{{ j }}); }
{% endfor %}
        }
{% endfor %}
{% endfor %}
        workgroupBarrier();
    }
    // The SPIR-V writer wants offset and stride of a store bound to names.
    let stride = p.ldc;
{% for i in range(wm) %}{% for j in range(wn) %}
    { let spot = (row0 + mine_y + {{ i * cs }}u) * stride + column0 + mine_x + {{ j * cs }}u;
    coopStoreT(s{{ i }}_{{ j }}, &c[spot], stride); }
{% endfor %}{% endfor %}
{{ close() }}
}
