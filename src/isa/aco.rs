//! The text of ACO, the compiler of RADV for AMD's chips.
//!
//! Blocks begin with `BB<n>:`; a branch names its target, and a conditional one falls through. Names of instructions are
//! those of AMD's ISA documents: before RDNA 3 a load says `dword`, since then its bits.

use super::code::{Block, Instruction, Kind, linked};
use std::collections::HashMap;

/// Blocks of an assembly text.
pub fn blocks(text: &str) -> Vec<Block> {
    let mut labels = HashMap::new();
    let mut targets: Vec<(Option<&str>, bool)> = Vec::new();
    let mut blocks: Vec<Block> = Vec::new();
    for line in text.lines() {
        let code = line.split(';').next().unwrap_or_default().trim();
        if let Some(label) = code.strip_suffix(':') {
            labels.insert(label, blocks.len());
            blocks.push(Block::default());
            targets.push((None, true));
            continue;
        }
        let (Some(name), Some(block), Some(target)) =
            (code.split_whitespace().next(), blocks.last_mut(), targets.last_mut())
        else {
            continue;
        };
        if let Some(label) = code.split_whitespace().nth(1).filter(|_| name.contains("branch")) {
            *target = (Some(label), name.starts_with("s_cbranch"));
        } else if name == "s_endpgm" {
            *target = (None, false);
        }
        // Two operations that issue together.
        let names = code.split("::").filter_map(|part| part.split_whitespace().next());
        let kind = names.map(kind).fold(Kind::Other, both);
        block.instructions.push(Instruction { name: name.to_owned(), kind });
    }
    linked(blocks, targets, &labels)
}

/// Of two operations in one instruction the multiply-adds count together.
fn both(one: Kind, other: Kind) -> Kind {
    match (one, other) {
        (Kind::MultiplyAdd(a), Kind::MultiplyAdd(b)) => Kind::MultiplyAdd(a + b),
        (Kind::Other, other) | (other, Kind::Other) => other,
        (one, _) => one,
    }
}

fn kind(name: &str) -> Kind {
    let starts = |prefixes: &[&str]| prefixes.iter().any(|p| name.starts_with(p));
    if let Some(shape) = name.strip_prefix("v_wmma_") {
        // v_wmma_f32_16x16x16_f16: rows, columns and depth.
        let sides = shape.split('_').find(|part| part.contains('x')).unwrap_or_default();
        return Kind::Matrix(sides.split('x').filter_map(|side| side.parse::<f64>().ok()).product());
    }
    if starts(&["v_pk_fma"]) || starts(&["v_dot2"]) {
        Kind::MultiplyAdd(2.0)
    } else if starts(&["v_dot4"]) {
        Kind::MultiplyAdd(4.0)
    } else if starts(&["v_fma", "v_dual_fma", "v_mac_f", "v_mad_f", "v_mad_mix"]) {
        Kind::MultiplyAdd(1.0)
    } else if starts(&["v_cvt"]) {
        Kind::Convert
    } else if starts(&["v_exp", "v_log", "v_rcp", "v_rsq", "v_sqrt", "v_sin", "v_cos"]) {
        Kind::Special
    } else if starts(&["ds_load", "ds_read"]) {
        Kind::WorkgroupLoad(bytes(name))
    } else if starts(&["buffer_load", "global_load", "image_load", "flat_load"]) {
        Kind::GlobalLoad(bytes(name))
    } else {
        Kind::Other
    }
}

/// Bytes an invocation loads.
fn bytes(name: &str) -> f64 {
    let times = if name.contains("2addr") || name.contains("read2") { 2.0 } else { 1.0 };
    let part = |part: &str| -> Option<f64> {
        let words = |digits: &str| digits.parse().ok().or_else(|| digits.is_empty().then_some(1.0));
        match part {
            "u8" | "i8" | "ubyte" | "sbyte" => Some(1.0),
            "u16" | "i16" | "d16" | "ushort" | "sshort" | "short" => Some(2.0),
            _ => match (part.strip_prefix("dword"), part.strip_prefix('x'), part.strip_prefix('b')) {
                (Some(rest), ..) => words(rest.trim_start_matches('x')).map(|w| 4.0 * w),
                (_, Some(rest), _) => words(rest).map(|w| 4.0 * w),
                (_, _, Some(bits)) => bits.parse::<f64>().ok().map(|bits| bits / 8.0),
                _ => None,
            },
        }
    };
    times * name.split('_').rev().find_map(part).unwrap_or(4.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_do_what_their_names_say() {
        for (name, expected) in [
            ("v_fmac_f32_e32", Kind::MultiplyAdd(1.0)),
            ("v_pk_fma_f16", Kind::MultiplyAdd(2.0)),
            ("v_dot4_i32_iu8", Kind::MultiplyAdd(4.0)),
            ("v_wmma_f32_16x16x16_f16", Kind::Matrix(4096.0)),
            ("v_cvt_f32_f16_e32", Kind::Convert),
            ("v_rcp_f32_e32", Kind::Special),
            ("ds_load_b64", Kind::WorkgroupLoad(8.0)),
            ("ds_load_u16_d16", Kind::WorkgroupLoad(2.0)),
            ("ds_load_2addr_b32", Kind::WorkgroupLoad(8.0)),
            ("ds_read2st64_b32", Kind::WorkgroupLoad(8.0)),
            ("ds_read_b128", Kind::WorkgroupLoad(16.0)),
            ("buffer_load_b128", Kind::GlobalLoad(16.0)),
            ("buffer_load_dwordx4", Kind::GlobalLoad(16.0)),
            ("buffer_load_dword", Kind::GlobalLoad(4.0)),
            ("global_load_ubyte", Kind::GlobalLoad(1.0)),
            ("s_load_b128", Kind::Other),
        ] {
            assert_eq!(kind(name), expected, "{name}");
        }
    }

    #[test]
    fn two_operations_of_one_instruction_count_together() {
        let text = "BB0:\n\tv_dual_fmac_f32 v1, v2, v3 :: v_dual_fmac_f32 v4, v5, v6 ; 0\n\ts_cbranch_scc1 BB0\nBB1:\n\ts_endpgm\n";
        let blocks = blocks(text);
        assert_eq!(blocks[0].instructions[0].kind, Kind::MultiplyAdd(2.0));
        assert_eq!((blocks[0].next.as_slice(), blocks[1].next.as_slice()), (&[0, 1][..], &[][..]));
    }
}
