{#
  C[m, n] = X[m, k] W[n, k] for few rows of X. W is read in units of 16 bytes along k, whatever its type, so one code
  streams 4 floats, 8 halves, 16 bytes or 32 nibbles at a time: r rows of W and mb rows of X in registers, wx
  invocations along k, added up by the subgroup (l lanes or more) or through workgroup memory.
#}
struct Params {
    m: u32, n: u32,
    ld: u32,             // units in a row of W
    k0: u32, k1: u32,    // part of the sum, in units
}
{# Mesa's software driver compiles a kernel anew at every dispatch where known uniforms would halve its code, as those of
   packed dot products do. It knows uniforms only, not storage. #}
@group(0) @binding(0) var<{{ "storage, read" if dtype == "i8" else "uniform" }}> p: Params;
@group(0) @binding(1) var<storage, read> w: array<vec4<u32>>;
{% set xs = 8 if dtype == "q4" else 1 %}
{% set wide = dtype in ["f32", "q4"] %}
@group(0) @binding(2) var<storage, read> x: array<{{ "vec4<f32>" if wide else "vec4<u32>" }}>;
@group(0) @binding(3) var<storage, read_write> c: array<f32>;
{% if dtype == "i8" %}
// Scales of X's rows, then of W's.
@group(0) @binding(4) var<storage, read> scales: array<f32>;
{% elif dtype == "q4" %}
// One scale per unit of W.
@group(0) @binding(4) var<storage, read> scales: array<f32>;
{% endif %}
{% set T = "i32" if dtype == "i8" else "f32" %}

{% if dtype == "f16" %}
fn product(a: vec4<u32>, b: vec4<u32>) -> f32 {
    return dot(vec4(unpack2x16float(a.x), unpack2x16float(a.y)), vec4(unpack2x16float(b.x), unpack2x16float(b.y)))
        + dot(vec4(unpack2x16float(a.z), unpack2x16float(a.w)), vec4(unpack2x16float(b.z), unpack2x16float(b.w)));
}
{% elif dtype == "i8" %}
fn product(a: vec4<u32>, b: vec4<u32>) -> i32 {
    return dot4I8Packed(a.x, b.x) + dot4I8Packed(a.y, b.y) + dot4I8Packed(a.z, b.z) + dot4I8Packed(a.w, b.w);
}
{% elif dtype == "q4" %}
fn nibbles(word: u32) -> vec4<f32> {
{% if mt %}
    // The bits of a float of 2^23, 2^19, 2^15 and 2^11 that count ones stand where the four nibbles do. NVIDIA's units
    // convert an integer at an eighth of their rate.
    let own = (vec4(word) ^ vec4(0x8888u)) & vec4(0xfu, 0xf0u, 0xf00u, 0xf000u);
    let numbers = bitcast<vec4<f32>>(own | vec4(0x4b000000u, 0x49000000u, 0x47000000u, 0x45000000u));
    return numbers - vec4(8388616.0, 524296.0, 32776.0, 2056.0);
{% else %}
    return vec4<f32>((vec4<i32>(bitcast<i32>(word)) << vec4(28u, 24u, 20u, 16u)) >> vec4(28u));
{% endif %}
}
{% else %}
fn product(a: vec4<u32>, b: vec4<f32>) -> f32 { return dot(bitcast<vec4<f32>>(a), b); }
{% endif %}

{% set threads = wx %}
{# As many blocks of rows as subgroups of l lanes; longer subgroups are fewer, and take more of them. #}
{% set several = l and wx > l %}
{% if not l %}
var<workgroup> parts: array<{{ T }}, {{ wx * r * mb }}>;
{% endif %}

@compute @workgroup_size({{ threads }})
fn main(
{% if l %}
    @builtin(subgroup_invocation_id) t: u32,
{% if several %}
    @builtin(subgroup_id) part: u32,
    @builtin(subgroup_size) length: u32,
    @builtin(num_subgroups) subgroups: u32,
{% endif %}
{% else %}
    @builtin(local_invocation_index) t: u32,
{% endif %}
    @builtin(workgroup_id) group: vec3<u32>,
) {
    let m0 = group.y * {{ mb }}u;
{% if several %}
    for (var block = part; block < {{ wx // l }}u; block += subgroups) {
    let row0 = (group.x * {{ wx // l }}u + block) * {{ r }}u;
{% else %}
    let row0 = group.x * {{ r }}u;
{% endif %}
{% set reach = "length" if several else (l if l else wx) ~ "u" %}
{% for i in range(r) %}{% for b in range(mb) %}
    var s{{ i }}_{{ b }} = {{ T }}();
{% endfor %}{% endfor %}
    for (var k = p.k0 + t; k < p.k1; k += {{ reach }}) {
{% for b in range(mb) %}{% for q in range(xs) %}
        let x{{ b }}_{{ q }} = x[((m0 + {{ b }}u) * p.ld + k) * {{ xs }}u + {{ q }}u];
{% endfor %}{% endfor %}
{% for i in range(r) %}
        { let at = (row0 + {{ i }}u) * p.ld + k;
        let unit = w[at];
{% if dtype == "q4" %}
        let scale = scales[at];
{% for q in range(4) %}
        let lo{{ q }} = nibbles(unit[{{ q }}]);
        let hi{{ q }} = nibbles(unit[{{ q }}] >> 16u);
{% endfor %}
{% for b in range(mb) %}
        s{{ i }}_{{ b }} += scale * ({% for q in range(4) %}{{ " + " if q else "" }}dot(lo{{ q }}, x{{ b }}_{{ 2 * q }}) + dot(hi{{ q }}, x{{ b }}_{{ 2 * q + 1 }}){% endfor %});
{% endfor %}
{% else %}
{% for b in range(mb) %}
        s{{ i }}_{{ b }} += product(unit, x{{ b }}_0);
{% endfor %}
{% endif %}
        }
{% endfor %}
    }
{% if l %}
{% for i in range(r) %}{% for b in range(mb) %}
    let t{{ i }}_{{ b }} = subgroupAdd(s{{ i }}_{{ b }});
{% endfor %}{% endfor %}
{% else %}
{% for i in range(r) %}{% for b in range(mb) %}
    parts[t + {{ (i * mb + b) * wx }}u] = s{{ i }}_{{ b }};
{% endfor %}{% endfor %}
    for (var span = {{ wx // 2 }}u; span > 0u; span /= 2u) {
        workgroupBarrier();
        if t < span {
{% for e in range(r * mb) %}
            parts[t + {{ e * wx }}u] += parts[t + span + {{ e * wx }}u];
{% endfor %}
        }
    }
{% endif %}
    if t == 0u {
{% for i in range(r) %}{% for b in range(mb) %}
        { let row = m0 + {{ b }}u; let column = row0 + {{ i }}u;
        if row < p.m && column < p.n {
{% set sum = "t" ~ i ~ "_" ~ b if l else "parts[" ~ (i * mb + b) * wx ~ "]" %}
{% if dtype == "i8" %}
            var value = f32({{ sum }}) * scales[row] * scales[p.m + column];
{% else %}
            var value = {{ sum }};
{% endif %}
            if p.k0 > 0u { value += c[row * p.n + column]; }
            c[row * p.n + column] = value;
        } }
{% endfor %}{% endfor %}
    }
{% if several %}
    }
{% endif %}
}
