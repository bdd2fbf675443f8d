//! CPU reference of `shaders/decode_proposals.wgsl`.

use std::array::from_fn;

use super::Params;
use crate::boxes::{Edges, is_at_least};
use crate::kernels::FrameUniform;
use crate::kernels::checks::{Call, Vec4, floats, frame, vec4_mut};
use crate::kernels::order::key;

/// The chosen anchors of one level, decoded, clipped and put in order: best logit first, ties to the
/// earlier anchor. A slot of key 0 is empty.
///
/// - `logits`: `[cell][anchor]`; `deltas`: `[cell][anchor][4]`;
/// - `chosen`: their number, then their places in `logits`; `boxes`, `keys`: by slot.
pub(super) fn run(call: Call<'_>) {
    let (params, [picture, logits, deltas, chosen, boxes, keys]) = call.split::<Params, 6>();
    decode_proposals(
        &params,
        &frame(picture),
        floats(logits),
        floats(deltas),
        chosen,
        vec4_mut(boxes),
        keys,
    );
}

fn decode_proposals(
    params: &Params,
    frame: &FrameUniform,
    logits: &[f32],
    deltas: &[f32],
    chosen: &[u32],
    boxes: &mut [Vec4],
    keys: &mut [u32],
) {
    let key_of = |place: u32| key(logits[place as usize]);
    let [_, width] = params.size;
    let [stride_down, stride_across] = params.stride;
    for index in 0..params.limit {
        let count = chosen[0];
        if index >= count {
            keys[(params.first_slot + index) as usize] = 0;
            continue;
        }
        let place = chosen[1 + index as usize];
        let own = key_of(place);
        let mut rank = 0;
        for other in 0..count {
            let candidate = chosen[1 + other as usize];
            let k = key_of(candidate);
            rank += u32::from(k > own || (k == own && candidate < place));
        }

        let a = place % params.logit_pitch;
        let cell = place / params.logit_pitch;
        let (dx, dy) = (
            (cell % width * stride_across) as f32,
            (cell / width * stride_down) as f32,
        );
        let [x1, y1, x2, y2] = params.anchors[a as usize];
        let start = (cell * params.delta_pitch + 4 * a) as usize;
        let delta = from_fn(|k| deltas[start + k]);
        let edges = Edges::of_word(params.edges);
        let decoded = edges.decode([x1 + dx, y1 + dy, x2 + dx, y2 + dy], delta, [1.0; 4]);
        let bbox = edges.clip(decoded, frame.size());
        let slot = (params.first_slot + rank) as usize;
        boxes[slot] = bbox;
        let is_likely = logits[place as usize] >= params.min_logit;
        keys[slot] = match is_likely && is_at_least(bbox, params.min_side) {
            true => own,
            false => 0,
        };
    }
}
