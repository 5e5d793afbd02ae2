{% include "_gemm.wgsl" %}
@group(0) @binding(1) var<storage, read> a: array<E>;
@group(0) @binding(2) var<storage, read> b: array<E>;
@group(0) @binding(3) var<storage, read_write> c: array<f32>;

// One invocation, one element: 2 k loads for 2 k operations.
@compute @workgroup_size({{ wx }}, {{ wy }})
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let row = p.row0 + id.y;
    let column = id.x;
    if row >= p.m || column >= p.n {
        return;
    }
    var sum = 0.0;
    if p.k0 > 0u {
        sum = c[row * p.n + column];
    }
    for (var k = p.k0; k < p.k1; k++) {
        sum += f32(a[row * p.lda + k]) * f32(b[k * p.ldb + column]);
    }
    c[row * p.n + column] = sum;
}
