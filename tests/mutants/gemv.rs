//! Ways to break a matrix-vector product.

use super::Patch;

pub const GEMV_ROW: &[Patch] = &[
    ("dropped k", "k < p.k1", "k + 1u < p.k1"),
    ("skipped k", "k++", "k += 2u"),
    ("wrong stride", "row * p.ld + k", "row * (p.ld - 1u) + k"),
    ("early tail guard", "if row < p.n {", "if row + 1u < p.n {"),
    ("early tail guard", "if row >= p.n {", "if row + 1u >= p.n {"),
    ("wrong operand", "* f32(x[k])", "* f32(x[0])"),
    ("overwritten sum", "sum += f32", "sum = f32"),
    ("wrong start", "var sum = 0.0;", "var sum = 0.25;"),
    ("lost store", "y[row] = sum;", ""),
    ("off by one", "y[row] = sum;", "y[row + 1u] = sum;"),
];

pub const ROW_I8: &[Patch] = &[
    ("unsigned", "unpack4xI8(w[row * p.ld + k])", "vec4<i32>(unpack4xU8(w[row * p.ld + k]))"),
    ("lost scale", " * scales[1u + row]", ""),
    ("wrong scale", "scales[1u + row]", "scales[row]"),
    ("wrong operand", "unpack4xI8(x[k])", "unpack4xI8(x[0])"),
    ("overwritten sum", "integers += dot", "integers = dot"),
];

pub const ROW_Q4: &[Patch] = &[
    ("wrong nibble", "extractBits(word, e * 4u", "extractBits(word, e / 2u * 4u"),
    ("unsigned", "bitcast<i32>(w[", "(w["),
    ("wrong group", "k / 4u]", "k / 8u]"),
    ("lost nibble", "e < 8u;", "e < 7u;"),
    ("wrong operand", "x[k * 8u + e]", "x[k * 8u]"),
];

pub const GEMV_SHARED: &[Patch] = &[
    ("lost half of a reduction", "var reach = 64u;", "var reach = 32u;"),
    ("early end of a reduction", "reach > 0u;", "reach > 1u;"),
    ("wrong partner", "parts[t + reach + 0u]", "parts[t + 0u]"),
    ("lost store", "if t == 0u {", "if t == 0u && row0 > 0u {"),
    ("dropped k", "k < p.k1; k +=", "k + 200u < p.k1; k +="),
    ("wrong step", "k += 128u", "k += 129u"),
    ("every invocation the same k", "var k = p.k0 + t;", "var k = p.k0;"),
    ("wrong row", "group.x * 1u", "group.x * 2u"),
    ("lost lane", "(s0.x + s0.y) + (s0.z + s0.w)", "(s0.x + s0.y) + s0.z"),
    ("wrong operator", "parts[t + 0u] += ", "parts[t + 0u] = "),
    ("missing barrier", "workgroupBarrier();", ""),
];

pub const GEMV_LANES: &[Patch] = &[
    ("wrong row", "(group.x * 4u + part) * 4u", "(group.x * 4u + part) * 3u"),
    ("every lane the same k", "var k = p.k0 + lane;", "var k = p.k0;"),
    ("dropped k", "k < p.k1;", "k + LANESu < p.k1;"),
    ("wrong step", "k += LANESu", "k += 1u + LANESu"),
    ("overwritten sum", "s2 += w_quad", "s2 = w_quad"),
    ("wrong row of W", "w_quad(row0 + 3u", "w_quad(row0 + 2u"),
    ("no reduction", "subgroupAdd((s1.x", "((s1.x"),
    ("lost value of a quad", "(s0.z + s0.w)", "s0.z"),
    ("lost store", "if lane == 0u {", "if lane == 0u && part == 0u {"),
    ("wrong operand", "* x0;", "* x0.yxzw;"),
    ("wrong start", "var s3 = vec4<f32>();", "var s3 = vec4(0.5);"),
];

pub const GEMV_COLUMNS: &[Patch] = &[
    ("transposed", "w[k * p.ld + row4]", "w[row4 * p.ld + k]"),
    ("wrong stride", "k * p.ld + row4", "k * (p.ld + 1u) + row4"),
    ("wrong value of x", "* x0[3]", "* x0[2]"),
    ("wrong column", "(k + 0u) * 4u + 2u)", "(k + 0u) * 4u + 1u)"),
    ("dropped k", "k < p.k1;", "k + 1u < p.k1;"),
    ("skipped k", "k += 1u", "k += 2u"),
    ("overwritten sum", "s0 += w_quad", "s0 = w_quad"),
    ("wrong start", "var s0 = vec4<f32>();", "var s0 = vec4(0.5);"),
    ("wrong row", "group.x * 8u + me.x", "group.x * 8u"),
    ("wrong value of a store", "{ y[row] = s0[2]; }", "{ y[row] = s0[1]; }"),
];

pub const GEMV_TEXTURES: &[Patch] = &[
    ("transposed", "textureLoad(w, vec2(row4, k))", "textureLoad(w, vec2(k, row4))"),
    ("wrong texel", "vec2(k4, 0u)", "vec2(k4 + 1u, 0u)"),
    ("wrong quad", "w_quad(row4 + 8u", "w_quad(row4 + 0u"),
    ("dropped k", "k < p.k1;", "k + 1u < p.k1;"),
    ("wrong row", "group.x * 16u + me.x", "group.x * 16u"),
];

pub const UNITS: &[Patch] = &[
    ("lost word", " + dot4I8Packed(a.w, b.w)", ""),
    ("wrong word", "dot4I8Packed(a.y, b.y)", "dot4I8Packed(a.y, b.x)"),
    ("wrong scale", "scales[row] *", "scales[p.m] *"),
    ("wrong scale", "scales[p.m + column]", "scales[p.m]"),
    ("wrong row", "row0 + 1u) * p.ld", "row0) * p.ld"),
    ("dropped k", "k < p.k1;", "k + 64u < p.k1;"),
    ("early end of a reduction", "span > 0u;", "span > 1u;"),
    ("no tail guard", "&& column < p.n {", "{"),
    ("wrong start of a row", "var k = p.k0 + t;", "var k = p.k0 + t + 1u;"),
    ("lost store", "c[row * p.n + column] = value;", ""),
    ("missing barrier", "workgroupBarrier();", ""),
];

pub const UNITS4: &[Patch] = &[
    ("wrong nibbles", "vec4(28u, 24u, 20u, 16u)", "vec4(28u, 24u, 16u, 20u)"),
    ("unsigned", ">> vec4(28u)", ">> vec4(27u)"),
    ("wrong half", "nibbles(unit[0] >> 16u)", "nibbles(unit[0])"),
    ("lost scale", "scale * (", "("),
    ("wrong scale", "let scale = scales[at];", "let scale = scales[at ^ 1u];"),
    ("wrong quad of x", "dot(hi0, x0_1)", "dot(hi0, x0_0)"),
    ("dropped k", "k < p.k1;", "k + 64u < p.k1;"),
    ("wrong unit", "let unit = w[at];", "let unit = w[at ^ 1u];"),
];
