//! Decoding the box head's outputs: softmax, class-wise boxes, threshold; the first half of
//! torchvision's `RoIHeads.postprocess_detections`.

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, Capture, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::Tensor;
use burn_ir::ScalarIr;

use super::boxes::{BBox, CoderWeights, clip, decode, is_at_least};
use super::candidates::{Candidate, Candidates, captured_shapes};
use super::capture::record;
use super::flex;
use super::proposals::Proposals;

/// The thresholds of [`decode_rois`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RoiDecodeOptions {
    /// A (RoI, class) pair must score more than this.
    pub score_threshold: f32,
    /// Least side in pixels.
    pub min_side: f32,
    /// What the deltas are divided by.
    pub weights: CoderWeights,
}

impl RoiDecodeOptions {
    /// torchvision's, but for the threshold.
    pub fn torchvision(score_threshold: f32) -> Self {
        Self {
            score_threshold,
            min_side: 1e-2,
            weights: [10.0, 10.0, 5.0, 5.0],
        }
    }

    fn to_scalars(self) -> Vec<ScalarIr> {
        [self.score_threshold, self.min_side]
            .iter()
            .chain(&self.weights)
            .map(|&value| ScalarIr::Float(value.into()))
            .collect()
    }

    /// As a captured graph holds them.
    pub(crate) fn from_scalars(scalars: &[ScalarIr]) -> Self {
        Self {
            score_threshold: scalars[0].elem(),
            min_side: scalars[1].elem(),
            weights: [2, 3, 4, 5].map(|index| scalars[index].elem()),
        }
    }
}

/// Every (RoI, class) pair but the background's (class 0) whose softmax score passes the threshold,
/// decoded and clipped to the unpadded picture.
///
/// `logits` is `[R, classes]`, `deltas` `[R, 4 · classes]`; `frame` is
/// [`Frame::tensor`](crate::transform::Frame::tensor).
pub fn decode_rois(
    logits: Tensor<2>,
    deltas: Tensor<2>,
    proposals: Proposals,
    frame: Tensor<1>,
    options: RoiDecodeOptions,
) -> Candidates<Dispatch> {
    <Dispatch as RoiDecodeOps>::decode_rois(
        logits.into_dispatch(),
        deltas.into_dispatch(),
        proposals.boxes.into_dispatch(),
        proposals.levels.into_dispatch(),
        proposals.count.into_dispatch(),
        frame.into_dispatch(),
        options,
    )
}

/// Backends that can run [`decode_rois`].
#[backend_extension(Flex, Capture)]
pub trait RoiDecodeOps: Backend {
    /// See [`decode_rois`].
    fn decode_rois(
        logits: FloatTensor<Self>,
        deltas: FloatTensor<Self>,
        boxes: FloatTensor<Self>,
        levels: IntTensor<Self>,
        count: IntTensor<Self>,
        frame: FloatTensor<Self>,
        options: RoiDecodeOptions,
    ) -> Candidates<Self>;
}

impl RoiDecodeOps for Flex {
    fn decode_rois(
        logits: FloatTensor<Self>,
        deltas: FloatTensor<Self>,
        boxes: FloatTensor<Self>,
        levels: IntTensor<Self>,
        _count: IntTensor<Self>, // an eager tensor has exactly as many rows
        frame: FloatTensor<Self>,
        options: RoiDecodeOptions,
    ) -> Candidates<Self> {
        let classes = logits.shape()[1];
        let [logits, deltas, boxes, levels, frame] =
            [logits, deltas, boxes, levels, frame].map(flex::contiguous);
        let frame = flex::values::<f32>(&frame);
        let candidates = decode_all(
            flex::values(&logits),
            bytemuck::cast_slice(flex::values::<f32>(&deltas)),
            flex::boxes(&boxes),
            flex::values(&levels),
            classes,
            [frame[0], frame[1]],
            options,
        );
        Candidates::from_memory(&candidates, 0)
    }
}

impl RoiDecodeOps for Capture {
    fn decode_rois(
        logits: FloatTensor<Self>,
        deltas: FloatTensor<Self>,
        boxes: FloatTensor<Self>,
        levels: IntTensor<Self>,
        count: IntTensor<Self>,
        frame: FloatTensor<Self>,
        options: RoiDecodeOptions,
    ) -> Candidates<Self> {
        let shape = logits.shape();
        let capacity = shape[0] * classes_above(options.score_threshold, shape[1] - 1);
        Candidates::from_captured(record(
            "fpn::decode_rois",
            vec![logits, deltas, boxes, levels, count, frame],
            options.to_scalars(),
            captured_shapes(capacity, 4),
        ))
    }
}

/// How many of `classes` can score more than `threshold` at once: scores sum to 1.
fn classes_above(threshold: f32, classes: usize) -> usize {
    if threshold <= 0.0 {
        return classes;
    }
    // Scores above the threshold that sum to at most 1 number less than 1 / threshold.
    ((1.0 / threshold).ceil() as usize).min(classes)
}

/// CPU twin of [`decode_rois`], in the order of (RoI, class). `deltas` are rows of four, one a
/// (RoI, class); `resized` is the unpadded picture's height and width.
pub fn decode_all(
    logits: &[f32],
    deltas: &[[f32; 4]],
    boxes: &[BBox],
    levels: &[i32],
    classes: usize,
    resized: [f32; 2],
    options: RoiDecodeOptions,
) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    for (roi, (&bbox, &level)) in boxes.iter().zip(levels).enumerate() {
        let scores = softmax(&logits[roi * classes..][..classes]);
        for (class, score) in scores.into_iter().enumerate().skip(1) {
            // NaN passes no threshold.
            if score > options.score_threshold {
                let deltas = deltas[roi * classes + class];
                let bbox = clip(decode(bbox, deltas, options.weights), resized);
                if is_at_least(bbox, options.min_side) {
                    candidates.push(Candidate {
                        bbox,
                        landmarks: Vec::new(),
                        score,
                        label: class as i32,
                        level,
                    });
                }
            }
        }
    }
    candidates
}

/// Softmax of one row.
pub(super) fn softmax(logits: &[f32]) -> Vec<f32> {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exp: Vec<f32> = logits.iter().map(|logit| (logit - max).exp()).collect();
    let sum: f32 = exp.iter().sum();
    exp.into_iter().map(|value| value / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capacity_covers_what_can_pass_the_threshold() {
        assert_eq!(classes_above(0.05, 90), 20);
        assert_eq!(classes_above(0.05, 2), 2);
        assert_eq!(classes_above(0.6, 90), 2);
        assert_eq!(classes_above(0.0, 90), 90);
        assert_eq!(classes_above(-1.0, 90), 90);
    }
}
