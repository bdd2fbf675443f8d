//! CPU reference of `shaders/nms_levels.wgsl`.

use super::Params;
use crate::boxes::Edges;
use crate::kernels::checks::{Call, Vec4, vec4};

/// Greedy non-maximum suppression within each level, of which there are as many as workgroups. The
/// key of a slot that falls becomes 0.
///
/// - `boxes`, `keys`: by slot, best first within a level.
pub(super) fn run(call: Call<'_>) {
    let [levels, _, _] = call.workgroups;
    let (params, [boxes, keys]) = call.split::<Params, 2>();
    nms_levels(&params, levels, vec4(boxes), keys);
}

#[allow(clippy::needless_range_loop)] // an index stands for an invocation
fn nms_levels(params: &Params, levels: u32, boxes: &[Vec4], keys: &mut [u32]) {
    let limit = params.limit as usize;
    let edges = Edges::of_word(params.edges);
    for level in 0..levels as usize {
        let first = level * limit;
        let mut alive: Vec<bool> = keys[first..][..limit].iter().map(|&key| key != 0).collect();
        for slot in 0..limit {
            if !alive[slot] {
                continue;
            }
            let bbox = boxes[first + slot];
            for other in slot + 1..limit {
                if alive[other] && edges.iou(bbox, boxes[first + other]) > params.threshold {
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
