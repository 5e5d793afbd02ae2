//! The kernels that are broken, the shapes they are broken on, and how.

mod gemm;
mod gemv;
mod token;

use gemm::*;
use gemv::*;
use token::*;
use underdog::kernels::Problem;

/// A way to break a kernel: operator, text, replacement.
pub type Patch = (&'static str, &'static str, &'static str);

/// A variant, the problem it is tried on, and the patches that apply to its source.
#[derive(Clone)]
pub struct Subject {
    pub variant: String,
    pub problem: Problem,
    patches: &'static [Patch],
    lanes: u32,
}

impl Subject {
    /// The patches with the numbers that follow from the lanes of a subgroup.
    pub fn patches(&self) -> impl Iterator<Item = (&'static str, String, String)> {
        let numbers = |text: &str| {
            let text = text.replace("LANES", &self.lanes.to_string());
            text.replace("CHUNK", &(4 * self.lanes).to_string()).replace("KS", &(self.lanes / 2).to_string())
        };
        self.patches.iter().map(move |(operator, from, to)| (*operator, numbers(from), numbers(to)))
    }
}

const GEMM: Problem = Problem::Gemm { m: 131, n: 129, k: 67 };
const GEMV: Problem = Problem::Gemv { n: 67, k: 1031 };
const EXPERTS_OF: Problem = Problem::Experts { m: 131, experts: 5, n: 129, k: 67 };
const NORMED: Problem = Problem::Norm { rows: 3, width: 1031 };
const ACTIVATED: Problem = Problem::Activation { rows: 3, width: 1031 };
const CACHE: Problem = Problem::Attention { queries: 3, context: 131, heads: 4, kv_heads: 2, head_dim: 64 };

/// Kernels that need no subgroups. Blocks of an invocation are small: a driver's compiler takes time with the square of
/// their stores, and larger ones are the same text, unrolled further.
pub fn common() -> Vec<Subject> {
    subjects(
        0,
        vec![
            ("gemm_naive/f32/wx8.wy8", GEMM, NAIVE),
            ("gemm_naive/i8/wx8.wy8", GEMM, NAIVE_I8),
            ("gemm_naive/q4/wx8.wy8", GEMM, NAIVE_Q4),
            ("gemm_naive/f32/wx8.wy8.ex", EXPERTS_OF, NAIVE_EXPERTS),
            ("gemm_tiled/f32/bm32.bn32.bk16.tm2.tn2", GEMM, TILED),
            ("gemm_tiled/f32/bm64.bn64.bk8.tm4.tn8.v4.ta.pf", GEMM, PREFETCHED),
            ("gemm_tiled/f32/bm64.bn64.bk16.tm4.tn4.v4.ta.sk4", Problem::Gemm { m: 131, n: 129, k: 245 }, SPLIT),
            ("gemm_tiled/f32/bm32.bn64.bk16.tm4.tn4.v4.ex", EXPERTS_OF, EXPERTS),
            ("gemm_registers/f32/wx8.wy1.mr16.nv1.ku1", GEMM, REGISTERS),
            ("gemm_registers/f32/wx8.wy1.mr8.nv2.ku1.tex", GEMM, TEXTURES),
            ("gemm_tiled/i8/bm64.bn64.bk16.tm4.tn4.v4.ta", GEMM, INT8),
            ("gemm_tiled/q4/bm32.bn32.bk32.tm4.tn4", GEMM, INT4),
            ("gemv_row/f32/wx64", GEMV, GEMV_ROW),
            ("gemv_row/i8/wx64", GEMV, ROW_I8),
            ("gemv_row/q4/wx64", GEMV, ROW_Q4),
            ("gemv_shared/f32/wx128.r1", GEMV, GEMV_SHARED),
            ("gemv_columns/f32/wx8.nv1.u1", GEMV, GEMV_COLUMNS),
            ("gemv_columns/f32/wx8.nv2.u1.tex2", GEMV, GEMV_TEXTURES),
            ("gemv_units/i8/wx64.r4.mb1", GEMV, UNITS),
            ("gemv_units/q4/wx64.r4.mb1", Problem::Gemv { n: 67, k: 4101 }, UNITS4),
            ("stream_read/u32/wx64.wg64.u4", Problem::Read { words: 4 * 65_537 }, READ),
            ("stream_copy/u32/wx64.wg64.u4", Problem::Copy { words: 4 * 65_537 }, COPY),
            ("norm/f32/wx64", NORMED, NORM),
            ("activation/f32/wx128", ACTIVATED, ACTIVATION),
            ("activation/f32/wx64.v4", ACTIVATED, ACTIVATION),
            ("attention_naive/f32/wx64.hd64", CACHE, ATTENTION_NAIVE),
            ("attention/f32/wx64.hd64", CACHE, ATTENTION),
            ("attention_naive/f16/wx64.hd64", CACHE, ATTENTION_NAIVE_F16),
            ("attention_naive/i8/wx64.hd64", CACHE, ATTENTION_NAIVE_I8),
            ("gemm_tiled/q4/bm32.bn64.bk32.tm4.tn4.v4.pf.ex", EXPERTS_OF, EXPERTS_Q4),
        ],
    )
}

/// Kernels for matrix units of eight by eight in subgroups of eight lanes.
pub fn of_matrix_units() -> Vec<Subject> {
    let problem = Problem::Gemm { m: 67, n: 65, k: 97 };
    let all = vec![
        ("gemm_cooperative/f16/cs8.l8.bm32.bn32.bk16.sm2.sn2.pf", problem, COOPERATIVE),
        ("gemm_cooperative/q4/cs8.l8.bm32.bn32.bk32.sm2.sn2.pf", problem, COOPERATIVE_Q4),
        ("gemm_cooperative/i8/cs8.l8.bm32.bn32.bk16.sm2.sn2.pf", problem, COOPERATIVE_I8),
        ("gemm_cooperative/f16/cs8.l8.bm32.bn32.bk16.sm2.sn2.pf.sk3", problem, COOPERATIVE_SPLIT),
    ];
    subjects(8, all)
}

/// Kernels of subgroups of so many lanes.
pub fn of_lanes(lanes: u32) -> Vec<Subject> {
    let mut all = vec![
        ("gemm_lanes/f32/lLANES.sg1.mr16.nv1", GEMM, LANES),
        ("gemm_lanes/f32/lLANES.sg1.mr16.nv1.bc", GEMM, BROADCAST),
        ("gemv_lanes/f32/lLANES.sg4.r4.u1", GEMV, GEMV_LANES),
        ("norm/f32/lLANES.v4", NORMED, NORM_LANES),
        ("attention_lanes/f32/lLANES.mr8.hd64.tex2", CACHE, ATTENTION_LANES),
        ("attention_lanes/f16/lLANES.mr4.hd64.fl1.sp2", CACHE, ATTENTION_SPLIT),
        ("attention_lanes/i8/lLANES.mr4.hd64", CACHE, ATTENTION_I8),
    ];
    if lanes == 8 {
        all.push(("gemm_lanes/f32/l8.sg1.mr16.nv1.tex2.ks4", GEMM, STORED));
    }
    subjects(lanes, all)
}

fn subjects(lanes: u32, all: Vec<(&str, Problem, &'static [Patch])>) -> Vec<Subject> {
    let number = lanes.to_string();
    all.into_iter()
        .map(|(variant, problem, patches)| Subject {
            variant: variant.replace("LANES", &number),
            problem,
            patches,
            lanes,
        })
        .collect()
}

/// Family, patch, reason.
pub type Equivalent = (&'static str, Patch, &'static str);

/// Mutants that compute the same as the original, with the reason.
pub const EQUIVALENT: &[Equivalent] = &[
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
