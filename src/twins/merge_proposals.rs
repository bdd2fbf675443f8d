//! Twin of `shaders/merge_proposals.wgsl`.

use super::{Vec4, words};

/// The best proposals of all levels, in order: best logit first, ties to the finer level and the
/// earlier slot.
///
/// - `boxes`, `keys`: by slot, key 0 for empty ones;
/// - `proposals`, `levels` (2 for P2), `count`: what is kept.
///
/// # Panics
/// If a buffer is too small.
pub fn merge_proposals(
    params: &[u32],
    boxes: &[Vec4],
    keys: &[u32],
    proposals: &mut [Vec4],
    levels: &mut [u32],
    count: &mut [u32],
) {
    let [slots, slots_a_level, limit, _] = words(params);
    for slot in 0..slots {
        let own = keys[slot];
        let mut rank = 0;
        let mut total = 0;
        for other in 0..slots {
            let k = keys[other];
            total += usize::from(k != 0);
            rank += usize::from(k > own || (k == own && other < slot));
        }
        let kept = total.min(limit);
        if slot == 0 {
            count[0] = kept as u32;
        }
        if own != 0 && rank < limit {
            proposals[rank] = boxes[slot];
            levels[rank] = (slot / slots_a_level + 2) as u32;
        }
        // What is not meant is at least finite.
        if slot >= kept && slot < limit {
            proposals[slot] = [0.0; 4];
            levels[slot] = 2;
        }
    }
}
