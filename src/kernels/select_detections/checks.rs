//! What the kernel is compared with its reference over.

use super::{Params, reference};
use crate::kernels::checks::{
    Case, Checks, ORIGINAL, RESIZED, Random, UNWRITTEN, bits, boxes, frame_words, unwritten,
};

pub(super) const CHECKS: Checks = Checks {
    reference: reference::run,
    cases: |_, random| shapes().map(|shape| case(shape, random)).to_vec(),
    tolerance: 1e-6,
};

/// Candidates before the final selection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CandidatesShape {
    /// How many were found.
    pub found: usize,
    /// How many fit.
    pub capacity: usize,
    /// vec4 of each: 2, or 5 with landmarks.
    pub blocks: usize,
    /// Classes, the background not among them.
    pub classes: usize,
    /// Most that are kept.
    pub limit: usize,
    /// Overlap above which the weaker falls.
    pub threshold: f32,
}

fn candidates(shape: CandidatesShape, random: &mut Random) -> Vec<u32> {
    let boxes = boxes(shape.capacity, random);
    let rows = boxes.iter().flat_map(|bbox| {
        let mut row = bits(bbox);
        row.extend(random.floats(4 * (shape.blocks - 2)));
        // Few different scores, so that there are ties.
        let score = random.below(30) as f32 / 32.0;
        let label = 1.0 + random.below(shape.classes) as f32;
        let level = 2.0 + random.below(5) as f32;
        row.extend(bits(&[score, label, level, 0.0]));
        row
    });
    rows.collect()
}

/// The kernel over random candidates.
pub fn case(shape: CandidatesShape, random: &mut Random) -> Case {
    let params = Params {
        capacity: shape.capacity as u32,
        blocks: shape.blocks as u32,
        limit: shape.limit as u32,
        threshold: shape.threshold,
    };
    let mut results = vec![0; 4];
    results.resize(4 + shape.limit * shape.blocks * 4, UNWRITTEN);
    let bindings = vec![
        frame_words(ORIGINAL, RESIZED),
        candidates(shape, random),
        vec![shape.found as u32],
        unwritten(shape.capacity),
        results,
    ];
    Case::new(format!("{shape:?}"), params.dispatch(), bindings).with_candidates(shape.blocks)
}

/// The shapes that matter.
fn shapes() -> [CandidatesShape; 6] {
    let shape = CandidatesShape {
        found: 500,
        capacity: 600,
        blocks: 2,
        classes: 20,
        limit: 100,
        threshold: 0.5,
    };
    [
        shape,
        CandidatesShape {
            classes: 1,
            limit: 750,
            threshold: 0.4,
            blocks: 5,
            ..shape
        },
        CandidatesShape { found: 0, ..shape },
        CandidatesShape {
            found: 1,
            limit: 1,
            ..shape
        },
        // More than fit.
        CandidatesShape {
            found: 900,
            limit: 30,
            ..shape
        },
        CandidatesShape {
            threshold: 0.0,
            limit: 600,
            ..shape
        },
    ]
}
