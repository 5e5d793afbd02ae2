//! From what a compiler told to numbers.

use super::code::{Block, Kind};
use super::{aco, hot, ir3, nak};
use crate::gpu::Executable;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What machine code is like. A number that the compiler does not tell is absent; those of the hottest loop are there
/// where its text can be read (ACO, NAK, ir3).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Judgement {
    /// Share of the instructions of the hottest loop that multiply and add: what issue alone allows, where each takes one
    /// slot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub density: Option<f64>,
    /// Registers of an invocation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registers: Option<u64>,
    /// Registers that did not fit and went to memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spills: Option<u64>,
    /// Invocations of a subgroup.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lanes: Option<u32>,
    /// Subgroups that fit on a unit at once, by their registers: of an SIMD on AMD, of an SM on NVIDIA, of a core on Adreno.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resident_subgroups: Option<u64>,
    /// Instructions in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instructions: Option<u64>,
    /// Instructions of the hottest loop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loop_instructions: Option<u64>,
    /// Of them, those that multiply and add.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loop_multiply_adds: Option<u64>,
    /// Of these, those of matrix units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loop_matrix: Option<u64>,
    /// Multiply-adds of one invocation in the loop, packed and matrix instructions counted by what they do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loop_work: Option<f64>,
    /// Other vector instructions of the loop, where their names tell (ACO): they pass twice in a wide subgroup.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loop_vector: Option<u64>,
    /// Conversions between number formats in the loop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loop_conversions: Option<u64>,
    /// Reciprocals, roots, exponentials in the loop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loop_special: Option<u64>,
    /// Bytes that the loop reads from workgroup memory, for each multiply-add of an invocation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workgroup_bytes_per_multiply_add: Option<f64>,
    /// Bytes that the loop reads from buffers and textures, for each multiply-add of an invocation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub global_bytes_per_multiply_add: Option<f64>,
}

/// Names that drivers give to one thing; several of them add up.
const REGISTERS: &[&str] = &["VGPRs", "Number of GPRs", "GPRs", "Max Registers Used"];
const SPILLS: &[&str] = &["Spilled SGPRs", "Spilled VGPRs", "Spills to memory", "Spills", "Spill Count", "STP Count"];
const RESIDENT: &[&str] = &["Subgroups per SIMD", "Max warps/SM", "Max Waves Per Core"];
const INSTRUCTIONS: &[&str] = &["Instructions", "Instruction count", "Instruction Count", "Instrs"];

/// Judges what a compiler told.
pub fn judge(executable: &Executable) -> Judgement {
    let number = |names: &[&str]| {
        let found: Vec<f64> =
            executable.statistics.iter().filter(|(name, _)| names.contains(&name.as_str())).map(|s| s.1).collect();
        (!found.is_empty()).then(|| found.iter().sum::<f64>() as u64)
    };
    let plain = Judgement {
        registers: number(REGISTERS),
        spills: number(SPILLS),
        lanes: (executable.subgroup > 0).then_some(executable.subgroup),
        resident_subgroups: number(RESIDENT),
        instructions: number(INSTRUCTIONS),
        ..Judgement::default()
    };
    match read(executable) {
        Some(blocks) => of_loop(plain, &blocks, executable.subgroup),
        None => plain,
    }
}

/// The machine code, where there is a parser for its compiler.
fn read(executable: &Executable) -> Option<Vec<Block>> {
    let text = |name: &str| executable.texts.iter().find(|(is, _)| is == name).map(|t| t.1.as_str());
    let blocks = if text("ACO IR").is_some() {
        aco::blocks(text("Assembly")?)
    } else if let Some(code) = text("NAK assembly") {
        nak::blocks(code)
    } else {
        ir3::blocks(text("IR3 Assembly")?)
    };
    (!blocks.is_empty()).then_some(blocks)
}

fn of_loop(plain: Judgement, blocks: &[Block], lanes: u32) -> Judgement {
    let inside: Vec<_> = hot::hottest(blocks).into_iter().flat_map(|at| &blocks[at].instructions).collect();
    let count = |wanted: fn(&Kind) -> bool| inside.iter().filter(|i| wanted(&i.kind)).count() as u64;
    let (mut work, mut workgroup, mut global) = (0.0, 0.0, 0.0);
    for instruction in &inside {
        match instruction.kind {
            Kind::MultiplyAdd(each) => work += each,
            Kind::Matrix(all) => work += all / f64::from(lanes.max(1)),
            Kind::WorkgroupLoad(bytes) => workgroup += bytes,
            Kind::GlobalLoad(bytes) => global += bytes,
            _ => {}
        }
    }
    let others = inside.iter().filter(|i| !matches!(i.kind, Kind::MultiplyAdd(_) | Kind::Matrix(_)));
    let vector = others.filter(|i| i.name.starts_with("v_")).count();
    let matrix = count(|kind| matches!(kind, Kind::Matrix(_)));
    let multiply_adds = matrix + count(|kind| matches!(kind, Kind::MultiplyAdd(_)));
    let each = |bytes: f64| (work > 0.0).then(|| bytes / work);
    Judgement {
        loop_instructions: Some(inside.len() as u64),
        loop_multiply_adds: Some(multiply_adds),
        loop_matrix: Some(matrix),
        loop_work: Some(work),
        loop_vector: Some(vector as u64),
        density: (!inside.is_empty()).then(|| multiply_adds as f64 / inside.len() as f64),
        loop_conversions: Some(count(|kind| *kind == Kind::Convert)),
        loop_special: Some(count(|kind| *kind == Kind::Special)),
        workgroup_bytes_per_multiply_add: each(workgroup),
        global_bytes_per_multiply_add: each(global),
        ..plain
    }
}
