{#
  Softmax attention over cached keys and values without fusing anything: one program writes every score to memory, one
  turns a row of them into weights, one adds up the values. Causal, grouped heads: query i of Q stands at position
  T - Q + i.
#}
{% macro cached(name, at) -%}
{% if dtype == "f16" %}unpack2x16float({{ name }}[({{ at }}) / 2u])[({{ at }}) % 2u]
{%- elif dtype == "i8" %}f32(unpack4xI8({{ name }}[({{ at }}) / 4u])[({{ at }}) % 4u])
{%- else %}{{ name }}[{{ at }}]{% endif %}
{%- endmacro %}
{% set Stored = "f32" if dtype == "f32" else "u32" %}
struct Params { queries: u32, context: u32, heads: u32, group: u32, scale: f32 }
@group(0) @binding(0) var<uniform> p: Params;
{% if stage == 0 %}
@group(0) @binding(1) var<storage, read> q: array<f32>;               // [query][head][d]
@group(0) @binding(2) var<storage, read> keys: array<{{ Stored }}>;   // [kv head][token][d]
@group(0) @binding(3) var<storage, read_write> scores: array<f32>;    // [query][head][token]
{% if dtype == "i8" %}
@group(0) @binding(4) var<storage, read> scales: array<f32>;          // of keys: [kv head][token]
{% endif %}

@compute @workgroup_size({{ wx }})
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let token = id.x;
    if token >= p.context - p.queries + id.z + 1u { return; }
    let row = id.z * p.heads + id.y;
    let key = (id.y / p.group * p.context + token) * {{ hd }}u;
    var score = 0.0;
    for (var d = 0u; d < {{ hd }}u; d++) { score += q[row * {{ hd }}u + d] * {{ cached("keys", "key + d") }}; }
    scores[row * p.context + token] = score * p.scale{% if dtype == "i8" %} * scales[key / {{ hd }}u]{% endif %};
}
{% elif stage == 1 %}
@group(0) @binding(1) var<storage, read_write> scores: array<f32>;

@compute @workgroup_size({{ wx }})
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let row = id.x;
    if row >= p.queries * p.heads { return; }
    let first = row * p.context;
    let end = first + p.context - p.queries + row / p.heads + 1u;
    var top = -1e30;
    for (var at = first; at < end; at++) { top = max(top, scores[at]); }
    var total = 0.0;
    for (var at = first; at < end; at++) { total += exp(scores[at] - top); }
    for (var at = first; at < end; at++) { scores[at] = exp(scores[at] - top) / total; }
}
{% else %}
@group(0) @binding(1) var<storage, read_write> weights: array<f32>;   // as scores
@group(0) @binding(2) var<storage, read> values: array<{{ Stored }}>; // [kv head][token][d]
@group(0) @binding(3) var<storage, read_write> o: array<f32>;         // [query][head][d]
{% if dtype == "i8" %}
@group(0) @binding(4) var<storage, read> scales: array<f32>;          // of values: [kv head][token]
{% endif %}

@compute @workgroup_size({{ wx }})
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let d = id.x;
    if d >= {{ hd }}u { return; }
    let seen = p.context - p.queries + id.z + 1u;
    let row = id.z * p.heads + id.y;
    let plane = id.y / p.group * p.context;
    var sum = 0.0;
    for (var token = 0u; token < seen; token++) {
        let at = (plane + token) * {{ hd }}u + d;
        sum += weights[row * p.context + token] * {{ cached("values", "at") }}{% if dtype == "i8" %} * scales[plane + token]{% endif %};
    }
    o[row * {{ hd }}u + d] = sum;
}
{% endif %}
