//! The text of ir3, the compiler of Turnip for Qualcomm's Adreno.
//!
//! A label is `l<n>:`; a branch names its target as `#l<n>`, and only `jump` does not fall through. Words in brackets
//! before an instruction are flags: `(rpt3)` runs it three times more.

use super::code::{Block, Instruction, Kind, linked};
use std::collections::HashMap;

/// Blocks of an assembly text.
pub fn blocks(text: &str) -> Vec<Block> {
    let mut labels = HashMap::new();
    let mut blocks = vec![Block::default()];
    // Where each block jumps, and whether it goes on to the next.
    let mut ends: Vec<(Option<&str>, bool)> = vec![(None, true)];
    let open = |blocks: &mut Vec<Block>, ends: &mut Vec<(Option<&str>, bool)>| {
        blocks.push(Block::default());
        ends.push((None, true));
    };
    for line in text.lines().map(str::trim) {
        if let Some(label) = line.strip_suffix(':').filter(|l| l.starts_with('l') && !l.contains(' ')) {
            open(&mut blocks, &mut ends);
            labels.insert(label, blocks.len() - 1);
            continue;
        }
        let Some((name, operands, times)) = instruction(line) else { continue };
        let kind = kind(name, operands);
        let (block, end) = (blocks.len() - 1, ends.len() - 1);
        blocks[block].instructions.extend(vec![Instruction { name: name.to_owned(), kind }; times]);
        if let Some((_, target)) = operands.split_once('#').filter(|(_, target)| target.starts_with('l')) {
            ends[end] = (Some(target.split([' ', ',']).next().unwrap_or(target)), name != "jump");
            open(&mut blocks, &mut ends);
        } else if name == "end" {
            ends[end] = (None, false);
            open(&mut blocks, &mut ends);
        }
    }
    linked(blocks, ends, &labels)
}

/// Name, operands, and how often it runs; `None` for what is no instruction.
fn instruction(line: &str) -> Option<(&str, &str, usize)> {
    let (mut rest, mut times) = (line, 1);
    while let Some((flag, after)) = rest.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
        if let Some(more) = flag.strip_prefix("rpt").and_then(|digits| digits.parse::<usize>().ok()) {
            times += more;
        }
        rest = after.trim_start();
    }
    let (name, operands) = rest.split_once(' ').unwrap_or((rest, ""));
    let first = name.chars().next()?;
    (first.is_ascii_lowercase() && !name.starts_with("l[")).then_some((name, operands, times))
}

fn kind(name: &str, operands: &str) -> Kind {
    let stem = name.split('.').next().unwrap_or_default();
    match stem {
        "mad" if name.starts_with("mad.f") => Kind::MultiplyAdd(1.0),
        "dp2acc" => Kind::MultiplyAdd(2.0),
        "dp4acc" => Kind::MultiplyAdd(4.0),
        "cov" => Kind::Convert,
        "rcp" | "rsq" | "sqrt" | "exp2" | "log2" | "sin" | "cos" => Kind::Special,
        "ldl" => Kind::WorkgroupLoad(size(name) * values(operands)),
        "ldg" => Kind::GlobalLoad(size(name) * values(operands)),
        // Its type stands before the number of values.
        "ldib" => {
            let many = name.split('.').find_map(|part| part.parse::<f64>().ok()).unwrap_or(1.0);
            Kind::GlobalLoad(size(name) * many)
        }
        "isam" => {
            let mask = operands.split(['(', ')']).filter(|flag| flag.chars().all(|c| "xyzw".contains(c)));
            Kind::GlobalLoad(4.0 * mask.map(str::len).max().unwrap_or(1) as f64)
        }
        _ => Kind::Other,
    }
}

/// Bytes of the type in a name such as `ldl.u32`.
fn size(name: &str) -> f64 {
    let bits = |part: &str| part.strip_prefix(['u', 's', 'f', 'b'])?.parse::<f64>().ok();
    name.split('.').find_map(bits).map_or(4.0, |bits| bits / 8.0)
}

/// Values a load takes: its last operand.
fn values(operands: &str) -> f64 {
    operands.rsplit(',').next().and_then(|last| last.trim().parse().ok()).unwrap_or(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_repeat_branches_part_and_loads_have_sizes() {
        let text = "; a comment\n@in(r0.x)\tin0\nshps #l1\nl1:\n(jp)(ss)ldl.u32 r6.w, l[r1.y], 4\n(rpt1)mad.f32 r2.w, r6.w, r7.w, (last)r2.w\n\
                    (ss)br p0.x, #l1\nisam.v.base0 (u32)(xyzw)r7.x, r6.x, s#0, t#1\nldib.b.untyped.1d.u32.1.imm.base0 r0.x, r1.x, 0\ncov.f16f32 hr0.x, r0.x\nend\n";
        let blocks = blocks(text);
        let kinds: Vec<Vec<Kind>> =
            blocks.iter().map(|block| block.instructions.iter().map(|i| i.kind).collect()).collect();
        let at = kinds.iter().position(|kinds| kinds.contains(&Kind::MultiplyAdd(1.0))).expect("a loop");
        assert_eq!(kinds[at], [Kind::WorkgroupLoad(16.0), Kind::MultiplyAdd(1.0), Kind::MultiplyAdd(1.0), Kind::Other]);
        assert_eq!(blocks[at].next, [at, at + 1]);
        assert_eq!(kinds[at + 1], [Kind::GlobalLoad(16.0), Kind::GlobalLoad(4.0), Kind::Convert, Kind::Other]);
    }
}
