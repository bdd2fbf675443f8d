//! Twin of `shaders/select_detections.wgsl`.

use std::array::from_fn;

use super::{Frame, Vec4, float, words};
use crate::ops::boxes::iou;

/// Greedy class-wise non-maximum suppression over the candidates in order, until enough are kept; the
/// kept ones in pixels of the original picture.
///
/// - `candidates`, `count`, `order`: see [`rank_candidates`](super::rank_candidates);
/// - `alive`: scratch, by place in the order;
/// - `results`: see [`Results`](crate::plan::Results).
///
/// # Panics
/// If a buffer is too small.
pub fn select_detections(
    params: &[u32],
    frame: Frame,
    candidates: &[Vec4],
    count: &[u32],
    order: &[u32],
    alive: &mut [u32],
    results: &mut [u32],
) {
    let [capacity, quads, limit, threshold] = words(params);
    let label_of = |candidate: usize| candidates[candidate * quads + quads - 1][1];
    let total = (count[0] as usize).min(capacity);
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
        let bbox = candidates[best * quads];
        let label = label_of(best);
        for other in place + 1..total {
            if alive[other] == 1 {
                let candidate = order[other] as usize;
                if label_of(candidate) == label
                    && iou(bbox, candidates[candidate * quads]) > float(threshold)
                {
                    alive[other] = 0;
                }
            }
        }
        for lane in 0..quads {
            let quad = candidates[best * quads + lane];
            let is_tags = lane == quads - 1;
            let value: Vec4 = match is_tags {
                true => quad,
                false => from_fn(|c| quad[c] * scale[c]),
            };
            let out = &mut results[4 * (1 + kept * quads + lane)..][..4];
            out.copy_from_slice(&value.map(f32::to_bits));
        }
        kept += 1;
        place += 1;
    }
    results[0] = kept as u32;
    results[2] = count[0];
    results[3] = capacity as u32;
}
