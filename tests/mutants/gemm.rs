//! Ways to break a matrix product.

use super::Patch;

/// Breaks every GEMM's uniforms and stores in the same ways.
pub const NAIVE: &[Patch] = &[
    ("dropped k", "k < p.k1", "k + 1u < p.k1"),
    ("extra k", "k < p.k1", "k < p.k1 + 1u"),
    ("skipped k", "k++", "k += 2u"),
    ("late start", "var k = p.k0;", "var k = p.k0 + 1u;"),
    ("wrong stride", "row * p.lda + k", "row * (p.lda - 1u) + k"),
    ("wrong stride", "k * p.ldb + column", "k * (p.ldb + 1u) + column"),
    ("transposed", "b[bplane + k * p.ldb + column]", "b[column * p.ldb + k]"),
    ("transposed", "a[row * p.lda + k]", "a[k * p.lda + row]"),
    ("transposed store", "    c[row * p.n + column] = value;", "    c[column * p.m + row] = value;"),
    ("no tail guard", "row >= last || column >= p.n", "row >= last"),
    ("no tail guard", "row >= last || column >= p.n", "column >= p.n"),
    ("early tail guard", "row >= last ||", "row + 1u >= last ||"),
    ("early tail guard", "column >= p.n {", "column + 1u >= p.n {"),
    ("wrong start", "var sum = 0.0;", "var sum = 1.0;"),
    ("wrong operator", "sum += f32", "sum -= f32"),
    ("wrong operator", "]) * f32(b", "]) + f32(b"),
    ("overwritten sum", "sum += f32", "sum = f32"),
    ("lost store", "    c[row * p.n + column] = value;", ""),
    ("off by one", "    c[row * p.n + column] = value;", "    c[row * p.n + column + 1u] = value;"),
    ("wrong row", "let row = p.row0 + id.y;", "let row = p.row0 + id.y / 2u * 2u;"),
    ("wrong column", "let column = id.x;", "let column = id.x ^ 1u;"),
    ("swapped ids", "let column = id.x;", "let column = id.y;"),
    ("rounded", "sum += f32(a", "sum += round(f32(a"),
    ("always continues", "if p.k0 > 0u {", "if true {"),
];

pub const NAIVE_I8: &[Patch] = &[
    ("unsigned", "unpack4xI8(a[row * p.lda + k])", "vec4<i32>(unpack4xU8(a[row * p.lda + k]))"),
    ("lost scale", " * scales[p.m + column]", ""),
    ("wrong scale", "* scales[row]", "* scales[column]"),
    ("dropped k", "k < p.k1;", "k + 1u < p.k1;"),
    ("overwritten sum", "sum += dot", "sum = dot"),
];

pub const NAIVE_Q4: &[Patch] = &[
    ("wrong nibble", "k % 8u * 4u", "k % 4u * 4u"),
    ("unsigned", "extractBits(bitcast<i32>(", "extractBits(("),
    ("wrong group", "k / 32u]", "k / 64u]"),
    ("wrong word", "k / 8u]", "k / 16u]"),
    ("lost scale", " * scales[(bplane + column) * (p.ldb / 32u) + k / 32u]", ""),
];

pub const NAIVE_EXPERTS: &[Patch] = &[
    ("wrong expert", "first_row[id.z] +", "first_row[0u] +"),
    ("early end of an expert", "first_row[id.z + 1u]", "first_row[id.z + 1u] - 1u"),
    ("wrong weights", "id.z * p.k * p.ldb", "(id.z ^ 1u) * p.k * p.ldb"),
    ("lost weights", "b[bplane + k", "b[k"),
];

pub const TILED: &[Patch] = &[
    ("dropped k", "k < to_k; k +=", "k + 16u < to_k; k +="),
    ("late start", "* p.lda + from_k +", "* p.lda + from_k + 1u +"),
    ("late start", "var ib = (from_k +", "var ib = (from_k + 1u +"),
    ("short tile", "kk < 16u", "kk < 15u"),
    ("late tile", "var kk = 0u;", "var kk = 1u;"),
    ("repeated k", "kk += 1u", "kk += 2u"),
    ("repeated k", "ia += 16u;", "ia += 15u;"),
    ("repeated k", "ib += 16u * bline;", "ib += 15u * bline;"),
    ("no tail guard", "if row < last {", "{"),
    ("no tail guard", "if column < p.n {", "{"),
    ("early tail guard", "if row < last {", "if row + 1u < last {"),
    ("early tail guard", "if column < p.n {", "if column + 1u < p.n {"),
    ("wrong stride", "* p.lda + from_k", "* (p.lda - 1u) + from_k"),
    ("wrong stride", "let bline = p.ldb;", "let bline = p.ldb - 1u;"),
    ("wrong stride", "let aline = p.lda;", "let aline = p.lda + 1u;"),
    ("transposed", "let spot_a = t % ", "let spot_a = t / "),
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
    ("lost store", "c[at_c + 0u + mine_x] = s0_0;", ""),
    ("wrong column", "c[at_c + 16u + mine_x] = s0_1;", "c[at_c + 17u + mine_x] = s0_1;"),
    ("no tail guard", "row0 + 32u <= last && column0", "column0"),
    ("no tail guard", "column0 + 32u <= p.n && p.k0", "p.k0"),
    ("always continues", "if p.k0 > 0u {", "if true {"),
    ("wrong row", "mine_y + 0u;", "mine_y + 1u;"),
    ("missing barrier", "workgroupBarrier();", ""),
    ("missing barrier", "workgroupBarrier();\n    }\n", "}\n"),
];

pub const PREFETCHED: &[Patch] = &[
    ("stale prefetch", "1u, k + 8u < to_k", "1u, k + 16u < to_k"),
    ("no prefetch", "1u, k + 8u < to_k", "1u, false"),
    ("off-by-one stage", "ia += more * 8u", "ia += more * 7u"),
    ("off-by-one stage", "ib += more * 8u", "ib += more * 16u"),
    ("dropped k", "k < to_k; k +=", "k + 8u < to_k; k +="),
    ("short tile", "kk < 8u", "kk < 7u"),
    ("wrong lane of a quad", "let a1 = av0[1];", "let a1 = av0[0];"),
    ("wrong lane of a quad", "let b3 = bv0[3];", "let b3 = bv0[2];"),
    ("wrong quad", "let b4 = bv1[0];", "let b4 = bv0[0];"),
    ("wrong tile of A", "quad_y + 0u]", "quad_y + 1u]"),
    ("wrong tile of B", "let column0 = tile.x * 64u;", "let column0 = tile.x * 128u;"),
    ("no tail guard", "if row < last {", "{"),
    ("no tail guard", "if column < p.n {", "{"),
    ("overwritten sum", "s3_7 += a3 * b7", "s3_7 = a3 * b7"),
    ("wrong operand", "s3_7 += a3 * b7", "s3_7 += a3 * b6"),
    ("lost term", "s3_5 += a3 * b5;", ""),
    ("zeroed tile", "bt[t + 0u] = rb0;", "bt[t + 0u] = E4();"),
    ("swapped store", "let at_c = plane + row * p.n + column;", "let at_c = plane + row * p.n + (column ^ 1u);"),
    ("wrong stride", "* p.lda + row0) / 4u", "* (p.lda + 4u) + row0) / 4u"),
    ("wrong stride", "* p.ldb + column0", "* (p.ldb - 4u) + column0"),
    ("missing barrier", "workgroupBarrier();", ""),
    ("missing barrier", "workgroupBarrier();\n    }\n", "}\n"),
];

pub const SPLIT: &[Patch] = &[
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

pub const EXPERTS: &[Patch] = &[
    ("wrong expert", "first_row[group.z] +", "first_row[0u] +"),
    ("early end of an expert", "first_row[group.z + 1u]", "first_row[group.z + 1u] - 1u"),
    ("wrong weights", "group.z * p.k * p.ldb", "0u"),
    ("wrong weights", "group.z * p.k * p.ldb", "(group.z ^ 1u) * p.k * p.ldb"),
    ("wrong plane", "let plane = 0u;", "let plane = 1u;"),
    ("wrong stride", "* p.lda +", "* (p.lda - 4u) +"),
    ("always idle", "select(p.k0, p.k1, row0 < last)", "p.k0"),
    ("missing barrier", "workgroupBarrier();", ""),
];

pub const REGISTERS: &[Patch] = &[
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

pub const TEXTURES: &[Patch] = &[
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

pub const LANES: &[Patch] = &[
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

pub const BROADCAST: &[Patch] = &[
    ("wrong lane", "subgroupBroadcast(a0[0], 0u)", "subgroupBroadcast(a0[0], 1u)"),
    ("wrong lane", "subgroupBroadcast(a0[1], 3u)", "subgroupBroadcast(a0[1], 2u)"),
    ("no broadcast", "subgroupBroadcast(a0[0], 1u)", "a0[0]"),
    ("wrong row", "subgroupBroadcast(a1[2], 0u)", "subgroupBroadcast(a1[1], 0u)"),
    ("dropped k", "k < p.k1;", "k + LANESu < p.k1;"),
];

pub const STORED: &[Patch] = &[
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

pub const INT8: &[Patch] = &[
    ("wrong scale", "scales[row] *", "scales[0u] *"),
    ("wrong scale", "scales[p.m + column0 + ", "scales[column0 + "),
    ("lost scale", " * scales[p.m + column0 + (0u + mine_x) * 4u + 0u]", ""),
    ("unsigned", "dot4I8Packed(a0, b0)", "i32(dot4U8Packed(a0, b0))"),
    ("lost term", "s0_0 += dot4I8Packed(a0, b0);", ""),
    ("wrong operand", "dot4I8Packed(a1, b0)", "dot4I8Packed(a0, b0)"),
    ("dropped k", "k < to_k; k +=", "k + 16u < to_k; k +="),
    ("overwritten sum", "s0_0 += dot4", "s0_0 = dot4"),
];

pub const INT4: &[Patch] = &[
    ("wrong nibble", ", 4u, 4u))", ", 0u, 4u))"),
    ("unsigned", "extractBits(bitcast<i32>(rb0), 0u, 4u)", "extractBits(rb0, 0u, 4u)"),
    ("lost scale", " * rs0;", ";"),
    ("wrong group", "rs0 = scales[(ib) / 4u];", "rs0 = scales[(ib) / 8u];"),
    ("wrong column of scales", "rs0 = scales[(ib) / 4u];", "rs0 = scales[(ib ^ 4u) / 4u];"),
    ("wrong word", "rb0 = b[ib];", "rb0 = b[ib ^ 1u];"),
    ("swapped nibbles", "bt[spot + 0u]", "bt[spot + 32u]"),
    ("dropped k", "k < to_k; k +=", "k + 32u < to_k; k +="),
];

pub const COOPERATIVE: &[Patch] = &[
    ("dropped k", "k < to_k; k +=", "k + 16u < to_k; k +="),
    ("late start", "var k = from_k;", "var k = from_k + 16u;"),
    ("stale prefetch", "2u, k + 16u < to_k", "2u, k + 32u < to_k"),
    ("no prefetch", "2u, k + 16u < to_k", "2u, false"),
    ("off-by-one stage", "select(0u, 2u,", "select(0u, 1u,"),
    ("off-by-one stage", "ia += more;", ""),
    ("off-by-one stage", "ib += more;", "ib += more + 1u;"),
    ("wrong stride", "let aline = p.lda / 8u;", "let aline = p.lda / 8u + 1u;"),
    ("wrong stride", "let bline = p.ldb / 8u;", "let bline = p.ldb / 8u - 1u;"),
    ("wrong stride", "(&at[spot_a], 24u)", "(&at[spot_a], 16u)"),
    ("wrong stride", "(&bt[spot_b0], 24u)", "(&bt[spot_b0], 32u)"),
    ("wrong stride", "let stride = p.ldc;", "let stride = p.ldc - 8u;"),
    ("wrong start", "var s0_0 = coop_mat8x8<f32, C>();", "var s0_0 = coop_mat8x8<f32, C>(1.0);"),
    ("transposed", "coopLoad<coop_mat8x8<f16, B>>(&bt[spot_b0]", "coopLoadT<coop_mat8x8<f16, B>>(&bt[spot_b0]"),
    ("transposed", "coopLoadT<coop_mat8x8<f16, A>>(&at[spot_a]", "coopLoad<coop_mat8x8<f16, A>>(&at[spot_a]"),
    ("transposed store", "coopStoreT(s0_0", "coopStore(s0_0"),
    ("wrong fragment of A", "let spot_a = (mine_y + 8u)", "let spot_a = (mine_y + 0u)"),
    ("wrong fragment of A", "let spot_a = (mine_y + 0u) * 24u + 8u;", "let spot_a = (mine_y + 0u) * 24u + 0u;"),
    ("wrong fragment of B", "let spot_b1 = (mine_x + 8u)", "let spot_b1 = (mine_x + 0u)"),
    ("wrong fragment of B", "let spot_b0 = (mine_x + 0u) * 24u + 8u;", "let spot_b0 = (mine_x + 0u) * 24u + 0u;"),
    ("wrong operand", "s0_1 = coopMultiplyAdd(fa, fb1, s0_1);", "s0_1 = coopMultiplyAdd(fa, fb0, s0_1);"),
    ("wrong operand", "s1_0 = coopMultiplyAdd(fa, fb0, s1_0);", "s1_0 = coopMultiplyAdd(fa, fb1, s1_0);"),
    ("wrong sum", "s0_1 = coopMultiplyAdd(fa, fb1, s0_1);", "s0_1 = coopMultiplyAdd(fa, fb1, s0_0);"),
    ("lost term", "s0_0 = coopMultiplyAdd(fa, fb0, s0_0);", ""),
    ("lost term", "s1_1 = coopMultiplyAdd(fa, fb1, s1_1);", ""),
    (
        "repeated term",
        "s0_0 = coopMultiplyAdd(fa, fb0, s0_0);",
        "s0_0 = coopMultiplyAdd(fa, fb0, coopMultiplyAdd(fa, fb0, s0_0));",
    ),
    ("swapped tile", "let column0 = group.x * 32u;", "let column0 = (group.x ^ 1u) * 32u;"),
    ("swapped tile", "p.row0 + group.y * 32u;", "p.row0 + (group.y ^ 1u) * 32u;"),
    ("swapped ids", "let column0 = group.x", "let column0 = group.y"),
    ("wrong part", "let mine_y = part / 2u", "let mine_y = part % 2u"),
    ("wrong part", "let mine_x = part % 2u", "let mine_x = part / 2u"),
    ("lost part", "let mine_x = part % 2u * 16u;", "let mine_x = 0u;"),
    ("wrong row", "var ia = (row0 + t / 2u)", "var ia = (row0 + t / 4u)"),
    ("wrong column", "var ib = (column0 + t / 2u)", "var ib = (column0 + (t / 2u ^ 1u))"),
    ("wrong word", "* bline + first_k + t % 2u;", "* bline;"),
    ("wrong word", "* aline + first_k + t % 2u;", "* aline + (t % 2u ^ 1u);"),
    ("wrong spot", "let spot = t / 2u * 24u", "let spot = t / 2u * 16u"),
    ("zeroed tile", "bt[spot + 0u + 0u] = pair.x;", "bt[spot + 0u + 0u] = 0.0h;"),
    ("swapped halves", "at[spot + 0u + 1u] = pair.y;", "at[spot + 0u + 1u] = pair.x;"),
    ("stale tile", "at[spot + 0u + 6u] = pair.x;", ""),
    ("lost store", "coopStoreT(s1_1, &c[spot], stride);", ""),
    ("wrong store", "coopStoreT(s1_1, &c[spot], stride);", "coopStoreT(s1_0, &c[spot], stride);"),
    ("off by one", "* stride + column0 + mine_x + 0u;", "* stride + column0 + mine_x + 1u;"),
    ("repeated part", "first + place < 4u", "first + place < 3u"),
    ("missing barrier", "workgroupBarrier();", ""),
];

pub const EXPERTS_Q4: &[Patch] = &[
    ("weights of another expert", "column0 + bplane", "column0"),
    ("lost scale", "* rs0;", "* 1.0;"),
    ("scale of another group", ") / 4u];", ") / 8u];"),
    ("last row of an expert lost", "row < last {", "row + 1u < last {"),
    ("rows of the first expert", "first_row[group.z] +", "first_row[0] +"),
    ("the same tile again", "let more = select(0u, 1u,", "let more = select(0u, 0u,"),
];

pub const COOPERATIVE_Q4: &[Patch] = &[
    ("wrong nibble", "word >> 4u", "word >> 8u"),
    ("wrong offset", "- 1032.0h", "- 1024.0h"),
    ("no sign", "^ 0x88888888u", "^ 0u"),
    ("lost scale", "- 1032.0h) * scale", "- 1032.0h)"),
    ("swapped halves", "pair0.y", "pair0.x"),
    ("scale of another group", ") / 4u];", ") / 8u];"),
];

pub const COOPERATIVE_I8: &[Patch] = &[
    ("lost scale", "* rs0)", "* 1.0)"),
    ("wrong word", "unpack4xI8(rb0[1])", "unpack4xI8(rb0[0])"),
    ("no sign", "unpack4xI8(rb0[0])", "unpack4xU8(rb0[0])"),
    ("scale of another column", "scales[column0 +", "scales["),
];

pub const COOPERATIVE_SPLIT: &[Patch] = &[
    ("parts over each other", "group.z * p.plane", "0u"),
    ("the first part again", "let from_k = group.z * p.kz;", "let from_k = 0u;"),
    ("a part to the end", "min(p.k1, from_k + p.kz)", "p.k1"),
    ("fetched from the start", "min(from_k, p.k1 - 16u) / 8u", "0u"),
];
