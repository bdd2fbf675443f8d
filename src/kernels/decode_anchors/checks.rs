//! What the kernel is compared with its reference over.

use super::{BLOCKS, Params, reference};
use crate::kernels::checks::{Case, Checks, Random, UNWRITTEN, unwritten};
use crate::kernels::{anchors, blocks, words};

pub(super) const CHECKS: Checks = Checks {
    reference: reference::run,
    cases: |_, random| cases(random),
    tolerance: 1e-5,
};

/// One level of a one-stage detector's heads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AnchorsShape {
    /// Height and width of the map.
    pub size: [usize; 2],
    /// Anchors of a cell, at most [`MAX_ANCHORS`](crate::kernels::MAX_ANCHORS).
    pub per_cell: usize,
    /// Candidates that fit.
    pub capacity: usize,
    /// Candidates of the levels before; none for the first level.
    pub before: Option<usize>,
    /// An anchor must score more.
    pub threshold: f32,
}

/// The kernel over random maps.
pub fn case(shape: AnchorsShape, random: &mut Random) -> Case {
    let sides = (0..shape.per_cell).map(|a| 64.0 / (a + 1) as f32);
    let priors: Vec<_> = sides.map(|side| [8.0, 7.0, side, 2.0 * side]).collect();
    let pitches = [2, 4, 10].map(|values| 4 * blocks(values * shape.per_cell));
    let [class_pitch, box_pitch, landmark_pitch] = words(pitches);
    let params = Params {
        anchors: anchors::of_cell(&priors),
        size: words(shape.size),
        stride: [16, 15],
        per_cell: shape.per_cell as u32,
        level: 4,
        class_pitch,
        box_pitch,
        landmark_pitch,
        is_first: shape.before.is_none().into(),
        score_threshold: shape.threshold,
        by_offset: 0.1,
        by_size: 0.2,
        capacity: shape.capacity as u32,
        unused: [0; 2],
    };
    let cells = shape.size[0] * shape.size[1];
    let [classes, boxes, landmarks] = pitches.map(|pitch| cells * pitch);
    let classes = (0..classes).map(|_| random.between(-4.0, 4.0).to_bits());
    let bindings = vec![
        classes.collect(),
        random.floats(boxes),
        random.floats(landmarks),
        unwritten(shape.capacity * BLOCKS * 4),
        vec![shape.before.map_or(UNWRITTEN, |count| count as u32)],
    ];
    Case::new(format!("{shape:?}"), params.dispatch(), bindings).with_candidates(BLOCKS)
}

fn cases(random: &mut Random) -> Vec<Case> {
    let shape = AnchorsShape {
        size: [20, 17],
        per_cell: 2,
        capacity: 1000,
        before: None,
        threshold: 0.5,
    };
    [
        shape,
        AnchorsShape {
            before: Some(37),
            ..shape
        },
        AnchorsShape {
            size: [1, 1],
            threshold: 0.0,
            ..shape
        },
        AnchorsShape {
            capacity: 50,
            before: Some(10),
            ..shape
        },
        AnchorsShape {
            per_cell: 3,
            threshold: 0.8,
            ..shape
        },
        AnchorsShape {
            per_cell: 1,
            ..shape
        },
        AnchorsShape {
            size: [6, 5],
            per_cell: 16,
            ..shape
        },
        AnchorsShape {
            threshold: 1.0,
            before: Some(0),
            ..shape
        },
    ]
    .map(|shape| case(shape, random))
    .to_vec()
}
