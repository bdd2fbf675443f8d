//! What the kernel is compared with its reference over.

use super::{BLOCKS, Params, reference};
use crate::kernels::checks::{Case, Checks, Random, UNWRITTEN, unwritten};
use crate::kernels::words;

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
    /// Candidates that fit.
    pub capacity: usize,
    /// Candidates of the levels before; none for the first level.
    pub before: Option<usize>,
    /// An anchor must score more.
    pub threshold: f32,
}

/// The kernel over random maps.
pub fn case(shape: AnchorsShape, random: &mut Random) -> Case {
    let params = Params {
        anchors: [[8.0, 8.0, 64.0, 64.0], [8.0, 8.0, 128.0, 128.0]],
        size: words(shape.size),
        stride: 16,
        level: 4,
        class_pitch: 4,
        box_pitch: 8,
        landmark_pitch: 20,
        is_first: shape.before.is_none().into(),
        score_threshold: shape.threshold,
        by_offset: 0.1,
        by_size: 0.2,
        capacity: shape.capacity as u32,
    };
    let cells = shape.size[0] * shape.size[1];
    let classes = (0..cells * 4).map(|_| random.between(-4.0, 4.0).to_bits());
    let bindings = vec![
        classes.collect(),
        random.floats(cells * 8),
        random.floats(cells * 20),
        unwritten(shape.capacity * BLOCKS * 4),
        vec![shape.before.map_or(UNWRITTEN, |count| count as u32)],
    ];
    Case::new(format!("{shape:?}"), params.dispatch(), bindings).with_candidates(BLOCKS)
}

fn cases(random: &mut Random) -> Vec<Case> {
    let shape = AnchorsShape {
        size: [20, 17],
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
            threshold: 1.0,
            before: Some(0),
            ..shape
        },
    ]
    .map(|shape| case(shape, random))
    .to_vec()
}
