//! What the kernel is compared with its reference over.

use std::ops::Range;

use super::{Params, reference};
use crate::kernels::checks::{Case, Checks, Random, bits, boxes, keys, unwritten};

pub(super) const CHECKS: Checks = Checks {
    reference: reference::run,
    cases: |_, random| cases(random),
    tolerance: 0.0,
};

/// The kernel over `filled` of `slots` in each of the `levels`, of which `limit` proposals are kept at
/// most.
pub fn case(
    levels: Range<usize>,
    slots: usize,
    filled: usize,
    limit: usize,
    random: &mut Random,
) -> Case {
    let all = levels.len() * slots;
    let params = Params {
        slots: all as u32,
        slots_a_level: slots as u32,
        limit: limit as u32,
        first_level: levels.start as u32,
    };
    let boxes = boxes(all, random);
    let keys = levels.clone().flat_map(|_| keys(slots, filled, random));
    let bindings = vec![
        bits(boxes.as_flattened()),
        keys.collect(),
        unwritten(limit * 4),
        unwritten(limit),
        unwritten(1),
    ];
    let about = format!("{limit} of levels {levels:?} with {filled} in {slots} slots");
    Case::new(about, params.dispatch(), bindings)
}

fn cases(random: &mut Random) -> Vec<Case> {
    vec![
        case(2..7, 300, 280, 1000, random),
        case(2..7, 1000, 1000, 1000, random),
        case(2..7, 100, 40, 400, random),
        case(2..7, 20, 0, 100, random),
        case(1..7, 200, 190, 700, random),
        case(4..5, 2000, 1900, 1000, random),
    ]
}
