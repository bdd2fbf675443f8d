//! What the kernel is compared with its reference over.

use super::{Params, reference};
use crate::kernels::checks::{
    Case, Checks, ORIGINAL, RESIZED, Random, UNWRITTEN, frame_words, unwritten,
};
use crate::kernels::words;

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
    /// Anchors that were chosen, at most three a cell.
    pub chosen: usize,
    /// Slots of the level, at least as many.
    pub limit: usize,
    /// First slot.
    pub first_slot: usize,
}

/// The kernel over random logits and deltas, any anchors of which were chosen.
pub fn case(shape: ProposalsShape, random: &mut Random) -> Case {
    let cells = shape.size[0] * shape.size[1];
    let params = Params {
        anchors: [
            [-45.0, -23.0, 45.0, 23.0],
            [-32.0, -32.0, 32.0, 32.0],
            [-23.0, -45.0, 23.0, 45.0],
        ],
        size: words(shape.size),
        stride: [8, 9],
        logit_pitch: 4,
        delta_pitch: 12,
        limit: shape.limit as u32,
        first_slot: shape.first_slot as u32,
        min_side: 1e-3,
        ..Params::default()
    };
    let mut anchors: Vec<u32> = (0..3 * cells as u32).collect();
    let chosen = shape.chosen.min(anchors.len());
    for index in 0..chosen {
        let other = index + random.below(anchors.len() - index);
        anchors.swap(index, other);
    }
    let mut list = vec![chosen as u32];
    list.extend(&anchors[..chosen]);
    list.resize(1 + shape.limit, UNWRITTEN);
    // Few different logits, so that there are ties.
    let logits = (0..cells * 4).map(|_| (random.below(40) as f32 - 20.0).to_bits());
    let slots = shape.first_slot + shape.limit;
    let bindings = vec![
        frame_words(ORIGINAL, RESIZED),
        logits.collect(),
        random.floats(cells * 12),
        list,
        unwritten(slots * 4),
        unwritten(slots),
    ];
    Case::new(format!("{shape:?}"), params.dispatch(), bindings)
}

fn cases(random: &mut Random) -> Vec<Case> {
    [
        ([19, 23], 900, 1000, 0),
        ([19, 23], 1000, 1000, 1000),
        ([1, 1], 3, 50, 7),
        ([4, 5], 0, 100, 0),
    ]
    .map(|(size, chosen, limit, first_slot)| {
        let shape = ProposalsShape {
            size,
            chosen,
            limit,
            first_slot,
        };
        case(shape, random)
    })
    .to_vec()
}
