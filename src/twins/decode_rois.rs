//! Twin of `shaders/decode_rois.wgsl`.

use std::array::from_fn;

use super::{Frame, Vec4, float, words};
use crate::ops::boxes::{clip, decode, is_at_least};

/// Every (RoI, class) pair but the background's that scores enough, decoded and clipped, in the order
/// of RoI and class. A candidate is two vec4: its box; its score, label and level.
///
/// - `logits`: `[roi][class]`; `deltas`: `[roi][class][4]`; `proposals`, `levels`: `[roi]`;
/// - `candidates`: as many as fit; `count`: as many as there are.
///
/// # Panics
/// If a buffer is too small.
#[allow(clippy::too_many_arguments)] // the kernel's bindings
pub fn decode_rois(
    params: &[u32],
    frame: Frame,
    logits: &[f32],
    deltas: &[f32],
    proposals: &[Vec4],
    levels: &[u32],
    proposal_count: &[u32],
    candidates: &mut [Vec4],
    count: &mut [u32],
) {
    let [
        wx,
        wy,
        ww,
        wh,
        classes,
        logit_pitch,
        delta_pitch,
        capacity,
        score_threshold,
        min_side,
        _,
        _,
    ] = words(params);
    let weights = [wx, wy, ww, wh].map(float);

    // Highest logit of a RoI, and the sum of the exponentials.
    let normalizer = |roi: usize| {
        let start = roi * logit_pitch;
        let mut highest = logits[start];
        for label in 1..classes {
            highest = highest.max(logits[start + label]);
        }
        let mut sum = 0.0;
        for label in 0..classes {
            sum += (logits[start + label] - highest).exp();
        }
        [highest, sum]
    };
    let score_of = |roi: usize, label: usize, [highest, sum]: [f32; 2]| {
        (logits[roi * logit_pitch + label] - highest).exp() / sum
    };
    let box_of = |roi: usize, label: usize| {
        let start = roi * delta_pitch + 4 * label;
        let delta = from_fn(|k| deltas[start + k]);
        clip(decode(proposals[roi], delta, weights), frame.size())
    };

    let mut next = 0;
    for roi in 0..proposal_count[0] as usize {
        let normal = normalizer(roi);
        for label in 1..classes {
            let score = score_of(roi, label, normal);
            let bbox = box_of(roi, label);
            if score > float(score_threshold) && is_at_least(bbox, float(min_side)) {
                if next < capacity {
                    candidates[2 * next] = bbox;
                    candidates[2 * next + 1] = [score, label as f32, levels[roi] as f32, 0.0];
                }
                next += 1;
            }
        }
    }
    count[0] = next as u32;
}
