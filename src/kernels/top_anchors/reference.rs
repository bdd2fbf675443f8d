//! CPU reference of `shaders/top_anchors.wgsl`.

use super::Params;
use crate::kernels::checks::{Call, floats};
use crate::kernels::order::key;

/// Where the highest logits of one level's anchors lie, ties to the earlier anchor, in no order.
///
/// - `logits`: `[cell][anchor]`; `chosen`: their number, then their places in `logits`.
pub(super) fn run(call: Call<'_>) {
    let (params, [logits, chosen]) = call.split::<Params, 2>();
    top_anchors(&params, floats(logits), chosen);
}

/// The leading `count` digits of one word; nothing of it at 0.
fn leading(word: u32, count: u32) -> u32 {
    match count {
        0 => 0,
        _ => word >> (32 - 8 * count.min(4)),
    }
}

fn top_anchors(params: &Params, logits: &[f32], chosen: &mut [u32]) {
    let place_of = |anchor: u32| anchor / params.anchors * params.pitch + anchor % params.anchors;
    let logit = |anchor: u32| logits[place_of(anchor) as usize];
    let total = params.cells * params.anchors;
    let mut key_prefix = 0;
    let mut anchor_prefix = 0;
    let mut digits = 0;
    let mut missing = params.limit;
    for digit in 0..8 {
        let mut histogram = [0_u32; 256];
        for anchor in 0..total {
            let k = key(logit(anchor));
            let n = !anchor;
            let matches = leading(k, digit) == key_prefix
                && (digit <= 4 || leading(n, digit - 4) == anchor_prefix);
            if k != 0 && matches {
                let word = if digit < 4 { k } else { n };
                let value = word >> (24 - 8 * (digit % 4)) & 255;
                histogram[value as usize] += 1;
            }
        }
        let mut above = 0;
        let mut value = 255;
        let done = loop {
            let here = histogram[value as usize];
            if above + here >= missing || value == 0 {
                // All of this bucket are taken: no further digit is needed.
                let done = above + here <= missing;
                missing -= above.min(missing);
                break done;
            }
            above += here;
            value -= 1;
        };
        match digit < 4 {
            true => key_prefix = key_prefix << 8 | value,
            false => anchor_prefix = anchor_prefix << 8 | value,
        }
        digits = digit + 1;
        if done {
            break;
        }
    }

    let mut taken = 0;
    for anchor in 0..total {
        let k = key(logit(anchor));
        let leads = leading(k, digits);
        let mut takes = leads > key_prefix;
        if leads == key_prefix {
            takes = digits <= 4 || leading(!anchor, digits - 4) >= anchor_prefix;
        }
        if k != 0 && takes {
            chosen[1 + taken as usize] = place_of(anchor);
            taken += 1;
        }
    }
    chosen[0] = taken;
}
