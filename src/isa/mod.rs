//! What compilers of GPUs say of the kernels: machine code, judged without running it.
//!
//! A driver's compiler is asked for a variant's machine code ([`crate::gpu::Compiler`]); a parser for each compiler turns
//! its text into blocks of instructions ([`Block`]); the hottest loop is found ([`hottest`]), and what it does is counted
//! ([`Judgement`]). Nothing here was run, so nothing here is a time, and none of it may become one.

mod aco;
mod ceiling;
mod code;
mod hot;
mod ir3;
mod judge;
mod nak;
mod virtual_gpu;

pub use ceiling::{Rates, ceiling, rates, rates_of};
pub use code::{Block, Instruction, Kind};
pub use hot::hottest;
pub use judge::{Judgement, judge};
pub use virtual_gpu::{Tree, VIRTUAL, VirtualGpu};

use crate::gpu::{Caps, Compiler, Executable, Silent, spirv};
use crate::kernels::{Dtype, Problem, Variant, legal, sources, space};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is asked of a compiler.
#[derive(Debug, Clone, PartialEq)]
pub enum Question {
    /// The ladder of a kernel in a type.
    Ladder(Problem, Dtype),
    /// One variant.
    Variant(Box<Variant>),
    /// Somebody else's SPIR-V, under a name.
    Foreign(String, Vec<u32>),
}

/// What a compiler made of one program of a variant.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct IsaRow {
    /// The device it was compiled for.
    pub gpu: String,
    /// `gemm`, `gemv`, ...; absent for foreign SPIR-V.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel: Option<String>,
    /// Type of the inputs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dtype: Option<String>,
    /// Rung of the ladder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rung: Option<String>,
    /// Id of the variant, or name of the file.
    pub variant: String,
    /// Name of the program, where a variant has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// Share of the peak that the hottest loop allows by the slowest of the chip's pipes, before any memory stalls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ceiling: Option<f64>,
    /// That pipe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ceiling_by: Option<String>,
    /// What the compiler said.
    #[serde(flatten)]
    pub judgement: Judgement,
    /// Why there is no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The machine code, where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// Asks the compiler of an opened device; `texts` keeps the machine code.
///
/// A variant that the device cannot run, or that its driver refuses, is a row with the reason.
pub fn ask(compiler: &Compiler, caps: &Caps, questions: &[Question], texts: bool) -> Vec<IsaRow> {
    let mut rows = Vec::new();
    let empty = IsaRow { gpu: compiler.adapter.clone(), ..IsaRow::default() };
    for question in questions {
        match question {
            Question::Foreign(name, words) => {
                let row = IsaRow { variant: name.clone(), ..empty.clone() };
                rows.push(told(row, compiler.compile(words), texts));
            }
            Question::Variant(variant) => {
                let row = IsaRow { dtype: Some(variant.dtype.to_string()), ..empty.clone() };
                rows.extend(programs(compiler, &row, variant, None, texts));
            }
            Question::Ladder(problem, dtype) => {
                for rung in space::ladder(*problem, *dtype, caps) {
                    let row = IsaRow {
                        kernel: Some(problem.kernel().to_owned()),
                        dtype: Some(dtype.to_string()),
                        rung: Some(rung.name.to_owned()),
                        ..empty.clone()
                    };
                    for variant in &rung.variants {
                        let refused = legal::legal(variant, *problem, caps).err();
                        rows.extend(programs(compiler, &row, variant, refused, texts));
                    }
                }
            }
        }
    }
    rows
}

/// What the compiler of an opened device makes of a variant: of its first program, with the spills of all; `None` where it
/// refuses one.
pub fn of_variant(compiler: &Compiler, variant: &Variant) -> Option<Judgement> {
    let mut whole: Option<Judgement> = None;
    for (_, source) in sources(variant).ok()? {
        let told = judge(&compiler.compile(&spirv::of_wgsl(&source).ok()?).ok()?);
        whole = Some(match whole {
            None => told,
            Some(first) => Judgement { spills: first.spills.zip(told.spills).map(|(a, b)| a + b), ..first },
        });
    }
    whole
}

/// The rows of a variant, one a program; one with the reason where the device cannot run it.
fn programs(compiler: &Compiler, row: &IsaRow, variant: &Variant, refused: Option<String>, texts: bool) -> Vec<IsaRow> {
    let row = IsaRow { variant: variant.id(), ..row.clone() };
    let sources = match refused.map_or_else(|| sources(variant), Err) {
        Ok(sources) => sources,
        Err(why) => return vec![IsaRow { reason: Some(why), ..row }],
    };
    let several = sources.len() > 1;
    let one = |(at, (name, source)): (usize, &(&str, String))| {
        let program = several.then(|| format!("{name} {}", at + 1));
        let row = IsaRow { program, ..row.clone() };
        match spirv::of_wgsl(source) {
            Ok(words) => told(row, compiler.compile(&words), texts),
            Err(why) => IsaRow { reason: Some(why), ..row },
        }
    };
    sources.iter().enumerate().map(one).collect()
}

fn told(row: IsaRow, answer: Result<Executable, Silent>, texts: bool) -> IsaRow {
    match answer {
        Ok(executable) => {
            let text = texts.then(|| executable.texts.last().map(|t| t.1.clone())).flatten();
            IsaRow { judgement: judge(&executable), text, ..row }
        }
        Err(why) => IsaRow { reason: Some(why.to_string()), ..row },
    }
}
