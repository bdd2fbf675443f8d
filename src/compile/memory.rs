//! Where activations lie: those that are never alive together share memory.

use std::cmp::Reverse;

use crate::plan::Range;

/// Alignment of a binding's offset in WebGPU.
const ALIGNMENT: usize = 256;

/// A block of memory needed for some steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Bytes.
    pub size: usize,
    /// First step that touches it.
    pub first: usize,
    /// Last step that touches it.
    pub last: usize,
}

impl Block {
    fn meets(&self, other: &Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    fn lives_at(&self, step: usize) -> bool {
        self.first <= step && step <= self.last
    }
}

/// A place for each block, the arenas' sizes, and the bytes of the largest set of blocks alive at
/// once. No arena is larger than `limit` unless a single block is.
///
/// Each block goes as low as those already placed allow. Of several orders the one that needs least
/// is taken: largest first, fullest step first ("greedy by size" and "by breadth": Pisarchyk and
/// Lee, 2020, <https://arxiv.org/abs/2001.03288>), most bytes times steps first, and as they come.
pub fn place(blocks: &[Block], limit: usize) -> (Vec<Range>, Vec<usize>, usize) {
    let steps = blocks.iter().map(|block| block.last + 1).max().unwrap_or(0);
    let alive: Vec<usize> = (0..steps)
        .map(|step| {
            let sizes = blocks.iter().filter(|block| block.lives_at(step));
            sizes.map(|block| block.size).sum()
        })
        .collect();
    let fullest = |block: &Block| alive[block.first..=block.last].iter().copied().max();
    let sorted = |key: &dyn Fn(&Block) -> (usize, usize)| -> Vec<usize> {
        let mut order: Vec<usize> = (0..blocks.len()).collect();
        order.sort_by_key(|&block| Reverse(key(&blocks[block])));
        order
    };
    let orders = [
        sorted(&|block| (block.size, 0)),
        sorted(&|block| (fullest(block).unwrap_or(0), block.size)),
        sorted(&|block| (block.size * (block.last + 1 - block.first), 0)),
        sorted(&|block| (steps - block.first, block.size)),
    ];
    let placed = orders.iter().map(|order| place_in(order, blocks, limit));
    let (places, arenas) = placed
        .min_by_key(|(_, arenas)| arenas.iter().sum::<usize>())
        .expect("there are orders");
    (places, arenas, alive.into_iter().max().unwrap_or(0))
}

/// A place for each block, found in `order`, and the arenas' sizes.
fn place_in(order: &[usize], blocks: &[Block], limit: usize) -> (Vec<Range>, Vec<usize>) {
    let mut places: Vec<Option<Range>> = vec![None; blocks.len()];
    let mut arenas: Vec<usize> = Vec::new();
    for &block in order {
        let size = blocks[block].size.next_multiple_of(ALIGNMENT);
        let mut arena = 0;
        let offset = loop {
            let mut taken: Vec<(usize, usize)> = blocks
                .iter()
                .zip(&places)
                .filter(|(other, _)| other.meets(&blocks[block]))
                .filter_map(|(_, place)| place.filter(|place| place.arena == arena))
                .map(|place| {
                    (
                        place.offset,
                        place.offset + place.size.next_multiple_of(ALIGNMENT),
                    )
                })
                .collect();
            taken.sort_unstable();
            let mut offset = 0;
            for (start, end) in taken {
                if start >= offset + size {
                    break;
                }
                offset = offset.max(end);
            }
            if offset + size <= limit || offset == 0 {
                break offset;
            }
            arena += 1;
        };
        if arena == arenas.len() {
            arenas.push(0);
        }
        arenas[arena] = arenas[arena].max(offset + size);
        places[block] = Some(Range {
            arena,
            offset,
            size: blocks[block].size,
        });
    }
    let places = places
        .into_iter()
        .map(|place| place.expect("every block is placed"));
    (places.collect(), arenas)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(size: usize, first: usize, last: usize) -> Block {
        Block { size, first, last }
    }

    #[test]
    fn blocks_that_never_meet_share_memory() {
        let (places, arenas, bound) = place(&[block(512, 0, 1), block(256, 2, 3)], 1 << 20);
        assert_eq!(places[0].offset, places[1].offset);
        assert_eq!((arenas, bound), (vec![512], 512));
    }

    #[test]
    fn a_full_arena_is_followed_by_another() {
        let (places, arenas, _) = place(&[block(512, 0, 1), block(512, 0, 1)], 768);
        assert_eq!([places[0].arena, places[1].arena], [0, 1]);
        assert_eq!(arenas, [512, 512]);
    }

    proptest::proptest! {
        #[test]
        fn blocks_alive_together_never_overlap(
            blocks in proptest::collection::vec((1_usize..5000, 0_usize..20, 0_usize..6), 1..40),
            limit in 4096_usize..20_000,
        ) {
            let blocks: Vec<Block> =
                blocks.into_iter().map(|(size, first, length)| block(size, first, first + length)).collect();
            let (places, arenas, bound) = place(&blocks, limit);
            for (i, a) in places.iter().enumerate() {
                assert!(a.offset % ALIGNMENT == 0 && a.offset + a.size <= arenas[a.arena]);
                for (j, b) in places.iter().enumerate().skip(i + 1) {
                    let apart = a.arena != b.arena || a.offset + a.size <= b.offset || b.offset + b.size <= a.offset;
                    assert!(apart || !blocks[i].meets(&blocks[j]));
                }
            }
            assert!(arenas.iter().sum::<usize>() >= bound);
        }
    }
}
