//! CPU reference of `shaders/select_detections.wgsl`.

use std::array::from_fn;

use super::Params;
use crate::boxes::iou;
use crate::kernels::FrameUniform;
use crate::kernels::checks::{Call, Vec4, frame, vec4};
use crate::kernels::kernel::sizes;

/// Greedy class-wise non-maximum suppression over the candidates in order, until enough are kept; the
/// kept ones in pixels of the original picture.
///
/// - `candidates`, `count`, `order`: see [`rank_candidates`](crate::kernels::rank_candidates);
/// - `alive`: scratch, by place in the order;
/// - `results`: their number, a flag that is set elsewhere, how many candidates there were and how
///   many fit; then a candidate each.
pub(super) fn run(call: Call<'_>) {
    let (params, [picture, candidates, count, order, alive, results]) = call.split::<Params, 6>();
    let (frame, candidates) = (frame(picture), vec4(candidates));
    select_detections(&params, &frame, candidates, count, order, alive, results);
}

#[allow(clippy::needless_range_loop)] // an index stands for an invocation
fn select_detections(
    params: &Params,
    frame: &FrameUniform,
    candidates: &[Vec4],
    count: &[u32],
    order: &[u32],
    alive: &mut [u32],
    results: &mut [u32],
) {
    let [blocks, limit] = sizes([params.blocks, params.limit]);
    let label_of = |candidate: usize| candidates[candidate * blocks + blocks - 1][1];
    let total = count[0].min(params.capacity) as usize;
    alive[..total].fill(1);
    let [down, across] = frame.ratio;
    let scale = [across, down, across, down];
    let mut kept = 0;
    let mut place = 0;
    loop {
        while place < total && alive[place] == 0 {
            place += 1;
        }
        if place >= total || kept >= limit {
            break;
        }
        let best = order[place] as usize;
        let bbox = candidates[best * blocks];
        let label = label_of(best);
        for other in place + 1..total {
            if alive[other] == 1 {
                let candidate = order[other] as usize;
                if label_of(candidate) == label
                    && iou(bbox, candidates[candidate * blocks]) > params.threshold
                {
                    alive[other] = 0;
                }
            }
        }
        for invocation in 0..blocks {
            let block = candidates[best * blocks + invocation];
            let is_tags = invocation == blocks - 1;
            let value: Vec4 = match is_tags {
                true => block,
                false => from_fn(|c| block[c] * scale[c]),
            };
            let out = &mut results[4 * (1 + kept * blocks + invocation)..][..4];
            out.copy_from_slice(&value.map(f32::to_bits));
        }
        kept += 1;
        place += 1;
    }
    results[0] = kept as u32;
    results[2] = count[0];
    results[3] = params.capacity;
}
