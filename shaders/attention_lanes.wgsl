{% from "_texels.wgsl" import texels, texel %}
{% from "_cache.wgsl" import held, quad %}
{#
  Softmax attention over cached keys and values, grouped heads, causal: query i of Q stands at position T - Q + i.
  A subgroup of l lanes or more takes mr rows that share keys and values; row r of a key/value head is head r % group of
  query r / group. Keys lie by dimension, so a lane scores its own quad of keys for every row; values lie by token, so a
  lane adds up its own nv quads of the output. Q and the weights travel by shuffles, nothing through workgroup memory.
  Chunks of 4 l keys; a row's maximum and sum rescale what went before (online softmax). fl units of 16 bytes are fetched
  at a time. With sp the context is split over up to sp workgroups, and a second program joins their sums.
#}
{% set u = held[dtype] %}
{% set d4 = hd // 4 %}
{% set nv = d4 // l %}
{% set ks = 4 * l // mr %}
{# Dimensions of the keys, and donors of weights, at a time. #}
{% set kb = [ks, fl * u] | min if fl else ks %}
{% set donors = [[fl * u // 4, 1] | max, l] | min if fl else 1 %}
struct Params {
    queries: u32, context: u32, heads: u32, group: u32, scale: f32,
    rows4: u32,     // quads of rows of a key/value head, as stored
    tokens4: u32,   // quads of tokens, as stored
    planes: u32,    // key/value heads
    parts: u32,     // of the context
    reach: u32,     // tokens of a part
}
@group(0) @binding(0) var<uniform> p: Params;
{% if stage == 1 %}
@group(0) @binding(1) var<storage, read> partial: array<vec4<f32>>;        // [query][head][part][d]
@group(0) @binding(2) var<storage, read> tops: array<vec2<f32>>;           // maximum and sum of [query][head][part]
@group(0) @binding(3) var<storage, read_write> o: array<vec4<f32>>;        // [query][head][d]

@compute @workgroup_size({{ l }})
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) id: vec3<u32>) {
    let row = id.y * p.heads + id.x;
    var top = -1e30;
    for (var part = 0u; part < p.parts; part++) { top = max(top, tops[row * p.parts + part].x); }
    var total = 0.0;
{% for v in range(nv) %}
    var o{{ v }} = vec4<f32>();
{% endfor %}
    for (var part = 0u; part < p.parts; part++) {
        let at = row * p.parts + part;
        let weight = exp(tops[at].x - top);
        total += weight * tops[at].y;
{% for v in range(nv) %}
        o{{ v }} += weight * partial[at * {{ d4 }}u + lane + {{ v * l }}u];
{% endfor %}
    }
{% for v in range(nv) %}
    o[row * {{ d4 }}u + lane + {{ v * l }}u] = o{{ v }} / total;
{% endfor %}
}
{% else %}
{% set Unit = "vec4<f32>" if dtype == "f32" else "vec4<u32>" %}
{% if tex %}
{{ texels(1, "q") }}
{{ texels(2, "keys") }}
{{ texels(3, "values") }}
fn q_quad(plane: u32, row4: u32, d: u32) -> vec4<f32> { return {{ texel("q", "vec2(d, plane * p.rows4 + row4)") }}; }
fn k_unit(plane: u32, d: u32, token4: u32) -> vec4<f32> { return {{ texel("keys", "vec2(token4, plane * " ~ hd ~ "u + d)") }}; }
fn v_unit(plane: u32, token: u32, quad: u32) -> vec4<f32> { return {{ texel("values", "vec2(plane * " ~ d4 ~ "u + quad, token)") }}; }
{% else %}
@group(0) @binding(1) var<storage, read> q: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> keys: array<{{ Unit }}>;      // [kv head][d / u][quad of tokens][d % u]
@group(0) @binding(3) var<storage, read> values: array<{{ Unit }}>;    // [token / u][kv head][quad of d][token % u]
fn q_quad(plane: u32, row4: u32, d: u32) -> vec4<f32> { return q[(plane * p.rows4 + row4) * {{ hd }}u + d]; }
fn k_unit(plane: u32, unit: u32, token4: u32) -> {{ Unit }} { return keys[(plane * {{ hd // u }}u + unit) * p.tokens4 + token4]; }
fn v_unit(plane: u32, unit: u32, quad: u32) -> {{ Unit }} { return values[(unit * p.planes + plane) * {{ d4 }}u + quad]; }
{% endif %}
{% if dtype == "i8" %}
// Scales of the tokens' keys, then of their values: [kv head][quad of tokens].
@group(0) @binding(4) var<storage, read> scales: array<vec4<f32>>;
{% endif %}
{% set next = 5 if dtype == "i8" else 4 %}
{% if sp %}
@group(0) @binding({{ next }}) var<storage, read_write> partial: array<vec4<f32>>;   // [query][head][part][d]
@group(0) @binding({{ next + 1 }}) var<storage, read_write> tops: array<vec2<f32>>;  // maximum and sum of the same
{% else %}
@group(0) @binding({{ next }}) var<storage, read_write> o: array<vec4<f32>>;         // [query][head][d]
{% endif %}

@compute @workgroup_size({{ l }})
fn main(@builtin(subgroup_invocation_id) lane: u32, @builtin(workgroup_id) id: vec3<u32>) {
    let row0 = id.x * {{ mr }}u;
    let plane = id.y;
    let before = p.context - p.queries;
    let seen = before + min((row0 + {{ mr - 1 }}u) / p.group, p.queries - 1u) + 1u;
{% for i in range(mr) %}
    let last{{ i }} = vec4(before + min((row0 + {{ i }}u) / p.group, p.queries - 1u));
    var top{{ i }} = -1e30;
    var total{{ i }} = 0.0;
{% for v in range(nv) %}
    var o{{ i }}_{{ v }} = vec4<f32>();
{% endfor %}{% endfor %}
{% if sp %}
    let end = min(seen, (id.z + 1u) * p.reach);
    for (var first = id.z * p.reach; first < end; first += {{ 4 * l }}u) {
{% else %}
    for (var first = 0u; first < seen; first += {{ 4 * l }}u) {
{% endif %}
{% for i in range(mr) %}
        var s{{ i }} = vec4<f32>();
{% endfor %}
        for (var d = 0u; d < {{ hd }}u; d += {{ ks }}u) {
            let a = q_quad(plane, row0 / 4u + lane / {{ ks }}u, d + lane % {{ ks }}u);
{% set part = "k0 + " if kb < ks else "" %}
{% if kb < ks %}
            for (var k0 = 0u; k0 < {{ ks }}u; k0 += {{ kb }}u) {
{% else %}
            {
{% endif %}
{% for k in range(kb // u) %}
            let b{{ k }} = k_unit(plane, (d + {{ part }}{{ k * u }}u) / {{ u }}u, first / 4u + lane);
{% endfor %}
{% for k in range(kb) %}
            { let key = {{ quad("b" ~ (k // u), k % u, dtype) }};
{% for i in range(mr) %}
            s{{ i }} += subgroupShuffle(a[{{ i % 4 }}], {{ part }}{{ i // 4 * ks + k }}u) * key;
{% endfor %}
            }
{% endfor %}
            }
        }
        let at = vec4(first + 4u * lane) + vec4(0u, 1u, 2u, 3u);
{% if dtype == "i8" %}
        let of_keys = scales[plane * p.tokens4 + first / 4u + lane] * p.scale;
        let of_values = scales[(p.planes + plane) * p.tokens4 + first / 4u + lane];
{% endif %}
{% for i in range(mr) %}
        { let score = select(vec4(-1e30), s{{ i }} * {{ "of_keys" if dtype == "i8" else "p.scale" }}, at <= last{{ i }});
        let higher = max(top{{ i }}, subgroupMax(max(max(score.x, score.y), max(score.z, score.w))));
        let shrink = exp(top{{ i }} - higher);
        top{{ i }} = higher;
        let weights = select(vec4<f32>(), exp(score - higher), at <= last{{ i }});
        total{{ i }} = total{{ i }} * shrink + ((weights.x + weights.y) + (weights.z + weights.w));
        s{{ i }} = weights{{ " * of_values" if dtype == "i8" }};
{% for v in range(nv) %}
        o{{ i }}_{{ v }} *= shrink;
{% endfor %}
        }
{% endfor %}
        for (var donor = 0u; donor < {{ l }}u; donor += {{ donors }}u) {
{% for v in range(nv) %}{% for t in range(4 * donors // u) %}
            let b{{ v }}_{{ t }} = v_unit(plane, (first + 4u * donor) / {{ u }}u + {{ t }}u, lane + {{ v * l }}u);
{% endfor %}{% endfor %}
{% for t in range(4 * donors) %}
            {
{% for v in range(nv) %}
            let value{{ v }} = {{ quad("b" ~ v ~ "_" ~ (t // u), t % u, dtype) }};
{% endfor %}
{% for i in range(mr) %}
            { let weight = subgroupShuffle(s{{ i }}[{{ t % 4 }}], donor + {{ t // 4 }}u);
{% for v in range(nv) %}
            o{{ i }}_{{ v }} += weight * value{{ v }};
{% endfor %}
            }
{% endfor %}
            }
{% endfor %}
        }
    }
{% for i in range(mr) %}
    { let sum = subgroupAdd(total{{ i }});
    let row = row0 + {{ i }}u;
    let query = row / p.group;
    if query < p.queries {
{% if sp %}
        let to = (query * p.heads + plane * p.group + row % p.group) * p.parts + id.z;
        if lane == 0u { tops[to] = vec2(top{{ i }}, sum); }
{% for v in range(nv) %}
        partial[to * {{ d4 }}u + lane + {{ v * l }}u] = o{{ i }}_{{ v }};
{% endfor %}
{% else %}
        let to = (query * p.heads + plane * p.group + row % p.group) * {{ d4 }}u + lane;
{% for v in range(nv) %}
        o[to + {{ v * l }}u] = o{{ i }}_{{ v }} / sum;
{% endfor %}
{% endif %}
    } }
{% endfor %}
}
{% endif %}
