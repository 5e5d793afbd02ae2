enable f16;
enable wgpu_cooperative_matrix;
{% from "_stride.wgsl" import open, close %}
{#
  f16 inputs, f32 sums, by the adapter's matrix units: cs x cs fragments. A workgroup covers bm x bn in sm x sn parts, and
  has invocations for as many subgroups of l lanes. Subgroups of another length are more, and some repeat the last part,
  or fewer, and take parts in turns. Tiles of bk go through workgroup memory with rows skewed by 8 values; pf fetches the
  next tile into registers while this one is used. B comes by column, as a model stores its weights, so that both
  operands of a fragment lie along k, as matrix units read them. Eight halves are fetched as four words: drivers that
  check every component of a load check four. i8, q4: eight integers are fetched as two words or one, and become halves
  on their way into the tile. C is stored in whole tiles, so it is as large as the tiles are. sk: the sum is cut over the
  grid's z and the parts go to separate planes.
#}
{% set B = "u32" if dtype == "q4" else ("vec2<u32>" if dtype == "i8" else "vec4<u32>") %}
struct Params {
    lda: u32, ldb: u32, ldc: u32, row0: u32, k1: u32, tx: u32, ty: u32,
    kz: u32,      // part of the sum per z of the grid
    plane: u32,   // values of C
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> b: array<{{ B }}>;
@group(0) @binding(3) var<storage, read_write> c: array<f32>;
{% if dtype != "f16" %}
// One scale a column of B (i8), or one per 32 values of it (q4).
@group(0) @binding(4) var<storage, read> scales: array<f32>;
{% endif %}
{% set threads = l * sm * sn %}
{% set wm = bm // sm // cs %}
{% set wn = bn // sn // cs %}
{% set as = bk + 8 %}
{% set bs = bk + 8 %}
{% set across = bk // 8 %}
{% set aloads = bm * bk // 8 // threads %}
{% set bloads = bn * bk // 8 // threads %}
{% set M = "coop_mat" ~ cs ~ "x" ~ cs %}
var<workgroup> at: array<f16, {{ bm * as }}>;
var<workgroup> bt: array<f16, {{ bn * bs }}>;

{% macro fetch() %}
{% for i in range(aloads) %}
        ra{{ i }} = a[ia + {{ i * threads // across }}u * aline];
{% endfor %}
{% for i in range(bloads) %}
        rb{{ i }} = b[ib + {{ i * threads // across }}u * bline];
{% if dtype == "q4" %}
        rs{{ i }} = scales[(ib + {{ i * threads // across }}u * bline) / 4u];
{% endif %}
{% endfor %}
{% endmacro %}
{# Eight values of a register quad, where they go in a tile. #}
{% macro keep(tile, at, from) %}
{% for x in range(4) %}
        { let pair = vec2<f16>(unpack2x16float({{ from }}[{{ x }}]));
        {{ tile }}[{{ at }} + {{ 2 * x }}u] = pair.x;
        {{ tile }}[{{ at }} + {{ 2 * x + 1 }}u] = pair.y; }
{% endfor %}
{% endmacro %}
{# Eight integers, where they go as halves. Four bits below the mantissa of 1024 are 1024 and as many more. #}
{% macro unpack(tile, at, from, scale) %}
{% if dtype == "q4" %}
        { let word = {{ from }} ^ 0x88888888u;
        let scale = vec2(f16({{ scale }}));
{% for x in range(4) %}
        let pair{{ x }} = (vec2<f16>(unpack2x16float(((word >> {{ 4 * x }}u) & 0x000f000fu) | 0x64006400u)) - 1032.0h) * scale;
{% endfor %}
{% for x in range(8) %}
        {{ tile }}[{{ at }} + {{ x }}u] = pair{{ x % 4 }}.{{ "xy"[x // 4] }};
{% endfor %}
        }
{% else %}
{% for x in range(2) %}
        { let quad = vec4<f16>(vec4<f32>(unpack4xI8({{ from }}[{{ x }}])) * {{ scale }});
{% for y in range(4) %}
        {{ tile }}[{{ at }} + {{ 4 * x + y }}u] = quad[{{ y }}];
{% endfor %}
        }
{% endfor %}
{% endif %}
{% endmacro %}

@compute @workgroup_size({{ threads }})
fn main(
    @builtin(local_invocation_index) t: u32,
    @builtin(subgroup_id) place: u32,
    @builtin(num_subgroups) subgroups: u32,
    @builtin(workgroup_id) launched: vec3<u32>,
) {
{{ open() }}
    let row0 = p.row0 + group.y * {{ bm }}u;
    let column0 = group.x * {{ bn }}u;
    for (var first = 0u; first < {{ sm * sn }}u; first += subgroups) {
    let part = min(first + place, {{ sm * sn - 1 }}u);
    let mine_y = part / {{ sn }}u * {{ bm // sm }}u;
    let mine_x = part % {{ sn }}u * {{ bn // sn }}u;
{% for i in range(wm) %}{% for j in range(wn) %}
    var s{{ i }}_{{ j }} = {{ M }}<f32, C>();
{% endfor %}{% endfor %}
{% for i in range(aloads) %}
    var ra{{ i }}: vec4<u32>;
{% endfor %}
{% for i in range(bloads) %}
    var rb{{ i }}: {{ B }};
{% if dtype == "q4" %}
    var rs{{ i }}: f32;
{% endif %}
{% endfor %}
    let aline = p.lda / 8u;
    let bline = p.ldb / 8u;
{% if sk %}
    let from_k = group.z * p.kz;
    let to_k = min(p.k1, from_k + p.kz);
    // A part beyond the sum fetches what there is, and adds up nothing.
    let first_k = min(from_k, p.k1 - {{ bk }}u) / 8u;
{% else %}
    let from_k = 0u;
    let to_k = p.k1;
    let first_k = 0u;
{% endif %}
    var ia = (row0 + t / {{ across }}u) * aline + first_k + t % {{ across }}u;
    var ib = (column0 + t / {{ across }}u) * bline + first_k + t % {{ across }}u;
{% if dtype == "i8" %}
{% for i in range(bloads) %}
    let rs{{ i }} = scales[column0 + t / {{ across }}u + {{ i * threads // across }}u];
{% endfor %}
{% endif %}
    let spot = t / {{ across }}u * {{ as }}u + t % {{ across }}u * 8u;
{% if pf %}
{{ fetch() }}
{% endif %}
    for (var k = from_k; k < to_k; k += {{ bk }}u) {
{% if not pf %}
{{ fetch() }}
        ia += {{ across }}u;
        ib += {{ across }}u;
{% endif %}
{% for i in range(aloads) %}
{{ keep("at", "spot + " ~ (i * threads // across * as) ~ "u", "ra" ~ i) }}
{% endfor %}
{% for i in range(bloads) %}
{% if dtype == "f16" %}
{{ keep("bt", "spot + " ~ (i * threads // across * bs) ~ "u", "rb" ~ i) }}
{% else %}
{{ unpack("bt", "spot + " ~ (i * threads // across * bs) ~ "u", "rb" ~ i, "rs" ~ i) }}
{% endif %}
{% endfor %}
        workgroupBarrier();
{% if pf %}
        // After the last tile the same one comes again: a load behind a branch would be waited for at its end.
        let more = select(0u, {{ across }}u, k + {{ bk }}u < to_k);
        ia += more;
        ib += more;
{{ fetch() }}
{% endif %}
{% for q in range(bk // cs) %}
        {
{% for j in range(wn) %}
        let spot_b{{ j }} = (mine_x + {{ j * cs }}u) * {{ bs }}u + {{ q * cs }}u;
        let fb{{ j }} = coopLoad<{{ M }}<f16, B>>(&bt[spot_b{{ j }}], {{ bs }}u);
{% endfor %}
{% for i in range(wm) %}
        { let spot_a = (mine_y + {{ i * cs }}u) * {{ as }}u + {{ q * cs }}u;
        let fa = coopLoadT<{{ M }}<f16, A>>(&at[spot_a], {{ as }}u);
{% for j in range(wn) %}
        s{{ i }}_{{ j }} = coopMultiplyAdd(fa, fb{{ j }}, s{{ i }}_{{ j }});
{% endfor %}
        }
{% endfor %}
        }
{% endfor %}
        workgroupBarrier();
    }
    // The SPIR-V writer wants offset and stride of a store bound to names.
    let stride = p.ldc;
    if first + place < {{ sm * sn }}u {
{% for i in range(wm) %}{% for j in range(wn) %}
    { let spot = {% if sk %}group.z * p.plane + {% endif %}(row0 + mine_y + {{ i * cs }}u) * stride + column0 + mine_x + {{ j * cs }}u;
    coopStoreT(s{{ i }}_{{ j }}, &c[spot], stride); }
{% endfor %}{% endfor %}
    }
    }
{{ close() }}
}
