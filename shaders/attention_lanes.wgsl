{% from "_texels.wgsl" import texels, texel %}
{#
  Softmax attention over cached keys and values, grouped heads, causal: query i of Q stands at position T - Q + i.
  A subgroup of l lanes takes mr rows that share keys and values; row r of a key/value head is head r % group of query
  r / group. Keys lie by dimension, so a lane scores its own quad of keys for every row; values lie by token, so a lane
  adds up its own nv quads of the output. Q and the weights travel by shuffles, nothing through workgroup memory.
  Chunks of 4 l keys; a row's maximum and sum rescale what went before (online softmax).
#}
struct Params {
    queries: u32, context: u32, heads: u32, group: u32, scale: f32,
    rows4: u32,     // quads of rows of a key/value head, as stored
    tokens4: u32,   // quads of tokens, as stored
    planes: u32,    // key/value heads
}
{% set d4 = hd // 4 %}
{% set nv = d4 // l %}
{% set ks = 4 * l // mr %}
@group(0) @binding(0) var<uniform> p: Params;
{% if tex %}
{{ texels(1, "q") }}
{{ texels(2, "keys") }}
{{ texels(3, "values") }}
fn q_quad(plane: u32, row4: u32, d: u32) -> vec4<f32> { return {{ texel("q", "vec2(d, plane * p.rows4 + row4)") }}; }
fn k_quad(plane: u32, d: u32, token4: u32) -> vec4<f32> { return {{ texel("keys", "vec2(token4, plane * " ~ hd ~ "u + d)") }}; }
fn v_quad(plane: u32, token: u32, quad: u32) -> vec4<f32> { return {{ texel("values", "vec2(plane * " ~ d4 ~ "u + quad, token)") }}; }
{% else %}
@group(0) @binding(1) var<storage, read> q: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> keys: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> values: array<vec4<f32>>;
fn q_quad(plane: u32, row4: u32, d: u32) -> vec4<f32> { return q[(plane * p.rows4 + row4) * {{ hd }}u + d]; }
fn k_quad(plane: u32, d: u32, token4: u32) -> vec4<f32> { return keys[(plane * {{ hd }}u + d) * p.tokens4 + token4]; }
fn v_quad(plane: u32, token: u32, quad: u32) -> vec4<f32> { return values[(token * p.planes + plane) * {{ d4 }}u + quad]; }
{% endif %}
@group(0) @binding(4) var<storage, read_write> o: array<vec4<f32>>;  // [query][head][d]

@compute @workgroup_size({{ l }})
fn main(@builtin(subgroup_invocation_id) lane: u32, @builtin(workgroup_id) id: vec3<u32>) {
    let row0 = id.x * {{ mr }}u;
    let plane = id.y;
    let before = p.context - p.queries;
    let seen = before + min((row0 + {{ mr - 1 }}u) / p.group, p.queries - 1u) + 1u;
{% for i in range(mr) %}
    let last{{ i }} = vec4(before + min((row0 + {{ i }}u) / p.group, p.queries - 1u));
    var top{{ i }} = -1e30;
    var total{{ i }} = vec4<f32>();
{% for v in range(nv) %}
    var o{{ i }}_{{ v }} = vec4<f32>();
{% endfor %}{% endfor %}
    for (var first = 0u; first < seen; first += {{ 4 * l }}u) {
{% for i in range(mr) %}
        var s{{ i }} = vec4<f32>();
{% endfor %}
        for (var d = 0u; d < {{ hd }}u; d += {{ ks }}u) {
            let a = q_quad(plane, row0 / 4u + lane / {{ ks }}u, d + lane % {{ ks }}u);
{% for k in range(ks) %}
            let b{{ k }} = k_quad(plane, d + {{ k }}u, first / 4u + lane);
{% endfor %}
{% for i in range(mr) %}{% for k in range(ks) %}
            s{{ i }} += subgroupShuffle(a[{{ i % 4 }}], {{ i // 4 * ks + k }}u) * b{{ k }};
{% endfor %}{% endfor %}
        }
        let at = vec4(first + 4u * lane) + vec4(0u, 1u, 2u, 3u);
{% for i in range(mr) %}
        { let score = select(vec4(-1e30), s{{ i }} * p.scale, at <= last{{ i }});
        let higher = max(top{{ i }}, subgroupMax(max(max(score.x, score.y), max(score.z, score.w))));
        let shrink = exp(top{{ i }} - higher);
        top{{ i }} = higher;
        s{{ i }} = select(vec4<f32>(), exp(score - higher), at <= last{{ i }});
        total{{ i }} = total{{ i }} * shrink + s{{ i }};
{% for v in range(nv) %}
        o{{ i }}_{{ v }} *= shrink;
{% endfor %}
        }
{% endfor %}
        for (var donor = 0u; donor < {{ l }}u; donor++) {
{% for c in range(4) %}
            { let token = first + 4u * donor + {{ c }}u;
{% for v in range(nv) %}
            let b{{ v }} = v_quad(plane, token, lane + {{ v * l }}u);
{% endfor %}
{% for i in range(mr) %}
            { let weight = subgroupShuffle(s{{ i }}[{{ c }}], donor);
{% for v in range(nv) %}
            o{{ i }}_{{ v }} += weight * b{{ v }};
{% endfor %}
            }
{% endfor %}
            }
{% endfor %}
        }
    }
{% for i in range(mr) %}
    { let sum = subgroupAdd((total{{ i }}.x + total{{ i }}.y) + (total{{ i }}.z + total{{ i }}.w));
    let row = row0 + {{ i }}u;
    let query = row / p.group;
    if query < p.queries {
        let at = (query * p.heads + plane * p.group + row % p.group) * {{ d4 }}u + lane;
{% for v in range(nv) %}
        o[at + {{ v * l }}u] = o{{ i }}_{{ v }} / sum;
{% endfor %}
    } }
{% endfor %}
}
