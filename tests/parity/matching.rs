//! "The same detections": one to one, same label, box within 0.1 pixels, score within 1e-3.

use fpn_wgpu::Detection;
use fpn_wgpu::boxes::{BBox, iou};
use fpn_wgpu::models::Selection;

/// Pixels by which a side may be off.
const BOX_TOLERANCE: f32 = 0.1;

/// By which a score may be off.
const SCORE_TOLERANCE: f32 = 1e-3;

/// Scores nearer than this may change places.
const ORDER_TOLERANCE: f32 = 1e-5;

/// A decision nearer than this to its threshold may fall the other way.
const DECISION_TOLERANCE: f32 = 1e-4;

/// A detection, ours or PyTorch's.
#[derive(Clone, Copy, Debug)]
pub struct Object {
    pub bbox: BBox,
    pub label: usize,
    pub score: f32,
}

impl From<&Detection> for Object {
    fn from(detection: &Detection) -> Self {
        Self {
            bbox: detection.bbox,
            label: detection.label,
            score: detection.score,
        }
    }
}

impl Object {
    fn is_same(&self, other: &Self) -> bool {
        self.label == other.label
            && largest_difference(&self.bbox, &other.bbox) <= BOX_TOLERANCE
            && (self.score - other.score).abs() <= SCORE_TOLERANCE
    }
}

/// Pairs (ours, PyTorch's) of indices, in our order.
///
/// # Panics
/// If a detection has no partner and no near decision explains it, or if two that differ in score
/// changed places.
pub fn match_one_to_one(
    case: &str,
    found: &[Object],
    expected: &[Object],
    selection: Selection,
) -> Vec<(usize, usize)> {
    let mut pairs: Vec<(usize, usize)> = Vec::new();
    let mut free: Vec<usize> = (0..expected.len()).collect();
    for (index, object) in found.iter().enumerate() {
        if let Some(position) = free.iter().position(|&i| object.is_same(&expected[i])) {
            pairs.push((index, free.remove(position)));
        }
    }
    let ours_alone = (0..found.len()).filter(|&i| pairs.iter().all(|pair| pair.0 != i));
    for index in ours_alone {
        explain(case, &found[index], found, expected, selection);
    }
    for &index in &free {
        explain(case, &expected[index], expected, found, selection);
    }
    check_order(case, expected, &pairs);
    print_differences(case, found, expected, &pairs);
    pairs
}

/// Panics unless a near decision of the head explains why `object` is in `list` and not in `other`;
/// says which.
fn explain(case: &str, object: &Object, list: &[Object], other: &[Object], selection: Selection) {
    let near = |value: f32, threshold: f32| (value - threshold).abs() <= DECISION_TOLERANCE;
    let weakest = list.iter().map(|o| o.score).fold(f32::INFINITY, f32::min);
    let rival = other.iter().find(|rival| {
        rival.label == object.label && near(iou(rival.bbox, object.bbox), selection.nms_threshold)
    });
    let reason = if near(object.score, selection.score_threshold) {
        "its score is at the threshold".to_owned()
    } else if list.len() == selection.limit && near(object.score, weakest) {
        "its score is at the cut".to_owned()
    } else if let Some(rival) = rival {
        format!("its overlap is at the threshold with {rival:?}")
    } else {
        panic!("{case}: without partner: {object:?}");
    };
    println!("{case}: without partner: {object:?}: {reason}");
}

fn check_order(case: &str, expected: &[Object], pairs: &[(usize, usize)]) {
    let mut lowest = f32::INFINITY;
    for &(_, index) in pairs {
        let score = expected[index].score;
        assert!(
            score <= lowest + ORDER_TOLERANCE,
            "{case}: {:?} comes too late",
            expected[index]
        );
        lowest = lowest.min(score);
    }
}

fn print_differences(case: &str, found: &[Object], expected: &[Object], pairs: &[(usize, usize)]) {
    let largest = |difference: fn(&Object, &Object) -> f32| {
        pairs
            .iter()
            .map(|&(i, j)| difference(&found[i], &expected[j]))
            .fold(0.0, f32::max)
    };
    println!(
        "{case}: {} of {} detections; box {:.1e} px, score {:.1e}",
        pairs.len(),
        expected.len(),
        largest(|a, b| largest_difference(&a.bbox, &b.bbox)),
        largest(|a, b| (a.score - b.score).abs()),
    );
}

/// The largest difference of two lists of coordinates, in pixels; NaN if there is one.
pub fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len(), "coordinates");
    let differences = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    differences.max_by(f32::total_cmp).unwrap_or(0.0)
}

/// Proposals that may be in one list only, of up to a thousand in each: among thousands of overlaps
/// the nearest is within 1e-5 of the threshold, and where it falls the other way, a box makes room
/// for those it suppressed. (None is found to be; the allowance is for other processors.)
const MOST_PROPOSALS_ALONE: usize = 4;

/// Pixels of the resized picture by which a proposal's side may be off.
const PROPOSAL_TOLERANCE: f32 = 0.01;

/// How far the sides of each box are from those of the most similar of `others`.
fn to_nearest(boxes: &[BBox], others: &[BBox]) -> Vec<f32> {
    let to_nearest = |bbox: &BBox| {
        let distances = others.iter().map(|other| largest_difference(bbox, other));
        distances.fold(f32::INFINITY, f32::min)
    };
    boxes.iter().map(to_nearest).collect()
}

/// The same proposals, in any order: the order of near logits may differ.
///
/// # Panics
/// If more than a few are in one list only.
pub fn match_proposals(case: &str, found: &[BBox], expected: &[BBox]) {
    let distances = [to_nearest(found, expected), to_nearest(expected, found)].concat();
    let (same, alone): (Vec<f32>, Vec<f32>) = distances
        .into_iter()
        .partition(|&distance| distance <= PROPOSAL_TOLERANCE);
    let largest = same.into_iter().fold(0.0, f32::max);
    println!("{case} proposals: {largest:.1e} px, {alone:?}");
    assert!(
        alone.len() <= MOST_PROPOSALS_ALONE,
        "{case}: of {} and {} proposals some are only in one list, away from the nearest by {alone:?} pixels",
        found.len(),
        expected.len(),
    );
}
