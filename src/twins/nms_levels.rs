//! Twin of `shaders/nms_levels.wgsl`.

use super::{Vec4, float, words};
use crate::ops::boxes::iou;

/// Greedy non-maximum suppression within each level, of which there are as many as workgroups. The
/// key of a slot that falls becomes 0.
///
/// - `boxes`, `keys`: by slot, best first within a level.
///
/// # Panics
/// If a buffer is too small.
pub fn nms_levels(params: &[u32], groups: [u32; 3], boxes: &[Vec4], keys: &mut [u32]) {
    let [limit, threshold, _, _] = words(params);
    for group in 0..groups[0] as usize {
        let first = group * limit;
        let mut alive: Vec<bool> = keys[first..][..limit].iter().map(|&key| key != 0).collect();
        for slot in 0..limit {
            if !alive[slot] {
                continue;
            }
            let bbox = boxes[first + slot];
            for other in slot + 1..limit {
                if alive[other] && iou(bbox, boxes[first + other]) > float(threshold) {
                    alive[other] = false;
                }
            }
        }
        for slot in 0..limit {
            if !alive[slot] {
                keys[first + slot] = 0;
            }
        }
    }
}
