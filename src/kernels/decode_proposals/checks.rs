//! What the kernel is compared with its reference over.

use super::{Params, reference};
use crate::boxes::Edges;
use crate::kernels::checks::{
    Case, Checks, ORIGINAL, RESIZED, Random, UNWRITTEN, frame_words, unwritten,
};
use crate::kernels::{anchors, blocks, words};

pub(super) const CHECKS: Checks = Checks {
    reference: reference::run,
    cases: |_, random| cases(random),
    tolerance: 1e-5,
};

/// Proposals of one level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProposalsShape {
    /// Height and width of the map.
    pub size: [usize; 2],
    /// Anchors of a cell, at most [`MAX_ANCHORS`](crate::kernels::MAX_ANCHORS).
    pub per_cell: usize,
    /// Anchors that were chosen, at most as many as there are.
    pub chosen: usize,
    /// Slots of the level, at least as many.
    pub limit: usize,
    /// First slot.
    pub first_slot: usize,
    /// Of boxes.
    pub edges: Edges,
}

/// The kernel over random logits and deltas, any anchors of which were chosen.
pub fn case(shape: ProposalsShape, random: &mut Random) -> Case {
    let cells = shape.size[0] * shape.size[1];
    let pitch = 4 * blocks(shape.per_cell);
    let sides = (0..shape.per_cell).map(|a| [20.0 + 3.0 * a as f32, 45.0 - 2.0 * a as f32]);
    let cell: Vec<_> = sides.map(|[w, h]| [-w, -h, w, h]).collect();
    let params = Params {
        anchors: anchors::of_cell(&cell),
        size: words(shape.size),
        stride: [8, 9],
        logit_pitch: pitch as u32,
        delta_pitch: 4 * shape.per_cell as u32,
        limit: shape.limit as u32,
        first_slot: shape.first_slot as u32,
        min_side: 1e-3,
        min_logit: -15.0,
        edges: shape.edges.word(),
        ..Params::default()
    };
    let places = (0..cells).flat_map(|cell| (0..shape.per_cell).map(move |a| cell * pitch + a));
    let mut places: Vec<u32> = places.map(|place| place as u32).collect();
    let chosen = shape.chosen.min(places.len());
    for index in 0..chosen {
        let other = index + random.below(places.len() - index);
        places.swap(index, other);
    }
    let mut list = vec![chosen as u32];
    list.extend(&places[..chosen]);
    list.resize(1 + shape.limit, UNWRITTEN);
    // Few different logits, so that there are ties.
    let logits = (0..cells * pitch).map(|_| (random.below(40) as f32 - 20.0).to_bits());
    let slots = shape.first_slot + shape.limit;
    let bindings = vec![
        frame_words(ORIGINAL, RESIZED),
        logits.collect(),
        random.floats(cells * 4 * shape.per_cell),
        list,
        unwritten(slots * 4),
        unwritten(slots),
    ];
    Case::new(format!("{shape:?}"), params.dispatch(), bindings)
}

fn cases(random: &mut Random) -> Vec<Case> {
    let shapes = [
        ([19, 23], 3, 900, 1000, 0),
        ([19, 23], 3, 1000, 1000, 1000),
        ([1, 1], 3, 3, 50, 7),
        ([4, 5], 3, 0, 100, 0),
        ([40, 7], 1, 200, 280, 0),
        ([12, 18], 15, 2000, 2000, 0),
        ([5, 6], 16, 480, 500, 20),
    ];
    let mut cases = Vec::new();
    for edges in [Edges::Exclusive, Edges::Inclusive] {
        cases.extend(shapes.map(|(size, per_cell, chosen, limit, first_slot)| {
            let shape = ProposalsShape {
                size,
                per_cell,
                chosen,
                limit,
                first_slot,
                edges,
            };
            case(shape, random)
        }));
    }
    cases
}
