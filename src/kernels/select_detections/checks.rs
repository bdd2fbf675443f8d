//! What the kernel is compared with its reference over.

use super::{Params, WITHOUT_ROIS, reference};
use crate::boxes::Edges;
use crate::kernels::checks::{
    Case, Checks, ORIGINAL, RESIZED, Random, UNWRITTEN, bits, boxes, frame_of, unwritten, words_of,
};

pub(super) const CHECKS: Checks = Checks {
    reference: reference::run,
    cases: |kernel, random| {
        let with_rois = kernel.roles.len() > WITHOUT_ROIS;
        shapes()
            .map(|shape| case(shape, with_rois, random))
            .to_vec()
    },
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
    /// Different scores; where they are few there are ties.
    pub scores: usize,
    /// Different boxes at most; the others are copies.
    pub places: usize,
    /// Most that are kept.
    pub limit: usize,
    /// Overlap above which the weaker falls.
    pub threshold: f32,
    /// Of boxes.
    pub edges: Edges,
    /// Whether boxes overlap as they do in the original picture.
    pub is_restored: bool,
}

fn candidates(shape: CandidatesShape, random: &mut Random) -> Vec<u32> {
    let boxes = boxes(shape.capacity.min(shape.places), random);
    let rows = (0..shape.capacity).flat_map(|index| {
        let mut row = bits(&boxes[index % boxes.len()]);
        row.extend(random.floats(4 * (shape.blocks - 2)));
        let score = random.below(shape.scores) as f32 / (shape.scores + 2) as f32;
        let label = 1.0 + random.below(shape.classes) as f32;
        let level = 2.0 + random.below(5) as f32;
        row.extend(bits(&[score, label, level, 0.0]));
        row
    });
    rows.collect()
}

/// The kernel over random candidates.
pub fn case(shape: CandidatesShape, with_rois: bool, random: &mut Random) -> Case {
    let params = Params {
        capacity: shape.capacity as u32,
        blocks: shape.blocks as u32,
        limit: shape.limit as u32,
        threshold: shape.threshold,
        edges: shape.edges.word(),
        is_restored: shape.is_restored.into(),
        unused: [0; 2],
    };
    let mut results = vec![0; 4];
    results.resize(4 + shape.limit * shape.blocks * 4, UNWRITTEN);
    let [keys, kept] = params.scratch().map(unwritten);
    let mut bindings = vec![
        words_of(frame_of(ORIGINAL, RESIZED).shifted([3.0, -2.5])),
        candidates(shape, random),
        vec![shape.found as u32],
        keys,
        kept,
        results,
    ];
    if with_rois {
        bindings.extend([4 * shape.limit, shape.limit, 1].map(unwritten));
    }
    Case::new(format!("{shape:?}"), params.dispatch(with_rois), bindings)
        .with_candidates(shape.blocks)
}

/// The shapes that matter.
fn shapes() -> [CandidatesShape; 18] {
    let shape = CandidatesShape {
        found: 500,
        capacity: 600,
        blocks: 2,
        classes: 20,
        scores: 30,
        places: usize::MAX,
        limit: 100,
        threshold: 0.5,
        edges: Edges::Exclusive,
        is_restored: false,
    };
    // More than a batch, and not all of the last sixteen.
    let many = CandidatesShape {
        found: 5_001,
        capacity: 5_003,
        scores: 100_000,
        limit: 3_000,
        ..shape
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
            edges: Edges::Inclusive,
            is_restored: true,
            threshold: 0.3,
            ..shape
        },
        CandidatesShape {
            edges: Edges::Inclusive,
            ..many
        },
        CandidatesShape {
            is_restored: true,
            blocks: 5,
            ..many
        },
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
        CandidatesShape {
            limit: 1_000,
            scores: 1,
            ..shape
        },
        CandidatesShape { places: 1, ..shape },
        many,
        CandidatesShape { scores: 1, ..many },
        CandidatesShape { limit: 1, ..many },
        // Nearly all are kept, and then nearly none.
        CandidatesShape {
            threshold: 0.99,
            ..many
        },
        CandidatesShape {
            classes: 1,
            threshold: 0.0,
            blocks: 5,
            ..many
        },
        // Each batch keeps a few, which the rest overlaps.
        CandidatesShape {
            classes: 1,
            places: 40,
            scores: 4,
            ..many
        },
        CandidatesShape {
            places: 1,
            classes: 3,
            ..many
        },
    ]
}
