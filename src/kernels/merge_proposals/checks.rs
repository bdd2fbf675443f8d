//! What the kernel is compared with its reference over.

use super::{Params, reference};
use crate::kernels::checks::{Case, Checks, Random, bits, boxes, keys, unwritten};

pub(super) const CHECKS: Checks = Checks {
    reference: reference::run,
    cases: |_, random| cases(random),
    tolerance: 0.0,
};

const LEVELS: usize = 5;

/// The kernel over `filled` of `slots` in each of five levels, of which `limit` proposals are kept at
/// most.
pub fn case(slots: usize, filled: usize, limit: usize, random: &mut Random) -> Case {
    let all = LEVELS * slots;
    let params = Params {
        slots: all as u32,
        slots_a_level: slots as u32,
        limit: limit as u32,
        unused: 0,
    };
    let boxes = boxes(all, random);
    let keys = (0..LEVELS).flat_map(|_| keys(slots, filled, random));
    let bindings = vec![
        bits(boxes.as_flattened()),
        keys.collect(),
        unwritten(limit * 4),
        unwritten(limit),
        unwritten(1),
    ];
    let about = format!("{limit} of five levels with {filled} in {slots} slots");
    Case::new(about, params.dispatch(), bindings)
}

fn cases(random: &mut Random) -> Vec<Case> {
    vec![
        case(300, 280, 1000, random),
        case(1000, 1000, 1000, random),
        case(100, 40, 400, random),
        case(20, 0, 100, random),
    ]
}
