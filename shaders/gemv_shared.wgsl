{% include "_gemv.wgsl" %}
{% include "_weights.wgsl" %}
{% from "_gemv.wgsl" import accumulate %}
{# A workgroup of wx invocations along k computes r rows and adds up through workgroup memory. #}
var<workgroup> parts: array<f32, {{ wx * r }}>;

@compute @workgroup_size({{ wx }})
fn main(@builtin(local_invocation_index) t: u32, @builtin(workgroup_id) group: vec3<u32>) {
    let row0 = group.x * {{ r }}u;
{% for i in range(r) %}
    var s{{ i }} = vec4<f32>();
{% endfor %}
    for (var k = p.k0 + t; k < p.k1; k += {{ wx }}u) {
        let xk = x_quad(k);
{% for i in range(r) %}
        s{{ i }} += w_quad(row0 + {{ i }}u, k) * xk;
{% endfor %}
    }
{% for i in range(r) %}
    parts[t + {{ i * wx }}u] = (s{{ i }}.x + s{{ i }}.y) + (s{{ i }}.z + s{{ i }}.w);
{% endfor %}
    for (var reach = {{ wx // 2 }}u; reach > 0u; reach /= 2u) {
        workgroupBarrier();
        if t < reach {
{% for i in range(r) %}
            parts[t + {{ i * wx }}u] += parts[t + reach + {{ i * wx }}u];
{% endfor %}
        }
    }
    if t == 0u {
{% for i in range(r) %}
    { let row = row0 + {{ i }}u;
{{ accumulate("row", "parts[" ~ i * wx ~ "]") }} }
{% endfor %}
    }
}
