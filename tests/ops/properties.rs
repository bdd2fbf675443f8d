//! What the selecting operations promise, over random boxes and maps.

use fpn_wgpu::boxes::{BBox, clip, decode, iou, is_at_least, nms};
use fpn_wgpu::ops::Map;
use fpn_wgpu::ops::anchors::AnchorGrid;
use fpn_wgpu::ops::proposals::{self, ProposalOptions};
use proptest::prelude::*;

use crate::random;

/// Boxes on a coarse grid, so that many overlap, touch, coincide or have no area; each with its
/// group.
fn grouped_boxes() -> impl Strategy<Value = Vec<(BBox, i32)>> {
    let side = || (0..12_u8).prop_map(f32::from);
    let bbox = (side(), side(), side(), side()).prop_map(|(x, y, w, h)| [x, y, x + w, y + h]);
    prop::collection::vec((bbox, 0..3), 0..40)
}

proptest! {
    #[test]
    fn suppression_keeps_what_nothing_better_overlaps(
        rows in grouped_boxes(),
        // Fractions that overlaps on the grid hit exactly.
        threshold in (0..=8_u8).prop_map(|eighths| f32::from(eighths) / 8.0),
        limit in 0..20_usize,
    ) {
        let (boxes, groups): (Vec<BBox>, Vec<i32>) = rows.into_iter().unzip();
        let kept = nms(&boxes, |index| groups[index], threshold, boxes.len());
        prop_assert!(kept.is_sorted_by(|a, b| a < b));
        for index in 0..boxes.len() {
            let suppressed = kept.iter().take_while(|&&k| k < index).any(|&k| {
                groups[k] == groups[index] && iou(boxes[k], boxes[index]) > threshold
            });
            prop_assert_eq!(kept.contains(&index), !suppressed, "box {}", index);
        }
        let limited = nms(&boxes, |index| groups[index], threshold, limit);
        prop_assert_eq!(&limited[..], &kept[..limit.min(kept.len())]);
    }

    #[test]
    fn proposals_are_those_of_a_full_sort(
        seed in any::<u64>(),
        // Up to 160 pixels, which P6 does not divide.
        [height, width] in prop::array::uniform2(1..6_usize),
        per_level in 0..300_usize,
        limit in 0..400_usize,
        nms_threshold in 0.2..0.9_f32,
    ) {
        let maps = RpnMaps::random(seed, [32 * height, 32 * width]);
        let options = ProposalOptions {
            padded: [32 * height, 32 * width],
            per_level,
            limit,
            nms_threshold,
            min_side: 1e-3,
            anchor_size: 32.0,
        };
        // The picture ends within the padding.
        let resized = [32 * height - 5, 32 * width - 9].map(|side| side as f32);
        let found = proposals::select(&maps.logits(), &maps.deltas(), resized, options);
        prop_assert_eq!(found, maps.select_by_full_sort(resized, options));
    }
}

/// Values of the RPN's maps at all five levels.
struct RpnMaps {
    /// Height and width of each level.
    sizes: [[usize; 2]; 5],
    logits: [Vec<f32>; 5],
    deltas: [Vec<f32>; 5],
}

impl RpnMaps {
    /// Logits of which many are equal and some NaN, and deltas of which some are NaN.
    fn random(seed: u64, padded: [usize; 2]) -> Self {
        let sizes = [4_usize, 8, 16, 32, 64].map(|stride| padded.map(|side| side.div_ceil(stride)));
        let values = |name: &str, level: usize, channels: usize| {
            let [height, width] = sizes[level];
            random::values(seed, &format!("{name}.{level}"), channels * height * width)
        };
        let logit = |value: f32| match value {
            _ if value < -0.95 => f32::NAN,
            // Through an integer: there is one zero, not two that compare equal.
            _ => (value * 20.0) as i32 as f32,
        };
        let delta = |value: f32| if value < -0.99 { f32::NAN } else { value };
        Self {
            sizes,
            logits: std::array::from_fn(|level| {
                values("logits", level, 3).into_iter().map(logit).collect()
            }),
            deltas: std::array::from_fn(|level| {
                values("deltas", level, 12).into_iter().map(delta).collect()
            }),
        }
    }

    fn logits(&self) -> [Map<'_>; 5] {
        self.maps(&self.logits, 3)
    }

    fn deltas(&self) -> [Map<'_>; 5] {
        self.maps(&self.deltas, 12)
    }

    fn maps<'a>(&self, values: &'a [Vec<f32>; 5], channels: usize) -> [Map<'a>; 5] {
        std::array::from_fn(|level| Map {
            values: &values[level],
            shape: [channels, self.sizes[level][0], self.sizes[level][1]],
        })
    }

    /// The same selection in the plainest way: sort everything, and cut late.
    fn select_by_full_sort(
        &self,
        resized: [f32; 2],
        options: ProposalOptions,
    ) -> (Vec<BBox>, Vec<i32>) {
        let mut kept: Vec<(f32, BBox, i32)> = Vec::new();
        for level in 0..5 {
            let mut anchors = self.anchors(level, options.padded);
            anchors.retain(|(logit, _)| !logit.is_nan());
            sort_by_logit(&mut anchors, |anchor| anchor.0);
            anchors.truncate(options.per_level);
            let mut boxes = anchors
                .into_iter()
                .map(|(logit, bbox)| (logit, clip(bbox, resized)))
                .filter(|(_, bbox)| is_at_least(*bbox, options.min_side))
                .collect::<Vec<_>>();
            while !boxes.is_empty() {
                let (logit, best) = boxes.remove(0);
                boxes.retain(|(_, bbox)| {
                    let overlap = iou(best, *bbox);
                    overlap.is_nan() || overlap <= options.nms_threshold
                });
                kept.push((logit, best, level as i32 + 2));
            }
        }
        sort_by_logit(&mut kept, |proposal| proposal.0);
        kept.truncate(options.limit);
        kept.into_iter()
            .map(|(_, bbox, level)| (bbox, level))
            .unzip()
    }

    /// Logit and decoded box of every anchor, by cell and anchor.
    fn anchors(&self, level: usize, padded: [usize; 2]) -> Vec<(f32, BBox)> {
        let grid = AnchorGrid::pyramid(32.0);
        let [height, width] = self.sizes[level];
        let stride = [padded[0] / height, padded[1] / width];
        let cells = height * width;
        let anchor = |index: usize| {
            let (cell, a) = (index / 3, index % 3);
            let deltas = [0, 1, 2, 3].map(|k| self.deltas[level][(4 * a + k) * cells + cell]);
            let start = grid.anchor(level, a, [cell / width, cell % width], stride);
            let bbox = decode(start, deltas, [1.0; 4]);
            (self.logits[level][a * cells + cell], bbox)
        };
        (0..3 * cells).map(anchor).collect()
    }
}

/// Best first; equal ones stay in order.
fn sort_by_logit<T>(rows: &mut [T], logit: impl Fn(&T) -> f32) {
    rows.sort_by(|a, b| logit(b).partial_cmp(&logit(a)).expect("no NaN"));
}
