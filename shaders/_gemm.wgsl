{# Shared by every GEMM: C[m, n] += A[m, k0..k1] B[k0..k1, n], where k0 = 0 starts from nothing. #}
{% if dtype == "f16" and not wd %}
enable f16;
alias E = f16;
alias E4 = vec4<f16>;
{% elif dtype == "i8" %}
alias E = u32;
alias E4 = vec4<u32>;
{% else %}
alias E = f32;
alias E4 = vec4<f32>;
{% endif %}

struct Params {
    m: u32, n: u32, k: u32,
    lda: u32, ldb: u32,   // strides in values
    row0: u32,            // first row of this band
    k0: u32, k1: u32,     // part of the sum
    kz: u32,              // its length per z of the grid
    tx: u32, ty: u32,     // tiles of this band along n and m
}
{# Mesa's software driver compiles a kernel anew at every dispatch where known uniforms would halve its code, as those of
   packed dot products do. It knows uniforms only, not storage. #}
@group(0) @binding(0) var<{{ "storage, read" if dtype == "i8" else "uniform" }}> p: Params;
