//! What the kernel is compared with its reference over.

use super::{BLOCKS, Params, reference};
use crate::boxes::Edges;
use crate::kernels::blocks;
use crate::kernels::checks::{
    Case, Checks, ORIGINAL, RESIZED, Random, bits, boxes, frame_words, unwritten,
};

pub(super) const CHECKS: Checks = Checks {
    reference: reference::run,
    cases: |_, random| cases(random),
    tolerance: 1e-5,
};

/// What the box head says of some RoIs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RoisShape {
    /// RoIs that are meant.
    pub rois: usize,
    /// RoIs that fit.
    pub slots: usize,
    /// Classes, background included.
    pub classes: usize,
    /// Candidates that fit.
    pub capacity: usize,
    /// A (RoI, class) must score more.
    pub threshold: f32,
    /// Whether all classes of a RoI have the same deltas.
    pub is_agnostic: bool,
    /// Of boxes.
    pub edges: Edges,
    /// The first class that is not the background: 1, or 0 where that is the last, without deltas.
    pub first_class: usize,
}

/// The kernel over random logits, deltas and proposals.
pub fn case(shape: RoisShape, random: &mut Random) -> Case {
    let logit_pitch = 4 * blocks(shape.classes);
    let (delta_pitch, delta_step) = match shape.is_agnostic {
        true => (4, 0),
        false => (4 * (shape.classes - 1 + shape.first_class), 4),
    };
    let params = Params {
        weights: [10.0, 10.0, 5.0, 5.0],
        classes: shape.classes as u32,
        logit_pitch: logit_pitch as u32,
        delta_pitch: delta_pitch as u32,
        capacity: shape.capacity as u32,
        score_threshold: shape.threshold,
        min_side: 1e-2,
        delta_step,
        edges: shape.edges.word(),
        first_class: shape.first_class as u32,
        ..Params::default()
    };
    let rows = (0..shape.slots).map(|_| logits(shape, logit_pitch, random));
    let logits = bits(&rows.flatten().collect::<Vec<f32>>());
    let deltas = (0..shape.slots * delta_pitch).map(|_| random.between(-4.0, 4.0).to_bits());
    let deltas = deltas.collect();
    let boxes = boxes(shape.slots, random);
    let levels = (0..shape.slots).map(|_| 2 + random.below(5) as u32);
    let bindings = vec![
        frame_words(ORIGINAL, RESIZED),
        logits,
        deltas,
        bits(boxes.as_flattened()),
        levels.collect(),
        vec![shape.rois as u32],
        unwritten(shape.capacity * BLOCKS * 4),
        unwritten(1),
    ];
    Case::new(format!("{shape:?}"), params.dispatch(), bindings).with_candidates(BLOCKS)
}

/// Share of the threshold by which a score is off it at least: drivers' exponentials differ in their last bits, by
/// which a nearer one may pass or not.
const CLEAR: f32 = 1e-4;

/// A RoI's logits, whose scores are clear of the threshold.
fn logits(shape: RoisShape, pitch: usize, random: &mut Random) -> Vec<f32> {
    loop {
        let row: Vec<f32> = (0..pitch).map(|_| random.between(-6.0, 6.0)).collect();
        let exponentials = row[..shape.classes].iter().map(|logit| logit.exp());
        let sum: f32 = exponentials.clone().sum();
        let mut scores = exponentials.map(|exponential| exponential / sum);
        let threshold = shape.threshold;
        if scores.all(|score| (score - threshold).abs() >= CLEAR * threshold) {
            return row;
        }
    }
}

fn cases(random: &mut Random) -> Vec<Case> {
    let shape = RoisShape {
        rois: 300,
        slots: 320,
        classes: 91,
        capacity: 6400,
        threshold: 0.05,
        is_agnostic: false,
        edges: Edges::Exclusive,
        first_class: 1,
    };
    [
        shape,
        RoisShape { rois: 0, ..shape },
        RoisShape {
            rois: 10,
            slots: 10,
            classes: 2,
            capacity: 20,
            threshold: 0.0,
            ..shape
        },
        RoisShape {
            classes: 81,
            first_class: 0,
            ..shape
        },
        RoisShape {
            classes: 2,
            first_class: 0,
            threshold: 0.0,
            ..shape
        },
        RoisShape {
            rois: 1,
            slots: 1,
            classes: 5,
            ..shape
        },
        // More than fit.
        RoisShape {
            rois: 300,
            classes: 11,
            capacity: 100,
            threshold: 0.01,
            ..shape
        },
        RoisShape {
            threshold: 0.9999,
            ..shape
        },
        RoisShape {
            classes: 21,
            edges: Edges::Inclusive,
            ..shape
        },
        RoisShape {
            is_agnostic: true,
            edges: Edges::Inclusive,
            ..shape
        },
    ]
    .map(|shape| case(shape, random))
    .to_vec()
}
