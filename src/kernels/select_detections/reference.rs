//! CPU reference of `shaders/select_detections.wgsl`.

use std::array::from_fn;

use super::{Params, WITHOUT_ROIS};
use crate::boxes::Edges;
use crate::kernels::FrameUniform;
use crate::kernels::checks::{Call, Vec4, frame, vec4, vec4_mut};
use crate::kernels::kernel::sizes;

/// Greedy class-wise non-maximum suppression over the candidates, until enough are kept; the kept ones
/// in pixels of the original picture. It has no batches: each round keeps the best candidate left (ties:
/// the earlier one) and looks at the others once.
///
/// - `candidates`: as many vec4 each as the parameters say; `count`: how many there are;
/// - `results`: their number, a flag that is set elsewhere, how many candidates there were and how
///   many fit; then a candidate each; `rois`, `labels` and `roi_count`: what is kept in pixels of the resized
///   picture.
pub(super) fn run(call: Call<'_>) {
    if call.bindings.len() == WITHOUT_ROIS {
        let (params, [picture, candidates, count, _, _, results]) = call.split::<Params, 6>();
        let (frame, candidates) = (frame(picture), vec4(candidates));
        select_detections(&params, &frame, candidates, count, results);
        return;
    }
    let (
        params,
        [
            picture,
            candidates,
            count,
            _,
            _,
            results,
            rois,
            labels,
            roi_count,
        ],
    ) = call.split::<Params, 9>();
    let (frame, candidates) = (frame(picture), vec4(candidates));
    let kept = select_detections(&params, &frame, candidates, count, results);
    let blocks = params.blocks as usize;
    for (place, &candidate) in kept.iter().enumerate() {
        let row = &candidates[candidate * blocks..][..blocks];
        vec4_mut(rois)[place] = row[0];
        labels[place] = row[blocks - 1][1] as u32;
    }
    roi_count[0] = kept.len() as u32;
}

/// Those that are kept, best first.
#[allow(clippy::needless_range_loop)] // an index stands for an invocation
fn select_detections(
    params: &Params,
    frame: &FrameUniform,
    candidates: &[Vec4],
    count: &[u32],
    results: &mut [u32],
) -> Vec<usize> {
    let [blocks, limit] = sizes([params.blocks, params.limit]);
    let tags_of = |candidate: usize| candidates[candidate * blocks + blocks - 1];
    let total = count[0].min(params.capacity) as usize;
    let mut alive = vec![true; total];
    let [down, across] = frame.ratio;
    let scale = [across, down, across, down];
    let shift = [1, 0, 1, 0].map(|axis| frame.shift[axis]);
    let edges = Edges::of_word(params.edges);
    // In the pixels in which boxes overlap.
    let box_of = |candidate: usize| -> Vec4 {
        let bbox = candidates[candidate * blocks];
        match params.is_restored == 1 {
            true => from_fn(|c| bbox[c] * scale[c]),
            false => bbox,
        }
    };
    let mut kept = Vec::new();
    let mut bbox = [0.0; 4];
    let mut label = 0.0;
    loop {
        let mut best = None;
        let mut best_score = 0.0;
        for candidate in 0..total {
            if !alive[candidate] {
                continue;
            }
            let [score, own_label, _, _] = tags_of(candidate);
            if own_label == label && edges.iou(bbox, box_of(candidate)) > params.threshold {
                alive[candidate] = false;
            } else if best.is_none() || score > best_score {
                best = Some(candidate);
                best_score = score;
            }
        }
        let Some(best) = best.filter(|_| kept.len() < limit) else {
            break;
        };
        alive[best] = false;
        bbox = box_of(best);
        label = tags_of(best)[1];
        for invocation in 0..blocks {
            let block = candidates[best * blocks + invocation];
            let is_tags = invocation == blocks - 1;
            let value: Vec4 = match is_tags {
                true => block,
                false => from_fn(|c| block[c] * scale[c] + shift[c]),
            };
            let out = &mut results[4 * (1 + kept.len() * blocks + invocation)..][..4];
            out.copy_from_slice(&value.map(f32::to_bits));
        }
        kept.push(best);
    }
    results[0] = kept.len() as u32;
    results[2] = count[0];
    results[3] = params.capacity;
    kept
}
