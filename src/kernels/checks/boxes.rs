//! Random boxes, and the picture that they lie in.

use super::{Random, Vec4};

/// Height and width of the picture that boxes lie in, before it was resized.
pub(in crate::kernels) const ORIGINAL: [usize; 2] = [333, 500];
/// The same after it was.
pub(in crate::kernels) const RESIZED: [usize; 2] = [199, 300];

/// Boxes of which some repeat earlier ones.
pub(in crate::kernels) fn boxes(count: usize, random: &mut Random) -> Vec<Vec4> {
    let mut boxes: Vec<Vec4> = Vec::with_capacity(count);
    for index in 0..count {
        let repeats = index > 0 && random.below(6) == 0;
        boxes.push(match repeats {
            true => boxes[random.below(index)],
            false => random.bbox(RESIZED, 120.0),
        });
    }
    boxes
}

/// Keys of slots that hold boxes in order, some of which are empty; all from `filled` on.
pub(in crate::kernels) fn keys(slots: usize, filled: usize, random: &mut Random) -> Vec<u32> {
    let key = |slot: usize| 0x9000_0000 - slot as u32;
    (0..slots)
        .map(|slot| match slot < filled && random.below(8) > 0 {
            true => key(slot),
            false => 0,
        })
        .collect()
}
