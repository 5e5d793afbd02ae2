//! Ways to break what stands between the matrices, and the streams.

use super::Patch;

pub const ATTENTION_NAIVE: &[Patch] = &[
    ("sees the future", "row / p.heads + 1u", "row / p.heads + 2u"),
    ("misses itself", "row / p.heads + 1u", "row / p.heads"),
    ("no scale", "score * p.scale", "score"),
    ("lost token", "token < seen;", "token + 1u < seen;"),
    ("wrong head", "id.y / p.group * p.context + token", "token"),
    ("no normalisation", " / total;", ";"),
    ("lost maximum", "top = max(top, scores[at]);", ""),
    ("dropped term", "d < 64u;", "d + 1u < 64u;"),
    ("wrong weight", "weights[row * p.context + token]", "weights[row * p.context]"),
    ("wrong row", "let row = id.z * p.heads + id.y;", "let row = id.y;"),
];

pub const ATTENTION: &[Patch] = &[
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
    ("missing barrier", "workgroupBarrier();", ""),
];

pub const ATTENTION_LANES: &[Patch] = &[
    ("sees the future", "let last2 = vec4(before + min", "let last2 = vec4(before + 1u + min"),
    ("misses itself", "let last0 = vec4(before + min", "let last0 = vec4(before - 1u + min"),
    ("wrong row of Q", "subgroupShuffle(a[1], KSu) * key", "subgroupShuffle(a[0], KSu) * key"),
    ("wrong value of Q", "subgroupShuffle(a[0], 1u) * key", "subgroupShuffle(a[0], 0u) * key"),
    ("wrong keys", "k_unit(plane, (d + 1u) / 1u,", "k_unit(plane, (d + 0u) / 1u,"),
    ("no scale", "s0 * p.scale", "s0"),
    ("no shrink of the total", "total3 = total3 * shrink + ", "total3 = total3 + "),
    ("overwritten total", "total0 = total0 * shrink + ", "total0 = "),
    ("no shrink of the sum", "o3_1 *= shrink;", ""),
    ("dropped chunk", "first < seen; first", "first + CHUNKu < seen; first"),
    ("lost donor", "donor < LANESu;", "donor + 1u < LANESu;"),
    ("wrong donor", "subgroupShuffle(s2[1], donor + 0u)", "subgroupShuffle(s2[1], donor ^ 1u)"),
    ("wrong token", "(first + 4u * donor) / 1u + 2u", "(first + 4u * donor) / 1u + 1u"),
    (
        "wrong quad",
        "v_unit(plane, (first + 4u * donor) / 1u + 0u, lane + LANESu)",
        "v_unit(plane, (first + 4u * donor) / 1u + 0u, lane)",
    ),
    ("wrong row", "let row = row0 + 1u;", "let row = row0;"),
    ("no normalisation", "= o1_1 / sum;", "= o1_1;"),
];

pub const ATTENTION_SPLIT: &[Patch] = &[
    ("wrong end of a part", "min(seen, (id.z + 1u) * p.reach)", "seen"),
    ("wrong start of a part", "first = id.z * p.reach;", "first = 0u;"),
    ("parts mixed up", "* p.parts + id.z;", "* p.parts;"),
    ("lost maximum of a part", "vec2(top0, sum)", "vec2(0.0, sum)"),
    ("lost sum of a part", "vec2(top1, sum)", "vec2(top1, 1.0)"),
    ("wrong part", "let at = row * p.parts + part;", "let at = row * p.parts;"),
    ("unweighted part", "let weight = exp(tops[at].x - top);", "let weight = 1.0;"),
    ("overwritten total", "total += weight * tops[at].y;", "total = weight * tops[at].y;"),
    ("overwritten sum", "o0 += weight * partial", "o0 = weight * partial"),
    ("no normalisation", " / total;", ";"),
    ("wrong half of the keys", "key = vec4(unpack2x16float(b0[2])", "key = vec4(unpack2x16float(b0[0])"),
    ("wrong half of the values", "value0 = vec4(unpack2x16float(b0_0[2])", "value0 = vec4(unpack2x16float(b0_0[0])"),
    ("wrong step of Q", "subgroupShuffle(a[0], k0 + 0u)", "subgroupShuffle(a[0], 0u)"),
    ("wrong step of the keys", "k_unit(plane, (d + k0 + 0u)", "k_unit(plane, (d + 0u)"),
];

pub const ATTENTION_I8: &[Patch] = &[
    ("lost scale of the keys", "s0 * of_keys", "s0 * p.scale"),
    ("lost scale of the values", "s1 = weights * of_values;", "s1 = weights;"),
    ("scales of the keys for the values", "scales[(p.planes + plane)", "scales[(plane)"),
    ("scales of other tokens", "scales[plane * p.tokens4 + first / 4u + lane]", "scales[plane * p.tokens4 + lane]"),
    ("wrong word of the keys", "key = vec4<f32>(unpack4xI8(b0[1]))", "key = vec4<f32>(unpack4xI8(b0[0]))"),
    ("wrong word of the values", "value0 = vec4<f32>(unpack4xI8(b0_0[3]))", "value0 = vec4<f32>(unpack4xI8(b0_0[0]))"),
    ("no sign", "value1 = vec4<f32>(unpack4xI8(", "value1 = vec4<f32>(unpack4xU8("),
];

pub const ATTENTION_NAIVE_F16: &[Patch] = &[
    ("wrong half of a key", "[(key + d) % 2u]", "[(key + d + 1u) % 2u]"),
    ("wrong half of a value", "[(at) % 2u]", "[(at + 1u) % 2u]"),
    ("wrong word", "keys[(key + d) / 2u]", "keys[(key + d) / 4u]"),
];

pub const ATTENTION_NAIVE_I8: &[Patch] = &[
    ("lost scale of the keys", " * scales[key / 64u]", ""),
    ("lost scale of the values", " * scales[plane + token]", ""),
    ("wrong byte", "[(key + d) % 4u]", "[(key + d + 1u) % 4u]"),
    ("no sign", "f32(unpack4xI8(values", "f32(unpack4xU8(values"),
];

pub const NORM: &[Patch] = &[
    ("wrong mean", "/ f32(p.width)", "/ f32(p.width - 1u)"),
    ("no root", "1.0 / sqrt(total", "1.0 / (total"),
    ("lost weight", " * weight[at]", ""),
    ("wrong row", "let row = id.x * p.stride;", "let row = id.x * (p.stride - 1u);"),
    ("early end of a reduction", "span > 0u;", "span > 1u;"),
    ("lost squares", "squares += x[row + at] * x[row + at];", "squares = x[row + at] * x[row + at];"),
    ("dropped tail", "at < p.stride; at += 64u) { y", "at + 1u < p.stride; at += 64u) { y"),
    ("missing barrier", "workgroupBarrier();", ""),
];

pub const NORM_LANES: &[Patch] = &[
    ("wrong mean", "/ f32(p.width)", "/ f32(p.width - 1u)"),
    ("no reduction", "subgroupAdd(", "("),
    ("lost value of a quad", "(squares.z + squares.w)", "squares.z"),
    ("dropped tail", "at < p.stride; at += LANESu) { y", "at + 1u < p.stride; at += LANESu) { y"),
    ("lost squares", "squares += x", "squares = x"),
    ("wrong weight", "weight[at]", "weight[t]"),
];

pub const ACTIVATION: &[Patch] = &[
    ("wrong sign", "exp(-gate)", "exp(gate)"),
    ("lost gate", "gate / (1.0 +", "1.0 / (1.0 +"),
    ("swapped halves", "x[row * 2u * p.width + column]", "x[(row * 2u + 1u) * p.width + column]"),
    ("lost up", " * x[(row * 2u + 1u) * p.width + column]", ""),
    ("dropped tail", "at < p.rows * p.width;", "at + 1u < p.rows * p.width;"),
    ("wrong row", "let row = at / p.width;", "let row = at / (p.width + 1u);"),
];

pub const READ: &[Patch] = &[
    ("dropped tail", "for (; at < p.quads; at += p.stride)", "for (; at + 1u < p.quads; at += p.stride)"),
    ("wrong step", "at += 4u * p.stride", "at += 5u * p.stride"),
    ("lost quad", "sum += data[at + 2u * p.stride];", ""),
    ("repeated quad", "data[at + 3u * p.stride]", "data[at + 2u * p.stride]"),
    ("lost lane", "sum.x + sum.y + sum.z + sum.w", "sum.x + sum.y + sum.z"),
    ("wrong place", "sums[id.x] =", "sums[0] ="),
    ("wrong start", "var sum = vec4<u32>();", "var sum = vec4<u32>(1u);"),
    ("overwritten sum", "sum += data[at];", "sum = data[at];"),
];

pub const COPY: &[Patch] = &[
    ("dropped tail", "for (; at < p.quads;", "for (; at + 1u < p.quads;"),
    ("wrong step", "at += 4u * p.stride", "at += 5u * p.stride"),
    ("wrong source", "= data[at];", "= data[at ^ 1u];"),
    ("altered", "= quad1;", "= quad1 + 1u;"),
    ("lost quad", "copy[at + 2u * p.stride] = quad2;", ""),
    ("repeated quad", "= quad3;", "= quad2;"),
];
