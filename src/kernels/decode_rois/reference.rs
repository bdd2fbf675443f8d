//! CPU reference of `shaders/decode_rois.wgsl`.

use std::array::from_fn;

use super::Params;
use crate::boxes::{Edges, is_at_least};
use crate::kernels::FrameUniform;
use crate::kernels::checks::{Call, Vec4, floats, frame, vec4, vec4_mut};

/// Every (RoI, class) pair but the background's that scores enough, decoded and clipped, in the order
/// of RoI and class. A candidate is two vec4: its box; its score, label and level.
///
/// - `logits`: `[roi][class]`; `deltas`: `[roi][class][4]`, or `[roi][4]`; `proposals`, `levels`: `[roi]`;
/// - `candidates`: as many as fit; `count`: as many as there are.
pub(super) fn run(call: Call<'_>) {
    let (params, buffers) = call.split::<Params, 8>();
    let [picture, logits, deltas, proposals, levels, rest @ ..] = buffers;
    let [proposal_count, candidates, count] = rest;
    decode_rois(
        &params,
        &frame(picture),
        floats(logits),
        floats(deltas),
        vec4(proposals),
        levels,
        proposal_count,
        vec4_mut(candidates),
        count,
    );
}

#[allow(clippy::too_many_arguments)] // the kernel's bindings
fn decode_rois(
    params: &Params,
    frame: &FrameUniform,
    logits: &[f32],
    deltas: &[f32],
    proposals: &[Vec4],
    levels: &[u32],
    proposal_count: &[u32],
    candidates: &mut [Vec4],
    count: &mut [u32],
) {
    let logit = |roi: u32, label: u32| logits[(roi * params.logit_pitch + label) as usize];
    // Highest logit of a RoI, and the sum of the exponentials.
    let normalizer = |roi: u32| {
        let mut highest = logit(roi, 0);
        for label in 1..params.classes {
            highest = highest.max(logit(roi, label));
        }
        let mut sum = 0.0;
        for label in 0..params.classes {
            sum += (logit(roi, label) - highest).exp();
        }
        [highest, sum]
    };
    let score_of =
        |roi: u32, class: u32, [highest, sum]: [f32; 2]| (logit(roi, class) - highest).exp() / sum;
    let box_of = |roi: u32, class: u32| {
        let start = (roi * params.delta_pitch + params.delta_step * class) as usize;
        let delta = from_fn(|k| deltas[start + k]);
        let edges = Edges::of_word(params.edges);
        let bbox = edges.decode(proposals[roi as usize], delta, params.weights);
        edges.clip(bbox, frame.size())
    };

    let mut next = 0;
    for roi in 0..proposal_count[0] {
        let normal = normalizer(roi);
        let end = params.first_class + params.classes - 1;
        for class in params.first_class..end {
            let label = class + 1 - params.first_class;
            let score = score_of(roi, class, normal);
            let bbox = box_of(roi, class);
            if score > params.score_threshold && is_at_least(bbox, params.min_side) {
                if next < params.capacity {
                    let level = levels[roi as usize];
                    candidates[2 * next as usize] = bbox;
                    candidates[2 * next as usize + 1] = [score, label as f32, level as f32, 0.0];
                }
                next += 1;
            }
        }
    }
    count[0] = next;
}
