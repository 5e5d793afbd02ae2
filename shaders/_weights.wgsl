{# W by rows in quads along k, and x in quads; from buffers or from rgba32float textures. #}
{% if tex %}
@group(0) @binding(1) var w: texture_2d<f32>;
@group(0) @binding(2) var x: texture_2d<f32>;
fn w_quad(row: u32, k4: u32) -> vec4<f32> { return textureLoad(w, vec2(k4, row), 0); }
fn x_quad(k4: u32) -> vec4<f32> { return textureLoad(x, vec2(k4, 0u), 0); }
{% else %}
@group(0) @binding(1) var<storage, read> w: array<E4>;
@group(0) @binding(2) var<storage, read> x: array<E4>;
fn w_quad(row: u32, k4: u32) -> vec4<f32> { return vec4<f32>(w[row * p.ld + k4]); }
fn x_quad(k4: u32) -> vec4<f32> { return vec4<f32>(x[k4]); }
{% endif %}
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
