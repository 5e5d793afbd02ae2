//! The text of NAK, the compiler of NVK for NVIDIA's chips.
//!
//! A block is `block <n> L<n> [<those before>] -> {`, its instructions, and `} -> [<those after>]`. An instruction is
//! `@<predicate> <results> = <name> <operands> // <schedule>`; names are lower-case SASS.

use super::code::{Block, Instruction, Kind};

/// Blocks of an assembly text.
pub fn blocks(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    for line in text.lines() {
        let code = line.split("//").next().unwrap_or_default().trim();
        if code.starts_with("block") {
            blocks.push(Block::default());
            continue;
        }
        let Some(block) = blocks.last_mut() else { continue };
        if let Some(after) = code.strip_prefix('}') {
            let digits = after.split(|c: char| !c.is_ascii_digit());
            block.next = digits.filter_map(|digits| digits.parse().ok()).collect();
            continue;
        }
        let code = code.split_once(" = ").map_or(code, |(_, operation)| operation);
        let name = code.split_whitespace().find(|word| !word.starts_with('@'));
        if let Some(name) = name {
            block.instructions.push(Instruction { name: name.to_owned(), kind: kind(name) });
        }
    }
    blocks
}

fn kind(name: &str) -> Kind {
    let mut parts = name.split('.');
    let stem = parts.next().unwrap_or_default();
    let has = |part: &str| name.split('.').any(|p| p == part);
    match stem {
        "ffma" => Kind::MultiplyAdd(1.0),
        "hfma2" => Kind::MultiplyAdd(2.0),
        "idp4" | "idp4a" | "idp" => Kind::MultiplyAdd(4.0),
        "hmma" | "imma" => Kind::Matrix(parts.find_map(matrix).unwrap_or(0.0)),
        "i2f" | "f2f" | "f2i" | "i2i" | "f2fp" | "frnd" => Kind::Convert,
        "mufu" => Kind::Special,
        "ldsm" => Kind::WorkgroupLoad(if has("x4") {
            16.0
        } else if has("x2") {
            8.0
        } else {
            4.0
        }),
        "ld" if has("shared") => Kind::WorkgroupLoad(bytes(name)),
        "ld" | "suld" | "tld" | "tex" => Kind::GlobalLoad(bytes(name)),
        _ => Kind::Other,
    }
}

/// Multiply-adds of a shape such as `m16n8k16`, or of its digits alone.
fn matrix(part: &str) -> Option<f64> {
    let sides: Vec<f64> = part.split(|c: char| !c.is_ascii_digit()).filter_map(|side| side.parse().ok()).collect();
    match sides[..] {
        [m, n, k] => Some(m * n * k),
        [16816.0] => Some(16.0 * 8.0 * 16.0),
        [1688.0] => Some(16.0 * 8.0 * 8.0),
        [16832.0] => Some(16.0 * 8.0 * 32.0),
        _ => None,
    }
}

fn bytes(name: &str) -> f64 {
    let size = name.split('.').find_map(|part| match part {
        "u8" | "i8" => Some(1.0),
        "u16" | "i16" => Some(2.0),
        _ => part.strip_prefix('b').and_then(|bits| bits.parse::<f64>().ok()).map(|bits| bits / 8.0),
    });
    size.unwrap_or(4.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_do_what_their_names_say() {
        for (name, expected) in [
            ("ffma.ftz", Kind::MultiplyAdd(1.0)),
            ("hfma2", Kind::MultiplyAdd(2.0)),
            ("i2f.f32.i32", Kind::Convert),
            ("mufu.ex2", Kind::Special),
            ("ld.shared.b128", Kind::WorkgroupLoad(16.0)),
            ("ldsm.16.m8n8.x4", Kind::WorkgroupLoad(16.0)),
            ("ld.global.a64.strong.gpu.b32", Kind::GlobalLoad(4.0)),
            ("ldc.b32", Kind::Other),
            ("imad", Kind::Other),
        ] {
            assert_eq!(kind(name), expected, "{name}");
        }
    }

    #[test]
    fn blocks_know_what_follows_and_predicates_are_no_names() {
        let text = "block.u 0 L2 [] -> {\n r1 = ffma.ftz r1 r2 r3 // delay=1\n@!p0    bra pT L88 // delay=1\n} -> [0, 1]\nblock 1 L4 [0] -> {\n exit\n} -> []\n";
        let blocks = blocks(text);
        let names: Vec<_> = blocks[0].instructions.iter().map(|i| i.name.as_str()).collect();
        assert_eq!((names.as_slice(), blocks[0].next.as_slice()), (&["ffma.ftz", "bra"][..], &[0, 1][..]));
    }
}
