//! Twin of `shaders/decode_proposals.wgsl`.

use std::array::from_fn;

use super::{Frame, Vec4, float, key, words};
use crate::ops::boxes::{clip, decode, is_at_least};

const ANCHORS: usize = 3;

/// The chosen anchors of one level, decoded, clipped and put in order: best logit first, ties to the
/// earlier anchor. A slot of key 0 is empty.
///
/// - `logits`: `[cell][anchor]`; `deltas`: `[cell][anchor][4]`;
/// - `chosen`: the anchors' number, then the anchors; `boxes`, `keys`: by slot.
///
/// # Panics
/// If a buffer is too small.
pub fn decode_proposals(
    params: &[u32],
    frame: Frame,
    logits: &[f32],
    deltas: &[f32],
    chosen: &[u32],
    boxes: &mut [Vec4],
    keys: &mut [u32],
) {
    let (anchors, rest) = params.split_at(4 * ANCHORS);
    let anchors: &[Vec4] = bytemuck::cast_slice(anchors);
    let [
        _height,
        width,
        stride_down,
        stride_across,
        logit_pitch,
        delta_pitch,
        limit,
        first_slot,
        min_side,
        _,
        _,
        _,
    ] = words(rest);
    let key_of = |anchor: usize| key(logits[anchor / ANCHORS * logit_pitch + anchor % ANCHORS]);
    for index in 0..limit {
        let count = chosen[0] as usize;
        if index >= count {
            keys[first_slot + index] = 0;
            continue;
        }
        let anchor = chosen[1 + index] as usize;
        let own = key_of(anchor);
        let mut rank = 0;
        for other in 0..count {
            let candidate = chosen[1 + other] as usize;
            let k = key_of(candidate);
            rank += usize::from(k > own || (k == own && candidate < anchor));
        }

        let a = anchor % ANCHORS;
        let cell = anchor / ANCHORS;
        let (dx, dy) = (
            (cell % width * stride_across) as f32,
            (cell / width * stride_down) as f32,
        );
        let [x1, y1, x2, y2] = anchors[a];
        let start = cell * delta_pitch + 4 * a;
        let delta = from_fn(|k| deltas[start + k]);
        let decoded = decode([x1 + dx, y1 + dy, x2 + dx, y2 + dy], delta, [1.0; 4]);
        let bbox = clip(decoded, frame.size());
        boxes[first_slot + rank] = bbox;
        let is_kept = is_at_least(bbox, float(min_side));
        keys[first_slot + rank] = if is_kept { own } else { 0 };
    }
}
