{#
  Softmax attention over cached keys and values, grouped heads, causal: query i of Q stands at position T - Q + i.
  A workgroup takes one query of one head. Chunks of wx keys: each invocation scores one key, the chunk's maximum and
  sum rescale what went before (online softmax), then each invocation adds up some of the output's values.
#}
struct Params { queries: u32, context: u32, heads: u32, group: u32, scale: f32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> q: array<vec4<f32>>;        // [query][head][d]
@group(0) @binding(2) var<storage, read> keys: array<vec4<f32>>;     // [kv head][token][d]
@group(0) @binding(3) var<storage, read> values: array<vec4<f32>>;   // [kv head][token][d]
@group(0) @binding(4) var<storage, read_write> o: array<vec4<f32>>;  // [query][head][d]
{% set d4 = hd // 4 %}
var<workgroup> query: array<vec4<f32>, {{ d4 }}>;
var<workgroup> weights: array<f32, {{ wx }}>;
var<workgroup> parts: array<f32, {{ wx }}>;

{% macro reduce(op) %}
        for (var span = {{ wx // 2 }}u; span > 0u; span /= 2u) {
            workgroupBarrier();
            if t < span { parts[t] = {{ op }}; }
        }
        workgroupBarrier();
{% endmacro %}

@compute @workgroup_size({{ wx }})
fn main(@builtin(local_invocation_index) t: u32, @builtin(workgroup_id) id: vec3<u32>) {
    let head = id.x;
    let seen = p.context - p.queries + id.y + 1u;
    let plane = head / p.group * p.context;
    let row = (id.y * p.heads + head) * {{ d4 }}u;
    for (var at = t; at < {{ d4 }}u; at += {{ wx }}u) { query[at] = q[row + at] * p.scale; }
    var top = -1e30;
    var total = 0.0;
    var sum = vec4<f32>();
    for (var first = 0u; first < seen; first += {{ wx }}u) {
        workgroupBarrier();
        var score = -1e30;
        if first + t < seen {
            var sums = vec4<f32>();
            let key = (plane + first + t) * {{ d4 }}u;
            for (var at = 0u; at < {{ d4 }}u; at++) { sums += query[at] * keys[key + at]; }
            score = (sums.x + sums.y) + (sums.z + sums.w);
        }
        parts[t] = score;
{{ reduce("max(parts[t], parts[t + span])") }}
        let higher = max(top, parts[0]);
        let shrink = exp(top - higher);
        top = higher;
        workgroupBarrier();
        let weight = select(0.0, exp(score - top), first + t < seen);
        weights[t] = weight;
        parts[t] = weight;
{{ reduce("parts[t] + parts[t + span]") }}
        total = total * shrink + parts[0];
        sum *= shrink;
        if t < {{ d4 }}u {
            let count = min({{ wx }}u, seen - first);
            for (var token = 0u; token < count; token++) {
                sum += weights[token] * values[(plane + first + token) * {{ d4 }}u + t];
            }
        }
    }
    if t < {{ d4 }}u { o[row + t] = sum / total; }
}
