//! The loop that does the work.

use super::code::Block;
use std::collections::BTreeSet;

/// Blocks of the innermost loop that multiplies and adds most; of all of them where there is no such loop.
///
/// A loop is natural: a jump back to a block that every way to the jump passes, and everything between the two. Where the
/// blocks stand in the text says nothing: compilers put a loop's body before its head.
pub fn hottest(blocks: &[Block]) -> Vec<usize> {
    let mut before = vec![Vec::new(); blocks.len()];
    for (at, block) in blocks.iter().enumerate() {
        for &next in block.next.iter().filter(|next| **next < blocks.len()) {
            before[next].push(at);
        }
    }
    let always = dominators(&before);
    let mut loops: Vec<BTreeSet<usize>> = Vec::new();
    for (at, block) in blocks.iter().enumerate() {
        for &head in block.next.iter().filter(|next| always.get(at).is_some_and(|all| all.contains(next))) {
            let (mut inside, mut open) = (BTreeSet::from([head]), vec![at]);
            while let Some(block) = open.pop() {
                if inside.insert(block) {
                    open.extend(&before[block]);
                }
            }
            loops.push(inside);
        }
    }
    let work = |inside: &BTreeSet<usize>| inside.iter().map(|at| blocks[*at].multiply_adds()).sum::<usize>();
    let works: Vec<_> = loops.into_iter().filter(|inside| work(inside) > 0).collect();
    let innermost =
        works.iter().filter(|one| !works.iter().any(|other| other.len() < one.len() && other.is_subset(one)));
    match innermost.max_by_key(|inside| work(inside)) {
        Some(inside) => inside.iter().copied().collect(),
        None => (0..blocks.len()).collect(),
    }
}

/// The blocks that every way from the first block to each one passes, itself included.
fn dominators(before: &[Vec<usize>]) -> Vec<BTreeSet<usize>> {
    let mut all: Vec<BTreeSet<usize>> = vec![(0..before.len()).collect(); before.len()];
    if let Some(first) = all.first_mut() {
        *first = BTreeSet::from([0]);
    }
    loop {
        let mut settled = true;
        for at in 1..before.len() {
            // A block that nothing reaches leads nowhere.
            let ways = before[at].iter().filter(|b| all[**b].contains(&0)).map(|b| all[*b].clone());
            let ways = ways.reduce(|a, b| &a & &b);
            let mut now = ways.unwrap_or_default();
            now.insert(at);
            settled &= now == all[at];
            all[at] = now;
        }
        if settled {
            return all;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::code::{Instruction, Kind};
    use super::*;

    fn block(work: usize, next: &[usize]) -> Block {
        let one = Instruction { name: "fma".into(), kind: Kind::MultiplyAdd(1.0) };
        Block { instructions: vec![one; work], next: next.to_vec() }
    }

    #[test]
    fn the_innermost_loop_with_most_work_is_found() {
        // 1 to 5 is a loop; in it 2 jumps to itself, and 3 and 4 jump back and forth.
        let blocks = [
            block(9, &[1]),
            block(0, &[2]),
            block(8, &[2, 3]),
            block(5, &[4]),
            block(5, &[3, 5]),
            block(1, &[1, 6]),
            block(50, &[]),
        ];
        assert_eq!(hottest(&blocks), [3, 4]);
        assert_eq!(hottest(&[block(2, &[1]), block(3, &[])]), [0, 1]);
        // The head of a loop that is entered there may stand behind its body.
        assert_eq!(hottest(&[block(9, &[2]), block(5, &[2]), block(0, &[1, 3]), block(4, &[])]), [1, 2]);
    }
}
