//! What the kernel is compared with its reference over.

use super::{Params, reference};
use crate::boxes::Edges;
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
    edges: Edges,
    random: &mut Random,
) -> Case {
    let params = Params {
        limit: slots as u32,
        threshold,
        edges: edges.word(),
        unused: 0,
    };
    let boxes = boxes(levels * slots, random);
    let keys = (0..levels).flat_map(|_| keys(slots, filled, random));
    let bindings = vec![bits(boxes.as_flattened()), keys.collect()];
    let about =
        format!("{levels} levels, {filled} of {slots} slots, threshold {threshold}, {edges:?}");
    Case::new(about, params.dispatch(levels), bindings)
}

fn cases(random: &mut Random) -> Vec<Case> {
    vec![
        case(5, 300, 280, 0.7, Edges::Exclusive, random),
        case(1, 1024, 1024, 0.3, Edges::Exclusive, random),
        case(1, 1025, 1025, 0.7, Edges::Exclusive, random),
        case(2, 6000, 5000, 0.7, Edges::Exclusive, random),
        case(1, 8193 + 300, 8193 + 290, 0.2, Edges::Exclusive, random),
        case(2, 100, 0, 0.7, Edges::Exclusive, random),
        case(3, 1, 1, 0.0, Edges::Exclusive, random),
        case(1, 6000, 6000, 0.7, Edges::Inclusive, random),
        case(2, 300, 280, 0.3, Edges::Inclusive, random),
    ]
}
