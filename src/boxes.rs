//! Boxes: decoding, clipping, overlap and non-maximum suppression, shared by the CPU engine and the kernels' references.
//!
//! A box is `[x1, y1, x2, y2]` in pixels of the resized picture, `x2` and `y2` exclusive (no "+ 1"),
//! as in torchvision.

/// `[x1, y1, x2, y2]`.
pub type BBox = [f32; 4];

/// The weights of a box coder: deltas are divided by them.
pub type CoderWeights = [f32; 4];

/// Largest `dw` and `dh` that are decoded, ln(1000 / 16): keeps `exp` from overflowing.
fn max_log_size() -> f32 {
    (1000.0_f64 / 16.0).ln() as f32
}

/// torchvision's `BoxCoder.decode_single` for one anchor and its deltas (dx, dy, dw, dh).
pub fn decode(anchor: BBox, deltas: [f32; 4], weights: CoderWeights) -> BBox {
    let [x1, y1, x2, y2] = anchor;
    let (width, height) = (x2 - x1, y2 - y1);
    let (cx, cy) = (x1 + 0.5 * width, y1 + 0.5 * height);
    let dx = deltas[0] / weights[0];
    let dy = deltas[1] / weights[1];
    // Not `f32::min`, which would take NaN for the largest.
    let cut = |log_size: f32| match log_size > max_log_size() {
        true => max_log_size(),
        false => log_size,
    };
    let (dw, dh) = (cut(deltas[2] / weights[2]), cut(deltas[3] / weights[3]));
    let (cx, cy) = (dx * width + cx, dy * height + cy);
    let (half_w, half_h) = (0.5 * (dw.exp() * width), 0.5 * (dh.exp() * height));
    [cx - half_w, cy - half_h, cx + half_w, cy + half_h]
}

/// The inverse of [`decode`]: torchvision's `BoxCoder.encode_single`, the deltas that turn `anchor` into
/// `bbox`.
pub fn encode(anchor: BBox, bbox: BBox, weights: CoderWeights) -> [f32; 4] {
    let centre = |[x1, y1, x2, y2]: BBox| {
        let (width, height) = (x2 - x1, y2 - y1);
        [x1 + 0.5 * width, y1 + 0.5 * height, width, height]
    };
    let [ax, ay, aw, ah] = centre(anchor);
    let [x, y, w, h] = centre(bbox);
    [
        weights[0] * (x - ax) / aw,
        weights[1] * (y - ay) / ah,
        weights[2] * (w / aw).ln(),
        weights[3] * (h / ah).ln(),
    ]
}

/// The box cut to a picture of `[height, width]`.
pub fn clip([x1, y1, x2, y2]: BBox, [height, width]: [f32; 2]) -> BBox {
    [
        x1.clamp(0.0, width),
        y1.clamp(0.0, height),
        x2.clamp(0.0, width),
        y2.clamp(0.0, height),
    ]
}

/// Whether both sides are at least `side` pixels.
pub fn is_at_least([x1, y1, x2, y2]: BBox, side: f32) -> bool {
    x2 - x1 >= side && y2 - y1 >= side
}

/// Area in square pixels.
pub fn area([x1, y1, x2, y2]: BBox) -> f32 {
    (x2 - x1) * (y2 - y1)
}

/// Intersection over union. Two boxes without area give NaN, which is above no threshold.
pub fn iou(a: BBox, b: BBox) -> f32 {
    let width = (a[2].min(b[2]) - a[0].max(b[0])).max(0.0);
    let height = (a[3].min(b[3]) - a[1].max(b[1])).max(0.0);
    let intersection = width * height;
    intersection / (area(a) + area(b) - intersection)
}

/// Greedy non-maximum suppression over boxes sorted best first: the indices of those kept, in
/// order. A box falls to an earlier kept one of its `group` that overlaps it by more than
/// `threshold`. At most `limit` are kept.
pub fn nms(
    boxes: &[BBox],
    group: impl Fn(usize) -> i32,
    threshold: f32,
    limit: usize,
) -> Vec<usize> {
    let mut kept: Vec<usize> = Vec::new();
    for (index, &candidate) in boxes.iter().enumerate() {
        if kept.len() == limit {
            break;
        }
        let suppressed = kept
            .iter()
            .any(|&k| group(k) == group(index) && iou(boxes[k], candidate) > threshold);
        if !suppressed {
            kept.push(index);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nms_keeps_boxes_that_only_touch_the_threshold() {
        // IoU of the first two is exactly 1/2.
        let boxes = [
            [0.0, 0.0, 2.0, 1.0],
            [0.0, 0.0, 1.0, 1.0],
            [0.0, 0.0, 2.0, 1.0],
        ];
        assert_eq!(nms(&boxes, |_| 0, 0.5, 10), [0, 1]);
        assert_eq!(nms(&boxes, |_| 0, 0.49, 10), [0]);
        assert_eq!(nms(&boxes, |i| i as i32, 0.0, 10), [0, 1, 2]);
        assert_eq!(nms(&boxes, |i| i as i32, 0.0, 2), [0, 1]);
    }

    #[test]
    fn boxes_without_area_suppress_nothing() {
        let point = [3.0, 3.0, 3.0, 3.0];
        assert_eq!(nms(&[point, point], |_| 0, 0.5, 10), [0, 1]);
    }
}
