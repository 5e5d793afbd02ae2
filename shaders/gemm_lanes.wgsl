{% include "_gemm.wgsl" %}
{% from "_stride.wgsl" import open, close %}
{% include "_quads.wgsl" %}
{% from "_quads.wgsl" import store %}
{#
  A subgroup of l lanes computes mr rows by l * nv quads of columns, ks steps of k at a time (l where ks is 0). Each
  lane fetches A's quads of its own k and quad of rows once, and shuffles hand each value to all lanes. Rows outside, k
  inside: the sums stay in registers. bc: the lane that hands out a value is named by a broadcast instead of a shuffle.
#}
{% set ks = ks or l %}
{% set share = l // ks %}

@compute @workgroup_size({{ l * sg }})
fn main(
    @builtin(subgroup_invocation_id) lane: u32,
    @builtin(subgroup_id) part: u32,
    @builtin(workgroup_id) launched: vec3<u32>,
) {
{{ open() }}
    let row0 = p.row0 + (group.y * {{ sg }}u + part) * {{ mr }}u;
    let column4 = group.x * {{ l * nv }}u + lane;
{% for i in range(mr) %}{% for v in range(nv) %}
    var s{{ i }}_{{ v }} = vec4<f32>();
{% endfor %}{% endfor %}
    for (var k = p.k0; k < p.k1; k += {{ ks }}u) {
{% for i in range(mr // 4 // share) %}
        let a{{ i }} = {% if share == 1 %}a_quad(row0 / 4u + {{ i }}u, k + lane);{% else %}a_quad(row0 / 4u + {{ i * share }}u + lane / {{ ks }}u, k + lane % {{ ks }}u);{% endif %}

{% endfor %}
{% for q in range(ks) %}{% for v in range(nv) %}
        let b{{ q }}_{{ v }} = b_quad(k + {{ q }}u, column4 + {{ v * l }}u);
{% endfor %}{% endfor %}
{% for i in range(mr) %}{% for q in range(ks) %}
        { let value = {{ "subgroupBroadcast" if bc else "subgroupShuffle" }}(a{{ i // 4 // share }}[{{ i % 4 }}], {{ i // 4 % share * ks + q }}u);
{% for v in range(nv) %}
        s{{ i }}_{{ v }} += value * b{{ q }}_{{ v }};
{% endfor %}
        }
{% endfor %}{% endfor %}
    }
{% for i in range(mr) %}{% for v in range(nv) %}
    { let row = row0 + {{ i }}u; let column = (column4 + {{ v * l }}u) * 4u;
{{ store("row", "column", "s" ~ i ~ "_" ~ v) }} }
{% endfor %}{% endfor %}
{{ close() }}
}
