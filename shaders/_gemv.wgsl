{# Shared by every GEMV: y[n] += W[n, k0..k1] x[k0..k1], where k0 = 0 starts from nothing. #}
{% if dtype == "f16" %}
enable f16;
alias E = f16;
alias E4 = vec4<f16>;
{% elif dtype == "i8" %}
alias E = u32;
{% else %}
alias E = f32;
alias E4 = vec4<f32>;
{% endif %}

struct Params {
    n: u32, ld: u32,     // rows, stride of W in quads (values or words for the scalar kernel)
    k0: u32, k1: u32,    // part of the sum, in the same
}
{# Mesa's software driver compiles a kernel anew at every dispatch where known uniforms would halve its code. It knows
   uniforms only, not storage. #}
@group(0) @binding(0) var<{{ "storage, read" if dtype == "i8" else "uniform" }}> p: Params;
{% macro accumulate(row, value) %}
    if {{ row }} < p.n {
        if p.k0 > 0u { y[{{ row }}] += {{ value }}; } else { y[{{ row }}] = {{ value }}; }
    }
{% endmacro %}
