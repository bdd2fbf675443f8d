//! Decoding the box head's outputs: softmax, class-wise boxes, threshold; the first half of
//! torchvision's `RoIHeads.postprocess_detections`.

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, Capture, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::Tensor;
#[cfg(feature = "verify")]
use burn_ir::CustomOpIr;
use burn_ir::ScalarIr;

use super::candidates::{self, CANDIDATES, Candidate, Candidates, captured_shapes};
use super::capture::record;
use super::flex;
#[cfg(feature = "verify")]
use super::flex::Handles;
use super::operation::{Arguments, Operation};
use super::proposals::Proposals;
use crate::boxes::{BBox, CoderWeights, Edges, is_at_least};
use crate::kernels::decode_rois;
use crate::plan::{Draft, Operand, PlanBuilder, Value, ValueKind};
use crate::stage::Stage;

/// Where the background is among the classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Background {
    /// It is the first (torchvision). Where classes have deltas of their own it has some, too.
    First,
    /// It is the last, and has no deltas (detectron2).
    Last,
}

impl Background {
    /// The first class that is none.
    fn first_class(self) -> usize {
        match self {
            Self::First => 1,
            Self::Last => 0,
        }
    }

    /// The place among `classes` of a label, which is 0 for the background and counts the others from 1 on.
    pub fn class_of(self, label: usize, classes: usize) -> usize {
        match (self, label) {
            (Self::First, label) => label,
            (Self::Last, 0) => classes - 1,
            (Self::Last, label) => label - 1,
        }
    }

    /// How many of `classes` have deltas, if they have their own.
    pub fn boxes(self, classes: usize) -> usize {
        classes - 1 + self.first_class()
    }
}

/// The thresholds of [`decode_rois()`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RoiDecodeOptions {
    /// A (RoI, class) pair must score more than this.
    pub score_threshold: f32,
    /// Least side in pixels.
    pub min_side: f32,
    /// What the deltas are divided by.
    pub weights: CoderWeights,
    /// Of boxes.
    pub edges: Edges,
    /// Where the background is.
    pub background: Background,
}

impl RoiDecodeOptions {
    /// torchvision's, but for the threshold.
    pub fn torchvision(score_threshold: f32) -> Self {
        Self {
            score_threshold,
            min_side: 1e-2,
            weights: [10.0, 10.0, 5.0, 5.0],
            edges: Edges::Exclusive,
            background: Background::First,
        }
    }

    /// detectron2's, but for the threshold: boxes of any size.
    pub fn detectron2(score_threshold: f32) -> Self {
        Self {
            min_side: 0.0,
            background: Background::Last,
            ..Self::torchvision(score_threshold)
        }
    }

    /// The first Faster R-CNN's, but for the threshold. (It multiplies by 0.1 and 0.2.)
    pub fn legacy(score_threshold: f32) -> Self {
        Self {
            min_side: 0.0,
            edges: Edges::Inclusive,
            ..Self::torchvision(score_threshold)
        }
    }

    fn to_scalars(self) -> Vec<ScalarIr> {
        let edges = ScalarIr::UInt(self.edges.word().into());
        [self.score_threshold, self.min_side]
            .iter()
            .chain(&self.weights)
            .map(|&value| ScalarIr::Float(value.into()))
            .chain([edges, ScalarIr::Bool(self.background == Background::Last)])
            .collect()
    }

    /// As a captured graph holds them.
    pub(crate) fn from_scalars(scalars: &[ScalarIr]) -> Self {
        Self {
            score_threshold: scalars[0].elem(),
            min_side: scalars[1].elem(),
            weights: [2, 3, 4, 5].map(|index| scalars[index].elem()),
            edges: Edges::of_word(scalars[6].elem()),
            background: match scalars[7].elem() {
                true => Background::Last,
                false => Background::First,
            },
        }
    }
}

/// Every (RoI, class) pair but the background's whose softmax score passes the threshold, decoded and
/// clipped to the unpadded picture. Labels count the classes from 1 on, without the background.
///
/// `logits` is `[R, classes]`, `deltas` `[R, 4 · classes]` (without the background where that is the last),
/// or `[R, 4]` where a RoI's are those of all classes; `frame` is [`Frame::tensor`](crate::transform::Frame::tensor).
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

/// Backends that can run [`decode_rois()`].
#[backend_extension(Flex, Capture)]
pub trait RoiDecodeOps: Backend {
    /// See [`decode_rois()`].
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
            DecodeRois.id(),
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

/// [`decode_rois()`] in the compiler's hands.
pub(crate) struct DecodeRois;

impl Operation for DecodeRois {
    fn id(&self) -> &'static str {
        "fpn::decode_rois"
    }

    fn stage(&self) -> Option<Stage> {
        Some(Stage::Selection)
    }

    fn signature(&self, _inputs: usize) -> (Vec<ValueKind>, Vec<ValueKind>) {
        let inputs = [
            ValueKind::Floats,
            ValueKind::Floats,
            ValueKind::Floats,
            ValueKind::Integers,
            ValueKind::Integers,
            ValueKind::Frame,
        ];
        (inputs.to_vec(), CANDIDATES.to_vec())
    }

    fn check(
        &self,
        scalars: &[ScalarIr],
        inputs: &[&Value],
        outputs: &[&Value],
    ) -> Result<(), String> {
        candidates::check(outputs)?;
        let background = RoiDecodeOptions::from_scalars(scalars).background;
        let shapes: Vec<&[usize]> = inputs[..5].iter().map(|input| &*input.shape).collect();
        match shapes[..] {
            [&[rois, classes], &[r, d], &[n, 4], &[levels], &[1]]
                if [r, n, levels] == [rois; 3]
                    && classes > 0
                    && [4, 4 * background.boxes(classes)].contains(&d) =>
            {
                Ok(())
            }
            _ => Err(format!(
                "it reads logits, deltas, boxes, levels and a count of {shapes:?}, where [R, C], \
                 [R, 4 · C] or [R, 4], [R, 4], [R] and [1] are expected"
            )),
        }
    }

    fn schedule(&self, arguments: Arguments<'_>, plan: &mut PlanBuilder<'_>) {
        let options = RoiDecodeOptions::from_scalars(arguments.scalars);
        let [logits, deltas, boxes, levels, count, _] = arguments.inputs[..] else {
            unreachable!("RoI decoding has six inputs")
        };
        let (rows, found) = (arguments.outputs[0], arguments.outputs[4]);
        let params = decode_rois::Params {
            weights: options.weights,
            classes: plan.shape(logits)[1] as u32,
            logit_pitch: plan.pitch(logits) as u32,
            delta_pitch: plan.pitch(deltas) as u32,
            capacity: plan.shape(rows)[0] as u32,
            score_threshold: options.score_threshold,
            min_side: options.min_side,
            delta_step: match plan.shape(deltas)[1] {
                4 => 0,
                _ => 4,
            },
            edges: options.edges.word(),
            first_class: options.background.first_class() as u32,
            ..Default::default()
        };
        let mut operands = vec![Operand::Frame];
        operands.extend(plan.operands([logits, deltas, boxes, levels, count, rows, found]));
        plan.push(Draft::making(
            "candidates",
            params.dispatch(),
            operands,
            rows,
        ));
    }

    #[cfg(feature = "verify")]
    fn replay(&self, call: &CustomOpIr, tensors: &mut Handles) {
        let [logits, deltas, boxes, levels, count, frame] = &call.inputs[..] else {
            unreachable!("RoI decoding has six inputs")
        };
        let candidates = <Flex as RoiDecodeOps>::decode_rois(
            tensors.get_float_tensor::<Flex>(logits),
            tensors.get_float_tensor::<Flex>(deltas),
            tensors.get_float_tensor::<Flex>(boxes),
            tensors.get_int_tensor::<Flex>(levels),
            tensors.get_int_tensor::<Flex>(count),
            tensors.get_float_tensor::<Flex>(frame),
            RoiDecodeOptions::from_scalars(&call.scalars),
        );
        candidates.register(&call.outputs, tensors);
    }
}

/// What the CPU engine does for [`decode_rois()`], in the order of (RoI, class). `deltas` are rows of four, one a
/// (RoI, class) or one a RoI; `resized` is the unpadded picture's height and width.
pub fn decode_all(
    logits: &[f32],
    deltas: &[[f32; 4]],
    boxes: &[BBox],
    levels: &[i32],
    classes: usize,
    resized: [f32; 2],
    options: RoiDecodeOptions,
) -> Vec<Candidate> {
    let decoded = trace(logits, deltas, boxes, levels, classes, resized, options);
    decoded.into_iter().map(|(_, found)| found).collect()
}

/// The same, each behind the index of the RoI that it is of.
pub fn trace(
    logits: &[f32],
    deltas: &[[f32; 4]],
    boxes: &[BBox],
    levels: &[i32],
    classes: usize,
    resized: [f32; 2],
    options: RoiDecodeOptions,
) -> Vec<(usize, Candidate)> {
    let mut candidates = Vec::new();
    let edges = options.edges;
    let is_agnostic = deltas.len() == boxes.len();
    let first = options.background.first_class();
    for (roi, (&bbox, &level)) in boxes.iter().zip(levels).enumerate() {
        let scores = softmax(&logits[roi * classes..][..classes]);
        let foreground = scores.into_iter().enumerate();
        for (class, score) in foreground.skip(first).take(classes - 1) {
            // NaN passes no threshold.
            if score > options.score_threshold {
                let deltas = match is_agnostic {
                    true => deltas[roi],
                    false => deltas[roi * options.background.boxes(classes) + class],
                };
                let bbox = edges.clip(edges.decode(bbox, deltas, options.weights), resized);
                if is_at_least(bbox, options.min_side) {
                    let candidate = Candidate {
                        bbox,
                        landmarks: Vec::new(),
                        score,
                        label: (class + 1 - first) as i32,
                        level,
                    };
                    candidates.push((roi, candidate));
                }
            }
        }
    }
    candidates
}

/// Softmax of one row.
pub(crate) fn softmax(logits: &[f32]) -> Vec<f32> {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exp: Vec<f32> = logits.iter().map(|logit| (logit - max).exp()).collect();
    let sum: f32 = exp.iter().sum();
    exp.into_iter().map(|value| value / sum).collect()
}

/// How likely a logit says that something is.
pub(crate) fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
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
