//! Twin of `shaders/decode_anchors.wgsl`.

use std::array::from_fn;

use super::{Vec4, float, words};

const ANCHORS: usize = 2;
const QUADS: usize = 5;

/// The anchors of one level of a one-stage detector that score enough, decoded, behind those of the
/// levels before, in the order of cell and anchor. A candidate is five vec4: its box; ten values of
/// landmarks and two unused; its score, label and level.
///
/// - `classes`: `[cell][anchor][2]`; `boxes`: `[cell][anchor][4]`;
///   `landmarks`: `[cell][anchor][10]`;
/// - `candidates`: as many as fit; `count`: as many as there are, this level's added to it.
///
/// # Panics
/// If a buffer is too small.
pub fn decode_anchors(
    params: &[u32],
    classes: &[f32],
    boxes: &[f32],
    landmarks: &[f32],
    candidates: &mut [Vec4],
    count: &mut [u32],
) {
    let (priors, rest) = params.split_at(4 * ANCHORS);
    let priors: &[Vec4] = bytemuck::cast_slice(priors);
    let [
        height,
        width,
        stride,
        level,
        class_pitch,
        box_pitch,
        landmark_pitch,
        is_first,
        score_threshold,
        by_offset,
        by_size,
        capacity,
    ] = words(rest);
    let (by_offset, by_size) = (float(by_offset), float(by_size));

    let score_of = |anchor: usize| {
        let start = anchor / ANCHORS * class_pitch + anchor % ANCHORS * 2;
        let logits = [classes[start], classes[start + 1]];
        let exponentials = logits.map(|logit| (logit - logits[0].max(logits[1])).exp());
        exponentials[1] / (exponentials[0] + exponentials[1])
    };
    let mut store = |anchor: usize, score: f32, place: usize| {
        let cell = anchor / ANCHORS;
        let a = anchor % ANCHORS;
        let [x, y, w, h] = priors[a];
        let size = [w, h];
        let centre = [
            x + (cell % width * stride) as f32,
            y + (cell / width * stride) as f32,
        ];
        let out = &mut candidates[place * QUADS..][..QUADS];

        let from_box = cell * box_pitch + 4 * a;
        let offset = [boxes[from_box], boxes[from_box + 1]];
        let growth = [boxes[from_box + 2], boxes[from_box + 3]];
        let own_centre: [f32; 2] = from_fn(|k| centre[k] + offset[k] * by_offset * size[k]);
        let own_size: [f32; 2] = from_fn(|k| size[k] * (growth[k] * by_size).exp());
        let low: [f32; 2] = from_fn(|k| own_centre[k] - own_size[k] / 2.0);
        out[0] = [low[0], low[1], low[0] + own_size[0], low[1] + own_size[1]];

        let from_landmark = cell * landmark_pitch + 10 * a;
        let mut points = [[0.0; 2]; 6];
        for (point, place) in points.iter_mut().take(5).enumerate() {
            let start = from_landmark + 2 * point;
            *place = from_fn(|k| centre[k] + landmarks[start + k] * by_offset * size[k]);
        }
        for pair in 0..3 {
            let [[x1, y1], [x2, y2]] = [points[2 * pair], points[2 * pair + 1]];
            out[1 + pair] = [x1, y1, x2, y2];
        }
        out[4] = [score, 1.0, level as f32, 0.0];
    };

    let anchors = height * width * ANCHORS;
    let mut next = if is_first == 1 { 0 } else { count[0] as usize };
    for anchor in 0..anchors {
        let score = score_of(anchor);
        if score > float(score_threshold) {
            if next < capacity {
                store(anchor, score, next);
            }
            next += 1;
        }
    }
    count[0] = next as u32;
}
