//! Kernels broken on purpose: each must be noticed by the gates.
//!
//! A mutant is a patch of a template's finished WGSL: text that must occur, and what replaces it. A patch that does not
//! apply is a failure, so the list cannot rot. Equivalent mutants, which compute the same, stand apart with the reason.

mod common;

use common::{adapters, on_a_large_stack, run};
use std::collections::BTreeSet;
use underdog::gpu::{Checks, Gpu};
use underdog::kernels::{Data, Fill, Problem, Variant, plan, twin};

/// A way to break a kernel: operator, text, replacement.
type Patch = (&'static str, &'static str, &'static str);

/// A variant, the problem it is tried on, and the patches that apply to its source.
struct Subject {
    variant: &'static str,
    problem: Problem,
    patches: &'static [Patch],
}

const GEMM: Problem = Problem::Gemm { m: 131, n: 129, k: 67 };
const GEMV: Problem = Problem::Gemv { n: 67, k: 1031 };

/// Breaks every GEMM's uniforms and stores in the same ways.
const NAIVE: &[Patch] = &[
    ("dropped k", "k < p.k1", "k + 1u < p.k1"),
    ("extra k", "k < p.k1", "k < p.k1 + 1u"),
    ("skipped k", "k++", "k += 2u"),
    ("late start", "var k = p.k0;", "var k = p.k0 + 1u;"),
    ("wrong stride", "row * p.lda + k", "row * (p.lda - 1u) + k"),
    ("wrong stride", "k * p.ldb + column", "k * (p.ldb + 1u) + column"),
    ("transposed", "b[k * p.ldb + column]", "b[column * p.ldb + k]"),
    ("transposed", "a[row * p.lda + k]", "a[k * p.lda + row]"),
    ("transposed store", "    c[row * p.n + column] = sum;", "    c[column * p.m + row] = sum;"),
    ("no tail guard", "row >= p.m || column >= p.n", "row >= p.m"),
    ("no tail guard", "row >= p.m || column >= p.n", "column >= p.n"),
    ("early tail guard", "row >= p.m ||", "row + 1u >= p.m ||"),
    ("early tail guard", "column >= p.n {", "column + 1u >= p.n {"),
    ("wrong start", "var sum = 0.0;", "var sum = 1.0;"),
    ("wrong operator", "sum += f32", "sum -= f32"),
    ("wrong operator", "]) * f32(b", "]) + f32(b"),
    ("overwritten sum", "sum += f32", "sum = f32"),
    ("lost store", "    c[row * p.n + column] = sum;", ""),
    ("off by one", "    c[row * p.n + column] = sum;", "    c[row * p.n + column + 1u] = sum;"),
    ("wrong row", "let row = p.row0 + id.y;", "let row = p.row0 + id.y / 2u * 2u;"),
    ("wrong column", "let column = id.x;", "let column = id.x ^ 1u;"),
    ("swapped ids", "let column = id.x;", "let column = id.y;"),
    ("rounded", "sum += f32(a", "sum += round(f32(a"),
    ("always continues", "if p.k0 > 0u {", "if true {"),
];

const TILED: &[Patch] = &[
    ("dropped k", "k < to_k; k +=", "k + 16u < to_k; k +="),
    ("late start", "var k = from_k;", "var k = from_k + 1u;"),
    ("short tile", "kk < 16u", "kk < 15u"),
    ("late tile", "var kk = 0u;", "var kk = 1u;"),
    ("repeated k", "kk++", "kk += 2u"),
    ("no tail guard", "if row < last {", "{"),
    ("no tail guard", "if column < p.n {", "{"),
    ("early tail guard", "if row < last {", "if row + 1u < last {"),
    ("early tail guard", "if column < p.n {", "if column + 1u < p.n {"),
    ("wrong stride", "* p.lda + k", "* (p.lda - 1u) + k"),
    ("wrong stride", "* p.ldb + column0", "* (p.ldb + 1u) + column0"),
    ("wrong tile", "group.z * p.kz;", "group.z * p.kz + 16u;"),
    ("zeroed tile", "bt[t + 0u] = rb0;", "bt[t + 0u] = E();"),
    ("stale tile", "bt[t + 0u] = rb0;", ""),
    ("swapped tile", "let column0 = tile.x", "let column0 = (tile.x ^ 1u)"),
    ("swapped tile", "tile.y * ", "(tile.y ^ 1u) * "),
    ("wrong start", "var s0_0 = f32();", "var s0_0 = 1.0;"),
    ("overwritten sum", "s1_0 += a1 * b0", "s1_0 = a1 * b0"),
    ("wrong operand", "s1_0 += a1 * b0", "s1_0 += a0 * b0"),
    ("wrong operand", "s0_1 += a0 * b1", "s0_1 += a0 * b0"),
    ("wrong operator", "s0_0 += a0 * b0", "s0_0 -= a0 * b0"),
    ("wrong operator", "s0_0 += a0 * b0", "s0_0 += a0 + b0"),
    ("lost term", "s0_0 += a0 * b0;", ""),
    ("wrong thread", "let mine_x = t % ", "let mine_x = t / "),
    ("wrong thread", "let mine_y = t / ", "let mine_y = t % "),
    ("off by one", "let at_c = plane + row * p.n + column;", "let at_c = plane + row * p.n + column + 1u;"),
    ("transposed store", "let at_c = plane + row * p.n + column;", "let at_c = plane + column * p.m + row;"),
    ("wrong plane", "let plane = group.z * p.m * p.n;", "let plane = 1u;"),
    ("lost store", "c[at_c] = value;", ""),
    ("always continues", "if p.k0 > 0u {", "if true {"),
    ("wrong row", "mine_y + 0u;", "mine_y + 1u;"),
];

const PREFETCHED: &[Patch] = &[
    ("stale prefetch", "if k + 8u < to_k {", "if k + 16u < to_k {"),
    ("no prefetch", "if k + 8u < to_k {", "if false {"),
    ("off-by-one stage", "((k + 8u) + e /", "(k + e /"),
    ("off-by-one stage", "((k + 8u) + e /", "((k + 16u) + e /"),
    ("dropped k", "k < to_k; k +=", "k + 8u < to_k; k +="),
    ("short tile", "kk < 8u", "kk < 7u"),
    ("wrong lane of a quad", "let a1 = av0[1];", "let a1 = av0[0];"),
    ("wrong lane of a quad", "let b3 = bv0[3];", "let b3 = bv0[2];"),
    ("wrong quad", "let b4 = bv1[0];", "let b4 = bv0[0];"),
    ("wrong tile of A", "mine_y / 4u + 1u]", "mine_y / 4u]"),
    ("wrong tile of B", "let column0 = tile.x * 128u;", "let column0 = tile.x * 256u;"),
    ("no tail guard", "if row < last {", "{"),
    ("no tail guard", "if column < p.n {", "{"),
    ("overwritten sum", "s7_7 += a7 * b7", "s7_7 = a7 * b7"),
    ("wrong operand", "s7_7 += a7 * b7", "s7_7 += a7 * b6"),
    ("lost term", "s3_5 += a3 * b5;", ""),
    ("zeroed tile", "bt[t + 0u] = rb0;", "bt[t + 0u] = E4();"),
    ("swapped store", "let at_c = plane + row * p.n + column;", "let at_c = plane + row * p.n + (column ^ 1u);"),
    ("wrong stride", "* p.lda + row0) / 4u", "* (p.lda + 4u) + row0) / 4u"),
    ("wrong stride", "* p.ldb + column0", "* (p.ldb - 4u) + column0"),
];

const SPLIT: &[Patch] = &[
    ("dropped split", "plane < p.planes", "plane + 1u < p.planes"),
    ("repeated split", "var plane = 0u;", "var plane = 1u;"),
    ("wrong plane", "parts[plane * p.elements + at]", "parts[at]"),
    ("wrong operator", "sum += parts", "sum = parts"),
    ("no tail", "if at >= p.elements {", "if at + 1u >= p.elements {"),
    ("wrong index", "id.y * groups.x * 64u + id.x", "id.y * groups.x * 64u + (id.x ^ 1u)"),
    ("overlapping split", "let from_k = p.k0 + group.z * p.kz;", "let from_k = p.k0;"),
    ("unbounded split", "min(p.k1, from_k + p.kz)", "p.k1"),
    ("one plane", "let plane = group.z * p.m * p.n;", "let plane = 0u;"),
    ("wrong start", "var sum = 0.0;", "var sum = 0.5;"),
];

const REGISTERS: &[Patch] = &[
    ("dropped k", "k < p.k1;", "k + 1u < p.k1;"),
    ("skipped k", "k += 1u", "k += 2u"),
    ("wrong quad", "row0 / 4u + 1u, k", "row0 / 4u, k"),
    ("wrong row of a quad", "s1_0 += a0_0[1]", "s1_0 += a0_0[0]"),
    ("overwritten sum", "s0_0 += a0_0[0]", "s0_0 = a0_0[0]"),
    ("lost term", "s2_0 += a0_0[2] * b0_0;", ""),
    ("wrong column", "group.x * 8u + me.x", "group.x * 8u + (me.x ^ 1u)"),
    ("wrong band", "let row0 = p.row0 + ", "let row0 = "),
    ("no tail guard", "if row < p.m {", "{"),
    ("no tail guard", "if column + 0u < p.n { c[at + 0u] = s0_0[0]; }", "c[at + 0u] = s0_0[0];"),
    ("no tail guard", "if column + 1u < p.n { c[at + 1u] = s0_0[1]; }", "c[at + 1u] = s0_0[1];"),
    ("wrong lane of a store", "c[at + 1u] = s0_0[1]", "c[at + 1u] = s0_0[0]"),
    ("shifted store", "c[at + 0u] = s0_0[0]", "c[at + 1u] = s0_0[0]"),
    ("wrong stride", "a[row4 * p.lda + k]", "a[row4 * (p.lda + 1u) + k]"),
    ("wrong stride", "b[k * (p.ldb / 4u) + column4]", "b[k * (p.ldb / 4u + 1u) + column4]"),
    ("transposed", "b[k * (p.ldb / 4u) + column4]", "b[column4 * (p.ldb / 4u) + k]"),
    ("always continues", "if p.k0 > 0u {", "if true {"),
    ("wrong start", "var s0_0 = vec4<f32>();", "var s0_0 = vec4(1.0);"),
];

const TEXTURES: &[Patch] = &[
    ("transposed", "textureLoad(a, vec2(k, row4), 0)", "textureLoad(a, vec2(row4, k), 0)"),
    ("transposed", "textureLoad(b, vec2(column4, k), 0)", "textureLoad(b, vec2(k, column4), 0)"),
    ("wrong texel", "vec2(k, row4)", "vec2(k, row4 + 1u)"),
    ("wrong texel", "vec2(column4, k)", "vec2(column4 + 1u, k)"),
    ("dropped k", "k < p.k1;", "k + 1u < p.k1;"),
    ("wrong row of a quad", "s5_1 += a0_1[1]", "s5_1 += a0_0[1]"),
    ("wrong quad", "s0_1 += a0_0[0] * b0_1", "s0_1 += a0_0[0] * b0_0"),
    ("lost term", "s7_1 += a0_1[3] * b0_1;", ""),
    ("no tail guard", "if row < p.m {", "{"),
    ("wrong column", "column4 + 8u);", "column4 + 4u);"),
];

const STORED: &[Patch] = &[
    ("transposed", "textureLoad(a, vec2(k, row4))", "textureLoad(a, vec2(row4, k))"),
    ("transposed", "textureLoad(b, vec2(column4, k))", "textureLoad(b, vec2(k, column4))"),
    ("wrong texel", "vec2(column4, k)", "vec2(column4, k + 1u)"),
    ("wrong quad", "+ lane / 4u", ""),
    ("wrong k of a lane", "k + lane % 4u", "k + lane"),
    ("wrong lane", "subgroupShuffle(a0[0], 4u)", "subgroupShuffle(a0[0], 0u)"),
    ("dropped k", "k < p.k1;", "k + 4u < p.k1;"),
    ("lost term", "s5_0 += value * b3_0;", ""),
    ("no tail guard", "if row < p.m {", "{"),
];

const LANES: &[Patch] = &[
    ("wrong lane", "subgroupShuffle(a0[0], 0u)", "subgroupShuffle(a0[0], 1u)"),
    ("wrong lane", "subgroupShuffle(a0[1], 3u)", "subgroupShuffle(a0[1], 2u)"),
    ("no shuffle", "subgroupShuffle(a0[0], 1u)", "a0[0]"),
    ("wrong row", "subgroupShuffle(a1[2], 0u)", "subgroupShuffle(a1[1], 0u)"),
    ("every lane the same k", "k + lane)", "k)"),
    ("dropped k", "k < p.k1;", "k + LANESu < p.k1;"),
    ("repeated k", "b_quad(k + 1u,", "b_quad(k,"),
    ("wrong column", "LANESu + lane;", "LANESu;"),
    ("overwritten sum", "s3_0 += value", "s3_0 = value"),
    ("no tail guard", "if row < p.m {", "{"),
    ("wrong band", "let row0 = p.row0 + ", "let row0 = 4u + "),
];

const INT8: &[Patch] = &[
    ("wrong scale", "scales[row] *", "scales[0u] *"),
    ("wrong scale", "scales[p.m + column]", "scales[column]"),
    ("lost scale", " * scales[p.m + column]", ""),
    ("unsigned", "dot4I8Packed(a0, b0)", "i32(dot4U8Packed(a0, b0))"),
    ("lost term", "s0_0 += dot4I8Packed(a0, b0);", ""),
    ("wrong operand", "dot4I8Packed(a1, b0)", "dot4I8Packed(a0, b0)"),
    ("dropped k", "k < to_k; k +=", "k + 16u < to_k; k +="),
    ("overwritten sum", "s0_0 += dot4", "s0_0 = dot4"),
];

const INT4: &[Patch] = &[
    ("wrong nibble", ", 4u, 4u))", ", 0u, 4u))"),
    ("unsigned", "extractBits(bitcast<i32>(rb0), 0u, 4u)", "extractBits(rb0, 0u, 4u)"),
    ("lost scale", " * rs0;", ";"),
    ("wrong group", "* 8u) / 32u];", "* 8u) / 64u];"),
    ("wrong column of scales", "scales[column * (p.ldb / 32u)", "scales[(column ^ 1u) * (p.ldb / 32u)"),
    ("wrong word", "b[column * (p.ldb / 8u) +", "b[column * (p.ldb / 8u + 1u) +"),
    ("swapped nibbles", "bt[spot + 0u]", "bt[spot + 32u]"),
    ("dropped k", "k < to_k; k +=", "k + 32u < to_k; k +="),
];

const GEMV_ROW: &[Patch] = &[
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

const GEMV_SHARED: &[Patch] = &[
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
];

const UNITS: &[Patch] = &[
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
];

const UNITS4: &[Patch] = &[
    ("wrong nibbles", "vec4(28u, 24u, 20u, 16u)", "vec4(28u, 24u, 16u, 20u)"),
    ("unsigned", ">> vec4(28u)", ">> vec4(27u)"),
    ("wrong half", "nibbles(unit[0] >> 16u)", "nibbles(unit[0])"),
    ("lost scale", "scale * (", "("),
    ("wrong scale", "let scale = scales[at];", "let scale = scales[at ^ 1u];"),
    ("wrong quad of x", "dot(hi0, x0_1)", "dot(hi0, x0_0)"),
    ("dropped k", "k < p.k1;", "k + 64u < p.k1;"),
    ("wrong unit", "let unit = w[at];", "let unit = w[at ^ 1u];"),
];

const READ: &[Patch] = &[
    ("dropped tail", "for (; at < p.quads; at += p.stride)", "for (; at + 1u < p.quads; at += p.stride)"),
    ("wrong step", "at += 4u * p.stride", "at += 5u * p.stride"),
    ("lost quad", "sum += data[at + 2u * p.stride];", ""),
    ("repeated quad", "data[at + 3u * p.stride]", "data[at + 2u * p.stride]"),
    ("lost lane", "sum.x + sum.y + sum.z + sum.w", "sum.x + sum.y + sum.z"),
    ("wrong place", "sums[id.x] =", "sums[0] ="),
    ("wrong start", "var sum = vec4<u32>();", "var sum = vec4<u32>(1u);"),
    ("overwritten sum", "sum += data[at];", "sum = data[at];"),
];

const COPY: &[Patch] = &[
    ("dropped tail", "at < p.quads;", "at + 1u < p.quads;"),
    ("wrong step", "at += p.stride", "at += p.stride + 1u"),
    ("wrong source", "= data[at];", "= data[at ^ 1u];"),
    ("altered", "= data[at];", "= data[at] + 1u;"),
];

const NORM: &[Patch] = &[
    ("wrong mean", "/ f32(p.width)", "/ f32(p.width - 1u)"),
    ("no root", "1.0 / sqrt(parts[0]", "1.0 / (parts[0]"),
    ("lost weight", " * weight[at]", ""),
    ("wrong row", "let row = id.x * p.width;", "let row = id.x * (p.width - 1u);"),
    ("early end of a reduction", "span > 0u;", "span > 1u;"),
    ("lost squares", "squares += x[row + at] * x[row + at];", "squares = x[row + at] * x[row + at];"),
    ("dropped tail", "at < p.width; at += 64u) { y", "at + 1u < p.width; at += 64u) { y"),
];

const ACTIVATION: &[Patch] = &[
    ("wrong sign", "exp(-gate)", "exp(gate)"),
    ("lost gate", "gate / (1.0 +", "1.0 / (1.0 +"),
    ("swapped halves", "x[row * 2u * p.width + column]", "x[(row * 2u + 1u) * p.width + column]"),
    ("lost up", " * x[(row * 2u + 1u) * p.width + column]", ""),
    ("dropped tail", "at < p.rows * p.width;", "at + 1u < p.rows * p.width;"),
    ("wrong row", "let row = at / p.width;", "let row = at / (p.width + 1u);"),
];

const ATTENTION: &[Patch] = &[
    ("sees the future", "id.y + 1u;", "id.y + 2u;"),
    ("misses itself", "id.y + 1u;", "id.y;"),
    ("wrong head", "head / p.group * p.context", "head * 0u"),
    ("no scale", "q[row + at] * p.scale", "q[row + at]"),
    ("no shrink of the sum", "sum *= shrink;", ""),
    ("no shrink of the total", "total = total * shrink + parts[0];", "total = total + parts[0];"),
    ("no normalisation", "o[row + t] = sum / total;", "o[row + t] = sum;"),
    ("dropped chunk", "first < seen; first += 64u", "first + 64u < seen; first += 64u"),
    ("lost token", "token < count;", "token + 1u < count;"),
    ("unmasked tail", "select(0.0, exp(score - top), first + t < seen)", "exp(min(score - top, 0.0) * 0.0)"),
    ("wrong query", "let row = (id.y * p.heads", "let row = (0u * p.heads"),
    ("keys for values", "values[(plane", "keys[(plane"),
];

const ATTENTION_LANES: &[Patch] = &[
    ("sees the future", "let last2 = vec4(before + min", "let last2 = vec4(before + 1u + min"),
    ("misses itself", "let last0 = vec4(before + min", "let last0 = vec4(before - 1u + min"),
    ("wrong row of Q", "subgroupShuffle(a[1], 4u) * b0", "subgroupShuffle(a[0], 4u) * b0"),
    ("wrong value of Q", "subgroupShuffle(a[0], 1u) * b1", "subgroupShuffle(a[0], 0u) * b1"),
    ("wrong keys", "k_quad(plane, d + 1u,", "k_quad(plane, d,"),
    ("no scale", "s0 * p.scale", "s0"),
    ("no shrink of the total", "total3 = total3 * shrink + s3;", "total3 = total3 + s3;"),
    ("overwritten total", "total0 = total0 * shrink + s0;", "total0 = s0;"),
    ("no shrink of the sum", "o3_1 *= shrink;", ""),
    ("dropped chunk", "first < seen; first", "first + 32u < seen; first"),
    ("lost donor", "donor < 8u;", "donor + 1u < 8u;"),
    ("wrong donor", "subgroupShuffle(s2[1], donor)", "subgroupShuffle(s2[1], donor ^ 1u)"),
    ("wrong token", "first + 4u * donor + 2u", "first + 4u * donor + 1u"),
    ("wrong quad", "v_quad(plane, token, lane + 8u)", "v_quad(plane, token, lane)"),
    ("wrong row", "let row = row0 + 1u;", "let row = row0;"),
    ("no normalisation", "= o1_1 / sum;", "= o1_1;"),
];

fn subjects(lanes: u32) -> Vec<Subject> {
    let attention = Problem::Attention { queries: 3, context: 131, heads: 4, kv_heads: 2, head_dim: 64 };
    let mut all = vec![
        ("gemm_naive/f32/wx8.wy8", GEMM, NAIVE),
        ("gemm_tiled/f32/bm32.bn32.bk16.tm2.tn2", GEMM, TILED),
        ("gemm_tiled/f32/bm128.bn128.bk8.tm8.tn8.v4.ta.pf", GEMM, PREFETCHED),
        ("gemm_tiled/f32/bm64.bn64.bk8.tm8.tn8.v4.ta.sk4", Problem::Gemm { m: 131, n: 129, k: 131 }, SPLIT),
        ("gemm_registers/f32/wx8.wy1.mr16.nv1.ku1", GEMM, REGISTERS),
        ("gemm_registers/f32/wx8.wy1.mr8.nv2.ku1.tex", GEMM, TEXTURES),
        ("gemm_tiled/i8/bm64.bn64.bk16.tm4.tn4.v4.ta", GEMM, INT8),
        ("gemm_tiled/q4/bm32.bn32.bk32.tm4.tn4", GEMM, INT4),
        ("gemv_row/f32/wx64", GEMV, GEMV_ROW),
        ("gemv_shared/f32/wx128.r1", GEMV, GEMV_SHARED),
        ("gemv_units/i8/wx64.r4.mb1", GEMV, UNITS),
        ("gemv_units/q4/wx64.r4.mb1", Problem::Gemv { n: 67, k: 4101 }, UNITS4),
        ("stream_read/u32/wx64.wg64.u4", Problem::Read { words: 4 * 65_537 }, READ),
        ("stream_copy/u32/wx64.wg64", Problem::Copy { words: 4 * 65_537 }, COPY),
        ("norm/f32/wx64", Problem::Norm { rows: 3, width: 1031 }, NORM),
        ("activation/f32/wx128", Problem::Activation { rows: 3, width: 1031 }, ACTIVATION),
        ("attention/f32/wx64.hd64", attention, ATTENTION),
    ];
    match lanes {
        4 => all.push(("gemm_lanes/f32/l4.sg1.mr16.nv1", GEMM, LANES)),
        8 => {
            all.push(("gemm_lanes/f32/l8.sg1.mr16.nv1", GEMM, LANES));
            all.push(("gemm_lanes/f32/l8.sg1.mr16.nv1.tex2.ks4", GEMM, STORED));
            all.push(("attention_lanes/f32/l8.mr8.hd64.tex2", attention, ATTENTION_LANES));
        }
        _ => {}
    }
    all.into_iter().map(|(variant, problem, patches)| Subject { variant, problem, patches }).collect()
}

/// Mutants that compute the same as the original, with the reason.
const EQUIVALENT: &[(&str, Patch, &str)] = &[
    (
        "gemm_naive",
        ("extra k", "k < p.k1", "k < p.k1 + 1u"),
        "the extra row of B lies outside its buffer, where a driver that checks bounds reads zero",
    ),
    (
        "gemm_naive",
        ("wrong column", "let column = id.x;", "let column = id.x ^ 1u;"),
        "neighbours swap their columns and every column is still computed once",
    ),
    (
        "gemm_registers",
        ("wrong column", "group.x * 8u + me.x", "group.x * 8u + (me.x ^ 1u)"),
        "neighbours swap their columns and every column is still computed once",
    ),
    (
        "gemm_tiled",
        ("wrong index", "id.y * groups.x * 64u + id.x", "id.y * groups.x * 64u + (id.x ^ 1u)"),
        "neighbours swap their elements and every element is still added up once",
    ),
];

/// Every fill that applies, on poisoned memory, as a timed run is judged.
fn survives(gpu: &Gpu, subject: &Subject, variant: &Variant, patch: Patch) -> bool {
    let (_, from, to) = patch;
    let lanes = gpu.found().caps.lanes.to_string();
    let (from, to) = (from.replace("LANES", &lanes), to.replace("LANES", &lanes));
    [Fill::Exact, Fill::Real].into_iter().filter(|f| *f == Fill::Real || subject.problem.has_exact_inputs()).all(
        |fill| {
            let data = Data::new(subject.problem, variant.dtype, fill, 9);
            let truth = twin::truth(subject.problem, variant.dtype, &data);
            let mut plan = plan(variant, subject.problem, &data, 3).expect("plans");
            let program = plan.programs.iter_mut().find(|p| p.source.contains(&from));
            let program = program.unwrap_or_else(|| panic!("{}: no \"{from}\" in the source", subject.variant));
            // Unrolled stores each have their guard; the other operators break one place.
            let times = if patch.0 == "no tail guard" { usize::MAX } else { 1 };
            program.source = program.source.replacen(&from, &to, times);
            if from.starts_with("sum += f32(a") {
                program.source = program.source.replacen("column]);", "column]));", 1);
            }
            run(gpu, variant, subject.problem, plan, &truth, fill, Checks::On).is_ok()
        },
    )
}

/// Needs no adapter: the list cannot rot unseen.
#[test]
fn every_patch_applies_to_its_kernel() {
    let (mut count, mut operators) = (0, BTreeSet::new());
    for subject in subjects(8) {
        let variant: Variant = subject.variant.parse().expect("an id");
        let sources = underdog::kernels::sources(&variant).expect("renders");
        for &(operator, from, _) in subject.patches {
            let from = from.replace("LANES", "8");
            assert!(sources.iter().any(|s| s.1.contains(&from)), "{}: no \"{from}\"", subject.variant);
            count += 1;
            operators.insert(operator);
        }
    }
    assert!(count >= 200 && operators.len() >= 12, "{count} mutants of {} operators", operators.len());
    assert!(EQUIVALENT.len() * 20 <= count);
}

#[test]
fn every_mutant_is_caught() {
    on_a_large_stack(|| {
        for (name, backend, position) in adapters().into_iter().filter(|a| a.0 != "gl").take(1) {
            let gpu = Gpu::open(backend, position).expect("opens");
            let (mut count, mut missed) = (0, Vec::new());
            for subject in subjects(gpu.found().caps.lanes) {
                let variant: Variant = subject.variant.parse().expect("an id");
                for &patch in subject.patches {
                    count += 1;
                    let equivalent = EQUIVALENT.iter().any(|e| variant.family.name() == e.0 && e.1 == patch);
                    if survives(&gpu, &subject, &variant, patch) && !equivalent {
                        missed.push(format!("{}: {} ({})", subject.variant, patch.0, patch.2));
                    }
                }
            }
            assert!(missed.is_empty(), "{name}: {} of {count} survived:\n{}", missed.len(), missed.join("\n"));
        }
    });
}
