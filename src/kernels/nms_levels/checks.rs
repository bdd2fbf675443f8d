//! What the kernel is compared with its reference over.

use super::{Params, reference};
use crate::kernels::checks::{Case, Checks, Random, bits, boxes, keys};

pub(super) const CHECKS: Checks = Checks {
    reference: reference::run,
    cases: |_, random| cases(random),
    tolerance: 0.0,
};

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
        case(1, 1025, 1025, 0.7, random),
        case(2, 6000, 5000, 0.7, random),
        case(1, 8193 + 300, 8193 + 290, 0.2, random),
        case(2, 100, 0, 0.7, random),
        case(3, 1, 1, 0.0, random),
    ]
}
