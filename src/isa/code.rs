//! Machine code as blocks of instructions, whatever compiler wrote it.

use std::collections::HashMap;

/// What an instruction does, for one invocation unless it says otherwise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// So many multiply-adds.
    MultiplyAdd(f64),
    /// So many multiply-adds of the whole subgroup, by matrix units.
    Matrix(f64),
    /// From one number format to another.
    Convert,
    /// Reciprocal, root, exponential, logarithm, sine.
    Special,
    /// Bytes read from workgroup memory.
    WorkgroupLoad(f64),
    /// Bytes read from buffers or textures.
    GlobalLoad(f64),
    /// Anything else.
    Other,
}

/// One instruction.
#[derive(Debug, Clone, PartialEq)]
pub struct Instruction {
    /// Its name, as the compiler writes it.
    pub name: String,
    /// What it does.
    pub kind: Kind,
}

/// Instructions that run one after the other.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Block {
    /// What it holds.
    pub instructions: Vec<Instruction>,
    /// The blocks that may follow, by index.
    pub next: Vec<usize>,
}

impl Block {
    /// Instructions that multiply and add, by matrix units or not.
    pub fn multiply_adds(&self) -> usize {
        let counts = |i: &&Instruction| matches!(i.kind, Kind::MultiplyAdd(_) | Kind::Matrix(_));
        self.instructions.iter().filter(counts).count()
    }
}

/// Lets blocks in the order of a text know what follows them: of each the label it jumps to, and whether it goes on to the
/// next one.
pub fn linked(mut blocks: Vec<Block>, ends: Vec<(Option<&str>, bool)>, labels: &HashMap<&str, usize>) -> Vec<Block> {
    let count = blocks.len();
    for (at, (block, (target, falls))) in blocks.iter_mut().zip(ends).enumerate() {
        block.next.extend(target.and_then(|label| labels.get(label).copied()));
        block.next.extend((falls && at + 1 < count).then_some(at + 1));
    }
    blocks
}
