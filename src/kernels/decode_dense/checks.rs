//! What the kernel is compared with its reference over.

use super::{BLOCKS, DELTAS, DISTANCES, DISTRIBUTION, Params, reference};
use crate::kernels::checks::{Case, Checks, ORIGINAL, RESIZED, Random, UNWRITTEN, frame_words};
use crate::kernels::checks::{bits, unwritten};
use crate::kernels::{anchors, blocks, words};

pub(super) const CHECKS: Checks = Checks {
    reference: reference::run,
    cases: |_, random| cases(random),
    tolerance: 1e-5,
};

/// One level of a one-stage detector's heads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DenseShape {
    /// Height and width of the map.
    pub size: [usize; 2],
    /// Anchors of a cell, at most [`MAX_ANCHORS`](crate::kernels::MAX_ANCHORS).
    pub per_cell: usize,
    /// Classes of an anchor.
    pub classes: usize,
    /// What the floats of a box are.
    pub code: u32,
    /// Bins of a distribution.
    pub bins: usize,
    /// Floats of a cell before its boxes.
    pub first_box: usize,
    /// Height and width that boxes are cut to; 0 for those of the resized picture.
    pub extent: [f32; 2],
    /// How many items each list has, of as many slots as the longest.
    pub lists: &'static [usize],
    /// Candidates that fit.
    pub capacity: usize,
    /// Candidates of the levels before; none for the first level.
    pub before: Option<usize>,
}

/// The kernel over random boxes and items.
pub fn case(shape: DenseShape, random: &mut Random) -> Case {
    let sides = (0..shape.per_cell).map(|a| 32.0 / (a + 1) as f32);
    let cell: Vec<_> = sides
        .map(|side| [4.0 - side, 5.0 - side, side, 2.0 * side])
        .collect();
    let values = match shape.code {
        DISTRIBUTION => 4 * shape.bins,
        _ => 4,
    };
    let box_pitch = 4 * blocks(shape.first_box + values * shape.per_cell);
    let slots = shape.lists.iter().copied().max().unwrap_or(0).max(1);
    let params = Params {
        anchors: anchors::of_cell(&cell),
        size: words(shape.size),
        stride: [16, 15],
        extent: shape.extent,
        per_cell: shape.per_cell as u32,
        classes: shape.classes as u32,
        first_label: 1,
        level: 4,
        box_pitch: box_pitch as u32,
        first_box: shape.first_box as u32,
        code: shape.code,
        bins: shape.bins as u32,
        lists: shape.lists.len() as u32,
        slots: slots as u32,
        is_first: shape.before.is_none().into(),
        capacity: shape.capacity as u32,
        unused: [0; 2],
    };
    let cells = shape.size[0] * shape.size[1];
    let boxes: Vec<f32> = (0..cells * box_pitch)
        .map(|_| random.between(-2.0, 3.0))
        .collect();
    let listed = shape.lists.len() * slots;
    let scores: Vec<f32> = (0..listed).map(|_| random.between(0.05, 1.0)).collect();
    let items = (0..listed).map(|_| random.below(cells * shape.per_cell * shape.classes) as u32);
    let bindings = vec![
        frame_words(ORIGINAL, RESIZED),
        bits(&boxes),
        bits(&scores),
        items.collect(),
        shape.lists.iter().map(|&count| count as u32).collect(),
        unwritten(shape.capacity * BLOCKS * 4),
        vec![shape.before.map_or(UNWRITTEN, |count| count as u32)],
    ];
    Case::new(format!("{shape:?}"), params.dispatch(), bindings).with_candidates(BLOCKS)
}

fn cases(random: &mut Random) -> Vec<Case> {
    let deltas = DenseShape {
        size: [20, 17],
        per_cell: 9,
        classes: 91,
        code: DELTAS,
        bins: 0,
        first_box: 0,
        extent: [0.0; 2],
        lists: &[1000],
        capacity: 5000,
        before: None,
    };
    let distances = DenseShape {
        per_cell: 1,
        code: DISTANCES,
        ..deltas
    };
    let distribution = DenseShape {
        per_cell: 1,
        classes: 80,
        code: DISTRIBUTION,
        bins: 8,
        first_box: 80,
        extent: [150.0, 200.0],
        lists: &[300, 0, 17, 1],
        ..deltas
    };
    [
        deltas,
        DenseShape {
            before: Some(37),
            ..deltas
        },
        distances,
        DenseShape {
            lists: &[0],
            before: Some(5),
            ..distances
        },
        distribution,
        DenseShape {
            size: [1, 1],
            lists: &[1],
            ..distribution
        },
        DenseShape {
            capacity: 100,
            before: Some(80),
            ..distribution
        },
    ]
    .map(|shape| case(shape, random))
    .to_vec()
}
