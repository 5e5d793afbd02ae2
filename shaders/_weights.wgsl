{# W by rows in quads along k, and x in quads; from buffers or from rgba32float textures. #}
{% from "_texels.wgsl" import texels, texel %}
{% if tex %}
{{ texels(1, "w") }}
{{ texels(2, "x") }}
fn w_quad(row: u32, k4: u32) -> vec4<f32> { return {{ texel("w", "vec2(k4, row)") }}; }
fn x_quad(k4: u32) -> vec4<f32> { return {{ texel("x", "vec2(k4, 0u)") }}; }
{% else %}
@group(0) @binding(1) var<storage, read> w: array<E4>;
@group(0) @binding(2) var<storage, read> x: array<E4>;
fn w_quad(row: u32, k4: u32) -> vec4<f32> { return vec4<f32>(w[row * p.ld + k4]); }
fn x_quad(k4: u32) -> vec4<f32> { return vec4<f32>(x[k4]); }
{% endif %}
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
