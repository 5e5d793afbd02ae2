{#
  RMS norm: y = x / sqrt(mean(x^2) + 1e-6) * weight. A workgroup of wx invocations takes a row, added up through
  workgroup memory; where l is given it is one subgroup of l lanes and adds up by itself. v4: quads.
#}
struct Params { width: u32, stride: u32 } // values of a row, and elements from row to row
@group(0) @binding(0) var<uniform> p: Params;
{% set E = "vec4<f32>" if v4 else "f32" %}
@group(0) @binding(1) var<storage, read> x: array<{{ E }}>;
@group(0) @binding(2) var<storage, read> weight: array<{{ E }}>;
@group(0) @binding(3) var<storage, read_write> y: array<{{ E }}>;
{% set step = l if l else wx %}
{% if not l and wx > 1 %}
var<workgroup> parts: array<f32, {{ wx }}>;
{% endif %}

@compute @workgroup_size({{ step }})
fn main(
    @builtin({{ "subgroup_invocation_id" if l else "local_invocation_index" }}) t: u32,
    @builtin(workgroup_id) id: vec3<u32>,
) {
    let row = id.x * p.stride;
    var squares = {{ E }}();
    for (var at = t; at < p.stride; at += {{ step }}u) { squares += x[row + at] * x[row + at]; }
{% set mine = "(squares.x + squares.y) + (squares.z + squares.w)" if v4 else "squares" %}
{% if l %}
    let total = subgroupAdd({{ mine }});
{% elif wx > 1 %}
    parts[t] = {{ mine }};
    for (var span = {{ wx // 2 }}u; span > 0u; span /= 2u) {
        workgroupBarrier();
        if t < span { parts[t] += parts[t + span]; }
    }
    workgroupBarrier();
    let total = parts[0];
{% else %}
    let total = {{ mine }};
{% endif %}
    let scale = 1.0 / sqrt(total / f32(p.width) + 1e-6);
    for (var at = t; at < p.stride; at += {{ step }}u) { y[row + at] = x[row + at] * scale * weight[at]; }
}
