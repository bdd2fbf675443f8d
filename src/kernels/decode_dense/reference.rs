//! CPU reference of `shaders/decode_dense.wgsl`.

use std::array::from_fn;

use super::{BLOCKS, DELTAS, DISTANCES, Params};
use crate::boxes::{BBox, clip, decode};
use crate::kernels::checks::{Call, floats, frame, vec4_mut};

/// The listed classes of one level's anchors as candidates, behind those of the levels before, in the
/// order of lists. A candidate is two vec4: its box; its score, label and level.
///
/// - `boxes`: `[cell][anchor][4]`, or `[4][bin]` for 4; `scores` and `items`: `[list][slot]`, an item is
///   `[cell][anchor][class]`; `counts`: a list;
/// - `candidates`: as many as fit; `count`: as many as there are, this level's added to it.
pub(super) fn run(call: Call<'_>) {
    let (params, [picture, boxes, scores, items, counts, candidates, count]) =
        call.split::<Params, 7>();
    let (boxes, scores) = (floats(boxes), floats(scores));
    let candidates = vec4_mut(candidates);
    let extent = match params.extent {
        [0.0, 0.0] => frame(picture).size(),
        extent => extent,
    };
    let mut next = if params.is_first == 1 { 0 } else { count[0] };
    for list in 0..params.lists {
        for slot in 0..counts[list as usize] {
            let slot = (list * params.slots + slot) as usize;
            if next < params.capacity {
                let (bbox, label) = decoded(&params, boxes, items[slot]);
                let out = &mut candidates[next as usize * BLOCKS..][..BLOCKS];
                out[0] = clip(bbox, extent);
                out[1] = [scores[slot], label as f32, params.level as f32, 0.0];
            }
            next += 1;
        }
    }
    count[0] = next;
}

/// The box and the label of an item.
fn decoded(params: &Params, boxes: &[f32], item: u32) -> (BBox, u32) {
    let (anchor, class) = (item / params.classes, item % params.classes);
    let (cell, a) = (anchor / params.per_cell, anchor % params.per_cell);
    let [_, width] = params.size;
    let [down, across] = params.stride;
    let (dx, dy) = ((cell % width * across) as f32, (cell / width * down) as f32);
    let [x1, y1, x2, y2] = params.anchors[a as usize];
    let anchor = [x1 + dx, y1 + dy, x2 + dx, y2 + dy];
    let first = (cell * params.box_pitch + params.first_box) as usize;
    let values = |k: usize| boxes[first + 4 * a as usize + k];
    let bbox = match params.code {
        DELTAS => decode(anchor, from_fn(values), [1.0; 4]),
        code => {
            let bins = params.bins as usize;
            let distances: [f32; 4] = from_fn(|k| match code {
                DISTANCES => values(k),
                _ => expectation(&boxes[first + (4 * a as usize + k) * bins..][..bins]),
            });
            let [left, top, right, bottom] = distances;
            let [w, h] = [anchor[2] - anchor[0], anchor[3] - anchor[1]];
            let [x, y] = [0.5 * (anchor[0] + anchor[2]), 0.5 * (anchor[1] + anchor[3])];
            [x - left * w, y - top * h, x + right * w, y + bottom * h]
        }
    };
    (bbox, class + params.first_label)
}

/// What is expected of bins 0, 1, … with these logits.
fn expectation(logits: &[f32]) -> f32 {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let (mut sum, mut weighted) = (0.0, 0.0);
    for (bin, logit) in logits.iter().enumerate() {
        let exponential = (logit - most).exp();
        sum += exponential;
        weighted += bin as f32 * exponential;
    }
    weighted / sum
}
