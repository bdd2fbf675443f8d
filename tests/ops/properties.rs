//! What the selecting operations promise, over random boxes and maps.

use fpn_wgpu::boxes::{BBox, Edges, is_at_least, nms};
use fpn_wgpu::ops::Map;
use fpn_wgpu::ops::anchors::{AnchorGrid, AnchorLevel};
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

fn edges() -> impl Strategy<Value = Edges> {
    prop::sample::select(vec![Edges::Exclusive, Edges::Inclusive])
}

proptest! {
    #[test]
    fn suppression_keeps_what_nothing_better_overlaps(
        rows in grouped_boxes(),
        // Fractions that overlaps on the grid hit exactly.
        threshold in (0..=8_u8).prop_map(|eighths| f32::from(eighths) / 8.0),
        limit in 0..20_usize,
        edges in edges(),
    ) {
        let (boxes, groups): (Vec<BBox>, Vec<i32>) = rows.into_iter().unzip();
        let kept = nms(&boxes, edges, |index| groups[index], threshold, boxes.len());
        prop_assert!(kept.is_sorted_by(|a, b| a < b));
        for index in 0..boxes.len() {
            let suppressed = kept.iter().take_while(|&&k| k < index).any(|&k| {
                groups[k] == groups[index] && edges.iou(boxes[k], boxes[index]) > threshold
            });
            prop_assert_eq!(kept.contains(&index), !suppressed, "box {}", index);
        }
        let limited = nms(&boxes, edges, |index| groups[index], threshold, limit);
        prop_assert_eq!(&limited[..], &kept[..limit.min(kept.len())]);
    }

    #[test]
    fn proposals_are_those_of_a_full_sort(
        seed in any::<u64>(),
        // Up to 160 pixels, which coarse levels do not divide.
        [height, width] in prop::array::uniform2(1..6_usize),
        first_level in 1..5_usize,
        per_cell in prop::collection::vec(1..17_usize, 1..7),
        per_level in 0..300_usize,
        limit in 0..400_usize,
        nms_threshold in 0.2..0.9_f32,
        min_logit in prop::sample::select(vec![f32::MIN, 0.0]),
        edges in edges(),
    ) {
        let maps = RpnMaps::random(seed, [32 * height, 32 * width], first_level, &per_cell);
        let options = ProposalOptions {
            anchors: maps.grid.clone(),
            per_level,
            limit,
            nms_threshold,
            min_side: 1e-3,
            min_logit,
            edges,
        };
        // The picture ends within the padding.
        let resized = [32 * height - 5, 32 * width - 9].map(|side| side as f32);
        let found = proposals::select(&maps.logits(), &maps.deltas(), resized, &options);
        prop_assert_eq!(found, maps.select_by_full_sort(resized, &options));
    }
}

/// Values of the RPN's maps at all levels, and their anchors.
struct RpnMaps {
    grid: AnchorGrid,
    /// Height and width of each level.
    sizes: Vec<[usize; 2]>,
    logits: Vec<Vec<f32>>,
    deltas: Vec<Vec<f32>>,
}

impl RpnMaps {
    /// Logits of which many are equal and some NaN, and deltas of which some are NaN; the first level's
    /// cells are two pixels apart where it is level 1, and each level has as many anchors a cell as
    /// `per_cell` says.
    fn random(seed: u64, padded: [usize; 2], first_level: usize, per_cell: &[usize]) -> Self {
        let levels = per_cell.iter().zip(first_level..);
        let levels = levels.map(|(&per_cell, number)| {
            let size = padded.map(|side| side.div_ceil(1 << number));
            // Oblong, upright, square, of many sizes.
            let half = |a: usize| [7.0 + 5.0 * a as f32, 30.0 - a as f32].map(f32::round);
            let cell = (0..per_cell).map(half).map(|[w, h]| [-w, -h, w, h]);
            let anchors = AnchorLevel {
                stride: [padded[0] / size[0], padded[1] / size[1]],
                cell: cell.collect(),
            };
            (size, anchors)
        });
        let (sizes, levels): (Vec<[usize; 2]>, Vec<AnchorLevel>) = levels.unzip();
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
        let all = per_cell.iter().enumerate();
        let logits = all.clone().map(|(level, &anchors)| {
            let values = values("logits", level, anchors);
            values.into_iter().map(logit).collect()
        });
        let deltas = all.map(|(level, &anchors)| {
            let values = values("deltas", level, 4 * anchors);
            values.into_iter().map(delta).collect()
        });
        Self {
            logits: logits.collect(),
            deltas: deltas.collect(),
            grid: AnchorGrid {
                first_level,
                levels,
            },
            sizes,
        }
    }

    fn logits(&self) -> Vec<Map<'_>> {
        self.maps(&self.logits, 1)
    }

    fn deltas(&self) -> Vec<Map<'_>> {
        self.maps(&self.deltas, 4)
    }

    fn maps<'a>(&self, values: &'a [Vec<f32>], channels: usize) -> Vec<Map<'a>> {
        let levels = values.iter().zip(&self.sizes).zip(&self.grid.levels);
        levels
            .map(|((values, &[height, width]), level)| Map {
                values,
                shape: [channels * level.cell.len(), height, width],
            })
            .collect()
    }

    /// The same selection in the plainest way: sort everything, and cut late.
    fn select_by_full_sort(
        &self,
        resized: [f32; 2],
        options: &ProposalOptions,
    ) -> (Vec<BBox>, Vec<i32>) {
        let mut kept: Vec<(f32, BBox, i32)> = Vec::new();
        for level in 0..self.sizes.len() {
            let mut anchors = self.anchors(level, options.edges);
            anchors.retain(|(logit, _)| !logit.is_nan());
            sort_by_logit(&mut anchors, |anchor| anchor.0);
            anchors.truncate(options.per_level);
            let mut boxes = anchors
                .into_iter()
                .map(|(logit, bbox)| (logit, options.edges.clip(bbox, resized)))
                .filter(|(logit, bbox)| {
                    *logit >= options.min_logit && is_at_least(*bbox, options.min_side)
                })
                .collect::<Vec<_>>();
            while !boxes.is_empty() {
                let (logit, best) = boxes.remove(0);
                boxes.retain(|(_, bbox)| {
                    let overlap = options.edges.iou(best, *bbox);
                    overlap.is_nan() || overlap <= options.nms_threshold
                });
                kept.push((logit, best, (level + self.grid.first_level) as i32));
            }
        }
        sort_by_logit(&mut kept, |proposal| proposal.0);
        kept.truncate(options.limit);
        kept.into_iter()
            .map(|(_, bbox, level)| (bbox, level))
            .unzip()
    }

    /// Logit and decoded box of every anchor, by cell and anchor.
    fn anchors(&self, level: usize, edges: Edges) -> Vec<(f32, BBox)> {
        let AnchorLevel {
            stride,
            cell: boxes,
        } = &self.grid.levels[level];
        let [height, width] = self.sizes[level];
        let cells = height * width;
        let anchor = |index: usize| {
            let (cell, a) = (index / boxes.len(), index % boxes.len());
            let deltas = [0, 1, 2, 3].map(|k| self.deltas[level][(4 * a + k) * cells + cell]);
            let (x, y) = (cell % width * stride[1], cell / width * stride[0]);
            let [x1, y1, x2, y2] = boxes[a];
            let (x, y) = (x as f32, y as f32);
            let bbox = edges.decode([x1 + x, y1 + y, x2 + x, y2 + y], deltas, [1.0; 4]);
            (self.logits[level][a * cells + cell], bbox)
        };
        (0..boxes.len() * cells).map(anchor).collect()
    }
}

/// Best first; equal ones stay in order.
fn sort_by_logit<T>(rows: &mut [T], logit: impl Fn(&T) -> f32) {
    rows.sort_by(|a, b| logit(b).partial_cmp(&logit(a)).expect("no NaN"));
}
