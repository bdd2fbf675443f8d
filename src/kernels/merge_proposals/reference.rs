//! CPU reference of `shaders/merge_proposals.wgsl`.

use super::Params;
use crate::kernels::checks::{Call, Vec4, vec4, vec4_mut};

/// The best proposals of all levels, in order: best logit first, ties to the finer level and the
/// earlier slot.
///
/// - `boxes`, `keys`: by slot, key 0 for empty ones;
/// - `proposals`, the numbers of their `levels`, `count`: what is kept.
pub(super) fn run(call: Call<'_>) {
    let (params, [boxes, keys, proposals, levels, count]) = call.split::<Params, 5>();
    let (boxes, proposals) = (vec4(boxes), vec4_mut(proposals));
    merge_proposals(&params, boxes, keys, proposals, levels, count);
}

fn merge_proposals(
    params: &Params,
    boxes: &[Vec4],
    keys: &[u32],
    proposals: &mut [Vec4],
    levels: &mut [u32],
    count: &mut [u32],
) {
    for slot in 0..params.slots {
        let own = keys[slot as usize];
        let mut rank = 0;
        let mut total = 0;
        for other in 0..params.slots {
            let k = keys[other as usize];
            total += u32::from(k != 0);
            rank += u32::from(k > own || (k == own && other < slot));
        }
        let kept = total.min(params.limit);
        if slot == 0 {
            count[0] = kept;
        }
        if own != 0 && rank < params.limit {
            proposals[rank as usize] = boxes[slot as usize];
            levels[rank as usize] = params.first_level + slot / params.slots_a_level;
        }
        // What is not meant is at least finite.
        if slot >= kept && slot < params.limit {
            proposals[slot as usize] = [0.0; 4];
            levels[slot as usize] = params.first_level;
        }
    }
}
