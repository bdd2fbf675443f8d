//! CPU reference of `shaders/decode_anchors.wgsl`.

use std::array::from_fn;

use super::{BLOCKS, Params};
use crate::kernels::checks::{Call, Vec4, floats, vec4_mut};

/// The anchors of one level of a one-stage detector that score enough, decoded, behind those of the
/// levels before, in the order of cell and anchor. A candidate is five vec4: its box; ten values of
/// landmarks and two unused; its score, label and level.
///
/// - `classes`: `[cell][anchor][2]`; `boxes`: `[cell][anchor][4]`;
///   `landmarks`: `[cell][anchor][10]`;
/// - `candidates`: as many as fit; `count`: as many as there are, this level's added to it.
pub(super) fn run(call: Call<'_>) {
    let (params, [classes, boxes, landmarks, candidates, count]) = call.split::<Params, 5>();
    let (classes, boxes, landmarks) = (floats(classes), floats(boxes), floats(landmarks));
    let candidates = vec4_mut(candidates);
    decode_anchors(&params, classes, boxes, landmarks, candidates, count);
}

fn decode_anchors(
    params: &Params,
    classes: &[f32],
    boxes: &[f32],
    landmarks: &[f32],
    candidates: &mut [Vec4],
    count: &mut [u32],
) {
    let [height, width] = params.size;
    let [stride_down, stride_across] = params.stride;
    let score_of = |anchor: u32| {
        let start =
            (anchor / params.per_cell * params.class_pitch + anchor % params.per_cell * 2) as usize;
        let logits = [classes[start], classes[start + 1]];
        let exponentials = logits.map(|logit| (logit - logits[0].max(logits[1])).exp());
        exponentials[1] / (exponentials[0] + exponentials[1])
    };
    let mut store = |anchor: u32, score: f32, place: u32| {
        let cell = anchor / params.per_cell;
        let a = anchor % params.per_cell;
        let [x, y, w, h] = params.anchors[a as usize];
        let size = [w, h];
        let centre = [
            x + (cell % width * stride_across) as f32,
            y + (cell / width * stride_down) as f32,
        ];
        let out = &mut candidates[place as usize * BLOCKS..][..BLOCKS];

        let from_box = (cell * params.box_pitch + 4 * a) as usize;
        let offset = [boxes[from_box], boxes[from_box + 1]];
        let growth = [boxes[from_box + 2], boxes[from_box + 3]];
        let own_centre: [f32; 2] = from_fn(|k| centre[k] + offset[k] * params.by_offset * size[k]);
        let own_size: [f32; 2] = from_fn(|k| size[k] * (growth[k] * params.by_size).exp());
        let low: [f32; 2] = from_fn(|k| own_centre[k] - own_size[k] / 2.0);
        out[0] = [low[0], low[1], low[0] + own_size[0], low[1] + own_size[1]];

        let from_landmark = (cell * params.landmark_pitch + 10 * a) as usize;
        let mut points = [[0.0; 2]; 6];
        for (point, place) in points.iter_mut().take(5).enumerate() {
            let start = from_landmark + 2 * point;
            *place = from_fn(|k| centre[k] + landmarks[start + k] * params.by_offset * size[k]);
        }
        for pair in 0..3 {
            let [[x1, y1], [x2, y2]] = [points[2 * pair], points[2 * pair + 1]];
            out[1 + pair] = [x1, y1, x2, y2];
        }
        out[4] = [score, 1.0, params.level as f32, 0.0];
    };

    let mut next = if params.is_first == 1 { 0 } else { count[0] };
    for anchor in 0..height * width * params.per_cell {
        let score = score_of(anchor);
        if score > params.score_threshold {
            if next < params.capacity {
                store(anchor, score, next);
            }
            next += 1;
        }
    }
    count[0] = next;
}
