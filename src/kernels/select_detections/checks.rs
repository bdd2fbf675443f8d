//! What the kernel is compared with its reference over.

use super::{CandidatesShape, Params, reference};
use crate::kernels::checks::{Case, Checks, Random, UNWRITTEN, frame_words, unwritten};
use crate::kernels::nms_levels::{ORIGINAL, RESIZED};
use crate::kernels::rank_candidates;

pub(super) const CHECKS: Checks = Checks {
    reference: reference::run,
    cases: |_, random| cases(random),
    tolerance: 1e-6,
};

/// The kernel over random candidates, ranked by the reference.
pub fn case(shape: CandidatesShape, random: &mut Random) -> Case {
    let params = Params {
        capacity: shape.capacity as u32,
        blocks: shape.blocks as u32,
        limit: shape.limit as u32,
        threshold: shape.threshold,
    };
    let mut bindings = vec![frame_words(ORIGINAL, RESIZED)];
    bindings.extend(rank_candidates::case(shape, random).expected());
    bindings.push(unwritten(shape.capacity));
    let mut results = vec![0; 4];
    results.resize(4 + shape.limit * shape.blocks * 4, UNWRITTEN);
    bindings.push(results);
    Case::new(format!("{shape:?}"), params.dispatch(), bindings).with_candidates(shape.blocks)
}

fn cases(random: &mut Random) -> Vec<Case> {
    rank_candidates::shapes()
        .map(|shape| case(shape, random))
        .to_vec()
}
