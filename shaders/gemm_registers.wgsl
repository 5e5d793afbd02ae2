{% include "_gemm.wgsl" %}
{% from "_stride.wgsl" import open, close %}
{% include "_quads.wgsl" %}
{% from "_quads.wgsl" import store %}
{# An invocation computes mr rows by nv quads of columns, ku steps of k at a time; wx invocations lie side by side. #}

@compute @workgroup_size({{ wx }}, {{ wy }})
fn main(@builtin(local_invocation_id) me: vec3<u32>, @builtin(workgroup_id) launched: vec3<u32>) {
{{ open() }}
    let row0 = p.row0 + (group.y * {{ wy }}u + me.y) * {{ mr }}u;
    let column4 = group.x * {{ wx * nv }}u + me.x;
{% for i in range(mr) %}{% for v in range(nv) %}
    var s{{ i }}_{{ v }} = vec4<f32>();
{% endfor %}{% endfor %}
    for (var k = p.k0; k < p.k1; k += {{ ku }}u) {
{% for q in range(ku) %}
{% for i in range(mr // 4) %}
        let a{{ q }}_{{ i }} = a_quad(row0 / 4u + {{ i }}u, k + {{ q }}u);
{% endfor %}
{% for v in range(nv) %}
        let b{{ q }}_{{ v }} = b_quad(k + {{ q }}u, column4 + {{ v * wx }}u);
{% endfor %}
{% endfor %}
{% for i in range(mr) %}{% for q in range(ku) %}{% for v in range(nv) %}
        s{{ i }}_{{ v }} += a{{ q }}_{{ i // 4 }}[{{ i % 4 }}] * b{{ q }}_{{ v }};
{% endfor %}{% endfor %}{% endfor %}
    }
{% for i in range(mr) %}{% for v in range(nv) %}
    { let row = row0 + {{ i }}u; let column = (column4 + {{ v * wx }}u) * 4u;
{{ store("row", "column", "s" ~ i ~ "_" ~ v) }} }
{% endfor %}{% endfor %}
{{ close() }}
}
