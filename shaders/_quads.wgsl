{# A as quads (four rows of one k together) and B as quads of columns, from buffers or from rgba32float textures. #}
{% from "_texels.wgsl" import texels, texel %}
{% if tex %}
{{ texels(1, "a") }}
{{ texels(2, "b") }}
fn a_quad(row4: u32, k: u32) -> vec4<f32> { return {{ texel("a", "vec2(k, row4)") }}; }
fn b_quad(k: u32, column4: u32) -> vec4<f32> { return {{ texel("b", "vec2(column4, k)") }}; }
{% else %}
@group(0) @binding(1) var<storage, read> a: array<E4>;
@group(0) @binding(2) var<storage, read> b: array<E4>;
fn a_quad(row4: u32, k: u32) -> vec4<f32> { return vec4<f32>(a[row4 * p.lda + k]); }
fn b_quad(k: u32, column4: u32) -> vec4<f32> { return vec4<f32>(b[k * (p.ldb / 4u) + column4]); }
{% endif %}
@group(0) @binding(3) var<storage, read_write> c: array<f32>;

{# Stores one register quad; the tail of a row goes value by value. #}
{% macro store(row, column, value) %}
    if {{ row }} < p.m {
        let at = {{ row }} * p.n + {{ column }};
        if p.k0 > 0u {
{% for x in range(4) %}
            if {{ column }} + {{ x }}u < p.n { c[at + {{ x }}u] += {{ value }}[{{ x }}]; }
{% endfor %}
        } else {
{% for x in range(4) %}
            if {{ column }} + {{ x }}u < p.n { c[at + {{ x }}u] = {{ value }}[{{ x }}]; }
{% endfor %}
        }
    }
{% endmacro %}
