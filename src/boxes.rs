//! Boxes: decoding, clipping, overlap and non-maximum suppression, shared by the CPU engine and the kernels' references.
//!
//! A box is `[x1, y1, x2, y2]` in pixels of the resized picture, `x2` and `y2` exclusive (no "+ 1"),
//! as in torchvision, but where [`Edges`] say otherwise.

/// `[x1, y1, x2, y2]`.
pub type BBox = [f32; 4];

/// The weights of a box coder: deltas are divided by them.
pub type CoderWeights = [f32; 4];

/// What a box's `x2` and `y2` stand for, and what follows for its sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edges {
    /// Where it ends: it is `x2 - x1` wide, as in torchvision.
    Exclusive,
    /// Its last pixel: it is `x2 - x1 + 1` wide, as in the first Faster R-CNN. (What that decodes is
    /// a pixel wider than what it decodes from: no 1 is taken away again.)
    Inclusive,
}

impl Edges {
    /// As kernels are told: what a side is longer by than its ends are apart.
    pub(crate) fn word(self) -> u32 {
        match self {
            Self::Exclusive => 0,
            Self::Inclusive => 1,
        }
    }

    /// What a word tells kernels.
    pub(crate) fn of_word(word: u32) -> Self {
        match word {
            0 => Self::Exclusive,
            _ => Self::Inclusive,
        }
    }

    fn rim(self) -> f32 {
        self.word() as f32
    }

    /// Largest `dw` and `dh` that are decoded, which keeps `exp` from overflowing.
    fn max_log_size(self) -> f32 {
        match self {
            Self::Exclusive => (1000.0_f64 / 16.0).ln() as f32,
            // There is no limit, but what is e⁶⁰ times as wide is cut to the picture all the same.
            Self::Inclusive => 60.0,
        }
    }

    /// The box that the deltas (dx, dy, dw, dh) make of an anchor: torchvision's
    /// `BoxCoder.decode_single`, or the first Faster R-CNN's `bbox_transform_inv`.
    pub fn decode(self, anchor: BBox, deltas: [f32; 4], weights: CoderWeights) -> BBox {
        let [x1, y1, x2, y2] = anchor;
        let (width, height) = (x2 - x1 + self.rim(), y2 - y1 + self.rim());
        let (cx, cy) = (x1 + 0.5 * width, y1 + 0.5 * height);
        let dx = deltas[0] / weights[0];
        let dy = deltas[1] / weights[1];
        // Not `f32::min`, which would take NaN for the largest.
        let cut = |log_size: f32| match log_size > self.max_log_size() {
            true => self.max_log_size(),
            false => log_size,
        };
        let (dw, dh) = (cut(deltas[2] / weights[2]), cut(deltas[3] / weights[3]));
        let (cx, cy) = (dx * width + cx, dy * height + cy);
        let (half_w, half_h) = (0.5 * (dw.exp() * width), 0.5 * (dh.exp() * height));
        [cx - half_w, cy - half_h, cx + half_w, cy + half_h]
    }

    /// The inverse of [`decode`](Self::decode), the deltas that turn `anchor` into `bbox`: torchvision's
    /// `BoxCoder.encode_single`, or the first Faster R-CNN's `bbox_transform`.
    pub fn encode(self, anchor: BBox, bbox: BBox, weights: CoderWeights) -> [f32; 4] {
        let centre = |[x1, y1, x2, y2]: BBox| {
            let (width, height) = (x2 - x1 + self.rim(), y2 - y1 + self.rim());
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

    /// Whether no part of a box is out of a picture of `[height, width]`.
    pub fn is_inside(self, [x1, y1, x2, y2]: BBox, size: [f32; 2]) -> bool {
        let [height, width] = size.map(|side| side - self.rim());
        x1 >= 0.0 && y1 >= 0.0 && x2 <= width && y2 <= height
    }

    /// The box cut to a picture of `[height, width]`.
    pub fn clip(self, [x1, y1, x2, y2]: BBox, size: [f32; 2]) -> BBox {
        let [height, width] = size.map(|side| side - self.rim());
        [
            x1.clamp(0.0, width),
            y1.clamp(0.0, height),
            x2.clamp(0.0, width),
            y2.clamp(0.0, height),
        ]
    }

    /// A box with exclusive edges, in whole pixels, as one with these.
    pub fn of_exclusive(self, [x1, y1, x2, y2]: BBox) -> BBox {
        [x1, y1, x2 - self.rim(), y2 - self.rim()]
    }

    /// Area in square pixels.
    fn area(self, [x1, y1, x2, y2]: BBox) -> f32 {
        (x2 - x1 + self.rim()) * (y2 - y1 + self.rim())
    }

    /// Intersection over union. Two boxes without area give NaN, which is above no threshold.
    pub fn iou(self, a: BBox, b: BBox) -> f32 {
        let width = (a[2].min(b[2]) - a[0].max(b[0]) + self.rim()).max(0.0);
        let height = (a[3].min(b[3]) - a[1].max(b[1]) + self.rim()).max(0.0);
        let intersection = width * height;
        intersection / (self.area(a) + self.area(b) - intersection)
    }
}

/// [`Edges::decode`] of boxes with exclusive edges.
pub fn decode(anchor: BBox, deltas: [f32; 4], weights: CoderWeights) -> BBox {
    Edges::Exclusive.decode(anchor, deltas, weights)
}

/// [`Edges::clip`] of boxes with exclusive edges.
pub fn clip(bbox: BBox, size: [f32; 2]) -> BBox {
    Edges::Exclusive.clip(bbox, size)
}

/// Farthest that a box reaches, in pixels: up to here f32 tells pixels apart.
const FARTHEST: f32 = (1 << 24) as f32;

/// Whether a picture can have the box: no value is NaN or further out than 2²⁴ pixels, and no side is
/// negative.
pub fn makes_sense(bbox: BBox) -> bool {
    let [x1, y1, x2, y2] = bbox;
    // NaN is within nothing.
    bbox.iter().all(|side| side.abs() <= FARTHEST) && x1 <= x2 && y1 <= y2
}

/// Whether both sides are at least `side` pixels.
pub fn is_at_least([x1, y1, x2, y2]: BBox, side: f32) -> bool {
    x2 - x1 >= side && y2 - y1 >= side
}

/// Area in square pixels, of a box with exclusive edges.
pub fn area(bbox: BBox) -> f32 {
    Edges::Exclusive.area(bbox)
}

/// [`Edges::iou`] of boxes with exclusive edges.
pub fn iou(a: BBox, b: BBox) -> f32 {
    Edges::Exclusive.iou(a, b)
}

/// What becomes of a box that is one of many.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fate {
    /// It is kept, as the one of this index among those that are.
    Kept(usize),
    /// It falls to a better one.
    Suppressed {
        /// Index of that among the many.
        by: usize,
        /// By how much they overlap, intersection over union.
        overlap: f32,
    },
    /// It is left out before any other box is looked at.
    Dropped(Reason),
}

/// Why a box is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A side is too short.
    TooSmall,
    /// It is less likely an object than any that counts.
    Unlikely,
    /// As many better ones are kept as there may be.
    Limit,
    /// The GPU that selected, whose numbers differ in the last bits, decided otherwise than the host that tells of it.
    Rounding,
}

/// Greedy non-maximum suppression over boxes sorted best first: what becomes of each. A box falls to
/// the first kept one of its `group` that overlaps it by more than `threshold`. At most `limit` are kept.
pub fn suppress(
    boxes: &[BBox],
    edges: Edges,
    group: impl Fn(usize) -> i32,
    threshold: f32,
    limit: usize,
) -> Vec<Fate> {
    let mut kept: Vec<usize> = Vec::new();
    let mut fates = Vec::with_capacity(boxes.len());
    for (index, &candidate) in boxes.iter().enumerate() {
        if kept.len() == limit {
            break;
        }
        let stronger = kept
            .iter()
            .find(|&&k| group(k) == group(index) && edges.iou(boxes[k], candidate) > threshold);
        fates.push(match stronger {
            Some(&by) => Fate::Suppressed {
                by,
                overlap: edges.iou(boxes[by], candidate),
            },
            None => {
                kept.push(index);
                Fate::Kept(kept.len() - 1)
            }
        });
    }
    fates.resize(boxes.len(), Fate::Dropped(Reason::Limit));
    fates
}

/// The indices of the boxes that [`suppress`] keeps, in order.
pub fn nms(
    boxes: &[BBox],
    edges: Edges,
    group: impl Fn(usize) -> i32,
    threshold: f32,
    limit: usize,
) -> Vec<usize> {
    let fates = suppress(boxes, edges, group, threshold, limit);
    let fates = fates.into_iter().enumerate();
    fates
        .filter_map(|(index, fate)| matches!(fate, Fate::Kept(_)).then_some(index))
        .collect()
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
        assert_eq!(nms(&boxes, Edges::Exclusive, |_| 0, 0.5, 10), [0, 1]);
        assert_eq!(nms(&boxes, Edges::Exclusive, |_| 0, 0.49, 10), [0]);
        assert_eq!(
            nms(&boxes, Edges::Exclusive, |i| i as i32, 0.0, 10),
            [0, 1, 2]
        );
        assert_eq!(nms(&boxes, Edges::Exclusive, |i| i as i32, 0.0, 2), [0, 1]);
    }

    #[test]
    fn a_box_falls_to_the_best_that_overlaps_it() {
        let wide = [0.0, 0.0, 4.0, 1.0];
        let boxes = [
            wide,
            [9.0, 0.0, 13.0, 1.0],
            wide,
            [0.0, 0.0, 3.0, 1.0],
            wide,
        ];
        let groups = [0, 0, 1, 0, 1];
        let found = suppress(&boxes, Edges::Exclusive, |index| groups[index], 0.7, 3);
        let expected = [
            Fate::Kept(0),
            Fate::Kept(1),
            Fate::Kept(2),
            Fate::Dropped(Reason::Limit),
            Fate::Dropped(Reason::Limit),
        ];
        assert_eq!(found, expected);
        let found = suppress(&boxes, Edges::Exclusive, |index| groups[index], 0.7, 9);
        let fallen = |by, overlap| Fate::Suppressed { by, overlap };
        assert_eq!(found[3..], [fallen(0, 0.75), fallen(2, 1.0)]);
    }

    #[test]
    fn boxes_without_area_suppress_nothing() {
        let point = [3.0, 3.0, 3.0, 3.0];
        assert_eq!(
            nms(&[point, point], Edges::Exclusive, |_| 0, 0.5, 10),
            [0, 1]
        );
    }
}
