//! What the kernel is compared with its reference over, and the boxes that other kernels are compared
//! over too.

use super::{Params, reference};
use crate::kernels::checks::{Case, Checks, Random, Vec4, bits};

pub(super) const CHECKS: Checks = Checks {
    reference: reference::run,
    cases: |_, random| cases(random),
    tolerance: 0.0,
};

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

/// The kernel over `filled` of `slots` in each of `levels`; a box falls to one that overlaps it by
/// more than `threshold`. At most [`MAX_SLOTS`](super::MAX_SLOTS) slots.
pub fn case(
    levels: usize,
    slots: usize,
    filled: usize,
    threshold: f32,
    random: &mut Random,
) -> Case {
    let params = Params {
        limit: slots as u32,
        threshold,
        unused: [0; 2],
    };
    let boxes = boxes(levels * slots, random);
    let keys = (0..levels).flat_map(|_| keys(slots, filled, random));
    let bindings = vec![bits(boxes.as_flattened()), keys.collect()];
    let about = format!("{levels} levels, {filled} of {slots} slots, threshold {threshold}");
    Case::new(about, params.dispatch(levels), bindings)
}

fn cases(random: &mut Random) -> Vec<Case> {
    vec![
        case(5, 300, 280, 0.7, random),
        case(1, 1024, 1024, 0.3, random),
        case(2, 100, 0, 0.7, random),
        case(3, 1, 1, 0.0, random),
    ]
}
